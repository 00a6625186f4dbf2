//! Names that say that what they name is secret.

/// Words that say so wherever they stand in a name.
const SECRET: &[&str] = &[
    "accesstoken",
    "apikey",
    "apitoken",
    "auth",
    "authorization",
    "authtoken",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "pass",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pw",
    "secret",
    "secretkey",
    "secrets",
    "sshpass",
    "token",
];
/// What ends a word that says so: `PGPASSWORD`.
const SECRET_ENDS: &[&str] = &["password", "passwd", "passphrase"];
/// Words that say so with others beside them: alone they mean too many things.
const WITH_OTHERS: &[&str] = &["key", "pwd", "signature", "sig", "pat", "creds"];
/// Words at the end of a name that say where a secret is, or how it is, and not what.
const ABOUT: &[&str] = &[
    "count",
    "dir",
    "directory",
    "endpoint",
    "env",
    "expires",
    "expiry",
    "file",
    "host",
    "id",
    "len",
    "length",
    "limit",
    "max",
    "method",
    "min",
    "mode",
    "name",
    "path",
    "policy",
    "prompt",
    "size",
    "sock",
    "socket",
    "store",
    "ttl",
    "type",
    "uri",
    "url",
    "user",
    "username",
    "version",
];
/// What comes before a key that is none of a lock.
const NO_LOCK: &[&str] = &[
    "cache",
    "foreign",
    "group",
    "hot",
    "index",
    "map",
    "object",
    "partition",
    "primary",
    "public",
    "row",
    "shift",
    "sort",
    "unique",
];
/// The longest name that is looked at.
pub(super) const MAX_NAME_BYTES: usize = 64;

/// Whether a name, of an environment variable, a field or an option, says that its value is secret: it has a word such as
/// `password`, `token`, `secret` or `api_key` in it, in whatever case and however the words are joined.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    if name.len() > MAX_NAME_BYTES || matches!(name, "PWD" | "OLDPWD") {
        return false;
    }
    let words = words(name);
    let Some(last) = words.last() else { return false };
    if ABOUT.contains(&last.as_str()) {
        return false;
    }
    let is_secret = |word: &str| SECRET.contains(&word) || SECRET_ENDS.iter().any(|end| word.ends_with(end));
    words.iter().any(|word| is_secret(word))
        || words.len() > 1
            && WITH_OTHERS.contains(&last.as_str())
            && !NO_LOCK.contains(&words[words.len() - 2].as_str())
}

/// The words of `SOME_NAME`, `some-name`, `some.name` and `someName`, in small letters.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        let splits = !c.is_alphanumeric() || c.is_uppercase() && was_small;
        if splits && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        was_small = c.is_lowercase() || c.is_numeric();
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
