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

/// A data file cannot do without what the agent's calls are judged and seen by.
#[test]
fn a_file_that_would_let_calls_run_unasked_or_unseen_is_refused() {
    let claude = include_str!("../../src/agents/claude.toml");
    let check = |from: &str, to: &str, said: &str| {
        assert!(claude.contains(from), "{from}");
        let error = AgentProfile::parse(&claude.replace(from, to), "x.toml").expect_err(said).to_string();
        assert!(error.contains("x.toml") && error.contains(said), "{said}: {error}");
    };
    check(r#""--verbose", "--settings", "{settings}""#, r#""--verbose""#, "headless.args lack `{settings}`");
    check(
        r#"resume = ["--settings", "{settings}", "--setting-sources", ""#,
        r#"resume = ["--x", "{conversation}", ""#,
        "pty.resume lack",
    );
    check(
        r#""--verbose""#,
        r#""--permission-mode=bypassPermissions""#,
        "`--permission-mode=bypassPermissions`",
    );
    check(r#""--verbose""#, r#""--safe-mode""#, "`--safe-mode`");
    for emit in ["tool_call", "tool_result", "result"] {
        check(&format!("emit = \"{emit}\""), "emit = \"warning\"", &format!("`emit = \"{emit}\"`"));
    }
    let without = AgentProfile::parse(&claude.replace("hooks = \"claude\"", ""), "x.toml").unwrap();
    assert!(without.hooks.is_none(), "an agent without hooks is described, and never started");
}

#[test]
fn what_switches_hooks_off_is_forbidden_whatever_a_file_says() {
    let claude = include_str!("../../src/agents/claude.toml");
    let start = claude.find("forbidden_args").unwrap();
    let end = claude.find("[headless]").unwrap();
    let bare = AgentProfile::parse(&format!("{}{}", &claude[..start], &claude[end..]), "x.toml").unwrap();
    assert!(bare.forbidden_args.is_empty());
    for arg in
        ["--safe-mode", "--managed-settings=x", "--settings", "--dangerously-skip-permissions", "--bare"]
    {
        assert_eq!(bare.forbidden(&[arg.to_owned()]), Some(arg));
    }
    assert_eq!(bare.forbidden(&["--model".to_owned(), "x".to_owned()]), None);
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
