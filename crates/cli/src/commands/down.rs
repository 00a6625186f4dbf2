//! `down`: end the running mission.

use std::time::{Duration, Instant};

use clap::Args;
use missiond_core::Error;
use missiond_core::control::{OwnerLock, Ownership};

use crate::context::Context;
use crate::exit::{Exit, TimeoutError};
use crate::output::remark;

/// How long agents may take to end.
const DEADLINE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(30);

/// End the running mission
///
/// Running tasks go back to the queue. Returns when every agent has ended.
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Let it work until the queue is empty.
    #[arg(long)]
    drain: bool,
}

impl Down {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let access = context.reach().await?;
        if !access.is_running() {
            remark("no mission is running");
            return Ok(Exit::OK);
        }
        access.shut_down(self.drain).await?;
        let begun = Instant::now();
        loop {
            if OwnerLock::ownership(access.paths()).map_err(Error::from)? == Ownership::Free {
                remark("the mission has ended");
                return Ok(Exit::OK);
            }
            if !self.drain && begun.elapsed() > DEADLINE {
                let text = format!(
                    "the mission did not end within {} s; look at `missiond status`",
                    DEADLINE.as_secs()
                );
                return Err(TimeoutError(text).into());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
