//! Reading and writing a stream of bytes: what sockets and pipes have in common.
//!
//! A read or write that comes short tells that the next one would block, so the system is not
//! asked in vain. That holds for streams only, and a descriptor that keeps messages apart must not
//! come through here.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    ops::Deref,
    os::fd::AsFd,
    task::{Context, Poll},
};

use super::{
    Direction, Ticket,
    source::{Done, Source},
};

impl<T: AsFd> Source<T>
where
    for<'a> &'a T: Read,
{
    /// Reads what has arrived, waiting until something has.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return self.nothing().await;
        }
        self.operate(Direction::Read, |mut io| read(&mut io, buffer)).await
    }

    pub(crate) async fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if asked(buffers) == 0 {
            return self.nothing().await;
        }
        self.operate(Direction::Read, |mut io| read_vectored(&mut io, buffers)).await
    }

    /// Reads until the buffer is full.
    pub(crate) async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]).await? {
                0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the stream ended before the buffer was full",
                    ));
                }
                count => filled += count,
            }
        }
        Ok(())
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_operation(Direction::Read, |mut io| read(&mut io, buffer))
    }

    pub(crate) fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.try_operation(Direction::Read, |mut io| read_vectored(&mut io, buffers))
    }

    /// For traits: of those who poll, one is remembered.
    pub(crate) fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let operation = |mut io: &T| read(&mut io, buffer);
        self.poll_operation(Direction::Read, &mut Some(Ticket::SHARED), cx, operation)
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let operation = |mut io: &T| read_vectored(&mut io, buffers);
        self.poll_operation(Direction::Read, &mut Some(Ticket::SHARED), cx, operation)
    }
}

impl<T: AsFd> Source<T>
where
    for<'a> &'a T: Write,
{
    /// Writes what there is room for, waiting until there is some.
    pub(crate) async fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.operate(Direction::Write, |mut io| write(&mut io, buffer)).await
    }

    pub(crate) async fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.operate(Direction::Write, |mut io| write_vectored(&mut io, buffers)).await
    }

    /// Writes the whole buffer.
    pub(crate) async fn write_all(&self, mut buffer: &[u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.write(buffer).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => buffer = &buffer[count..],
            }
        }
        Ok(())
    }

    pub(crate) fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.try_operation(Direction::Write, |mut io| write(&mut io, buffer))
    }

    pub(crate) fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_operation(Direction::Write, |mut io| write_vectored(&mut io, buffers))
    }

    /// For traits: of those who poll, one is remembered.
    pub(crate) fn poll_write(&self, cx: &Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let operation = |mut io: &T| write(&mut io, buffer);
        self.poll_operation(Direction::Write, &mut Some(Ticket::SHARED), cx, operation)
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let operation = |mut io: &T| write_vectored(&mut io, buffers);
        self.poll_operation(Direction::Write, &mut Some(Ticket::SHARED), cx, operation)
    }
}

fn read(io: &mut impl Read, buffer: &mut [u8]) -> io::Result<Done<usize>> {
    io.read(buffer).map(|count| Done::bytes(count, buffer.len()))
}

fn read_vectored(io: &mut impl Read, buffers: &mut [IoSliceMut<'_>]) -> io::Result<Done<usize>> {
    let asked = asked(buffers);
    io.read_vectored(buffers).map(|count| Done::bytes(count, asked))
}

fn write(io: &mut impl Write, buffer: &[u8]) -> io::Result<Done<usize>> {
    io.write(buffer).map(|count| Done::bytes(count, buffer.len()))
}

fn write_vectored(io: &mut impl Write, buffers: &[IoSlice<'_>]) -> io::Result<Done<usize>> {
    let asked = asked(buffers);
    io.write_vectored(buffers).map(|count| Done::bytes(count, asked))
}

/// How many bytes the system is asked for: it takes 1,024 buffers at once (`IOV_MAX`).
fn asked<B: Deref<Target = [u8]>>(buffers: &[B]) -> usize {
    buffers.iter().take(1024).map(|buffer| buffer.len()).sum()
}
