//! What a command would do that no preset lets pass, found by its words alone.

use super::{
    git::git_subcommand,
    grammar::Use,
    script::{Command, Word},
    walk::base,
};
use crate::{path::Access, preset::Act};

const PRIVILEGE: &[&str] = &[
    "sudo",
    "sudoedit",
    "doas",
    "su",
    "pkexec",
    "runuser",
    "visudo",
    "passwd",
    "chpasswd",
    "useradd",
    "userdel",
    "usermod",
    "adduser",
    "deluser",
    "groupadd",
    "groupdel",
    "groupmod",
    "umount",
    "insmod",
    "rmmod",
    "modprobe",
    "chroot",
    "nsenter",
    "setcap",
    "iptables",
    "ip6tables",
    "nft",
    "ufw",
    "kexec",
    "swapon",
    "swapoff",
    "losetup",
    "setenforce",
    "machinectl",
    "setpriv",
    "capsh",
    "sg",
    "newgrp",
    "run0",
    "chsh",
    "chfn",
    "update-alternatives",
    "apparmor_parser",
    "aa-disable",
    "aa-complain",
    "service",
    "loginctl",
    "hostnamectl",
    "timedatectl",
    "localectl",
    "chage",
    "vipw",
    "vigr",
    "gpasswd",
    "efibootmgr",
    "grub-install",
    "update-grub",
    "update-initramfs",
    "pivot_root",
    "switch_root",
    "fsfreeze",
];

const DEVICE: &[&str] = &[
    "mkfs",
    "mke2fs",
    "mkswap",
    "fdisk",
    "sfdisk",
    "cfdisk",
    "gdisk",
    "sgdisk",
    "parted",
    "wipefs",
    "blkdiscard",
    "cryptsetup",
    "hdparm",
    "badblocks",
    "mdadm",
    "pvcreate",
    "pvremove",
    "vgremove",
    "lvremove",
    "zpool",
    "dmsetup",
    "lvreduce",
    "nvme",
    "sg_format",
    "flashrom",
];

const SHUTDOWN: &[&str] = &["shutdown", "reboot", "halt", "poweroff", "telinit"];

/// Conditions of `find` that leave some files out.
const NARROWING: &[&str] =
    &["-name", "-iname", "-path", "-type", "-mtime", "-mmin", "-size", "-empty", "-regex"];

/// Commands that read a script from one of their words.
pub(super) const SCRIPTED: &[&str] = &[
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "ash",
    "fish",
    "eval",
    "ssh",
    "su",
    "watch",
    "script",
    "env",
    "trap",
    "alias",
    "parallel",
    "tmux",
    "screen",
    "runuser",
    "flock",
    "nix-shell",
    "entr",
];

/// What no preset lets pass, with a word on why. Paths are left to the judge.
pub(crate) fn risks(command: &Command, own_pids: &[u32]) -> Vec<(Act, String)> {
    let Some(first) = command.words.first() else { return Vec::new() };
    let name = base(first);
    let rest = &command.words[1..];
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(&word.text.as_str()));
    let mut found = Vec::new();
    let mut add = |act: Act| found.push((act, format!("`{name}`: {}", act.row().what)));
    if PRIVILEGE.contains(&name.as_ref()) || (["mount", "sysctl"].contains(&name.as_ref()) && rest.len() > 1)
    {
        add(Act::Privilege);
    }
    if DEVICE.contains(&name.as_ref()) || name.starts_with("mkfs.") {
        add(Act::Device);
    }
    let by_init = ["poweroff", "reboot", "halt", "kexec", "suspend", "hibernate"];
    if SHUTDOWN.contains(&name.as_ref())
        || (name == "init" && has(&["0", "1", "6"]))
        || (name == "systemctl" && has(&by_init))
    {
        add(Act::Shutdown);
    }
    if name == "rm" && has(&["--no-preserve-root"]) {
        add(Act::Root);
    }
    match name.as_ref() {
        "kill" => found.extend(signal(rest, own_pids)),
        "pkill" | "killall" | "killall5" | "skill" | "xkill"
            if !has(&["-l", "--list", "-V", "--version"]) =>
        {
            add(Act::SignalUnnamed);
        }
        "fuser" if rest.iter().any(|word| is_short(word, 'k') || word.text == "--kill") => {
            add(Act::SignalUnnamed);
        }
        "gpg" | "gpg2" if rest.iter().any(|word| word.text.starts_with("--export-secret")) => {
            add(Act::Credentials);
        }
        "secret-tool" | "security" | "keyring" | "kwallet-query" => add(Act::Credentials),
        "missiond" if controls(rest) => add(Act::OrchestratorControl),
        // `cargo run --bin missiond -- approve 7`
        "cargo" if rest.iter().any(|word| word.text.contains("missiond")) && controls(rest) => {
            add(Act::OrchestratorControl);
        }
        _ => {}
    }
    found
}

/// What the `kill` command would signal.
fn signal(words: &[Word], own_pids: &[u32]) -> Option<(Act, String)> {
    let mut words = words.iter().peekable();
    match words.peek().map(|word| word.text.as_str()) {
        Some("-l" | "-L" | "--list" | "--table") => return None,
        Some("-s" | "-n" | "--signal") => {
            words.next();
            words.next();
        }
        Some(option) if option.starts_with('-') && option != "--" => {
            words.next();
        }
        _ => {}
    }
    let targets: Vec<&Word> = words.filter(|word| word.text != "--").collect();
    let denied = |why: &str| Some((Act::SignalUnnamed, format!("`kill` {why}")));
    if targets.is_empty() {
        return denied("names no process of its own: whatever its input lists would be signalled");
    }
    for target in targets {
        let text = target.text.as_str();
        // The last job that was started here.
        if text == "$!" {
            continue;
        }
        if target.substituted {
            return denied("signals processes that another command finds");
        }
        if !target.known || text.starts_with('%') {
            continue;
        }
        let Ok(number) = text.parse::<i64>() else { return denied("signals processes by name") };
        if number == 1 || number == -1 {
            return denied("signals every process, or the first one");
        }
        if own_pids.iter().any(|own| i64::from(*own) == number.abs()) {
            return denied("signals a process of the orchestrator");
        }
    }
    None
}

/// Whether the arguments of `missiond` are for people only. Options before the subcommand are looked past by
/// looking at every word.
fn controls(words: &[Word]) -> bool {
    let names: Vec<&str> =
        words.iter().map(|word| word.text.as_str()).filter(|word| !word.starts_with('-')).collect();
    let single = ["approve", "reject", "hook", "down"];
    let double = [
        ("config", "set"),
        ("config", "unset"),
        ("config", "edit"),
        ("task", "cancel"),
        ("agent", "kill"),
        ("agent", "restart"),
        ("session", "end"),
        ("registry", "rollback"),
        ("policy", "install"),
    ];
    // What an option takes isn't told from a subcommand, so that this must be the first word.
    let explains = words.first().is_some_and(|word| word.text == "help");
    let controls = || {
        names.iter().any(|name| single.contains(name))
            || names.windows(2).any(|pair| double.contains(&(pair[0], pair[1])))
    };
    !explains && controls()
}

/// Texts among the words that would be run as scripts.
pub(crate) fn hidden_texts(words: &[Word]) -> Vec<String> {
    let Some(first) = words.first() else { return Vec::new() };
    let name = base(first);
    let rest = &words[1..];
    let joined = || rest.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let is_script = |word: &&Word| word.text.contains([' ', '\t', '\n', ';', '|', '&', '$', '`', '(']);
    let mut texts = Vec::new();
    match name.as_ref() {
        "eval" | "watch" if !rest.is_empty() => texts.push(joined()),
        "ssh" if !rest.is_empty() => {
            texts.push(joined());
            texts.extend(rest.iter().filter(is_script).map(|word| word.text.clone()));
        }
        name if SCRIPTED.contains(&name) => {
            texts.extend(rest.iter().filter(is_script).map(|word| word.text.clone()));
        }
        // `-c alias.x='!rm -rf /'`
        "git" => texts.extend(rest.iter().filter_map(|word| Some(word.text.split_once("=!")?.1.to_owned()))),
        _ => {}
    }
    if name == "alias" {
        texts.extend(rest.iter().filter_map(|word| Some(word.text.split_once('=')?.1.to_owned())));
    }
    if name == "env" {
        // `env -S 'rm -rf /'`, `env --split-string='rm -rf /'`
        texts.extend(rest.iter().filter_map(|word| Some(word.text.strip_prefix("-S")?.to_owned())));
        texts.extend(
            rest.iter().filter_map(|word| Some(word.text.strip_prefix("--split-string=")?.to_owned())),
        );
    }
    texts.retain(|text| !text.trim().is_empty());
    texts
}

/// What a command does to files, by what such commands usually do with their words: for commands that aren't understood.
pub(crate) fn likely_use(command: &Command, act: Act) -> Use {
    let paths = likely_paths(command);
    let name = command.words.first().map(base).unwrap_or_default();
    let recursive = command.words.iter().any(|word| is_short(word, 'R') || word.text == "--recursive");
    let whole = match (name.as_ref(), git_subcommand(&command.words)) {
        ("mv" | "cp" | "rsync" | "scp" | "install" | "tar" | "zip", _) => paths.clone(),
        ("chmod" | "chown" | "chgrp" | "chattr" | "setfacl", _) if recursive => paths.clone(),
        // Looking for files reads their names only.
        ("find", _) => paths.iter().filter(|(access, _)| *access == Access::Write).cloned().collect(),
        (_, Some("clean" | "rm" | "restore" | "checkout" | "stash" | "reset")) => {
            paths.iter().map(|(_, word)| (Access::Write, word.clone())).collect()
        }
        _ => Vec::new(),
    };
    Use { act, paths, whole, moved: None, directory: None }
}

fn likely_paths(command: &Command) -> Vec<(Access, Word)> {
    let Some(first) = command.words.first() else { return Vec::new() };
    let words = &command.words[1..];
    let ends = words.iter().position(|word| word.text == "--");
    let is_operand = |at: usize, word: &Word| ends.is_some_and(|end| at > end) || !word.text.starts_with('-');
    let operands: Vec<&Word> = words
        .iter()
        .enumerate()
        .filter(|(at, word)| Some(*at) != ends && is_operand(*at, word))
        .map(|(_, word)| word)
        .collect();
    let all = |access: Access, words: &[&Word]| {
        words.iter().map(|word| (access, (*word).clone())).collect::<Vec<_>>()
    };
    match (base(first).as_ref(), operands.split_last()) {
        ("rm" | "rmdir" | "unlink" | "shred" | "srm" | "trash", _) => all(Access::Delete, &operands),
        ("mv", Some((last, others))) => {
            [all(Access::Delete, others), all(Access::Read, others), all(Access::Write, &[*last])].concat()
        }
        ("cp" | "install" | "ln" | "rsync", Some((last, others))) => {
            [all(Access::Read, others), all(Access::Write, &[*last])].concat()
        }
        (
            "tee" | "touch" | "mkdir" | "truncate" | "chmod" | "chown" | "chgrp" | "chattr" | "setfacl"
            | "mkfifo",
            _,
        ) => {
            // The first word of some is a mode or an owner, which names no file of the workspace's.
            let skip = usize::from(["chmod", "chown", "chgrp", "chattr"].contains(&base(first).as_ref()));
            all(Access::Write, operands.get(skip..).unwrap_or_default())
        }
        ("sed" | "perl", _)
            if words.iter().any(|word| is_short(word, 'i') || word.text.starts_with("--in-place")) =>
        {
            all(Access::Write, operands.get(1..).unwrap_or_default())
        }
        ("sed", _) => {
            let script = operands.first().map(|word| word.text.as_str()).unwrap_or_default();
            let written = script.rsplit_once("w ").filter(|(_, file)| file.starts_with(['/', '~', '.']));
            let written = written.map(|(_, file)| (Access::Write, Word::literal(file.trim())));
            all(Access::Read, operands.get(1..).unwrap_or_default()).into_iter().chain(written).collect()
        }
        ("gzip" | "gunzip" | "bzip2" | "xz" | "zstd" | "script" | "mktemp", _) => {
            all(Access::Write, &operands)
        }
        ("split" | "csplit", Some((last, others))) if !others.is_empty() => {
            let prefix = after(words, &["-f", "--prefix"]);
            [all(Access::Read, others), all(Access::Write, &[*last]), prefix].concat()
        }
        ("patch", _) => {
            [all(Access::Write, &operands), after(words, &["-d", "--directory", "-o", "--output"])].concat()
        }
        ("tar" | "bsdtar" | "unzip" | "7z" | "cpio" | "wget" | "make", _) => {
            // A file is named by what is fetched, unless its name is given.
            let fetched = operands
                .iter()
                .filter(|_| base(first) == "wget" && !words.iter().any(|word| is_short(word, 'O')));
            let fetched =
                fetched.filter_map(|word| word.text.rsplit('/').next()).filter(|name| !name.is_empty());
            let fetched: Vec<_> = fetched.map(|name| (Access::Write, Word::literal(name))).collect();
            let named = words.iter().flat_map(named);
            named
                .chain(fetched)
                .chain(after(words, &["-C", "--directory", "-d", "-P", "--directory-prefix", "-D"]))
                .chain(outputs(words))
                .collect()
        }
        ("npm" | "pnpm" | "yarn", _) => {
            let named = words.iter().flat_map(named);
            named.chain(after(words, &["--prefix", "-C", "--cwd", "--dir"])).collect()
        }
        ("cargo", _) => words
            .iter()
            .flat_map(named)
            .chain(after(words, &["--root", "--target-dir"]))
            .chain(outputs(words))
            .collect(),
        ("git", _) => {
            let named = words.iter().flat_map(named);
            let directory = after(words, &["--work-tree", "--separate-git-dir"]);
            let sub = git_subcommand(&command.words).unwrap_or_default();
            let plain: Vec<&Word> =
                operands.iter().skip_while(|word| word.text != sub).skip(1).copied().collect();
            // Where the repository, the worktree or the bundle comes to be.
            let made: &[&Word] = match (sub, plain.as_slice()) {
                ("clone", [_, made, ..]) => &[*made],
                ("worktree" | "bundle", [verb, made, ..])
                    if ["add", "move", "remove", "create"].contains(&verb.text.as_str()) =>
                {
                    &[*made]
                }
                _ => &[],
            };
            let put_back = ["checkout", "restore", "reset", "clean", "stash"].contains(&sub);
            let start = after(words, &["-C"]).into_iter().filter(|_| put_back);
            named
                .chain(directory)
                .chain(all(Access::Write, made))
                .chain(start)
                .chain(outputs(words))
                .collect()
        }
        ("python" | "python3", _)
            if words.windows(2).any(|pair| pair[0].text == "-m" && pair[1].text == "venv") =>
        {
            all(Access::Write, operands.get(1..).unwrap_or_default())
        }
        ("dd", _) => words
            .iter()
            .filter_map(|word| match word.text.split_once('=')? {
                ("of", file) => Some((Access::Write, Word::literal(file))),
                ("if", file) => Some((Access::Read, Word::literal(file))),
                _ => None,
            })
            .collect(),
        ("find", _) if words.iter().any(|word| deletes(&word.text)) => {
            // Narrowed to some files, it leaves the directory itself in place.
            let narrowed = words.iter().any(|word| NARROWING.contains(&word.text.as_str()));
            let all = words.iter().any(|word| word.text == "-delete") && !narrowed;
            let access = if all { Access::Delete } else { Access::Write };
            let starts = words.iter().skip_while(|word| ["-H", "-L", "-P"].contains(&word.text.as_str()));
            starts.take_while(|word| !word.text.starts_with('-')).map(|word| (access, word.clone())).collect()
        }
        _ => words.iter().flat_map(named).chain(outputs(words)).collect(),
    }
}

/// What follows one of these options, or touches it, as a file that is written.
fn after(words: &[Word], options: &[&str]) -> Vec<(Access, Word)> {
    let next = words.windows(2).filter(|pair| options.contains(&pair[0].text.as_str()));
    let next = next.map(|pair| (Access::Write, pair[1].clone()));
    let attached = words.iter().filter_map(|word| {
        let value = options.iter().find_map(|option| {
            let rest = word.text.strip_prefix(option)?;
            if option.starts_with("--") {
                rest.strip_prefix('=')
            } else {
                Some(rest).filter(|rest| !rest.is_empty())
            }
        })?;
        Some((Access::Write, Word { text: value.to_owned(), ..word.clone() }))
    });
    next.chain(attached).collect()
}

/// What follows an option that names an output file in most programs.
fn outputs(words: &[Word]) -> Vec<(Access, Word)> {
    const OPTIONS: &[&str] = &[
        "-o",
        "-O",
        "--output",
        "--out",
        "--output-document",
        "--output-dir",
        "-fprint",
        "-fls",
        "-fprint0",
        "-fprintf",
    ];
    let after = words.windows(2).filter(|pair| OPTIONS.contains(&pair[0].text.as_str()));
    let after = after.map(|pair| (Access::Write, pair[1].clone()));
    let attached = words.iter().filter_map(|word| {
        let (option, value) = word.text.split_once('=')?;
        OPTIONS.contains(&option).then(|| (Access::Write, Word { text: value.to_owned(), ..word.clone() }))
    });
    after.chain(attached).collect()
}

fn deletes(word: &str) -> bool {
    matches!(word, "-delete" | "rm" | "/bin/rm" | "/usr/bin/rm" | "shred" | "unlink")
}

/// The files a word may name: the word itself, or what follows its `=`.
fn named(word: &Word) -> Vec<(Access, Word)> {
    let text = word.text.as_str();
    if text.len() > 512 || text.contains('\n') || (text.contains(' ') && !text.starts_with(['/', '~', '.'])) {
        return Vec::new();
    }
    let mut names = Vec::new();
    if !text.starts_with('-') {
        names.push((Access::Read, word.clone()));
    }
    // `--file=x`, `-fx`, `@x` as curl has it.
    let value = text.split_once('=').map(|(_, value)| value);
    let attached =
        text.strip_prefix('-').filter(|rest| !rest.starts_with('-')).and_then(|rest| rest.get(1..));
    for part in [value, attached, text.split_once('@').map(|(_, file)| file)].into_iter().flatten() {
        if !part.is_empty() {
            names.push((
                Access::Read,
                Word {
                    text: part.to_owned(),
                    tilde: part.starts_with("~/"),
                    // `$HOME` in the middle of a word.
                    known: word.known || (part.starts_with("~/") && !word.splits),
                    ..word.clone()
                },
            ));
        }
    }
    names
}

fn is_short(word: &Word, letter: char) -> bool {
    word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains(letter)
}
