#![no_main]

use libfuzzer_sys::fuzz_target;
use missiond_policy::{Decision, Preset};
use missiond_policy_fuzz::explain;
use tree_sitter::{Node, Parser};

// tree-sitter-bash forgives errors, so that only what it finds in scripts that it can read counts, and only where the
// analysis claims to have understood the script too.
fuzz_target!(|command: &str| {
    let found = explain(Preset::Permissive, command);
    // Where back quotes and copied descriptors end it sees differently from every shell.
    let misread = ["`", ">&", "<&"].iter().any(|text| command.contains(text));
    if found.verdict.decision != Decision::Allow || misread {
        return;
    }
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).expect("the grammar fits the library");
    let Some(tree) = parser.parse(command, None) else { return };
    let mut names = Vec::new();
    if !tree.root_node().has_error() {
        collect(tree.root_node(), command, &mut names);
    }
    for (name, redirected) in names {
        // A function of the script runs what it is made of; and the grammar takes an option for a command after `x=$`.
        // And a long line is listed cut.
        if name.len() > 100 || name.starts_with('-') || command.contains(&format!("{name}()")) || command.contains("function") {
            continue;
        }
        let is_listed = found.commands.iter().any(|line| {
            let mut words = line.split(' ');
            words.next() == Some(name) || (redirected && words.any(|word| word == name))
        });
        assert!(is_listed, "{command:?} is allowed, and {name:?} isn't among {:?}", found.commands);
    }
});

/// The names of commands, and whether a redirection stands right before each.
fn collect<'a>(node: Node<'_>, script: &'a str, names: &mut Vec<(&'a str, bool)>) {
    if node.kind() == "command"
        && let Some(name) = node.child_by_field_name("name")
    {
        // An escaped blank is the start of a name to every shell; the grammar passes over it.
        let escaped = script[..name.start_byte()].trim_end_matches([' ', '\t']).ends_with('\\');
        // A number before a redirection is the descriptor's.
        let descriptor = script[name.byte_range()].bytes().all(|byte| byte.is_ascii_digit())
            && script[name.end_byte()..].starts_with(['<', '>']);
        // A word after a redirection belongs to the command before it; the grammar takes it for another one now and then.
        let redirected = script[..name.start_byte()].split_whitespace().rev().take(2).any(|word| word.contains(['<', '>']));
        // A line that goes on makes one word of two pieces, of which the grammar sees the first.
        let continued = script[name.end_byte()..].starts_with("\\\n") || script[..name.start_byte()].ends_with("\\\n");
        let name = &script[name.byte_range()];
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "./_+-".contains(c);
        // Words of the language that the grammar takes for commands now and then.
        let is_word = ["coproc", "time", "while", "until", "select", "do", "done", "then", "fi", "esac"].contains(&name);
        if name.chars().all(is_plain) && !is_word && !escaped && !descriptor && !continued {
            names.push((name, redirected));
        }
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        collect(child, script, names);
    }
}
