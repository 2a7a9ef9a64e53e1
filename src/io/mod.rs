//! Input and output on descriptors.

mod source;

pub(crate) use self::source::{Done, Source};
pub(crate) use crate::reactor::{Direction, Ticket};
