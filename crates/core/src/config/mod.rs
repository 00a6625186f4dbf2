//! Configuration: layers of TOML over defaults, every value with its origin.
//!
//! Precedence, strongest first: an override (a flag), the environment (`MISSIOND_AGENT_TURN_TIMEOUT`), the project's
//! `.missiond/config.toml`, the person's `missiond/config.toml`, the default. Unknown keys are errors.

mod edit;
mod keys;
mod layers;
mod settings;

pub use edit::set_in_file;
pub use keys::{KEYS, Key, Kind};
pub use layers::{Config, ConfigError, Entry, Origin, Sources};
pub use settings::Settings;
