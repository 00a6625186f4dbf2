//! Rules that name whom they are for, when, and how often, in the gate of a mission.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use missiond_core::adapters::PolicyGate;
use missiond_core::ids::TaskId;
use missiond_core::model::{Decision, ToolCall};
use missiond_core::ports::{BoxFuture, Clock, Seat};
use missiond_policy::{Layer, Policies, Policy};
use serde_json::json;

fn gate(rule: &str) -> PolicyGate {
    let text = format!("version = 1\n[[rule]]\neffect = 'deny'\nmatch = 'Bash(ls:*)'\n{rule}\n");
    let policies = Policies::new([Policy::parse(&text, "policy.toml", Layer::Project).unwrap()]).unwrap();
    PolicyGate::new(policies, Vec::new())
}

fn call() -> ToolCall {
    ToolCall::new("1", "Bash", json!({ "command": "ls" }), "/work/shop")
}

fn decide(gate: &PolicyGate) -> Decision {
    let word = "s1".parse().unwrap();
    let role = "reviewer".parse().unwrap();
    let (workspace, project) = ("/work/shop".into(), "/work/shop".into());
    let seat = Seat::new(word, role, "claude".parse().unwrap(), TaskId::generate(), workspace, project);
    gate.judge_blocking(&call(), &seat).decision
}

#[test]
fn rules_hold_for_the_slot_that_calls() {
    let check = |rule: &str, expected: Decision| assert_eq!(decide(&gate(rule)), expected, "{rule}");
    check("role = 'reviewer'", Decision::Deny);
    check("role = 'coder'", Decision::Allow);
    check("slot = 's1'", Decision::Deny);
    check("slot = 's2'", Decision::Allow);
    check("agent = 'claude'", Decision::Deny);
    check("agent = 'scripted'", Decision::Allow);
    check("workspace = '/work/*'", Decision::Deny);
    check("workspace = '/srv/*'", Decision::Allow);
}

#[test]
fn a_limit_counts_the_calls_of_all_clones_of_a_gate() {
    let gate = gate("calls_per_minute = 2");
    let decisions: Vec<_> = (0..3).map(|_| decide(&gate.clone())).collect();
    assert_eq!(decisions, [Decision::Allow, Decision::Allow, Decision::Deny]);
}

#[test]
fn rules_hold_at_the_time_of_the_gates_clock() {
    #[derive(Debug)]
    struct Stopped(Timestamp);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            self.0
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    let now: Timestamp = "2026-03-04T10:30:00Z".parse().unwrap();
    let local = now.to_zoned(TimeZone::system());
    for (from, to, expected) in [(0, 1, Decision::Deny), (1, 2, Decision::Allow), (-1, 0, Decision::Allow)] {
        let minute = |shift: i64| {
            local.checked_add(jiff::SignedDuration::from_mins(shift)).unwrap().strftime("%H:%M").to_string()
        };
        let rule = format!("time = '{}-{}'", minute(from), minute(to));
        let gate = gate(&rule).with_clock(Arc::new(Stopped(now)));
        assert_eq!(decide(&gate), expected, "{rule}");
    }
    let day = local.strftime("%a").to_string().to_lowercase();
    let gate = gate(&format!("time = '{day}'")).with_clock(Arc::new(Stopped(now)));
    assert_eq!(decide(&gate), Decision::Deny);
}

#[test]
fn without_a_mission_nobody_knows_the_role_and_the_slot() {
    let check = |rule: &str, expected: Decision| {
        let verdict = gate(rule).judge_alone(&call(), "claude", "/work/shop".as_ref(), "/work/shop".as_ref());
        assert_eq!(verdict.decision, expected, "{rule}");
    };
    check("role = 'coder'", Decision::Deny);
    check("slot = 's2'", Decision::Deny);
    check("calls_per_minute = 100", Decision::Deny);
    check("agent = 'scripted'", Decision::Allow);
    check("time = '00:00-24:00'", Decision::Deny);
}
