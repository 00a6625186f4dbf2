//! How secrets look.
//!
//! By hand and not with regular expressions: the hook is a new process for each call, and making the automaton would take
//! it longer than everything else that it does. Whatever is looked at from one place is bounded, or skipped afterwards.

use std::{borrow::Cow, ops::Range};

use super::{
    Found,
    names::{MAX_NAME_BYTES, is_secret_name},
};

/// What begins a token, what it may consist of, how much of that must follow, and what it is.
struct Token {
    start: &'static str,
    of: fn(u8) -> bool,
    least: usize,
    what: &'static str,
}

const fn token(start: &'static str, of: fn(u8) -> bool, least: usize, what: &'static str) -> Token {
    Token { start, of, least, what }
}

/// By the beginnings that their issuers document.
const TOKENS: &[Token] = &[
    token("AKIA", is_upper, 16, "aws-key"),
    token("ASIA", is_upper, 16, "aws-key"),
    token("ABIA", is_upper, 16, "aws-key"),
    token("ACCA", is_upper, 16, "aws-key"),
    token("AIza", is_word, 35, "google-key"),
    token("GOCSPX-", is_word, 20, "google-secret"),
    token("ya29.", is_word, 20, "google-token"),
    token("ghp_", is_alnum, 20, "github-token"),
    token("gho_", is_alnum, 20, "github-token"),
    token("ghu_", is_alnum, 20, "github-token"),
    token("ghs_", is_word, 20, "github-token"),
    token("ghr_", is_alnum, 20, "github-token"),
    token("github_pat_", is_word, 20, "github-token"),
    token("glpat-", is_word, 16, "gitlab-token"),
    token("gldt-", is_word, 16, "gitlab-token"),
    token("glrt-", is_word, 16, "gitlab-token"),
    token("glcbt-", is_word, 16, "gitlab-token"),
    token("glptt-", is_word, 16, "gitlab-token"),
    token("gsk_", is_alnum, 30, "key"),
    token("xai-", is_alnum, 30, "key"),
    token("tvly-", is_word, 20, "key"),
    token("hf_", is_alnum, 30, "key"),
    token("sk_live_", is_alnum, 16, "stripe-key"),
    token("sk_test_", is_alnum, 16, "stripe-key"),
    token("rk_live_", is_alnum, 16, "stripe-key"),
    token("rk_test_", is_alnum, 16, "stripe-key"),
    token("whsec_", is_alnum, 16, "stripe-key"),
    token("xoxa-", is_word, 10, "slack-token"),
    token("xoxb-", is_word, 10, "slack-token"),
    token("xoxe-", is_word, 10, "slack-token"),
    token("xoxp-", is_word, 10, "slack-token"),
    token("xoxr-", is_word, 10, "slack-token"),
    token("xoxs-", is_word, 10, "slack-token"),
    token("xapp-", is_word, 10, "slack-token"),
    token("npm_", is_alnum, 30, "npm-token"),
    token("pypi-", is_word, 40, "pypi-token"),
    token("dckr_pat_", is_word, 20, "docker-token"),
    token("lin_api_", is_alnum, 20, "key"),
    token("hvs.", is_word, 20, "vault-token"),
    token("hvb.", is_word, 20, "vault-token"),
    token("ATATT3", is_word, 20, "atlassian-token"),
    token("ATCTT3", is_word, 20, "atlassian-token"),
    token("rubygems_", is_alnum, 32, "rubygems-token"),
    token("dapi", is_alnum, 32, "databricks-token"),
    token("glsa_", is_word, 20, "grafana-token"),
    token("glc_", is_word, 20, "grafana-token"),
    token("shpat_", is_alnum, 20, "shopify-token"),
    token("shpss_", is_alnum, 20, "shopify-token"),
    token("sntrys_", is_word, 20, "sentry-token"),
    token("sntryu_", is_word, 20, "sentry-token"),
    token("ntn_", is_alnum, 20, "notion-token"),
    token("tskey-", is_word, 16, "tailscale-key"),
    token("lin_oauth_", is_alnum, 20, "key"),
    token("dop_v1_", is_alnum, 40, "digitalocean-token"),
    token("pscale_tkn_", is_word, 20, "planetscale-token"),
    token("PMAK-", is_word, 20, "postman-key"),
    token("sbp_", is_alnum, 30, "supabase-token"),
    token("cio", is_alnum, 32, "crates-token"),
    token("AGE-SECRET-KEY-", is_upper, 40, "age-key"),
];

/// The short options that take a secret: of which programs, with which word before it, and whether the secret must touch the
/// option; else it may be the next word too.
const SHORT: &[(&[&str], Option<&str>, u8, bool)] = &[
    (
        &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlimport",
            "mysqlshow",
            "mariadb",
            "mariadb-dump",
            "7z",
            "7za",
        ],
        None,
        b'p',
        true,
    ),
    (&["sshpass", "mongo", "mongosh", "mongodump", "mongorestore"], None, b'p', false),
    (&["docker", "podman", "buildah", "skopeo", "helm", "oras", "az"], Some("login"), b'p', false),
    (&["redis-cli"], None, b'a', false),
    (&["curl"], None, b'b', false),
    (&["zip", "unzip"], None, b'P', false),
];
/// How far back the program is looked for that an option is of.
const MAX_BEFORE_BYTES: usize = 256;

/// What variables, placeholders and our own markers begin with.
const NO_VALUES: &[&str] = &["$", "<", "*", "%", "{", "…", "[redacted"];
/// Whatever is said between a name and its value, at the most: `" => "` and the like.
const MAX_BETWEEN: usize = 8;
/// The longest name and password in an address.
const MAX_USER_INFO_BYTES: usize = 512;

const PEM_BEGIN: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";
const PEM_LINE_BYTES: usize = 80;

/// Finds what looks like a secret.
pub(super) fn scan(text: &str, found: &mut Vec<Found<'_>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut mark = |range: Range<usize>, what: &'static str| {
        if range.is_empty() {
            return range.end;
        }
        let end = range.end;
        found.push((range, Cow::Borrowed(what)));
        end
    };
    while at < bytes.len() {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let starts = before.is_none_or(|byte| !is_word(byte) || byte == b'-');
        // What takes hyphens and may come to nothing must not be looked at again from each of them.
        let starts_word = starts && before != Some(b'-');
        let hit = match bytes[at] {
            b'-' => private_key(text, at)
                .map(|range| (range, "private-key"))
                .or_else(|| option(text, at).or_else(|| short(text, at)).map(|range| (range, "value"))),
            b':' if text[at..].starts_with("://") => {
                user_info(bytes, at + 3).map(|range| (range, "user-info"))
            }
            b':' | b'=' => named(text, at).map(|range| (range, "value")),
            b'e' if starts_word => web_token(bytes, at).map(|range| (range, "jwt")),
            b's' if starts_word && text[at..].starts_with("sk-") => {
                key_sk(bytes, at).map(|range| (range, "key"))
            }
            b's' if starts && text[at..].starts_with("set ") => {
                setting(text, at).map(|range| (range, "value"))
            }
            b'S' if starts && text[at..].starts_with("SG.") => {
                sendgrid(bytes, at).map(|range| (range, "key"))
            }
            b'b' | b'B' if starts => scheme(bytes, at).map(|range| (range, "authorization")),
            byte if starts && byte.is_ascii_alphabetic() => {
                let fits =
                    |token: &&Token| token.start.as_bytes()[0] == byte && text[at..].starts_with(token.start);
                TOKENS.iter().find(fits).and_then(|token| {
                    let from = at + token.start.len();
                    let end = run(bytes, from, token.of);
                    (end - from >= token.least).then_some((at..end, token.what))
                })
            }
            _ => None,
        };
        at = match hit {
            Some((range, what)) => mark(range, what).max(at + 1),
            None => at + 1,
        };
        // What is marked may end within a character only if it began within one, and it never does.
        while at < bytes.len() && !text.is_char_boundary(at) {
            at += 1;
        }
    }
}

/// Whether a text that stands where a secret should may be one: no variable, no placeholder.
pub(super) fn is_value(text: &str) -> bool {
    let nothing = ["", "true", "false", "null", "none", "undefined", "yes", "no"];
    let text = text.trim();
    !NO_VALUES.iter().any(|start| text.starts_with(start))
        && !nothing.contains(&text.to_ascii_lowercase().as_str())
}

fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// What the credentials of a header consist of: token68 of RFC 9110.
fn is_credential(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=')
}

fn run(bytes: &[u8], from: usize, of: fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !of(*byte)).map_or(bytes.len(), |length| from + length)
}

/// `sk-` and a key with a digit in it: words that are joined by hyphens may begin so too.
fn key_sk(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let end = run(bytes, at + 3, is_word);
    let key = &bytes[at + 3..end];
    (key.len() >= 20 && key.iter().any(u8::is_ascii_digit)).then_some(at..end)
}

/// `SG.`, 22 characters, a full stop, 43 characters.
fn sendgrid(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let middle = run(bytes, at + 3, is_word);
    (middle - at >= 16 && bytes.get(middle) == Some(&b'.')).then(|| at..run(bytes, middle + 1, is_word))
}

/// Three pieces of base64url, the first of which is an object of JSON (RFC 7515).
fn web_token(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if !bytes[at..].starts_with(b"eyJ") {
        return None;
    }
    let first = run(bytes, at, is_word);
    let second = (bytes.get(first) == Some(&b'.')).then(|| run(bytes, first + 1, is_word))?;
    let third = (bytes.get(second) == Some(&b'.')).then(|| run(bytes, second + 1, is_word))?;
    (first - at > 10 && second - first > 5).then_some(at..third)
}

/// `Bearer …` and `Basic …`, in any case.
fn scheme(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = &bytes[at..];
    let named = |name: &[u8]| rest.len() > name.len() && rest[..name.len()].eq_ignore_ascii_case(name);
    let from = at + [&b"bearer "[..], b"basic "].into_iter().find(|name| named(name))?.len();
    let end = run(bytes, from, is_credential);
    let digits = bytes[from..end].iter().any(|byte| byte.is_ascii_digit() || *byte == b'=');
    (end - from >= 16 || end - from >= 8 && digits).then_some(from..end)
}

/// A private key, to its end or that of the text.
fn private_key(text: &str, at: usize) -> Option<Range<usize>> {
    let label = text[at..].strip_prefix(PEM_BEGIN)?;
    let label = &label[..label.floor_char_boundary(PEM_LINE_BYTES)];
    let label = &label[..label.find("-----")?];
    if !label.contains("PRIVATE KEY") {
        return None;
    }
    let body = at + PEM_BEGIN.len();
    let Some(end) = text[body..].find(PEM_END).map(|end| body + end + PEM_END.len()) else {
        return Some(at..text.len());
    };
    let rest = &text[end..];
    let tail = &rest[..rest.floor_char_boundary(PEM_LINE_BYTES)];
    Some(at..end + tail.find("-----").map_or(0, |tail| tail + 5))
}

/// `user:password@` and `token@` of an address.
fn user_info(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let authority = bytes[from..].iter().take(MAX_USER_INFO_BYTES);
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'`' | b'<' | b'>')
    };
    let length = authority.clone().position(ends).unwrap_or(authority.len());
    let authority = &bytes[from..from + length];
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let user = &authority[..at];
    let has_password = user.contains(&b':');
    // `ssh://git@host` tells nothing; what is as long as a token may be one.
    let is_variable = user.first() == Some(&b'$');
    (has_password || user.len() >= 16 && !is_variable).then_some(from..from + at)
}

/// `--password VALUE`, and `-u USER:PASSWORD` as curl takes it. With an equals sign it is [`named`].
fn option(text: &str, at: usize) -> Option<Range<usize>> {
    let before = at.checked_sub(1).map(|before| text.as_bytes()[before]);
    if before.is_some_and(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'')) {
        return None;
    }
    let rest = &text[at..];
    let end = rest.bytes().take(MAX_NAME_BYTES + 3).position(|byte| byte == b' ')?;
    let name = &rest[..end];
    let range = value(text, at + end + 1)?;
    match name {
        "-u" | "--user" | "--proxy-user" | "-U" => {
            let colon = text[range.clone()].find(':')?;
            Some(range.start + colon + 1..range.end)
        }
        _ => {
            let name = name.strip_prefix("--").filter(|name| name.bytes().all(is_word));
            let secret = name.is_some_and(is_secret_name);
            (secret && !text[range.clone()].starts_with('-')).then_some(range)
        }
    }
}

/// `mysql -pPASSWORD`, `docker login -p PASSWORD`: what a short option means depends on the program.
fn short(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let letter = *bytes.get(at + 1)?;
    let before = at.checked_sub(1).map(|before| bytes[before])?;
    if before != b' ' || !SHORT.iter().any(|(_, _, known, _)| *known == letter) {
        return None;
    }
    let back = &text[text.ceil_char_boundary(at.saturating_sub(MAX_BEFORE_BYTES))..at];
    let command = back.rsplit(['\n', ';', '|', '&', '(', '`']).next()?;
    let of = |programs: &[&str]| {
        command.split_whitespace().any(|word| programs.contains(&word.rsplit('/').next().unwrap_or(word)))
    };
    let has =
        |needed: Option<&str>| needed.is_none_or(|word| command.split_whitespace().any(|has| has == word));
    let (.., touches) =
        SHORT.iter().find(|(programs, needed, known, _)| *known == letter && of(programs) && has(*needed))?;
    let next = *bytes.get(at + 2)?;
    if next.is_ascii_whitespace() && *touches {
        return None;
    }
    let range = value(text, at + 2)?;
    // A cookie; what has no equals sign is the name of a file.
    (letter != b'b' || text[range.clone()].contains('=')).then_some(range)
}

/// `config set NAME VALUE`, where the name says that the value is secret.
fn setting(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text[..at].trim_end();
    if !["config", "configure"].iter().any(|word| before.ends_with(word)) {
        return None;
    }
    let from = at + "set ".len();
    let length = text[from..].bytes().take(4 * MAX_NAME_BYTES).position(|byte| byte == b' ')?;
    let name = &text[from..from + length];
    let name = name.rsplit(['/', ':']).next().unwrap_or(name);
    is_secret_name(name).then(|| value(text, from + length + 1)).flatten()
}

/// `name=value`, `name: value`, `"name": "value"` and the like, where the name says that the value is secret. `at` is
/// where the sign between them stands.
fn named(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let between = |byte: &u8| matches!(byte, b' ' | b'"' | b'\'' | b'\\' | b']');
    let gap = bytes[..at].iter().rev().take(MAX_BETWEEN).take_while(|byte| between(byte)).count();
    let end = at - gap;
    let letters = |byte: &u8| is_word(*byte) || *byte == b'.';
    let length = bytes[..end].iter().rev().take(MAX_NAME_BYTES + 1).take_while(|byte| letters(byte)).count();
    let name = text.get(end - length..end)?.trim_start_matches('-');
    if name.is_empty() || !is_secret_name(name) {
        return None;
    }
    let is_header = bytes[at] == b':'
        && ["authorization", "proxy-authorization", "cookie", "set-cookie"]
            .iter()
            .any(|header| name.eq_ignore_ascii_case(header));
    let from = at + 1 + bytes[at + 1..].iter().take(2).take_while(|byte| matches!(byte, b'=' | b'>')).count();
    let range = value(text, from)?;
    if is_header {
        // All of it, whatever its scheme, to the end of the line or of what it is quoted by.
        let ends = |byte: u8| matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'`');
        let to =
            text.bytes().skip(range.start).position(ends).map_or(text.len(), |length| range.start + length);
        return Some(range.start..to.max(range.end));
    }
    // In prose and in programs much follows a name and a colon: there a secret is told by a digit.
    let is_quoted = range.start.checked_sub(1).is_some_and(|before| matches!(bytes[before], b'"' | b'\''));
    let is_loose = !is_quoted && range.start > from;
    let is_likely = range.len() >= 6 && bytes[range.clone()].iter().any(u8::is_ascii_digit);
    (!is_loose || is_likely).then_some(range)
}

/// The value that begins here, behind spaces and a quotation mark: to that mark again, or else to the end of the word.
///
/// What is surely none is seen before its end is looked for.
fn value(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let spaces = bytes.get(from..)?.iter().take(MAX_BETWEEN).take_while(|byte| **byte == b' ').count();
    let mut start = from + spaces;
    let word = text.get(start..)?.trim_start_matches(['\\', '"', '\'']);
    if NO_VALUES.iter().any(|start| word.starts_with(start)) {
        return None;
    }
    let escaped = bytes.get(start) == Some(&b'\\') && matches!(bytes.get(start + 1), Some(b'"' | b'\''));
    start += usize::from(escaped);
    let end = match bytes.get(start)? {
        quote @ (b'"' | b'\'') => {
            start += 1;
            let closes = |at: &usize| bytes[*at] == *quote && (escaped || bytes[*at - 1] != b'\\');
            let end = (start..bytes.len()).find(closes).unwrap_or(bytes.len());
            if escaped && end > start && bytes[end - 1] == b'\\' { end - 1 } else { end }
        }
        _ => {
            let ends = |byte: &u8| {
                byte.is_ascii_whitespace()
                    || matches!(
                        byte,
                        b'"' | b'\'' | b'`' | b'&' | b';' | b',' | b'|' | b'<' | b'>' | b')' | b'}'
                    )
            };
            bytes[start..].iter().position(ends).map_or(bytes.len(), |length| start + length)
        }
    };
    is_value(text.get(start..end)?).then_some(start..end)
}
