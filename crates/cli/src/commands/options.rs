//! What a new task can be told, for `run` and `task submit`.

use std::io::Read as _;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use missiond_core::access::{Access, References};
use missiond_core::{AgentKind, DriverKind, NewTask, Role};

use crate::exit::UsageError;

/// What the tasks are like.
#[derive(Debug, Args)]
pub(crate) struct TaskOptions {
    /// What the agent is told, a task each; `-` reads one from standard input.
    #[arg(required = true, value_name = "PROMPT")]
    prompts: Vec<String>,
    /// Only this kind of agent: claude, scripted, or one of .missiond/agents/.
    #[arg(long, value_name = "KIND")]
    pub(crate) agent: Option<AgentKind>,
    /// How the agent is run: headless or pty.
    #[arg(long, value_name = "DRIVER")]
    pub(crate) driver: Option<DriverKind>,
    /// Only slots of this role.
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    /// The issue it is about; names the branch and the workspace.
    #[arg(long, value_name = "ISSUE")]
    issue: Option<String>,
    /// Higher goes first.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Begin only when this task is done.
    #[arg(long, value_name = "TASK")]
    after: Vec<String>,
    /// Go on with the conversation and the branch of this finished task.
    #[arg(long, value_name = "TASK")]
    follow_up: Option<String>,
    /// Fail what is not done after this time, such as 90s, 10m or 2h.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

impl TaskOptions {
    /// Refuses what makes no sense, before anything is opened.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.prompts.iter().filter(|prompt| *prompt == "-").count() > 1 {
            return Err(UsageError("standard input can be read for one prompt only".to_owned()).into());
        }
        if self.issue.is_some() && self.prompts.len() > 1 {
            let text = "an issue names one branch; give each prompt its own command, or leave --issue out";
            return Err(UsageError(text.to_owned()).into());
        }
        Ok(())
    }

    /// The agent that the tasks need, as far as the command line says it.
    pub(crate) async fn agent_wanted(&self, access: &Access) -> anyhow::Result<Option<AgentKind>> {
        Ok(access.agent_wanted(self.agent.as_ref(), &self.references()).await?)
    }

    /// A request for each prompt. `agent` is for those that name none.
    pub(crate) async fn requests(
        &self,
        access: &Access,
        agent: Option<AgentKind>,
    ) -> anyhow::Result<Vec<NewTask>> {
        let mut template = NewTask::new(String::new());
        template.role = self.role.clone().unwrap_or_default();
        template.agent.clone_from(&self.agent);
        template.driver = self.driver;
        template.issue.clone_from(&self.issue);
        template.priority = self.priority;
        template.deadline = self.timeout.and_then(|timeout| Timestamp::now().checked_add(timeout).ok());
        let template = access.refer(template, &self.references(), agent).await?;
        self.prompts
            .iter()
            .map(|prompt| {
                let mut request = template.clone();
                request.prompt = if prompt == "-" { read_prompt()? } else { prompt.clone() };
                Ok(request)
            })
            .collect()
    }

    fn references(&self) -> References {
        References { after: self.after.clone(), follow_up: self.follow_up.clone() }
    }
}

fn read_prompt() -> anyhow::Result<String> {
    let mut prompt = String::new();
    // One byte more than is allowed, so that a longer one is refused and not cut.
    let limit = NewTask::MAX_PROMPT_BYTES as u64 + 1;
    std::io::stdin().lock().take(limit).read_to_string(&mut prompt)?;
    Ok(prompt)
}

/// Reads a length of time above zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let read = text.parse::<SignedDuration>().ok().and_then(|signed| Duration::try_from(signed).ok());
    let limit = Duration::from_secs(366 * 24 * 3600);
    read.filter(|duration| !duration.is_zero() && *duration <= limit)
        .ok_or_else(|| "write it as 90s, 10m or 2h; above zero and at most 366 days".to_owned())
}
