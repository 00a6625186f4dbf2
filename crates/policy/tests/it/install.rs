//! Our hooks in the text of a settings file, and out of it again.

use missiond_policy::hook::{Dialect, EventName, SettingsError, install, is_ours, uninstall};
use proptest::prelude::*;
use serde_json::{Value, json};

const EVENTS: [EventName; 2] = [EventName::PreToolUse, EventName::UserPromptSubmit];

fn put(dialect: Dialect, text: &str) -> Result<String, SettingsError> {
    install(dialect, text, &["/opt/missiond", "hook", "--agent", dialect.as_str()], 30, &EVENTS)
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_new_file_has_what_the_agent_expects() {
    insta::assert_snapshot!(put(Dialect::Claude, "").unwrap(), @r#"
    {
      "hooks": {
        "PreToolUse": [
          {
            "matcher": "*",
            "hooks": [
              {
                "type": "command",
                "command": "'/opt/missiond' 'hook' '--agent' 'claude' 'pre-tool-use'",
                "timeout": 30
              }
            ]
          }
        ],
        "UserPromptSubmit": [
          {
            "hooks": [
              {
                "type": "command",
                "command": "'/opt/missiond' 'hook' '--agent' 'claude' 'user-prompt-submit'",
                "timeout": 30
              }
            ]
          }
        ]
      }
    }
    "#);
    let gemini = value(&put(Dialect::Gemini, " \n").unwrap());
    let hook = &gemini["hooks"]["BeforeTool"][0]["hooks"][0];
    assert_eq!(hook["timeout"], 30_000, "Gemini CLI counts in milliseconds");
    assert_eq!(hook["command"], "'/opt/missiond' 'hook' '--agent' 'gemini' 'before-tool'");
    assert_eq!(hook["name"], "missiond");
    assert!(gemini["hooks"]["BeforeAgent"][0].is_object());
    let codex = value(&put(Dialect::Codex, "{}").unwrap());
    assert_eq!(codex["hooks"]["PreToolUse"][0]["hooks"][0]["timeout"], 30);
}

#[test]
fn everything_else_stays_byte_for_byte() {
    let settings = [
        "{\n  \"model\": \"opus\",\n  \"permissions\": { \"allow\": [ \"Bash(ls)\" ] }\n}\n",
        "{\n\t\"z\": 1,\n\t\"a\": [1,2,   3]\n}",
        "{\r\n    \"model\": \"x\"\r\n}\r\n",
        "{\"model\":\"x\"}",
        "{}",
        "{ \"a\" : 1.50e3, \"b\":\"\\u00e9\", \"a\": 2 }\n\n",
        "\u{feff}{\n  \"a\": 1\n}\n",
        "{\n  \"hooks\": {\n    \"PreToolUse\": [\n      {\n        \"matcher\": \"Bash\",\n        \"hooks\": [\n          { \"type\": \"command\", \"command\": \"./check.sh\" }\n        ]\n      }\n    ]\n  },\n  \"model\": \"x\"\n}\n",
        "{\"hooks\":{\"PreToolUse\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"a\"}]}],\"Stop\":[]}}",
        "{\n  \"hooks\": {\n    \"Stop\": [{ \"hooks\": [{ \"type\": \"command\", \"command\": \"say done\" }] }]\n  }\n}\n",
    ];
    for text in settings {
        for dialect in Dialect::ALL {
            let installed = put(dialect, text).unwrap();
            assert_eq!(put(dialect, &installed).unwrap(), installed, "{text:?}: a second time");
            assert_eq!(uninstall(dialect, &installed).unwrap(), text, "{dialect}: {installed}");
            if text.lines().count() == 1 {
                continue;
            }
            // Whatever was there before is there still, in its order.
            let mut rest = installed.as_str();
            for line in text.lines().map(|line| line.trim().trim_end_matches([',', ']', '}', ' '])) {
                let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} is gone: {installed}"));
                rest = &rest[at + line.len()..];
            }
        }
    }
}

#[test]
fn comments_stay_where_the_agent_takes_them() {
    let text = "// mine\n{\n  \"ui\": 1, // no, comma\n  /* a, b */ \"x\": [1] // last\n}\n";
    let installed = put(Dialect::Gemini, text).unwrap();
    assert!(installed.contains("\"x\": [1], // last\n  \"hooks\": {"), "{installed}");
    assert_eq!(uninstall(Dialect::Gemini, &installed).unwrap(), text);
    for dialect in [Dialect::Claude, Dialect::Codex] {
        let error = put(dialect, text).unwrap_err().to_string();
        assert_eq!(error, "line 1: the agent takes no comments here", "{dialect}");
    }
}

#[test]
fn an_older_hook_of_ours_is_replaced_and_others_are_not() {
    let other = json!({ "type": "command", "command": "my-missiond-like hook" });
    let old = |event: &str| json!({ "type": "command", "command": format!("'/old/missiond' 'hook' '{event}'"), "timeout": 5 });
    let before = json!({ "hooks": {
        "PreToolUse": [
            { "matcher": "Bash", "hooks": [other, old("pre-tool-use")] },
            { "matcher": "*", "hooks": [old("pre-tool-use")] },
            { "matcher": "Edit", "hooks": [] },
        ],
        "Stop": [{ "hooks": [old("stop")] }],
    } });
    for text in [before.to_string(), format!("{before:#}")] {
        let after = value(&put(Dialect::Claude, &text).unwrap());
        let tool = after["hooks"]["PreToolUse"].as_array().unwrap();
        assert_eq!(tool[0], json!({ "matcher": "Bash", "hooks": [other] }));
        assert_eq!(tool[1], json!({ "matcher": "Edit", "hooks": [] }));
        assert_eq!(tool[2]["hooks"][0]["timeout"], 30);
        assert_eq!(tool.len(), 3);
        assert_eq!(after["hooks"].get("Stop"), None, "an event that we don't need any more");
        let without = value(&uninstall(Dialect::Claude, &text).unwrap());
        let kept = json!([{ "matcher": "Bash", "hooks": [other] }, { "matcher": "Edit", "hooks": [] }]);
        assert_eq!(without, json!({ "hooks": { "PreToolUse": kept } }));
    }
    // The same hook twice would be run twice.
    let once = put(Dialect::Claude, "").unwrap();
    let mut twice = value(&once);
    let group = twice["hooks"]["PreToolUse"][0].clone();
    twice["hooks"]["PreToolUse"].as_array_mut().unwrap().push(group);
    let again = value(&put(Dialect::Claude, &twice.to_string()).unwrap());
    assert_eq!(again["hooks"]["PreToolUse"].as_array().unwrap().len(), 1);
}

#[test]
fn a_file_that_cant_be_understood_is_left_alone_and_the_line_is_named() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    let deeper = "[".repeat(1 << 19);
    for (text, problem) in [
        ("{\n  \"a\": 1,\n}", "line 3: a comma stands before the end"),
        ("{\n  \"a\" 1\n}", "line 2: a `:` was expected"),
        ("{\n  a: 1\n}", "line 2: a key in double quotes was expected"),
        ("[]", "line 1: settings are an object"),
        ("{\"hooks\": []}", "line 1: `hooks` is no object"),
        ("{\"hooks\": {}, \"hooks\": {}}", "`hooks` is there twice"),
        ("{\"hooks\": {\"Stop\": [], \"Stop\": []}}", "`hooks.Stop` is there twice"),
        ("{\"hooks\": {\"PreToolUse\": {}}}", "`hooks.PreToolUse` is no list"),
        ("{\"a\": \"\n\"}", "a control character"),
        ("{\"a\": nul}", "this is no value"),
        ("{} {}", "something stands after the end"),
        ("{\"a\": \"", "does not end"),
        ("{\"a\\", "does not end"),
        ("{", "a key in double quotes was expected"),
        (&deep, "deeper than 64"),
        (&deeper, "deeper than 64"),
    ] {
        for error in [put(Dialect::Claude, text), uninstall(Dialect::Claude, text)] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains(problem), "{}: {error}", text.get(..50).unwrap_or(text));
        }
    }
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(2 << 20));
    assert!(matches!(put(Dialect::Claude, &long), Err(SettingsError::TooLong { .. })));
    let none: [&str; 0] = [];
    assert_eq!(install(Dialect::Claude, "", &none, 5, &EVENTS), Err(SettingsError::NoCommand));
}

#[test]
fn ours_is_known_by_what_it_starts() {
    for ours in
        ["'/opt/missiond' 'hook' 'stop'", "missiond hook stop", "\"/a b/missiond\" hook --agent codex stop"]
    {
        assert!(is_ours(ours), "{ours}");
    }
    for other in [
        "missiond status",
        "echo missiond hook",
        "missiondx hook a",
        "'missiond hook",
        "",
        "$X/missiond hook a",
    ] {
        assert!(!is_ours(other), "{other}");
    }
}

/// Settings of some shape, with other people's hooks in them.
fn settings() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i32>().prop_map(|n| json!(n)),
        "[ -~é\\\\\"/*,]{0,12}".prop_map(|text| json!(text))
    ];
    let tree = leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z/\"]{1,6}", inner, 1..4).prop_map(Value::from_iter),
        ]
    });
    let hook = "[a-z ./]{1,12}".prop_map(|command| json!({ "type": "command", "command": command }));
    let group =
        prop::collection::vec(hook, 1..3).prop_map(|hooks| json!({ "matcher": "Bash", "hooks": hooks }));
    let event = prop::sample::select(vec!["PreToolUse", "UserPromptSubmit", "Stop", "Own"]);
    let hooks = prop::collection::btree_map(event, prop::collection::vec(group, 1..3), 0..3);
    (prop::collection::btree_map("[a-g]{1,3}", tree, 0..4), hooks).prop_map(|(rest, hooks)| {
        let mut all: serde_json::Map<String, Value> = rest.into_iter().collect();
        if !hooks.is_empty() {
            all.insert("hooks".to_owned(), json!(hooks));
        }
        all.into()
    })
}

proptest! {
    #[test]
    fn what_was_put_in_comes_out_again(settings in settings(), spread in any::<bool>()) {
        let text = if spread { format!("{settings:#}\n") } else { settings.to_string() };
        let installed = put(Dialect::Claude, &text).unwrap();
        prop_assert_eq!(put(Dialect::Claude, &installed).unwrap(), installed.clone());
        prop_assert_eq!(uninstall(Dialect::Claude, &installed).unwrap(), text);
        let now = value(&installed);
        for event in ["PreToolUse", "UserPromptSubmit"] {
            let groups = now["hooks"][event].as_array().unwrap();
            prop_assert!(groups.iter().any(|group| group["hooks"][0]["timeout"] == 30));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}\",:a1/*\\\\\né \u{feff}]{0,40}") {
        for dialect in Dialect::ALL {
            drop(put(dialect, &text));
            drop(uninstall(dialect, &text));
            let _: bool = is_ours(&text);
        }
    }
}
