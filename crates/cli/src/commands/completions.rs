//! `completions`: for the shell.

use clap::Args;
use clap_complete::Shell;

use crate::exit::Exit;
use crate::output::line;

/// Print completions for a shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::cli::command(), "missiond", &mut script);
        line(String::from_utf8(script)?.trim_end())?;
        Ok(Exit::OK)
    }
}
