//! Replacing a settings file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use missiond_policy::hook::MAX_SETTINGS_BYTES;

use super::{Change, HookSettingsError, Scope};

/// Puts the new text in place of the old one in one step.
pub(super) fn replace(change: &Change) -> Result<(), HookSettingsError> {
    let io = |so| move |source| HookSettingsError::Io { path: change.path.clone(), so, source };
    let directory = change.path.parent().unwrap_or(Path::new("/"));
    // What leads out is noticed before anything is made.
    within(change, nearest(directory))?;
    fs::create_dir_all(directory).map_err(io("written, since its directory can't be made"))?;
    let target = match fs::symlink_metadata(&change.path) {
        Ok(_) => change.path.canonicalize().map_err(io("written, since it is a link that leads nowhere"))?,
        Err(_) => directory.canonicalize().map_err(io("written"))?.join(name(&change.path)),
    };
    within(change, &target)?;
    let now = match crate::files::read_text(&target, MAX_SETTINGS_BYTES as u64) {
        Ok(text) => Some(text),
        Err(source) if source.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(io("read")(source)),
    };
    if now != change.before {
        return Err(HookSettingsError::Changed { path: change.path.clone() });
    }
    write(change, &target).map_err(io("written"))
}

/// Whether a path lies where the change may be made.
fn within(change: &Change, path: &Path) -> Result<(), HookSettingsError> {
    let Some(root) = &change.within else { return Ok(()) };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    // The file itself need not be there yet.
    let target = match path.parent() {
        Some(parent) if !path.exists() => real(parent).join(name(path)),
        _ => real(path),
    };
    if target.starts_with(real(root)) {
        return Ok(());
    }
    Err(HookSettingsError::LeadsOut { path: change.path.clone(), target })
}

/// The nearest directory above that is there.
fn nearest(directory: &Path) -> &Path {
    directory.ancestors().find(|above| above.exists()).unwrap_or(directory)
}

fn name(path: &Path) -> PathBuf {
    path.file_name().map(PathBuf::from).unwrap_or_default()
}

fn write(change: &Change, target: &Path) -> io::Result<()> {
    let beside =
        target.with_file_name(format!(".{}.missiond-{}", name(target).display(), std::process::id()));
    let old = fs::metadata(target).ok();
    let new_mode = if change.scope == Scope::Project { 0o644 } else { 0o600 };
    let mode = old.as_ref().map_or(new_mode, |old| old.permissions().mode() & 0o7777);
    let written = (|| {
        // `create_new` is O_EXCL, which follows no link that somebody put there.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(change.after.as_bytes())?;
        if let Some(old) = &old {
            keep_owner(&file, old)?;
        }
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&beside, target)
    })();
    if written.as_ref().is_err_and(|error: &io::Error| error.kind() != io::ErrorKind::AlreadyExists) {
        // The first error is the one to report; what is left of the new file is of no use to anybody.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Whoever may write somebody else's file leaves it theirs.
fn keep_owner(file: &File, old: &fs::Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(file, Some(old.uid()), Some(old.gid()))
}
