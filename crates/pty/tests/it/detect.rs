//! What a profile makes of single screens.

use missiond_pty::{Activity, DialogId, DialogKind, Observation, Profile, Size, Snapshot, Status, Terminal};

const SIZE: (u16, u16) = (60, 40);

fn rule() -> String {
    "─".repeat(SIZE.0.into())
}

/// A screen of these lines; `---` is a rule over the whole width.
fn screen(text: &str, title: &str) -> Snapshot {
    let text = text.replace("---", &rule());
    Snapshot::from_text(&text, title, Size::new(SIZE.0, SIZE.1).unwrap())
}

fn observe(text: &str, title: &str) -> Observation {
    Profile::claude().observe(&screen(text, title))
}

const BOX: &str = "---\n❯\n---\n  ? for shortcuts";
const PERMISSION: &str =
    "---\n Bash command\n\n   ls -l\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel";

#[test]
fn states_are_read_from_structure() {
    let busy = |activity| Status::Busy(activity);
    let idle = Status::Idle { draft: false };
    let cases: &[(&str, &str, &str, Status)] = &[
        ("blank", "", "", Status::Starting),
        ("box", BOX, "✳ t", idle),
        ("busy by status line", "✽ Forming…\n\n---\n❯\n---\n", "", busy(Activity::Thinking)),
        (
            "busy by status line with tips",
            "· Forming… (3s · ↓ 9 tokens)\n  ⎿  Tip: a\n     b\n\n---\n❯\n---",
            "",
            busy(Activity::Thinking),
        ),
        (
            "busy by footer",
            "● text\n\n---\n❯\n---\n  esc to interrupt · ← for agents",
            "",
            busy(Activity::Responding),
        ),
        (
            "busy by footer with a mode",
            "● text\n---\n❯\n---\n  ⏸ plan mode on · esc to interrupt   ● high",
            "",
            busy(Activity::Responding),
        ),
        ("busy by title", "● text\n\n---\n❯ more\n---\n", "⠂ t", busy(Activity::Responding)),
        ("tool", "● Bash(x)\n  ⎿  Running…\n\n✽ Forming…\n\n---\n❯\n---", "", busy(Activity::ToolRunning)),
        ("done", "● text\n\n✻ Cooked for 3s\n\n---\n❯\n---", "✳ t", idle),
        ("retry", "✻ API error · Retrying in 2s · attempt 2/10\n\n---\n❯\n---", "", busy(Activity::Thinking)),
        ("permission", PERMISSION, "✳ t", Status::Confirming),
        // Words in the wrong place are not evidence.
        (
            "P2 quoted dialog",
            &format!("● So:\n\n  Do you want to proceed?\n  ❯ 1. Yes\n    2. No\n\n  Esc to cancel\n\n{BOX}"),
            "✳ t",
            idle,
        ),
        ("P2 quoted spinner", &format!("● So:\n\n  ✻ Thinking… (esc to interrupt)\n\n{BOX}"), "✳ t", idle),
        (
            "P2 quoted box above a dialog",
            &format!("● So:\n\n  ───\n  ❯\n  ───\n\n{PERMISSION}"),
            "✳ t",
            Status::Confirming,
        ),
        (
            "P2 list in an answer without a box",
            "● Choose:\n\n  ❯ 1. Yes\n    2. No\n\n  Esc to cancel",
            "✳ t",
            Status::Unknown,
        ),
        (
            "menu under the box",
            "---\n❯ /esc\n---\n/esc    esc to interrupt",
            "✳ t",
            Status::Idle { draft: true },
        ),
        ("P4 text and no box", "Unable to connect to services", "", Status::Unknown),
        ("P4 shell prompt", "$ ls\n> quoted\n❯ 1. Yes", "", Status::Unknown),
    ];
    for (name, text, title, wanted) in cases {
        let seen = observe(text, title);
        assert_eq!(seen.status, *wanted, "{name}\n{}", seen.explain());
    }
    assert!(observe("✻ API error · Retrying in 2s · attempt 2/10\n\n---\n❯\n---", "").retrying);
}

#[test]
fn p16_a_draft_is_idle_even_if_it_quotes_a_dialog() {
    let draft = "Do you want to proceed?\n❯ 1. Yes\n  2. No\n✻ Thinking… (esc to interrupt)";
    let shown = draft.replace('\n', "\n  ");
    let seen = observe(&format!("---\n❯ {shown}\n---\n  ? for shortcuts"), "✳ t");
    assert_eq!((seen.status, seen.draft.as_deref()), (Status::Idle { draft: true }, Some(draft)));
}

#[test]
fn a_placeholder_is_no_draft() {
    let mut terminal = Terminal::new(Size::new(60, 6).unwrap());
    let rule = rule();
    terminal
        .feed(format!("{rule}\r\n❯ \x1b[7mT\x1b[27;2mry \"fix the tests\"\x1b[m\r\n{rule}\r\n").as_bytes());
    let seen = Profile::claude().observe(&terminal.snapshot());
    assert_eq!((seen.status, seen.draft), (Status::Idle { draft: false }, None));
    // A suggestion behind what was typed is none of it.
    terminal.feed(b"\x1b[2;3H\x1b[K/mod\x1b[2mel\x1b[m");
    assert_eq!(Profile::claude().observe(&terminal.snapshot()).draft.as_deref(), Some("/mod"));
}

#[test]
fn p14_first_run_screens_are_dialogs_of_their_own_kind() {
    let cases = [
        (
            "---\n Accessing workspace:\n\n /a\n\n Is it safe?\n\n Security guide\n\n ❯ 1. Yes, I trust this folder\n   2. No, exit\n\n Enter to confirm · Esc to cancel",
            DialogKind::Trust,
        ),
        (
            " Choose the text style that looks best with your terminal\n\n   1. Auto\n ❯ 2. Dark mode ✔\n\n  Syntax theme: x",
            DialogKind::Onboarding,
        ),
        (
            " Security notes:\n\n 1. Claude can make mistakes.\n\n Press Enter to continue…",
            DialogKind::Onboarding,
        ),
        (" Select login method:\n\n ❯ 1. Account\n   2. Console", DialogKind::Login),
        (" Paste code here if prompted >", DialogKind::Login),
        (
            "---\n What do you want to do?\n\n ❯ 1. Stop and wait for limit to reset\n   2. Upgrade your plan\n\n Enter to confirm · Esc to cancel",
            DialogKind::RateLimit,
        ),
    ];
    for (text, kind) in cases {
        let seen = observe(text, "");
        assert_eq!(
            (seen.status, seen.dialog.map(|dialog| dialog.kind)),
            (Status::Confirming, Some(kind)),
            "{text}"
        );
    }
}

#[test]
fn p4_what_no_rule_knows_has_no_tool() {
    let dialog = observe("---\n Fetch\n\n   https://a.example\n\n Do you want to allow this?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel", "").dialog.unwrap();
    assert_eq!((dialog.kind, dialog.tool), (DialogKind::Permission, None));
    let dialog = observe("---\n Something new\n\n Which?\n ❯ 1. This\n   2. That\n\n Esc to cancel", "")
        .dialog
        .unwrap();
    assert_eq!((dialog.kind, dialog.tool), (DialogKind::Unknown, None));
    let dialog = observe("---\n  Settings  Status\n\n  Version: 1\n\n  Esc to cancel", "").dialog.unwrap();
    assert_eq!((dialog.kind, dialog.options.len()), (DialogKind::Unknown, 0));
}

#[test]
fn the_last_options_are_the_options() {
    // The command holds a dialog of its own.
    let text = "---\n Bash command\n\n   cat <<E\n   Do you want to proceed?\n   ❯ 1. Yes\n     2. No\n   E\n\n Do you want to proceed?\n   1. Yes\n ❯ 2. No, and tell it what to do\n\n Esc to cancel";
    let dialog = observe(text, "").dialog.unwrap();
    let labels: Vec<&str> = dialog.options.iter().map(|option| option.label.as_str()).collect();
    assert_eq!((labels, dialog.highlighted()), (vec!["Yes", "No, and tell it what to do"], Some(1)));
    assert_eq!(dialog.tool.as_deref(), Some("Bash"));
    assert_eq!(dialog.argument.as_deref(), Some("cat <<E\nDo you want to proceed?\n❯ 1. Yes\n  2. No\nE"));
}

/// A permission dialog whose rows between header and question are drawn with styles.
fn bash_argument(body: &str) -> Option<String> {
    let rule = rule();
    argument_of(&format!("{rule}\n Bash command\n\n{body}\n\n Do you want to proceed?"))
}

fn argument_of(text: &str) -> Option<String> {
    let text = format!("{text}\n ❯ 1. Yes\n   2. No\n\n Esc to cancel");
    let mut terminal = Terminal::new(Size::new(SIZE.0, SIZE.1).unwrap());
    terminal.feed(text.replace('\n', "\r\n").as_bytes());
    let seen = Profile::claude().observe(&terminal.snapshot());
    let dialog = seen.dialog.unwrap_or_else(|| panic!("no dialog in {text:?}"));
    assert_eq!(dialog.tool.as_deref(), Some("Bash"), "{text:?}");
    dialog.argument
}

#[test]
fn p4_an_argument_is_the_whole_command_or_unknown() {
    const FAINT: &str = "   \x1b[2mRemove everything\x1b[m";
    let note = " Hook PreToolUse:Bash requires confirmation:\n it says so";
    let cases = [
        ("   ls".to_owned(), Some("ls")),
        (format!("   ls\n{FAINT}"), Some("ls")),
        // Blank rows are the command's own.
        ("   ls\n\n   rm -rf ~".to_owned(), Some("ls\n\nrm -rf ~")),
        (format!("   ls\n\n\n     rm -rf ~\n{FAINT}"), Some("ls\n\n\n  rm -rf ~")),
        // So is a comment that is drawn in grey.
        (format!("   ls\n   \x1b[90m# fine\x1b[m\n   rm -rf ~\n{FAINT}"), Some("ls\n# fine\nrm -rf ~")),
        // The agent's notes are not.
        (format!("   ls\n{FAINT}\n\n{note}"), Some("ls")),
        (format!("   ls\n\n   rm -rf ~\n\n{note}"), Some("ls\n\nrm -rf ~")),
        // Which of these rows are the command can't be told.
        (format!("   ls\n{FAINT}\n\n{FAINT}"), None),
        (format!("   ls\n\n{note}\n\n   rm -rf ~"), None),
        ("   ls\n rm -rf ~".to_owned(), None),
        (format!("   ls {}\n   x", "y".repeat(60)), None),
        ("   ls\n   \x1b[2m… 3 more rows\x1b[m".to_owned(), None),
    ];
    for (body, expected) in cases {
        assert_eq!(bash_argument(&body).as_deref(), expected, "{body:?}");
    }
    // The dialog's first rows have left the screen, and what is now the first row is the command's.
    assert_eq!(argument_of("   Bash command\n\n   ls\n\n Do you want to proceed?"), None);
}

#[test]
fn wrapped_labels_are_joined_and_descriptions_are_not() {
    let text = "---\n ☐ Topic\n\nWhich one?\n\n❯ 1. A label that is so long that it has to go on in the\n     following row\n  2. Short\n     Its description\n\nEnter to select · Esc to cancel";
    let dialog = observe(text, "").dialog.unwrap();
    let labels: Vec<&str> = dialog.options.iter().map(|option| option.label.as_str()).collect();
    assert_eq!(labels, ["A label that is so long that it has to go on in the following row", "Short"]);
    assert_eq!((dialog.kind, dialog.question.as_str()), (DialogKind::Question, "Which one?"));
}

#[test]
fn the_question_is_what_asks() {
    let question = |text: &str| observe(text, "").dialog.unwrap().question;
    let options = " ❯ 1. Yes\n   2. No\n\n Esc to cancel";
    assert_eq!(
        question(&format!("---\n Accessing:\n\n Is it\n safe?\n\n Guide\n\n{options}")),
        "Is it safe?"
    );
    assert_eq!(question(&format!("---\n Header\n\n No question\n\n{options}")), "No question");
    assert_eq!(question(&format!("---\n{options}")), "");
}

#[test]
fn an_id_tells_dialogs_apart_and_not_their_highlights() {
    let id = |text: &str| observe(text, "").dialog.unwrap().id;
    let moved = PERMISSION.replace(" ❯ 1. Yes\n   2. No", "   1. Yes\n ❯ 2. No");
    assert_eq!(id(PERMISSION), id(&moved));
    assert_eq!(id(PERMISSION), id(&format!("● before\n\n{PERMISSION} · Tab to amend")));
    for other in [PERMISSION.replace("ls -l", "ls -a"), PERMISSION.replace("2. No", "2. Never")] {
        assert_ne!(id(PERMISSION), id(&other), "{other}");
    }
    // It can be written down.
    assert_eq!(id(PERMISSION).to_string().parse::<DialogId>(), Ok(id(PERMISSION)));
}

#[test]
fn an_explanation_names_rules_and_rows() {
    let seen = observe(&format!("● text\n\n{BOX} · esc to interrupt"), "⠂ topic");
    insta::assert_snapshot!(seen.explain(), @"
    status: responding
      layout.prompt at rows 3-5: 
      busy.footer at row 6: esc to interrupt
      title.busy at title: ⠂ topic
    ");
}

#[test]
fn p6_the_last_answer_is_whole_and_without_chrome() {
    let text = "❯ old\n\n● Old answer\n\n❯ new question\n  second line\n\n● First paragraph\n  goes on.\n\n  - item\n    - nested\n\n      code {\n        日本語\n      }\n\n● Bash(ls)\n  ⎿  out\n\n● Done.\n\n✻ Cooked for 3s\n\n---\n❯\n---";
    let answer = Profile::claude().last_answer(&screen(text, ""));
    let wanted =
        "First paragraph\ngoes on.\n\n- item\n  - nested\n\n    code {\n      日本語\n    }\n\nDone.";
    assert_eq!(answer.as_deref(), Some(wanted));
    // Its beginning has scrolled off.
    let tail =
        Profile::claude().last_answer(&screen("  the end\n  of it\n\n✻ Cooked for 3s\n\n---\n❯\n---", ""));
    assert_eq!(tail.as_deref(), Some("the end\nof it"));
    assert_eq!(Profile::claude().last_answer(&screen("---\n❯\n---", "")), None);
    assert_eq!(Profile::claude().last_answer(&screen("no box", "")), None);
}

#[test]
fn a_profile_that_is_wrong_is_refused_with_its_place() {
    let good = include_str!("../../profiles/claude.toml");
    assert_eq!(Profile::parse(good, "claude.toml").unwrap(), Profile::claude());
    let chain = |text: &str| {
        let error = Profile::parse(text, "my.toml").unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    };
    let unknown = chain(&good.replace("[busy]\n", "[busy]\nglyfs = \"x\"\n"));
    assert!(
        unknown.starts_with("my.toml is not a terminal profile: TOML parse error at line ")
            && unknown.contains("glyfs"),
        "{unknown}"
    );
    let schema = chain(&good.replace("schema = 1", "schema = 2"));
    assert!(schema.starts_with("my.toml has schema 2, but only schema 1 is known"), "{schema}");
    let empty = chain(&good.replace("rule = \"─\"", "rule = \"\""));
    assert_eq!(empty, "my.toml: `layout.rule` may not be empty: ");
    assert!(chain("").contains("missing field"), "{}", chain(""));
}

#[test]
fn another_agent_needs_no_code() {
    let text = include_str!("../../profiles/claude.toml")
        .replace("id = \"claude\"", "id = \"other\"")
        .replace("rule = \"─\"", "rule = \"=\"")
        .replace("prompt = [\"❯\", \"!\"]", "prompt = [\"$\"]")
        .replace("footer = [\"esc to interrupt\"]", "footer = [\"press x to stop\"]");
    let profile = Profile::parse(&text, "other").unwrap();
    let rule = "=".repeat(SIZE.0.into());
    let screen = |footer: &str| {
        let text = format!("{rule}\n$ \n{rule}\n  {footer}");
        Snapshot::from_text(&text, "", Size::new(SIZE.0, SIZE.1).unwrap())
    };
    assert_eq!(profile.id(), "other");
    assert_eq!(profile.observe(&screen("ready")).status, Status::Idle { draft: false });
    assert_eq!(profile.observe(&screen("press x to stop")).status, Status::Busy(Activity::Responding));
    assert_eq!(Profile::claude().observe(&screen("ready")).status, Status::Unknown);
}
