//! The server's handle.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use axum::serve;
use tokio::{net::TcpListener, runtime, sync::oneshot};

use super::{
    director::Director,
    record::{RecordedRequest, RequestKind},
    routes::{self, Connection},
    script::{Script, Turn},
};

/// A running model server; it stops when it is dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    director: Arc<Director>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ModelServer {
    /// Starts a server on a free port of 127.0.0.1, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the script is larger than the server plays, or no socket or thread is to be had.
    pub fn start(script: Script) -> Result<Self> {
        script.validate()?;
        let director = Arc::new(Director::new(script));
        let shared = Arc::clone(&director);
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = mpsc::sync_channel(1);
        let body = move || match prepare() {
            Ok((runtime, listener, address)) => {
                let _ = ready.send(Ok(address));
                let make = routes::router(shared).into_make_service_with_connect_info::<Connection>();
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        _ = serve(listener, make).into_future() => {}
                    }
                });
                // Connections and players that are still at work end here, wherever they are.
                runtime.shutdown_timeout(Duration::from_secs(1));
            }
            Err(problem) => {
                let _ = ready.send(Err(problem));
            }
        };
        let thread = thread::Builder::new()
            .name("model-server".to_owned())
            .spawn(body)
            .context("no thread for the model server")?;
        let address =
            address.recv().map_err(|_| anyhow!("the model server's thread ended while starting"))??;
        Ok(Self { address, director, stop: Some(stop), thread: Some(thread) })
    }

    /// The address the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `ANTHROPIC_BASE_URL` has to be.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Appends a turn to the running script.
    ///
    /// # Errors
    /// When the turn is larger than the server plays.
    pub fn push(&self, turn: Turn) -> Result<()> {
        turn.validate()?;
        self.director.push(turn);
        Ok(())
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<RecordedRequest>> {
        self.director.requests()
    }

    /// The requests so far that are part of a conversation.
    #[must_use]
    pub fn conversation(&self) -> Vec<Arc<RecordedRequest>> {
        self.requests().into_iter().filter(|request| request.kind() == RequestKind::Conversation).collect()
    }

    /// The conversation requests that no turn was there for.
    #[must_use]
    pub fn unmatched(&self) -> Vec<Arc<RecordedRequest>> {
        self.conversation().into_iter().filter(|request| request.turn().is_none()).collect()
    }

    /// The positions of the turns that no request has taken.
    #[must_use]
    pub fn unused_turns(&self) -> Vec<usize> {
        self.director.unused()
    }

    /// Blocks until a request for which `wanted` holds has come (or come to the outcome it asks for).
    ///
    /// # Errors
    /// At the deadline; the error lists what came instead.
    pub fn wait_for_request(
        &self,
        deadline: Duration,
        wanted: impl Fn(&RecordedRequest) -> bool,
    ) -> Result<Arc<RecordedRequest>> {
        let found = self.director.changed.wait(deadline, || self.find(&wanted));
        found.ok_or_else(|| self.nothing_like_it(deadline))
    }

    /// Like [`wait_for_request`](Self::wait_for_request) without blocking the thread.
    ///
    /// # Errors
    /// At the deadline; the error lists what came instead.
    ///
    /// # Cancel safety
    /// Cancelling loses nothing: requests stay on record.
    pub async fn wait_for_request_async(
        &self,
        deadline: Duration,
        wanted: impl Fn(&RecordedRequest) -> bool,
    ) -> Result<Arc<RecordedRequest>> {
        let found = self.director.changed.wait_async(deadline, || self.find(&wanted)).await;
        found.ok_or_else(|| self.nothing_like_it(deadline))
    }

    /// Blocks until a turn waits at the gate.
    ///
    /// # Errors
    /// At the deadline.
    pub fn wait_at_gate(&self, gate: &str, deadline: Duration) -> Result<()> {
        let reached = || (self.director.waiting_at(gate) > 0).then_some(());
        let found = self.director.changed.wait(deadline, reached);
        found
            .with_context(|| format!("no turn came to the gate {gate:?}: {}", self.nothing_like_it(deadline)))
    }

    /// Like [`wait_at_gate`](Self::wait_at_gate) without blocking the thread.
    ///
    /// # Errors
    /// At the deadline.
    ///
    /// # Cancel safety
    /// Cancelling changes nothing.
    pub async fn wait_at_gate_async(&self, gate: &str, deadline: Duration) -> Result<()> {
        let reached = || (self.director.waiting_at(gate) > 0).then_some(());
        let found = self.director.changed.wait_async(deadline, reached).await;
        found
            .with_context(|| format!("no turn came to the gate {gate:?}: {}", self.nothing_like_it(deadline)))
    }

    /// Lets one turn pass the gate: the one that waits there, or else the next that comes.
    pub fn release(&self, gate: &str) {
        self.director.release(gate);
    }

    fn find(&self, wanted: impl Fn(&RecordedRequest) -> bool) -> Option<Arc<RecordedRequest>> {
        self.requests().into_iter().find(|request| wanted(request))
    }

    fn nothing_like_it(&self, deadline: Duration) -> anyhow::Error {
        let requests = self.requests();
        let list: Vec<String> = requests.iter().map(|request| format!("\n  {request:?}")).collect();
        anyhow!("nothing within {deadline:?} fits; {} requests came:{}", requests.len(), list.concat())
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn prepare() -> Result<(runtime::Runtime, TcpListener, SocketAddr)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime for the model server")?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("no port on 127.0.0.1")?;
    let address = listener.local_addr().context("the model server's own address")?;
    Ok((runtime, listener, address))
}
