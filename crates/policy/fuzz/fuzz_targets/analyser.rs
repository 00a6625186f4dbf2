#![no_main]

use libfuzzer_sys::fuzz_target;
use missiond_policy::{Decision, Preset};
use missiond_policy_fuzz::explain;

fuzz_target!(|command: &str| {
    let mut looser = None;
    for preset in Preset::ALL.into_iter().rev() {
        let found = explain(preset, command);
        if preset == Preset::Standard {
            assert_eq!(found, explain(preset, command), "{command:?} is judged differently each time");
        }
        assert!(!found.verdict.reason.is_empty(), "no reason for {command:?}");
        let decision = found.verdict.decision;
        assert!(looser.is_none_or(|looser| decision >= looser), "{preset} is looser for {command:?}");
        looser = Some(decision);
        // Where the loosest preset holds, the others do: they decide no more loosely.
        if decision != Decision::Deny || preset != Preset::Permissive {
            continue;
        }
        let quoted = format!("'{}'", command.replace('\'', "'\\''"));
        let wrapped = [
            format!("  {command}  "),
            format!("ls; {command}"),
            format!("{{ {command}\n}}"),
            format!("({command}\n)"),
            format!("if true; then {command}\nfi"),
            format!("echo $({command}\n)"),
            format!("sh -c {quoted}"),
            format!("timeout 5 bash -c {quoted}"),
            format!("eval {quoted}"),
            format!("echo {quoted} | sh"),
            format!("FOO=1 {command}"),
        ];
        for wrapped in wrapped {
            let decision = explain(preset, &wrapped).verdict.decision;
            // Half a command becomes another one by what is added.
            let wrong = decision == Decision::Allow && is_whole(command);
            assert!(!wrong, "{preset} denies {command:?} and allows {wrapped:?}");
        }
    }
});

/// Whether the shell finds nothing wrong with how the command is written.
fn is_whole(command: &str) -> bool {
    let mut bash = std::process::Command::new("bash");
    // A command with a NUL can't be handed to one.
    let checked = bash.args(["-n", "-c", command]).output();
    checked.is_ok_and(|output| output.status.success() && output.stderr.is_empty())
}
