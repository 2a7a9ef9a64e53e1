//! Reading and writing a stream of bytes: what sockets and pipes have in common.
//!
//! A read or write that comes short tells that the next one would block, so the system is not
//! asked in vain. That holds for streams only, and a descriptor that keeps messages apart must not
//! come through here.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    ops::Deref,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll, ready},
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
    pub(crate) fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let nothing = buffer.is_empty().then_some(0);
        self.operate(Direction::Read, |mut io| read(&mut io, buffer)).or_nothing(nothing)
    }

    pub(crate) fn read_vectored(
        &self,
        buffers: &mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        let nothing = (asked(buffers) == 0).then_some(0);
        self.operate(Direction::Read, |mut io| read_vectored(&mut io, buffers)).or_nothing(nothing)
    }

    /// Reads until the buffer is full.
    pub(crate) fn read_exact<'s, 'b>(&'s self, buffer: &'b mut [u8]) -> ReadExact<'s, 'b, T> {
        ReadExact { source: self, buffer, filled: 0, ticket: None }
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
    pub(crate) fn write(&self, buffer: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let nothing = buffer.is_empty().then_some(0);
        self.operate(Direction::Write, |mut io| write(&mut io, buffer)).or_nothing(nothing)
    }

    pub(crate) fn write_vectored(
        &self,
        buffers: &[IoSlice<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        let nothing = (asked(buffers) == 0).then_some(0);
        self.operate(Direction::Write, |mut io| write_vectored(&mut io, buffers))
            .or_nothing(nothing)
    }

    /// Writes the whole buffer.
    pub(crate) fn write_all<'s, 'b>(&'s self, buffer: &'b [u8]) -> WriteAll<'s, 'b, T> {
        WriteAll { source: self, buffer, ticket: None }
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

/// The future of `read_exact`.
#[must_use = "a future does nothing unless awaited"]
pub(crate) struct ReadExact<'s, 'b, T: AsFd> {
    source: &'s Source<T>,
    buffer: &'b mut [u8],
    filled: usize,
    ticket: Option<Ticket>,
}

impl<T: AsFd> Future for ReadExact<'_, '_, T>
where
    for<'a> &'a T: Read,
{
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        while this.filled < this.buffer.len() {
            let rest = &mut this.buffer[this.filled..];
            let operation = |mut io: &T| read(&mut io, rest);
            let polled =
                this.source.poll_operation(Direction::Read, &mut this.ticket, cx, operation);
            match ready!(polled)? {
                0 => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the stream ended before the buffer was full",
                    )));
                }
                count => this.filled += count,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsFd> Drop for ReadExact<'_, '_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.source.cancel_wait(Direction::Read, ticket);
        }
    }
}

/// The future of `write_all`.
#[must_use = "a future does nothing unless awaited"]
pub(crate) struct WriteAll<'s, 'b, T: AsFd> {
    source: &'s Source<T>,
    /// What is left to write.
    buffer: &'b [u8],
    ticket: Option<Ticket>,
}

impl<T: AsFd> Future for WriteAll<'_, '_, T>
where
    for<'a> &'a T: Write,
{
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        while !this.buffer.is_empty() {
            let operation = |mut io: &T| write(&mut io, this.buffer);
            let polled =
                this.source.poll_operation(Direction::Write, &mut this.ticket, cx, operation);
            match ready!(polled)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => this.buffer = &this.buffer[count..],
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsFd> Drop for WriteAll<'_, '_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.source.cancel_wait(Direction::Write, ticket);
        }
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
