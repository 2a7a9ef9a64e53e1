#![allow(dead_code, reason = "each test program uses a part of it")]
//! A stream that says what it was told to say, in the pieces that it was told, and keeps what is
//! written to it.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures_util::{AsyncRead, AsyncWrite};

/// What a read, or a write, comes to.
#[derive(Debug)]
pub(crate) enum Step {
    /// A read gives this; the rest of it, if the buffer is too small, at the next.
    Data(Vec<u8>),
    /// A write takes at most so many bytes.
    Room(usize),
    /// It has to wait; it is woken at once.
    Wait,
    /// It has to wait, and is woken by `Script::go_on` only.
    Block,
    Error(io::ErrorKind),
}

/// Data in one piece.
pub(crate) fn data(text: impl AsRef<[u8]>) -> Step {
    Step::Data(text.as_ref().to_vec())
}

/// The stream; its clones are the same. At the end of its script a read gives the end of the stream,
/// and a write takes all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    reads: VecDeque<Step>,
    writes: VecDeque<Step>,
    /// What was written, by write.
    written: Vec<Vec<u8>>,
    flushes: usize,
    closed: bool,
    blocked: Vec<Waker>,
    read_calls: usize,
}

impl Script {
    pub(crate) fn reading(steps: impl IntoIterator<Item = Step>) -> Self {
        let script = Self::default();
        script.0.borrow_mut().reads.extend(steps);
        script
    }

    pub(crate) fn writing(steps: impl IntoIterator<Item = Step>) -> Self {
        let script = Self::default();
        script.0.borrow_mut().writes.extend(steps);
        script
    }

    /// Has the reads go on like this after those that are left.
    pub(crate) fn then_read(&self, steps: impl IntoIterator<Item = Step>) {
        self.0.borrow_mut().reads.extend(steps);
    }

    /// Wakes those who were told to wait until this.
    pub(crate) fn go_on(&self) {
        let blocked = std::mem::take(&mut self.0.borrow_mut().blocked);
        blocked.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn written(&self) -> Vec<u8> {
        self.0.borrow().written.concat()
    }

    /// How many bytes are still to be read.
    pub(crate) fn left(&self) -> usize {
        let length = |step: &Step| if let Step::Data(data) = step { data.len() } else { 0 };
        self.0.borrow().reads.iter().map(length).sum()
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> usize {
        self.0.borrow().written.len()
    }

    pub(crate) fn reads(&self) -> usize {
        self.0.borrow().read_calls
    }

    pub(crate) fn flushes(&self) -> usize {
        self.0.borrow().flushes
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.borrow().closed
    }
}

impl AsyncRead for Script {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.borrow_mut();
        state.read_calls += 1;
        match state.reads.pop_front() {
            None => Poll::Ready(Ok(0)),
            Some(Step::Data(mut data)) => {
                let count = data.len().min(buffer.len());
                buffer[..count].copy_from_slice(&data[..count]);
                data.drain(..count);
                if !data.is_empty() {
                    state.reads.push_front(Step::Data(data));
                }
                Poll::Ready(Ok(count))
            }
            Some(Step::Error(kind)) => Poll::Ready(Err(kind.into())),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Block) => {
                state.blocked.push(cx.waker().clone());
                Poll::Pending
            }
            Some(step @ Step::Room(_)) => panic!("{step:?} is for writes"),
        }
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.borrow_mut();
        let count = match state.writes.pop_front() {
            None => buffer.len(),
            Some(Step::Room(room)) => room.min(buffer.len()),
            Some(Step::Error(kind)) => return Poll::Ready(Err(kind.into())),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Block) => {
                state.blocked.push(cx.waker().clone());
                return Poll::Pending;
            }
            Some(step @ Step::Data(_)) => panic!("{step:?} is for reads"),
        };
        state.written.push(buffer[..count].to_vec());
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        self.poll_write(cx, &all)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().closed = true;
        Poll::Ready(Ok(()))
    }
}
