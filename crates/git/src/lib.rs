//! Git worktrees for coding agents: create, commit, merge and retire them without losing work.
