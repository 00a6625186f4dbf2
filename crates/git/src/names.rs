use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// How long a workspace's name may be, in bytes: it is a file name and a part of a ref name.
pub const MAX_WORKSPACE_NAME: usize = 100;
/// How long a branch name may be, in bytes: a loose ref and its lock are files.
pub const MAX_BRANCH_NAME: usize = 240;

/// A workspace's name: one component of a git ref name, compared exactly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspaceName(String);

/// A local branch's name without `refs/heads/`, valid by the rules of `git check-ref-format --branch`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(String);

/// The id of a commit, tree or blob: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(String);

impl WorkspaceName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::InvalidName`] with the rule that is broken.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let reason = if name.contains('/') {
            Some("a slash isn't allowed")
        } else if name.len() > MAX_WORKSPACE_NAME {
            Some("it is longer than 100 bytes")
        } else {
            broken_rule(&name)
        };
        match reason {
            Some(reason) => Err(Error::InvalidName { what: "workspace name", name, reason }),
            None => Ok(Self(name)),
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl BranchName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::InvalidName`] with the rule that is broken.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let reason = if name == "HEAD" {
            Some("HEAD is no branch")
        } else if name.len() > MAX_BRANCH_NAME {
            Some("it is longer than 240 bytes")
        } else {
            broken_rule(&name)
        };
        match reason {
            Some(reason) => Err(Error::InvalidName { what: "branch name", name, reason }),
            None => Ok(Self(name)),
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl ObjectId {
    /// Checks an id.
    ///
    /// # Errors
    /// [`Error::InvalidName`] if it isn't 40 or 64 lower-case hex digits.
    pub fn new(id: impl Into<String>) -> Result<Self> {
        let id = id.into();
        if matches!(id.len(), 40 | 64) && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(id))
        } else {
            Err(Error::InvalidName { what: "object id", name: id, reason: "it isn't 40 or 64 hex digits" })
        }
    }

    /// Returns the id as hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn zero_like(&self) -> String {
        "0".repeat(self.0.len())
    }
}

/// Returns the first rule of git-check-ref-format(1) that `name` breaks, as part of a ref below `refs/heads/`.
fn broken_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.starts_with('-') {
        return Some("it begins with a dash");
    }
    if name.ends_with('.') {
        return Some("it ends with a dot");
    }
    if name.contains("..") {
        return Some("it holds two dots in a row");
    }
    if name.contains("@{") || name == "@" {
        return Some("`@` and `@{` have a meaning in revisions");
    }
    if name.bytes().any(|b| b <= b' ' || b == 0x7f || b"~^:?*[\\".contains(&b)) {
        return Some("spaces, control characters and any of ~ ^ : ? * [ \\ aren't allowed");
    }
    for component in name.split('/') {
        if component.is_empty() {
            return Some("it holds an empty component");
        }
        if component.starts_with('.') {
            return Some("a component begins with a dot");
        }
        if component.ends_with(".lock") {
            return Some("a component ends with .lock");
        }
    }
    None
}

macro_rules! text {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text!(WorkspaceName);
text!(BranchName);
text!(ObjectId);
