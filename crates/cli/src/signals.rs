//! Signals that ask the program to end.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Hears SIGINT, SIGTERM and SIGHUP: the count of those that came.
pub(crate) fn interrupts() -> anyhow::Result<watch::Receiver<u32>> {
    let (sender, receiver) = watch::channel(0);
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        // It ends with the runtime; until then somebody may press Ctrl-C once more.
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                sender.send_modify(|count| *count += 1);
            }
        });
    }
    Ok(receiver)
}
