//! Where a path really leads, and whose it is.
//!
//! Paths are judged by components after `..` and symbolic links are resolved as far as they exist, at the moment
//! of the decision. Programs disagree about `link/..` (the kernel follows the link first, many tools drop both
//! components first), so both readings are judged and the stricter one counts.

mod links;
mod place;
mod protected;
mod reach;
mod runs;

pub(crate) use links::spelled;
pub use links::{Disk, Links, NoLinks};
pub use place::{Access, PathError, Place, Protection, place_of};
pub(crate) use place::{Located, Roots, Standing, check_text};
pub(crate) use protected::{is_environment, is_key};
pub(crate) use reach::{could_be_secret, could_match, could_reach_protected, names_secret};

/// The longest path that is judged, in bytes (Linux `PATH_MAX`).
pub const MAX_PATH_BYTES: usize = 4096;
