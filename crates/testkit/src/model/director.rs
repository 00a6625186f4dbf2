//! The shared state: which turn answers which request, the gates, and the record.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    record::{Outcome, RecordedRequest, RequestKind, user_texts},
    script::{Script, Turn},
    signal::Signal,
};

/// The most requests that are kept; later ones are refused, so that a client in a loop can't fill the memory.
const MAX_RECORDED: usize = 4096;
/// The most bytes of request bodies that are kept.
const MAX_RECORDED_BYTES: usize = 512 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Director {
    state: Mutex<State>,
    gates: Mutex<HashMap<String, Gate>>,
    pub(super) changed: Signal,
    aux_text: Option<String>,
}

#[derive(Debug)]
struct State {
    turns: Vec<(Turn, u32)>,
    requests: Vec<Arc<RecordedRequest>>,
    bytes: usize,
}

#[derive(Debug)]
struct Gate {
    permits: Arc<Semaphore>,
    waiting: usize,
}

/// What the server does with a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// Plays the turn.
    Play(Turn),
    /// Answers a request beside the conversation.
    Aux,
    /// No turn fits.
    Unmatched,
}

/// A request that is being answered; if it goes out of scope unfinished, the client has left.
#[derive(Debug)]
pub(super) struct Exchange {
    director: Arc<Director>,
    request: Arc<RecordedRequest>,
}

impl Director {
    pub(super) fn new(script: Script) -> Self {
        let turns = script.turns.into_iter().map(|turn| (turn, 0)).collect();
        Self {
            state: Mutex::new(State { turns, requests: Vec::new(), bytes: 0 }),
            gates: Mutex::new(HashMap::new()),
            changed: Signal::new(),
            aux_text: script.aux_text,
        }
    }

    /// Records the request and decides; `None` when the record is full.
    pub(super) fn receive(
        self: &Arc<Self>,
        line: (String, String),
        headers: BTreeMap<String, String>,
        body: Value,
        bytes: usize,
        kind: RequestKind,
    ) -> Option<(Exchange, Decision)> {
        let mut state = self.state();
        if state.requests.len() >= MAX_RECORDED || state.bytes + bytes > MAX_RECORDED_BYTES {
            return None;
        }
        state.bytes += bytes;
        let turn = match kind {
            RequestKind::Conversation | RequestKind::Aux => state.pick(&body, kind),
            _ => None,
        };
        let decision = match turn {
            Some(index) => Decision::Play(state.turns[index].0.clone()),
            None if kind == RequestKind::Conversation => Decision::Unmatched,
            None => Decision::Aux,
        };
        let index = state.requests.len();
        let request = Arc::new(RecordedRequest::new(index, kind, line, headers, body, turn));
        state.requests.push(Arc::clone(&request));
        drop(state);
        self.changed.notify();
        Some((Exchange { director: Arc::clone(self), request }, decision))
    }

    pub(super) fn push(&self, turn: Turn) {
        self.state().turns.push((turn, 0));
    }

    pub(super) fn requests(&self) -> Vec<Arc<RecordedRequest>> {
        self.state().requests.clone()
    }

    /// The positions of the turns that no request has taken.
    pub(super) fn unused(&self) -> Vec<usize> {
        let state = self.state();
        state.turns.iter().enumerate().filter(|(_, (_, used))| *used == 0).map(|(index, _)| index).collect()
    }

    pub(super) fn aux_text(&self, body: &Value) -> String {
        if let Some(text) = &self.aux_text {
            return text.clone();
        }
        if body["system"].to_string().to_lowercase().contains("title") {
            return r#"{"title":"Scripted session","isNewTopic":true}"#.to_owned();
        }
        "ok".to_owned()
    }

    pub(super) fn release(&self, gate: &str) {
        self.gate(gate, |gate| gate.permits.add_permits(1));
    }

    pub(super) fn waiting_at(&self, gate: &str) -> usize {
        self.gate(gate, |gate| gate.waiting)
    }

    /// Waits until the gate is released once for this passage.
    pub(super) async fn pass(self: &Arc<Self>, name: &str) {
        let permits = self.gate(name, |gate| {
            gate.waiting += 1;
            Arc::clone(&gate.permits)
        });
        self.changed.notify();
        let _place = Place { director: Arc::clone(self), gate: name.to_owned() };
        if let Ok(permit) = permits.acquire().await {
            permit.forget();
        }
    }

    fn gate<T>(&self, name: &str, act: impl FnOnce(&mut Gate) -> T) -> T {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Gate { permits: Arc::new(Semaphore::new(0)), waiting: 0 };
        act(gates.entry(name.to_owned()).or_insert_with(fresh))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pick(&mut self, body: &Value, kind: RequestKind) -> Option<usize> {
        let mut texts = user_texts(body);
        let first = texts.next().unwrap_or_default();
        let last = texts.next_back().unwrap_or_else(|| first.clone());
        // A request beside the conversation must not eat the conversation's next turn, nor the other way round.
        let aux = kind == RequestKind::Aux;
        let mut free =
            self.turns.iter().enumerate().filter(|(_, (turn, used))| turn.aux == aux && *used < turn.times);
        let conditional =
            free.clone().find(|(_, (turn, _))| turn.is_conditional() && turn.fits(&first, &last));
        let (index, _) = conditional.or_else(|| free.find(|(_, (turn, _))| !turn.is_conditional()))?;
        self.turns[index].1 += 1;
        Some(index)
    }
}

impl Exchange {
    pub(super) fn director(&self) -> &Arc<Director> {
        &self.director
    }

    pub(super) fn request(&self) -> &RecordedRequest {
        &self.request
    }

    pub(super) fn finish(&self, outcome: Outcome) {
        self.request.finish(outcome);
        self.director.changed.notify();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.finish(Outcome::ClientLeft);
    }
}

/// A place in a gate's queue, given back when the passage is over or abandoned.
struct Place {
    director: Arc<Director>,
    gate: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.director.gate(&self.gate, |gate| gate.waiting -= 1);
        self.director.changed.notify();
    }
}
