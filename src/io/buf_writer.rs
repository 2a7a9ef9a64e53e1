//! A writer with a buffer.

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::{budget, buffers, poll_io};

/// Collects small writes, and writes them together.
///
/// It writes when more is there than fits into the buffer, and when it is told to
/// [`flush`](Self::flush): **dropping it does not**, since that could not wait, and nor does waiting for
/// an answer. While there is nothing to write it holds no memory.
///
/// It also is an [`AsyncRead`], which goes past the buffer, if the stream is one. So a
/// [`BufReader`](super::BufReader) around it has both directions.
///
/// # Examples
///
/// ```
/// use greenloop::{io::{BufReader, BufWriter}, net::UnixStream};
///
/// greenloop::run(async {
///     let (client, server) = UnixStream::pair()?;
///     let mut client = BufReader::new(BufWriter::new(client));
///     for number in 0..100 {
///         client.write_all(format!("{number}\n").as_bytes()).await?;
///     }
///     client.flush().await?; // One system call.
///
///     let mut server = BufReader::new(server);
///     let mut line = String::new();
///     server.read_line(&mut line).await?;
///     assert_eq!(line, "0\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "StreamWriter")]
#[doc(alias = "BufStream")]
pub struct BufWriter<W> {
    inner: W,
    /// `start..end` is to be written. Empty while nothing is.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Behind this nothing was ever put.
    used: usize,
    capacity: usize,
}

impl<W> BufWriter<W> {
    /// Makes a writer with a buffer of 8 KiB.
    #[must_use]
    pub fn new(inner: W) -> Self {
        Self::with_capacity(buffers::SMALL, inner)
    }

    /// Makes a writer with a buffer of so many bytes; with none, everything is written at once.
    #[must_use]
    pub fn with_capacity(capacity: usize, inner: W) -> Self {
        Self { inner, buffer: Box::default(), start: 0, end: 0, used: 0, capacity }
    }

    /// Returns what is to be written.
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns the stream.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// Returns the stream. What is written to it directly comes before what is in the buffer.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Returns the stream; what is in the buffer is lost.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Puts into the buffer what there is room for.
    fn put(&mut self, data: &[u8]) {
        if self.buffer.is_empty() {
            (self.buffer, self.used) = (buffers::take(self.capacity), 0);
        }
        if self.start > 0 && self.end + data.len() > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.buffer[self.end..][..data.len()].copy_from_slice(data);
        self.end += data.len();
        self.used = self.used.max(self.end);
    }

    /// Takes out what was written.
    fn advance(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            buffers::give_back(std::mem::take(&mut self.buffer), self.used);
        }
    }
}

impl<W: AsyncWrite + Unpin> BufWriter<W> {
    /// Writes the whole buffer, or keeps it until more comes.
    ///
    /// # Errors
    ///
    /// The stream's; nobody knows then how much was written.
    ///
    /// # Cancel safety
    ///
    /// None: part of the buffer may have been written, or kept.
    pub async fn write_all(&mut self, buffer: &[u8]) -> io::Result<()> {
        poll_io::write_all(self, buffer).await
    }

    /// Writes what is in the buffer.
    ///
    /// # Errors
    ///
    /// The stream's; what was not written is still in the buffer.
    ///
    /// # Cancel safety
    ///
    /// What was not written stays in the buffer.
    #[doc(alias = "drain")]
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_io::flush(self).await
    }

    /// Writes what is in the buffer, and ends the writing direction of the stream.
    ///
    /// # Errors
    ///
    /// The stream's.
    ///
    /// # Cancel safety
    ///
    /// It can be called again.
    #[doc(alias = "write_eof")]
    pub async fn close(&mut self) -> io::Result<()> {
        poll_io::close(self).await
    }

    /// Writes what is in the buffer, and then as much of `data` as goes along with it; gives how much
    /// of `data` that is.
    fn poll_drain(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        while self.start < self.end {
            let kept = self.end - self.start;
            let both = [IoSlice::new(&self.buffer[self.start..self.end]), IoSlice::new(data)];
            let all = if data.is_empty() { &both[..1] } else { &both };
            let count = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, all))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count.min(kept));
            if count > kept {
                return Poll::Ready(Ok(count - kept));
            }
        }
        Poll::Ready(Ok(0))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for BufWriter<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.buffer().len() + data.len() > this.capacity {
            let count = ready!(this.poll_drain(cx, data))?;
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            if data.len() >= this.capacity {
                return Pin::new(&mut this.inner).poll_write(cx, data);
            }
        }
        // What only goes into memory asks no descriptor that would be counted.
        ready!(budget::poll_proceed(cx));
        if !data.is_empty() {
            this.put(data);
        }
        budget::spend();
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A loop that flushes, and has nothing to flush, must let others run too.
        ready!(budget::poll_proceed(cx));
        ready!(this.poll_drain(cx, &[]))?;
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        budget::spend();
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx, &[]))?;
        Pin::new(&mut this.inner).poll_close(cx)
    }
}

impl<W: AsyncRead + Unpin> AsyncRead for BufWriter<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [io::IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read_vectored(cx, buffers)
    }
}

impl<W: AsyncBufRead + Unpin> AsyncBufRead for BufWriter<W> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().inner).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        Pin::new(&mut self.inner).consume(count);
    }
}

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufWriter")
            .field("inner", &self.inner)
            .field("buffered", &self.buffer().len())
            .finish_non_exhaustive()
    }
}
