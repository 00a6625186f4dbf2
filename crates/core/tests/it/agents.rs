//! The data files of agent kinds.

use missiond_core::agents::{AgentProfile, Profiles};

#[test]
fn embedded_files_are_sound_and_bear_their_names() {
    let profiles = Profiles::embedded().unwrap();
    let kinds: Vec<&str> = profiles.iter().map(|profile| profile.id.as_str()).collect();
    assert_eq!(kinds, ["claude", "scripted"]);
}

#[test]
fn arguments_that_switch_the_asking_off_are_found_in_every_spelling() {
    let profiles = Profiles::embedded().unwrap();
    let claude = profiles.get(&"claude".parse().unwrap()).unwrap();
    let check = |args: &[&str], expected: Option<&str>| {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        assert_eq!(claude.forbidden(&args), expected, "{args:?}");
    };
    check(&["--model", "haiku"], None);
    check(&["--model", "haiku", "--dangerously-skip-permissions"], Some("--dangerously-skip-permissions"));
    check(&["--permission-mode=bypassPermissions"], Some("--permission-mode=bypassPermissions"));
    check(&["--allowedTools", "Bash"], Some("--allowedTools"));
    check(&["--settings", "mine.json"], Some("--settings"));
    check(&[], None);
}

#[test]
fn a_file_that_is_not_understood_is_refused_with_its_name() {
    let check = |text: &str, expected: &str| {
        let error = AgentProfile::parse(text, "x.toml").expect_err(text);
        let error = missiond_core::chain(&error);
        assert!(error.contains("x.toml") && error.contains(expected), "{error}");
    };
    let head = "version = 1\nid = \"x\"\nname = \"X\"\ninstall = \"no\"\n";
    check("version = 1\n", "missing field");
    check(&format!("{head}colour = \"red\"\n"), "unknown field `colour`");
    check(&head.replace("version = 1", "version = 2"), "version 2");
    check(&head.replace("\"x\"", "\"a b\""), "agent kind");
    AgentProfile::parse(head, "x.toml").unwrap();
}
