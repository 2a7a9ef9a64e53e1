//! Serving connections: accepting them, a task for each, and an orderly end.
//!
//! A [`Server`](super::Server) is started by its [`Builder`], with any [`Listener`] and a function that is
//! called with each [`Connection`]. It ends with a [`Report`].

mod builder;
mod crew;
mod failure;
pub(super) mod handle;
mod listener;
mod report;
mod state;

#[cfg(feature = "green")]
pub(crate) use self::listener::none_if_it_would_block;
pub use self::{
    builder::Builder,
    crew::Connection,
    failure::{Failure, Outcome},
    handle::Ended,
    listener::Listener,
    report::{Cut, Report, Statistics},
};
