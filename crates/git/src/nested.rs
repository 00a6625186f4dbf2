//! Repositories inside a worktree. Git enters them by itself to look for changes, with their own configuration, which
//! whoever wrote the files may have written too: so our git is never let in, and is started inside only after their
//! configuration has been read without being followed.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::command::{Call, Git, records, to_path};
use crate::site::read_small;
use crate::{Error, Result};

/// How deep repositories in repositories are followed.
const MAX_DEPTH: usize = 8;

/// Keys of `core` that start nothing.
const PLAIN_CORE: &[&str] = &[
    "core.abbrev",
    "core.autocrlf",
    "core.bare",
    "core.eol",
    "core.filemode",
    "core.ignorecase",
    "core.logallrefupdates",
    "core.precomposeunicode",
    "core.protecthfs",
    "core.protectntfs",
    "core.quotepath",
    "core.repositoryformatversion",
    "core.safecrlf",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
    "core.symlinks",
    // Overruled by the worktree that every call names.
    "core.worktree",
];

/// Keys of a remote that start nothing. Others name programs, or make git fetch what is missing.
const PLAIN_REMOTE: &[&str] =
    &["fetch", "prune", "prunetags", "pushurl", "skipdefaultupdate", "tagopt", "url"];

/// Stages every file and every removal like `git add --all`, but without git's looking into checked-out submodules:
/// of those it takes the commit alone.
pub(crate) fn stage_everything<'a>(
    git: impl Fn(&str) -> Call<'a>,
    tree: &Path,
    left_out: &[PathBuf],
) -> Result<()> {
    let links: Vec<PathBuf> =
        gitlinks(git("ls-files"))?.into_iter().filter(|link| is_checked_out(tree, link)).collect();
    let mut paths = b":/\0".to_vec();
    for path in links.iter().chain(left_out) {
        paths.extend_from_slice(b":(top,exclude,literal)");
        paths.extend_from_slice(path.as_os_str().as_bytes());
        paths.push(0);
    }
    git("add")
        .args(["--all", "--sparse", "--pathspec-from-file=-", "--pathspec-file-nul"])
        .input(paths)
        .bytes()?;
    if links.is_empty() {
        return Ok(());
    }
    let mut paths = Vec::new();
    for link in &links {
        paths.extend_from_slice(link.as_os_str().as_bytes());
        paths.push(0);
    }
    git("update-index").args(["--add", "--remove", "-z", "--stdin"]).input(paths).bytes()?;
    Ok(())
}

/// Lists the index's submodules; `ls_files` is that command, still without arguments.
pub(crate) fn gitlinks(ls_files: Call<'_>) -> Result<Vec<PathBuf>> {
    let listed = ls_files.args(["--stage", "-z"]).bytes()?;
    let mut links = Vec::new();
    for entry in records(&listed).filter(|entry| entry.starts_with(b"160000 ")) {
        if let Some(at) = entry.iter().position(|byte| *byte == b'\t') {
            links.push(to_path(&entry[at + 1..]));
        }
    }
    links.dedup();
    Ok(links)
}

/// Whether there is a repository at the path, and not just by way of a symlink: git takes that for a removal.
fn is_checked_out(tree: &Path, link: &Path) -> bool {
    let plain = link
        .ancestors()
        .filter(|part| !part.as_os_str().is_empty())
        .all(|part| fs::symlink_metadata(tree.join(part)).is_ok_and(|meta| meta.is_dir()));
    plain && fs::symlink_metadata(tree.join(link).join(".git")).is_ok()
}

/// Whether the repository in `dir` is clean, all its commits are known to a remote, and the same holds for those inside
/// it. One that would run programs of its own when looked at, or that can't be read, isn't.
pub(crate) fn is_published(git: &Git, dir: &Path) -> Result<bool> {
    is_published_below(git, dir, 0)
}

fn is_published_below(git: &Git, dir: &Path, depth: usize) -> Result<bool> {
    if depth > MAX_DEPTH {
        return Ok(false);
    }
    let Some(git_dir) = plain_git_dir(git, dir)? else {
        tracing::warn!(
            ?dir,
            "a repository inside has a configuration that isn't trusted, so it isn't looked at"
        );
        return Ok(false);
    };
    let inside = |subcommand: &str| {
        git.read(dir, subcommand)
            .env("GIT_DIR", &git_dir)
            .env("GIT_WORK_TREE", dir)
            .env("GIT_NO_LAZY_FETCH", "1")
    };
    let changes = inside("status")
        .args(["--porcelain", "-z", "--untracked-files=normal", "--ignore-submodules=dirty"])
        .output()?;
    let commits =
        inside("rev-list").args(["--max-count=1", "HEAD", "--branches", "--not", "--remotes"]).output()?;
    let silent = [&changes, &commits].iter().all(|out| out.code == 0 && out.stdout.is_empty());
    if !silent {
        return Ok(false);
    }
    for link in gitlinks(inside("ls-files"))? {
        let deeper = dir.join(link);
        if fs::symlink_metadata(deeper.join(".git")).is_ok() && !is_published_below(git, &deeper, depth + 1)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the git directory of the repository in `dir`, if nothing in its configuration starts a program.
fn plain_git_dir(git: &Git, dir: &Path) -> Result<Option<PathBuf>> {
    let link = dir.join(".git");
    let Ok(meta) = fs::symlink_metadata(&link) else { return Ok(None) };
    let git_dir = if meta.is_dir() {
        link
    } else {
        let Some(text) = read_small(&link) else { return Ok(None) };
        let Some(target) = text.strip_prefix(b"gitdir: ") else { return Ok(None) };
        dir.join(to_path(target.strip_suffix(b"\n").unwrap_or(target)))
    };
    let Ok(git_dir) = fs::canonicalize(git_dir) else { return Ok(None) };
    // A worktree of yet another repository: the configuration would be that one's.
    if fs::symlink_metadata(git_dir.join("commondir")).is_ok() {
        return Ok(None);
    }
    for file in ["config", "config.worktree"] {
        let file = git_dir.join(file);
        if fs::symlink_metadata(&file).is_ok() && !starts_nothing(git, &file)? {
            return Ok(None);
        }
    }
    Ok(Some(git_dir))
}

/// Refuses a worktree's own configuration if it can start a program and the main worktree's doesn't say the same, which
/// git copies when it makes a worktree: whoever works in the worktree may have written it.
pub(crate) fn require_plain_worktree_config(git: &Git, common_dir: &Path, admin_dir: &Path) -> Result<()> {
    let file = admin_dir.join("config.worktree");
    if fs::symlink_metadata(&file).is_err() {
        return Ok(());
    }
    let copied = settings_in(git, &common_dir.join("config.worktree"))?.unwrap_or_default();
    let copied: Vec<&[u8]> = records(&copied).collect();
    let own = settings_in(git, &file)?;
    let plain = own.is_some_and(|own| {
        records(&own).all(|setting| {
            let key = setting.split(|byte| *byte == b'\n').next().unwrap_or_default();
            is_plain(key) || copied.contains(&setting)
        })
    });
    if plain {
        return Ok(());
    }
    let reason = "its settings can start a program; look at it and take out what isn't yours";
    Err(Error::UnusablePath { path: file, reason })
}

fn starts_nothing(git: &Git, config: &Path) -> Result<bool> {
    let listed = settings_in(git, config)?;
    Ok(listed.is_some_and(|listed| {
        records(&listed)
            .all(|setting| is_plain(setting.split(|byte| *byte == b'\n').next().unwrap_or_default()))
    }))
}

/// Lists a configuration file's settings without following what it includes: `key LF value NUL`, a key alone without
/// LF. `None` if it can't be read.
fn settings_in(git: &Git, config: &Path) -> Result<Option<Vec<u8>>> {
    // Read here, so that a pipe, a link to a device or a huge file keeps nobody waiting.
    let Some(text) = read_small(config) else { return Ok(None) };
    let listed = git
        .read(Path::new("/"), "config")
        .anywhere()
        .args(["--no-includes", "--null", "--list", "--file", "-"])
        .input(text)
        .output()?;
    Ok((listed.code == 0).then_some(listed.stdout))
}

/// Whether a configuration key is known to start no program and to read no other file. Git writes the section and the
/// last part in lower case.
fn is_plain(key: &[u8]) -> bool {
    let Ok(key) = std::str::from_utf8(key) else { return false };
    let last = key.rsplit('.').next().unwrap_or_default();
    match key.split('.').next().unwrap_or_default() {
        "core" => PLAIN_CORE.contains(&key),
        "remote" => PLAIN_REMOTE.contains(&last),
        "branch" | "user" | "advice" | "color" | "index" => true,
        "submodule" => matches!(last, "active" | "url" | "branch" | "ignore"),
        "extensions" => matches!(last, "objectformat" | "refstorage" | "worktreeconfig"),
        _ => false,
    }
}
