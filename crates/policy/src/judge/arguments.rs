use std::path::PathBuf;

use serde_json::Value;

use super::Judge;
use crate::{
    text::quoted,
    tool::{DIRECTORY_ARGUMENTS, HARMLESS_ARGUMENTS, HELPER_ARGUMENTS, PATH_ARGUMENTS, looks_like_path},
};

/// The most values of one call that are looked through for paths.
const MAX_VALUES: usize = 10_000;

impl Judge<'_> {
    /// The directory a shell tool starts in: the call's, or the one its arguments name.
    ///
    /// # Errors
    ///
    /// What is wrong with the arguments.
    pub(super) fn starting_directory(&self) -> Result<PathBuf, String> {
        let named: Vec<(&str, &Value)> = DIRECTORY_ARGUMENTS
            .iter()
            .filter_map(|key| Some((*key, self.call.input.get(key)?)))
            .filter(|(_, value)| !value.is_null())
            .collect();
        match named.as_slice() {
            [] => Ok(self.call.cwd.clone()),
            [(key, value)] => {
                let Some(text) = value.as_str() else {
                    return Err(format!("the argument `{key}` isn't text"));
                };
                // Tools differ in what they make of a blank, of spaces around a path and of `~`.
                if text.is_empty() || text.trim() != text || text.starts_with('~') {
                    return Err(format!("the argument `{key}` names no directory: {}", quoted(text)));
                }
                Ok(self.call.cwd.join(text))
            }
            _ => Err("several arguments name the directory it runs in".to_owned()),
        }
    }

    /// An argument of a shell tool that takes the command out of its sandbox, or gives it another shell or environment.
    pub(super) fn loosening(&self) -> Option<String> {
        let Value::Object(fields) = &self.call.input else { return None };
        let key = fields.iter().find_map(|(key, value)| {
            let lower = key.to_ascii_lowercase();
            let speaks = ["sandbox", "escalat", "permission", "env"].iter().any(|part| lower.contains(part));
            let absent = value.is_null() || *value == Value::Bool(false);
            ((speaks || lower == "shell") && !absent).then_some(key)
        })?;
        Some(format!("the argument {} may give the command other rights", quoted(key)))
    }

    /// An argument of a helper agent that may give it more than its starter has: another mode, another place, other tools.
    pub(super) fn widening(&self) -> Option<String> {
        let Value::Object(fields) = &self.call.input else { return None };
        fields.iter().find_map(|(key, value)| {
            let harmless = HELPER_ARGUMENTS.contains(&key.as_str())
                || value.is_null()
                || (key == "mode" && value.as_str().is_some_and(|mode| ["default", "plan"].contains(&mode)));
            (!harmless)
                .then(|| format!("the argument {} may give the helper agent other rights", quoted(key)))
        })
    }

    /// An argument of a file tool that isn't known and seems to name a file, at any depth.
    pub(super) fn unknown_path(&self) -> Option<String> {
        let Value::Object(top) = &self.call.input else { return None };
        let mut seen = 0;
        let mut inner: Vec<&Value> = Vec::new();
        for (key, value) in top {
            let harmless = HARMLESS_ARGUMENTS.contains(&key.as_str());
            if looks_like_path(key)
                && !PATH_ARGUMENTS.contains(&key.as_str())
                && !harmless
                && !value.is_null()
            {
                return Some(format!("the argument {} isn't known and may name a file", quoted(key)));
            }
            inner.push(value);
        }
        while let Some(value) = inner.pop() {
            seen += 1;
            if seen > MAX_VALUES {
                return Some("its arguments are too many to look through".to_owned());
            }
            match value {
                Value::Array(values) => inner.extend(values),
                Value::Object(fields) => {
                    for (key, value) in fields {
                        if looks_like_path(key) && !HARMLESS_ARGUMENTS.contains(&key.as_str()) {
                            return Some(format!("{} inside an argument may name a file", quoted(key)));
                        }
                        inner.push(value);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
