//! Start a program so that its whole process tree can be watched, limited and ended.
