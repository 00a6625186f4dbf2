//! The chain: every record seals itself and the one before it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

/// The longest line of an audit file, in bytes. Records are bounded well below it.
pub(super) const MAX_LINE_BYTES: usize = 1 << 20;

/// What ends a line: `,"hash":"` and 64 hexadecimal digits and `"}`.
const HASH: &[u8] = b",\"hash\":\"";
const END: &[u8] = b"\"}";
const HEX: usize = 64;
/// How many bytes at the end of a line are its seal.
pub(super) const SEAL_BYTES: usize = HASH.len() + HEX + END.len();

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What the first record names as the one before it.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hexadecimal digits")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(ParseDigestError),
        };
        let text = text.as_bytes();
        if text.len() != HEX {
            return Err(ParseDigestError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Makes a line of a JSON object: its digest is put last, over the bytes before it.
///
/// So whoever has a line has the canonical bytes too, and `sha256sum` can check it.
pub(super) fn seal(mut object: Vec<u8>) -> (Vec<u8>, Digest) {
    object.pop();
    let digest = Digest::of(&object);
    object.extend_from_slice(HASH);
    object.extend_from_slice(digest.to_string().as_bytes());
    object.extend_from_slice(END);
    object.push(b'\n');
    (object, digest)
}

/// Takes a line (without its end) apart: what is sealed, and the digest that it claims.
pub(super) fn unseal(line: &[u8]) -> Option<(&[u8], Digest)> {
    let (content, seal) = line.split_at_checked(line.len().checked_sub(SEAL_BYTES)?)?;
    let hex = seal.strip_prefix(HASH)?.strip_suffix(END)?;
    Some((content, std::str::from_utf8(hex).ok()?.parse().ok()?))
}

/// Whether bytes end with the line of this digest.
pub(super) fn ends_with(tail: &[u8], digest: Digest) -> bool {
    tail.strip_suffix(b"\n").and_then(unseal_only).is_some_and(|claimed| claimed == digest)
}

fn unseal_only(tail: &[u8]) -> Option<Digest> {
    let seal = tail.get(tail.len().checked_sub(SEAL_BYTES)?..)?;
    std::str::from_utf8(seal.strip_prefix(HASH)?.strip_suffix(END)?).ok()?.parse().ok()
}
