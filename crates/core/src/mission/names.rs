//! Names for workspaces and branches, out of text that may be anything.

/// The longest name, so that what is put around it fits too.
const MAX_BYTES: usize = 60;

/// Turns a directory's name or an issue into what git takes in a branch and a shell needs no quotes for: letters, digits
/// and single `-`, `_`, `.` between them. Empty when nothing of that is left.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        let mark = matches!(character, '-' | '_' | '.');
        let character = if character.is_alphanumeric() || mark { character } else { '-' };
        let joins = matches!(character, '-' | '_' | '.');
        if joins && (slug.is_empty() || slug.ends_with(['-', '_', '.'])) {
            continue;
        }
        if slug.len() + character.len_utf8() > MAX_BYTES {
            break;
        }
        slug.push(character);
    }
    let slug = slug.trim_end_matches(['-', '_', '.']);
    // Git keeps the ending for itself.
    slug.strip_suffix(".lock").unwrap_or(slug).to_owned()
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn leaves_what_git_and_a_shell_take() {
        for (text, expected) in [
            ("project", "project"),
            ("My Project", "My-Project"),
            ("a\"; touch pwned; \"", "a-touch-pwned"),
            ("../../etc", "etc"),
            ("a..b--c__d", "a.b-c_d"),
            ("-rf", "rf"),
            ("x.lock", "x"),
            ("größe 🦀", "größe"),
            ("\u{202e}evil\u{0}", "evil"),
            ("...", ""),
            ("", ""),
        ] {
            assert_eq!(slug(text), expected, "{text:?}");
        }
        assert_eq!(slug(&"ü".repeat(100)).len(), 60);
    }
}
