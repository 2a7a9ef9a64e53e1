//! Carrying the bytes of one stream into another.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{budget, buffers};

/// Copies all that comes from a reader into a writer, to the end, and gives the number of bytes.
///
/// The writer is flushed whenever the reader has nothing, and at the end, but not closed. While
/// nothing comes no memory is held. Both may be references: to sockets of this crate, shared ones
/// too, and `&mut` ones to any stream.
///
/// # Errors
///
/// Those of the streams; nobody knows then how much was copied.
///
/// # Cancel safety
///
/// None: what was read and not yet written is lost.
///
/// # Examples
///
/// ```
/// use greenloop::{io, net::UnixStream};
///
/// greenloop::run(async {
///     let (client, server) = UnixStream::pair()?;
///     let echo = greenloop::spawn(async move { io::copy(&server, &server).await });
///     client.write_all(b"hello").await?;
///     client.shutdown(std::net::Shutdown::Write)?;
///     let mut echoed = Vec::new();
///     assert_eq!(io::copy(&client, &mut echoed).await?, 5);
///     assert_eq!(echoed, b"hello");
///     assert_eq!(echo.await??, 5);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "sendfile")]
#[doc(alias = "sock_sendfile")]
#[doc(alias = "SendfileNotAvailableError")]
pub async fn copy(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
) -> io::Result<u64> {
    let mut transfer = Transfer::new();
    poll_fn(|cx| {
        ready!(transfer.poll_to_end(cx, &mut reader, &mut writer)).map_err(Broken::into_error)?;
        ready!(Pin::new(&mut writer).poll_flush(cx))?;
        Poll::Ready(Ok(transfer.copied))
    })
    .await
}

/// Copies both directions between two streams, until both have ended, and gives the numbers of
/// bytes: from the first to the second, and back.
///
/// When one stream ends, the other's writing direction is closed after the last byte, and the
/// other direction goes on: a client that ends its request still hears the answer. While nothing
/// comes no memory is held. Both may be references: to sockets of this crate, shared ones too, and
/// `&mut` ones to any stream.
///
/// # Errors
///
/// When a stream cannot be read, this ends at once. When one cannot be written to, because its peer
/// listens no more, the other direction goes on to its end, since the peer's last words may still be
/// on their way, and then the error is given.
///
/// # Cancel safety
///
/// None: what was read and not yet written is lost.
///
/// # Examples
///
/// ```
/// use greenloop::{io, net::TcpStream};
///
/// async fn forward(client: TcpStream, target: &str) -> std::io::Result<()> {
///     let server = TcpStream::connect(target).await?;
///     let (sent, received) = io::copy_bidirectional(&client, &server).await?;
///     println!("{sent} bytes to the server, {received} bytes back");
///     Ok(())
/// }
/// ```
pub async fn copy_bidirectional(
    mut one: impl AsyncRead + AsyncWrite + Unpin,
    mut other: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<(u64, u64)> {
    let (mut there, mut back) = (Direction::new(), Direction::new());
    poll_fn(|cx| {
        let there_ended = there.poll(cx, &mut one, &mut other)?.is_ready();
        let back_ended = back.poll(cx, &mut other, &mut one)?.is_ready();
        if !there_ended || !back_ended {
            return Poll::Pending;
        }
        match there.failed.take().or_else(|| back.failed.take()) {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok((there.transfer.copied, back.transfer.copied))),
        }
    })
    .await
}

/// One of two directions.
struct Direction {
    transfer: Transfer,
    stage: Stage,
    /// Why nothing more can be written.
    failed: Option<io::Error>,
}

enum Stage {
    Copying,
    /// All was written, and the writer is to hear of the end.
    Closing,
    Ended,
}

impl Direction {
    fn new() -> Self {
        Self { transfer: Transfer::new(), stage: Stage::Copying, failed: None }
    }

    /// An error is one of reading.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<Poll<()>> {
        if matches!(self.stage, Stage::Copying) {
            match self.transfer.poll_to_end(cx, reader, writer) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(())) => self.stage = Stage::Closing,
                Poll::Ready(Err(Broken::Reader(error))) => return Err(error),
                Poll::Ready(Err(Broken::Writer(error))) => self.fail(error),
            }
        }
        if matches!(self.stage, Stage::Closing) {
            match Pin::new(writer).poll_close(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(())) => self.stage = Stage::Ended,
                Poll::Ready(Err(error)) => self.fail(error),
            }
        }
        Ok(Poll::Ready(()))
    }

    fn fail(&mut self, error: io::Error) {
        self.failed = Some(error);
        self.stage = Stage::Ended;
    }
}

/// Which end has failed.
enum Broken {
    Reader(io::Error),
    Writer(io::Error),
}

impl Broken {
    fn into_error(self) -> io::Error {
        match self {
            Self::Reader(error) | Self::Writer(error) => error,
        }
    }
}

/// The way from a reader to a writer.
struct Transfer {
    /// `start..end` was read and is to be written. Empty while nothing is.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Behind this nothing was ever read.
    used: usize,
    ended: bool,
    /// The writer may have kept something.
    unflushed: bool,
    copied: u64,
}

impl Transfer {
    fn new() -> Self {
        let buffer = Box::default();
        Self { buffer, start: 0, end: 0, used: 0, ended: false, unflushed: false, copied: 0 }
    }

    /// Copies to the end of the reader.
    fn poll_to_end(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        // A reader and a writer in memory would ask no descriptor that is counted.
        ready!(budget::poll_proceed(cx));
        while !self.ended {
            while self.start < self.end {
                let rest = &self.buffer[self.start..self.end];
                let count =
                    ready!(Pin::new(&mut *writer).poll_write(cx, rest)).map_err(Broken::Writer)?;
                if count == 0 {
                    return Poll::Ready(Err(Broken::Writer(io::ErrorKind::WriteZero.into())));
                }
                self.start += count;
                self.copied += count as u64;
                self.unflushed = true;
                budget::spend();
            }
            ready!(self.poll_fill(cx, reader, writer))?;
            ready!(budget::poll_proceed(cx));
        }
        Poll::Ready(Ok(()))
    }

    /// Reads as much as there is room for, or flushes what was written while nothing comes.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        (self.start, self.end) = (0, 0);
        if self.buffer.is_empty() {
            self.buffer = buffers::take(buffers::LARGE);
        }
        let asked = self.buffer.len();
        match Pin::new(reader).poll_read(cx, &mut self.buffer) {
            Poll::Ready(Ok(count @ 1..)) => {
                assert!(
                    count <= asked,
                    "the stream says that it read more than there was room for"
                );
                self.end = count;
                self.used = self.used.max(count);
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Ok(0)) => self.ended = true,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Reader(error))),
            Poll::Pending => {}
        }
        buffers::give_back(std::mem::take(&mut self.buffer), std::mem::take(&mut self.used));
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        if self.unflushed {
            if let Poll::Ready(flushed) = Pin::new(writer).poll_flush(cx) {
                flushed.map_err(Broken::Writer)?;
                self.unflushed = false;
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Reads pieces of these lengths, and then waits.
    struct Pieces(Vec<usize>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let Some(length) = self.0.pop() else { return Poll::Pending };
            buffer[..length].fill(7);
            Poll::Ready(Ok(length))
        }
    }

    #[test]
    fn a_buffer_is_given_back_without_what_was_read_into_it() {
        let mut copied = Vec::new();
        let mut transfer = Transfer::new();
        let mut reader = Pieces(vec![10, 1000]);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(transfer.poll_to_end(&mut cx, &mut reader, &mut copied).is_pending());
        assert_eq!((copied.len(), transfer.buffer.len()), (1010, 0));
        assert!(buffers::take(buffers::LARGE).iter().all(|byte| *byte == 0));
    }
}
