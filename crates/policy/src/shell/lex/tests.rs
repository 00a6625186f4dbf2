//! The lexer against a real shell: what it calls plain, the shell must take apart into the same words.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path, process::Command as Program};

use proptest::{collection::vec, prelude::*, sample::select};

use super::{Command, lex};
use crate::shell::walk::is_assignment;

/// Pieces that name no program and no file, so that nothing happens should the lexer be wrong.
fn text() -> impl Strategy<Value = String> {
    let plain =
        vec!["a", "bc", " ", " ", "\t", ";", "&&", "||", "|", "'", "\"", "*", "=", "-", ",", "^", "é", "1"];
    let special = vec![
        "\n", "&", "\\", "$", "$x", "${", "}", "{", "(", ")", "`", "<", ">", "#", "!", "?", "[", "]", "~",
        "~/", "x=1", "%", "@", "+", ":", "..", "\u{a0}", "\u{2003}",
    ];
    let piece = prop_oneof![8 => select(plain), 1 => select(special)];
    vec(piece, 1..14).prop_map(|pieces| pieces.concat())
}

/// The words of the first command, told by a function in its place.
fn words_of_shell(shell: &str, text: &str, dir: &Path) -> Option<Vec<String>> {
    let told = dir.join("told");
    let function = "w() { : > \"$TOLD\"; for word; do printf '%s\\0' \"$word\" >> \"$TOLD\"; done; }";
    let script = format!("{function}\nset -f\nw {text}");
    let mut program = Program::new(shell);
    program.args(["-c", &script]).current_dir(dir).env_clear().env("HOME", "/h").env("TOLD", &told);
    // Commands that aren't there fail, which is nothing to us.
    program.output().expect("bash and dash must be installed");
    let text = fs::read_to_string(&told).ok()?;
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn s1_plain_words_are_the_words_a_real_shell_sees(text in text()) {
        let dir = tempfile::tempdir().unwrap();
        let script = lex(&format!("w {text}"));
        // The judge refuses what starts like an assignment or with a wildcard: `a[` makes bash read on to `]`.
        let odd = |command: &Command| command.words.first().is_none_or(|word| word.glob || is_assignment(&word.text));
        prop_assume!(script.problem.is_none() && !script.commands.iter().any(odd));
        let ours: Vec<String> = script.commands[0].words[1..]
            .iter()
            .map(|word| if word.tilde { word.text.replacen('~', "/h", 1) } else { word.text.clone() })
            .collect();
        for shell in ["bash", "dash"] {
            let theirs = words_of_shell(shell, &text, dir.path());
            prop_assert_eq!(theirs.as_ref(), Some(&ours), "{} {:?}", shell, text);
        }
    }
}
