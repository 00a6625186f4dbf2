//! New tasks that speak of earlier ones.

use crate::access::{Access, AccessError};
use crate::ids::AgentKind;
use crate::model::NewTask;

/// Earlier tasks that a new one speaks of, as a person names them: by parts of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// The tasks that have to be done before.
    pub after: Vec<String>,
    /// The task whose conversation and branch it goes on with.
    pub follow_up: Option<String>,
}

impl Access {
    /// Finds the tasks that a request speaks of and puts them into it. A follow-up that names no agent is for the agent
    /// of the task that it follows; any other is for `agent`.
    ///
    /// # Errors
    ///
    /// As [`Access::find_task`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn refer(
        &self,
        mut request: NewTask,
        references: &References,
        agent: Option<AgentKind>,
    ) -> Result<NewTask, AccessError> {
        for text in &references.after {
            request.depends_on.push(self.find_task(text).await?.id);
        }
        if let Some(text) = &references.follow_up {
            let earlier = self.find_task(text).await?;
            request.follow_up = Some(earlier.id);
            request.agent = request.agent.or(earlier.request.agent);
        } else {
            request.agent = request.agent.or(agent);
        }
        Ok(request)
    }

    /// The agent that a request needs, as far as it says so: the one that it names, or that of the task to follow.
    ///
    /// # Errors
    ///
    /// As [`Access::find_task`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn agent_wanted(
        &self,
        named: Option<&AgentKind>,
        references: &References,
    ) -> Result<Option<AgentKind>, AccessError> {
        match (named, &references.follow_up) {
            (Some(agent), _) => Ok(Some(agent.clone())),
            (None, Some(text)) => Ok(self.find_task(text).await?.request.agent),
            (None, None) => Ok(None),
        }
    }
}
