//! The caller's ends of a program's pipes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe;

/// The end of a program's standard output or error that the caller reads.
///
/// Reading blocks until there is something; the end comes when every process of the tree that has the other end is
/// gone. Use [`into_async`](Self::into_async) in async code.
#[derive(Debug)]
pub struct PipeReader {
    pub(crate) fd: OwnedFd,
}

impl PipeReader {
    /// Turns it into an async reader of the current runtime.
    ///
    /// # Errors
    ///
    /// When the descriptor can't be registered, say because the runtime was built without IO.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn into_async(self) -> io::Result<impl AsyncRead + Send + Sync + Unpin + std::fmt::Debug + 'static> {
        pipe::Receiver::from_owned_fd(self.fd)
    }
}

impl io::Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(&self.fd, &mut *buffer))?)
    }
}

impl AsFd for PipeReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<PipeReader> for OwnedFd {
    fn from(pipe: PipeReader) -> Self {
        pipe.fd
    }
}

/// The end of a program's standard input that the caller writes. Dropping it is the program's end of input.
///
/// Writing blocks while the pipe is full. Use [`into_async`](Self::into_async) in async code.
#[derive(Debug)]
pub struct PipeWriter {
    pub(crate) fd: OwnedFd,
}

impl PipeWriter {
    /// Turns it into an async writer of the current runtime.
    ///
    /// # Errors
    ///
    /// When the descriptor can't be registered, say because the runtime was built without IO.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn into_async(self) -> io::Result<impl AsyncWrite + Send + Sync + Unpin + std::fmt::Debug + 'static> {
        pipe::Sender::from_owned_fd(self.fd)
    }
}

impl io::Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::write(&self.fd, bytes))?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for PipeWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<PipeWriter> for OwnedFd {
    fn from(pipe: PipeWriter) -> Self {
        pipe.fd
    }
}
