//! Tables of paths as runs of names, found by a name in them.

use std::collections::HashMap;

/// Paths in no particular place, or below the root where they don't start with a dot.
#[derive(Debug)]
pub(super) struct Runs {
    /// Each path by its first name.
    starting: HashMap<&'static str, Vec<Vec<&'static str>>>,
    /// Each directory on the way to one, by its own name, and whether it may be in any place.
    leading: HashMap<&'static str, Vec<(Vec<&'static str>, bool)>>,
}

impl Runs {
    pub(super) fn new(paths: &[&'static str]) -> Self {
        let mut runs = Self { starting: HashMap::new(), leading: HashMap::new() };
        for path in paths {
            let names: Vec<&str> = path.split('/').collect();
            for end in 1..names.len() {
                let directory = names[..end].to_vec();
                runs.leading.entry(names[end - 1]).or_default().push((directory, path.starts_with('.')));
            }
            runs.starting.entry(names[0]).or_default().push(names);
        }
        runs
    }

    /// Whether the names hold one of the paths.
    pub(super) fn any_in(&self, names: &[&str]) -> bool {
        names.iter().enumerate().any(|(at, name)| {
            self.starting
                .get(name)
                .is_some_and(|paths| paths.iter().any(|path| names[at..].starts_with(path)))
        })
    }

    /// Whether the names end in a directory on the way to one of the paths. In the agent's own directories `etc` and
    /// `run` are names like any.
    pub(super) fn any_below(&self, names: &[&str], absolute: bool) -> bool {
        let Some(directories) = names.last().and_then(|last| self.leading.get(last)) else { return false };
        directories.iter().any(|(directory, anywhere)| {
            names.ends_with(directory) && (*anywhere || (absolute && names.len() == directory.len()))
        })
    }
}
