//! The log as a stream.

use tokio::time::{Instant, MissedTickBehavior};

use super::connection::Connection;
use crate::control::message::{ErrorKind, ErrorReply, Response};
use crate::control::wire::{Frame, MAX_FRAME_BYTES, WireError, encode};
use crate::ids::Seq;
use crate::model::Event;
use crate::ports::Store;

/// How many events are read from the store at a time.
const BATCH: usize = 256;
/// How many bytes of events are sent at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Sends the events after `since` and, if told to follow, those that come later, until the caller goes or the server is
/// shut down. A caller that does not keep up loses nothing: nothing is queued for it but its place in the log.
pub(super) async fn stream(
    connection: &mut Connection<Response>,
    store: &dyn Store,
    since: Seq,
    follow: bool,
) -> Result<(), WireError> {
    let mut newest = store.newest();
    let mut closing = connection.closing();
    let mut at = since;
    let began = Instant::now() + connection.options().alive;
    let mut alive = tokio::time::interval_at(began, connection.options().alive);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // In this order: what is written after the look at `newest` wakes us up again below.
        let last_round = *closing.borrow_and_update() || !follow;
        let head = *newest.borrow_and_update();
        at = match catch_up(connection, store, at, head).await? {
            Ok(at) => at,
            Err(reply) => return connection.send(&Frame::Error(reply)).await,
        };
        if last_round {
            return connection.send(&Frame::End).await;
        }
        loop {
            tokio::select! {
                changed = newest.changed() => {
                    if changed.is_err() {
                        // The store is closed; what it holds has been sent.
                        return connection.send(&Frame::End).await;
                    }
                    break;
                }
                changed = closing.changed() => {
                    if changed.is_err() {
                        // The server was dropped, and this task is about to be.
                        return Err(WireError::Closed);
                    }
                    break;
                }
                () = connection.caller_gone() => return Err(WireError::Closed),
                _ = alive.tick() => connection.send(&Frame::Alive).await?,
            }
        }
    }
}

/// Sends the events after `at` up to `head` at least, and returns the number of the last one sent.
async fn catch_up(
    connection: &mut Connection<Response>,
    store: &dyn Store,
    mut at: Seq,
    head: Seq,
) -> Result<Result<Seq, ErrorReply>, WireError> {
    while at < head {
        let limit = connection.options().call;
        let events = match tokio::time::timeout(limit, store.events(at, BATCH)).await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => return Ok(Err(error.into())),
            Err(_) => {
                let message = format!("the log could not be read within {} s", limit.as_secs());
                return Ok(Err(ErrorReply::new(ErrorKind::Unavailable, message)));
            }
        };
        let Some(last) = events.last().map(|event| event.seq) else { break };
        let mut chunk = Vec::new();
        for event in events {
            append(&mut chunk, event)?;
            if chunk.len() >= CHUNK_BYTES {
                connection.send_encoded(&chunk).await?;
                chunk.clear();
            }
        }
        connection.send_encoded(&chunk).await?;
        at = last;
    }
    Ok(Ok(at))
}

fn append(chunk: &mut Vec<u8>, event: Event) -> Result<(), WireError> {
    chunk.extend(encode(&Frame::<Response>::Event(Box::new(event)), MAX_FRAME_BYTES)?);
    Ok(())
}
