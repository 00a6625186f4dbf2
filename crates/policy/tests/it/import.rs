//! Policies from the permission files of agents.

use missiond_policy::{Decision, Layer, NoLinks, Policies, Policy, Surroundings, ToolCall};
use serde_json::{Value, json};

use Decision::{Allow, Ask, Deny};

fn judge(text: &str, tool: &str, input: Value) -> Decision {
    let policies = Policies::new([Policy::parse(text, "imported", Layer::Project).unwrap()]).unwrap();
    let mut place = Surroundings::new("/work/shop", "/work/shop");
    place.home = Some("/home/me".into());
    place.can_ask = true;
    policies.judge_with(&ToolCall::new(tool, input, "/work/shop"), &place, &NoLinks).decision
}

fn bash(text: &str, command: &str) -> Decision {
    judge(text, "Bash", json!({ "command": command }))
}

#[test]
fn claude_settings_become_a_policy() {
    let settings = json!({
        "model": "x",
        "permissions": {
            "allow": ["Bash(npm run test:*)", "Read(~/.zshrc)", "WebFetch(domain:docs.rs)", "mcp__github__get_issue"],
            "ask": ["Bash(git push *)"],
            "deny": ["Read(./.env.*)", "Read(./secrets/**)", "Bash(curl:*)", "WebFetch"],
            "defaultMode": "acceptEdits",
        },
    });
    let (text, problems) = Policy::from_claude_settings(&settings.to_string(), "settings.json").unwrap();
    assert_eq!(problems, Vec::<String>::new());
    insta::assert_snapshot!(text, @r##"
    # Carried over from Claude Code's settings.
    version = 1
    # Claude Code asks before it changes files and runs what it doesn't know; `standard` asks less.
    preset = "strict"

    allow = [
        "Bash(npm run test:*)",
        "Read(~/.zshrc)",
        "WebFetch(domain:docs.rs)",
        "mcp__github__get_issue",
        "Edit",
        "Write",
        "MultiEdit",
        "NotebookEdit",
    ]

    ask = [
        "Bash(git push *)",
    ]

    deny = [
        "Read(./.env.*)",
        "Read(./secrets/**)",
        "Bash(curl:*)",
        "WebFetch",
    ]
    "##);
    assert_eq!(bash(&text, "npm run test -- --watch"), Allow);
    assert_eq!(bash(&text, "git push origin main"), Ask);
    assert_eq!(bash(&text, "timeout 5 curl https://x.org"), Deny);
    assert_eq!(judge(&text, "Read", json!({ "file_path": "secrets/a" })), Deny);
    assert_eq!(
        judge(&text, "Edit", json!({ "file_path": "src/a.rs", "old_string": "a", "new_string": "b" })),
        Allow
    );
    assert_eq!(judge(&text, "Edit", json!({ "file_path": "/etc/passwd" })), Deny);
    // What Claude Code asks about is asked.
    assert_eq!(bash(&text, "cargo build"), Ask);
}

/// Each row: the permissions, what is reported, and whether a command that `standard` allows is asked.
#[test]
fn what_claude_settings_say_beyond_rules_is_reported() {
    let check = |permissions: Value, reported: &[&str], asks: bool| {
        let settings = json!({ "permissions": permissions }).to_string();
        let (text, problems) = Policy::from_claude_settings(&settings, "settings.json").unwrap();
        assert_eq!(problems.len(), reported.len(), "{permissions}: {problems:?}");
        for part in reported {
            let found = problems.iter().find(|problem| problem.contains(part));
            let found = found.unwrap_or_else(|| panic!("{permissions}: {problems:?} lacks {part}"));
            assert!(text.contains(&format!("# Not as it was: {found}\n")), "{text}");
        }
        assert_eq!(bash(&text, "cargo build") == Ask, asks, "{permissions}: {text}");
    };
    check(json!({}), &[], true);
    check(json!({ "defaultMode": "default" }), &[], true);
    check(json!({ "defaultMode": "bypassPermissions" }), &["the policy holds"], false);
    check(json!({ "defaultMode": "dontAsk" }), &["not denied"], true);
    check(json!({ "defaultMode": "new" }), &["`new` isn't known"], true);
    check(json!({ "defaultMode": 3 }), &["isn't text"], true);
    check(json!({ "disableBypassPermissionsMode": "disable" }), &[], true);
    check(
        json!({ "additionalDirectories": ["/x"], "more": 1 }),
        &["additionalDirectories", "`more` isn't known"],
        true,
    );
    check(json!({ "deny": "Bash" }), &["`deny` isn't a list"], true);
    check(json!({ "deny": [3, "Bash"] }), &["`3` in `deny` isn't text"], false);
    check(json!({ "deny": ["Read(../x)"] }), &["deny `Read(../x)` isn't carried over"], true);
    check(json!({ "deny": ["Read(!x)"] }), &["can't be turned round"], true);
    check(json!({ "allow": ["Skill(x)"] }), &["`Skill` takes no specifier"], true);
    check(json!({ "allow": ["Bahs(ls)"] }), &["did you mean `Bash`?"], true);
    check(json!({ "allow": ["\u{1b}[2J"] }), &["control character"], true);
}

/// A name of one tool stands for all that do the same, where it restricts.
#[test]
fn a_denied_editor_or_reader_is_all_of_them() {
    let settings = |entry: &str| json!({ "permissions": { "deny": [entry] } }).to_string();
    let check = |entry: &str, tools: &[&str]| {
        let (text, problems) = Policy::from_claude_settings(&settings(entry), "settings.json").unwrap();
        assert_eq!(problems, Vec::<String>::new());
        for tool in tools {
            assert_eq!(judge(&text, tool, json!({ "file_path": "a" })), Deny, "{entry}: {tool}");
        }
    };
    check("Edit", &["Edit", "Write", "MultiEdit", "NotebookEdit"]);
    check("Edit(*)", &["Edit", "Write", "MultiEdit", "NotebookEdit"]);
    check("Read", &["Read", "Grep", "Glob", "LS", "NotebookRead"]);
    check("Write", &["Write"]);
}

#[test]
fn a_plan_mode_changes_nothing() {
    let settings = r#"{ "permissions": { "defaultMode": "plan" } }"#;
    let (text, _) = Policy::from_claude_settings(settings, "settings.json").unwrap();
    assert_eq!(bash(&text, "rm a"), Deny);
}

#[test]
fn what_is_no_settings_file_is_an_error_that_names_the_line() {
    let check = |text: &str, line: usize| {
        let error = Policy::from_claude_settings(text, "settings.json").unwrap_err().to_string();
        assert!(error.starts_with(&format!("settings.json:{line}: ")), "{text}: {error}");
    };
    check("", 1);
    check("[]", 1);
    check("{\n\"permissions\": [\n", 3);
    check("{ \"permissions\": [] }", 1);
    check(&"[".repeat(100_000), 1);
    let long = format!("\"{}\"", "x".repeat(missiond_policy::MAX_POLICY_BYTES));
    assert!(Policy::from_claude_settings(&long, "x").is_err());
}

const CODEX: &str = r#"
# Reviewed on Monday.
prefix_rule(
    pattern = ["gh", "pr", ["view", "list"]],
    decision = "prompt",
    justification = "Looking is fine,\n  but asked",
    match = ["gh pr view 7888", ["gh", "pr", "list", "--json", "a b"]],
    not_match = ["gh issue view 3"],
)
prefix_rule(pattern=["cargo", "test"])
prefix_rule(pattern = ['git', 'push'], decision = 'forbidden')
"#;

#[test]
fn codex_rules_become_a_policy() {
    let (text, problems) = Policy::from_codex_rules(CODEX, "default.rules").unwrap();
    assert_eq!(problems, Vec::<String>::new());
    insta::assert_snapshot!(text, @r##"
    # Carried over from Codex's rules.
    version = 1

    allow = [
        "Bash(cargo test:*)",
    ]

    deny = [
        "Bash(git push:*)",
    ]

    [[rule]]
    effect = "ask"
    match = "Bash(gh pr view:*)"
    reason = "Looking is fine, but asked"
    examples.match = ["gh pr view 7888"]
    examples.not_match = ["gh issue view 3"]

    [[rule]]
    effect = "ask"
    match = "Bash(gh pr list:*)"
    reason = "Looking is fine, but asked"
    examples.match = ["gh pr list --json 'a b'"]
    examples.not_match = ["gh issue view 3"]
    "##);
    assert_eq!(bash(&text, "gh pr list"), Ask);
    assert_eq!(bash(&text, "cargo test --lib"), Allow);
    assert_eq!(bash(&text, "git push origin main"), Deny);
    assert_eq!(bash(&text, "timeout 5 git push"), Deny);
}

/// Each row: a program, and what is reported; nothing of what is reported is in force.
#[test]
fn what_codex_rules_say_beyond_written_out_rules_is_reported() {
    let check = |text: &str, reported: &[&str]| {
        let (policy, problems) = Policy::from_codex_rules(text, "default.rules").unwrap();
        assert_eq!(problems.len(), reported.len(), "{text}: {problems:?}");
        for (problem, part) in problems.iter().zip(reported) {
            assert!(problem.contains(part), "{text}: {problem} lacks {part}");
        }
        Policy::parse(&policy, "imported", Layer::User).unwrap()
    };
    let none = |text: &str, part: &str| assert_eq!(check(text, &[part]).rules().len(), 0, "{text}");
    none("x = ['a']", "line 1: it isn't a call");
    none("\n\nload('//a', 'b')", "line 3: an argument isn't written as");
    none("host_executable(name = 'git', paths = ['/usr/bin/git'])", "`host_executable` isn't `prefix_rule`");
    none("prefix_rule(['git'])", "an argument isn't written as");
    none("prefix_rule(pattern = GIT)", "isn't written out");
    none("prefix_rule(pattern = ['a'] + ['b'])", "`pattern` isn't written out");
    none("prefix_rule(pattern = ['a' for x in y])", "isn't written out");
    none("prefix_rule(pattern = ['a'], pattern = ['b'])", "is given twice");
    none("prefix_rule(pattern = ['a'], later = 'x')", "the argument `later` isn't known");
    none("prefix_rule(pattern = ['a'], decision = 'maybe')", "the decision `maybe` isn't known");
    none("prefix_rule(pattern = ['a'], decision = ['allow'])", "isn't text");
    none("prefix_rule(decision = 'allow')", "it has no pattern");
    none("prefix_rule(pattern = 'git')", "its pattern isn't a list");
    none("prefix_rule(pattern = [])", "its pattern is empty");
    none("prefix_rule(pattern = ['a', []])", "stand for no or more");
    none("prefix_rule(pattern = ['a', ['b', ['c']]])", "a list stands where a word should");
    none("prefix_rule(pattern = [[[[[[[[[['a']]]]]]]]]])", "isn't written out");
    let many = format!("prefix_rule(pattern = [{0}, {0}, {0}])", "['a', 'b', 'c', 'd', 'e', 'f', 'g']");
    none(&many, "more than 256 commands");
    // As leave these would be more than what was written; as a restriction a `*` is stricter.
    none("prefix_rule(pattern = ['a', '*'])", "takes `*` for any text");
    none("prefix_rule(pattern = ['a', 'b  c'])", "can't stand in a pattern");
    none("prefix_rule(pattern = ['a', \"b'c d\"])", "can't stand in a pattern");
    none("prefix_rule(pattern = ['a', 'b\\n'])", "can't stand in a pattern");
    let starred = check("prefix_rule(pattern = ['rm', '*'], decision = 'forbidden')", &[]);
    assert_eq!(starred.rules()[0].pattern(), "Bash(rm *:*)");
    let spaced = check("prefix_rule(pattern = ['frob', 'a b'])", &[]);
    assert_eq!(spaced.rules()[0].pattern(), "Bash(frob 'a b':*)");
    // An example that our reading of the rule doesn't bear out.
    let rule =
        "prefix_rule(pattern = ['git', 'push'], decision = 'forbidden', not_match = ['git -C x push'])";
    assert_eq!(check(rule, &["is matched all the same by `Bash(git push:*)`"]).rules().len(), 1);
    check("prefix_rule(pattern = ['git'], match = ['ls'])", &["no pattern is for the example `ls`"]);
    let both =
        check("foo()\nprefix_rule(pattern = ['ls'])\nbar(", &["isn't `prefix_rule`", "it isn't a call"]);
    assert_eq!(both.rules().len(), 1);
}

#[test]
fn a_codex_file_that_cant_be_taken_apart_is_an_error_that_names_the_line() {
    let check = |text: &str, line: usize, part: &str| {
        let error = Policy::from_codex_rules(text, "default.rules").unwrap_err().to_string();
        let start = format!("default.rules:{line}: ");
        assert!(error.starts_with(&start) && error.contains(part), "{text}: {error}");
    };
    check("\nprefix_rule(pattern = ['a", 2, "has no end");
    check("prefix_rule(pattern = ['a\n'])", 1, "has no end");
    check("'''a\nb", 1, "has no end");
    check("\n'\\x41'", 2, "escape");
    check("r'\\d'", 1, "`r` before a text");
    let many = "prefix_rule(pattern = ['a', ['b', 'c']])\n".repeat(3);
    assert!(Policy::from_codex_rules(&many, "x").is_ok());
    let rules: String = (0..20_001).map(|n| format!("prefix_rule(pattern=['a{n}'])\n")).collect();
    assert!(Policy::from_codex_rules(&rules, "x").unwrap_err().to_string().contains("more than 20000 rules"));
}
