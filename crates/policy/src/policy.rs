use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    error::Error,
    preset::Preset,
    rule::{self, Conditions, Layer, MAX_POLICY_BYTES, Rule, RuleSet},
    verdict::{Decision, RuleId},
};

/// One policy: what one file, or one preset, says.
#[derive(Debug, Clone)]
pub struct Policy {
    origin: String,
    layer: Layer,
    preset: Option<Preset>,
    default: Option<Decision>,
    rules: Vec<Rule>,
}

impl Policy {
    /// Reads a policy from text. `origin` is named in errors: the file's path, or what else the text came from.
    ///
    /// # Errors
    ///
    /// If anything in the text isn't understood, or a rule doesn't do what its examples say. Nothing is skipped: a rule
    /// that is misspelled is a rule that doesn't hold.
    pub fn parse(text: &str, origin: &str, layer: Layer) -> Result<Self, Error> {
        let parsed = rule::parse(text, origin, layer)?;
        for example in &parsed.examples {
            let rule = parsed.rules.get(example.rule).map(|rule| example.check(rule));
            rule.unwrap_or(Ok(())).map_err(|problem| Error::invalid(origin, example.line, problem))?;
        }
        Ok(Self {
            origin: origin.to_owned(),
            layer,
            preset: parsed.preset,
            default: parsed.default,
            rules: parsed.rules,
        })
    }

    /// Reads a policy from a file.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or isn't a policy.
    pub fn read(path: &Path, layer: Layer) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        // Opening a pipe would wait for whoever writes to it.
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::other("it isn't a regular file")));
        }
        let mut text = String::new();
        // One byte over the limit is enough to know that the file is too long.
        let limit = MAX_POLICY_BYTES as u64 + 1;
        File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text)).map_err(failed)?;
        Self::parse(&text, &path.display().to_string(), layer)
    }

    /// A policy that only names a preset.
    #[must_use]
    pub fn preset(preset: Preset) -> Self {
        Self {
            origin: format!("preset {preset}"),
            layer: Layer::User,
            preset: Some(preset),
            default: None,
            rules: Vec::new(),
        }
    }

    /// Where the policy came from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The policy's layer.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The policy's own rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// All policies in force, from all layers, as one.
///
/// A `deny` wins from whatever layer, then `ask`, then `allow`; what no rule speaks of is left to the preset. Where
/// layers name several presets, the strictest holds: a project's file can't loosen what the person chose.
#[derive(Debug, Clone)]
pub struct Policies {
    pub(crate) rules: RuleSet,
    pub(crate) preset: Preset,
    pub(crate) default: Option<Decision>,
}

impl Default for Policies {
    /// The preset `standard` and no rule.
    fn default() -> Self {
        Self { rules: RuleSet::default(), preset: Preset::default(), default: None }
    }
}

impl Policies {
    /// Puts layers together; their order doesn't matter. With no preset in any of them, `standard` holds.
    ///
    /// # Errors
    ///
    /// If two rules carry the same id.
    pub fn new(layers: impl IntoIterator<Item = Policy>) -> Result<Self, Error> {
        let mut default = None;
        let mut rules = Vec::new();
        let mut presets = Vec::new();
        let mut seen = std::collections::HashMap::<RuleId, (String, bool)>::new();
        for policy in layers {
            presets.extend(policy.preset);
            default = default.max(policy.default);
            for rule in policy.rules {
                if let Some((first, generated)) = seen.get(rule.id()) {
                    // An id made from the pattern stands for the same rule.
                    if *generated && rule.generated {
                        continue;
                    }
                    return Err(Error::DuplicateRule {
                        id: rule.id.to_string(),
                        first: first.clone(),
                        second: format!("{}:{}", policy.origin, rule.line),
                    });
                }
                seen.insert(rule.id.clone(), (format!("{}:{}", policy.origin, rule.line), rule.generated));
                rules.push(rule);
            }
        }
        let preset = presets.into_iter().min().unwrap_or_default();
        Ok(Self { rules: RuleSet::new(rules), preset, default })
    }

    /// One rule, whatever its conditions, over the preset that says least.
    pub(crate) fn of_one(rule: &Rule) -> Self {
        let rule = Rule { conditions: Conditions::default(), ..rule.clone() };
        Self { rules: RuleSet::new(vec![rule]), preset: Preset::Permissive, default: None }
    }

    /// The preset in force.
    #[must_use]
    pub fn preset(&self) -> Preset {
        self.preset
    }

    /// Whether a rule names a time of day, so that [`Surroundings::now`](crate::Surroundings::now) counts.
    #[must_use]
    pub fn depend_on_time(&self) -> bool {
        self.rules.depends_on_time()
    }

    /// All rules, strictest first.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}

/// The policies in force, replaceable while calls are judged. A faulty policy never replaces a good one.
#[derive(Debug, Default)]
pub struct PolicyHandle {
    current: RwLock<Arc<Policies>>,
}

impl PolicyHandle {
    /// Puts policies into force.
    #[must_use]
    pub fn new(policies: Policies) -> Self {
        Self { current: RwLock::new(Arc::new(policies)) }
    }

    /// The policies in force now.
    #[must_use]
    pub fn current(&self) -> Arc<Policies> {
        // Only whole values are ever stored, so that a panic elsewhere leaves nothing half done.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads policies and puts them into force.
    ///
    /// # Errors
    ///
    /// What `load` reports. The policies that were in force stay so.
    pub fn reload(&self, load: impl FnOnce() -> Result<Policies, Error>) -> Result<Arc<Policies>, Error> {
        match load() {
            Ok(policies) => {
                let policies = Arc::new(policies);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&policies);
                Ok(policies)
            }
            Err(error) => {
                tracing::warn!(%error, "the new policy is faulty; the one in force stays");
                Err(error)
            }
        }
    }
}
