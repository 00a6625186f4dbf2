//! What a script of the scripted agent can say.

use missiond_core::agents::Profiles;
use missiond_core::chain;
use missiond_core::scripted::{MAX_STEPS, MAX_WAIT_MS, Script, Step};
use missiond_core::{AgentKind, DriverKind};

#[test]
fn a_script_is_a_list_of_steps() {
    let check = |json: &str, expected: &[Step]| {
        for prompt in [format!("script:{json}"), format!("\n script:\n{json}\n")] {
            let script =
                Script::of_prompt(&prompt).unwrap_or_else(|error| panic!("{prompt}: {}", chain(&error)));
            assert_eq!(script.steps, expected, "{prompt}");
        }
    };
    let text = str::to_owned;
    check("[]", &[]);
    check(r#"[{"think_ms":200},{"say":"hello"}]"#, &[Step::ThinkMs(200), Step::Say(text("hello"))]);
    check(
        r#"[{"write":{"path":"a.txt","content":"x"}},{"read":{"path":"a.txt"}},{"bash":"ls"}]"#,
        &[
            Step::Write { path: text("a.txt"), content: text("x") },
            Step::Read { path: text("a.txt") },
            Step::Bash(text("ls")),
        ],
    );
    check(
        r#"[{"ask":{"question":"Go?","options":["yes","no"]}},{"ask":{"question":"Go?"}}]"#,
        &[
            Step::Ask { question: text("Go?"), options: vec![text("yes"), text("no")] },
            Step::Ask { question: text("Go?"), options: Vec::new() },
        ],
    );
    check(
        r#"[{"unhooked":"ls"},{"raw":"{}"},{"fail":"overloaded"},{"crash":9}]"#,
        &[Step::Unhooked(text("ls")), Step::Raw(text("{}")), Step::Fail(text("overloaded")), Step::Crash(9)],
    );
}

#[test]
fn what_is_no_script_says_what_is_wrong() {
    let check = |json: &str, expected: &[&str]| {
        let error = Script::of_prompt(&format!("script:{json}")).expect_err(json);
        let text = chain(&error);
        for part in expected {
            assert!(text.contains(part), "{json}: {text}");
        }
    };
    check("", &["no list of steps", r#"script:[{"say":"hello"}]"#, "EOF"]);
    check("{}", &["no list of steps", "expected a sequence"]);
    check(r#"[{"dance":1}]"#, &["unknown variant `dance`", "`think_ms`", "`say`", "line 1 column"]);
    check(r#"["say"]"#, &["no list of steps"]);
    check(r#"[{"say":1}]"#, &["expected a string"]);
    check(r#"[{"think_ms":-1}]"#, &["-1"]);
    check(r#"[{"write":{"path":"a"}}]"#, &["missing field `content`"]);
    check(r#"[{"write":{"path":"a","content":"b","mode":7}}]"#, &["unknown field `mode`"]);
    check(r#"[{"say":"a"}] and more"#, &["trailing characters"]);
    // Nesting that no step has.
    check(&format!("[{}", "[".repeat(100_000)), &["no list of steps"]);
}

#[test]
fn a_script_is_bounded() {
    let steps = |count: usize| format!("script:[{}]", vec![r#"{"say":""}"#; count].join(","));
    assert_eq!(Script::of_prompt(&steps(MAX_STEPS)).unwrap().steps.len(), MAX_STEPS);
    let error = Script::of_prompt(&steps(MAX_STEPS + 1)).unwrap_err();
    assert!(error.to_string().contains("10000 steps"), "{error}");
    let wait = |ms: u64| Script::of_prompt(&format!(r#"script:[{{"think_ms":{ms}}}]"#));
    assert_eq!(wait(MAX_WAIT_MS).unwrap().steps, [Step::ThinkMs(MAX_WAIT_MS)]);
    for ms in [MAX_WAIT_MS + 1, u64::MAX] {
        assert!(wait(ms).unwrap_err().to_string().contains("over an hour"), "{ms}");
    }
}

#[test]
fn any_other_prompt_gets_a_fixed_short_turn() {
    let check = |prompt: &str, shown: &str| {
        let steps = Script::of_prompt(prompt).unwrap().steps;
        let [Step::ThinkMs(wait), Step::Say(first), Step::Write { path, content }, Step::Say(_)] = &steps[..]
        else {
            panic!("{prompt:?}: {steps:?}")
        };
        assert!(*wait < 1000);
        assert_eq!(first, &format!("I am the scripted agent. You asked: {shown}"));
        assert_eq!(
            (path.as_str(), content.as_str()),
            ("SCRIPTED.md", format!("# Request\n\n{shown}\n").as_str())
        );
    };
    check("fix the test", "fix the test");
    check("  fix the test\n", "fix the test");
    check("a script: not one", "a script: not one");
    check("", "");
    // 200 bytes are kept, and no character is cut.
    check(&"日".repeat(1000), &"日".repeat(66));
}

#[test]
fn it_can_be_run_by_both_drivers() {
    let profiles = Profiles::embedded().unwrap();
    let kind: AgentKind = "scripted".parse().unwrap();
    let profile = profiles.get(&kind).unwrap();
    for driver in [DriverKind::Headless, DriverKind::Pty] {
        assert_eq!(profile.program(driver), Some("{self}"), "{driver}");
    }
}
