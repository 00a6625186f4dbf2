#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use missiond_policy::{
    Policies, Preset,
    hook::{Dialect, EventName, HookBody, HookEvent, HookLimits, Outcome, run},
};
use missiond_policy_fuzz::{WORKSPACE, Written, policies, surroundings};

fuzz_target!(|data: &[u8]| {
    let event = HookEvent::parse(data);
    let answer = |data: &[u8]| {
        let input = std::io::Cursor::new(data.to_vec());
        run(Dialect::Claude, "PreToolUse", input, HookLimits::default(), |event| decide(policies(Preset::Standard), &event))
    };
    let answered = answer(data);
    // Whatever goes wrong, the call is stopped.
    assert!([0, 2].contains(&answered.exit_code), "{answered:?}");
    if event.as_ref().is_err() || event.as_ref().is_ok_and(|event| event.name != EventName::PreToolUse) {
        assert_eq!(answered.exit_code, 2, "{answered:?}");
    }
    // Other white space and other escapes say the same.
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(data)
        && event.is_ok()
        && let Ok(pretty) = serde_json::to_vec_pretty(&value)
    {
        assert_eq!(
            answered,
            answer(&pretty),
            "{value} is answered differently when it is written differently"
        );
    }
});

fn decide(policies: &Policies, event: &HookEvent) -> Result<Outcome, String> {
    if !matches!(event.body, HookBody::PreToolUse { .. }) {
        return Ok(Outcome::Noted);
    }
    let call = event.tool_call(Path::new(WORKSPACE)).ok_or("no call")?;
    Ok(Outcome::Verdict(policies.judge_with(&call, &surroundings(), &Written(Vec::new()))))
}
