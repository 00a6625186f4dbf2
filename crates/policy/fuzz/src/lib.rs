//! What the targets share: where the calls happen.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use missiond_policy::{Explanation, Links, Policies, Policy, Preset, Surroundings, ToolCall};
use serde_json::json;

/// The workspace of every call.
pub const WORKSPACE: &str = "/home/dev/work/shop-7";

/// The surroundings of every call, the same as in the crate's tests.
pub fn surroundings() -> Surroundings {
    let mut surroundings = Surroundings::new(WORKSPACE, "/home/dev/work/shop");
    surroundings.home = Some("/home/dev".into());
    surroundings.temp_dirs = vec!["/tmp".into()];
    surroundings.protected = vec!["/home/dev/.local/state/missiond".into()];
    surroundings.own_pids = vec![4242];
    surroundings.can_ask = true;
    surroundings
}

/// The policies of a preset alone.
pub fn policies(preset: Preset) -> &'static Policies {
    static ALL: LazyLock<Vec<Policies>> = LazyLock::new(|| Preset::ALL.map(alone).into());
    &ALL[preset as usize]
}

fn alone(preset: Preset) -> Policies {
    Policies::new([Policy::preset(preset)]).expect("a preset alone has no two rules of one name")
}

/// What a preset makes of a command.
pub fn explain(preset: Preset, command: &str) -> Explanation {
    let call = ToolCall::new("Bash", json!({ "command": command }), WORKSPACE);
    policies(preset).explain_with(&call, &surroundings(), &Written(Vec::new()))
}

/// A file system that is written down: links, and where each leads.
#[derive(Debug)]
pub struct Written(pub Vec<(PathBuf, PathBuf)>);

impl Links for Written {
    fn target(&self, path: &Path) -> Option<PathBuf> {
        self.0.iter().find(|(link, _)| link == path).map(|(_, target)| target.clone())
    }
}
