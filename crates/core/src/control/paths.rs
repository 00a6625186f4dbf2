//! Where a project keeps its state and its sockets.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use missiond_process::SessionTag;

use crate::control::private;
use crate::ids::SlotId;

/// The longest path that a socket can have: `sun_path` of unix(7) holds 108 bytes, the last of them zero.
pub(super) const MAX_SOCKET_PATH_BYTES: usize = 107;

const STATE: &str = ".missiond";
pub(super) const CONTROL: &str = "control.sock";
/// `/gate-` + 16 hexadecimal digits + `.sock`, the longest name that we put into the runtime directory.
const LONGEST_SOCKET_NAME_BYTES: usize = "/gate-0123456789abcdef.sock".len();

/// The files and directories of one project.
///
/// Making one touches nothing; [`ProjectPaths::prepare`] makes the directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectPaths {
    root: PathBuf,
    hash: u128,
    /// Directories that must be private, outermost first; the last one holds the sockets.
    pub(super) runtime: Vec<PathBuf>,
}

impl ProjectPaths {
    /// The paths of the project at `project_root`, which must exist.
    ///
    /// The sockets lie under `XDG_RUNTIME_DIR` if that is a private directory of ours with a short enough path, else
    /// under `/tmp/missiond-<uid>`.
    ///
    /// # Errors
    ///
    /// [`PathsError`] when the root is no directory.
    pub fn new(project_root: impl AsRef<Path>) -> Result<Self, PathsError> {
        let (root, hash) = resolve(project_root.as_ref())?;
        let uid = rustix::process::geteuid().as_raw();
        let runtime = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|base| base.is_absolute() && private::check(base).is_ok())
            .map(|base| runtime_under(vec![base.join("missiond")], hash))
            .filter(|runtime| fits(runtime))
            .unwrap_or_else(|| runtime_under(vec![PathBuf::from(format!("/tmp/missiond-{uid}"))], hash));
        Ok(Self { root, hash, runtime })
    }

    /// The same with the sockets under `base/missiond`, for programs that keep such things at a place of their own.
    ///
    /// Owner and clients must agree on the base; a client that does not is helped by the lock file, which names the
    /// owner's directory.
    ///
    /// # Errors
    ///
    /// [`PathsError`] when the root is no directory, or the base is not absolute or so long that no socket could lie
    /// there.
    pub fn with_runtime_base(
        project_root: impl AsRef<Path>,
        base: impl AsRef<Path>,
    ) -> Result<Self, PathsError> {
        let (root, hash) = resolve(project_root.as_ref())?;
        let base = base.as_ref();
        let runtime = runtime_under(vec![base.join("missiond")], hash);
        if !base.is_absolute() || !fits(&runtime) {
            return Err(PathsError::UnusableBase { base: base.to_owned() });
        }
        Ok(Self { root, hash, runtime })
    }

    /// The project root, absolute and without symlinks.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `<root>/.missiond`.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join(STATE)
    }

    /// The database, `.missiond/mission.db`.
    pub fn database(&self) -> PathBuf {
        self.state_dir().join("mission.db")
    }

    /// The file whose lock makes its holder the owner, `.missiond/owner.lock`.
    pub fn owner_lock(&self) -> PathBuf {
        self.state_dir().join("owner.lock")
    }

    /// Logs, `.missiond/logs`.
    pub fn logs_dir(&self) -> PathBuf {
        self.state_dir().join("logs")
    }

    /// What belongs to one slot, `.missiond/slots/<slot>`.
    pub fn slot_dir(&self, slot: &SlotId) -> PathBuf {
        self.state_dir().join("slots").join(slot.as_str())
    }

    /// The settings file that gives the slot's agent its hooks, `.missiond/slots/<slot>/settings.json`.
    pub fn hook_settings(&self, slot: &SlotId) -> PathBuf {
        self.slot_dir(slot).join("settings.json")
    }

    /// The private directory of the sockets.
    pub fn runtime_dir(&self) -> &Path {
        self.runtime.last().map_or(Path::new("/"), PathBuf::as_path)
    }

    /// The socket for people and their programs.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime_dir().join(CONTROL)
    }

    /// The socket for the agent in one slot; named by a hash, since a slot's name may be too long for it.
    pub fn gate_socket(&self, slot: &SlotId) -> PathBuf {
        let short = fnv1a(slot.as_str().as_bytes()) as u64;
        self.runtime_dir().join(format!("gate-{short:016x}.sock"))
    }

    /// The scope of the session tags of this project: 32 hexadecimal digits.
    pub fn session_scope(&self) -> String {
        format!("{:032x}", self.hash)
    }

    /// The session tag of everything that runs in a slot.
    pub fn session_tag(&self, slot: &SlotId) -> SessionTag {
        SessionTag::new(&self.session_scope(), slot.as_str())
            .expect("a hash and a slot id consist of what a tag may have, in its length")
    }

    /// Makes the state directory, `slots` and `logs` in it, and the private directory of the sockets.
    ///
    /// The latter is the owner's to remove: without the [`OwnerLock`](crate::control::OwnerLock) it may go at any time.
    ///
    /// # Errors
    ///
    /// [`PathsError`] when one cannot be made, or when one that must be private is a symlink, somebody else's, or open to
    /// others; such a directory is left as it is.
    pub fn prepare(&self) -> Result<(), PathsError> {
        self.prepare_state()?;
        self.prepare_runtime()
    }

    /// Makes the state directory, and `slots` and `logs` in it.
    ///
    /// # Errors
    ///
    /// As [`ProjectPaths::prepare`].
    pub fn prepare_state(&self) -> Result<(), PathsError> {
        // `.missiond` may have been checked out with committed configuration in it, so its mode is the person's business.
        let state = self.state_dir();
        match private::make(&state) {
            Ok(()) | Err(PathsError::Open { .. }) => {}
            Err(error) => return Err(error),
        }
        private::make(&state.join("slots"))?;
        private::make(&self.logs_dir())
    }

    /// Writes a file that only we may read (0600) into the slot's private directory, and returns its path. It is
    /// replaced as a whole: no reader ever sees half of it.
    ///
    /// # Errors
    ///
    /// [`PathsError`] when a directory on the way is not private or the file cannot be written.
    pub fn write_hook_settings(&self, slot: &SlotId, contents: &[u8]) -> Result<PathBuf, PathsError> {
        private::make(&self.state_dir().join("slots"))?;
        private::make(&self.slot_dir(slot))?;
        let path = self.hook_settings(slot);
        private::write(&path, contents)?;
        Ok(path)
    }

    /// The same project with its sockets where its owner says that they are.
    pub(super) fn with_runtime_dir(&self, directory: &Path) -> Self {
        let runtime = directory.parent().into_iter().chain([directory]).map(Path::to_owned).collect();
        Self { root: self.root.clone(), hash: self.hash, runtime }
    }
}

/// A directory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathsError {
    /// The project root is no directory.
    #[error("{} is no directory; name the root of a project", .root.display())]
    NoRoot {
        /// As asked for.
        root: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// No socket can lie there.
    #[error(
        "{} can't hold sockets: it must be absolute, and a socket in it must fit into {MAX_SOCKET_PATH_BYTES} bytes; \
         choose a shorter directory",
        .base.display()
    )]
    UnusableBase {
        /// As asked for.
        base: PathBuf,
    },
    /// A symlink stands where our directory should be.
    #[error("{} is a symlink; it must be a directory of its own: remove the link", .path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// Something else stands where our directory should be.
    #[error("{} is no directory; remove it", .path.display())]
    NotADirectory {
        /// It.
        path: PathBuf,
    },
    /// The directory is somebody else's.
    #[error(
        "{} belongs to uid {owner}, not to us (uid {uid}); have it removed, or set XDG_RUNTIME_DIR to a directory of \
         your own",
        .path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        uid: u32,
    },
    /// Others could look or write into the directory.
    #[error("{} has mode {mode:o} and must have 700; run `chmod 700 {}`", .path.display(), .path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The runtime directory is another project's.
    #[error("{} is the directory of project {by}; remove it if that project is gone", .path.display())]
    Claimed {
        /// The directory.
        path: PathBuf,
        /// The other project's root.
        by: String,
    },
    /// The file system said no.
    #[error("can't use {}", .path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

fn resolve(root: &Path) -> Result<(PathBuf, u128), PathsError> {
    let fail = |source| PathsError::NoRoot { root: root.to_owned(), source };
    let resolved = root.canonicalize().map_err(fail)?;
    if !resolved.metadata().map_err(fail)?.is_dir() {
        return Err(fail(io::ErrorKind::NotADirectory.into()));
    }
    let hash = fnv1a(resolved.as_os_str().as_bytes());
    Ok((resolved, hash))
}

fn runtime_under(mut directories: Vec<PathBuf>, hash: u128) -> Vec<PathBuf> {
    let leaf = directories.last().map_or_else(PathBuf::new, |base| base.join(format!("{hash:032x}")));
    directories.push(leaf);
    directories
}

fn fits(runtime: &[PathBuf]) -> bool {
    let longest = runtime.last().map_or(0, |directory| directory.as_os_str().len());
    longest + LONGEST_SOCKET_NAME_BYTES <= MAX_SOCKET_PATH_BYTES
}

/// FNV-1a with 128 bits (draft-eastlake-fnv). It must give the same on every version and machine, which the standard
/// library's hasher does not promise; it need not resist an attacker, since a directory notes whose it is.
fn fnv1a(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

/// Tells two files of one name apart.
pub(super) fn identity(metadata: &std::fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
