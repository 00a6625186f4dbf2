//! Run a coding agent's terminal, understand its screen and answer it.
