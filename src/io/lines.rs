//! Messages as a stream.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_io::AsyncRead;

use super::{
    buf_reader::{BufReader, Found, text},
    search::{Match, Separators},
};

/// The lines of a stream, without their `\n` or `\r\n`; from [`BufReader::lines`].
///
/// It is a `Stream` of `io::Result<String>`. After an error it ends, and the reader, from
/// [`into_inner`](Self::into_inner), still has what came last.
#[derive(Debug)]
#[must_use = "a stream does nothing unless polled"]
pub struct Lines<R>(Messages<R>);

/// The messages of a stream, without their separators; from [`BufReader::split`].
///
/// It is a `Stream` of `io::Result<Vec<u8>>`. What comes after the last separator is a message too,
/// unless it is empty. After an error it ends, and the reader, from
/// [`into_inner`](Self::into_inner), still has what came last.
#[derive(Debug)]
#[must_use = "a stream does nothing unless polled"]
pub struct Split<R, S> {
    messages: Messages<R>,
    separators: S,
}

#[derive(Debug)]
struct Messages<R> {
    reader: BufReader<R>,
    /// How much of the buffer is known to have no separator.
    scanned: usize,
    /// An error was given.
    over: bool,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    fn new(reader: BufReader<R>) -> Self {
        Self { reader, scanned: 0, over: false }
    }

    /// Gives the next message: what `convert` makes of it, without its separator.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        separators: &impl Separators,
        convert: impl FnOnce(&[u8]) -> io::Result<T>,
    ) -> Poll<Option<io::Result<T>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let found = ready!(self.reader.poll_find(cx, separators, &mut self.scanned));
        self.scanned = 0;
        let converted = match found {
            Ok(Found::End(0)) => return Poll::Ready(None),
            Ok(Found::End(left)) => {
                convert(&self.reader.buffer()[..left]).map(|message| (message, left))
            }
            Ok(Found::Message(Match { end, separator })) => {
                convert(&self.reader.buffer()[..end - separator]).map(|message| (message, end))
            }
            Err(error) => Err(error),
        };
        Poll::Ready(Some(match converted {
            Ok((message, length)) => {
                self.reader.advance(length);
                Ok(message)
            }
            Err(error) => {
                self.over = true;
                Err(error)
            }
        }))
    }
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: BufReader<R>) -> Self {
        Self(Messages::new(reader))
    }

    /// Gives the next line, or `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of [`BufReader::read_line`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no data.
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        poll_fn(|cx| self.poll(cx)).await.transpose()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<String>>> {
        self.0.poll(cx, &["\r\n", "\n"], |line| text(line).map(str::to_owned))
    }
}

impl<R> Lines<R> {
    /// Returns the reader, with what was not given.
    #[must_use]
    pub fn into_inner(self) -> BufReader<R> {
        self.0.reader
    }
}

impl<R: AsyncRead + Unpin> Stream for Lines<R> {
    type Item = io::Result<String>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

impl<R: AsyncRead + Unpin, S: Separators> Split<R, S> {
    pub(super) fn new(reader: BufReader<R>, separators: S) -> Self {
        Self { messages: Messages::new(reader), separators }
    }

    /// Gives the next message, or `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`](super::LimitExceeded) when the message is longer than the reader's
    /// [limit](BufReader::set_limit). The stream's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no data.
    pub async fn next_segment(&mut self) -> io::Result<Option<Vec<u8>>> {
        poll_fn(|cx| self.poll(cx)).await.transpose()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Vec<u8>>>> {
        self.messages.poll(cx, &self.separators, |message| Ok(message.to_vec()))
    }
}

impl<R, S> Split<R, S> {
    /// Returns the reader, with what was not given.
    #[must_use]
    pub fn into_inner(self) -> BufReader<R> {
        self.messages.reader
    }
}

impl<R, S> Stream for Split<R, S>
where
    R: AsyncRead + Unpin,
    S: Separators + Unpin,
{
    type Item = io::Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}
