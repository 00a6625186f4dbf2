use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::{Error, Repository, Result, record};

impl Repository {
    /// Hides a directory of the main worktree from git through `info/exclude`, except the named entries in it, which
    /// stay visible so that they can be committed. An entry that ends with a slash is a directory.
    ///
    /// Returns whether lines had to be added. Lines that are there stay as they are.
    ///
    /// # Errors
    /// [`Error::UnusablePath`] if `dir` isn't a plain relative path without line breaks.
    pub fn exclude_state_dir(&self, dir: impl AsRef<Path>, keep: &[&str]) -> Result<bool> {
        let dir = dir.as_ref();
        let plain = dir.components().all(|component| matches!(component, Component::Normal(_)));
        let bytes = dir.as_os_str().as_bytes();
        if !plain
            || bytes.is_empty()
            || bytes.iter().chain(keep.join("").as_bytes()).any(|b| matches!(b, 0 | b'\n'))
        {
            let reason = "it must be a relative path without `..` and line breaks";
            return Err(Error::UnusablePath { path: dir.to_owned(), reason });
        }
        let mut base = b"/".to_vec();
        base.extend(escape(bytes.strip_suffix(b"/").unwrap_or(bytes)));
        // With `dir/*` instead of `dir/`, since git doesn't look into an ignored directory for exceptions.
        let mut wanted = vec![[base.as_slice(), b"/*"].concat()];
        for entry in keep {
            wanted.push([b"!", base.as_slice(), b"/", &escape(entry.as_bytes())].concat());
        }

        let _lock = self.lock("exclude files")?;
        let file = self.common_dir().join("info/exclude");
        // A link stays a link.
        let file = fs::canonicalize(&file).unwrap_or(file);
        let mut text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("read", &file)(error)),
        };
        let has = |line: &[u8]| text.split(|byte| *byte == b'\n').any(|have| have == line);
        if wanted.iter().all(|line| has(line)) {
            return Ok(false);
        }
        // All of them again, since an exception counts only after the rule.
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        for line in wanted {
            text.extend(line);
            text.push(b'\n');
        }
        let permissions = fs::metadata(&file).map(|meta| meta.permissions()).ok();
        record::replace_file(&file, &text)?;
        if let Some(permissions) = permissions {
            fs::set_permissions(&file, permissions).map_err(Error::io("set the mode of", &file))?;
        }
        Ok(true)
    }
}

/// Takes the special meaning from characters of gitignore(5).
fn escape(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for byte in name {
        if b"*?[]\\ !#".contains(byte) {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}
