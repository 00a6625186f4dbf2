//! The session tag: how processes of an earlier, dead caller are found again.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The environment variable that carries the tag.
pub const TAG_VARIABLE: &str = "MISSIOND_SESSION";

const MAX_PART_BYTES: usize = 64;

/// A tag `scope:name` that every process of a tree carries in its environment as `MISSIOND_SESSION`.
///
/// The scope names the owner (say, one project), the name what runs there (say, one slot). Each part is 1 to 64
/// characters of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionTag {
    text: String,
    scope_bytes: usize,
}

impl SessionTag {
    /// Makes a tag of its parts.
    ///
    /// # Errors
    ///
    /// [`InvalidTag`] when a part is empty, too long or has another character.
    pub fn new(scope: &str, name: &str) -> Result<Self, InvalidTag> {
        check_part(scope, scope)?;
        check_part(name, name)?;
        Ok(Self { text: format!("{scope}:{name}"), scope_bytes: scope.len() })
    }

    /// The owner's part.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.text[..self.scope_bytes]
    }

    /// What runs there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[self.scope_bytes + 1..]
    }

    /// The whole tag, `scope:name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for SessionTag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let invalid = || InvalidTag { text: crate::text::preview(text, 80).into_owned() };
        let (scope, name) = text.split_once(':').ok_or_else(invalid)?;
        Self::new(scope, name).map_err(|_| invalid())
    }
}

impl fmt::Display for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text that is no session tag.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is no session tag: expected `scope:name`, each part 1 to 64 characters of A-Z a-z 0-9 . _ -"
)]
pub struct InvalidTag {
    text: String,
}

fn check_part(part: &str, whole: &str) -> Result<(), InvalidTag> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=MAX_PART_BYTES).contains(&part.len()) && part.bytes().all(allowed) {
        Ok(())
    } else {
        Err(InvalidTag { text: crate::text::preview(whole, 80).into_owned() })
    }
}
