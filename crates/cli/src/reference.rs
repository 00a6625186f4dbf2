//! The command reference, made from what clap knows.

use clap::{Arg, ArgAction, Command};

use crate::exit::Exit;
use crate::output::line;

pub(crate) fn print(mut command: Command) -> anyhow::Result<Exit> {
    command.build();
    let mut text = String::from(
        "# Command reference\n\nMade by `missiond reference` from the program itself; a test keeps it up to date.\n",
    );
    text.push_str(&paragraph(&about(&command)));
    text.push_str("\n## Global options\n\n");
    for arg in command.get_arguments().filter(|arg| arg.is_global_set()) {
        text.push_str(&argument(arg));
    }
    if let Some(after) = command.get_after_help() {
        text.push_str(&paragraph(&after.to_string()));
    }
    for sub in command.get_subcommands() {
        section(sub, "missiond", &mut text);
    }
    line(text.trim_end())?;
    Ok(Exit::OK)
}

fn section(command: &Command, parent: &str, text: &mut String) {
    if command.is_hide_set() {
        return;
    }
    let name = format!("{parent} {}", command.get_name());
    let subs: Vec<&Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    text.push_str(&format!("\n## `{name}`\n{}", paragraph(&about(command))));
    // A command that does something by itself too has arguments of its own.
    if subs.is_empty() || command.get_positionals().next().is_some() {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        text.push_str(&format!("\n```\n{usage}\n```\n"));
        let own: Vec<&Arg> =
            command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set()).collect();
        let own: Vec<&&Arg> =
            own.iter().filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")).collect();
        if !own.is_empty() {
            text.push('\n');
        }
        for arg in own {
            text.push_str(&argument(arg));
        }
    }
    for sub in subs {
        section(sub, &name, text);
    }
}

fn about(command: &Command) -> String {
    command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default()
}

/// The paragraphs of a help text. clap takes the full stop off the first one.
fn paragraph(text: &str) -> String {
    let paragraphs: Vec<String> =
        text.trim().split("\n\n").filter(|part| !part.is_empty()).map(sentence).collect();
    if paragraphs.is_empty() { String::new() } else { format!("\n{}\n", paragraphs.join("\n\n")) }
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', ':']) { text.to_owned() } else { format!("{text}.") }
}

fn argument(arg: &Arg) -> String {
    let values = arg
        .get_value_names()
        .map(|names| names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" "));
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let value = if takes_value { values.unwrap_or_default() } else { String::new() };
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}"),
        (None, Some(long)) => format!("--{long} {value}"),
        (Some(short), None) => format!("-{short} {value}"),
        (None, None) => value,
    };
    let help = arg.get_help().map(|help| sentence(&help.to_string())).unwrap_or_default();
    let choices: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let choices = if choices.len() > 1 && takes_value {
        format!(" One of {}.", choices.join(", "))
    } else {
        String::new()
    };
    let default: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let default = if default.is_empty() || !takes_value {
        String::new()
    } else {
        format!(" Default: `{}`.", default.join(" "))
    };
    format!("- `{}`: {help}{choices}{default}\n", name.trim())
}
