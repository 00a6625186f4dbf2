//! What is known of each kind of agent, as data: one file a kind, the embedded ones below those of the project.

mod profile;

pub use profile::{
    AgentProfile, ClosedField, Emit, EventRule, HeadlessProfile, HookProtocol, ProfileError, Profiles,
    PromptWay, PtyProfile, TranscriptProfile,
};
