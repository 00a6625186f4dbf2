//! Rules for the arguments of MCP tools.

use missiond_policy::{Decision, Layer, Policies, Policy};
use serde_json::{Value, json};

use crate::support::tool;

/// Whether `mcp__s__t(…)` matches a call of the tool with this input, for a rule that allows and for one that denies.
fn check(specifier: &str, input: Value, allows: bool, denies: bool) {
    let by = |effect: &str| {
        let text = format!("version = 1\n{effect} = ['''mcp__s__t({specifier})''']");
        let policies = Policies::new([Policy::parse(&text, "policy.toml", Layer::Project).unwrap()]).unwrap();
        tool(&policies, "mcp__s__t", input.clone()).decision
    };
    assert_eq!(by("allow") == Decision::Allow, allows, "allow {specifier}, {input}");
    assert_eq!(by("deny") == Decision::Deny, denies, "deny {specifier}, {input}");
}

#[test]
fn arguments_are_held_against_patterns() {
    check("branch=main", json!({ "branch": "main" }), true, true);
    check("branch=main", json!({ "branch": "main", "force": true }), true, true);
    check("branch=main", json!({ "branch": "maintenance" }), false, false);
    check("branch=main*", json!({ "branch": "maintenance" }), true, true);
    check("branch=*/x", json!({ "branch": "feature/x" }), true, true);
    check("branch=", json!({ "branch": "" }), true, true);
    check("branch=main", json!({ "branch": "" }), false, false);
    check("count=3", json!({ "count": 3 }), true, true);
    check("force=true", json!({ "force": true }), true, true);
    check("force=true", json!({ "force": false }), false, false);
    check("query=a\\,b", json!({ "query": "a,b" }), true, true);
    check("query=a=b", json!({ "query": "a=b" }), true, true);
    check("path=C:\\\\x", json!({ "path": "C:\\x" }), true, true);
}

#[test]
fn s6_in_a_pattern_for_an_argument_everything_but_a_star_stands_for_itself() {
    check("branch=ma.n", json!({ "branch": "main" }), false, false);
    check("branch=[m]ain", json!({ "branch": "main" }), false, false);
}

#[test]
fn several_arguments_must_all_match() {
    let both = "owner=acme,repo=shop*";
    check(both, json!({ "owner": "acme", "repo": "shop-7" }), true, true);
    check(both, json!({ "owner": "acme", "repo": "till" }), false, false);
    check(both, json!({ "owner": "evil", "repo": "shop" }), false, false);
    check(both, json!({ "owner": "acme" }), false, true);
}

#[test]
fn s3_an_argument_that_isnt_given_may_have_the_value_by_default() {
    check("branch=main", json!({}), false, true);
    check("branch=main", json!({ "branch": null }), false, true);
    check("branch=main", Value::Null, false, true);
    check("branch=main", json!("main"), false, true);
    check("branch=main", json!({ "other": "main" }), false, true);
    // This asks only whether it is given.
    check("force=*", json!({}), false, false);
    check("force=*", json!({ "force": null }), false, false);
    check("force=*", json!({ "force": "" }), true, true);
    check("force=*", json!({ "FORCE": {} }), false, true);
}

#[test]
fn s3_any_reading_of_an_argument_is_denied_and_only_the_plain_one_allowed() {
    check("branch=main", json!({ "Branch": "main" }), false, true);
    check("branch=main", json!({ "branch": "MAIN" }), false, true);
    check("branch=main", json!({ "branch": " main\n" }), false, true);
    check("branch=main", json!({ "branch": "dev", "BRANCH": "main" }), false, true);
    check("branch=dev", json!({ "branch": "dev", "BRANCH": "main" }), false, true);
    check("branch=main", json!({ "branch": ["dev", "main"] }), false, true);
    check("branch=main", json!({ "branch": ["main", "main"] }), false, true);
    check("branch=main", json!({ "branch": [] }), false, false);
    check("branch=main", json!({ "branch": { "name": "main" } }), false, true);
    check("branch=main", json!({ "branch": { "name": [[["main"]]] } }), false, true);
    check("path=/etc/*", json!({ "path": "/etc/passwd" }), true, true);
    check("path=/etc/*", json!({ "path": "/tmp/../etc/passwd" }), false, true);
    check("path=/etc/*", json!({ "path": "//etc//passwd" }), false, true);
    check("path=/work/*", json!({ "path": "/work/../etc/passwd" }), false, true);
    check("path=/work/*", json!({ "path": "/work/%2e%2e/etc" }), false, true);
    check("path=/work/*", json!({ "path": "/work/a\u{0}b" }), false, true);
    check("path=/work/*", json!({ "path": "/work/a..b" }), true, true);
}

#[test]
fn an_argument_too_large_to_look_through_is_denied() {
    let many: Vec<Value> = (0..20_000).map(Value::from).collect();
    check("list=x", json!({ "list": many }), false, true);
}

#[test]
fn arguments_of_a_whole_server_and_of_some_tools() {
    let by = |rule: &str, name: &str| {
        let text = format!("version = 1\n{rule}");
        let policies = Policies::new([Policy::parse(&text, "policy.toml", Layer::Project).unwrap()]).unwrap();
        tool(&policies, name, json!({ "branch": "main" })).decision
    };
    for pattern in ["mcp__s(branch=main)", "mcp__s__*(branch=main)", "mcp__s__push_*(branch=m*)"] {
        assert_eq!(by(&format!("deny = ['{pattern}']"), "mcp__s__push_files"), Decision::Deny, "{pattern}");
        assert_eq!(by(&format!("allow = ['{pattern}']"), "mcp__s__push_files"), Decision::Allow, "{pattern}");
        assert_eq!(by(&format!("deny = ['{pattern}']"), "mcp__t__push_files"), Decision::Ask, "{pattern}");
    }
}

#[test]
fn s4_a_specifier_that_isnt_understood_is_an_error() {
    let check = |specifier: &str, part: &str| {
        let text = format!("version = 1\ndeny = ['''mcp__s__t({specifier})''']");
        let error = Policy::parse(&text, "policy.toml", Layer::Project).unwrap_err().to_string();
        assert!(error.starts_with("policy.toml:2: ") && error.contains(part), "{specifier}: {error}");
    };
    check("", "isn't `argument=pattern`");
    check("x", "isn't `argument=pattern`");
    check("x=1,", "isn't `argument=pattern`");
    check("=x", "no argument's name");
    check("a b=x", "no argument's name");
    check("a=\\x", "stands only before");
    check("a=\\", "stands only before");
    check(&vec!["a=b"; 33].join(","), "more than 32 arguments");
}
