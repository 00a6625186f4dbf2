//! One chain, whoever writes.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use missiond_policy::{
    Decision, Risk, ToolCall, Verdict,
    audit::{AuditError, AuditLog, AuditOptions, Decider, Digest, Entry, Judged, Redactor, newest, verify},
};
use serde_json::{Value, json};

use super::{Scene, WAIT, paths};

#[test]
fn record_says_who_did_what_and_who_decided() {
    let scene = Scene::new();
    let mut call = ToolCall::new("Bash", json!({ "command": "git push", "timeout": 5 }), "/work/shop");
    call.id = Some("toolu_1".to_owned());
    let mut verdict = Verdict::new(Decision::Allow, Risk::High, "approved");
    verdict.part = Some("git push".to_owned());
    let at: Timestamp = "2026-03-01T12:00:00.123456Z".parse().unwrap();
    let mut judged = Judged::new(at, &call, &verdict);
    judged.by = Decider::Person;
    (judged.session, judged.slot, judged.task) = (Some("conversation"), Some("s1"), Some("0198"));
    (judged.agent, judged.approval, judged.person) = (Some("claude"), Some("0199"), Some("uid 1000"));
    judged.note = Some("once");
    let receipt = scene.log.append(&judged).unwrap();
    assert_eq!(receipt.seq, 2, "the first record says that the file was opened");
    let record: Value = serde_json::from_str(&scene.lines()[1]).unwrap();
    let prev = serde_json::from_str::<Value>(&scene.lines()[0]).unwrap()["hash"].clone();
    assert_eq!(
        record,
        json!({
            "v": 1, "seq": 2, "at": "2026-03-01T12:00:00.123Z", "kind": "call", "session": "conversation",
            "slot": "s1", "task": "0198", "agent": "claude", "call": "toolu_1", "tool": "Bash",
            "input": { "command": "git push", "timeout": 5 }, "cwd": "/work/shop", "decision": "allow",
            "by": "person", "reason": "approved", "risk": "high", "part": "git push", "approval": "0199",
            "person": "uid 1000", "note": "once", "prev": prev, "hash": receipt.hash.to_string(),
        })
    );
    let (records, unreadable) = newest(scene.log.paths(), &Default::default(), 1, WAIT).unwrap();
    assert_eq!((records[0].seq, records[0].hash, unreadable), (2, receipt.hash, 0));
    assert!(matches!(&records[0].entry, Entry::Call(call) if call.by == Decider::Person));
}

#[test]
fn file_is_safe_to_look_at() {
    let scene = Scene::new();
    let evil = "\u{1b}[2J\u{9b}31m\u{7f}\u{202e}txt\u{200b}\u{e0041}\r\n\"\\ß";
    scene.call(evil);
    let line = scene.lines().pop().unwrap();
    assert!(line.chars().all(|c| c.is_ascii_graphic() || matches!(c, ' ' | 'ß')), "{line:?}");
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["input"]["command"], evil);
    scene.assert_sound(2);
}

/// The documentation gives a command with the system's own programs.
#[test]
fn hash_is_that_of_the_bytes_before_it() {
    let scene = Scene::filled(3);
    let script = r#"sed -n '$s/,"hash":"[0-9a-f]*"}$//p' "$1" | tr -d '\n' | sha256sum"#;
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(scene.path()).output().unwrap();
    let sum = String::from_utf8(output.stdout).unwrap();
    let (_, hash) = scene.verify().last.unwrap();
    assert_eq!(sum.split_whitespace().next(), Some(hash.to_string().as_str()));
    assert_eq!(hash.to_string().parse::<Digest>(), Ok(hash));
    for wrong in ["", "0", &"g".repeat(64), &hash.to_string().to_uppercase()] {
        assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
    }
}

#[test]
fn expected_hash_is_found_or_missed() {
    let scene = Scene::filled(3);
    let (paths, receipt) = (scene.log.paths(), scene.call("ls"));
    scene.call("ls");
    assert_eq!(verify(paths, Some(receipt.hash), WAIT).unwrap().fault, None);
    let fault = verify(paths, Some(Digest::of(b"other")), WAIT).unwrap().fault.unwrap();
    assert!(fault.what.contains("expected hash"), "{fault:?}");
}

/// S9: the whole chain written anew is as sound as the first; only what was noted down elsewhere shows it.
#[test]
fn rewritten_log_is_found_by_a_hash_that_was_noted_down() {
    let (scene, other) = (Scene::filled(3), Scene::filled(3));
    let noted = scene.verify().last.unwrap().1;
    fs::copy(other.path(), scene.path()).unwrap();
    assert!(scene.fault().1.contains("isn't the one that the head was written for"));
    fs::copy(other.head(), scene.head()).unwrap();
    scene.assert_sound(4);
    assert!(verify(scene.log.paths(), Some(noted), WAIT).unwrap().fault.is_some());
}

#[test]
fn files_are_for_us_alone_and_links_are_not_followed() {
    let scene = Scene::filled(1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(scene.path()), mode(&scene.head())), (0o600, 0o600));
    assert_eq!(mode(scene.log.paths().directory()), 0o700);

    let precious = scene.directory.path().join("precious");
    fs::write(&precious, "mine").unwrap();
    let linked = scene.directory.path().join("linked.jsonl");
    symlink(&precious, &linked).unwrap();
    let full = scene.directory.path().join("full.jsonl");
    symlink("/dev/full", &full).unwrap();
    let directory = scene.directory.path().join("directory.jsonl");
    fs::create_dir(&directory).unwrap();
    for path in [linked, full, directory] {
        let log = AuditLog::new(&path, AuditOptions::default(), Redactor::new());
        let (call, verdict) =
            (ToolCall::new("Bash", json!({}), "/"), Verdict::new(Decision::Allow, Risk::Low, ""));
        let error = log.append(&Judged::new(Timestamp::now(), &call, &verdict)).unwrap_err();
        let is_refused = matches!(error, AuditError::NotAFile { .. } | AuditError::Io { .. });
        assert!(is_refused, "{}: {error}", path.display());
    }
    assert_eq!(fs::read_to_string(precious).unwrap(), "mine");
}

#[test]
fn writer_that_holds_the_lock_is_not_waited_for_without_end() {
    let mut options = AuditOptions::default();
    options.lock_wait = Duration::from_millis(100);
    let scene = Scene::with(options);
    scene.call("ls");
    let holder = fs::OpenOptions::new().write(true).open(scene.head()).unwrap();
    holder.lock().unwrap();
    let (call, verdict) =
        (ToolCall::new("Bash", json!({}), "/"), Verdict::new(Decision::Allow, Risk::Low, ""));
    let begun = Instant::now();
    let error = scene.log.append(&Judged::new(Timestamp::now(), &call, &verdict)).unwrap_err();
    assert!(matches!(error, AuditError::Locked { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    drop(holder);
    scene.call("ls");
    scene.assert_sound(3);
}

const WRITER: &str = "audit::chain::many_processes_keep_one_chain";
const WRITE_TO: &str = "MISSIOND_TEST_AUDIT_LOG";
const PROCESSES: usize = 8;
const RECORDS: usize = 150;

/// S9: 8 processes, with a rotation every few dozen records.
#[test]
fn many_processes_keep_one_chain() {
    if let Some(path) = std::env::var_os(WRITE_TO) {
        return write_many(Path::new(&path));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let writers: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([WRITER, "--exact"]).env(WRITE_TO, &path).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    let verified = verify(&paths(&path), None, WAIT).unwrap();
    assert_eq!((&verified.fault, &verified.torn), (&None, &Vec::new()), "{verified:#?}");
    assert!(verified.files > 5, "{verified:?}");
    let (records, _) = newest(&paths(&path), &Default::default(), usize::MAX, WAIT).unwrap();
    let calls: BTreeSet<String> = records
        .into_iter()
        .filter_map(|record| match record.entry {
            Entry::Call(call) => Some(call.input["command"].as_str().unwrap().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(calls.len(), PROCESSES * RECORDS, "each call has its record");
}

fn write_many(path: &Path) {
    let mut options = AuditOptions::default();
    (options.max_file_bytes, options.lock_wait) = (32 << 10, Duration::from_secs(30));
    let log = AuditLog::new(path, options, Redactor::new());
    for number in 0..RECORDS {
        let call =
            ToolCall::new("Bash", json!({ "command": format!("{} {number}", std::process::id()) }), "/");
        let verdict = Verdict::new(Decision::Allow, Risk::Low, "x".repeat(number));
        log.append(&Judged::new(Timestamp::now(), &call, &verdict)).unwrap();
    }
}

#[test]
fn threads_of_one_process_keep_one_chain() {
    let scene = Scene::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| assert!(scene.call("ls").seq > 1)));
        }
    });
    scene.assert_sound(401);
}
