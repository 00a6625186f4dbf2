//! The settings that install the hook.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, os::unix::fs::PermissionsExt, process::Command};

use missiond_policy::hook::{EventName, SettingsError, claude_settings, shell_words};
use serde_json::json;

#[test]
fn settings_have_the_agents_format() {
    let events = [EventName::PreToolUse, EventName::Stop];
    let settings = claude_settings(&["/opt/missiond", "hook"], 60, &events).unwrap();
    let expected = json!({ "hooks": {
        "PreToolUse": [{ "matcher": "*", "hooks": [
            { "type": "command", "command": "'/opt/missiond' 'hook' 'pre-tool-use'", "timeout": 60 }] }],
        "Stop": [{ "hooks": [{ "type": "command", "command": "'/opt/missiond' 'hook' 'stop'", "timeout": 60 }] }],
    } });
    assert_eq!(settings, expected);
}

#[test]
fn c12_a_path_full_of_shell_syntax_reaches_the_program_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let names = [
        "a b",
        "it's",
        "say \"hi\"",
        "$HOME",
        "$(touch pwned)",
        "`touch pwned`",
        "a; touch pwned;",
        "-n",
        "*",
        "a\nb",
        "back\\slash",
        "!x",
        "~",
        "#",
        "é",
    ];
    for name in names {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).unwrap();
        let program = folder.join("missiond");
        fs::write(&program, "#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let words = [program.as_os_str(), OsStr::new("hook"), OsStr::new(name)];
        let settings = claude_settings(&words, 5, &[EventName::PreToolUse]).unwrap();
        let command = settings["hooks"]["PreToolUse"][0]["hooks"][0]["command"].as_str().unwrap();
        let output = Command::new("sh").arg("-c").arg(command).current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{name:?}: {output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("<hook><{name}><pre-tool-use>"));
        assert!(!dir.path().join("pwned").exists(), "{name:?} ran");
    }
}

#[test]
fn words_that_cant_be_written_are_errors() {
    let none: [&str; 0] = [];
    assert_eq!(claude_settings(&none, 5, &[]), Err(SettingsError::NoCommand));
    assert!(matches!(shell_words(&["a\0b"]), Err(SettingsError::Word { .. })));
    assert!(matches!(shell_words(&[OsStr::from_bytes(b"a\xff")]), Err(SettingsError::Word { .. })));
    assert_eq!(shell_words(&["", "it's"]).unwrap(), "'' 'it'\"'\"'s'");
}
