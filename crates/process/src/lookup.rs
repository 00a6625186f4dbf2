//! Finding a program without a shell.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::error::SpawnError;
use crate::spec::SpawnSpec;

/// Finds the file to execute.
///
/// Relative and empty entries of `PATH` are left out: they would mean the working directory, which is an agent's to
/// write to.
pub(crate) fn find(spec: &SpawnSpec) -> Result<PathBuf, SpawnError> {
    let program = spec.program.as_path();
    if program.as_os_str().is_empty() {
        return Err(SpawnError::InvalidSpec {
            program: program.to_owned(),
            reason: "the program's name is empty",
        });
    }
    if program.as_os_str().as_bytes().contains(&b'/') {
        // The program is executed after the change of directory, so the path must not depend on it.
        let path = std::path::absolute(spec.cwd.join(program)).unwrap_or_else(|_| spec.cwd.join(program));
        return match check(&path) {
            Ok(()) => Ok(path),
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                Err(SpawnError::PermissionDenied { program: path, source })
            }
            Err(_) => Err(SpawnError::NotFound { program: program.to_owned(), searched: vec![path] }),
        };
    }
    let searched = search_path(spec);
    let mut denied = None;
    for directory in &searched {
        let path = directory.join(program);
        match check(&path) {
            Ok(()) => return Ok(path),
            // A directory that may not be searched proves nothing about the program; a file that may not be executed does.
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied && path.exists() => {
                denied.get_or_insert((path, source));
            }
            Err(_) => {}
        }
    }
    Err(match denied {
        Some((program, source)) => SpawnError::PermissionDenied { program, source },
        None => SpawnError::NotFound { program: program.to_owned(), searched },
    })
}

fn search_path(spec: &SpawnSpec) -> Vec<PathBuf> {
    let path =
        spec.env.get("PATH").map(OsStr::to_owned).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    std::env::split_paths(&path).filter(|directory| directory.is_absolute()).collect()
}

/// Whether the file is there and may be executed by the effective user.
fn check(path: &Path) -> io::Result<()> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(rustix::fs::accessat(rustix::fs::CWD, path, Access::EXEC_OK, rustix::fs::AtFlags::EACCESS)?)
}
