//! A connection that exists in memory only.

use std::{
    collections::VecDeque,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{budget, poll_io};

/// Makes two streams that are connected to each other in memory, of which each direction holds at
/// most so many bytes.
///
/// They behave as sockets do: a write waits while the direction is full, dropping or
/// [closing](DuplexStream::close) an end gives the other the end of the stream after the last byte, and
/// to write to an end that is gone is a `BrokenPipe`. So a protocol can be tested without a network.
/// They need no loop, and the ends may be in different threads.
///
/// # Panics
///
/// When there is no room at all.
///
/// # Examples
///
/// ```
/// use greenloop::io::{BufReader, duplex};
///
/// greenloop::run(async {
///     let (mut client, server) = duplex(64);
///     client.write_all(b"PING\n").await?;
///     let mut line = String::new();
///     BufReader::new(server).read_line(&mut line).await?;
///     assert_eq!(line, "PING\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "feed_data")]
#[doc(alias = "feed_eof")]
#[doc(alias = "simplex")]
#[must_use]
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    assert!(capacity > 0, "a stream without room can never carry anything");
    let (there, back) = (Pipe::new(capacity), Pipe::new(capacity));
    let one = DuplexStream { reads: Arc::clone(&back), writes: Arc::clone(&there) };
    (one, DuplexStream { reads: there, writes: back })
}

/// One end of a connection in memory; from [`duplex`].
pub struct DuplexStream {
    reads: Arc<Pipe>,
    writes: Arc<Pipe>,
}

impl DuplexStream {
    /// Reads what has arrived, waiting until something has, and gives the number of bytes; zero is
    /// the end of the stream (or an empty buffer).
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no data.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_io::read(self, buffer).await
    }

    /// Writes the whole buffer.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the other end is gone, or this one was closed.
    ///
    /// # Cancel safety
    ///
    /// None: part of the buffer may have been written.
    pub async fn write_all(&mut self, buffer: &[u8]) -> io::Result<()> {
        poll_io::write_all(self, buffer).await
    }

    /// Ends the writing direction.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Cancel safety
    ///
    /// It never waits.
    pub async fn close(&mut self) -> io::Result<()> {
        poll_io::close(self).await
    }
}

/// One direction.
struct Pipe {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    data: VecDeque<u8>,
    /// Nothing more will come.
    ended: bool,
    /// Nobody will read any more.
    deaf: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is read is copied and nothing else, so no stranger's code runs under the lock.
    fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if state.data.is_empty() && !state.ended && !buffer.is_empty() {
            let old = state.reader.replace(waker);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let count = buffer.len().min(state.data.len());
        let (front, back) = state.data.as_slices();
        let from_front = count.min(front.len());
        buffer[..from_front].copy_from_slice(&front[..from_front]);
        buffer[from_front..count].copy_from_slice(&back[..count - from_front]);
        state.data.drain(..count);
        let writer = if count > 0 { state.writer.take() } else { None };
        drop(state);
        wake(writer);
        Poll::Ready(count)
    }

    fn poll_write(&self, cx: &Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if state.deaf || state.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = buffer.len().min(self.capacity - state.data.len());
        if count == 0 && !buffer.is_empty() {
            let old = state.writer.replace(waker);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        state.data.extend(&buffer[..count]);
        let reader = if count > 0 { state.reader.take() } else { None };
        drop(state);
        wake(reader);
        Poll::Ready(Ok(count))
    }

    /// Says that nothing more will come.
    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let (reader, writer) = (state.reader.take(), state.writer.take());
        drop(state);
        wake(reader);
        // The end that closes and the one that waits to write may be different tasks.
        wake(writer);
    }

    /// Says that nobody will read any more.
    fn deafen(&self) {
        let mut state = self.lock();
        state.deaf = true;
        let data = std::mem::take(&mut state.data);
        let writer = state.writer.take();
        drop(state);
        drop(data);
        wake(writer);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        self.writes.end();
        self.reads.deafen();
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_proceed(cx));
        let count = ready!(self.reads.poll_read(cx, buffer));
        budget::spend();
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_proceed(cx));
        let written = ready!(self.writes.poll_write(cx, buffer));
        budget::spend();
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writes.end();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DuplexStream")
            .field("to_read", &self.reads.lock().data.len())
            .field("unread", &self.writes.lock().data.len())
            .finish()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<DuplexStream>();
};
