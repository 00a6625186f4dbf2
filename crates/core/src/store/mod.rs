//! The store in a SQLite file.
//!
//! One thread writes. It takes all changes that wait and commits them together, so the cost of a commit is shared by
//! whoever writes at the same time, and the one order of events needs no lock. Reads have connections and threads of
//! their own and never wait for a write. The price is two hops between threads for each call.

mod change;
mod error;
mod migrate;
mod open;
mod queue;
mod read;
mod rows;
mod sql;
mod write;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::ids::{Seq, TaskId};
use crate::model::{Approval, Event, Message, Slot, Task, TaskStatus};
use crate::ports::{
    Applied, ApprovalFilter, BoxFuture, Change, Store, StoreError, StoreErrorKind, TaskFilter, TaskPage,
};
use crate::store::change::Work;
use crate::store::error::closed;
use crate::store::queue::{CloseOnDrop, Queue};
use crate::store::read::{Job, Reader};
use crate::store::write::{Request, Writer};

/// How many changes wait for the writer before the next caller waits for room.
const WRITES_WAITING: usize = 1024;
/// How many reads wait.
const READS_WAITING: usize = 256;
/// How many threads read.
const READERS: usize = 2;
/// How often a store that only reads looks whether another process has written.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenMode {
    /// To read and write. The database is made when it is missing and upgraded when it is old. Only the owner of the
    /// project opens it so: a second writer breaks nothing in the database, but this one's [`Store::newest`] misses what
    /// the other writes.
    Owner,
    /// To read only, beside an owner in another process. Never writes and never upgrades. [`Store::newest`] is up to
    /// 200 ms late.
    Reader,
}

/// A [`Store`] in a SQLite file with a write-ahead log. Linux only for now.
///
/// Durable changes are synced to the disk before they are acknowledged; the others are there after `kill -9`, but a power
/// loss may take the newest of them. Since [`Change::LeaseTask`] is one of those, a power loss may also take a lease and
/// its token; its holder is gone then too.
///
/// Dropping it closes it, see [`SqliteStore::close`].
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    mode: OpenMode,
    writes: Arc<Queue<Request>>,
    reads: Arc<Queue<Job>>,
    newest: watch::Receiver<Seq>,
    threads: Mutex<Threads>,
}

#[derive(Debug, Default)]
struct Threads {
    writer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
    /// The poller ends when this is dropped.
    poller: Option<mpsc::Sender<()>>,
}

impl SqliteStore {
    /// Opens the database at `path`. Blocks while it does: call it where that is allowed.
    ///
    /// # Errors
    ///
    /// - [`StoreErrorKind::NewerVersion`] when a newer missiond wrote it; the file is left as it is.
    /// - [`StoreErrorKind::Corrupt`] when it is damaged or no database of ours.
    /// - [`StoreErrorKind::NotFound`] when there is none and `mode` is [`OpenMode::Reader`];
    ///   [`StoreErrorKind::Invalid`] when that reader finds one of an older version.
    /// - [`StoreErrorKind::Full`] and [`StoreErrorKind::Io`] for what the disk says.
    pub fn open(path: impl AsRef<Path>, mode: OpenMode) -> Result<Self, StoreError> {
        // SQLite would take a relative path that begins with `file:` for a URI.
        let path = std::path::absolute(path.as_ref()).map_err(|error| StoreError {
            kind: StoreErrorKind::Io,
            message: format!("{} has no absolute path", path.as_ref().display()),
            source: Some(Box::new(error)),
        })?;
        let (newest_is, newest) = watch::channel(Seq(0));
        let store = Self {
            path,
            mode,
            writes: Arc::new(Queue::new(WRITES_WAITING)),
            reads: Arc::new(Queue::new(READS_WAITING)),
            newest,
            threads: Mutex::default(),
        };
        match mode {
            OpenMode::Owner => store.start_writer(newest_is)?,
            OpenMode::Reader => store.start_poller(newest_is)?,
        }
        for _ in 0..READERS {
            let reader = store.reader()?;
            let jobs = store.reads.clone();
            store.start_reading("store-read", move || reader.run(&jobs))?;
        }
        Ok(store)
    }

    /// Where the database lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the store: the transaction at hand is finished, whoever still waits gets [`StoreErrorKind::Closed`], and the
    /// threads are joined. Blocks for as long as that transaction takes. May be called again.
    pub fn close(&self) {
        let threads = std::mem::take(&mut *self.lock_threads());
        drop(threads.poller);
        self.reads.close();
        self.join(threads.readers);
        // The writer's connection goes last: it moves the write-ahead log into the file, which a reader's would not.
        self.writes.close();
        self.join(threads.writer);
    }

    fn join(&self, threads: impl IntoIterator<Item = JoinHandle<()>>) {
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!(path = %self.path.display(), "a thread of the store panicked");
            }
        }
    }

    fn start_writer(&self, newest_is: watch::Sender<Seq>) -> Result<(), StoreError> {
        let conn = open::writer(&self.path)?;
        newest_is.send_replace(read::newest(&conn, &self.path)?);
        let writer = Writer::new(conn, self.path.clone(), newest_is);
        let requests = self.writes.clone();
        let thread = spawn("store-write", move || {
            let _closing = CloseOnDrop(&requests);
            writer.run(&requests);
        })?;
        self.lock_threads().writer = Some(thread);
        Ok(())
    }

    fn start_poller(&self, newest_is: watch::Sender<Seq>) -> Result<(), StoreError> {
        if !self.path.exists() {
            return Err(open::nothing_yet(&self.path));
        }
        self.writes.close();
        let reader = self.reader()?;
        newest_is.send_replace(reader.newest()?);
        let (poller, stop) = mpsc::channel();
        self.lock_threads().poller = Some(poller);
        self.start_reading("store-poll", move || poll(&reader, &newest_is, &stop))
    }

    fn reader(&self) -> Result<Reader, StoreError> {
        Ok(Reader::new(open::reader(&self.path)?, self.path.clone()))
    }

    fn start_reading(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let thread = spawn(name, body)?;
        self.lock_threads().readers.push(thread);
        Ok(())
    }

    fn lock_threads(&self) -> std::sync::MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let job: Job = Box::new(move |reader| {
                if !reply.is_closed() {
                    // It fails when the caller went away meanwhile, and then nobody wants to know.
                    let _ = reply.send(read(reader));
                }
            });
            self.reads.push(job).await.map_err(|_| closed())?;
            answer.await.unwrap_or_else(|_| Err(closed()))
        })
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for SqliteStore {
    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        // Here and not in the future, which then has less to carry about.
        let work = Work::prepare(change);
        Box::pin(async move {
            if self.mode == OpenMode::Reader {
                return Err(StoreError::new(
                    StoreErrorKind::Invalid,
                    format!(
                        "{} was opened for reading only; open it as its owner to write",
                        self.path.display()
                    ),
                ));
            }
            let work = work?;
            let (reply, answer) = oneshot::channel();
            self.writes.push(Request { work, reply }).await.map_err(|_| closed())?;
            let (outcome, _change) = answer.await.map_err(|_| closed())?;
            outcome
        })
    }

    fn task(&self, id: TaskId) -> BoxFuture<'_, Result<Task, StoreError>> {
        self.read(move |reader| reader.task(id))
    }

    fn tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>, StoreError>> {
        self.read(move |reader| reader.tasks(&filter))
    }

    fn task_page(&self, page: TaskPage) -> BoxFuture<'_, Result<Vec<Task>, StoreError>> {
        self.read(move |reader| reader.task_page(&page))
    }

    fn task_counts(&self) -> BoxFuture<'_, Result<Vec<(TaskStatus, u64)>, StoreError>> {
        self.read(Reader::task_counts)
    }

    fn slots(&self) -> BoxFuture<'_, Result<Vec<Slot>, StoreError>> {
        self.read(Reader::slots)
    }

    fn approvals(&self, filter: ApprovalFilter) -> BoxFuture<'_, Result<Vec<Approval>, StoreError>> {
        self.read(move |reader| reader.approvals(filter))
    }

    fn messages(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Message>, StoreError>> {
        self.read(move |reader| reader.messages(limit))
    }

    fn events(&self, since: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        self.read(move |reader| reader.events(since, limit))
    }

    fn newest(&self) -> watch::Receiver<Seq> {
        self.newest.clone()
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|error| StoreError {
        kind: StoreErrorKind::Io,
        message: "a thread for the store could not be started; raise the limit on processes".to_owned(),
        source: Some(Box::new(error)),
    })
}

/// Tells `newest` what other processes have written, until `stop` is dropped.
fn poll(reader: &Reader, newest: &watch::Sender<Seq>, stop: &mpsc::Receiver<()>) {
    let mut seen = None;
    while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let looked = reader.data_version().and_then(|version| {
            if seen != Some(version) {
                let now = reader.newest()?;
                newest.send_if_modified(|known| std::mem::replace(known, now) != now);
                seen = Some(version);
            }
            Ok(())
        });
        if let Err(error) = looked {
            // The next look may succeed, and every read tells its own caller.
            tracing::warn!(error = %error, "the database could not be looked at");
        }
    }
}
