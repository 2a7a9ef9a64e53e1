//! Pipes with the API of `std::io::pipe`.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::fd::{AsFd, BorrowedFd},
};

use super::wait_io::wait_io;
use crate::net::pipe::{self, Receiver, Sender};

/// Makes a pipe; as `std::io::pipe`, for green threads.
///
/// # Errors
///
/// The system's error.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// use greenloop::green::{self, net::pipe};
///
/// green::run(|| {
///     let (mut reader, mut writer) = pipe()?;
///     green::spawn(move || writer.write_all(b"hello"));
///     let mut text = String::new();
///     reader.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (sender, receiver) = pipe::pipe()?;
    Ok((PipeReader(receiver), PipeWriter(sender)))
}

/// The end of a pipe that reads; as `std::io::PipeReader`, for green threads.
///
/// # Panics
///
/// A read that has to wait panics outside of a green thread.
#[derive(Debug)]
pub struct PipeReader(Receiver);

/// The end of a pipe that writes; as `std::io::PipeWriter`, for green threads.
///
/// # Panics
///
/// A write that has to wait panics outside of a green thread.
#[derive(Debug)]
pub struct PipeWriter(Sender);

impl PipeReader {
    /// Wraps an end of async code.
    #[must_use]
    pub fn from_async(receiver: Receiver) -> Self {
        Self(receiver)
    }

    /// Returns the end for async code.
    #[must_use]
    pub fn as_async(&self) -> &Receiver {
        &self.0
    }

    /// Duplicates the descriptor.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn try_clone(&self) -> io::Result<Self> {
        Receiver::try_from(self.as_fd().try_clone_to_owned()?).map(Self)
    }
}

impl PipeWriter {
    /// Wraps an end of async code.
    #[must_use]
    pub fn from_async(sender: Sender) -> Self {
        Self(sender)
    }

    /// Returns the end for async code.
    #[must_use]
    pub fn as_async(&self) -> &Sender {
        &self.0
    }

    /// Duplicates the descriptor.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn try_clone(&self) -> io::Result<Self> {
        Sender::try_from(self.as_fd().try_clone_to_owned()?).map(Self)
    }
}

impl Read for &PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        wait_io(self.0.read(buffer))
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        wait_io(self.0.read_vectored(buffers))
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl Write for &PipeWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        wait_io(self.0.write(buffer))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        wait_io(self.0.write_vectored(buffers))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for PipeWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for PipeReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for PipeWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
