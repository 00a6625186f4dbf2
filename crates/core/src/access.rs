//! One way to a project's tasks, slots, questions and log, whoever owns it.
//!
//! A project may be owned by a running [`Mission`](crate::Mission), in this process or another one (then its control socket
//! is spoken to), or by nobody (then the store itself is read, and owned for the moment of a write). [`Access`] hides which
//! it is, so that a command need not care.

mod background;
mod doctor;
mod error;
mod events;
mod offline;
mod read;
mod request;
mod seats;
mod session;
mod steer;
mod work;
mod worktree;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use crate::find::{ShortId, find};
pub use background::{Background, background_log, require_free, start_in_background};
pub use doctor::{Finding, Severity, examine, mend};
pub use error::{AccessError, AccessErrorKind};
pub use events::Events;
pub use request::References;
pub use seats::{seats_for, workspace_request};
pub use session::Session;
pub use work::{Work, WorkDiff};
pub use worktree::RemovedWorktree;

use crate::control::{Client, ClientErrorKind, ProjectPaths, Request, inside_slot};
use crate::error::Error;
use crate::ports::Store;
use crate::project::{Project, ProjectOptions, root_of};
use crate::store::{OpenMode, SqliteStore};
use error::unexpected;
use offline::Offline;

/// How often an owner that does not answer is tried, and the pause between.
const OWNER_TRIES: u32 = 20;
const OWNER_PAUSE: Duration = Duration::from_millis(100);

/// The way to a project that is open to this process now.
#[derive(Debug)]
pub struct Access {
    way: Way,
    offline: Offline,
}

#[derive(Debug)]
enum Way {
    /// A process owns the project; maybe this very one.
    Owner(Client),
    /// Nobody does.
    Store(Arc<dyn Store>),
    /// Nobody does, and nothing was ever written.
    Nothing,
}

impl Access {
    /// Finds the way to a project: its running owner if there is one, else its store.
    ///
    /// # Errors
    ///
    /// When this process descends from a slot ([`Access::refuse_inside_slot`]), the owner cannot be spoken to, or there
    /// is none and the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn open(project: &Project) -> Result<Self, AccessError> {
        Self::refuse_inside_slot()?;
        match Self::owner(&project.paths).await? {
            Some(client) => Ok(Self { way: Way::Owner(client), offline: Offline::new(project) }),
            None => Self::without_owner(project).await,
        }
    }

    async fn without_owner(project: &Project) -> Result<Self, AccessError> {
        let offline = Offline::new(project);
        let database = project.paths.database();
        if !database.exists() {
            return Ok(Self { way: Way::Nothing, offline });
        }
        let opened =
            tokio::task::spawn_blocking(move || SqliteStore::open(&database, OpenMode::Reader)).await;
        let store = opened.map_err(|error| Error::Internal(format!("opening the store failed: {error}")))?;
        let store = store.map_err(Error::from)?;
        Ok(Self { way: Way::Store(Arc::new(store)), offline })
    }

    /// Finds the way to the project that a directory lies in. Its configuration is read only if no mission runs: what
    /// somebody has just misspelt there must not keep anybody from steering, and from ending, the one that does.
    ///
    /// # Errors
    ///
    /// When the directory lies in no repository; else as [`Access::open`], and without a mission as
    /// [`Project::discover`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn find(from: &Path, options: &ProjectOptions) -> Result<Self, AccessError> {
        Self::refuse_inside_slot()?;
        let paths = ProjectPaths::new(&root_of(from)?).map_err(Error::from)?;
        if let Some(client) = Self::owner(&paths).await? {
            return Ok(Self { way: Way::Owner(client), offline: Offline::unread(paths) });
        }
        Self::without_owner(&Project::discover(from, options)?).await
    }

    /// Where the project's files lie.
    pub fn paths(&self) -> &ProjectPaths {
        self.offline.paths()
    }

    /// The way to the owner, if it answers.
    ///
    /// An owner that was killed a moment ago may still seem to listen, until the processes that it was just starting have
    /// let go of its socket; such a connection is lost, and there is soon nobody to connect to.
    async fn owner(paths: &ProjectPaths) -> Result<Option<Client>, AccessError> {
        let mut tries = 1;
        loop {
            let answered = match Client::connect(paths).await {
                Ok(None) => return Ok(None),
                Ok(Some(client)) => client.call(Request::Slots).await.map(|_| client),
                Err(error) => Err(error),
            };
            match answered {
                Ok(client) => return Ok(Some(client)),
                Err(error) if error.kind() == ClientErrorKind::Lost && tries < OWNER_TRIES => {
                    tries += 1;
                    tokio::time::sleep(OWNER_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Refuses a process that descends from a slot: an agent may not steer the mission that runs it, nor look into it.
    ///
    /// # Errors
    ///
    /// [`AccessError::InsideSlot`], which says how it shows.
    pub fn refuse_inside_slot() -> Result<(), AccessError> {
        match inside_slot() {
            None => Ok(()),
            Some(evidence) => Err(AccessError::InsideSlot { evidence }),
        }
    }

    /// Whether a mission runs.
    pub fn is_running(&self) -> bool {
        matches!(self.way, Way::Owner(_))
    }

    fn client(&self, so: &str) -> Result<&Client, AccessError> {
        match &self.way {
            Way::Owner(client) => Ok(client),
            _ => Err(AccessError::NotRunning { so: so.to_owned() }),
        }
    }
}
