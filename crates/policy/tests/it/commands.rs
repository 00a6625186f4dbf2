//! Verdict tables for shell commands.

use std::fmt::Write as _;

use missiond_policy::{Decision, Policies, Policy, Preset};

use crate::support::bash;

/// A table as its rows: the decision, and the command with its stand-ins replaced.
pub fn rows(table: &str) -> Vec<(Decision, String)> {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (decision, command) = line.split_once('\t').unwrap();
            let decision = serde_json::from_value(decision.into()).unwrap();
            (decision, command.replace('⏎', "\n").replace('␉', "\t").replace('␀', "\0"))
        })
        .collect()
}

pub const STANDARD: &str = include_str!("../fixtures/standard.txt");

#[test]
fn s1_s7_c14_s8b_the_standard_preset_decides_as_the_table_says() {
    let policies = Policies::new([Policy::preset(Preset::Standard)]).unwrap();
    let rows = rows(STANDARD);
    assert!(rows.len() >= 150, "the table has only {} rows", rows.len());
    let mut wrong = String::new();
    for (expected, command) in rows {
        let verdict = bash(&policies, &command);
        if verdict.decision != expected {
            writeln!(wrong, "{command:?} should be {expected}: {verdict:?}").unwrap();
        }
        assert!(!verdict.reason.is_empty(), "{command:?} has no reason");
        assert!(verdict.rule.is_some(), "{command:?} names no rule");
    }
    assert!(wrong.is_empty(), "{wrong}");
}
