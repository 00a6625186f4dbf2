//! Judge the tool calls of coding agents: rules, paths, and the agents' own hook protocol.
