//! Where a git command works. Git finds its directory by the `.git` file of a worktree, its common directory by a file in
//! that, and both may be written by whoever works in the worktree: so every command is told, and the files are checked.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::{Error, Result};

/// The largest file with a path that is read.
const MAX_LINK: u64 = 64 << 10;
/// The largest file that git may read on its way to a worktree.
const MAX_FILE: u64 = 1 << 20;
/// What of an administrative directory every command reads or writes.
const ALWAYS_USED: &[&str] = &["HEAD", "index", "logs/HEAD"];
/// Why something is refused where a file is expected.
pub(crate) const NO_FILE: &str =
    "it isn't a file of the size git writes, so reading it might not end; look at it and delete it";

/// The repository that every command is kept to.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) root: PathBuf,
    pub(crate) common_dir: PathBuf,
}

impl Home {
    /// Returns the variables that lead git to this repository from `dir`: its root, its git directory, a linked
    /// worktree or the administrative directory of one.
    pub(crate) fn variables(&self, dir: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
        let admin_dirs = self.common_dir.join("worktrees");
        let (git_dir, tree) = if dir == self.root || dir == self.common_dir {
            (self.common_dir.clone(), Some(self.root.clone()))
        } else if dir.parent() == Some(admin_dirs.as_path()) {
            (dir.to_owned(), None)
        } else {
            let git_dir = linked_to(dir)
                .filter(|git_dir| git_dir.parent() == Some(admin_dirs.as_path()) && leads_back(git_dir, dir));
            let Some(git_dir) = git_dir else {
                return Err(Error::Redirected { path: dir.to_owned(), root: self.root.clone() });
            };
            (git_dir, Some(dir.to_owned()))
        };
        if git_dir != self.common_dir {
            self.require_common_dir(&git_dir)?;
            require_files(&git_dir, ALWAYS_USED)?;
        }
        let mut variables = vec![("GIT_DIR", git_dir), ("GIT_COMMON_DIR", self.common_dir.clone())];
        variables.extend(tree.map(|tree| ("GIT_WORK_TREE", tree)));
        Ok(variables)
    }

    /// Refuses an administrative directory that names another common directory. The variable isn't enough: git looks
    /// for refs where the file says.
    fn require_common_dir(&self, admin_dir: &Path) -> Result<()> {
        let file = admin_dir.join("commondir");
        let named = read_small(&file).and_then(|text| {
            let text = text.strip_suffix(b"\n").unwrap_or(&text).to_owned();
            fs::canonicalize(admin_dir.join(OsString::from_vec(text))).ok()
        });
        if named.as_ref() == Some(&self.common_dir) {
            return Ok(());
        }
        let reason =
            "it doesn't lead to the repository; write `../..` into it, which is what git writes there";
        Err(Error::UnusablePath { path: file, reason })
    }
}

/// Whether the directory's `.git` file points to `admin_dir`, whose id is unique: then the directory is ours.
pub(crate) fn belongs_to(dir: &Path, admin_dir: &Path) -> bool {
    linked_to(dir).is_some_and(|target| target == admin_dir)
}

/// Returns what the directory's `.git` file points to.
pub(crate) fn linked_to(dir: &Path) -> Option<PathBuf> {
    let text = read_small(&dir.join(".git"))?;
    let target = text.strip_prefix(b"gitdir: ")?;
    // Relative with `worktree.useRelativePaths`.
    let target = dir.join(OsString::from_vec(target.strip_suffix(b"\n").unwrap_or(target).to_owned()));
    Some(fs::canonicalize(&target).unwrap_or(target))
}

/// Whether the administrative directory is that of the worktree `dir`.
pub(crate) fn leads_back(admin_dir: &Path, dir: &Path) -> bool {
    tree_of(admin_dir).is_some_and(|tree| fs::canonicalize(dir).is_ok_and(|dir| dir == tree))
}

/// Returns the worktree that an administrative directory names, if it is there.
pub(crate) fn tree_of(admin_dir: &Path) -> Option<PathBuf> {
    let text = read_small(&admin_dir.join("gitdir"))?;
    let link = admin_dir.join(OsString::from_vec(text.strip_suffix(b"\n").unwrap_or(&text).to_owned()));
    let tree = link.parent().filter(|_| link.file_name().is_some_and(|name| name == ".git"))?;
    fs::canonicalize(tree).ok()
}

/// Reads a regular file of at most 64 KiB.
pub(crate) fn read_small(path: &Path) -> Option<Vec<u8>> {
    let (file, _) = open_regular(path).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_LINK + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MAX_LINK).then_some(bytes)
}

/// Opens a regular file, and nothing else: a pipe would keep the opener waiting, a device the reader.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta)) } else { Err(ErrorKind::InvalidInput.into()) }
}

/// Refuses an administrative directory with something else than files where git reads files.
pub(crate) fn require_files(admin_dir: &Path, names: &[&str]) -> Result<()> {
    for name in names {
        let path = admin_dir.join(name);
        // A link to a file is one to git, and HEAD may be a link to a ref, which isn't there.
        let fine = match fs::metadata(&path) {
            Ok(meta) => meta.is_file() && (*name == "index" || meta.len() <= MAX_FILE),
            Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        };
        if !fine {
            return Err(Error::UnusablePath { path, reason: NO_FILE });
        }
    }
    Ok(())
}
