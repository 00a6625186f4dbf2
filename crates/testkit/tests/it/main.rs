//! The testkit held against the things it stands for.
