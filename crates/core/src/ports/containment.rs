//! The port to whatever confines an agent's process.

use std::any::Any;
use std::fmt::{self, Debug};
use std::path::Path;

use missiond_process::SpawnSpec;

/// Maps the specification of an uncontained process to that of a contained one.
///
/// An implementor fails when it cannot give what was asked for; it never hands back a weaker confinement. It does not
/// start the process: one thing starts processes, and that is [`missiond_process`]. A caller keeps the guard until the
/// process tree is gone, and may not assume anything of the new specification's program or arguments.
pub trait Containment: Debug + Send + Sync {
    /// A word for it, as in `--contain`: `none`, `sandbox`, `docker`.
    fn name(&self) -> &str;

    /// Maps the specification; `workspace` is the directory that the agent may write.
    ///
    /// # Errors
    ///
    /// When the confinement cannot be had on this machine; the error says what is missing and how to get it.
    fn contain(&self, spec: SpawnSpec, workspace: &Path) -> Result<Contained, ContainmentError>;
}

/// A specification to start, and what must live as long as the process.
pub struct Contained {
    /// What to start.
    pub spec: SpawnSpec,
    /// Undoes, when dropped, whatever the containment set up.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl Debug for Contained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contained").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// A confinement that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("containment `{name}` is not available: {missing}; {remedy}")]
pub struct ContainmentError {
    /// Which containment.
    pub name: String,
    /// What is missing.
    pub missing: String,
    /// How to get it.
    pub remedy: String,
}

/// No confinement: the agent has the person's own rights, and the policy alone stands between.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContainment;

impl Containment for NoContainment {
    fn name(&self) -> &str {
        "none"
    }

    fn contain(&self, spec: SpawnSpec, _workspace: &Path) -> Result<Contained, ContainmentError> {
        Ok(Contained { spec, guard: Box::new(()) })
    }
}
