//! A socket file that goes when its server goes.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::UnixListener;

use super::BindError;
use crate::control::lock::OwnerLock;
use crate::control::paths::identity;

/// Unlinks its socket when dropped. Holds the project's lock that long, so that it never unlinks the next owner's.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    _lock: Arc<OwnerLock>,
}

impl SocketFile {
    /// Listens on `path`. The file of a dead owner is replaced: that it is dead follows from our lock.
    pub(super) fn bind(path: PathBuf, lock: Arc<OwnerLock>) -> Result<(Self, UnixListener), BindError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(BindError::NoRuntime { path });
        }
        lock.paths().prepare()?;
        remove_stale(&path)?;
        let fail = |source| BindError::Io { path: path.clone(), source };
        let listener = StdListener::bind(&path).map_err(fail)?;
        let identity = identity(&fs::symlink_metadata(&path).map_err(fail)?);
        let file = Self { path: path.clone(), identity, _lock: lock };
        // The directory keeps others out already; this is for whoever loosens it by hand.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        Ok((file, UnixListener::from_std(listener).map_err(fail)?))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|there| identity(&there) == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the socket was not removed");
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let fail = |source| BindError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(fail(source)),
        Ok(there) if !there.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    // Somebody who deleted the lock file can have let two owners in; then the first one still answers here.
    match StdStream::connect(path) {
        Ok(_) => Err(BindError::InUse { path: path.to_owned() }),
        Err(_) => fs::remove_file(path).map_err(fail),
    }
}
