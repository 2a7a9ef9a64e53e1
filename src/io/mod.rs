//! Input and output on descriptors.

mod source;
mod stream;

pub(crate) use self::source::{Done, Source};
pub(crate) use crate::reactor::{Direction, Ticket};
