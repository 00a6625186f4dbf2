//! `message`: what agents wrote.

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;
use crate::output::{Cell, FAINT, Table, list, stamp};

/// Read the messages of agents
#[derive(Debug, Subcommand)]
pub(crate) enum Message {
    /// List messages, oldest first
    List {
        /// At most so many, the newest.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
    },
}

impl Message {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Self::List { limit } = self;
        let access = context.reach().await?;
        let messages = access.messages(limit).await?;
        list(context.format, &messages, "no messages", || {
            let mut table = Table::new(&["MESSAGE", "SENT", "FROM", "TO", "TEXT"]);
            for message in &messages {
                let from = message.from.as_ref().map_or_else(|| "person".to_owned(), ToString::to_string);
                table.row(vec![
                    Cell::new(message.id.short()),
                    Cell::styled(stamp(message.sent_at), FAINT),
                    Cell::new(from),
                    Cell::new(message.to.to_string()),
                    Cell::new(&message.text),
                ]);
            }
            table
        })?;
        Ok(Exit::OK)
    }
}
