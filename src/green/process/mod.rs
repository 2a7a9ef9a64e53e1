//! Other programs, with the API of `std::process`.
//!
//! Changing a `use` line ports a program that starts others: what blocks there waits here, and the other
//! tasks of the loop run meanwhile. The pipes are `std::io::Read` and `Write`. It is a thin layer over
//! [`greenloop::process`](crate::process), which says how it behaves.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::process::Stdio;
//!
//! use greenloop::green::{self, process::Command};
//!
//! green::run(|| {
//!     let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
//!     cat.stdin.take().unwrap().write_all(b"hello")?;
//!     let mut text = String::new();
//!     cat.stdout.take().unwrap().read_to_string(&mut text)?;
//!     assert_eq!(text, "hello");
//!     assert!(cat.wait()?.success());
//!     std::io::Result::Ok(())
//! })
//! # .unwrap();
//! ```

mod child;
mod command;
mod pipe;

pub use self::{
    child::Child,
    command::Command,
    pipe::{ChildStderr, ChildStdin, ChildStdout},
};
