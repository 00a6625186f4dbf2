//! What an agent is doing, read from one snapshot of its screen. Pure: no clock, no history.

mod answer;
mod dialog;
mod layout;
mod observation;
mod observe;
mod pattern;
mod profile;

pub(crate) use answer::{error_message, is_pasted};
pub use observation::{Activity, Dialog, DialogId, DialogKind, DialogOption, Evidence, Observation, Status};
pub use profile::{Profile, ProfileError};
