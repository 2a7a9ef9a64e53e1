//! The system calls of the launcher that no safe crate offers, each behind a safe function.
//!
//! All `unsafe` code of the launcher is here. What a file refuses to do is what would make its
//! functions unsafe: forking while there are other threads, handlers that do more than the system
//! allows them, memory that is unmapped while somebody looks at it.

pub(super) mod clock;
pub(super) mod cpu;
pub(super) mod dump;
pub(super) mod environment;
pub(super) mod fork;
pub(super) mod memory;
pub(super) mod poll;
pub(super) mod process;
pub(super) mod signals;
pub(super) mod sockets;
pub(super) mod threads;
pub(super) mod title;
