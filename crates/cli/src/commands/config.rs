//! `config`: see and change the configuration.

use clap::Subcommand;
use missiond_core::Error;
use missiond_core::access::Access;
use missiond_core::adapters::GitWorkspaces;
use missiond_core::config::{self as library, Entry, KEYS, Sources, set_in_file};
use missiond_core::text::escape_line;
use serde::Serialize;

use crate::context::Context;
use crate::exit::{Exit, UsageError};
use crate::output::{Cell, FAINT, Table, line, list, one, remark};

/// See and change the configuration
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print the value of a key
    Get {
        /// Its name, such as agent.turn_timeout.
        key: String,
        /// Say where the value comes from too.
        #[arg(long)]
        show_origin: bool,
    },
    /// Set a key in the project's file, or in the person's; comments stay
    Set {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
        /// Change the person's file.
        #[arg(long)]
        user: bool,
    },
    /// Check the configuration, the agents' files and the policy
    Validate,
    /// Print every key with its value
    Show {
        /// Say where the values come from too.
        #[arg(long)]
        show_origin: bool,
    },
}

/// One key as it is printed.
#[derive(Serialize)]
struct Shown {
    key: &'static str,
    value: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    about: &'static str,
}

impl Config {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        Access::refuse_inside_slot()?;
        match self {
            Self::Get { key, show_origin } => get(context, &key, show_origin),
            Self::Set { key, value, user } => set(context, &key, &value, user),
            Self::Validate => {
                let project = context.project()?;
                project.mission_config()?.check()?;
                remark("the configuration, the agents' files and the policy are in order");
                Ok(Exit::OK)
            }
            Self::Show { show_origin } => show(context, show_origin),
        }
    }
}

fn get(context: &Context, name: &str, show_origin: bool) -> anyhow::Result<Exit> {
    let project = context.project()?;
    let Some(key) = KEYS.iter().find(|key| key.name == name) else {
        // Loading an override of that name alone gives the error that every unknown key gives.
        let overrides = vec![(name.to_owned(), String::new())];
        library::Config::load(&Sources { overrides, ..Sources::default() })?;
        return Err(Error::Missing(format!("there is no key `{}`", escape_line(name))).into());
    };
    let entry = project.config.get(name);
    one(context.format, &shown(key, entry, show_origin), || match entry {
        Some(entry) if show_origin => {
            line(format!("{}  {FAINT}{}{FAINT:#}", text(entry), escape_line(&entry.origin.to_string())))
        }
        Some(entry) => line(text(entry)),
        None => {
            remark(format!("{name} is not set and has no default"));
            Ok(())
        }
    })?;
    Ok(Exit::OK)
}

fn set(context: &Context, key: &str, value: &str, user: bool) -> anyhow::Result<Exit> {
    let file = if user {
        context
            .options
            .user_file
            .clone()
            .ok_or_else(|| UsageError("there is no home directory to keep the file in".to_owned()))?
    } else {
        // The project's configuration may be what is wrong, so only its place is looked for.
        let workspaces = GitWorkspaces::discover(&context.directory).map_err(Error::from)?;
        workspaces.root().join(".missiond").join("config.toml")
    };
    set_in_file(&file, key, value)?;
    let path = escape_line(&file.display().to_string());
    remark(format!("{key} is {} in {path}", escape_line(value)));
    Ok(Exit::OK)
}

fn show(context: &Context, show_origin: bool) -> anyhow::Result<Exit> {
    // What cannot be read must not hide which keys there are.
    let (config, failed) = match context.project() {
        Ok(project) => (project.config, None),
        Err(error) => (library::Config::load(&Sources::default())?, Some(error)),
    };
    if failed.is_some() {
        remark("the configuration cannot be used; these are the keys with their defaults");
    }
    let keys: Vec<Shown> = KEYS.iter().map(|key| shown(key, config.get(key.name), show_origin)).collect();
    list(context.format, &keys, "", || {
        let header: &[&'static str] =
            if show_origin { &["KEY", "VALUE", "ORIGIN"] } else { &["KEY", "VALUE", "ABOUT"] };
        let mut table = Table::new(header);
        for key in KEYS {
            let entry = config.get(key.name);
            let origin = entry.map(|entry| entry.origin.to_string()).unwrap_or_default();
            table.row(vec![
                Cell::new(key.name),
                entry.map_or_else(|| Cell::styled("not set", FAINT), |entry| Cell::new(text(entry))),
                Cell::styled(if show_origin { &origin } else { key.about }, FAINT),
            ]);
        }
        table
    })?;
    failed.map_or(Ok(Exit::OK), Err)
}

fn shown(key: &library::Key, entry: Option<&Entry>, show_origin: bool) -> Shown {
    Shown {
        key: key.name,
        value: entry.and_then(|entry| serde_json::to_value(&entry.value).ok()),
        origin: entry.filter(|_| show_origin).map(|entry| entry.origin.to_string()),
        about: key.about,
    }
}

fn text(entry: &Entry) -> String {
    let text = entry.value.as_str().map_or_else(|| entry.value.to_string(), str::to_owned);
    escape_line(&text)
}
