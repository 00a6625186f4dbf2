use std::{
    ffi::OsString,
    fmt, fs,
    path::{Component, Path, PathBuf},
};

use super::{MAX_PATH_BYTES, place::PathError};

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;

/// What a path judge needs to know of the file system. The judge itself does no other input or output.
pub trait Links: fmt::Debug {
    /// Where the symbolic link leads, as it is written in the link; `None` for everything that isn't a link,
    /// doesn't exist or can't be looked at. The path is absolute and its parent holds no link.
    fn target(&self, path: &Path) -> Option<PathBuf>;

    /// Whether there may be symbolic links at all. A file system that can't tell says yes.
    fn has_links(&self) -> bool {
        true
    }

    /// Whether anything of this name is there, a link that leads nowhere included. A file system that can't tell
    /// says no, and git's search for a repository isn't followed then.
    fn exists(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// The names in the directory; `None` where it is none, can't be looked at, or holds more than `limit`. A file
    /// system that can't tell says `None`, and wildcards are asked about then. The path is absolute and holds no link.
    fn names(&self, directory: &Path, limit: usize) -> Option<Vec<OsString>> {
        let _ = (directory, limit);
        None
    }

    /// Whether it is certain that nothing of this name is there. A file system that can't tell says no.
    fn is_absent(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// Whether a regular file is there: no link, no directory. A file system that can't tell says no.
    fn is_file(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// Whether a directory is there, and no link to one. A file system that can't tell says no.
    fn is_directory(&self, path: &Path) -> bool {
        let _ = path;
        false
    }
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Links for Disk {
    fn target(&self, path: &Path) -> Option<PathBuf> {
        fs::read_link(path).ok()
    }

    fn exists(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok()
    }

    fn names(&self, directory: &Path, limit: usize) -> Option<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).ok()? {
            // A name that can't be read may be any name.
            names.push(entry.ok()?.file_name());
            if names.len() > limit {
                return None;
            }
        }
        Some(names)
    }

    fn is_absent(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    }

    fn is_file(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
    }

    fn is_directory(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
    }
}

/// A file system without symbolic links: paths are judged as they are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLinks;

impl Links for NoLinks {
    fn target(&self, _: &Path) -> Option<PathBuf> {
        None
    }

    fn has_links(&self) -> bool {
        false
    }
}

/// The path as the kernel would walk it: links followed where they stand, `..` relative to where they led.
pub(super) fn walked(path: &Path, links: &dyn Links) -> Result<PathBuf, PathError> {
    if !links.has_links() {
        return Ok(spelled(path));
    }
    let mut done = PathBuf::with_capacity(path.as_os_str().len() + 1);
    done.push("/");
    let mut todo: Vec<OsString> = Vec::new();
    push_components(&mut todo, path);
    let mut followed = 0;
    while let Some(name) = todo.pop() {
        if name == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&name);
        let Some(target) = links.target(&next) else {
            done = next;
            continue;
        };
        followed += 1;
        if followed > MAX_LINKS {
            return Err(PathError::Loop);
        }
        if target.as_os_str().len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        if target.is_absolute() {
            done = PathBuf::from("/");
        }
        push_components(&mut todo, &target);
    }
    Ok(done)
}

/// The path with `.` and `..` taken out by spelling alone.
pub(crate) fn spelled(path: &Path) -> PathBuf {
    let mut done = PathBuf::with_capacity(path.as_os_str().len() + 1);
    done.push("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                done.pop();
            }
            Component::Normal(name) => done.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    done
}

fn push_components(todo: &mut Vec<OsString>, path: &Path) {
    let at = todo.len();
    todo.extend(path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    }));
    todo[at..].reverse();
}
