//! Small files of ours below the common git directory: `key NUL value NUL …`, so that any path survives,
//! replaced by rename, so that a reader sees a whole one.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Error, Result};

const MAGIC: &[u8] = b"missiond 1";
const MAX_BYTES: u64 = 1 << 20;

/// Fields in order; keys are unique.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    pub(crate) fn set(&mut self, key: &str, value: impl AsRef<OsStr>) {
        let value = value.as_ref().as_bytes();
        debug_assert!(!value.contains(&0), "paths, refs and numbers hold no NUL");
        self.0.push((key.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        self.bytes(key).map(|value| PathBuf::from(OsStr::from_bytes(value)))
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(key)?).ok()
    }

    fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().find(|(have, _)| have == key).map(|(_, value)| value.as_slice())
    }

    /// Reads a file; `None` if there is none.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        let damaged = |detail: &str| Error::Damaged { path: path.to_owned(), detail: detail.to_owned() };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(damaged("it is larger than 1 MiB"));
        }
        let bytes = bytes.strip_suffix(b"\0").ok_or_else(|| damaged("its end is missing"))?;
        let mut parts = bytes.split(|byte| *byte == 0);
        if parts.next() != Some(MAGIC) {
            return Err(damaged("it isn't in a format this version knows"));
        }
        let mut fields = Vec::new();
        while let Some(key) = parts.next() {
            let value = parts.next().ok_or_else(|| damaged("a key has no value"))?;
            let key = std::str::from_utf8(key).map_err(|_| damaged("a key isn't text"))?;
            fields.push((key.to_owned(), value.to_owned()));
        }
        Ok(Some(Self(fields)))
    }

    /// Replaces the file at `path`, synced to disk: what follows relies on its being there.
    pub(crate) fn store(&self, path: &Path) -> Result<()> {
        let mut bytes = MAGIC.to_owned();
        bytes.push(0);
        for (key, value) in &self.0 {
            bytes.extend_from_slice(key.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(value);
            bytes.push(0);
        }
        replace_file(path, &bytes)
    }
}

/// Writes `bytes` beside `path` and renames it into place.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    // A leading dot can't be a workspace's name, so a left-over is never taken for a record.
    let temporary = dir.join(format!(".{}.tmp", unique()));
    let write = || {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        drop(fs::remove_file(&temporary));
        Error::io("write", path)(error)
    })
}

pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("delete", path)(error)),
        _ => Ok(()),
    }
}

/// Returns a name that nobody else uses: digits and letters, the same length of order in time.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{now:x}-{:x}-{:x}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
