//! The index finds what asking every rule finds.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use proptest::{collection::vec, prelude::*, sample::select, string::string_regex};
use serde_json::{Value, json};

use crate::{
    Layer, Policies, Policy, Surroundings,
    path::{Access, Links, NoLinks, Roots},
    rule::{Moved, RuleSet, Subject},
    tool::Tool,
};

/// A few links, and directories that list what lies in them.
#[derive(Debug)]
struct Linked {
    links: Vec<(String, String)>,
}

impl Links for Linked {
    fn target(&self, path: &Path) -> Option<PathBuf> {
        self.links.iter().find(|(link, _)| path == Path::new(link)).map(|(_, target)| target.into())
    }

    fn names(&self, directory: &Path, _: usize) -> Option<Vec<std::ffi::OsString>> {
        let names = self.links.iter().filter_map(|(link, _)| Path::new(link).strip_prefix(directory).ok());
        Some(names.filter_map(|name| Some(name.iter().next()?.to_owned())).collect())
    }
}

fn part() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "A", "ab", "c", "w", "x.rs", "y.RS", "é", "É", "a.Σ", "Σ"]).prop_map(str::to_owned)
}

fn wild() -> impl Strategy<Value = String> {
    let odd = [
        "*",
        "**",
        "a*",
        "*b",
        "?",
        "*.rs",
        "{a,b}",
        "{a,b}.rs",
        "[ab]",
        "x\\.rs",
        "*.{rs,lock}",
        "a.*",
        "[!a].rs",
        "*.Σ",
    ];
    prop_oneof![3 => part(), 2 => select(odd.to_vec()).prop_map(str::to_owned)]
}

fn path() -> impl Strategy<Value = String> {
    let start = select(vec!["", "./", "/", "/w/", "/w/p/", "/home/", "/W/", "../", "/w/q/"]);
    (start, vec(part(), 1..4)).prop_map(|(start, parts)| format!("{start}{}", parts.join("/")))
}

fn pattern() -> impl Strategy<Value = String> {
    let start = select(vec!["", "./", "/", "~/", "//", "//w/", "//w/p/"]);
    let path = (start, vec(wild(), 1..4), select(vec!["Read", "Edit"]))
        .prop_map(|(start, parts, tool)| format!("{tool}({start}{})", parts.join("/")));
    let command = string_regex("[ab]{1,2}( [ab*]{1,3}){0,2}( \\*|:\\*)?").unwrap();
    let mcp = string_regex("mcp__[ab]{1,2}(__[ab*]{1,3})?(\\(k=[ab*]{1,2}\\))?").unwrap();
    let host = string_regex("(\\*\\.|\\*)?[ab]{1,2}\\.[ab](\\*)?").unwrap();
    prop_oneof![
        4 => path,
        3 => command.prop_map(|text| format!("Bash({text})")),
        2 => mcp,
        1 => host.prop_map(|text| format!("WebFetch(domain:{text})")),
        1 => string_regex("[aAb*]{1,3}").unwrap().prop_map(|text| format!("Agent({text})")),
        1 => select(vec!["Bash", "Read", "Skill", "New"]).prop_map(str::to_owned),
    ]
}

fn rules() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    vec((select(vec!["deny", "ask", "allow"]), pattern()), 0..40)
}

/// Patterns that can't be read are none.
fn set(rules: &[(&str, String)]) -> RuleSet {
    let policies = rules.iter().filter_map(|(effect, pattern)| {
        let text = format!("version = 1\n{effect} = ['''{pattern}''']");
        Policy::parse(&text, "p", Layer::User).ok()
    });
    Policies::new(policies).unwrap().rules
}

fn same(set: &RuleSet, subject: Subject<'_>) -> Result<(), TestCaseError> {
    let found: Vec<_> = set.speaking(subject, &Moved::default()).map(|rule| rule.id().clone()).collect();
    let all: Vec<_> = set.scan(subject).map(|rule| rule.id().clone()).collect();
    prop_assert_eq!(found, all, "{:?}", subject);
    Ok(())
}

fn links() -> impl Strategy<Value = Vec<(String, String)>> {
    let place = select(vec!["/w/p/a", "/w/p/b", "/w/p/ab", "/a", "/home/a", "/w/p/c/a", "/w/p"]);
    let target = select(vec!["/w/q", "b", "/home", "../q/a", "/w/p/b", "a", "/"]);
    vec((place, target), 0..4)
        .prop_map(|links| links.into_iter().map(|(link, to)| (link.to_owned(), to.to_owned())).collect())
}

proptest! {
    #[test]
    fn files(rules in rules(), paths in vec(path(), 1..6), links in links(), below: bool, write: bool) {
        let set = set(&rules);
        let linked = Linked { links };
        let mut surroundings = Surroundings::new("/w/p", "/w/q");
        surroundings.home = Some("/home".into());
        let access = match (write, below) {
            (false, _) => Access::Read,
            (true, false) => Access::Write,
            (true, true) => Access::Delete,
        };
        for links in [&linked as &dyn Links, &NoLinks] {
            let Ok(roots) = Roots::new(&surroundings, links) else { continue };
            for path in &paths {
                let Ok(located) = roots.locate(path, Path::new("/w/p"), links) else { continue };
                same(&set, Subject::Path { access, below, located: &located, roots: &roots, links })?;
            }
        }
    }

    #[test]
    fn commands(rules in rules(), texts in vec("[ab]{1,2}( {1,2}[abé]{1,3}){0,3}", 1..6)) {
        let set = set(&rules);
        let (exact, loose) = texts.split_at(texts.len().min(1));
        same(&set, Subject::Command { exact, loose })?;
        same(&set, Subject::Command { exact: &[], loose })?;
    }

    #[test]
    fn tools(rules in rules(), name in "(mcp__[abA]{1,2}(__[abA]{0,3}){0,2}|MCP__a__b|Bash|bash|skill|New|new)", value in "[abA]{0,2}") {
        let set = set(&rules);
        for input in [json!({ "k": value }), json!({}), Value::Null, json!({ "K": [value, "a"] })] {
            same(&set, Subject::Tool { tool: &Tool::named(&name), input: &input })?;
        }
    }

    #[test]
    fn hosts_and_agents(rules in rules(), host in "[abAé]{1,3}(\\.[abA]{1,2}){0,3}\\.?", agent in " ?[abAé]{0,3} ?") {
        let set = set(&rules);
        same(&set, Subject::Domain(&host))?;
        same(&set, Subject::Agent(&agent))?;
    }
}

/// Many rules below one directory, so that it is listed instead of each being looked for.
#[test]
fn links_are_found_among_many_names() {
    let rules: Vec<_> = (0..100).map(|n| ("deny", format!("Read(./d{n}/x)"))).collect();
    let set = set(&rules);
    let linked = Linked { links: vec![("/w/p/d7".to_owned(), "/other".to_owned())] };
    let roots = Roots::new(&Surroundings::new("/w/p", "/w/p"), &linked).unwrap();
    let located = roots.locate("/other/x/y", Path::new("/"), &linked).unwrap();
    let subject = Subject::Path {
        access: Access::Read,
        below: false,
        located: &located,
        roots: &roots,
        links: &linked,
    };
    let found: Vec<_> = set.speaking(subject, &Moved::default()).map(|rule| rule.pattern()).collect();
    assert_eq!(found, ["Read(./d7/x)"]);
}
