//! Whether the program of a hook is there, and in every worktree.

use std::path::{Path, PathBuf};

use super::{Facts, Severity};
use crate::hook::{
    dialect::Dialect,
    settings::{Word, words},
};

/// Programs whose first plain argument is a file that they run.
const INTERPRETERS: &[&str] =
    &["sh", "bash", "dash", "zsh", "python", "python3", "node", "ruby", "perl", "deno", "bun", "php"];

/// What a shell does itself.
const BUILTINS: &[&str] = &[
    ":", ".", "[", "[[", "{", "!", "alias", "builtin", "case", "cd", "command", "echo", "eval", "exec",
    "exit", "export", "false", "for", "function", "if", "printf", "read", "return", "set", "source", "test",
    "time", "trap", "true", "type", "umask", "unset", "until", "while",
];

/// Variables that name the project, and the agents that set them.
const PROJECT_VARIABLES: &[(&str, &[Dialect])] = &[
    ("CLAUDE_PROJECT_DIR", &[Dialect::Claude, Dialect::Gemini]),
    ("GEMINI_PROJECT_DIR", &[Dialect::Gemini]),
    ("GEMINI_CWD", &[Dialect::Gemini]),
];

type Report<'a> = &'a mut dyn FnMut(Severity, &'static str, String, String);

/// Looks for the program that a command line starts, and the script that an interpreter is given.
pub(super) fn check(command: &str, agent: Dialect, gates: bool, facts: &dyn Facts, report: Report<'_>) {
    let Some(words) = words(command) else {
        let remedy = "close the quotes".to_owned();
        return report(
            Severity::Error,
            "command",
            "the quotes of the command don't match".to_owned(),
            remedy,
        );
    };
    let is_assignment = |word: &Word| {
        word.text.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    let mut words = words.iter().skip_while(|word| is_assignment(word) || word.text == "env");
    let Some(program) = words.next() else { return };
    let name = program.text.rsplit('/').next().unwrap_or_default();
    file(program, true, agent, gates, facts, report);
    let versioned = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !INTERPRETERS.contains(&name) && !INTERPRETERS.contains(&versioned) {
        return;
    }
    // What follows `-c`, `-e` or `-m` is no file.
    let script = words.find(|word| !word.text.starts_with('-') || is_code_option(&word.text));
    if let Some(script) = script.filter(|word| !is_code_option(&word.text)) {
        file(script, false, agent, gates, facts, report);
    }
}

fn is_code_option(option: &str) -> bool {
    ["-c", "-e", "-m", "-lc", "-ec", "--eval", "-p", "run", "eval", "x"].contains(&option)
}

/// Where a word of a command line leads.
enum Place {
    /// A name that is looked up on `PATH`.
    Name,
    /// A file below the project, by a variable that the agent sets.
    OfProject(PathBuf),
    /// A file that is where it is.
    Absolute(PathBuf),
    /// A file that depends on where the agent works.
    Relative,
    /// A variable that nobody sets for this agent.
    Unset(&'static str),
    /// It can't be told.
    Unclear,
}

fn place(word: &Word, agent: Dialect, facts: &dyn Facts) -> Place {
    let text = word.text.as_str();
    if word.expands {
        for (variable, setters) in PROJECT_VARIABLES {
            let rest = strip_variable(text, variable);
            if let Some(rest) = rest {
                return match is_plain(rest) {
                    _ if !setters.contains(&agent) => Place::Unset(variable),
                    true => Place::OfProject(facts.project().join(rest.trim_start_matches('/'))),
                    false => Place::Unclear,
                };
            }
        }
        let rest = text.strip_prefix('~').or_else(|| strip_variable(text, "HOME"));
        return match (rest.and_then(|rest| rest.strip_prefix('/')), facts.home()) {
            (Some(rest), Some(home)) if is_plain(rest) => Place::Absolute(home.join(rest)),
            _ => Place::Unclear,
        };
    }
    let path = PathBuf::from(text);
    if path.is_absolute() {
        Place::Absolute(path)
    } else if text.contains('/') {
        Place::Relative
    } else {
        Place::Name
    }
}

fn strip_variable<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.strip_prefix('$')?;
    let rest = match rest.strip_prefix('{') {
        Some(rest) => rest.strip_prefix(name)?.strip_prefix('}')?,
        None => rest.strip_prefix(name)?,
    };
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn is_plain(text: &str) -> bool {
    !text.contains(['$', '`', '*', '?', '['])
}

fn file(word: &Word, executed: bool, agent: Dialect, gates: bool, facts: &dyn Facts, report: Report<'_>) {
    let missing = |report: Report<'_>, what: &str| {
        let so = if gates { "the agent then goes on as if there were no hook" } else { "it does nothing" };
        let problem = format!("{what} isn't there: {so}");
        report(Severity::Error, "missing-program", problem, "correct the path, or install it".to_owned());
    };
    let look = |report: Report<'_>, path: &Path| match facts.file(path) {
        None => {
            missing(report, &format!("`{}`", path.display()));
            false
        }
        Some(false) if executed => {
            let problem = format!("`{}` can't be executed", path.display());
            report(Severity::Error, "missing-program", problem, format!("chmod +x {}", path.display()));
            false
        }
        Some(_) => true,
    };
    match place(word, agent, facts) {
        Place::Unclear => {}
        Place::Unset(variable) => {
            let problem = format!("{} doesn't set ${variable}, so that the path is wrong", agent.agent());
            report(Severity::Error, "missing-program", problem, "write an absolute path".to_owned());
        }
        Place::Name if executed => {
            if !BUILTINS.contains(&word.text.as_str()) && !facts.on_path(&word.text) {
                missing(report, &format!("`{}`, which isn't on PATH,", word.text));
            }
        }
        Place::Absolute(path) => {
            if look(report, &path) && in_linked_worktree(&path, facts) {
                let problem = format!("`{}` lies in a linked worktree, and goes with it", path.display());
                report(Severity::Warning, "worktree", problem, "use one that stays".to_owned());
            }
        }
        Place::OfProject(path) => {
            if look(report, &path) && !facts.is_tracked(&path) {
                let problem =
                    format!("git doesn't keep `{}`, so that no other worktree has it", path.display());
                report(
                    Severity::Error,
                    "worktree",
                    problem,
                    "commit it, or name it by an absolute path".to_owned(),
                );
            }
        }
        Place::Name | Place::Relative => {
            let problem = format!(
                "`{}` is a relative path: it is another file, or none, once the agent works elsewhere",
                word.text
            );
            let remedy = match agent {
                Dialect::Codex => "name it by an absolute path".to_owned(),
                Dialect::Claude => {
                    "begin it with \"$CLAUDE_PROJECT_DIR\"/, or name it by an absolute path".to_owned()
                }
                Dialect::Gemini => {
                    "begin it with $GEMINI_PROJECT_DIR/, or name it by an absolute path".to_owned()
                }
            };
            report(Severity::Error, "worktree", problem, remedy);
        }
    }
}

/// Whether a checkout above is a linked one, which has a file where the main one has a directory.
fn in_linked_worktree(path: &Path, facts: &dyn Facts) -> bool {
    path.ancestors().skip(1).any(|above| facts.file(&above.join(".git")).is_some())
}
