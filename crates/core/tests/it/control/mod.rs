//! The owner's lock, the sockets, and who may use them.

mod authority;
mod events;
mod gate;
mod handshake;
mod lock;
mod paths;
mod rules;
mod server;
mod support;
mod wire;
mod worker;
