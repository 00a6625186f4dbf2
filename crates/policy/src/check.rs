//! Calls as lines of JSON, judged one by one.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::{
    call::{Surroundings, ToolCall},
    path::Links,
    policy::Policies,
    text::shown,
    verdict::{Decision, Explanation, Risk, Verdict},
};

/// The longest line that is judged, in bytes.
pub const MAX_LINE_BYTES: usize = 10 << 20;

/// The verdict on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Checked {
    /// The id of the call, as it stood in the line: a text or a number.
    pub id: Option<Value>,
    /// The verdict; a deny for a line that holds no call.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// What is wrong with the line, if it holds no call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Judges a line that holds a call: `{"id", "tool_name", "tool_input", "cwd"}`, where a `cwd` that is left out is the one
/// given here. `surroundings` says where a call in that directory happens; none of the directories need exist.
///
/// Never fails: a line that is no call is denied, and [`Checked::error`] says what is wrong with it.
#[must_use]
pub fn check_line(
    policies: &Policies,
    line: &[u8],
    cwd: Option<&Path>,
    surroundings: impl FnOnce(&Path) -> Surroundings,
    links: &dyn Links,
) -> Checked {
    let mut id = None;
    match call(line, cwd, &mut id) {
        Ok(call) => {
            let explanation = policies.explain_with(&call, &surroundings(&call.cwd), links);
            Checked { id, explanation, error: None }
        }
        Err(problem) => {
            let reason = format!("this is no tool call: {}", shown(&problem));
            let verdict = Verdict::new(Decision::Deny, Risk::High, reason);
            let explanation = Explanation { verdict, commands: Vec::new(), effects: Vec::new() };
            Checked { id, explanation, error: Some(shown(&problem).to_string()) }
        }
    }
}

/// The call that a line holds. `id` is set as soon as it is known.
fn call(line: &[u8], cwd: Option<&Path>, id: &mut Option<Value>) -> Result<ToolCall, String> {
    if line.len() > MAX_LINE_BYTES {
        return Err(format!("the line has more than {MAX_LINE_BYTES} bytes"));
    }
    let mut value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let fields = value.as_object_mut().ok_or("it isn't a JSON object")?;
    if let (None, Some(cwd)) = (fields.get("cwd"), cwd) {
        let cwd = cwd.to_str().ok_or("the workspace's path isn't UTF-8, so name a `cwd`")?;
        fields.insert("cwd".to_owned(), cwd.into());
    }
    id.clone_from(&fields.get("id").filter(|id| id.is_string() || id.is_number()).cloned());
    if let Some(id) = fields.get_mut("id").filter(|id| id.is_number()) {
        *id = id.to_string().into();
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}
