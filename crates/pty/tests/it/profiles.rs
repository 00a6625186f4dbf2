//! The profiles that come with the crate.

use missiond_pty::{Activity, DialogKind, Profile, Size, Snapshot, Status};

#[test]
fn every_embedded_profile_is_found_by_its_id() {
    let ids: Vec<&str> = Profile::embedded_ids().collect();
    assert_eq!(ids, ["claude", "scripted"]);
    for id in ids {
        assert_eq!(Profile::embedded(id).unwrap().id(), id);
    }
    assert_eq!(Profile::embedded("claude"), Some(Profile::claude()));
    assert_eq!(Profile::embedded("scripted"), Some(Profile::scripted()));
    assert_eq!(Profile::embedded("vi"), None);
}

const BOX: &str = "---\n›\n---\n  enter to send · ctrl+d to leave";
const BUSY: &str = "◐ Thinking… (3s)\n\n---\n›\n---\n  esc to interrupt";
const DIALOG: &str = "---\n Bash command\n\n   ls -l\n\n no hook has answered\n\n Do you want to proceed?\n › 1. Yes\n   2. No\n\n Esc to cancel";

#[test]
fn the_scripted_agents_states_are_read_from_structure() {
    let idle = Status::Idle { draft: false };
    let check = |name: &str, text: &str, title: &str, expected: Status| {
        let text = text.replace("---", &"─".repeat(60));
        let snapshot = Snapshot::from_text(&text, title, Size::new(60, 40).unwrap());
        let seen = Profile::scripted().observe(&snapshot);
        assert_eq!(seen.status, expected, "{name}: {}", seen.explain());
    };
    check("box", BOX, "scripted agent", idle);
    check("draft", "---\n› some\n  thing\n---", "", Status::Idle { draft: true });
    check("status line", BUSY, "", Status::Busy(Activity::Thinking));
    check("title alone", BOX, "◐ scripted agent", Status::Busy(Activity::Responding));
    check("tool", &format!("• Bash(ls)\n  └ Running…\n\n{BUSY}"), "", Status::Busy(Activity::ToolRunning));
    check(
        "tool that ended",
        &format!("• Bash(ls)\n  └ a.txt\n\n{BUSY}"),
        "",
        Status::Busy(Activity::Thinking),
    );
    check("dialog", DIALOG, "◐ scripted agent", Status::Confirming);
    // Words in the wrong place are not evidence.
    check(
        "quoted dialog",
        &format!("• So:\n  Do you want to proceed?\n   › 1. Yes\n     2. No\n\n{BOX}"),
        "",
        idle,
    );
    check("quoted status", &format!("• So:\n  ◐ Thinking… (3s)\n  esc to interrupt\n\n{BOX}"), "", idle);
    check("another program", "$ ls\na.txt", "", Status::Unknown);
}

#[test]
fn the_scripted_agents_dialogs_tell_tool_and_argument() {
    let check = |text: &str, kind: DialogKind, tool: &str, argument: &str, options: &[&str]| {
        let text = text.replace("---", &"─".repeat(60));
        let snapshot = Snapshot::from_text(&text, "", Size::new(60, 40).unwrap());
        let dialog = Profile::scripted().observe(&snapshot).dialog.unwrap_or_else(|| panic!("{text}"));
        assert_eq!(dialog.kind, kind, "{text}");
        assert_eq!(dialog.tool.as_deref().unwrap_or_default(), tool, "{text}");
        assert_eq!(dialog.argument.as_deref().unwrap_or_default(), argument, "{text}");
        let labels: Vec<&str> = dialog.options.iter().map(|option| option.label.as_str()).collect();
        assert_eq!(labels, options, "{text}");
        assert_eq!(dialog.highlighted(), Some(0), "{text}");
    };
    let permission = DialogKind::Permission;
    let yes_no = ["Yes", "No"];
    check(DIALOG, permission, "Bash", "ls -l", &yes_no);
    check(&DIALOG.replace("Bash command", "Write file"), permission, "Write", "ls -l", &yes_no);
    check(&DIALOG.replace("Bash command", "Read file"), permission, "Read", "ls -l", &yes_no);
    check(&DIALOG.replace("Bash command", "Tool call"), permission, "", "ls -l", &yes_no);
    check(&DIALOG.replace("ls -l", "1. Yes\n   2. No"), permission, "Bash", "1. Yes\n2. No", &yes_no);
    let question =
        "---\n Question\n\n Which colour?\n › 1. red\n   2. green\n\n Enter to select · Esc to cancel";
    check(question, DialogKind::Question, "AskUserQuestion", "Which colour?", &["red", "green"]);
}
