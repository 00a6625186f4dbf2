//! Conditions on rules: who, where, when, and how often.

use std::time::Duration;

use missiond_policy::{
    CallRates, Decision, Layer, LocalTime, NoLinks, Policies, Policy, Surroundings, ToolCall,
};
use serde_json::json;

use crate::support::surroundings;

fn policies(rules: &str) -> Policies {
    let text = format!("version = 1\n{rules}");
    Policies::new([Policy::parse(&text, "policy.toml", Layer::Project).unwrap()]).unwrap()
}

fn rule(effect: &str, condition: &str) -> Policies {
    policies(&format!("[[rule]]\neffect = '{effect}'\nmatch = 'Bash(frob:*)'\n{condition}"))
}

fn frob(place: &Surroundings) -> ToolCall {
    ToolCall::new("Bash", json!({ "command": "frob x" }), &place.workspace)
}

/// Whether a rule with the condition applies there: one that allows, and one that denies.
fn check(condition: &str, place: &Surroundings, allows: bool, denies: bool) {
    let by = |effect: &str| rule(effect, condition).judge_with(&frob(place), place, &NoLinks);
    let verdict = by("allow");
    assert_eq!(verdict.decision == Decision::Allow, allows, "allow if {condition}: {place:?}: {verdict:?}");
    let verdict = by("deny");
    assert_eq!(verdict.decision == Decision::Deny, denies, "deny if {condition}: {place:?}: {verdict:?}");
}

#[test]
fn a_rule_may_name_whom_it_is_for() {
    for key in ["role", "slot", "agent"] {
        let known = |name: &str| {
            let mut place = surroundings();
            let value = Some(name.to_owned());
            match key {
                "role" => place.role = value,
                "slot" => place.slot = value,
                _ => place.agent = value,
            }
            place
        };
        let check = |condition: &str, place: &Surroundings, allows, denies| {
            check(&format!("{key} = {condition}"), place, allows, denies);
        };
        check("'reviewer'", &known("reviewer"), true, true);
        check("'reviewer'", &known("coder"), false, false);
        check("'reviewer'", &known("reviewers"), false, false);
        check("['coder', 'reviewer']", &known("reviewer"), true, true);
        check("['coder', 'tester']", &known("reviewer"), false, false);
        check("'review*'", &known("reviewer-2"), true, true);
        // Another case is another name, unless it is to be denied.
        check("'reviewer'", &known("Reviewer"), false, true);
        // Nobody knows who it is.
        check("'reviewer'", &surroundings(), false, true);
    }
}

#[test]
fn a_rule_may_name_the_workspaces_it_is_for() {
    let at = |workspace: &str| {
        let mut place = surroundings();
        place.workspace = workspace.into();
        place
    };
    let shop = at("/home/dev/work/shop-7");
    for pattern in [
        "~/work/*",
        "~/work/shop-*",
        "~/work",
        "/home/dev/work/shop-7",
        "//home/dev/**",
        "/home/*/work/shop-?",
    ] {
        check(&format!("workspace = '{pattern}'"), &shop, true, true);
    }
    for pattern in ["~/other/*", "/work/*", "~/work/shop", "/home/dev/work/shop-70", "/srv"] {
        check(&format!("workspace = '{pattern}'"), &shop, false, false);
    }
    check("workspace = ['/srv/*', '~/work/*']", &shop, true, true);
    check("workspace = '~/Work/*'", &shop, false, true);
    let mut homeless = shop.clone();
    homeless.home = None;
    check("workspace = '~/work/*'", &homeless, false, true);
    check("workspace = '~/work/*'", &at("/home/dev/work/../secret/x"), false, false);
}

#[test]
fn a_rule_may_name_a_time_of_the_week() {
    let check = |time: &str, now: &str, applies: bool| {
        let mut place = surroundings();
        place.now = Some(now.parse().unwrap());
        check(&format!("time = {time}"), &place, applies, applies);
    };
    check("'09:00-17:00'", "mon 09:00", true);
    check("'09:00-17:00'", "sun 16:59", true);
    check("'09:00-17:00'", "mon 17:00", false);
    check("'09:00-17:00'", "mon 08:59", false);
    check("'22:00-06:00'", "mon 22:00", true);
    check("'22:00-06:00'", "tue 05:59", true);
    check("'22:00-06:00'", "tue 06:00", false);
    check("'22:00-06:00'", "tue 12:00", false);
    check("'22:00-24:00'", "tue 23:59", true);
    check("'sat,sun'", "sat 00:00", true);
    check("'sat,sun'", "sun 23:59", true);
    check("'sat,sun'", "mon 00:00", false);
    check("'Mon-Fri 09:00-17:00'", "fri 10:00", true);
    check("'mon-fri 09:00-17:00'", "sat 10:00", false);
    // A range over midnight belongs to the day on which it begins, and days may go over the end of the week.
    check("'fri 22:00-06:00'", "sat 05:00", true);
    check("'fri 22:00-06:00'", "fri 05:00", false);
    check("'sun 22:00-06:00'", "mon 05:00", true);
    check("'sat-mon'", "sun 12:00", true);
    check("'sat-mon'", "mon 12:00", true);
    check("'sat-mon'", "tue 12:00", false);
    check("['sat,sun', '22:00-06:00']", "wed 23:00", true);
    check("['sat,sun', '22:00-06:00']", "wed 12:00", false);
    // Nobody knows what time it is.
    let place = surroundings();
    self::check("time = '22:00-06:00'", &place, false, true);
}

#[test]
fn local_times_are_read_as_they_are_written() {
    for text in ["mon 00:00", "sun 23:59", "wed 07:05"] {
        let time: LocalTime = text.parse().unwrap();
        assert_eq!(time.to_string(), text);
        let json = serde_json::to_value(time).unwrap();
        assert_eq!(serde_json::from_value::<LocalTime>(json).unwrap(), time);
    }
    assert_eq!(LocalTime::new(4, 22, 5), "fri 22:05".parse().ok());
    for text in
        ["", "mon", "mon 24:00", "mon 7:05", "Mon 07:05", "mon 07:60", "mon  07:05", "xyz 07:05", "mon +7:05"]
    {
        assert!(text.parse::<LocalTime>().is_err(), "{text:?}");
    }
    assert_eq!(
        (LocalTime::new(7, 0, 0), LocalTime::new(0, 24, 0), LocalTime::new(0, 0, 60)),
        (None, None, None)
    );
}

#[test]
fn every_condition_must_hold() {
    let mut place = surroundings();
    place.role = Some("reviewer".into());
    place.now = "mon 23:00".parse().ok();
    check("role = 'reviewer'\ntime = '22:00-06:00'", &place, true, true);
    check("role = 'coder'\ntime = '22:00-06:00'", &place, false, false);
    check("role = 'reviewer'\ntime = '06:00-22:00'", &place, false, false);
    check("role = 'reviewer'\nworkspace = '/srv/*'", &place, false, false);
    // The next rule decides where the first doesn't apply.
    let rules = policies(
        "[[rule]]\neffect = 'deny'\nmatch = 'Bash(frob:*)'\nrole = 'coder'\n[[rule]]\neffect = 'allow'\nmatch = 'Bash(frob:*)'\nrole = 'review*'",
    );
    assert_eq!(rules.judge_with(&frob(&place), &place, &NoLinks).decision, Decision::Allow);
}

#[test]
fn a_limit_on_calls_a_minute_counts_every_call_that_matches() {
    // Each row: the effect, the limit, when the calls are made in seconds, what each comes to.
    use Decision::{Allow, Ask, Deny};
    let check = |effect: &str, limit: u32, calls: &[(u64, Decision)]| {
        let policies = rule(effect, &format!("calls_per_minute = {limit}"));
        let (place, rates) = (surroundings(), CallRates::new());
        for (seconds, expected) in calls {
            let now = Duration::from_secs(*seconds);
            let verdict = policies.judge_counted(&frob(&place), &place, &NoLinks, &rates, now);
            assert_eq!(verdict.decision, *expected, "{effect}, {limit}, at {seconds}: {verdict:?}");
        }
    };
    // What no rule speaks of is asked.
    check(
        "deny",
        2,
        &[(0, Ask), (1, Ask), (2, Deny), (59, Deny), (62, Deny), (200, Ask), (201, Ask), (202, Deny)],
    );
    check("allow", 2, &[(0, Allow), (1, Allow), (2, Ask), (70, Allow)]);
    check("deny", 1, &[(0, Ask), (60, Deny), (121, Ask)]);
    // A clock that goes back brings nothing back.
    check("deny", 1, &[(500, Ask), (10, Deny), (0, Deny), (500, Deny)]);
}

#[test]
fn a_call_is_counted_once_and_only_by_rules_it_comes_under() {
    let policies = policies(
        "[[rule]]\neffect = 'allow'\nmatch = 'Bash(frob:*)'\n[[rule]]\neffect = 'deny'\nmatch = 'Bash(frob:*)'\nrole = 'coder'\ncalls_per_minute = 1",
    );
    let (place, rates) = (surroundings(), CallRates::new());
    let judge = |command: &str, role: &str| {
        let mut place = place.clone();
        place.role = Some(role.into());
        let call = ToolCall::new("Bash", json!({ "command": command }), &place.workspace);
        policies.judge_counted(&call, &place, &NoLinks, &rates, Duration::ZERO).decision
    };
    for _ in 0..3 {
        assert_eq!(judge("frob", "reviewer"), Decision::Allow);
        assert_eq!(judge("ls", "coder"), Decision::Allow);
    }
    assert_eq!(judge("frob a; frob b; frob c", "coder"), Decision::Allow);
    assert_eq!(judge("frob", "coder"), Decision::Deny);
    assert_eq!(judge("frob", "reviewer"), Decision::Allow);
}

#[test]
fn where_nobody_counts_a_limit_restricts_and_never_allows() {
    check("calls_per_minute = 1000", &surroundings(), false, true);
}

#[test]
fn rules_that_differ_in_their_conditions_are_two_rules() {
    let rules = policies(
        "deny = ['Bash(frob:*)']\n[[rule]]\neffect = 'deny'\nmatch = 'Bash(frob:*)'\nrole = 'coder'\n[[rule]]\neffect = 'deny'\nmatch = 'Bash(frob:*)'\nrole = ['coder', 'a*']\ntime = '22:00-06:00'",
    );
    let ids: Vec<_> = rules.rules().map(|rule| rule.id().as_str().to_owned()).collect();
    assert_eq!(
        ids,
        [
            "project/deny:Bash(frob:*) if role=coder",
            "project/deny:Bash(frob:*) if role=coder|a* time=22:00-06:00",
            "project/deny:Bash(frob:*)",
        ]
    );
    let mut place = surroundings();
    place.role = Some("coder".into());
    let verdict = rules.judge_with(&frob(&place), &place, &NoLinks);
    assert_eq!(verdict.reason, "the rule `Bash(frob:*)` denies this if role=coder");
}

#[test]
fn s4_a_condition_that_isnt_understood_is_an_error() {
    let check = |condition: &str, part: &str| {
        let text = format!("version = 1\n[[rule]]\nid = 'x'\neffect = 'deny'\nmatch = 'Bash'\n{condition}");
        let error = Policy::parse(&text, "policy.toml", Layer::Project).unwrap_err().to_string();
        assert!(error.starts_with("policy.toml:6: ") && error.contains(part), "{condition}: {error}");
    };
    check("rol = 'coder'", "did you mean `role`?");
    check("calls_per_minut = 3", "did you mean `calls_per_minute`?");
    check("role = ''", "names no role");
    check("role = []", "`role` is empty");
    check("role = 3", "`role` must hold text");
    check("role = ['a', 3]", "`role` must hold text");
    check("slot = 'a b'", "names no slot");
    check("agent = \"a\\nb\"", "names no agent");
    check("workspace = 'shop'", "must start with `/` or `~/`");
    check("workspace = '~root/x'", "must start with `/` or `~/`");
    check("workspace = '/a/../b'", "`..`");
    check("time = '22:00-22:00'", "starts when it ends");
    for time in ["", "22-06", "22:00", "25:00-26:00", "mo-fr", "mon-fri 1-2", "a b c", "24:00-06:00"] {
        check(&format!("time = '{time}'"), "no part of a week");
    }
    for calls in ["0", "-1", "'3'", "1.5", "100001", "99999999999999999999"] {
        check(&format!("calls_per_minute = {calls}"), "whole number from 1 to 100000");
    }
}
