//! Callers that were turned away, told in the log without flooding it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::ids::SlotId;
use crate::mission::shared::unpoisoned;
use crate::model::{EventBody, event_text};

/// For how long further refusals at one socket are only counted.
const WINDOW: Duration = Duration::from_secs(10);

/// The refusals that are not in the log yet, by socket: a slot's gate, or `None` for the control socket.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    by_socket: Mutex<HashMap<Option<SlotId>, Window>>,
}

#[derive(Debug)]
struct Window {
    opened: Instant,
    /// The first one, until it is in the log.
    first: Option<(u32, String)>,
    /// How many came after it, and the last one of them.
    more: u64,
    last: Option<(u32, String)>,
}

impl Refusals {
    /// Takes one; true when it should be told at once.
    pub(super) fn add(&self, socket: Option<&SlotId>, pid: u32, reason: &str) -> bool {
        let mut by_socket = unpoisoned(&self.by_socket);
        let refusal = (pid, event_text(reason));
        match by_socket.get_mut(&socket.cloned()) {
            Some(window) => {
                window.more = window.more.saturating_add(1);
                window.last = Some(refusal);
                false
            }
            None => {
                let window = Window { opened: Instant::now(), first: Some(refusal), more: 0, last: None };
                by_socket.insert(socket.cloned(), window);
                true
            }
        }
    }

    /// What is to be written now, and how long it is until there may be more.
    pub(super) fn take(&self) -> (Vec<(Option<SlotId>, EventBody)>, Option<Duration>) {
        let mut events = Vec::new();
        let mut next: Option<Duration> = None;
        unpoisoned(&self.by_socket).retain(|socket, window| {
            if let Some((pid, reason)) = window.first.take() {
                events.push((socket.clone(), EventBody::ControlRefused { pid, reason }));
            }
            let left = WINDOW.saturating_sub(window.opened.elapsed());
            if !left.is_zero() {
                next = Some(next.map_or(left, |next| next.min(left)));
                return true;
            }
            let Some((pid, reason)) = window.last.take() else { return false };
            let more = window.more;
            let reason = format!("{reason} ({more} more in {} s, this one the last)", WINDOW.as_secs());
            events.push((socket.clone(), EventBody::ControlRefused { pid, reason }));
            // The next window begins counting at once: whoever goes on is not told one by one.
            *window = Window { opened: Instant::now(), first: None, more: 0, last: None };
            next = Some(next.map_or(WINDOW, |next| next.min(WINDOW)));
            true
        });
        (events, next)
    }
}
