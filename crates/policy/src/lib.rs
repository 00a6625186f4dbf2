//! Judge the tool calls of coding agents: rules, paths, and the agents' own hook protocol.
//!
//! A coding agent asks before it uses a tool. [`Policies::judge`] answers: [`Decision::Allow`], [`Decision::Ask`] (a
//! person decides) or [`Decision::Deny`], with the rule it rests on, a reason and a risk. [`hook`] speaks the
//! protocol by which agents ask.
//!
//! ```
//! use missiond_policy::{Decision, Layer, Policies, Policy, Surroundings, ToolCall};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), missiond_policy::Error> {
//! let project = Policy::parse(
//!     r#"
//!     version = 1
//!     preset = "standard"
//!     allow = ["Bash(docker compose ps:*)"]
//!
//!     [[rule]]
//!     effect = "deny"
//!     match = "Read(./secrets/**)"
//!     reason = "ask the team for a test account instead"
//!     "#,
//!     "policy.toml",
//!     Layer::Project,
//! )?;
//! let policies = Policies::new([project])?;
//! let surroundings = Surroundings::new("/work/shop", "/work/shop");
//!
//! let call = |command: &str| ToolCall::new("Bash", json!({ "command": command }), "/work/shop");
//! let decide = |command| policies.judge(&call(command), &surroundings).decision;
//! assert_eq!(decide("cargo test && git status"), Decision::Allow);
//! assert_eq!(decide("docker compose ps --all"), Decision::Allow);
//! assert_eq!(decide("cat secrets/token"), Decision::Deny);
//! assert_eq!(decide("nohup sh -c 'rm -Rf /'"), Decision::Deny);
//! # Ok(())
//! # }
//! ```
//!
//! # What it is not
//!
//! A policy judges what an agent *says* it will do. A build script or a test that the agent wrote runs with the
//! agent's rights, and a determined attacker can hide behind one. The policy stops mistakes and injected prompts;
//! only containment by the operating system stops the rest.
//!
//! # The design, and its price
//!
//! Only commands that are wholly understood are allowed: plain words, known programs, known options, paths that
//! are resolved at the moment of the decision. Everything else is asked, so that harmless commands are asked about
//! that a pattern over the text would let pass. In return no spelling of a command gets past a rule by being
//! unknown to it.
//!
//! Judging is a pure function of the call, the [`Surroundings`] and what [`Links`] says about the file system;
//! [`Policies::judge`] asks this machine's disk, [`Policies::judge_with`] whatever it is given.
//!
//! Paths are Unix paths; only Linux is tested.

#![forbid(unsafe_code)]

mod call;
mod check;
mod error;
pub mod hook;
mod judge;
mod path;
mod policy;
mod preset;
mod rule;
mod shell;
mod text;
mod tool;
mod url;
mod verdict;

pub use call::{Surroundings, ToolCall};
pub use check::{Checked, MAX_LINE_BYTES, check_line};
pub use error::{Error, ErrorKind};
pub use path::{Access, Disk, Links, MAX_PATH_BYTES, NoLinks, PathError, Place, Protection, place_of};
pub use policy::{Policies, Policy, PolicyHandle};
pub use preset::{Lift, Preset, PresetRow, presets_markdown};
pub use rule::{Layer, MAX_POLICY_BYTES, MAX_RULES, Rule};
pub use shell::MAX_COMMAND_BYTES;
pub use verdict::{Decision, Explanation, Risk, RuleId, Verdict};
