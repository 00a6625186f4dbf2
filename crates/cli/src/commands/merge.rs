//! `diff` and `merge`: looking at the work of an agent, and taking it.

use std::io::Write as _;

use clap::Args;
use missiond_core::Error;
use missiond_core::ports::{MergeOutcome, Workspaces as _};
use missiond_core::text::{escape, escape_line};
use serde::Serialize;

use crate::cli::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::{GREEN, RED, STRONG, YELLOW, line, one, remark};

/// How much of a patch is shown.
const MAX_DIFF_BYTES: usize = 32 << 20;

/// Show what a task or a branch changed
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The task's id or a part of it, or a branch.
    #[arg(value_name = "TASK|BRANCH")]
    what: String,
    /// Print the patch as it is, for `git apply`, and not only what is safe on a terminal.
    #[arg(long)]
    raw: bool,
}

/// Merge the work of a task or a branch into what the project has checked out
///
/// A checkout with changes that the merge would touch is left alone, and so is everything when there are conflicts.
#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// The task's id or a part of it, or a branch.
    #[arg(value_name = "TASK|BRANCH")]
    what: String,
    /// The message of the merge commit, if one is made.
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
}

#[derive(Serialize)]
struct ShownDiff {
    branch: String,
    base: String,
    diff: String,
    truncated: bool,
}

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum ShownMerge {
    Merged { branch: String, into: String, commit: String },
    UpToDate { branch: String, into: String },
    Conflicts { branch: String, into: String, paths: Vec<String> },
    CheckoutDirty { branch: String, into: String, detail: String },
    NoBranch { branch: String },
}

impl Diff {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (project, access) = context.access().await?;
        let work = access.find_work(&project, &self.what).await?;
        let diff = work.diff(&project, MAX_DIFF_BYTES).await?;
        if self.raw {
            std::io::stdout().lock().write_all(&diff.bytes)?;
        } else {
            let text = String::from_utf8_lossy(&diff.bytes).into_owned();
            let shown =
                ShownDiff { branch: work.branch, base: work.base, diff: text, truncated: diff.truncated };
            one(context.format, &shown, || {
                if shown.diff.is_empty() {
                    remark("nothing was changed");
                }
                shown.diff.split_terminator('\n').try_for_each(|text| line(coloured(text)))
            })?;
        }
        if diff.truncated {
            remark("the rest is left out; `git diff` shows it");
        }
        Ok(Exit::OK)
    }
}

fn coloured(text: &str) -> String {
    // A line that ends in a carriage return is of a file with such lines; the escape shows it.
    let text = escape(text);
    let style = match text.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] | [b'd', b'i', b'f', b'f', ..] => STRONG,
        [b'+', ..] => GREEN,
        [b'-', ..] => RED,
        [b'@', ..] => YELLOW,
        _ => return text,
    };
    format!("{style}{text}{style:#}")
}

impl Merge {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (project, access) = context.access().await?;
        let work = access.find_work(&project, &self.what).await?;
        let message = self.message.unwrap_or_else(|| format!("Merge {} ({})\n", work.branch, work.title));
        let merged = project.workspaces().merge(&work.branch, &message).await.map_err(Error::from)?;
        let branch = work.branch;
        let (shown, exit) = match merged {
            MergeOutcome::Merged { into, commit } => (ShownMerge::Merged { branch, into, commit }, Exit::OK),
            MergeOutcome::UpToDate { into } => (ShownMerge::UpToDate { branch, into }, Exit::OK),
            MergeOutcome::Conflicts { into, paths } => {
                (ShownMerge::Conflicts { branch, into, paths }, Exit::FAILURE)
            }
            MergeOutcome::CheckoutDirty { into, detail } => {
                (ShownMerge::CheckoutDirty { branch, into, detail }, Exit::FAILURE)
            }
            MergeOutcome::NoBranch => (ShownMerge::NoBranch { branch }, Exit::FAILURE),
            other => anyhow::bail!("the merge ended in a way that this program does not know: {other:?}"),
        };
        if context.format == Format::Table {
            print(&shown)?;
        } else {
            one(context.format, &shown, || Ok(()))?;
        }
        Ok(exit)
    }
}

fn print(shown: &ShownMerge) -> anyhow::Result<()> {
    match shown {
        ShownMerge::Merged { branch, into, commit } => {
            let commit = escape_line(commit.get(..12).unwrap_or(commit));
            line(format!(
                "{GREEN}merged{GREEN:#} {} into {}, now at {commit}",
                escape_line(branch),
                escape_line(into)
            ))
        }
        ShownMerge::UpToDate { branch, into } => {
            line(format!("{} has everything of {} already", escape_line(into), escape_line(branch)))
        }
        ShownMerge::Conflicts { branch, into, paths } => {
            remark(format!(
                "{RED}conflicts{RED:#}: {} and {} changed the same places; nothing was touched. Merge with git to resolve:",
                escape_line(branch),
                escape_line(into)
            ));
            paths.iter().try_for_each(|path| line(escape_line(path)))
        }
        ShownMerge::NoBranch { .. } => {
            remark(format!(
                "{RED}not merged{RED:#}: no branch is checked out; check the one out that is to be merged into"
            ));
            Ok(())
        }
        ShownMerge::CheckoutDirty { detail, .. } => {
            remark(format!("{RED}not merged{RED:#}: {}", escape(detail)));
            Ok(())
        }
    }
}
