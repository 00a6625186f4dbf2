use super::{
    Draft, DraftRule,
    literals::{Call, Literal, statements},
};
use crate::{
    error::Error,
    shell::trace,
    text::{quoted, shown},
    verdict::Decision,
};

/// The most rules that the alternatives of one pattern may stand for.
const MAX_ALTERNATIVES: usize = 256;

/// The most examples of one call.
const MAX_EXAMPLES: usize = 64;

/// The most times that examples of one call are held against its rules.
const MAX_TRIED: usize = 1024;

/// The longest justification that becomes a reason, in bytes.
const MAX_REASON_BYTES: usize = 1000;

pub(super) fn draft(text: &str, origin: &str) -> Result<Draft, Error> {
    let mut draft = Draft { source: "Codex's rules", ..Draft::default() };
    for statement in statements(text).map_err(|(line, problem)| Error::invalid(origin, line, problem))? {
        let line = statement.line;
        let read = statement.call.and_then(|call| prefix_rule(&call));
        match read {
            Ok((rules, problems)) => {
                rules.into_iter().for_each(|rule| draft.add(rule));
                problems.iter().for_each(|problem| draft.problem(format!("line {line}: {problem}")));
            }
            Err(problem) => draft.problem(format!("line {line}: {}", shown(&problem))),
        }
    }
    Ok(draft)
}

/// The rules that the call stands for, and what of it couldn't be carried over.
fn prefix_rule(call: &Call) -> Result<(Vec<DraftRule>, Vec<String>), String> {
    if call.name != "prefix_rule" {
        return Err(format!("{} isn't `prefix_rule`", quoted(&call.name)));
    }
    let known = ["pattern", "decision", "justification", "match", "not_match"];
    if let Some((key, _)) = call.arguments.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        return Err(format!("the argument {} isn't known", quoted(key)));
    }
    let argument = |name: &str| call.arguments.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let effect = match argument("decision") {
        None => Decision::Allow,
        Some(Literal::Text(decision)) => match decision.as_str() {
            "allow" => Decision::Allow,
            "prompt" => Decision::Ask,
            "forbidden" => Decision::Deny,
            other => return Err(format!("the decision {} isn't known", quoted(other))),
        },
        Some(Literal::List(_)) => return Err("the decision isn't text".to_owned()),
    };
    let commands = commands(argument("pattern").ok_or("it has no pattern")?)?;
    let mut problems = Vec::new();
    let reason = match argument("justification") {
        None => None,
        Some(Literal::Text(text)) => {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let fits =
                !text.is_empty() && text.len() <= MAX_REASON_BYTES && !text.chars().any(char::is_control);
            if !fits {
                problems.push("its justification is no reason of one line".to_owned());
            }
            fits.then_some(text)
        }
        Some(Literal::List(_)) => return Err("its justification isn't text".to_owned()),
    };
    let mut rules = Vec::new();
    for words in &commands {
        match pattern(words, effect) {
            Ok(pattern) => {
                let mut rule = DraftRule::new(effect, pattern);
                rule.reason.clone_from(&reason);
                rules.push((words, rule));
            }
            Err(problem) => {
                problems.push(format!("{effect} {}: {problem}", quoted(&words.join(" "))));
            }
        }
    }
    for (key, matches) in [("match", true), ("not_match", false)] {
        let examples = argument(key).map(examples).transpose()?.unwrap_or_default();
        if examples.len() * rules.len() > MAX_TRIED {
            problems.push(format!("the examples in `{key}` are too many to try with each of its commands"));
            continue;
        }
        for example in examples {
            problems.extend(attach(&example, matches, &mut rules));
        }
    }
    Ok((rules.into_iter().map(|(_, rule)| rule).collect(), problems))
}

/// Every command that a pattern stands for.
fn commands(pattern: &Literal) -> Result<Vec<Vec<String>>, String> {
    let Literal::List(parts) = pattern else { return Err("its pattern isn't a list".to_owned()) };
    if parts.is_empty() {
        return Err("its pattern is empty".to_owned());
    }
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    for part in parts {
        let alternatives = match part {
            Literal::Text(text) => std::slice::from_ref(text).to_vec(),
            Literal::List(alternatives) => texts(alternatives)?,
        };
        if alternatives.is_empty() || commands.len() * alternatives.len() > MAX_ALTERNATIVES {
            return Err(format!("its alternatives stand for no or more than {MAX_ALTERNATIVES} commands"));
        }
        commands = commands
            .iter()
            .flat_map(|command| {
                alternatives.iter().map(move |word| {
                    let mut longer = command.clone();
                    longer.push(word.clone());
                    longer
                })
            })
            .collect();
    }
    Ok(commands)
}

fn texts(items: &[Literal]) -> Result<Vec<String>, String> {
    let text = |item: &Literal| match item {
        Literal::Text(text) => Ok(text.clone()),
        Literal::List(_) => Err("a list stands where a word should".to_owned()),
    };
    items.iter().map(text).collect()
}

/// The words as a pattern of ours.
fn pattern(words: &[String], effect: Decision) -> Result<String, String> {
    let mut written = Vec::new();
    for word in words {
        if word.chars().any(|c| c.is_control() || (c.is_whitespace() && c != ' ')) || word.contains("  ") {
            return Err(format!("{} can't stand in a pattern", quoted(word)));
        }
        // As a restriction any text in its place is meant too, which is stricter; as leave it would be more.
        if word.contains('*') && effect == Decision::Allow {
            return Err("a pattern takes `*` for any text".to_owned());
        }
        if word.contains(":*") {
            return Err("`:*` can't stand inside a pattern".to_owned());
        }
        let quoted = word.is_empty() || word.contains(' ');
        if quoted && (word.starts_with(' ') || word.ends_with(' ') || word.contains('\'')) {
            return Err(format!("{} can't stand in a pattern", crate::text::quoted(word)));
        }
        written.push(if quoted { format!("'{word}'") } else { word.clone() });
    }
    Ok(format!("Bash({}:*)", written.join(" ")))
}

/// Examples: each a command line, or its words.
fn examples(value: &Literal) -> Result<Vec<Vec<String>>, String> {
    let Literal::List(items) = value else { return Err("its examples aren't a list".to_owned()) };
    if items.len() > MAX_EXAMPLES {
        return Err(format!("it has more than {MAX_EXAMPLES} examples"));
    }
    let words = |item: &Literal| match item {
        Literal::Text(text) => {
            let script = trace(text);
            match script.commands.as_slice() {
                [command] if script.problem.is_none() => {
                    Ok(command.words.iter().map(|word| word.text.clone()).collect())
                }
                _ => Ok(text.split_whitespace().map(str::to_owned).collect()),
            }
        }
        Literal::List(words) => texts(words),
    };
    items.iter().map(words).collect()
}

/// Gives the example to the rules that it speaks of; what couldn't be carried over.
fn attach(example: &[String], matches: bool, rules: &mut [(&Vec<String>, DraftRule)]) -> Option<String> {
    let line = example.iter().map(|word| in_shell(word)).collect::<Vec<_>>().join(" ");
    let mut fitting = rules.iter_mut().filter(|(words, _)| !matches || example.starts_with(words)).peekable();
    if fitting.peek().is_none() {
        return Some(format!("no pattern is for the example {}", quoted(&line)));
    }
    for (_, rule) in fitting {
        let mut with = DraftRule { matches: Vec::new(), not_matches: Vec::new(), ..rule.clone() };
        let list = if matches { &mut with.matches } else { &mut with.not_matches };
        list.push(line.clone());
        if rule.check().is_ok() && with.check().is_err() {
            let but = if matches { "isn't matched" } else { "is matched all the same" };
            return Some(format!("the example {} {but} by {}", quoted(&line), quoted(&rule.pattern)));
        }
        let list = if matches { &mut rule.matches } else { &mut rule.not_matches };
        list.push(line.clone());
    }
    None
}

fn in_shell(word: &str) -> String {
    let plain = !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | ',' | '@'));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
