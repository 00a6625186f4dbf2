use std::{
    path::{Component, Path, PathBuf},
    sync::OnceLock,
};

use globset::{GlobBuilder, GlobMatcher};

use crate::path::{Links, Located, Roots, check_text};

/// A pattern for paths, written like a line of `.gitignore`: a pattern that names a directory covers what is in
/// it, and one without a slash matches at any depth.
#[derive(Debug, Clone)]
pub(crate) struct PathPattern {
    anchor: Anchor,
    /// The components before the first wildcard.
    literal: PathBuf,
    /// The rest; `None` where the literal part is all.
    rest: Option<Glob>,
}

/// Where a pattern starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// `//x`: the root of the file system.
    System,
    /// `~/x`.
    Home,
    /// `/x`: the workspace. A rule that restricts takes it for an absolute path too, since that is how people
    /// misread it.
    WorkspaceOrSystem,
    /// `x`, `./x`.
    Workspace,
}

#[derive(Debug, Clone)]
struct Glob {
    text: String,
    exact: Automaton,
    any_case: Automaton,
}

/// A glob that was read, and is compiled when it is first needed: of thousands most never are.
#[derive(Debug, Clone)]
struct Automaton {
    glob: globset::Glob,
    compiled: OnceLock<GlobMatcher>,
}

impl PathPattern {
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        check_text(pattern).map_err(|error| error.to_string())?;
        let (anchor, rest) = if let Some(rest) = pattern.strip_prefix("//") {
            (Anchor::System, rest)
        } else if pattern == "~" {
            (Anchor::Home, "")
        } else if let Some(rest) = pattern.strip_prefix("~/") {
            (Anchor::Home, rest)
        } else if pattern.starts_with('~') {
            return Err("only `~/` stands for a home directory; write another one out".to_owned());
        } else if let Some(rest) = pattern.strip_prefix('/') {
            (Anchor::WorkspaceOrSystem, rest)
        } else {
            (Anchor::Workspace, pattern)
        };
        let relative = matches!(anchor, Anchor::Workspace) && !pattern.starts_with("./");
        let mut components: Vec<&str> =
            rest.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if components.contains(&"..") {
            return Err(
                "`..` can't be used in a pattern; write `//` and the absolute path, or `~/`".to_owned()
            );
        }
        while components.last() == Some(&"**") {
            components.pop();
        }
        // As in `.gitignore`: only a pattern with a slash is tied to its directory.
        if relative && components.len() == 1 && !rest.trim_end_matches('/').contains('/') {
            components.insert(0, "**");
        }
        let literals =
            components.iter().take_while(|part| !part.contains(['*', '?', '[', '{', '\\'])).count();
        let literal = components[..literals].iter().collect();
        let rest = &components[literals..];
        let rest = if rest.is_empty() { None } else { Some(Glob::new(&rest.join("/"))?) };
        Ok(Self { anchor, literal, rest })
    }

    /// Whether every reading of the path matches: for rules that allow.
    pub(crate) fn covers(&self, path: &Located, roots: &Roots) -> bool {
        let base = match self.anchor {
            Anchor::System => Some(Path::new("/")),
            Anchor::Home => roots.home.first().map(PathBuf::as_path),
            Anchor::Workspace | Anchor::WorkspaceOrSystem => roots.workspace.first().map(PathBuf::as_path),
        };
        base.is_some_and(|base| {
            let start = base.join(&self.literal);
            path.reached
                .iter()
                .all(|path| path.strip_prefix(&start).is_ok_and(|below| self.rest_matches(below, false)))
        })
    }

    /// Whether any reading of the path matches, in any case and through any link: for rules that restrict.
    pub(crate) fn touches(&self, path: &Located, roots: &Roots, links: &dyn Links) -> bool {
        self.starts(roots, links).iter().any(|start| {
            readings(path).any(|path| {
                below_in_any_case(path, start).is_some_and(|below| self.rest_matches(&below, true))
            })
        })
    }

    /// Whether what the pattern speaks of lies in the directory the path names, in any of its readings: for rules that
    /// restrict, where a directory is taken with everything in it. Of a pattern with a wildcard only the part before it
    /// says where that is.
    pub(crate) fn lies_below(&self, path: &Located, roots: &Roots, links: &dyn Links) -> bool {
        self.starts(roots, links)
            .iter()
            .any(|start| readings(path).any(|path| below_in_any_case(start, path).is_some()))
    }

    /// Whether the pattern has wildcards that start from the path or above it, in any of its readings.
    pub(crate) fn floats_over(&self, path: &Located, roots: &Roots, links: &dyn Links) -> bool {
        self.rest.is_some()
            && self
                .starts(roots, links)
                .iter()
                .any(|start| readings(path).any(|path| below_in_any_case(path, start).is_some()))
    }

    /// Where the wildcards of the pattern start from, by every reading of it.
    fn starts(&self, roots: &Roots, links: &dyn Links) -> Vec<PathBuf> {
        let bases = self.anchor.bases(roots);
        if self.literal.as_os_str().is_empty() {
            // The directories themselves are given in both readings.
            return bases;
        }
        let each = bases.into_iter().flat_map(|base| {
            let spelled = base.join(&self.literal);
            // The pattern may name a directory by a link, and the path by where the link leads.
            let walked = spelled.to_str().and_then(|text| roots.locate(text, &base, links).ok());
            walked.into_iter().flat_map(|located| located.reached.clone()).chain([spelled])
        });
        each.collect()
    }

    pub(super) fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// The components before the first wildcard.
    pub(super) fn literal(&self) -> &Path {
        &self.literal
    }

    /// The last component of what follows the literal ones.
    pub(super) fn last_wild(&self) -> Option<&str> {
        self.rest.as_ref().and_then(|glob| glob.text.rsplit('/').next())
    }

    fn rest_matches(&self, below: &Path, any_case: bool) -> bool {
        let Some(glob) = &self.rest else { return true };
        let matcher = if any_case { &glob.any_case } else { &glob.exact }.matcher();
        below.ancestors().take_while(|path| !path.as_os_str().is_empty()).any(|path| matcher.is_match(path))
    }
}

impl Anchor {
    pub(super) const ALL: [Self; 4] = [Self::System, Self::Home, Self::WorkspaceOrSystem, Self::Workspace];

    /// The directories a pattern may start from, for a rule that restricts.
    pub(super) fn bases(self, roots: &Roots) -> Vec<PathBuf> {
        let mut bases = match self {
            Self::System => vec![PathBuf::from("/")],
            Self::Home => roots.home.clone(),
            Self::Workspace | Self::WorkspaceOrSystem => {
                roots.workspace.iter().chain(&roots.project_root).cloned().collect()
            }
        };
        if self == Self::WorkspaceOrSystem {
            bases.push(PathBuf::from("/"));
        }
        bases.dedup();
        bases
    }
}

impl Glob {
    fn new(pattern: &str) -> Result<Self, String> {
        let build = |any_case| {
            let mut builder = GlobBuilder::new(pattern);
            builder.literal_separator(true).backslash_escape(true).case_insensitive(any_case);
            builder
                .build()
                .map(|glob| Automaton { glob, compiled: OnceLock::new() })
                .map_err(|error| error.kind().to_string())
        };
        Ok(Self { text: pattern.to_owned(), exact: build(false)?, any_case: build(true)? })
    }
}

impl Automaton {
    fn matcher(&self) -> &GlobMatcher {
        self.compiled.get_or_init(|| self.glob.compile_matcher())
    }
}

pub(super) fn readings(path: &Located) -> impl Iterator<Item = &PathBuf> {
    path.reached.iter().chain([&path.spelled])
}

/// What is left of the path below `start`, when their components differ in case at most.
pub(super) fn below_in_any_case(path: &Path, start: &Path) -> Option<PathBuf> {
    let mut rest = path.components();
    for expected in start.components() {
        let found = rest.next()?;
        let same = match (found, expected) {
            (Component::Normal(found), Component::Normal(expected)) => {
                found == expected
                    || found.to_string_lossy().to_lowercase() == expected.to_string_lossy().to_lowercase()
            }
            (found, expected) => found == expected,
        };
        if !same {
            return None;
        }
    }
    Some(rest.as_path().to_owned())
}
