//! The private directory of the sockets: whoever holds the owner's lock makes it, and takes it away again.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;

use crate::control::paths::{CONTROL, PathsError, ProjectPaths};
use crate::control::private;

impl ProjectPaths {
    /// Checks, without making anything, that the directory of the sockets is private; `false` when it is not there.
    ///
    /// # Errors
    ///
    /// [`PathsError`] as for [`ProjectPaths::prepare`].
    pub fn check_runtime_dir(&self) -> Result<bool, PathsError> {
        for directory in &self.runtime {
            match private::check(directory) {
                Ok(()) => {}
                Err(PathsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Makes the directory, for whoever holds the owner's lock: an owner that is just ending removes it.
    pub(super) fn prepare_runtime(&self) -> Result<(), PathsError> {
        for directory in &self.runtime {
            private::make(directory)?;
        }
        self.claim()
    }

    /// Removes the directory with what owners leave in it, for whoever holds the owner's lock. What somebody else put
    /// there stays, and then the directory does.
    pub(super) fn remove_runtime(&self) -> io::Result<()> {
        let directory = self.runtime_dir();
        if !self.check_runtime_dir().is_ok_and(|there| there) || !self.is_claimed() {
            return Ok(());
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ours = name == CONTROL || (name.starts_with("gate-") && name.ends_with(".sock"));
            // Those that servers of ours bound are gone; this is what an owner left that was killed.
            if ours && entry.file_type()?.is_socket() {
                fs::remove_file(entry.path())?;
            }
        }
        fs::remove_file(self.claim_file())?;
        match fs::remove_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            done => done,
        }
    }

    /// Notes whose directory this is: two roots with one hash must not share their sockets, and a person who looks into
    /// the directory wants to know.
    fn claim(&self) -> Result<(), PathsError> {
        let path = self.claim_file();
        match fs::read(&path) {
            Ok(claimed) if claimed == self.root().as_os_str().as_bytes() => Ok(()),
            Ok(claimed) => Err(PathsError::Claimed {
                path: self.runtime_dir().to_owned(),
                by: crate::text::escape_line(&String::from_utf8_lossy(&claimed[..claimed.len().min(4096)])),
            }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                private::write(&path, self.root().as_os_str().as_bytes())
            }
            Err(source) => Err(PathsError::Io { path, source }),
        }
    }

    fn is_claimed(&self) -> bool {
        fs::read(self.claim_file()).is_ok_and(|claimed| claimed == self.root().as_os_str().as_bytes())
    }

    fn claim_file(&self) -> PathBuf {
        self.runtime_dir().join("project")
    }
}
