//! Commands that a program is given to run, where that program's own words aren't taken apart: what they seem to be is held
//! against everything that denies.

use super::{
    git::git_subcommand,
    script::{Command, Word},
    walk::base,
};

/// What a command was given to run.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Where among the words a command begins, or an option before it.
    pub(super) from: Option<usize>,
    /// Scripts.
    pub(super) texts: Vec<String>,
}

/// Programs whose words, from that one on, may be a command; with the words that must stand before it.
const RUNNERS: &[(&[&str], &[&str])] = &[
    (&["uv", "poetry", "pdm", "hatch", "rye", "pipx", "pipenv", "conda", "mamba", "micromamba"], &["run"]),
    (
        &["npm", "pnpm", "yarn", "bundle", "direnv", "mise", "asdf", "rbenv", "pyenv", "volta", "fnm"],
        &["exec", "x"],
    ),
    (&["pnpm", "yarn"], &["dlx"]),
    (&["bun"], &["x"]),
    (&["perf"], &["stat", "record", "trace"]),
    (&["rr"], &["record"]),
    (&["cmake"], &["-E"]),
    (
        &[
            "uvx",
            "bunx",
            "bwrap",
            "firejail",
            "hyperfine",
            "valgrind",
            "heaptrack",
            "gosu",
            "su-exec",
            "chpst",
            "envdir",
            "dotenv",
            "dotenvx",
            "s6-setuidgid",
            "rtx",
        ],
        &[],
    ),
];

/// Options whose value is a command, of these programs: as the next word, or after an equals sign.
const OPTIONS: &[(&[&str], &[&str])] = &[
    (
        &["tar", "bsdtar"],
        &[
            "--to-command",
            "--use-compress-program",
            "-I",
            "--rsh-command",
            "--info-script",
            "--new-volume-script",
            "-F",
        ],
    ),
    (&["rsync"], &["-e", "--rsh", "--rsync-path"]),
    (&["go"], &["-exec", "-toolexec", "-vettool"]),
    (&["npx", "npm"], &["-c", "--call"]),
    (&["vim", "vi", "nvim", "view", "ex", "gvim"], &["-c", "--cmd"]),
    (&["gdb", "lldb"], &["-ex", "--eval-command", "-o", "--one-line"]),
    (&["sort"], &["--compress-program"]),
    (&["split"], &["--filter"]),
    (&["rg"], &["--pre"]),
    (&["script"], &["-c", "--command"]),
    (&["scp", "sftp"], &["-S"]),
];

/// Settings of git whose value is a command.
fn is_command_of_git(key: &str) -> bool {
    const NAMES: [&str; 13] = [
        "pager",
        "sshcommand",
        "editor",
        "external",
        "helper",
        "program",
        "textconv",
        "clean",
        "smudge",
        "process",
        "driver",
        "cmd",
        "askpass",
    ];
    let key = key.to_lowercase();
    key.starts_with("alias.")
        || key.starts_with("pager.")
        || NAMES.iter().any(|name| key.ends_with(&format!(".{name}")))
}

/// The most scripts of one command that are looked at; one more says that there are too many.
pub(super) const MAX_TEXTS: usize = 64;

/// What the command was given to run.
pub(super) fn carried(command: &Command) -> Carried {
    let words = &command.words;
    let mut found = Carried::default();
    let Some(name) = words.first().map(base) else { return found };
    let name = name.as_ref();
    for (_, before) in RUNNERS.iter().filter(|(programs, _)| programs.contains(&name)) {
        if before.is_empty() {
            found.from = Some(1);
        } else if let Some(at) = words.iter().skip(1).position(|word| before.contains(&word.text.as_str())) {
            found.from = Some(at + 2);
        }
    }
    for (_, options) in OPTIONS.iter().filter(|(programs, _)| programs.contains(&name)) {
        found.texts.extend(values(words, options));
    }
    match name {
        "git" => of_git(words, &mut found),
        "ssh" => {
            let values = values(words, &["-o"]);
            let commands = values.filter_map(|value| {
                let (key, value) = value.split_once(['=', ' '])?;
                key.to_lowercase().ends_with("command").then(|| value.to_owned())
            });
            found.texts.extend(commands.collect::<Vec<_>>());
        }
        "make" | "gmake" => {
            let settings = words.iter().filter_map(|word| word.text.strip_prefix("SHELL="));
            found.texts.extend(settings.map(str::to_owned));
            // A makefile that is fed: what stands behind a tab or a target.
            let lines = command.fed.iter().flat_map(|makefile| makefile.lines());
            let recipes = lines.filter_map(|line| {
                line.strip_prefix('\t').or_else(|| line.split_once(';').map(|(_, recipe)| recipe))
            });
            let recipes = recipes.take(MAX_TEXTS + 1);
            found.texts.extend(recipes.map(|recipe| recipe.trim_start_matches(['@', '-', '+']).to_owned()));
        }
        "parallel" => {
            let mut parts = words[1..].split(|word| word.text.starts_with(":::"));
            let command = parts.next().unwrap_or_default();
            let inputs: Vec<&Word> = parts.flatten().take(MAX_TEXTS + 1).collect();
            // Its options stand before the command, some with a value.
            let starts = (0..command.len()).filter(|at| !command[*at].text.starts_with('-')).take(3);
            for start in starts {
                let template =
                    command[start..].iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
                found.texts.extend(inputs.iter().map(|input| match template.contains("{}") {
                    true => template.replace("{}", &input.text),
                    false => format!("{template} {}", input.text),
                }));
            }
        }
        "tar" | "bsdtar" => {
            let actions = values(words, &["--checkpoint-action"]);
            found.texts.extend(actions.filter_map(|action| Some(action.strip_prefix("exec=")?.to_owned())));
        }
        "vim" | "vi" | "nvim" | "view" | "ex" | "gvim" => {
            let commands = words.iter().filter_map(|word| word.text.strip_prefix('+'));
            found.texts.extend(commands.map(str::to_owned).collect::<Vec<_>>());
        }
        _ => {}
    }
    // An editor's and a debugger's own way to say that a command of the shell follows.
    for text in &mut found.texts {
        let bare = text.trim_start_matches([':', '!', ' ']);
        let bare = bare.strip_prefix("shell ").unwrap_or(bare);
        *text = bare.to_owned();
    }
    found.texts.retain(|text| !text.trim().is_empty());
    found
}

fn of_git(words: &[Word], found: &mut Carried) {
    for setting in values(words, &["-c", "--config-env"]) {
        if let Some((key, value)) = setting.split_once('=')
            && is_command_of_git(key)
        {
            found.texts.push(value.trim_start_matches('!').to_owned());
        }
    }
    let Some(subcommand) = git_subcommand(words) else { return };
    let after = |name: &str| words.iter().position(|word| word.text == name).map(|at| at + 1);
    match subcommand {
        "bisect" => found.from = after("run"),
        "submodule" => {
            found.from = after("foreach");
            let scripts = words[found.from.unwrap_or(words.len())..].iter();
            found.texts.extend(scripts.map(|word| word.text.clone()));
        }
        "rebase" => found.texts.extend(values(words, &["-x", "--exec"])),
        "difftool" | "mergetool" => found.texts.extend(values(words, &["-x", "--extcmd"])),
        "filter-branch" => found.texts.extend(values(
            words,
            &[
                "--tree-filter",
                "--index-filter",
                "--env-filter",
                "--msg-filter",
                "--commit-filter",
                "--parent-filter",
                "--tag-name-filter",
            ],
        )),
        "grep" => found.texts.extend(values(words, &["-O", "--open-files-in-pager"])),
        "clone" | "fetch" | "pull" | "ls-remote" | "push" => {
            found.texts.extend(values(words, &["-u", "--upload-pack", "--receive-pack", "--exec"]));
        }
        _ => {}
    }
}

/// The values of these options: the next word, what follows an equals sign, or what touches a short one.
fn values<'w>(words: &'w [Word], options: &'w [&'w str]) -> impl Iterator<Item = String> + 'w {
    words.iter().enumerate().skip(1).filter_map(move |(at, word)| {
        let text = word.text.as_str();
        let value = options.iter().find_map(|option| {
            let rest = text.strip_prefix(option)?;
            if rest.is_empty() {
                return words.get(at + 1).map(|word| word.text.as_str());
            }
            rest.strip_prefix('=')
                .or_else(|| (!option.starts_with("--") && option.len() == 2).then_some(rest))
        });
        value.map(str::to_owned)
    })
}
