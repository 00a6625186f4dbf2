//! `doctor`: look the project over.

use clap::Args;
use clap::builder::styling::Style;
use missiond_core::access::{Access, Finding, Severity, examine, mend};
use missiond_core::text::{escape, escape_line};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::output::{FAINT, GREEN, RED, STRONG, YELLOW, line, one};

/// Look the project over, and mend what a killed mission left
///
/// Exit code 0 when all is well, else 1.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// End leftover processes, put abandoned tasks back in the queue, complete or undo half-made workspaces.
    #[arg(long)]
    fix: bool,
}

#[derive(Serialize)]
struct Shown {
    healthy: bool,
    mended: Vec<String>,
    findings: Vec<Finding>,
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        Access::refuse_inside_slot()?;
        let mended = if self.fix { mend(&context.project()?).await? } else { Vec::new() };
        let findings = examine(&context.directory, &context.options).await;
        let healthy = findings.iter().all(|finding| finding.severity != Severity::Problem);
        let shown = Shown { healthy, mended, findings };
        one(context.format, &shown, || print(&shown))?;
        Ok(if healthy { Exit::OK } else { Exit::FAILURE })
    }
}

fn print(shown: &Shown) -> anyhow::Result<()> {
    for text in &shown.mended {
        line(format!("{GREEN}mended{GREEN:#}   {}", escape_line(text)))?;
    }
    let width = shown.findings.iter().map(|finding| finding.subject.len()).max().unwrap_or(0);
    for finding in &shown.findings {
        let style = style(finding.severity);
        let text = escape(&finding.text).replace('\n', "\n           ");
        let word = finding.severity.as_str();
        let subject = escape_line(&finding.subject);
        line(format!("{style}{word:<8}{style:#} {STRONG}{subject:<width$}{STRONG:#}  {text}"))?;
        if let Some(remedy) = &finding.remedy {
            line(format!("         {:<width$}  {FAINT}→ {}{FAINT:#}", "", escape_line(remedy)))?;
        }
    }
    Ok(())
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Ok => GREEN,
        Severity::Note => YELLOW,
        Severity::Problem => RED,
    }
}
