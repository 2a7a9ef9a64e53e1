//! A command with the API of `std::process::Command`.

use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{CommandArgs, CommandEnvs, ExitStatus, Output, Stdio},
};

use super::Child;
use crate::{green::net::wait_io, process};

/// Starts programs; as [`std::process::Command`], for green threads.
///
/// # Examples
///
/// ```
/// use greenloop::green::{self, process::Command};
///
/// green::run(|| {
///     let output = Command::new("echo").arg("hello").output()?;
///     assert_eq!(output.stdout, b"hello\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
#[doc(alias = "Popen")]
#[doc(alias = "gevent.subprocess")]
pub struct Command(process::Command);

/// The builder's methods are those of the command for async code.
macro_rules! builder {
    ($(fn $name:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            #[doc = concat!("See [`process::Command::", stringify!($name), "`].")]
            pub fn $name(&mut self, $($argument: $type),*) -> &mut Self {
                self.0.$name($($argument),*);
                self
            }
        )*
    };
}

impl Command {
    /// Makes a command for a program; see [`process::Command::new`].
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self(process::Command::new(program))
    }

    builder! {
        fn arg(argument: impl AsRef<OsStr>);
        fn args(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>);
        fn arg0(argument: impl AsRef<OsStr>);
        fn env(key: impl AsRef<OsStr>, value: impl AsRef<OsStr>);
        fn envs(variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>);
        fn env_remove(key: impl AsRef<OsStr>);
        fn env_clear();
        fn current_dir(directory: impl AsRef<Path>);
        fn stdin(stdin: impl Into<Stdio>);
        fn stdout(stdout: impl Into<Stdio>);
        fn stderr(stderr: impl Into<Stdio>);
        fn uid(id: u32);
        fn gid(id: u32);
        fn process_group(group: i32);
        fn kill_on_drop(kill: bool);
    }

    /// Starts the program; see [`process::Command::spawn`].
    ///
    /// # Errors
    ///
    /// Those of [`process::Command::spawn`].
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.0.spawn().map(Child::from_async)
    }

    /// Starts the program, waits for its end, and gives its status; see
    /// [`process::Command::status`].
    ///
    /// # Errors
    ///
    /// Those of [`process::Command::status`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        wait_io(self.0.status())
    }

    /// Starts the program, and gives all that it has written when it has ended, and its status; see
    /// [`process::Command::output`].
    ///
    /// # Errors
    ///
    /// Those of [`process::Command::output`].
    ///
    /// # Panics
    ///
    /// Outside of a green thread.
    #[track_caller]
    pub fn output(&mut self) -> io::Result<Output> {
        wait_io(self.0.output())
    }

    /// Returns the program.
    #[must_use]
    pub fn get_program(&self) -> &OsStr {
        self.0.get_program()
    }

    /// Returns the arguments.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.0.get_args()
    }

    /// Returns the environment variables that were set or removed.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.0.get_envs()
    }

    /// Returns the working directory, if one was set.
    #[must_use]
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.0.get_current_dir()
    }

    /// Returns the command of the standard library; see [`process::Command::as_std_mut`].
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        self.0.as_std_mut()
    }
}

impl From<std::process::Command> for Command {
    /// See [`process::Command`]'s.
    fn from(std: std::process::Command) -> Self {
        Self(std.into())
    }
}

impl From<process::Command> for Command {
    fn from(command: process::Command) -> Self {
        Self(command)
    }
}
