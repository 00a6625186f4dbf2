use std::{collections::HashMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Conditions, Layer, Parsed, Rule,
    example::{Example, MAX_EXAMPLE_BYTES, MAX_EXAMPLES},
    matcher::{Matcher, nearest},
};
use crate::{
    error::Error,
    preset::Preset,
    text::quoted,
    verdict::{Decision, Risk, RuleId},
};

/// The longest policy, in bytes.
pub const MAX_POLICY_BYTES: usize = 4 << 20;

/// The most rules a policy may have.
pub const MAX_RULES: usize = 20_000;

/// The longest reason of a rule, in bytes.
const MAX_REASON_BYTES: usize = 1000;

const TOP_KEYS: &[&str] = &["version", "preset", "default", "allow", "ask", "deny", "rule"];
const RULE_KEYS: &[&str] = &[
    "effect",
    "match",
    "id",
    "reason",
    "risk",
    "role",
    "slot",
    "agent",
    "workspace",
    "time",
    "calls_per_minute",
    "examples",
];
const EXAMPLE_KEYS: &[&str] = &["match", "not_match"];

/// Reads a policy.
pub(crate) fn parse(text: &str, origin: &str, layer: Layer) -> Result<Parsed, Error> {
    if text.len() > MAX_POLICY_BYTES {
        return Err(Error::TooLong { origin: origin.to_owned(), limit: MAX_POLICY_BYTES });
    }
    let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    Reader { text, newlines, origin, layer, rules: Vec::new(), ids: HashMap::new(), examples: Vec::new() }
        .read()
}

struct Reader<'a> {
    text: &'a str,
    /// Where the lines end, in bytes.
    newlines: Vec<usize>,
    origin: &'a str,
    layer: Layer,
    rules: Vec<Rule>,
    /// Where in `rules` each stands.
    ids: HashMap<RuleId, usize>,
    examples: Vec<Example>,
}

/// What a `[[rule]]` says beyond its effect and pattern.
#[derive(Default)]
struct Details {
    id: Option<String>,
    reason: Option<String>,
    risk: Option<Risk>,
    conditions: Conditions,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    fn read(mut self) -> Result<Parsed, Error> {
        let document = DeTable::parse(self.text)
            .map_err(|error| self.wrong(error.span().unwrap_or_default(), error.message()))?;
        let table = document.get_ref();
        self.check_keys(table, TOP_KEYS)?;
        match table.get("version") {
            None => return Err(self.wrong(0..0, "the policy names no version; write `version = 1`")),
            Some(version) => {
                let is_one = version.get_ref().as_integer().is_some_and(|number| number.as_str() == "1");
                if !is_one {
                    return Err(self.wrong(version.span(), "`version` must be 1, the only version there is"));
                }
            }
        }
        let preset = table.get("preset").map(|value| self.preset(value)).transpose()?;
        let default = table.get("default").map(|value| self.default(value)).transpose()?;
        // Written-out rules first: where a list repeats one of them, its reason and risk are kept.
        if let Some(rules) = table.get("rule") {
            let wrong = || self.wrong(rules.span(), "`rule` must be written as `[[rule]]` tables");
            for rule in rules.get_ref().as_array().ok_or_else(wrong)? {
                self.rule(rule)?;
            }
        }
        for effect in [Decision::Deny, Decision::Ask, Decision::Allow] {
            if let Some(list) = table.get(effect.as_str()) {
                self.list(effect, list)?;
            }
        }
        Ok(Parsed { preset, default, rules: self.rules, examples: self.examples })
    }

    fn preset(&self, value: &Value<'_>) -> Result<Preset, Error> {
        let name = self.text_of("preset", value)?;
        Preset::ALL.into_iter().find(|preset| preset.as_str() == name).ok_or_else(|| {
            let names = Preset::ALL.map(|preset| format!("`{preset}`")).join(", ");
            self.wrong(value.span(), format!("there is no preset {}; there are {names}", quoted(name)))
        })
    }

    fn default(&self, value: &Value<'_>) -> Result<Decision, Error> {
        match self.text_of("default", value)? {
            "ask" => Ok(Decision::Ask),
            "deny" => Ok(Decision::Deny),
            "allow" => Err(self.wrong(
                value.span(),
                "`default` can't be `allow`: what no rule knows must be asked; `preset = \"permissive\"` asks least",
            )),
            other => Err(self.wrong(value.span(), format!("`default` must be `ask` or `deny`, not {}", quoted(other)))),
        }
    }

    fn list(&mut self, effect: Decision, list: &Value<'_>) -> Result<(), Error> {
        let wrong = || self.wrong(list.span(), format!("`{effect}` must be a list of patterns"));
        for entry in list.get_ref().as_array().ok_or_else(wrong)? {
            let pattern = self.text_of(effect.as_str(), entry)?.to_owned();
            let matcher = Matcher::parse(&pattern)
                .map_err(|problem| self.wrong(entry.span(), format!("in `{effect}`: {problem}")))?;
            self.add(effect, &pattern, matcher, Details::default(), entry.span())?;
        }
        Ok(())
    }

    fn rule(&mut self, value: &Value<'_>) -> Result<(), Error> {
        let wrong = || self.wrong(value.span(), "`rule` must be written as `[[rule]]` tables");
        let table = value.get_ref().as_table().ok_or_else(wrong)?;
        self.check_keys(table, RULE_KEYS)?;
        let id = table.get("id").map(|id| self.id(id)).transpose()?;
        let name = id.as_deref().map_or_else(|| "the rule".to_owned(), |id| format!("rule {id:?}"));
        let missing = |key: &str| self.wrong(value.span(), format!("{name} has no `{key}`"));
        let effect = table.get("effect").ok_or_else(|| missing("effect"))?;
        let effect = match self.text_of("effect", effect)? {
            "allow" => Decision::Allow,
            "ask" => Decision::Ask,
            "deny" => Decision::Deny,
            other => {
                let problem = format!("`effect` must be `allow`, `ask` or `deny`, not {}", quoted(other));
                return Err(self.wrong(effect.span(), problem));
            }
        };
        let entry = table.get("match").ok_or_else(|| missing("match"))?;
        let pattern = self.text_of("match", entry)?.to_owned();
        let matcher = Matcher::parse(&pattern)
            .map_err(|problem| self.wrong(entry.span(), format!("{name}: {problem}")))?;
        let reason = table.get("reason").map(|reason| self.reason(reason)).transpose()?;
        let risk = table.get("risk").map(|risk| self.risk(risk)).transpose()?;
        let conditions = self.conditions(&name, table)?;
        let examples = table.get("examples").map(|value| self.examples(value)).transpose()?;
        let rule =
            self.add(effect, &pattern, matcher, Details { id, reason, risk, conditions }, value.span())?;
        self.examples.extend(examples.into_iter().flatten().map(|example| Example { rule, ..example }));
        Ok(())
    }

    /// Adds a rule, unless it says what one above says; where it stands.
    fn add(
        &mut self,
        effect: Decision,
        pattern: &str,
        matcher: Matcher,
        details: Details,
        span: Range<usize>,
    ) -> Result<usize, Error> {
        let Details { id, reason, risk, conditions } = details;
        let generated = id.is_none();
        let name = id.unwrap_or_else(|| format!("{effect}:{pattern}{conditions}"));
        let rule_id = RuleId::new(self.layer.as_str(), &name);
        if let Some(at) = self.ids.get(&rule_id) {
            // The same entry twice says the same twice; the same id twice is a mistake.
            return if generated {
                Ok(*at)
            } else {
                Err(self.wrong(span, format!("a rule with the id {name:?} stands above")))
            };
        }
        if self.rules.len() == MAX_RULES {
            return Err(self.wrong(span, format!("the policy has more than {MAX_RULES} rules")));
        }
        let risk = risk.unwrap_or(match effect {
            Decision::Allow => Risk::Low,
            Decision::Ask => Risk::Medium,
            Decision::Deny => Risk::High,
        });
        let line = self.line(&span);
        let at = self.rules.len();
        self.ids.insert(rule_id.clone(), at);
        let pattern = pattern.to_owned();
        self.rules.push(Rule {
            id: rule_id,
            effect,
            pattern,
            matcher,
            conditions,
            reason,
            risk,
            line,
            generated,
        });
        Ok(at)
    }

    fn conditions(&self, name: &str, table: &DeTable<'_>) -> Result<Conditions, Error> {
        let mut conditions = Conditions::default();
        for key in Conditions::LISTS {
            let Some(value) = table.get(key) else { continue };
            for entry in self.one_or_more(key, value)? {
                let text = self.text_of(key, entry)?;
                conditions
                    .add(key, text)
                    .map_err(|problem| self.wrong(entry.span(), format!("{name}: {problem}")))?;
            }
        }
        if let Some(value) = table.get("calls_per_minute") {
            let calls = value.get_ref().as_integer().and_then(|calls| calls.as_str().parse().ok());
            conditions
                .limit(calls)
                .map_err(|problem| self.wrong(value.span(), format!("{name}: {problem}")))?;
        }
        Ok(conditions)
    }

    /// A list that isn't empty, or the one entry that stands for it.
    fn one_or_more<'v>(&self, key: &str, value: &'v Value<'v>) -> Result<&'v [Value<'v>], Error> {
        match value.get_ref().as_array() {
            Some(list) if list.is_empty() => {
                Err(self
                    .wrong(value.span(), format!("`{key}` is empty; leave it out where anything will do")))
            }
            Some(list) => Ok(list),
            None => Ok(std::slice::from_ref(value)),
        }
    }

    fn examples(&self, value: &Value<'_>) -> Result<Vec<Example>, Error> {
        let wrong =
            || self.wrong(value.span(), "`examples` must be a table: `{ match = [], not_match = [] }`");
        let table = value.get_ref().as_table().ok_or_else(wrong)?;
        self.check_keys(table, EXAMPLE_KEYS)?;
        let mut examples = Vec::new();
        for (key, matches) in [("match", true), ("not_match", false)] {
            let Some(value) = table.get(key) else { continue };
            for entry in self.one_or_more(key, value)? {
                let text = self.text_of(key, entry)?;
                if text.len() > MAX_EXAMPLE_BYTES || self.examples.len() + examples.len() == MAX_EXAMPLES {
                    let problem = format!(
                        "a policy may hold {MAX_EXAMPLES} examples of {MAX_EXAMPLE_BYTES} bytes each"
                    );
                    return Err(self.wrong(entry.span(), problem));
                }
                let line = self.line(&entry.span());
                examples.push(Example { rule: 0, text: text.to_owned(), matches, line });
            }
        }
        Ok(examples)
    }

    fn id(&self, value: &Value<'_>) -> Result<String, Error> {
        let id = self.text_of("id", value)?;
        let valid = (1..=64).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if valid {
            Ok(id.to_owned())
        } else {
            let problem = format!("the id {} must be 1 to 64 letters, digits, `.`, `_` or `-`", quoted(id));
            Err(self.wrong(value.span(), problem))
        }
    }

    fn reason(&self, value: &Value<'_>) -> Result<String, Error> {
        let reason = self.text_of("reason", value)?;
        if reason.len() > MAX_REASON_BYTES || reason.chars().any(char::is_control) {
            let problem = format!("`reason` must be one line of at most {MAX_REASON_BYTES} bytes");
            return Err(self.wrong(value.span(), problem));
        }
        Ok(reason.to_owned())
    }

    fn risk(&self, value: &Value<'_>) -> Result<Risk, Error> {
        let name = self.text_of("risk", value)?;
        [Risk::Low, Risk::Medium, Risk::High, Risk::Critical]
            .into_iter()
            .find(|risk| risk.as_str() == name)
            .ok_or_else(|| {
                let problem =
                    format!("`risk` must be `low`, `medium`, `high` or `critical`, not {}", quoted(name));
                self.wrong(value.span(), problem)
            })
    }

    fn text_of<'v>(&self, key: &str, value: &'v Value<'_>) -> Result<&'v str, Error> {
        let wrong = || {
            self.wrong(value.span(), format!("`{key}` must hold text, not {}", value.get_ref().type_str()))
        };
        value.get_ref().as_str().ok_or_else(wrong)
    }

    fn check_keys(&self, table: &DeTable<'_>, known: &'static [&'static str]) -> Result<(), Error> {
        // The table is sorted by name; the reader looks for the first fault in the file.
        let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
        let name = key.get_ref();
        if name.as_ref() == "not_match" {
            let problem = "examples stand in `examples = { match = [], not_match = [] }`";
            return Err(self.wrong(key.span(), problem));
        }
        let problem = nearest(name, known.iter().copied()).map_or_else(
            || format!("unknown key {}; there are {}", quoted(name), known.join(", ")),
            |meant| format!("unknown key {}; did you mean `{meant}`?", quoted(name)),
        );
        Err(self.wrong(key.span(), problem))
    }

    fn wrong(&self, span: Range<usize>, problem: impl std::fmt::Display) -> Error {
        Error::invalid(self.origin, self.line(&span), problem)
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.newlines.partition_point(|newline| *newline < span.start) + 1
    }
}
