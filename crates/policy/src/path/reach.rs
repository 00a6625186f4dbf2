//! Whether a pattern could match a file that is protected from reading.

use super::protected::{CREDENTIALS, KEY_EXTENSIONS, KEY_NAMES};

/// The longest part of a pattern that is compared; a longer one counts as matching anything.
const MAX_PART: usize = 256;

/// Names of `.env` and its kin, and what projects call them.
const ENVIRONMENTS: &[&str] =
    &[".env", ".envrc", ".env.local", ".env.production", ".env.development", ".env.staging", ".env.test"];

/// Whether what the pattern matches could be protected from reading. `hidden`: whether a wildcard also stands for the dot
/// that a name starts with.
pub(crate) fn could_reach_protected(pattern: &str, hidden: bool) -> bool {
    let lower = pattern.to_lowercase();
    let parts: Vec<Vec<Token>> =
        lower.split('/').filter(|part| !part.is_empty() && *part != ".").map(tokens).collect();
    let Some(last) = parts.last() else { return false };
    if parts.iter().any(|part| part.len() > MAX_PART) {
        return true;
    }
    let wild = |part: &[Token]| part.iter().any(|token| !matches!(token, Token::One(_)));
    if (hidden || wild(last)) && is_secret_name(last, hidden) {
        return true;
    }
    CREDENTIALS.iter().any(|entry| {
        let names: Vec<&str> = entry.split('/').collect();
        parts.windows(names.len()).any(|run| {
            // A run of nothing but stars says nothing.
            run.iter().any(|part| part.as_slice() != [Token::Text])
                && (hidden || run.iter().any(|part| wild(part)))
                && run.iter().zip(&names).all(|(part, name)| meets(part, &tokens(name), false))
        })
    })
}

/// Whether a name that the pattern matches, with a dot at its start or not, could be that of a key or an `.env` file.
pub(crate) fn could_be_secret(pattern: &str) -> bool {
    let part = tokens(&pattern.to_lowercase());
    part.len() > MAX_PART || is_secret_name(&part, true)
}

/// Whether a pattern for one name says by what is written out at its start or its end that it means keys or `.env` files.
pub(crate) fn names_secret(pattern: &str) -> bool {
    let lower = pattern.to_lowercase();
    let wild = ['*', '?', '[', ']'];
    let start = lower.split(wild).next().unwrap_or_default();
    let end = lower.rsplit(wild).next().unwrap_or_default();
    let begins = |name: &str| start.len() > 1 && (name.starts_with(start) || start.starts_with(name));
    let ends = |ending: &str| end == ending || end.ends_with(&format!(".{ending}"));
    begins(".env")
        || KEY_NAMES.iter().any(|name| begins(name))
        || KEY_EXTENSIONS.iter().chain(&["env"]).any(|ending| ends(ending))
}

/// Whether the shell may fill the name in for the pattern, a single component. Where a set of characters stands in it
/// any character counts as meant.
pub(crate) fn could_match(pattern: &str, name: &str) -> bool {
    let name: Vec<Token> = name.chars().map(Token::One).collect();
    meets(&tokens(pattern), &name, false)
}

fn is_secret_name(part: &[Token], hidden: bool) -> bool {
    let start: String =
        part.iter().map_while(|token| if let Token::One(c) = token { Some(*c) } else { None }).collect();
    // What follows the name is anything, so that the start decides; a short start says nothing.
    let begins =
        |name: &str| start.len() > 1 && (name.starts_with(start.as_str()) || start.starts_with(name));
    begins(".env")
        || KEY_NAMES.iter().any(|name| begins(name) || meets(part, &tokens(name), hidden))
        || ENVIRONMENTS.iter().any(|name| meets(part, &tokens(name), hidden))
        || meets(part, &tokens("?*.env"), hidden)
        || KEY_EXTENSIONS.iter().any(|ending| meets(part, &tokens(&format!("?*.{ending}")), hidden))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// This character.
    One(char),
    /// Any one character: `?`, and `[…]` whatever is in it.
    Any,
    /// Any text: `*`, and `{…}` whatever is in it.
    Text,
}

fn tokens(part: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        let token = match c {
            '*' => Token::Text,
            '?' => Token::Any,
            // A set may hold the bracket that seems to end it, and a brace others; so the rest is anything.
            '[' => {
                let rest = chars.as_str();
                match rest.find(']') {
                    Some(end) if end > 0 && !rest[..end].contains(['[', '!', '^', '\\']) => {
                        chars = rest[end + 1..].chars();
                        Token::Any
                    }
                    _ => {
                        chars = "".chars();
                        Token::Text
                    }
                }
            }
            '{' | '}' | '\\' => {
                chars = "".chars();
                Token::Text
            }
            c => Token::One(c),
        };
        if token != Token::Text || tokens.last() != Some(&Token::Text) {
            tokens.push(token);
        }
    }
    tokens
}

/// Whether some text matches both.
fn meets(one: &[Token], other: &[Token], hidden: bool) -> bool {
    if !hidden && other.first() == Some(&Token::One('.')) && one.first() != Some(&Token::One('.')) {
        return false;
    }
    // `row[b]`: whether the part of `one` so far and the first `b` of `other` have a text in common.
    let mut row = vec![false; other.len() + 1];
    row[0] = true;
    for b in 0..other.len() {
        row[b + 1] = row[b] && other[b] == Token::Text;
    }
    for token in one {
        let mut next = vec![false; other.len() + 1];
        next[0] = row[0] && *token == Token::Text;
        for b in 0..other.len() {
            let texts = *token == Token::Text || other[b] == Token::Text;
            let same = *token == other[b] || *token == Token::Any || other[b] == Token::Any;
            next[b + 1] = if texts { row[b + 1] || next[b] } else { row[b] && same };
        }
        row = next;
    }
    row[other.len()]
}
