//! Rules with wildcards hold for directories that are taken with the files they speak of.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use missiond_policy::{Decision, Disk, Layer, Links, Policies, Policy, Surroundings, ToolCall};
use serde_json::json;
use tempfile::TempDir;

use Decision::{Allow, Ask, Deny};

/// A workspace with these files.
fn world(files: &[&str]) -> (TempDir, Surroundings) {
    let dir = tempfile::tempdir().unwrap();
    let workspace = dir.path().canonicalize().unwrap().join("home/work/shop");
    fs::create_dir_all(&workspace).unwrap();
    for file in files {
        let path = workspace.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let mut surroundings = Surroundings::new(&workspace, &workspace);
    surroundings.can_ask = true;
    (dir, surroundings)
}

fn judge(surroundings: &Surroundings, rules: &str, command: &str) -> Decision {
    let policy = Policy::parse(&format!("version = 1\n{rules}"), "policy.toml", Layer::Project).unwrap();
    let call = ToolCall::new("Bash", json!({ "command": command }), &surroundings.workspace);
    Policies::new([policy]).unwrap().judge(&call, surroundings).decision
}

#[test]
fn s3_a_rule_with_a_wildcard_holds_for_the_directories_above_what_it_matches() {
    let (_dir, place) = world(&[
        "app/yarn.lock",
        "app/src/a.rs",
        "deep/a/b/c/secret/key",
        "plain/a.rs",
        "plain/b/c.rs",
        "Loud/X.LOCK",
        "target/debug/x.lock",
        "web/node_modules/p/yarn.lock",
        "empty/.keep",
    ]);
    let check = |rules: &str, command: &str, expected: Decision| {
        assert_eq!(judge(&place, rules, command), expected, "{rules}: {command}");
    };
    let locks = "deny = ['Edit(*.lock)']";
    for command in [
        "rm -rf app",
        "rm -r app/",
        "rm -rf ./app",
        "rm -rf plain app",
        "rm -rf a*",
        "rm -rf Loud",
        "mv app plain",
        "rm -rf app/yarn.lock",
    ] {
        check(locks, command, Deny);
    }
    for command in [
        "rm -rf plain",
        "rm -rf app/src",
        "rm -rf empty",
        "rm -rf nowhere",
        "rm app/src/a.rs",
        "mv plain app",
    ] {
        check(locks, command, Allow);
    }
    // What builders make is theirs.
    for command in ["rm -rf target", "rm -rf target/debug", "rm -rf web", "rm -rf web/node_modules"] {
        check(locks, command, Allow);
    }
    // Unless a rule names it.
    check("deny = ['Edit(target/**)']", "rm -rf target", Deny);
    check("deny = ['Edit(web/node_modules/**/x)']", "rm -rf web", Deny);
    check("ask = ['Edit(*.lock)']", "rm -rf app", Ask);
    check("ask = ['Edit(*.lock)']\ndeny = ['Edit(**/src/*.rs)']", "rm -rf app", Deny);
    check("[[rule]]\neffect = 'deny'\nmatch = 'Edit(*.lock)'\nslot = 's2'", "rm -rf app", Deny);
    check("deny = ['Edit(**/secret/**)']", "rm -rf deep", Deny);
    check("deny = ['Edit(**/secret/**)']", "rm -rf deep/a/b", Deny);
    check("deny = ['Edit(**/secret/**)']", "rm -rf plain", Allow);
    check("deny = ['Edit(**/secret/key)']", "rm -rf deep", Deny);
    check("deny = ['Edit(deep/*/b/**/key)']", "rm -rf deep/a", Deny);
    check("deny = ['Edit(plain/*.lock)']", "rm -rf app", Allow);
    // What is moved or copied is read.
    check("deny = ['Read(**/secret/**)']", "mv deep plain/deep", Deny);
    check("deny = ['Read(**/secret/**)']", "cp -r deep plain/deep", Deny);
    check("deny = ['Read(**/secret/**)']", "cp -r plain other", Allow);
    // Reading has nothing to do with deleting, and without such a rule nothing is looked at.
    check("deny = ['Read(**/secret/**)']", "rm -rf deep", Allow);
    check("", "rm -rf app", Allow);
}

#[test]
fn s3_a_directory_too_large_to_look_through_counts_as_holding_the_file() {
    let (_dir, place) = world(&["small/a"]);
    for count in 0..4200 {
        let directory = place.workspace.join("giant");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(count.to_string()), "").unwrap();
    }
    for part in 0..10 {
        let directory = place.workspace.join("wide").join(part.to_string());
        fs::create_dir_all(&directory).unwrap();
        (0..200).for_each(|count| fs::write(directory.join(count.to_string()), "").unwrap());
    }
    let locks = "deny = ['Edit(*.lock)']";
    assert_eq!(judge(&place, locks, "rm -rf small"), Allow);
    assert_eq!(judge(&place, locks, "rm -rf giant"), Deny);
    assert_eq!(judge(&place, locks, "rm -rf wide small"), Allow);
    assert_eq!(judge(&place, "", "rm -rf giant"), Allow);
    // However often it is named, a directory is looked through once.
    let listing = Listing::default();
    let command = "rm -rf wide giant small; ".repeat(200);
    let policy = Policy::parse(&format!("version = 1\n{locks}"), "policy.toml", Layer::Project).unwrap();
    let call = ToolCall::new("Bash", json!({ "command": command }), &place.workspace);
    let verdict = Policies::new([policy]).unwrap().judge_with(&call, &place, &listing);
    let listed = listing.count.load(Ordering::Relaxed);
    assert!(verdict.decision == Deny && listed < 50, "{verdict:?}, {listed} listed");
}

/// The disk, and how often a directory was listed.
#[derive(Debug, Default)]
struct Listing {
    count: AtomicUsize,
}

impl Links for Listing {
    fn target(&self, path: &Path) -> Option<PathBuf> {
        Disk.target(path)
    }

    fn exists(&self, path: &Path) -> bool {
        Disk.exists(path)
    }

    fn names(&self, directory: &Path, limit: usize) -> Option<Vec<OsString>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        Disk.names(directory, limit)
    }

    fn is_file(&self, path: &Path) -> bool {
        Disk.is_file(path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        Disk.is_directory(path)
    }
}
