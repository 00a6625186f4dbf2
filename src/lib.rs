//! Hosts the workspace examples, and compiles the README so that its Rust snippets stay true.
#![doc = include_str!("../README.md")]
