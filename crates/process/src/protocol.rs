//! What caller and guardian say to each other: messages of one size over a `SOCK_SEQPACKET` pair.
//!
//! Nothing here allocates, since the guardian and the program-to-be use it after a fork.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::net::{RecvFlags, SendFlags};

const SIZE: usize = 8;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// Guardian to caller: the main program's pid.
    Started(i32),
    /// Guardian to caller: the main program's `wait(2)` status.
    Exited(i32),
    /// Program-to-be or guardian to caller: the preparation failed at this stage.
    Failed(Stage),
    /// Caller to guardian: send this signal to the whole tree.
    Signal(i32),
    /// Caller to guardian: a kill begins, and the caller says when which signal is due.
    Climb,
    /// Caller to guardian: SIGKILL everything, and go on until it is gone.
    Kill,
}

/// A stage between fork and exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Session,
    Fork,
    Terminal,
    Limits,
    PreExec,
    Exec,
}

/// What a receive brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    Message(Message),
    /// Nothing is there (yet), or something that is no message.
    Nothing,
    /// The other end is closed.
    Closed,
}

/// Sends without waiting. A full queue or a closed end is the caller's to judge.
pub(crate) fn send(socket: BorrowedFd<'_>, message: Message) -> io::Result<()> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(rustix::net::send(socket, &encode(message), flags).map(|_| ())?)
}

/// Receives without waiting.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> Received {
    let mut buffer = [0_u8; SIZE];
    match rustix::net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
        Ok((_, 0)) => Received::Closed,
        Ok((_, SIZE)) => decode(buffer).map_or(Received::Nothing, Received::Message),
        Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {
            Received::Nothing
        }
        Err(_) => Received::Closed,
    }
}

fn encode(message: Message) -> [u8; SIZE] {
    let (kind, value) = match message {
        Message::Started(pid) => (b'P', pid),
        Message::Exited(status) => (b'X', status),
        Message::Failed(stage) => (b'F', stage as i32),
        Message::Signal(number) => (b'S', number),
        Message::Climb => (b'C', 0),
        Message::Kill => (b'K', 0),
    };
    let [a, b, c, d] = value.to_le_bytes();
    [kind, 0, 0, 0, a, b, c, d]
}

fn decode(bytes: [u8; SIZE]) -> Option<Message> {
    let [kind, _, _, _, a, b, c, d] = bytes;
    let value = i32::from_le_bytes([a, b, c, d]);
    Some(match kind {
        b'P' => Message::Started(value),
        b'X' => Message::Exited(value),
        b'F' => Message::Failed(Stage::from_number(value)?),
        b'S' => Message::Signal(value),
        b'C' => Message::Climb,
        b'K' => Message::Kill,
        _ => return None,
    })
}

impl Stage {
    fn from_number(number: i32) -> Option<Self> {
        [Self::Session, Self::Fork, Self::Terminal, Self::Limits, Self::PreExec, Self::Exec]
            .into_iter()
            .find(|stage| *stage as i32 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Stage, decode, encode};

    #[test]
    fn messages_come_back_as_sent() {
        for message in [
            Message::Started(1),
            Message::Started(i32::MAX),
            Message::Exited(-1),
            Message::Failed(Stage::Session),
            Message::Failed(Stage::Exec),
            Message::Signal(15),
            Message::Climb,
            Message::Kill,
        ] {
            assert_eq!(decode(encode(message)), Some(message));
        }
        assert_eq!(decode([0; 8]), None);
        assert_eq!(decode([b'F', 0, 0, 0, 99, 0, 0, 0]), None);
    }
}
