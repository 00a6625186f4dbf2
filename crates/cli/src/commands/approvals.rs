//! `approvals`, `approve`, `reject`: questions to a person.

use clap::Args;
use missiond_core::Approval;
use missiond_core::access::find;

use crate::cli::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::{GREEN, RED, approval, line, list, one, remark};

/// Show the tool calls that wait for an answer
#[derive(Debug, Args)]
pub(crate) struct Approvals {
    /// Show answered and expired ones too.
    #[arg(long)]
    all: bool,
}

/// Let a tool call run
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The approval's id, or a part that no other one's id has.
    id: String,
    /// Something to tell the agent.
    #[arg(long, visible_alias = "reason", value_name = "TEXT")]
    note: Option<String>,
}

/// Refuse a tool call
#[derive(Debug, Args)]
pub(crate) struct Refusal {
    #[command(flatten)]
    answer: Answer,
}

impl Approvals {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let access = context.reach().await?;
        let approvals = access.approvals(self.all).await?;
        // Whole arguments don't fit into a table.
        if context.format == Format::Table && !approvals.is_empty() {
            for (number, question) in approvals.iter().enumerate() {
                if number > 0 {
                    line("")?;
                }
                line(approval(question)?)?;
            }
        } else if context.format == Format::Table {
            remark("nothing waits for an answer");
        } else {
            list(context.format, &approvals, "", || crate::output::Table::new(&[]))?;
        }
        Ok(Exit::OK)
    }
}

impl Answer {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        self.give(context, true).await
    }

    async fn give(self, context: &Context, approve: bool) -> anyhow::Result<Exit> {
        let access = context.reach().await?;
        let all = access.approvals(true).await?;
        let titles: Vec<String> = all.iter().map(title).collect();
        let candidates = all.iter().map(|approval| approval.id).zip(titles.iter().map(String::as_str));
        let id = find("approval", &self.id, candidates)?;
        let settled = access.settle(id, approve, self.note).await?;
        one(context.format, &settled, || {
            let (style, word) = if approve { (GREEN, "approved") } else { (RED, "rejected") };
            let title = missiond_core::text::escape_line(&title(&settled));
            line(format!("{style}{word}{style:#}  {}  {title}", settled.id.short()))
        })?;
        Ok(Exit::OK)
    }
}

impl Refusal {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        self.answer.give(context, false).await
    }
}

fn title(approval: &Approval) -> String {
    format!("{} `{}`", approval.call.tool, approval.call.argument())
}
