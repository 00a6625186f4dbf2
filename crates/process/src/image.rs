//! What `execve` takes, made before the fork.

use std::ffi::{CString, NulError, OsStr, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::spec::SpawnSpec;
use crate::tag::TAG_VARIABLE;

/// A program's file, arguments and environment.
pub(crate) struct Image {
    file: CString,
    args: Strings,
    env: Strings,
}

impl Image {
    pub(crate) fn new(spec: &SpawnSpec, file: &Path) -> Result<Self, NulError> {
        let tag = spec.tag.as_ref().map(|tag| (OsStr::new(TAG_VARIABLE), OsStr::new(tag.as_str())));
        let untagged = spec.env.iter().filter(|(name, _)| tag.is_none() || *name != TAG_VARIABLE);
        let variables =
            untagged.chain(tag).map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        let name = spec.program.as_os_str();
        let args = std::iter::once(name).chain(spec.args.iter().map(AsRef::as_ref));
        Ok(Self {
            file: CString::new(file.as_os_str().as_bytes())?,
            args: Strings::new(args.map(|arg| arg.as_bytes().to_vec()))?,
            env: Strings::new(variables)?,
        })
    }

    /// Replaces this process's program; returns only if that fails.
    ///
    /// Not `execvp`, which hands a file that is no program to `/bin/sh`.
    pub(crate) fn execute(&self) -> io::Error {
        // SAFETY: the file is a C string, and both arrays are arrays of C strings that end with a null pointer.
        unsafe { libc::execve(self.file.as_ptr(), self.args.pointers.as_ptr(), self.env.pointers.as_ptr()) };
        io::Error::last_os_error()
    }
}

/// An array of C strings as C sees it.
struct Strings {
    /// Owns what `pointers` points to.
    _owned: Vec<CString>,
    /// Ends with a null pointer.
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point into heap memory that `_owned` owns and nobody changes.
unsafe impl Send for Strings {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Strings {}

impl Strings {
    fn new(strings: impl Iterator<Item = Vec<u8>>) -> Result<Self, NulError> {
        let owned = strings.map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let pointers = owned.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Self { _owned: owned, pointers })
    }
}
