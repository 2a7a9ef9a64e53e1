//! Reading and writing streams: by messages, with buffers, from one into another.
//!
//! Everything here is for the traits of [`futures_io`]: the sockets of [`net`](crate::net)
//! and references to them, what other crates wrap around those (TLS, compression), slices, `Vec`s.
//!
//! | to | there is |
//! |---|---|
//! | read lines and other messages | [`BufReader`] |
//! | write many small pieces | [`BufWriter`] |
//! | carry one stream into another | [`copy()`], [`copy_bidirectional`] |
//! | test a protocol without a network | [`duplex()`] |
//!
//! What futures-util has for these traits works as well, and so is not here: `AsyncReadExt` with
//! `read_to_end`, `read_to_string`, `take`, `chain` and `split`, `AsyncBufReadExt`, `Cursor`, `empty`,
//! `repeat`, `sink`.
//!
//! ```
//! use futures_util::io::{AsyncReadExt, Cursor};
//! use greenloop::io::BufReader;
//!
//! greenloop::run(async {
//!     let stream = Cursor::new("LENGTH 5\nhello and more");
//!     let mut reader = BufReader::new(stream);
//!     let mut line = String::new();
//!     reader.read_line(&mut line).await?;
//!     assert_eq!(line, "LENGTH 5\n");
//!     let mut body = String::new();
//!     (&mut reader).take(5).read_to_string(&mut body).await?;
//!     assert_eq!(body, "hello");
//!     std::io::Result::Ok(())
//! })
//! # .unwrap();
//! ```

mod budget;
mod buf_reader;
mod buf_writer;
mod buffers;
mod copy;
mod duplex;
mod limit;
mod lines;
mod nonblocking;
mod poll_io;
mod search;
mod source;
mod stream;

pub use self::{
    buf_reader::BufReader,
    buf_writer::BufWriter,
    copy::{copy, copy_bidirectional},
    duplex::{DuplexStream, duplex},
    limit::LimitExceeded,
    lines::{Lines, Split},
    search::Separators,
};
pub(crate) use self::{
    nonblocking::{flags as descriptor_flags, set_nonblocking},
    source::{Done, Source},
};
pub(crate) use crate::reactor::{Direction, Ticket};
