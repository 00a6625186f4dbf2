//! Examples that stand beside a rule and are held against it whenever its file is read.

use std::fs;

use missiond_policy::{ErrorKind, Layer, Policies, Policy, PolicyHandle};

fn parse(pattern: &str, key: &str, example: &str) -> Result<Policy, String> {
    let text = format!(
        "version = 1\n[[rule]]\nid = 'x'\neffect = 'deny'\nmatch = '{pattern}'\nexamples = {{ {key} = ['{example}'] }}\n"
    );
    let allowing = Policy::parse(&text.replace("'deny'", "'allow'"), "policy.toml", Layer::Project);
    let denying = Policy::parse(&text, "policy.toml", Layer::Project);
    assert_eq!(allowing.is_ok(), denying.is_ok(), "{pattern}, {key} {example}");
    denying.map_err(|error| error.to_string())
}

/// Each row: a pattern, an example, whether the pattern matches it.
#[test]
fn examples_are_judged_as_calls_are() {
    let check = |pattern: &str, example: &str, matches: bool| {
        let (right, wrong) = if matches { ("match", "not_match") } else { ("not_match", "match") };
        parse(pattern, right, example).unwrap_or_else(|error| panic!("{pattern}, {example}: {error}"));
        let error = parse(pattern, wrong, example).unwrap_err();
        let does = if matches { "is matched by" } else { "isn't matched by" };
        let expected =
            format!("policy.toml:6: rule `x`: the example `{example}` in `{wrong}` {does} `{pattern}`");
        assert_eq!(error, expected);
    };
    check("Bash(git push:*)", "git push origin main", true);
    check("Bash(git push:*)", "ls && git push", true);
    check("Bash(git push:*)", "git pull", false);
    check("Bash(git push:*)", "Bash(git push)", true);
    check("Bash(git push:*)", "Read(git push)", false);
    check("Bash(git push:*)", "echo \"git push\"", false);
    check("Bash", "ls", true);
    check("Bash", "Bash", true);
    check("Bash", "Read(x)", false);
    check("Read(./secrets/**)", "secrets/a/b", true);
    check("Read(./secrets/**)", "/workspace/secrets/a", true);
    check("Read(./secrets/**)", "src/secrets/a", false);
    check("Read(./secrets/**)", "Write(secrets/a)", false);
    check("Read(./secrets/**)", "Bash(cat secrets/a)", true);
    check("Edit(~/x)", "/home/me/x", true);
    check("Edit(~/x)", "x", false);
    check("WebFetch(domain:*.example.com)", "https://a.example.com/x", true);
    check("WebFetch(domain:*.example.com)", "https://example.com/x", false);
    check("Agent(Explore)", "Explore", true);
    check("Agent(Explore)", "Plan", false);
    check("mcp__github", "mcp__github__push", true);
    check("mcp__github", "mcp__gitlab__push", false);
    check("mcp__github__push(branch=main)", "mcp__github__push(branch=main)", true);
    check("mcp__github__push(branch=main)", "mcp__github__push(branch=dev)", false);
    check("Skill", "Skill", true);
    check("Skill", "ToolSearch", false);
}

#[test]
fn a_deny_is_held_against_every_reading_of_an_example_and_an_allow_against_one() {
    let parse = |effect: &str, example: &str| {
        let text = format!(
            "version = 1\n[[rule]]\neffect = '{effect}'\nmatch = 'Bash(git push:*)'\nexamples.match = '{example}'\n"
        );
        Policy::parse(&text, "policy.toml", Layer::Project)
    };
    for (example, allowed) in [
        ("timeout 5 git push", true),
        ("sh -c \"git push\"", true),
        ("git push > log", true),
        ("/usr/bin/git push", false),
        ("../git push", false),
        ("git -C src push", false),
    ] {
        assert!(parse("deny", example).is_ok(), "{example}");
        assert_eq!(parse("allow", example).is_ok(), allowed, "{example}");
    }
}

#[test]
fn conditions_dont_count_for_examples() {
    let text = "version = 1\n[[rule]]\neffect = 'allow'\nmatch = 'Bash(frob:*)'\nrole = 'coder'\ncalls_per_minute = 1\nexamples = { match = ['frob', 'frob a'], not_match = ['knob'] }\n";
    assert!(Policy::parse(text, "policy.toml", Layer::Project).is_ok());
}

#[test]
fn s4_examples_that_arent_understood_are_errors() {
    let check = |examples: &str, part: &str| {
        let text = format!(
            "version = 1\n[[rule]]\neffect = 'deny'\nmatch = 'Bash(frob:*)'\nexamples = {examples}\n"
        );
        let error = Policy::parse(&text, "policy.toml", Layer::Project).unwrap_err().to_string();
        assert!(error.starts_with("policy.toml:5: ") && error.contains(part), "{examples}: {error}");
    };
    check("['frob']", "`examples` must be a table");
    check("{ matches = ['frob'] }", "did you mean `match`?");
    check("{ match = 3 }", "must hold text");
    check("{ match = [] }", "`match` is empty");
    check("{ match = ['TodoWrite(x)'] }", "it takes none");
    check("{ match = ['mcp__a__b(x)'] }", "isn't written as");
    check(&format!("{{ match = ['{}'] }}", "x".repeat(1025)), "1024 bytes");
    let many = vec!["'frob'"; 10_001].join(",");
    check(&format!("{{ match = [{many}] }}"), "10000 examples");
}

#[test]
fn s4_a_file_with_a_failing_example_never_replaces_the_policy_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.toml");
    let read = || Policies::new([Policy::read(&file, Layer::Project)?]);
    let rule = "version = 1\n[[rule]]\nid = 'no-push'\neffect = 'deny'\nmatch = 'Bash(git push:*)'\n";
    fs::write(&file, format!("{rule}examples.match = ['git push -f']\n")).unwrap();
    let handle = PolicyHandle::new(read().unwrap());
    let before = handle.current();
    fs::write(&file, format!("{rule}examples.match = [\n  'git push',\n  'git pull',\n]\n")).unwrap();
    let error = handle.reload(read).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = error.to_string();
    let expected = format!("{}:8: rule `no-push`: the example `git pull`", file.display());
    assert!(text.starts_with(&expected), "{text}");
    assert!(std::sync::Arc::ptr_eq(&before, &handle.current()));
}
