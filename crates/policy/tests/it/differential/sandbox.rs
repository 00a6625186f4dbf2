//! A throw-away root for commands: no network, nothing of this machine, and every program a stand-in.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsString,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use missiond_policy::Links;
use tempfile::TempDir;

use crate::support::WORKSPACE;

/// What has to be real, since it runs other programs or feeds them.
const REAL: &[&str] = &[
    "basename", "bash", "cat", "dash", "dirname", "echo", "env", "find", "nice", "nohup", "printf", "seq",
    "setsid", "stdbuf", "tee", "timeout", "true", "unshare", "xargs",
];

/// `mktemp` that doesn't draw a name, so that what is done with it can be told.
const MKTEMP: &str = r#"#!/bin/dash
name=/tmp/tmp.XXXXXXXXXX
for word; do case $word in *XXX*) name=$word ;; esac; done
echo "$name"
"#;

/// The driver's own programs. The last one is the mark between two commands.
const DRIVERS: &[&str] = &["rm", "mkdir", "cp"];

/// What prepares and watches, from outside.
const NEEDED: &[&str] = &["chroot", "ldd", "mount", "strace"];

/// Plain files of the workspace.
const FILES: &[&str] = &[
    "a.txt",
    "b.txt",
    "Cargo.toml",
    "README.md",
    "package.json",
    "src/main.rs",
    "src/lib.rs",
    "src/cart.rs",
    "docs/a.md",
    "scripts/test.sh",
    "tests/it.rs",
];

/// Runs each file of `/commands` in a fresh workspace and in a namespace of its own, so that nothing that it writes or
/// leaves running reaches the next.
const DRIVER: &str = r#"
for file in /commands/*; do
    cd / && /real/rm -rf /home/dev/work /tmp && /real/mkdir /tmp && /real/cp -a /work /home/dev && cd /home/dev/work/shop-7 || exit 1
    unshare --pid --fork --kill-child=KILL timeout -s KILL 5 bash -c "$(<"$file")" < /dev/null > /dev/null 2>&1
done
exit 0
"#;

/// What the commands don't share with this machine.
const APART: &[&str] =
    &["--user", "--map-root-user", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--"];

/// Makes a root in memory from the one that is prepared, and starts the driver in it.
const SETUP: &str = r#"
set -e
mount -t tmpfs -o size=64m tmpfs "$1/root"
cp -a "$1/prepared/." "$1/root"
mount --bind /dev/null "$1/root/dev/null"
mount -t proc -o ro proc "$1/root/proc" 2> /dev/null || mount --rbind -o ro /proc "$1/root/proc"
exec strace --quiet=all --follow-forks --seccomp-bpf --trace=execve,chdir --abbrev=none --strings-in-hex=all \
    --string-limit=65536 --output="$1/trace" \
    chroot "$1/root" /bin/env -i PATH=/bin HOME=/home/dev /bin/bash /driver
"#;

/// A program that ran.
#[derive(Debug)]
pub struct Ran {
    pub program: String,
    pub words: Vec<String>,
    /// The last directory that something in this command changed to.
    pub directory: String,
}

/// A prepared root, and the commands that are to run in it.
#[derive(Debug)]
pub struct Sandbox {
    directory: TempDir,
    count: usize,
}

impl Sandbox {
    /// Prepares the root. The error says what is missing on this machine.
    pub fn new(commands: &[&str]) -> Result<Self, String> {
        let missing = |name: &&&str| which(name).is_none();
        if let Some(name) = NEEDED.iter().chain(REAL).chain(DRIVERS).find(missing) {
            return Err(format!("there is no program `{name}` on PATH"));
        }
        namespaces()?;
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let prepared = directory.path().join("prepared");
        let work = prepared.join("work");
        for name in ["bin", "real", "commands", "dev", "home/dev", "proc", "tmp", "work/shop"] {
            fs::create_dir_all(prepared.join(name)).unwrap();
        }
        for file in FILES {
            let path = work.join("shop-7").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "# text\n").unwrap();
        }
        let all = REAL.iter().map(|name| ("bin", name)).chain(DRIVERS.iter().map(|name| ("real", name)));
        for (place, name) in all {
            let found = which(name).unwrap();
            fs::copy(&found, prepared.join(place).join(name)).unwrap();
            for library in libraries(&found)? {
                let copy = below(&prepared, &library);
                fs::create_dir_all(copy.parent().unwrap()).unwrap();
                fs::copy(&library, copy).unwrap();
            }
        }
        symlink("dash", prepared.join("bin/sh")).unwrap();
        symlink("/proc/self/fd", prepared.join("dev/fd")).unwrap();
        fs::write(prepared.join("dev/null"), "").unwrap();
        fs::write(prepared.join("driver"), DRIVER).unwrap();
        let mktemp = prepared.join("bin/mktemp");
        fs::write(&mktemp, MKTEMP).unwrap();
        fs::set_permissions(&mktemp, fs::Permissions::from_mode(0o755)).unwrap();
        for name in stand_ins(commands) {
            if name == "mktemp" {
                continue;
            }
            symlink("true", prepared.join("bin").join(name)).unwrap();
        }
        for (index, command) in commands.iter().enumerate() {
            fs::write(prepared.join(format!("commands/{index:05}")), command).unwrap();
        }
        fs::create_dir(directory.path().join("root")).unwrap();
        Ok(Self { directory, count: commands.len() })
    }

    /// Runs all commands. What ran comes in the order of the commands.
    pub fn run(&self) -> Result<Vec<Vec<Ran>>, String> {
        let output = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--net",
                "--ipc",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .args(["bash", "-c", SETUP, "setup"])
            .arg(self.directory.path())
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the commands could not be run ({}): {told}", output.status));
        }
        let trace = fs::read_to_string(self.directory.path().join("trace")).unwrap();
        let ran = sorted(&trace);
        if ran.len() != self.count {
            return Err(format!("{} of {} commands ran", ran.len(), self.count));
        }
        Ok(ran)
    }
}

/// The file system as the commands find it.
impl Links for Sandbox {
    fn target(&self, path: &Path) -> Option<PathBuf> {
        fs::read_link(self.real(path)).ok()
    }

    fn exists(&self, path: &Path) -> bool {
        fs::symlink_metadata(self.real(path)).is_ok()
    }

    fn names(&self, directory: &Path, limit: usize) -> Option<Vec<OsString>> {
        let entries = fs::read_dir(self.real(directory)).ok()?;
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        (names.len() <= limit).then_some(names)
    }

    fn is_file(&self, path: &Path) -> bool {
        fs::symlink_metadata(self.real(path)).is_ok_and(|found| found.is_file())
    }

    fn is_directory(&self, path: &Path) -> bool {
        fs::symlink_metadata(self.real(path)).is_ok_and(|found| found.is_dir())
    }
}

impl Sandbox {
    fn real(&self, path: &Path) -> PathBuf {
        let path = path.to_str().unwrap_or_default();
        let path = path.strip_prefix("/home/dev/").filter(|path| path.starts_with("work")).unwrap_or(path);
        below(&self.directory.path().join("prepared"), path)
    }
}

fn below(root: &Path, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Whether a process here may have namespaces of its own and be watched in them.
fn namespaces() -> Result<(), String> {
    let tried = Command::new("unshare").args(APART).args(["strace", "--output=/dev/null", "true"]).output();
    let output = tried.map_err(|error| format!("`unshare` could not be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "no namespaces, or no strace in them ({}): {}; user namespaces may be switched off here (sysctl \
         kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)",
        output.status,
        told.trim()
    ))
}

fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// The libraries that a program is linked with.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("ldd").arg(program).output().map_err(|error| format!("ldd: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found: Vec<PathBuf> =
        text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect();
    if program.ends_with("stdbuf") {
        // It is preloaded into what stdbuf runs.
        let preloaded = ["/usr/libexec/coreutils/libstdbuf.so", "/usr/lib/coreutils/libstdbuf.so"];
        found.extend(preloaded.into_iter().map(PathBuf::from).filter(|path| path.exists()));
    }
    Ok(found)
}

/// Everything in the commands that could be the name of a program.
fn stand_ins<'a>(commands: &[&'a str]) -> BTreeSet<&'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let words = commands.iter().flat_map(|command| command.split(|c: char| !is_part(c)));
    let names = words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()) && word.len() < 40);
    names.filter(|word| !REAL.contains(word) && *word != "sh").collect()
}

/// Sorts what the trace saw by the marks between the commands.
fn sorted(trace: &str) -> Vec<Vec<Ran>> {
    let mut all: Vec<Vec<Ran>> = Vec::new();
    let mut unfinished = HashMap::new();
    let mut directory = WORKSPACE.to_owned();
    for line in trace.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let whole = if let Some(start) = call.strip_suffix(" <unfinished ...>") {
            unfinished.insert(process, start);
            continue;
        } else if let Some((_, end)) = call.split_once(" resumed>") {
            let Some(start) = unfinished.remove(process) else { continue };
            format!("{start}{end}")
        } else {
            call.to_owned()
        };
        if !whole.ends_with(" = 0") {
            continue;
        }
        if let Some(arguments) = whole.strip_prefix("chdir(") {
            let changed = strings(arguments).pop().unwrap_or_default();
            directory = Path::new(&directory).join(changed).to_string_lossy().into_owned();
            continue;
        }
        let Some((program, rest)) = whole.strip_prefix("execve(").and_then(|text| text.split_once(", ["))
        else {
            continue;
        };
        let words = strings(rest.split_once(']').map_or(rest, |(words, _)| words));
        let program = strings(program).pop().unwrap_or_default();
        if program == "/real/cp" {
            all.push(Vec::new());
        } else if program.starts_with("/real/") || program == "/bin/time" {
            // The driver's own; and what is a word of the language for bash alone.
            continue;
        } else if let Some(last) = all.last_mut() {
            last.push(Ran { program, words, directory: directory.clone() });
        }
    }
    // The first three are the driver's own: unshare, timeout and the shell that runs the command.
    for ran in &mut all {
        ran.drain(..ran.len().min(3));
    }
    all
}

/// The strings in a piece of the trace, each written as `"\x6c\x73"`.
fn strings(text: &str) -> Vec<String> {
    let quoted = text.split('"').skip(1).step_by(2);
    quoted
        .map(|hex| {
            let bytes = hex.split("\\x").skip(1).filter_map(|byte| u8::from_str_radix(byte, 16).ok());
            String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
        })
        .collect()
}
