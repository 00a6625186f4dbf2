//! The documentation of the workspace says what the code does: keys, events, data files, examples, links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use missiond_core::agents::AgentProfile;
use missiond_core::chain;
use missiond_core::config::{Config, KEYS, Kind, Sources};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Markdown files that people read, relative to the root.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut directories = vec![root.clone(), root.join("docs")];
    directories.extend(fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path()));
    for directory in directories {
        let files = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        found.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    found.sort();
    found.into_iter().map(|path| path.strip_prefix(&root).unwrap().to_owned()).collect()
}

#[test]
fn every_configuration_key_is_described_with_its_values_and_its_default() {
    let documented = read("docs/configuration.md");
    for key in KEYS {
        let default = key.default.map_or("none".to_owned(), |text| format!("`{text}`"));
        let row = format!("| `{}` | {} | {default} |", key.name, values(key.kind));
        assert!(documented.lines().any(|line| line.starts_with(&row)), "there is no row {row}");
    }
    for row in documented.lines().filter(|line| line.starts_with("| `") && line.contains('.')) {
        let Some(name) = row.split('`').nth(1).filter(|name| name.contains('.') && !name.contains('/'))
        else {
            continue;
        };
        assert!(KEYS.iter().any(|key| key.name == name), "`{name}` is described and does not exist");
    }
}

fn values(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Integer(least, most) => format!("{least} to {most}"),
        Kind::Bool => "`true`, `false`".to_owned(),
        Kind::Duration(days) => format!("time, at most {days} days"),
        Kind::Path => "path".to_owned(),
        Kind::Branch => "the beginning of a branch's name".to_owned(),
        Kind::Pattern => "a name with `{issue_id}` in it".to_owned(),
        other => panic!("say in this test how {other:?} is to be described"),
    }
}

#[test]
fn every_event_is_described_with_its_fields() {
    let documented = read("docs/events.md");
    let row = |kind: &str| documented.lines().find(|line| line.starts_with(&format!("| `{kind}` |")));
    let events = events_in_source();
    assert!(events.len() > 20, "the source was not understood: {events:?}");
    for (kind, fields) in &events {
        let row = row(kind).unwrap_or_else(|| panic!("docs/events.md has no row for `{kind}`"));
        for field in fields {
            assert!(row.contains(&format!("`{field}`")), "the row of `{kind}` lacks `{field}`: {row}");
        }
    }
    let known: BTreeSet<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    for line in documented.lines().filter_map(|line| line.strip_prefix("| `")) {
        let kind = line.split('`').next().unwrap();
        assert!(known.contains(kind), "docs/events.md describes `{kind}`, which is no event");
    }
}

/// The enum lists its kinds nowhere else, and a value of each would not tell of a kind that is added.
fn events_in_source() -> Vec<(String, Vec<String>)> {
    let source = include_str!("../../src/model/event.rs");
    let body = source.split_once("pub enum EventBody {").unwrap().1.split_once("\n}").unwrap().0;
    let mut events: Vec<(String, Vec<String>)> = Vec::new();
    for line in body.lines() {
        if let Some(name) = line.trim().strip_prefix("#[serde(rename = \"") {
            events.push((name.split('"').next().unwrap().to_owned(), Vec::new()));
        } else if let Some((field, _)) = line.trim().split_once(": ").filter(|_| line.starts_with("        "))
            && !field.starts_with("//")
        {
            events.last_mut().unwrap().1.push(field.to_owned());
        }
    }
    events
}

#[test]
fn every_key_of_an_agents_file_is_described() {
    let documented = read("docs/agents.md");
    let source = include_str!("../../src/agents/profile.rs");
    let types = source.split_once("/// The agent kinds that a project knows.").unwrap().0;
    let fields = types
        .lines()
        .filter_map(|line| line.strip_prefix("    pub "))
        .filter(|line| !line.contains("fn "))
        .filter_map(|line| line.split_once(": "))
        .map(|(field, _)| if field == "events" { "event" } else { field });
    let mut count = 0;
    for field in fields {
        count += 1;
        assert!(documented.contains(&format!("`{field}`")), "docs/agents.md does not mention `{field}`");
    }
    assert!(count > 20, "the source was not understood: {count} fields");
}

#[test]
fn every_example_file_in_the_documentation_is_valid() {
    let mut checked = BTreeSet::new();
    for document in documents() {
        let text = read(document.to_str().unwrap());
        for example in text.split("```toml\n").skip(1) {
            let example = example.split("```").next().unwrap();
            let Some(name) = example.lines().next().and_then(|line| line.strip_prefix("# .missiond/")) else {
                continue;
            };
            let result = match name {
                "config.toml" => read_configuration(example),
                "policy.toml" => read_policy(example),
                name if name.starts_with("agents/") => {
                    AgentProfile::parse(example, name).map(drop).map_err(|error| chain(&error))
                }
                other => panic!("{}: no file of ours is called {other}", document.display()),
            };
            result.unwrap_or_else(|error| panic!("{}: {error}\n{example}", document.display()));
            checked.insert(name.to_owned());
        }
    }
    let wanted = ["agents/my-claude.toml", "config.toml", "policy.toml"].map(str::to_owned);
    assert_eq!(checked, BTreeSet::from(wanted), "an example is gone, or was not found");
}

fn read_configuration(text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    fs::write(&file, text).unwrap();
    let config = Config::load(&Sources { project_file: Some(file), ..Sources::default() });
    let config = config.map_err(|error| chain(&error))?;
    match config.policies().next() {
        Some((table, _)) => read_policy(&toml::to_string(table).unwrap()),
        None => Ok(()),
    }
}

#[cfg(all(feature = "git", feature = "policy"))]
fn read_policy(text: &str) -> Result<(), String> {
    use missiond_core::adapters::PolicyGate;
    use missiond_core::config::Settings;
    use missiond_core::control::ProjectPaths;

    let project = tempfile::tempdir().unwrap();
    let paths = ProjectPaths::new(project.path()).unwrap();
    fs::create_dir(paths.state_dir()).unwrap();
    fs::write(paths.state_dir().join("policy.toml"), text).unwrap();
    let config = Config::load(&Sources::default()).unwrap();
    let settings = Settings::from_config(&config, project.path(), &|_| None).unwrap();
    PolicyGate::load(&paths, &settings, &config).map(drop).map_err(|error| chain(&error))
}

/// Without the policy nothing can judge the example; a run with all features does.
#[cfg(not(all(feature = "git", feature = "policy")))]
fn read_policy(_: &str) -> Result<(), String> {
    Ok(())
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut count = 0;
    for document in documents() {
        let text = read(document.to_str().unwrap());
        let directory = root().join(&document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(char::is_whitespace) {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&document) } else { directory.join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
            if !anchor.is_empty() {
                let anchors = anchors(&fs::read_to_string(&target).unwrap());
                assert!(anchors.contains(anchor), "{}: {link} has no such heading", document.display());
            }
            count += 1;
        }
    }
    assert!(count > 10, "only {count} links were found");
}

/// The anchors that a Markdown viewer gives the headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            words
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}
