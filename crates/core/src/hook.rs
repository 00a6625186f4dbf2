//! The hook program.
