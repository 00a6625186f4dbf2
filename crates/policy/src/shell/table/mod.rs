//! The commands whose options are known, as data.
//!
//! An entry errs on the side of asking: a program that isn't here, and an option that isn't in a closed list, is
//! asked. Programs that can write, fetch or start something else have closed lists.

mod building;
mod by_name;
mod files;
mod git;
mod looking;

pub(super) use by_name::KNOWN_BY_NAME;

use super::grammar::{Operands, Options, Spec};
use crate::preset::Act;

pub(super) const COMMANDS: [&[Spec]; 4] = [looking::LOOKING, files::FILES, building::BUILDING, git::GIT];

const ANY: Options = Options::Except(&[], &[]);
const NONE: Options = Options::Only(&[]);

const fn spec(name: &'static str, act: Act, operands: Operands, options: Options) -> Spec {
    Spec { name, act, operands, options }
}
