//! Where the tests' calls happen.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use missiond_policy::{Links, Policies, Surroundings, ToolCall, Verdict};
use serde_json::{Value, json};

pub const WORKSPACE: &str = "/home/dev/work/shop-7";

/// A worktree beside its project, in a home with a temporary directory, and somebody to ask.
pub fn surroundings() -> Surroundings {
    let mut surroundings = Surroundings::new(WORKSPACE, "/home/dev/work/shop");
    surroundings.home = Some("/home/dev".into());
    surroundings.temp_dirs = vec!["/tmp".into()];
    surroundings.protected = vec!["/home/dev/.local/state/missiond".into()];
    surroundings.own_pids = vec![4242];
    surroundings.can_ask = true;
    surroundings
}

pub fn bash(policies: &Policies, command: &str) -> Verdict {
    tool(policies, "Bash", json!({ "command": command }))
}

pub fn tool(policies: &Policies, name: &str, input: Value) -> Verdict {
    policies.judge_with(&ToolCall::new(name, input, WORKSPACE), &surroundings(), &Files)
}

/// A file system with a few plain files in the workspace's `src`, and nothing else that could be told.
#[derive(Debug)]
pub struct Files;

impl Links for Files {
    fn target(&self, _: &Path) -> Option<PathBuf> {
        None
    }

    fn names(&self, directory: &Path, limit: usize) -> Option<Vec<OsString>> {
        let names = ["main.rs", "lib.rs", "shop.toml", "test_a.py", "a_test.go", "a.ts", "a.json"];
        let known = directory == Path::new(WORKSPACE).join("src") && names.len() <= limit;
        known.then(|| names.map(OsString::from).to_vec())
    }
}
