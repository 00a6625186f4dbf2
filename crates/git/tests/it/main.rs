//! Every assertion about a repository is made through the real `git`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

mod commit;
mod crash;
mod discover;
mod halfway;
mod inspect;
mod locate;
mod merge;
mod names;
mod remove;
mod rescue;
mod scene;
mod state;
mod trap;
mod workspace;
