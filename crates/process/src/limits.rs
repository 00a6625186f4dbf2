//! Resource limits of a program.

use rustix::process::{Resource, Rlimit};

/// Resource limits (`setrlimit(2)`) of a program and of what it starts. `None` leaves the caller's limit.
///
/// Each is set as soft and hard limit. A value above the caller's own hard limit is lowered to that, so a limit
/// never fails for asking too much.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Open descriptors per process (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// Processes and threads *of the user*, not of the tree (`RLIMIT_NPROC`); the kernel doesn't hold root to it.
    pub processes: Option<u64>,
    /// Bytes of address space per process (`RLIMIT_AS`). Runtimes that reserve much (Node.js, Go) need a lot.
    pub address_space_bytes: Option<u64>,
    /// Bytes a file may grow to (`RLIMIT_FSIZE`).
    pub file_size_bytes: Option<u64>,
    /// Seconds of processor time per process (`RLIMIT_CPU`).
    pub cpu_seconds: Option<u64>,
    /// Bytes of a core dump (`RLIMIT_CORE`). By default 0: a dump of an agent holds its secrets.
    pub core_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_files: None,
            processes: None,
            address_space_bytes: None,
            file_size_bytes: None,
            cpu_seconds: None,
            core_bytes: Some(0),
        }
    }
}

impl Limits {
    /// The limits to set, worked out before the fork because the child may not allocate.
    pub(crate) fn resolve(&self) -> Vec<(Resource, Rlimit)> {
        [
            (Resource::Nofile, self.open_files),
            (Resource::Nproc, self.processes),
            (Resource::As, self.address_space_bytes),
            (Resource::Fsize, self.file_size_bytes),
            (Resource::Cpu, self.cpu_seconds),
            (Resource::Core, self.core_bytes),
        ]
        .into_iter()
        .filter_map(|(resource, asked)| {
            let hard = rustix::process::getrlimit(resource).maximum;
            let value = asked.map(|asked| hard.map_or(asked, |hard| asked.min(hard)));
            value.map(|value| (resource, Rlimit { current: Some(value), maximum: Some(value) }))
        })
        .collect()
    }
}
