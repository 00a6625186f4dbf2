//! An agent has the person's user id, and still may not answer for the person: neither by the command, nor by the socket,
//! nor after it has hidden where it comes from.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says what it saw"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use missiond_core::control::wire::Hello;
use missiond_testkit::processes::wait_until;
use serde_json::{Value, json};

use support::{COMMAND, Project, script, slots};

/// What the agent's shell is told to do; `{missiond}` is the program, `{out}` a directory outside every workspace.
///
/// A double fork, a session of its own and an empty environment: to `ps` nothing leads back to the agent.
const HIDDEN: &str = "env -i PATH=\"$PATH\" setsid sh -c '( {command} ) > {out}/said 2>&1 &' & \
     while [ ! -e {out}/code ]; do sleep 0.05; done";
const PLAIN: &str = "( {command} ) > {out}/said 2>&1";

struct Attack {
    project: Project,
    out: tempfile::TempDir,
    /// The task whose approval, cancellation and so on the agent is after.
    victim: String,
    up: Option<support::Background>,
}

impl Attack {
    /// A mission in which one task waits for an approval, and a second slot is free for the attacker.
    fn prepare() -> Self {
        let project = Project::new(&slots("scripted", "headless", 2));
        let out = tempfile::tempdir().unwrap();
        let up = project.start(&["up"]);
        wait_until(COMMAND, "the mission", || (project.run(&["status", "--json"]).code == 0).then_some(()))
            .unwrap();
        let steps = json!([{ "bash": "git push origin main" }, { "say": "pushed" }]);
        let submitted = wait_until(COMMAND, "a task taken by the mission", || {
            let finished = project.run(&["task", "submit", &script(&steps), "--format", "json"]);
            serde_json::from_str::<Value>(&finished.stdout).ok()
        })
        .unwrap();
        let victim = submitted[0]["task"].as_str().unwrap().to_owned();
        project.pending_approval();
        Self { project, out, victim, up: Some(up) }
    }

    /// Has an agent run a command past its hook, and gives back what the command printed and its exit code.
    fn run(&self, way: &str, command: &str) -> (String, i32) {
        for file in ["said", "code"] {
            let _ = std::fs::remove_file(self.out.path().join(file));
        }
        let out = self.out.path().display().to_string();
        let command = format!("{command}; echo $? > {out}/code.new; mv {out}/code.new {out}/code");
        let line = way.replace("{command}", &command).replace("{out}", &out);
        let steps = json!([{ "unhooked": line }, { "say": "done" }]);
        let submitted = self.project.json(&["task", "submit", &script(&steps), "--format", "json"]);
        let code: anyhow::Result<i32> = wait_until(COMMAND, "the agent's command", || {
            std::fs::read_to_string(self.out.path().join("code")).ok()?.trim().parse().ok()
        });
        let said = std::fs::read_to_string(self.out.path().join("said")).unwrap_or_default();
        let code = code.unwrap_or_else(|error| panic!("{error}: {said}"));
        let task = submitted[0]["task"].as_str().unwrap();
        // It fails: a call ran that nobody had allowed.
        assert_eq!(self.project.run(&["task", "wait", task]).code, 4);
        (said, code)
    }

    fn missiond() -> PathBuf {
        PathBuf::from(env!("CARGO_BIN_EXE_missiond"))
    }

    fn end(mut self) {
        let pending = self.project.json(&["approvals", "--format", "json"]);
        assert_eq!(pending.as_array().unwrap().len(), 1, "the question was answered by an agent: {pending}");
        let task = self.project.json(&["task", "show", &self.victim, "--format", "json"]);
        let task = task.as_array().map_or(task.clone(), |tasks| tasks[0].clone());
        assert_eq!(task["status"], "running", "{task}");
        assert_eq!(self.project.run(&["down"]).code, 0);
        let up = self.up.take().unwrap().wait();
        assert_eq!(up.code, 0, "{up}");
    }
}

/// A command of missiond in the project, as a shell word list.
fn command(attack: &Attack, args: &str) -> String {
    // The runtime directory is told, so that not finding the socket is not what stops the attacker.
    let runtime = attack.project.missiond();
    let runtime = runtime
        .get_envs()
        .find(|(name, _)| *name == "XDG_RUNTIME_DIR")
        .and_then(|(_, value)| value)
        .map(|value| value.to_string_lossy().into_owned())
        .unwrap_or_default();
    format!(
        "XDG_RUNTIME_DIR={runtime} {} -C {} {args}",
        Attack::missiond().display(),
        attack.project.path().display()
    )
}

#[test]
fn s8b_an_agent_cannot_answer_cancel_or_configure_by_the_command() {
    let attack = Attack::prepare();
    let approval = attack.project.pending_approval();
    let approval = approval["id"].as_str().unwrap();
    let before = std::fs::read_to_string(attack.project.path().join(".missiond/config.toml")).unwrap();
    for way in [PLAIN, HIDDEN] {
        for args in [
            format!("approve {approval}"),
            format!("reject {approval}"),
            format!("task cancel {}", attack.victim),
            "task submit hello".to_owned(),
            "config set core.max_concurrent_agents 1".to_owned(),
            "down".to_owned(),
            "agent kill scripted-1".to_owned(),
        ] {
            let (said, code) = attack.run(way, &command(&attack, &args));
            assert_eq!(code, 4, "`missiond {args}` was not refused: {said}");
            assert!(said.contains("error: "), "`missiond {args}` was refused without a word: {said}");
        }
    }
    assert_eq!(std::fs::read_to_string(attack.project.path().join(".missiond/config.toml")).unwrap(), before);
    attack.end();
}

#[test]
fn s8b_an_agent_cannot_use_the_control_socket_itself() {
    // The test program plays the attacker's client: started by the agent's shell with this variable set, it connects.
    let attack = Attack::prepare();
    let runtime = std::fs::read_dir(runtime_base(&attack)).unwrap().flatten().map(|entry| entry.path());
    let socket = runtime.flat_map(|path| find_socket(&path)).next();
    let socket =
        socket.unwrap_or_else(|| panic!("no control socket below {}", runtime_base(&attack).display()));
    let client = std::env::current_exe().unwrap();
    let call = format!(
        "{}={} {} --exact attackers_client --nocapture --quiet",
        CLIENT,
        socket.display(),
        client.display()
    );
    for way in [PLAIN, HIDDEN] {
        let (said, _) = attack.run(way, &call);
        assert!(said.contains("connected"), "the client did not even connect: {said}");
        assert!(!said.contains("\"type\":\"status\""), "an agent's program was answered: {said}");
        assert!(said.contains("denied") || said.contains("refused"), "the client was not told why: {said}");
    }
    let refused =
        attack.project.events().into_iter().filter(|event| event["kind"] == "control.refused").count();
    assert!(refused >= 1, "no refusal is on record");
    // The same program, not started by an agent, is let in: it is the descent that counts, not the program.
    let outside = std::process::Command::new(client)
        .env(CLIENT, &socket)
        .args(["--exact", "attackers_client", "--nocapture", "--quiet"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&outside.stdout).into_owned();
    assert!(said.contains("\"type\":\"status\""), "a person's program was refused: {said}");
    attack.end();
}

/// Names the socket for [`attackers_client`].
const CLIENT: &str = "MISSIOND_TEST_ATTACK";

fn runtime_base(attack: &Attack) -> PathBuf {
    let command = attack.project.missiond();
    let found = command.get_envs().find(|(name, _)| *name == "XDG_RUNTIME_DIR").and_then(|(_, value)| value);
    PathBuf::from(found.unwrap())
}

fn find_socket(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(directory) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(find_socket(&path));
        } else if path.file_name().is_some_and(|name| name == "control.sock") {
            found.push(path);
        }
    }
    found
}

/// The attacker's program, which speaks the wire format without the library. Started as a test, it shows that the
/// program really connects: where nobody listens, it fails.
#[test]
fn attackers_client() {
    let Some(socket) = std::env::var_os(CLIENT) else {
        let nowhere = std::process::Command::new(std::env::current_exe().unwrap())
            .env(CLIENT, "/nonexistent/control.sock")
            .args(["--exact", "attackers_client", "--nocapture", "--quiet"])
            .output()
            .unwrap();
        assert!(!nowhere.status.success() && !String::from_utf8_lossy(&nowhere.stdout).contains("connected"));
        return;
    };
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    println!("connected");
    let hello = serde_json::to_value(Hello::ours()).unwrap();
    for message in [hello, json!({ "type": "status" })] {
        let bytes = message.to_string().into_bytes();
        let mut frame = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(bytes);
        if let Err(error) = stream.write_all(&frame) {
            println!("refused: {error}");
            return;
        }
    }
    let mut answer = Vec::new();
    let mut chunk = [0_u8; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..read]);
        if answer.len() > 1 << 16 || answer.windows(8).any(|window| window == b"\"status\"") {
            break;
        }
    }
    println!("{}", String::from_utf8_lossy(&answer));
}
