//! Claude Code as a person starts it, with the hook that `missiond hook install` wrote: no mission, the hook judges by itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use missiond_testkit::claude::{ClaudeHome, Headless, HeadlessRun};
use missiond_testkit::model::{ModelServer, Script, Turn};
use missiond_testkit::netns;
use missiond_testkit::repo::Repo;

use super::bash;
use crate::support::COMMAND;

/// What the agent's own settings say of a tool call that no hook speaks about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Own {
    /// It asks, and with nobody there that is a no.
    Asks,
    /// It has leave.
    Allows,
}

/// A run in a linked worktree, and what it left.
struct Ran {
    run: HeadlessRun,
    /// What the model was told of its call, and whether as an error.
    told: (String, bool),
    /// Whether the call did what it does.
    done: bool,
}

impl Ran {
    fn denials(&self) -> usize {
        let result = self.run.result().unwrap();
        result["permission_denials"].as_array().map_or(0, Vec::len)
    }
}

/// One call of `touch ran.txt` in a linked worktree, under a policy, with the hook in settings of a scope.
fn touch(scope: Option<&str>, policy: &str, own: Own) -> Ran {
    println!("--- {scope:?} {own:?} {policy:?}");
    let mut ran = None;
    netns::run(|| {
        let call = Turn::message([bash("touch ran.txt")]);
        let server = ModelServer::start(Script::new().turn(call).turn(Turn::text("Done.").always()))?;
        let home = ClaudeHome::new()?;
        let repo = Repo::with_commit()?;
        // Only the main worktree's policy counts, wherever the agent works.
        repo.write(".missiond/policy.toml", policy)?;
        let worktree = repo.beside("linked");
        repo.git(&["worktree", "add", "-q", "-b", "linked", &worktree.to_string_lossy()])?;
        home.trust(&worktree)?;
        if let Some(scope) = scope {
            install(&home, &worktree, scope);
        }
        let mut agent = Headless::new(&home, &server, &worktree, "do it")?;
        if own == Own::Allows {
            agent = agent.arg("--allowedTools").arg("Bash");
        }
        let run = agent.run(COMMAND)?;
        let results: Vec<_> =
            server.conversation().iter().flat_map(|request| request.tool_results()).collect();
        let told = results.first().map(|result| (result.text.clone(), result.is_error)).unwrap_or_default();
        ran = Some(Ran { run, told, done: worktree.join("ran.txt").exists() });
        Ok(())
    })
    .unwrap();
    ran.unwrap()
}

fn install(home: &ClaudeHome, worktree: &Path, scope: &str) -> PathBuf {
    let mut missiond = Command::new(env!("CARGO_BIN_EXE_missiond"));
    missiond.args(["hook", "install", "--agent", "claude", "--scope", scope]).current_dir(worktree);
    missiond.env_clear().env("HOME", home.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = missiond.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let root = if scope == "user" { home.path() } else { worktree };
    let name = if scope == "local" { "settings.local.json" } else { "settings.json" };
    let path = root.join(".claude").join(name);
    assert!(path.exists(), "{} is not there", path.display());
    path
}

const ALLOW: &str = "version = 1\nallow = [\"Bash(touch:*)\"]\n";
const ASK: &str = "version = 1\nask = [\"Bash(touch:*)\"]\n";

#[test]
fn h_an_allow_of_the_installed_hook_is_leave_enough() {
    // Without the hook the agent would have asked, so that it shows who gave leave.
    let without = touch(None, ALLOW, Own::Asks);
    assert!(!without.done && without.denials() == 1, "{:?}", without.told);
    for scope in ["user", "project", "local"] {
        let ran = touch(Some(scope), ALLOW, Own::Asks);
        assert!(ran.done, "{scope}: {:?}", ran.told);
        assert_eq!((ran.denials(), ran.told.1), (0, false), "{scope}: {:?}", ran.told);
    }
}

#[test]
fn h_a_deny_of_the_installed_hook_holds_against_the_agents_own_leave() {
    let without = touch(None, super::NO_TOUCH, Own::Allows);
    assert!(without.done, "{:?}", without.told);
    for scope in ["user", "project", "local"] {
        let ran = touch(Some(scope), super::NO_TOUCH, Own::Allows);
        assert!(!ran.done, "{scope}: {:?}", ran.told);
        assert!(ran.told.1 && ran.told.0.contains("files are not touched"), "{scope}: {:?}", ran.told);
    }
}

#[test]
fn h_an_ask_of_the_installed_hook_is_a_no_where_nobody_can_answer() {
    for own in [Own::Asks, Own::Allows] {
        let ran = touch(Some("user"), ASK, own);
        println!("{:?}", ran.told);
        assert!(!ran.done, "{own:?}: {:?}", ran.told);
        assert!(ran.told.1, "{own:?}: {:?}", ran.told);
        assert_eq!(ran.denials(), 1, "{own:?}");
    }
}

#[test]
fn h_a_policy_that_cannot_be_read_lets_nothing_run() {
    let ran = touch(Some("user"), "version = 1\nalow = []\n", Own::Allows);
    assert!(!ran.done && ran.told.1, "{:?}", ran.told);
    assert!(ran.told.0.contains("blocked, since the hook failed"), "{:?}", ran.told);
}
