//! A reader with a buffer, which knows where messages end.
//!
//! Invariant: what was read from the stream stays in the buffer until it is given to the caller as a
//! whole. So neither an error nor a dropped future loses a byte.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::{
    budget, buffers,
    limit::LimitExceeded,
    lines::{Lines, Split},
    poll_io,
    search::{self, Match, Separators},
};

/// The longest message that is waited for, unless told otherwise; asyncio's figure.
const LIMIT: usize = 64 * 1024;

/// Reads a stream by lines and other messages.
///
/// It is for any [`AsyncRead`]: the streams of [`net`](crate::net), what other crates wrap around
/// them, a slice of bytes. While nothing has arrived it holds no memory; a message that is longer
/// than the buffer makes it grow, up to the [limit](Self::set_limit), for as long as it is there.
///
/// **Nothing is lost**: whatever fails, and whichever future is dropped, what has arrived and was not
/// given to the caller is still there for the next call, and can be looked at with
/// [`buffer`](Self::buffer).
///
/// It also is an [`AsyncRead`] and an [`AsyncBufRead`], so what futures-util has for those works with
/// it; and an [`AsyncWrite`], which goes past the buffer, if the stream is one. For both directions
/// with buffers, wrap a [`BufWriter`](super::BufWriter) in it.
///
/// # Examples
///
/// ```
/// use greenloop::{io::BufReader, net::UnixStream};
///
/// greenloop::run(async {
///     let (client, server) = UnixStream::pair()?;
///     client.write_all(b"first\nsecond\nrest").await?;
///     drop(client);
///
///     let mut reader = BufReader::new(server);
///     let mut line = String::new();
///     reader.read_line(&mut line).await?;
///     assert_eq!(line, "first\n");
///     let mut lines = reader.lines();
///     assert_eq!(lines.next_line().await?.as_deref(), Some("second"));
///     assert_eq!(lines.next_line().await?.as_deref(), Some("rest"));
///     assert_eq!(lines.next_line().await?, None);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
///
/// A green thread wraps its stream's `as_async()`, and calls `wait` instead of `.await`; or takes std's
/// own `BufReader`, where that is enough.
#[doc(alias = "StreamReader")]
#[doc(alias = "BufStream")]
#[doc(alias = "makefile")]
pub struct BufReader<R> {
    inner: R,
    /// `start..end` was read and not taken. Empty while nothing is there.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Behind this nothing was ever read.
    used: usize,
    /// How long the buffer is unless a message needs more.
    capacity: usize,
    limit: usize,
}

/// What a wait for a separator has come to.
pub(super) enum Found {
    Message(Match),
    /// The stream has ended, and this much is left.
    End(usize),
}

impl<R> BufReader<R> {
    /// Makes a reader with a buffer of 8 KiB.
    #[must_use]
    pub fn new(inner: R) -> Self {
        Self::with_capacity(buffers::SMALL, inner)
    }

    /// Makes a reader with a buffer of so many bytes; with one of another size than 8 KiB, it is not
    /// shared with those who wait.
    ///
    /// # Panics
    ///
    /// When the capacity is zero.
    #[must_use]
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        assert!(capacity > 0, "a buffer without room can never be filled");
        Self { inner, buffer: Box::default(), start: 0, end: 0, used: 0, capacity, limit: LIMIT }
    }

    /// Sets how long a message may be, without its separator; 64 KiB unless set.
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// Sets how long a message may be, as [`set_limit`](Self::set_limit) does.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Returns what was read from the stream and not taken.
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns the stream.
    #[must_use]
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Returns the stream. What is read from it directly is missing in the messages.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Returns the stream; what is in the buffer is lost.
    #[must_use]
    pub fn into_inner(self) -> R {
        self.inner
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > self.capacity {
                // The message that needed it is gone.
                self.buffer = Box::default();
            }
        }
    }

    /// Gives the buffer back while nothing is in it.
    fn release(&mut self) {
        debug_assert_eq!((self.start, self.end), (0, 0));
        buffers::give_back(std::mem::take(&mut self.buffer), self.used);
        self.used = 0;
    }

    /// Makes room behind what was read.
    fn make_room(&mut self) {
        if self.buffer.is_empty() {
            (self.buffer, self.used) = (buffers::take(self.capacity), 0);
        } else if self.end == self.buffer.len() {
            if self.start > 0 && self.start >= self.buffer.len() / 2 {
                self.buffer.copy_within(self.start..self.end, 0);
            } else {
                let mut longer = vec![0; self.buffer.len() * 2].into_boxed_slice();
                longer[..self.end - self.start].copy_from_slice(self.buffer());
                self.buffer = longer;
            }
            (self.start, self.end) = (0, self.end - self.start);
        }
    }
}

impl<R: AsyncRead + Unpin> BufReader<R> {
    /// Reads what has arrived, waiting until something has, and gives the number of bytes; zero is
    /// the end of the stream (or an empty buffer).
    ///
    /// # Errors
    ///
    /// The stream's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no data.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_io::read(self, buffer).await
    }

    /// Reads until the buffer is full.
    ///
    /// All of it has arrived before any of it is taken. To read much, futures-util's `read_exact`
    /// needs less memory: it reads into the buffer directly, and so is not as safe.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the stream ends before: what had arrived is in
    /// [`buffer`](Self::buffer). The stream's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no data.
    #[doc(alias = "readexactly")]
    #[doc(alias = "IncompleteReadError")]
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        if self.wait_for(buffer.len()).await? < buffer.len() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "the stream ended {} bytes before the buffer was full",
                    buffer.len() - self.buffer().len()
                ),
            ));
        }
        buffer.copy_from_slice(&self.buffer()[..buffer.len()]);
        self.advance(buffer.len());
        Ok(())
    }

    /// Waits until so many bytes have arrived, and gives all that have, which may be more; less than
    /// asked for is what was left when the stream ended. None of it is taken.
    ///
    /// # Errors
    ///
    /// The stream's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    #[doc(alias = "at_eof")]
    pub async fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.wait_for(count).await?;
        Ok(self.buffer())
    }

    /// Reads to the next separator, appends to `data` what came, with the separator, and gives how
    /// much that is; zero at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] when the message is longer than the [limit](Self::set_limit). `UnexpectedEof`
    /// when the stream ends after the beginning of a message. The stream's. After
    /// each of them, what has arrived is in [`buffer`](Self::buffer), and this can be called again:
    /// with a higher limit, or after [`skip_until`](Self::skip_until).
    ///
    /// # Panics
    ///
    /// When there is no separator, or an empty one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no data, and leaves `data` as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::io::{BufReader, LimitExceeded};
    ///
    /// greenloop::run(async {
    ///     let mut reader = BufReader::new(&b"GET / HTTP/1.0\r\n\r\nbody"[..]).limit(1000);
    ///     let mut head = Vec::new();
    ///     reader.read_until("\r\n\r\n", &mut head).await?;
    ///     assert_eq!(head, b"GET / HTTP/1.0\r\n\r\n");
    ///     reader.set_limit(3);
    ///     let error = reader.read_until(b'\n', &mut head).await.unwrap_err();
    ///     assert!(error.get_ref().is_some_and(|error| error.is::<LimitExceeded>()));
    ///     assert_eq!(reader.buffer(), b"body");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    #[doc(alias = "readuntil")]
    #[doc(alias = "LimitOverrunError")]
    #[doc(alias = "IncompleteReadError")]
    pub async fn read_until(
        &mut self,
        separators: impl Separators,
        data: &mut Vec<u8>,
    ) -> io::Result<usize> {
        match self.find(&separators).await? {
            Found::Message(Match { end, .. }) => {
                data.extend_from_slice(&self.buffer()[..end]);
                self.advance(end);
                Ok(end)
            }
            Found::End(0) => Ok(0),
            Found::End(left) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the stream ended in a message, after {left} bytes of it"),
            )),
        }
    }

    /// Reads to the end of the line, appends it to `line`, with its `\n`, and gives how many bytes
    /// that is; zero at the end of the stream. The last line may have no `\n`.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] when the line is longer than the [limit](Self::set_limit). `InvalidData` when
    /// it is not UTF-8. The stream's. After each of them, the line is still in
    /// [`buffer`](Self::buffer), and [`skip_until`](Self::skip_until) gets rid of it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no data, and leaves `line` as it was.
    #[doc(alias = "readline")]
    pub async fn read_line(&mut self, line: &mut String) -> io::Result<usize> {
        let count = match self.find(&b'\n').await? {
            Found::Message(Match { end, .. }) => end,
            Found::End(left) => left,
        };
        line.push_str(text(&self.buffer()[..count])?);
        self.advance(count);
        Ok(count)
    }

    /// Reads to the next separator and throws away what came, with the separator, however long that
    /// is. Gives how much it was; at the end of the stream, what was left.
    ///
    /// # Errors
    ///
    /// The stream's.
    ///
    /// # Panics
    ///
    /// When there is no separator, or an empty one.
    ///
    /// # Cancel safety
    ///
    /// What was thrown away is gone, and the next call goes on with the rest.
    pub async fn skip_until(&mut self, separators: impl Separators) -> io::Result<usize> {
        separators.with(search::refuse_empty);
        let mut skipped = 0;
        let mut scanned = 0;
        poll_fn(|cx| {
            ready!(budget::poll_proceed(cx));
            let rest = loop {
                let found = separators.with(|all| search::find(self.buffer(), scanned, all));
                if let Some(Match { end, .. }) = found {
                    break end;
                }
                // What may be the beginning of a separator stays.
                let count = self.buffer().len().saturating_sub(longest(&separators) - 1);
                self.advance(count);
                skipped += count;
                scanned = self.buffer().len();
                if ready!(self.poll_fill(cx))? == 0 {
                    break self.buffer().len();
                }
            };
            self.advance(rest);
            budget::spend();
            Poll::Ready(Ok(skipped + rest))
        })
        .await
    }

    /// Gives the lines as a stream, without their `\n` or `\r\n`.
    pub fn lines(self) -> Lines<R> {
        Lines::new(self)
    }

    /// Gives the messages as a stream, without their separators.
    ///
    /// # Panics
    ///
    /// When there is no separator, or an empty one.
    #[track_caller]
    pub fn split<S: Separators>(self, separators: S) -> Split<R, S> {
        separators.with(search::refuse_empty);
        Split::new(self, separators)
    }

    async fn find(&mut self, separators: &impl Separators) -> io::Result<Found> {
        separators.with(search::refuse_empty);
        let mut scanned = 0;
        poll_fn(|cx| self.poll_find(cx, separators, &mut scanned)).await
    }

    /// Waits for a separator, where `scanned` bytes are known to be without.
    pub(super) fn poll_find(
        &mut self,
        cx: &mut Context<'_>,
        separators: &impl Separators,
        scanned: &mut usize,
    ) -> Poll<io::Result<Found>> {
        // Messages that lie in the buffer ask no descriptor that would be counted.
        ready!(budget::poll_proceed(cx));
        loop {
            let data = self.buffer();
            let found = separators.with(|all| search::find(data, *scanned, all));
            // What may be the beginning of a separator does not count.
            let length = match found {
                Some(Match { end, separator }) => end - separator,
                None => data.len().saturating_sub(longest(separators) - 1),
            };
            if length > self.limit {
                return Poll::Ready(Err(LimitExceeded::new(self.limit).into()));
            }
            if let Some(found) = found {
                budget::spend();
                return Poll::Ready(Ok(Found::Message(found)));
            }
            *scanned = data.len();
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(Found::End(self.buffer().len())));
            }
        }
    }

    /// Waits until there are so many bytes, or the stream has ended, and gives how many there are.
    async fn wait_for(&mut self, count: usize) -> io::Result<usize> {
        poll_fn(|cx| {
            ready!(budget::poll_proceed(cx));
            while self.buffer().len() < count {
                if ready!(self.poll_fill(cx))? == 0 {
                    break;
                }
            }
            budget::spend();
            Poll::Ready(Ok(self.buffer().len()))
        })
        .await
    }

    /// Reads more, behind what is there; gives zero at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.make_room();
        let room = &mut self.buffer[self.end..];
        let asked = room.len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, room);
        if let Poll::Ready(Ok(count)) = polled {
            assert!(count <= asked, "the stream says that it read more than there was room for");
            self.end += count;
            self.used = self.used.max(self.end);
        }
        if self.start == self.end {
            // Nobody knows for how long: others may have it.
            self.release();
        }
        polled
    }
}

/// The length of the longest separator.
fn longest(separators: &impl Separators) -> usize {
    separators.with(|all| all.iter().map(|one| one.len()).max().unwrap_or(1))
}

/// The text of a line.
pub(super) fn text(data: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(data).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl<R: AsyncRead + Unpin> AsyncBufRead for BufReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.buffer().is_empty() {
            ready!(this.poll_fill(cx))?;
        }
        Poll::Ready(Ok(this.buffer()))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let this = self.get_mut();
        assert!(count <= this.buffer().len(), "there is not as much in the buffer");
        this.advance(count);
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for BufReader<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.buffer().is_empty() {
            if buffer.len() >= this.capacity {
                return Pin::new(&mut this.inner).poll_read(cx, buffer);
            }
            if !buffer.is_empty() && ready!(this.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        ready!(budget::poll_proceed(cx));
        let count = buffer.len().min(this.buffer().len());
        buffer[..count].copy_from_slice(&this.buffer()[..count]);
        this.advance(count);
        budget::spend();
        Poll::Ready(Ok(count))
    }
}

impl<R: AsyncWrite + Unpin> BufReader<R> {
    /// Writes the whole buffer, past the reader.
    ///
    /// # Errors
    ///
    /// The stream's; nobody knows then how much was written.
    ///
    /// # Cancel safety
    ///
    /// None: part of the buffer may have been written.
    pub async fn write_all(&mut self, buffer: &[u8]) -> io::Result<()> {
        poll_io::write_all(&mut self.inner, buffer).await
    }

    /// Writes what a writer below has in its buffer.
    ///
    /// # Errors
    ///
    /// The stream's.
    ///
    /// # Cancel safety
    ///
    /// What was not written stays in the writer's buffer.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_io::flush(&mut self.inner).await
    }

    /// Ends the writing direction of the stream, after what a writer below has in its buffer.
    ///
    /// # Errors
    ///
    /// The stream's.
    ///
    /// # Cancel safety
    ///
    /// It can be called again.
    pub async fn close(&mut self) -> io::Result<()> {
        poll_io::close(&mut self.inner).await
    }
}

impl<R: AsyncWrite + Unpin> AsyncWrite for BufReader<R> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufReader")
            .field("inner", &self.inner)
            .field("buffered", &self.buffer().len())
            .finish_non_exhaustive()
    }
}
