//! Other programs, as children of this process.
//!
//! [`Command`] starts them, with the API of `std::process`; a [`Child`] is waited for without blocking the
//! loop, and its pipes are streams. [`Child::communicate`] does all of it at once.
//!
//! # What to know
//!
//! - A child that is dropped runs on and leaves no zombie: a task waits for it, or after the end of the loop
//!   a thread, which exists only as long as there is such a child.
//! - On Linux a child is watched through a descriptor of its own, so nothing here interferes with other
//!   code that waits for its own children or listens for `SIGCHLD`. Elsewhere each child that is
//!   waited for listens for that signal. Nobody here ever waits for a process that is not its own.
//! - Without a descriptor to spare a child is looked after every now and then instead: later, but not
//!   never.
//! - A forked child of this process has none of its children: what it does with them is an error, and
//!   nothing happens when it drops them.

mod child;
mod command;
mod communicate;
mod exit;
mod orphans;
mod pidfd;
mod pipe;
mod running;

pub use self::{
    child::Child,
    command::Command,
    communicate::Communicate,
    pipe::{ChildStderr, ChildStdin, ChildStdout},
};
