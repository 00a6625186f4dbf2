//! What holds for every call and every policy.

use missiond_policy::{Decision, Layer, NoLinks, Policies, Policy, Preset, ToolCall};
use proptest::{collection::vec, prelude::*, sample::select, string::string_regex};
use serde_json::{Value, json};

use crate::{
    commands::{STANDARD, rows},
    support::{WORKSPACE, bash, surroundings},
    tables::{ASKED, DANGEROUS, Table},
};

/// Text that is likely to hit what the lexer treats specially.
fn shell_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(vec![
            " ", " ", "\t", "\n", ";", "&&", "||", "|", "&", "'", "\"", "\\", "$", "$(", "${", ")", "(", "`", "{", "}",
            "<", ">", "<<", "<<<", "<(", "#", "!", "*", "?", "[", "]", "~", "~/", "=", "A=1", "-", "--", "..", "/", "EOF",
            "\0", "\u{a0}", "\u{200b}", "é", "%1", "$'", "\\x72",
        ]).prop_map(str::to_owned),
        4 => select(vec![
            "ls", "cat", "rm", "-rf", "git", "push", "status", "echo", "sh", "-c", "env", "eval", "xargs", "sudo", "kill",
            "find", "-exec", "cd", "src", "cargo", "test", ".env", "sed", "-n", "cp", "mv", "sort", "-o", "timeout", "frob",
        ]).prop_map(|word| format!("{word} ")),
        1 => any::<String>(),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        shell_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![
            select(vec!["command", "cmd", "file_path", "path", "url", "pattern", "subagent_type"])
                .prop_map(str::to_owned),
            any::<String>(),
        ];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((key, inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn call() -> impl Strategy<Value = ToolCall> {
    let name = prop_oneof![
        select(vec![
            "Bash",
            "Read",
            "Write",
            "Edit",
            "Glob",
            "Grep",
            "WebFetch",
            "Agent",
            "mcp__a__b",
            "Skill",
            ""
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let input = prop_oneof![
        json_value(),
        shell_text().prop_map(|text| json!({ "command": text })),
        shell_text().prop_map(|text| json!({ "file_path": text, "pattern": text, "url": text })),
    ];
    (name, input).prop_map(|(name, input)| ToolCall::new(name, input, WORKSPACE))
}

/// Patterns that are valid and likely to match something.
fn pattern() -> impl Strategy<Value = String> {
    let command =
        string_regex("[a-z]{1,4}( [a-z*-]{1,4})?(:\\*)?").unwrap().prop_map(|text| format!("Bash({text})"));
    let path = string_regex("(\\./|/|~/|//)?[a-z.*]{1,4}(/[a-z*]{1,3})?(/\\*\\*)?")
        .unwrap()
        .prop_filter("two dots lead upwards", |text| !text.split('/').any(|part| part == ".."))
        .prop_flat_map(|text| select(vec![format!("Read({text})"), format!("Edit({text})")]));
    let other = select(vec![
        "Bash",
        "Read",
        "Write",
        "Edit",
        "WebFetch",
        "Agent",
        "mcp__a",
        "mcp__a__b",
        "Bash(ls:*)",
        "Bash(git *)",
        "Bash(rm:*)",
        "Bash(sudo:*)",
        "Bash(frob:*)",
        "Bash(cat:*)",
        "Read(.env)",
        "Read(~/.ssh/**)",
        "Edit(//**)",
        "WebFetch(domain:*)",
        "Bash(timeout:*)",
        "Bash(sh:*)",
    ]);
    prop_oneof![2 => command, 2 => path, 3 => other.prop_map(str::to_owned)]
}

#[derive(Debug, Clone)]
struct Rules {
    preset: Preset,
    default: Option<&'static str>,
    allow: Vec<String>,
    ask: Vec<String>,
    deny: Vec<String>,
}

impl Rules {
    fn policies(&self) -> Policies {
        let mut text = format!("version = 1\npreset = '{}'\n", self.preset);
        if let Some(default) = self.default {
            text.push_str(&format!("default = '{default}'\n"));
        }
        for (effect, patterns) in [("allow", &self.allow), ("ask", &self.ask), ("deny", &self.deny)] {
            text.push_str(&format!("{effect} = {}\n", json!(patterns)));
        }
        Policies::new([Policy::parse(&text, "p", Layer::User).unwrap()]).unwrap()
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let default = select(vec![None, Some("ask"), Some("deny")]);
    let preset = select(Preset::ALL.to_vec());
    (preset, default, vec(pattern(), 0..4), vec(pattern(), 0..3), vec(pattern(), 0..3))
        .prop_map(|(preset, default, allow, ask, deny)| Rules { preset, default, allow, ask, deny })
}

fn decide(rules: &Rules, call: &ToolCall) -> Decision {
    rules.policies().judge_with(call, &surroundings(), &NoLinks).decision
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn judging_never_panics(rules in rules(), call in call()) {
        let verdict = rules.policies().judge_with(&call, &surroundings(), &NoLinks);
        prop_assert!(!verdict.reason.is_empty());
        prop_assert!(verdict.reason.len() < 10_000);
    }

    #[test]
    fn reading_a_policy_never_panics(text in any::<String>(), pattern in any::<String>()) {
        // An error is as good as a policy here.
        drop(Policy::parse(&text, "p", Layer::User));
        drop(Policy::parse(&format!("version = 1\ndeny = [{}]", json!(pattern)), "p", Layer::User));
    }

    #[test]
    fn s3_another_deny_never_makes_a_verdict_weaker(rules in rules(), extra in pattern(), call in call()) {
        let before = decide(&rules, &call);
        let mut more = rules.clone();
        more.deny.push(extra);
        prop_assert!(decide(&more, &call) >= before);
    }

    #[test]
    fn s3_another_allow_never_overrides_a_deny_or_an_ask_rule(rules in rules(), extra in pattern(), call in call()) {
        let mut more = rules.clone();
        more.allow.push(extra);
        let before = rules.policies().judge_with(&call, &surroundings(), &NoLinks);
        let after = decide(&more, &call);
        // The policy's own `default = "deny"` is what a rule is for.
        let by_default = before.rule.as_ref().is_some_and(|id| id.as_str().contains("/unknown-"));
        if before.decision == Decision::Deny && !by_default {
            prop_assert_eq!(after, Decision::Deny);
        }
        if before.decision == Decision::Ask && before.rule.is_some_and(|id| id.as_str().starts_with("user/")) {
            prop_assert!(after >= Decision::Ask);
        }
    }

    #[test]
    fn what_is_allowed_to_look_runs_nothing_that_does_more(command in shell_text()) {
        let policies = Policies::new([Policy::preset(Preset::ReadOnly)]).unwrap();
        let call = ToolCall::new("Bash", json!({ "command": command }), WORKSPACE);
        let explanation = policies.explain_with(&call, &surroundings(), &NoLinks);
        if explanation.verdict.decision == Decision::Allow {
            for found in explanation.commands {
                let program = found.split(' ').next().unwrap_or_default();
                let does_more = ["rm", "cp", "mv", "kill", "sudo", "frob", "cargo"].contains(&program);
                // With no operand some of these only print how they are used.
                prop_assert!(!does_more || found.ends_with("--help"), "{command:?} runs {found:?}");
            }
        }
    }

    #[test]
    fn s1_s7_quoting_spacing_wrapping_and_nesting_never_turn_a_no_into_an_allow(
        row in select(refused()), wrappers in vec(0..WRAPPERS, 1..4), preset in select(Preset::ALL.to_vec()),
    ) {
        let policies = Policies::new([Policy::preset(preset)]).unwrap();
        if bash(&policies, &row).decision != Decision::Allow {
            let wrapped = wrappers.iter().fold(row.clone(), |command, wrapper| wrapped(&command, *wrapper));
            let verdict = bash(&policies, &wrapped);
            // Half a command becomes another one by what is added.
            let wrong = verdict.decision == Decision::Allow && is_whole(&row);
            prop_assert!(!wrong, "{:?}: {:?}", wrapped, verdict);
        }
    }
}

/// Every command that a table has a no for, but those that speak of what the shell was called with: in another one these
/// are other words.
fn refused() -> Vec<String> {
    let rows = rows(STANDARD).into_iter().map(|(_, command)| command);
    let rows = rows.chain([DANGEROUS, ASKED].into_iter().flat_map(Table::rows).map(|row| row.command));
    let of_call = |command: &str| {
        command.match_indices('$').any(|(at, _)| {
            command[at + 1..]
                .trim_start_matches(['{', '!', '#'])
                .starts_with(|c: char| c.is_ascii_digit() || "@*#_?-$!".contains(c))
        })
    };
    rows.filter(|command| !of_call(command)).collect()
}

/// Whether the shell finds nothing wrong with how the command is written.
fn is_whole(command: &str) -> bool {
    let mut bash = std::process::Command::new("bash");
    bash.args(["-n", "-c", command])
        .output()
        .is_ok_and(|output| output.status.success() && output.stderr.is_empty())
}

const WRAPPERS: usize = 26;

/// The command in another guise that runs it all the same.
fn wrapped(command: &str, wrapper: usize) -> String {
    let single = command.replace('\'', "'\\''");
    // What stands before a list, or a word of the shell's own, concerns its first part only.
    let simple = !command.contains([';', '&', '|', '\n', '(', '{', '<', '!', '#'])
        && !command.split(' ').next().is_some_and(|first| {
            first.contains('=')
                || ["cd", "pushd", "set", "shopt", "export", "declare", "trap", "alias"].contains(&first)
        });
    let (first, rest) = command.split_once(' ').unwrap_or((command, ""));
    let reserved = [
        "done", "fi", "esac", "for", "while", "until", "if", "then", "case", "do", "time", "coproc",
        "function", "select",
    ];
    let plain = simple
        && first.len() > 1
        && !reserved.contains(&first)
        && first.bytes().all(|byte| byte.is_ascii_lowercase());
    match wrapper {
        0 => format!("  {command}  "),
        1 => format!("ls; {command}"),
        2 => format!("{command}\nls"),
        3 => format!("ls && {command}"),
        4 => format!("false || {command}"),
        5 => format!("sh -c '{single}'"),
        6 => format!("timeout 5 bash -c '{single}'"),
        7 if simple => format!("env {command}"),
        8 if simple => format!("nohup {command}"),
        9 => format!("eval '{single}'"),
        10 => format!("echo $({command}\n)"),
        11 => format!("({command}\n)"),
        12 if plain => command.replace(' ', "   "),
        13 => format!("{command} # ls"),
        14 => format!("{{ {command}\n}}"),
        15 => format!("f() {{ {command}\n}}; f"),
        16 => format!("if true; then {command}\nfi"),
        17 => format!("for i in 1; do {command}\ndone"),
        18 => format!("while true; do {command}\nbreak; done"),
        19 if !command.contains("EOT") => format!("bash <<'EOT'\n{command}\nEOT"),
        20 => format!("cat <({command}\n)"),
        21 => format!("find . -maxdepth 0 -exec bash -c '{single}' \\;"),
        22 if plain => format!("'{first}' {rest}"),
        23 if plain => format!("\\{first} {rest}"),
        24 if plain => format!("{}\"\"{} {rest}", &first[..1], &first[1..]),
        25 if simple => format!("A=1 {command}"),
        _ => format!("{command}; ls"),
    }
}

#[test]
fn hostile_sizes_are_judged_in_time() {
    let policies = Policies::default();
    let quote = |depth: usize| {
        (0..depth).fold("rm -rf /".to_owned(), |text, _| format!("sh -c '{}'", text.replace('\'', "'\\''")))
    };
    let hostile = [
        "eval ".repeat(5000) + "ls",
        "env ".repeat(5000),
        "$(".repeat(10_000),
        "(".repeat(20_000),
        "{ ".repeat(15_000),
        "`".repeat(20_001),
        "cat <<A\n".repeat(3000) + "`x`",
        "a;".repeat(15_000),
        "sudo -u ".repeat(4000),
        "ls ".to_owned() + &"../".repeat(10_000),
        "frob ".to_owned() + &"a ".repeat(15_000),
        "cd a; ".repeat(5000) + "ls",
        "*".repeat(30_000),
        quote(4),
        quote(8),
        "'\"".repeat(15_000),
        "a=".repeat(15_000) + " frob",
        "frob ".to_owned() + &"{,}".repeat(10_900),
        "frob ".to_owned() + &"{a,".repeat(7000) + &"}".repeat(7000),
        "((".to_owned() + &"a+".repeat(15_000) + "a))",
        "frob ".to_owned() + &"${a:-".repeat(500) + &"}".repeat(500),
        "frob ".to_owned() + &"\"$(".repeat(500),
        "for a in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do ".repeat(6)
            + "f() { :; };"
            + &" done;".repeat(6)
            + "frob",
        ">a".repeat(8000) + "; frob",
        "if true; then ".repeat(60) + "frob" + &"; fi".repeat(60),
        "case a in a) ".repeat(60) + "frob" + &";; esac".repeat(60),
    ];
    for command in hostile {
        let start = std::time::Instant::now();
        let verdict = bash(&policies, &command);
        let took = start.elapsed();
        assert_ne!(verdict.decision, Decision::Allow, "{}…", &command[..20.min(command.len())]);
        assert!(
            took < std::time::Duration::from_secs(5),
            "{took:?} for {}…",
            &command[..20.min(command.len())]
        );
    }
}

proptest! {
    #[test]
    fn importing_never_panics_and_what_it_gives_can_be_read(text in any::<String>(), code in codex_text(), entries in vec(any::<String>(), 0..6)) {
        for text in [&text, &code] {
            if let Ok((policy, _)) = Policy::from_codex_rules(text, "x") {
                prop_assert!(Policy::parse(&policy, "x", Layer::User).is_ok(), "{}", policy);
            }
        }
        let settings = json!({ "permissions": { "allow": entries, "deny": entries, text: entries } }).to_string();
        let (policy, _) = Policy::from_claude_settings(&settings, "x").unwrap();
        prop_assert!(Policy::parse(&policy, "x", Layer::User).is_ok(), "{}", policy);
        let _ = Policy::from_claude_settings(&policy, "x");
    }
}

/// Pieces of programs, and what isn't quite.
fn codex_text() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "prefix_rule(",
        "pattern",
        "=",
        "[",
        "]",
        ")",
        ",",
        "'git'",
        "'push'",
        "\"a b\"",
        "'*'",
        "decision",
        "'forbidden'",
        "'prompt'",
        "match",
        "not_match",
        "justification",
        "\n",
        "#",
        "'",
        "\"",
        "'''",
        "\\",
        "x",
        "(",
        "'é'",
        "'\\n'",
    ]);
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}
