//! `events`: the log.

use clap::Args;
use missiond_core::Seq;

use crate::cli::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::{event_line, line, remark, to_json};
use crate::signals::interrupts;

/// Print the log of everything that happened
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on with new events as they come.
    #[arg(long, short)]
    follow: bool,
    /// Only events after this number.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    since: u64,
}

impl Events {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let access = context.reach().await?;
        let mut signals = interrupts()?;
        let mut events = access.events(Seq(self.since), self.follow).await?;
        let format = context.stream_format();
        let mut document = Vec::new();
        let mut any = false;
        loop {
            let event = tokio::select! {
                event = events.next() => event?,
                _ = signals.wait_for(|count| *count > 0) => return Ok(Exit::INTERRUPTED),
            };
            let Some(event) = event else { break };
            any = true;
            match format {
                Format::Table => line(event_line(&event))?,
                // An array that never ends is of no use, so what is followed comes in lines.
                Format::Json if !self.follow => document.push(event),
                Format::Json | Format::Jsonl => line(to_json(&event, false)?)?,
            }
        }
        match format {
            Format::Json if !self.follow => line(to_json(&document, true)?)?,
            Format::Table if !any => remark("no events"),
            _ => {}
        }
        Ok(Exit::OK)
    }
}
