//! The log, whoever writes it.

use std::sync::Arc;
use std::time::Duration;

use crate::access::AccessError;
use crate::control::EventStream;
use crate::error::Error;
use crate::ids::Seq;
use crate::model::Event;
use crate::ports::Store;

/// How many events one read takes.
const EVENTS_PAGE: usize = 256;
/// How often a log that nobody announces changes of is looked at again.
const FOLLOW_POLL: Duration = Duration::from_millis(250);

/// The log of a project, read in order.
#[derive(Debug)]
pub struct Events {
    pub(super) source: Source,
}

#[derive(Debug)]
pub(super) enum Source {
    Owner(Box<EventStream>),
    Store { store: Arc<dyn Store>, since: Seq, follow: bool, page: std::vec::IntoIter<Event> },
    Nothing,
}

impl Events {
    /// The next event; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    ///
    /// # Cancel safety
    ///
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Event>, AccessError> {
        match &mut self.source {
            Source::Owner(events) => Ok(events.next().await?),
            Source::Nothing => Ok(None),
            Source::Store { store, since, follow, page } => loop {
                if let Some(event) = page.next() {
                    *since = event.seq;
                    return Ok(Some(event));
                }
                let read = store.events(*since, EVENTS_PAGE).await.map_err(Error::from)?;
                if !read.is_empty() {
                    *page = read.into_iter();
                } else if *follow {
                    // The writer is another process, or there is none yet: nothing announces a change.
                    tokio::time::sleep(FOLLOW_POLL).await;
                } else {
                    return Ok(None);
                }
            },
        }
    }
}
