//! What really runs, held against what the analysis says might run.
//!
//! Real `bash` runs commands in a throw-away root in which every program does nothing, while `strace` notes what is
//! executed. A program that ran and that the analysis didn't list is a failure, and so is an allowed command one of
//! whose parts isn't allowed by itself. tree-sitter-bash is the second opinion on what can't be run.

mod grammar;
mod sandbox;
mod tree_sitter;

use std::{fmt::Write as _, path::Path};

use missiond_policy::{Decision, Explanation, Links, Policies, ToolCall};
use serde_json::json;

use self::{
    grammar::{Composed, Grammar},
    sandbox::{Ran, Sandbox},
};
use crate::{
    support::{WORKSPACE, surroundings},
    tables::{ASKED, BENIGN, DANGEROUS},
};

/// Set to pass over the comparison with bash where a machine can't make a throw-away root.
const WITHOUT: &str = "MISSIOND_TEST_WITHOUT_BASH";

/// How many composed commands each test looks at, unless `MISSIOND_TEST_COMMANDS` says otherwise.
const COMMANDS: u64 = 600;

#[test]
fn s7_differential_nothing_composed_runs_unseen() {
    let (commands, drawn) = composed(1);
    compare(&commands, &drawn);
}

#[test]
fn s7_differential_nothing_in_the_tables_runs_unseen() {
    let mut commands = tabled();
    commands.retain(|command| is_harmless_without_programs(&command.text));
    assert!(commands.len() > 3000, "only {} commands are left", commands.len());
    compare(&commands, "the tables");
}

#[test]
fn s7_differential_another_parser_finds_no_other_commands() {
    let (mut commands, drawn) = composed(10);
    commands.extend(tabled());
    let policies = Policies::default();
    let (mut failures, mut seen, mut failed) = (String::new(), 0, 0);
    for Composed { text, .. } in &commands {
        // It takes the variables of such a loop for commands.
        if text.contains("! for ((") {
            continue;
        }
        let names = tree_sitter::names(text);
        seen += names.len();
        let Explanation { verdict, commands, .. } = explained(&policies, text, &missiond_policy::NoLinks);
        let is_listed = |name: &String| commands.iter().any(|line| line.split(' ').next() == Some(name));
        let missed: Vec<_> = names.iter().filter(|name| !is_listed(name)).collect();
        if !missed.is_empty() {
            failed += 1;
            writeln!(
                failures,
                "{text:?}\n  judged: {verdict:?}\n  listed: {commands:?}\n  missed: {missed:?}"
            )
            .unwrap();
        }
    }
    assert!(seen > commands.len(), "only {seen} commands were found in {} scripts", commands.len());
    assert!(failures.is_empty(), "{drawn}, and the tables: {failed} scripts have more commands:\n{failures}");
}

/// Composed commands, and how they were drawn.
fn composed(times: u64) -> (Vec<Composed>, String) {
    let seed = setting("MISSIOND_TEST_SEED", 0x5eed);
    let count = times * setting("MISSIOND_TEST_COMMANDS", COMMANDS);
    let mut grammar = Grammar::new(seed);
    let drawn =
        format!("seed {seed}, {count} commands (MISSIOND_TEST_SEED and MISSIOND_TEST_COMMANDS change that)");
    ((0..count).map(|_| grammar.command()).collect(), drawn)
}

fn tabled() -> Vec<Composed> {
    let commands =
        [BENIGN, ASKED, DANGEROUS].into_iter().flat_map(|table| table.rows()).map(|row| row.command);
    commands.map(|text| Composed { hides: HIDING.iter().any(|part| text.contains(part)), text }).collect()
}

/// Parts of commands in the tables by which what runs is data, or hidden in text that isn't looked into: it is enough
/// that they aren't allowed.
const HIDING: &[&str] = &[
    "let y=x",
    "set -k",
    "set -ok",
    "--show-toplevel)",
    "@P}",
    "PS4=",
    "IFS=,; c",
    "rm$IFS",
    "declare -n",
    "base64 -d",
    "read x <<< 'a[",
    "| tee x.sh; sh",
    "trap 'd=/' DEBUG",
    "-o keyword -c",
    "mapfile -C",
    "readarray -c",
    "test -v 'a[",
    "printf -v",
    "let 'a[",
    "[[ 'a[",
    "x='a[",
    "y='a[",
    "y='b[",
    "i='b[",
    "-f 'x[",
    "unset 'a[",
    "| rev |",
    "m | sh",
    "eval $(",
    "eval \"$(",
    "command_not_found_handle",
    "expand_aliases",
    "sh \"$f\"",
    "xargs sh -c",
    "-I{} sh -c '{}'",
    "xargs $CMD",
    "read -r c",
    "read c",
    "<(echo",
    "-exec sh {}",
    "BASH_ENV",
    "PROMPT_COMMAND",
    "$(echo rm)",
    "`echo rm`",
    "$(printf",
];

/// Whether a command does no harm where every program is a stand-in: what is left are the shell itself, `find` and the
/// kernel's own files.
fn is_harmless_without_programs(command: &str) -> bool {
    let harmful =
        ["/proc", "/sys", "/dev/", "-delete", "| f", ":|:", "| bomb", "find /", "kill -9 -1", "kill 0"];
    !harmful.iter().any(|part| command.contains(part))
}

/// Runs the commands, and fails with every one whose parts the analysis doesn't know.
fn compare(commands: &[Composed], drawn: &str) {
    let texts: Vec<_> = commands.iter().map(|command| command.text.as_str()).collect();
    let sandbox = match Sandbox::new(&texts) {
        Ok(sandbox) => sandbox,
        Err(problem) => {
            // A machine that can't do it has to be told so: what wasn't compared didn't pass.
            let told = format!("nothing was compared with bash ({WITHOUT}=1 passes over it): {problem}");
            assert!(std::env::var_os(WITHOUT).is_some(), "{told}");
            return;
        }
    };
    let policies = Policies::default();
    let before: Vec<_> =
        commands.iter().map(|command| explained(&policies, &command.text, &sandbox)).collect();
    let ran = sandbox.run().unwrap();
    let mut failures = String::new();
    let (mut failed, mut programs) = (0, 0);
    for ((command, explanation), ran) in commands.iter().zip(&before).zip(&ran) {
        programs += ran.len();
        let problems: Vec<_> = ran
            .iter()
            .filter_map(|ran| problem(&policies, explanation, ran, command.hides, &sandbox))
            .collect();
        if !problems.is_empty() {
            failed += 1;
            let Explanation { verdict, commands, .. } = explanation;
            writeln!(failures, "{:?}\n  judged: {verdict:?}\n  listed: {commands:?}", command.text).unwrap();
            problems.iter().take(5).for_each(|problem| writeln!(failures, "  {problem}").unwrap());
        }
    }
    assert!(programs > commands.len(), "only {programs} programs ran for {} commands", commands.len());
    let all = commands.len();
    assert!(failures.is_empty(), "{drawn}: {failed} of {all} commands ran something unseen:\n{failures}");
}

fn explained(policies: &Policies, command: &str, links: &dyn Links) -> Explanation {
    let call = ToolCall::new("Bash", json!({ "command": command }), WORKSPACE);
    policies.explain_with(&call, &surroundings(), links)
}

/// Programs whose doings depend on what they are fed, which isn't seen when they are judged by themselves.
const FED: &[&str] = &["bash", "dash", "sh", "xargs"];

/// What is wrong with a program that ran.
fn problem(
    policies: &Policies,
    explanation: &Explanation,
    ran: &Ran,
    hides: bool,
    links: &dyn Links,
) -> Option<String> {
    let Explanation { verdict, commands, .. } = explanation;
    // Not every shell has `time` built in.
    if ran.words.first().is_some_and(|program| program == "time") {
        return None;
    }
    let excused = hides && verdict.decision != Decision::Allow;
    if !excused && !commands.iter().any(|listed| covers(listed, commands, ran, verdict.decision)) {
        return Some(format!("not listed: {:?}", ran.words));
    }
    let name = ran.program.rsplit('/').next().unwrap_or_default();
    // The files of substituted processes are there for this run alone.
    let substituted = ran.words.iter().any(|word| word.starts_with("/dev/fd/"));
    if verdict.decision == Decision::Allow && !FED.contains(&name) && !substituted {
        let first = ran.words.first().filter(|word| word.rsplit('/').next() == Some(name));
        let mut words = vec![first.map_or(name, String::as_str)];
        words.extend(ran.words.iter().skip(1).map(String::as_str));
        let call =
            ToolCall::new("Bash", json!({ "command": words }), Path::new(WORKSPACE).join(&ran.directory));
        let alone = policies.judge_with(&call, &surroundings(), links);
        if alone.decision != Decision::Allow {
            return Some(format!("allowed, and by itself it isn't: {:?}: {alone:?}", ran.words));
        }
    }
    None
}

/// Whether a command that the analysis listed speaks of the program that ran.
///
/// A word that the shell fills in stands for any number of words: one that is listed as it is written, or as nothing.
/// Where that is the program itself, the analysis knows that it doesn't know, which is enough if the command isn't
/// allowed.
fn covers(listed: &str, all: &[String], ran: &Ran, decision: Decision) -> bool {
    let names = [ran.words.first().map(String::as_str).unwrap_or_default(), &ran.program];
    let names = names.into_iter().chain(ran.program.rsplit('/').next());
    let rest = ran.words.get(1..).unwrap_or_default();
    // These add words of their own, and are given many at once or one by one.
    let feeds = |line: &String| ["xargs", "find", "parallel"].iter().any(|program| line.contains(program));
    let fed = all.iter().any(feeds);
    for name in names {
        let words: Vec<_> = std::iter::once(name).chain(rest.iter().map(String::as_str)).collect();
        let line = escaped(&words.join(" "));
        // The working directory is listed as what it is to the command.
        let listed = &listed.replace(&ran.directory, ".");
        let line = &line.replace(&ran.directory, ".");
        if line == listed || listed.strip_suffix('…').is_some_and(|start| line.starts_with(start)) {
            return true;
        }
        let pattern: Vec<_> = listed.split(' ').collect();
        let program_is_open = pattern.first().is_none_or(|word| is_open(word));
        if program_is_open && decision == Decision::Allow {
            continue;
        }
        let words: Vec<_> = line.split(' ').collect();
        if fits(&pattern, &words) || (fed && fits_fed(&pattern, &words)) {
            return true;
        }
    }
    false
}

fn is_open(word: &str) -> bool {
    // A number that is filled in is listed as nought.
    word.is_empty()
        || word == "0"
        || word.contains("XXXXXXXXXX")
        || word.contains(['$', '`', '*', '?', '[', '{', '~', '%', '…', '\\'])
}

fn fits(pattern: &[&str], words: &[&str]) -> bool {
    match pattern {
        [] => words.is_empty(),
        [open, rest @ ..] if is_open(open) => (0..=words.len()).any(|skipped| fits(rest, &words[skipped..])),
        [first, rest @ ..] => words.split_first().is_some_and(|(word, words)| {
            // What a substituted process is read by.
            (word == first || (*first == "-" && word.starts_with("/dev/fd/"))) && fits(rest, words)
        }),
    }
}

/// Whether the pattern fits as far as the command itself goes, and names some of what it is fed.
fn fits_fed(pattern: &[&str], words: &[&str]) -> bool {
    let own = pattern.iter().zip(words).take_while(|(word, ran)| word == ran).count();
    let given = |word: &&str| word.starts_with('w') || word.contains(['/', '.']) || FOLDERS.contains(word);
    let is_input = |word: &&str| is_open(word) || given(word) || [";", "+", ")"].contains(word);
    let (pattern, words) = (&pattern[own..], &words[own..]);
    // What is read from a file may be anything.
    own > 0 && pattern.iter().all(is_input) && (pattern.is_empty() || words.iter().all(given))
}

/// The folders of the workspace, and what a search for files in them is listed as.
const FOLDERS: &[&str] = &["docs", "find", "scripts", "src", "tests"];

/// As an explanation shows a command.
fn escaped(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        if c.is_control() { text.extend(c.escape_unicode()) } else { text.push(c) }
    }
    text
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a setting is a number"))
}
