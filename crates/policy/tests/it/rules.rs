//! Policies as people write them.

use missiond_policy::{Decision, Layer, MAX_RULES, Policies, Policy, Preset, Risk};
use serde_json::{Value, json};

use crate::support::{bash, tool};

fn policies(text: &str) -> Policies {
    let text = format!("version = 1\n{text}");
    Policies::new([Policy::parse(&text, "policy.toml", Layer::Project).unwrap()]).unwrap()
}

#[test]
fn s4_whatever_isnt_understood_is_an_error_that_names_the_line_and_what_was_meant() {
    let check = |text: &str, line: usize, parts: &[&str]| {
        let error = Policy::parse(text, "policy.toml", Layer::Project).unwrap_err().to_string();
        assert!(error.starts_with(&format!("policy.toml:{line}: ")), "{text:?}: {error}");
        for part in parts {
            assert!(error.contains(part), "{text:?}: {error} lacks {part:?}");
        }
    };
    check("", 1, &["version = 1"]);
    check("version = 2", 1, &["`version` must be 1"]);
    check("version = \"1\"", 1, &["`version` must be 1"]);
    check("version = 1\ndney = []", 2, &["unknown key `dney`", "did you mean `deny`?"]);
    check("version = 1\npermissions = []", 2, &["unknown key `permissions`", "deny"]);
    check("version = 1\n\n[[rule]]\nefect = \"deny\"\nmatch = \"Bash\"", 4, &["did you mean `effect`?"]);
    check(
        "version = 1\n[[rule]]\neffect = \"deny\"\nmatch = \"Bash\"\nnot_match = [\"ls\"]",
        5,
        &["examples = { match = [], not_match = [] }"],
    );
    check("version = 1\n[[rule]]\neffect = \"deny\"", 2, &["no `match`"]);
    check("version = 1\n[[rule]]\nmatch = \"Bash\"\nid = \"a\"", 2, &["rule \"a\" has no `effect`"]);
    check("version = 1\n[[rule]]\neffect = \"block\"\nmatch = \"Bash\"", 3, &["`effect` must be", "`block`"]);
    check(
        "version = 1\n[[rule]]\neffect = \"deny\"\nmatch = \"Bash(\"\nid = \"x\"",
        4,
        &["rule \"x\"", "no closing"],
    );
    check("version = 1\nrule = 3", 2, &["[[rule]]"]);
    check("version = 1\ndeny = \"Bash\"", 2, &["must be a list"]);
    check("version = 1\ndeny = [3]", 2, &["`deny` must hold text"]);
    check(
        "version = 1\ndeny = [\n  \"Bash\",\n  \"Bahs(ls:*)\",\n]",
        4,
        &["no tool `Bahs`", "did you mean `Bash`?"],
    );
    check("version = 1\ndeny = [\"Bash()\"]", 2, &["nothing stands between"]);
    // What no command could ever match would deny nothing.
    check("version = 1\ndeny = [\"Bash(ls && pwd)\"]", 2, &["one command at a time", "`&&`"]);
    check("version = 1\ndeny = [\"Bash(cat a | wc)\"]", 2, &["one command at a time", "`|`"]);
    check("version = 1\ndeny = [\"Bash(echo hi > a)\"]", 2, &["one command at a time", "`>`"]);
    check("version = 1\ndeny = [\"Bash(FOO=1 ls)\"]", 2, &["`FOO=1` stands before a command"]);
    check("version = 1\ndeny = ['Bash(git commit -m \"x\")']", 2, &["quotes are taken off"]);
    check("version = 1\ndeny = [\"Bash(:*)\"]", 2, &["no command stands before"]);
    check("version = 1\ndeny = [\"Bash(git:* push)\"]", 2, &["only stand at the end"]);
    check("version = 1\ndeny = [\"Read(../x)\"]", 2, &["`..`"]);
    check("version = 1\ndeny = [\"Read(~root/x)\"]", 2, &["`~/`"]);
    check("version = 1\ndeny = [\"Read([z-a])\"]", 2, &["Read([z-a])"]);
    check("version = 1\ndeny = [\"Read(a\\u0000b)\"]", 2, &["control character"]);
    check("version = 1\ndeny = [\"Read(a∕b)\"]", 2, &["looks like a slash"]);
    check("version = 1\ndeny = [\"WebFetch(https://x)\"]", 2, &["domain:"]);
    check("version = 1\ndeny = [\"WebFetch(domain:a b)\"]", 2, &["no host name"]);
    check("version = 1\ndeny = [\"TodoWrite(x)\"]", 2, &["takes no specifier"]);
    check("version = 1\ndeny = [\"mcp__\"]", 2, &["mcp__server"]);
    check("version = 1\ndeny = [\"mcp__*\"]", 2, &["mcp__server"]);
    check("version = 1\ndeny = [\"mcp__s__t(x)\"]", 2, &["`x` isn't `argument=pattern`"]);
    check("version = 1\ndeny = [\"*\"]", 2, &["can't hold `*`"]);
    check("version = 1\ndeny = [\"\"]", 2, &["doesn't start with a tool's name"]);
    check("version = 1\ndeny = [\"(ls)\"]", 2, &["doesn't start with a tool's name"]);
    check("version = 1\ndefault = \"allow\"", 2, &["can't be `allow`", "permissive"]);
    check("version = 1\ndefault = \"no\"", 2, &["`ask` or `deny`"]);
    check("version = 1\npreset = \"standart\"", 2, &["no preset `standart`", "`standard`"]);
    check(
        "version = 1\n[[rule]]\neffect = \"deny\"\nmatch = \"Bash\"\nrisk = \"huge\"",
        5,
        &["`risk` must be"],
    );
    check(
        "version = 1\n[[rule]]\neffect = \"deny\"\nmatch = \"Bash\"\nid = \"a b\"",
        5,
        &["must be 1 to 64"],
    );
    check("version = 1\n[[rule]]\neffect = \"deny\"\nmatch = \"Bash\"\nreason = \"a\\nb\"", 5, &["one line"]);
    check(
        "version = 1\n[[rule]]\neffect = \"deny\"\nmatch = \"Bash\"\nid = \"a\"\n[[rule]]\neffect = \"ask\"\nmatch = \"Read\"\nid = \"a\"",
        6,
        &["the id \"a\" stands above"],
    );
    check("version = 1\nallow = [\"Bash\"\nx", 3, &[]);
    let many = vec!["\"Bash(a:*)\"".to_owned(); 1];
    let distinct: Vec<String> = (0..=MAX_RULES).map(|n| format!("\"Bash(a{n}:*)\"")).collect();
    assert!(Policy::parse(&format!("version = 1\ndeny = [{}]", many.join(",")), "p", Layer::User).is_ok());
    check(&format!("version = 1\ndeny = [{}]", distinct.join(",")), 2, &["more than 20000 rules"]);
}

/// The pattern, a command, and whether it matches for a rule that allows and for one that denies.
fn check_command(pattern: &str, command: &str, allows: bool, denies: bool) {
    let by = |effect: &str| bash(&policies(&format!("{effect} = ['{pattern}']")), command);
    let verdict = by("allow");
    let expected = if allows { Decision::Allow } else { Decision::Ask };
    assert_eq!(verdict.decision, expected, "allow {pattern}, {command:?}: {verdict:?}");
    let verdict = by("deny");
    assert_eq!(verdict.decision == Decision::Deny, denies, "deny {pattern}, {command:?}: {verdict:?}");
}

#[test]
fn command_patterns_match_whole_words() {
    check_command("Bash(git push:*)", "git push", true, true);
    check_command("Bash(git push:*)", "git push origin main", true, true);
    check_command("Bash(git push:*)", "git  push   origin", true, true);
    check_command("Bash(git push:*)", "'git' \"push\"", true, true);
    check_command("Bash(git push:*)", "git pushx", false, false);
    check_command("Bash(git push:*)", "git rebase x", false, false);
    check_command("Bash(git push *)", "git push", true, true);
    check_command("Bash(git push *)", "git push origin", true, true);
    check_command("Bash(git push)", "git push", true, true);
    check_command("Bash(git push)", "git push origin", false, false);
    check_command("Bash(git * main)", "git push origin main", true, true);
    check_command("Bash(git * main)", "git push origin dev", false, false);
    check_command("Bash(npm run test:*)", "npm install", false, false);
    check_command("Bash(npm i*)", "npm install", true, true);
    check_command("Bash(frob:*)", "frob 'a b' c", true, true);
    // A word that holds a space is one word, and can't pass for two.
    check_command("Bash(frob ok:*)", "frob 'ok x'", false, true);
    check_command("Bash(frob ok)", "'frob ok'", false, true);
    // Another spelling of the program is another program, unless it is to be denied.
    check_command("Bash(git push:*)", "/usr/bin/git push", false, true);
    check_command("Bash(git push:*)", "../git push", false, true);
    check_command("Bash(git push:*)", "git -C src push", false, true);
    check_command("Bash(git push:*)", "git --no-pager -c a.b=c push origin", false, true);
    // Inside other commands, as far as these are understood.
    check_command("Bash(git push:*)", "git push && true $X", false, true);
    check_command("Bash(git push:*)", "git push > log", true, true);
    check_command("Bash(git push:*)", "(git push)", true, true);
    check_command("Bash(git push:*)", "env git push", true, true);
    check_command("Bash(git push:*)", "timeout 5 git push", true, true);
    check_command("Bash(git push:*)", "sh -c 'git push'", true, true);
    check_command("Bash(git push:*)", "echo $(git push)", true, true);
    check_command("Bash(git push:*)", "A=1 git push", true, true);
    check_command("Bash(git push:*)", "ls | xargs git push", false, true);
    check_command("Bash(git push:*)", "git pu\\sh", true, true);
    // The tool itself.
    check_command("Bash", "frob", true, true);
    check_command("Bash(*)", "frob", true, true);
    check_command("Bash", "timeout 5 frob", true, true);
    check_command("Bash", "frob $X", false, true);
    check_command("Read", "frob", false, false);
}

#[test]
fn s6_in_a_pattern_for_a_command_everything_but_a_star_stands_for_itself() {
    check_command("Bash(frob a.c)", "frob abc", false, false);
    check_command("Bash(frob a.c)", "frob a.c", true, true);
    check_command("Bash(frob a+)", "frob aa", false, false);
    check_command("Bash(frob [a])", "frob a", false, false);
    check_command("Bash(frob a|b)", "frob a", false, false);
    check_command("Bash(frob ^a)", "frob a", false, false);
}

#[test]
fn a_deny_holds_for_every_name_of_a_subcommand() {
    let check = |pattern: &str, commands: &[&str], expected: Decision| {
        for command in commands {
            let verdict = bash(&policies(&format!("deny = ['Bash({pattern})']")), command);
            assert_eq!(
                verdict.decision == Decision::Deny,
                expected == Decision::Deny,
                "{pattern}, {command:?}"
            );
        }
    };
    use Decision::{Allow, Deny};
    let tests = [
        "cargo t",
        "cargo t --lib",
        "cargo test",
        "cargo +nightly test",
        "cargo +nightly t",
        "cargo -q test",
    ];
    check("cargo test:*", &tests, Deny);
    check("cargo t:*", &tests, Deny);
    check("cargo test:*", &["cargo --config a=b t", "cargo --color always test", "/usr/bin/cargo t"], Deny);
    check("cargo test:*", &["sh -c 'cargo t'", "ls && cargo t", "timeout 5 cargo t"], Deny);
    check("cargo test:*", &["cargo build", "cargo tree", "cargo run -- test"], Allow);
    check("cargo build:*", &["cargo b"], Deny);
    check("cargo check:*", &["cargo c"], Deny);
    check("cargo doc:*", &["cargo d"], Deny);
    check("cargo run:*", &["cargo r", "cargo r -- x"], Deny);
    check("cargo remove:*", &["cargo rm serde"], Deny);
    let tests =
        ["npm t", "npm tst", "npm test", "npm run test", "npm run-script test", "npm --silent t", "npm te"];
    check("npm test:*", &tests, Deny);
    check("npm run test:*", &tests, Deny);
    check("npm test:*", &["npm -w a test", "npm --prefix a run test"], Deny);
    check("npm test:*", &["npm run build", "npm start"], Allow);
    check("npm run:*", &["npm run-script build", "npm rum build", "npm urn build"], Deny);
    let installs =
        ["npm i", "npm in x", "npm ins", "npm inst", "npm insta", "npm instal", "npm isntall", "npm add x"];
    check("npm install:*", &installs, Deny);
    check("npm install:*", &["npm ci", "npm init"], Allow);
    check("npm publish:*", &["npm pub", "npm publi"], Deny);
    check("npm exec:*", &["npm x y"], Deny);
    check("npm uninstall:*", &["npm rm x", "npm r x", "npm un x"], Deny);
    check("pnpm test:*", &["pnpm t", "pnpm tst", "pnpm run test"], Deny);
    check("pnpm install:*", &["pnpm i", "pnpm -F a i"], Deny);
    check("yarn install:*", &["yarn"], Deny);
    check("yarn test:*", &["yarn run test", "yarn --cwd a test"], Deny);
    check("yarn install:*", &["yarn test"], Allow);
    check("pytest:*", &["python -m pytest", "python3 -m pytest -x", "py.test"], Deny);
    check("python -m pytest:*", &["pytest -x"], Deny);
    check("git add:*", &["git stage x", "git -C src stage x"], Deny);
    // For a rule that allows, another name is another command.
    let verdict = bash(&policies("allow = ['Bash(npm install:*)']"), "npm i");
    assert_eq!(verdict.decision, Decision::Ask);
}

#[test]
fn every_part_of_a_compound_command_needs_its_own_leave() {
    let check = |rules: &str, command: &str, decision: Decision, part: Option<&str>| {
        let verdict = bash(&policies(rules), command);
        assert_eq!((verdict.decision, verdict.part.as_deref()), (decision, part), "{command:?}: {verdict:?}");
    };
    let allow = "allow = ['Bash(frob:*)']";
    check(allow, "frob a", Decision::Allow, None);
    check(allow, "frob a && ls", Decision::Allow, Some("frob a"));
    check(allow, "frob a && knob b", Decision::Ask, Some("knob b"));
    check(allow, "frob a; rm -rf /", Decision::Deny, Some("rm -rf /"));
    check(allow, "timeout 5 rm -rf /", Decision::Deny, Some("rm -rf /"));
    // Only a rule that names the command lifts a question about where it builds.
    check("allow = ['Bash']", "cd /tmp && make", Decision::Ask, Some("make"));
    check("allow = ['Bash(make:*)']", "cd /tmp && make", Decision::Allow, Some("cd /tmp"));
    check("deny = ['Bash(knob:*)']", "ls | knob", Decision::Deny, Some("knob"));
    check("ask = ['Bash(cargo test:*)']", "ls && cargo test", Decision::Ask, Some("cargo test"));
}

/// Each row: rules, a tool with its argument, the decision.
#[test]
fn s3_deny_goes_before_ask_before_allow_before_the_preset() {
    let check = |rules: &str, decision: Decision| {
        let verdict = bash(&policies(rules), "frob x");
        assert_eq!(verdict.decision, decision, "{rules}: {verdict:?}");
    };
    let (allow, ask, deny) =
        ("allow = ['Bash(frob:*)']\n", "ask = ['Bash(frob x)']\n", "deny = ['Bash(frob *)']\n");
    check("", Decision::Ask);
    check(allow, Decision::Allow);
    check(&[allow, ask].concat(), Decision::Ask);
    check(&[ask, allow].concat(), Decision::Ask);
    check(&[allow, ask, deny].concat(), Decision::Deny);
    check(&[deny, ask, allow].concat(), Decision::Deny);
    check("default = 'deny'", Decision::Deny);
    check(&["default = 'deny'\n", allow].concat(), Decision::Allow);
    check(&["default = 'deny'\n", ask].concat(), Decision::Ask);
    check("default = 'ask'\npreset = 'permissive'", Decision::Ask);
    check("preset = 'permissive'", Decision::Allow);
    check("preset = 'permissive'\ndeny = ['Bash(frob:*)']", Decision::Deny);
}

#[test]
fn s3_deny_wins_from_every_layer() {
    let layers = [Layer::User, Layer::Project, Layer::Run, Layer::Slot];
    for denying in layers {
        for allowing in layers {
            if denying == allowing {
                continue;
            }
            let deny = Policy::parse("version = 1\ndeny = ['Bash(frob:*)']", "a", denying).unwrap();
            let allow = Policy::parse("version = 1\nallow = ['Bash(frob:*)']", "b", allowing).unwrap();
            for order in [vec![deny.clone(), allow.clone()], vec![allow, deny]] {
                let verdict = bash(&Policies::new(order).unwrap(), "frob");
                assert_eq!(verdict.decision, Decision::Deny, "{denying:?} {allowing:?}");
                let id = format!("{}/deny:Bash(frob:*)", denying.as_str());
                assert_eq!(verdict.rule.unwrap().as_str(), id);
            }
        }
    }
    // A project's file can't loosen the preset a person chose.
    let strict = Policy::preset(Preset::Strict);
    let loose = Policy::parse("version = 1\npreset = 'permissive'", "b", Layer::Project).unwrap();
    assert_eq!(Policies::new([strict, loose]).unwrap().preset(), Preset::Strict);
    assert_eq!(Policies::new([]).unwrap().preset(), Preset::Standard);
}

#[test]
fn a_verdict_carries_the_rules_id_reason_and_risk() {
    let policies = policies(
        "deny = ['Bash(frob:*)']\n[[rule]]\nid = 'no-frob'\neffect = 'deny'\nmatch = 'Bash(frob a)'\nreason = 'use knob'\nrisk = 'critical'\n[[rule]]\neffect = 'deny'\nmatch = 'Bash(frob:*)'\nreason = 'kept'",
    );
    let verdict = bash(&policies, "frob a");
    assert_eq!(verdict.rule.unwrap().as_str(), "project/no-frob");
    assert_eq!((verdict.reason.as_str(), verdict.risk), ("use knob", Risk::Critical));
    // A list that repeats a written-out rule doesn't take its reason away.
    assert_eq!(bash(&policies, "frob b").reason, "kept");
    assert_eq!(policies.rules().count(), 2);
    assert!(policies.rules().all(|rule| rule.effect() == Decision::Deny && rule.line() > 1));
}

#[test]
fn two_files_of_one_layer_may_repeat_an_entry_but_not_an_id() {
    let parse = |text: &str, origin: &str| {
        Policy::parse(&format!("version = 1\n{text}"), origin, Layer::User).unwrap()
    };
    let list = "deny = ['Bash(frob:*)']";
    assert_eq!(Policies::new([parse(list, "a"), parse(list, "b")]).unwrap().rules().count(), 1);
    let first = "[[rule]]\nid = 'x'\neffect = 'deny'\nmatch = 'Bash(frob:*)'";
    let second = "[[rule]]\nid = 'x'\neffect = 'allow'\nmatch = 'Bash(knob:*)'";
    let error = Policies::new([parse(first, "a.toml"), parse(second, "b.toml")]).unwrap_err().to_string();
    assert!(error.contains("a.toml:2") && error.contains("b.toml:2") && error.contains("user/x"), "{error}");
}

/// Each row: the pattern, a tool, its input; whether it matches for a rule that allows and for one that denies.
#[test]
fn patterns_for_other_tools() {
    let check = |pattern: &str, name: &str, input: Value, allows: bool, denies: bool| {
        // Under `read-only` writing is denied whatever a rule says, so these rows use tools it asks about.
        let by = |effect: &str| tool(&policies(&format!("{effect} = ['{pattern}']")), name, input.clone());
        let verdict = by("allow");
        let by_rule = verdict.rule.as_ref().is_some_and(|id| id.as_str().starts_with("project/"));
        assert_eq!(by_rule, allows, "allow {pattern}, {name} {input}: {verdict:?}");
        let verdict = by("deny");
        let by_rule = verdict.rule.as_ref().is_some_and(|id| id.as_str().starts_with("project/"));
        assert_eq!(by_rule, denies, "deny {pattern}, {name} {input}: {verdict:?}");
    };
    let fetch = |url: &str| json!({ "url": url, "prompt": "x" });
    check("WebFetch(domain:example.com)", "WebFetch", fetch("https://example.com/x"), true, true);
    check("WebFetch(domain:example.com)", "WebFetch", fetch("https://EXAMPLE.com:8443/x"), true, true);
    check("WebFetch(domain:example.com)", "WebFetch", fetch("https://example.com./x"), true, true);
    check("WebFetch(domain:example.com)", "WebFetch", fetch("https://example.com.evil.org/"), false, false);
    check("WebFetch(domain:example.com)", "WebFetch", fetch("https://evil.org/example.com"), false, false);
    check("WebFetch(domain:example.com)", "WebFetch", fetch("https://example.com@evil.org/"), false, false);
    check("WebFetch(domain:example.com)", "WebFetch", fetch("https://evil.org\\@example.com/"), false, true);
    check("WebFetch(domain:*.example.com)", "WebFetch", fetch("https://a.b.example.com/"), true, true);
    check("WebFetch(domain:*.example.com)", "WebFetch", fetch("https://example.com/"), false, false);
    check("WebFetch(domain:*.example.com)", "WebFetch", fetch("https://evilexample.com/"), false, false);
    check("WebFetch(domain:example.com)", "WebFetch", fetch("https://example.com../x"), true, true);
    // Where programs disagree about the host, any that could be meant is denied and none allowed.
    for url in [
        "https://user@example.com/",
        "https://user:secret@example.com:8443/x",
        "https://example.com\\@evil.org/",
        "https:example.com/x",
        "https:/example.com/x",
        "https:\\\\example.com\\x",
        "//example.com/x",
        "example.com/x",
        "ftp://example.com/x",
        "ht\ttps://exam\nple.com/x",
        " https://example.com/x",
        "https://ex%61mple.com/x",
        "https://exa\u{200b}mple.com/x",
    ] {
        check("WebFetch(domain:example.com)", "WebFetch", fetch(url), false, true);
    }
    check("WebFetch(domain:127.0.0.1)", "WebFetch", fetch("http://127.0.0.1:8080/"), true, true);
    for url in [
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://[::ffff:7f00:1]/",
    ] {
        check("WebFetch(domain:127.0.0.1)", "WebFetch", fetch(url), false, true);
    }
    check("WebFetch(domain:[::1])", "WebFetch", fetch("http://[0:0:0:0:0:0:0:1]/"), false, true);
    // A host in another script is asked, and one in its plain form is a name like any.
    check("WebFetch(domain:*)", "WebFetch", fetch("https://b\u{fc}cher.example/"), false, true);
    check(
        "WebFetch(domain:xn--bcher-kva.example)",
        "WebFetch",
        fetch("https://xn--bcher-kva.example/"),
        true,
        true,
    );
    check("WebFetch", "WebFetch", fetch("https://example.com/x"), true, true);
    check("WebFetch", "WebFetch", fetch("https://example.com/"), true, true);
    check("mcp__github", "mcp__github__get_issue", json!({}), true, true);
    check("mcp__github__*", "mcp__github__get_issue", json!({}), true, true);
    check("mcp__github__get_*", "mcp__github__get_issue", json!({}), true, true);
    check("mcp__github__get_*", "mcp__github__delete", json!({}), false, false);
    check("mcp__github__get_issue", "mcp__github__get_issue", json!({}), true, true);
    check("mcp__github", "mcp__github2__get_issue", json!({}), false, false);
    check("mcp__git", "mcp__github__get_issue", json!({}), false, false);
    // Where the server's name ends can't be told: any doubt restricts and never allows.
    check("mcp__github", "mcp__github__evil__tool", json!({}), false, true);
    check("mcp__github", "MCP__GitHub__get_issue", json!({}), false, true);
    check("Agent(Explore)", "Agent", json!({ "subagent_type": "Explore" }), true, true);
    check("Task(Explore)", "Agent", json!({ "subagent_type": "Explore" }), true, true);
    check("Agent(Explore)", "Task", json!({ "subagent_type": "Plan" }), false, false);
    check("Agent(Explore)", "Agent", json!({ "subagent_type": " explore" }), false, true);
    check("Agent(Explore)", "Agent", json!({ "agent_type": "Plan", "subagent_type": "Explore" }), true, true);
    check("Agent(general-purpose)", "Agent", json!({}), true, true);
    check("Agent(Exp*)", "Agent", json!({ "subagent_type": "Explore" }), true, true);
    check("WebSearch", "WebSearch", json!({ "query": "x" }), true, true);
    check("Skill", "Skill", json!({ "skill": "x" }), true, true);
    check("SomethingNew", "SomethingNew", json!({}), true, true);
    check("SomethingNew", "somethingnew", json!({}), false, true);
}

#[test]
fn code_in_place_is_let_pass_only_by_a_rule_that_names_its_interpreter() {
    let decision = |rule: &str| {
        let text = format!("version = 1\nallow = ['{rule}']");
        let policies = Policies::new([Policy::parse(&text, "p", Layer::User).unwrap()]).unwrap();
        bash(&policies, "python3 -c 'print(1)'").decision
    };
    assert_eq!(decision("Bash"), Decision::Ask);
    assert_eq!(decision("Bash(*)"), Decision::Ask);
    assert_eq!(decision("Bash(python3:*)"), Decision::Allow);
}

#[test]
fn more_than_can_be_looked_at_is_not_let_pass() {
    let policies = Policies::new([Policy::parse(
        "version = 1\nallow = ['Bash(parallel:*)']\ndeny = ['Bash(frob:*)']",
        "p",
        Layer::User,
    )
    .unwrap()])
    .unwrap();
    let many = (0..7000).map(|n| format!(" {n}")).collect::<String>();
    let verdict = bash(&policies, &format!("parallel {{}} :::{many} 'frob x'"));
    assert_eq!(verdict.decision, Decision::Deny, "{verdict:?}");
}

#[test]
fn s3_s7_a_program_that_is_allowed_may_not_run_what_is_denied() {
    let text = r#"
        version = 1
        allow = ["Bash(git:*)", "Bash(uv:*)", "Bash(npm:*)", "Bash(tar:*)", "Bash(rsync:*)", "Bash(make:*)", "Bash(parallel:*)",
                 "Bash(ssh:*)", "Bash(vim:*)", "Bash(hyperfine:*)", "Bash(*)"]
        deny = ["Bash(frob:*)"]
    "#;
    let policies = Policies::new([Policy::parse(text, "p", Layer::User).unwrap()]).unwrap();
    for command in [
        "uv run frob x",
        "npm exec -- frob x",
        "git bisect run frob x",
        "git -c core.pager='frob x' log",
        "git rebase -x 'frob x' HEAD~1",
        "git submodule foreach 'frob x'",
        "tar xf a --to-command='frob x'",
        "tar cf a -I 'frob x' .",
        "rsync -e 'frob x' a b:",
        "make SHELL='frob x'",
        "make -f - <<< 'a:;frob x'",
        "parallel frob ::: x",
        "ssh -o ProxyCommand='frob x' h",
        "vim -c ':!frob x'",
        "hyperfine 'frob x'",
    ] {
        let verdict = bash(&policies, command);
        assert_eq!(verdict.decision, Decision::Deny, "{command}: {verdict:?}");
    }
    // What only looks like it stays what it is.
    for command in ["git commit -m 'frob x'", "git log --grep 'frob x'", "make frob", "tar xf frob.tar"] {
        let verdict = bash(&policies, command);
        assert_eq!(verdict.decision, Decision::Allow, "{command}: {verdict:?}");
    }
}
