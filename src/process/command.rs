//! What to run, and how.

use std::{
    ffi::OsStr,
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{CommandArgs, CommandEnvs, ExitStatus, Output, Stdio},
};

use super::Child;

/// Starts programs; as [`std::process::Command`], and its children are waited for without blocking.
///
/// A command can be run again and again. Starting a program takes place in the calling thread, and
/// takes as long as the system needs to load it, typically less than a millisecond. It needs no loop;
/// whatever waits does.
///
/// # Examples
///
/// ```
/// use greenloop::process::Command;
///
/// greenloop::run(async {
///     let output = Command::new("echo").arg("hello").output().await?;
///     assert!(output.status.success());
///     assert_eq!(output.stdout, b"hello\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
///
/// Ten at once take as long as one:
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use greenloop::process::Command;
///
/// greenloop::run(async {
///     let start = Instant::now();
///     let sleeps = (0..10).map(|_| Command::new("sleep").arg("0.1").status());
///     for status in greenloop::join_all(sleeps).await {
///         assert!(status?.success());
///     }
///     assert!(start.elapsed() >= Duration::from_millis(100));
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
#[doc(alias = "Popen")]
#[doc(alias = "create_subprocess_exec")]
#[doc(alias = "subprocess_exec")]
pub struct Command {
    std: std::process::Command,
    /// Which of the three was said.
    said: Said,
    leads_group: bool,
    kill_on_drop: bool,
}

/// Whether the user has said where the standard streams lead.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Command {
    /// Makes a command for a program, without arguments, and with the environment, the working
    /// directory and the standard streams of this process.
    #[doc(alias = "create_subprocess_shell")]
    #[doc(alias = "subprocess_shell")]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::from(std::process::Command::new(program))
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, arguments: I) -> &mut Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(arguments);
        self
    }

    /// Sets the name under which the program is run, its zeroth argument.
    pub fn arg0(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg0(argument);
        self
    }

    /// Sets an environment variable.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.std.env(key, value);
        self
    }

    /// Sets environment variables.
    pub fn envs<I, K, V>(&mut self, variables: I) -> &mut Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(variables);
        self
    }

    /// Keeps an environment variable of this process from the child.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.std.env_remove(key);
        self
    }

    /// Keeps all environment variables of this process from the child.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// Sets the working directory of the child.
    #[doc(alias = "cwd")]
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.std.current_dir(directory);
        self
    }

    /// Sets what the child reads as its standard input. Unless said, it inherits this process's, and has
    /// none for [`output`](Self::output).
    #[doc(alias = "PIPE")]
    #[doc(alias = "DEVNULL")]
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.said.stdin = true;
        self.std.stdin(stdin);
        self
    }

    /// Sets where the standard output of the child goes. Unless said, it inherits this process's, and has
    /// a pipe for [`output`](Self::output).
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.said.stdout = true;
        self.std.stdout(stdout);
        self
    }

    /// Sets where the standard error of the child goes. Unless said, it inherits this process's, and has
    /// a pipe for [`output`](Self::output).
    #[doc(alias = "STDOUT")]
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.said.stderr = true;
        self.std.stderr(stderr);
        self
    }

    /// Sets the user of the child.
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.std.uid(id);
        self
    }

    /// Sets the group of users of the child.
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.std.gid(id);
        self
    }

    /// Puts the child into a group of processes; 0 makes a new one that it leads.
    ///
    /// Ctrl-C in a terminal goes to the group of the program that was started there. One that leads a
    /// group of its own does not get it, and can be signalled together with all that it starts:
    /// [`Child::signal_group`].
    #[doc(alias = "start_new_session")]
    #[doc(alias = "setpgid")]
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.leads_group = group == 0;
        self.std.process_group(group);
        self
    }

    /// Sets whether a child that still runs when its [`Child`] is dropped is ended by force. It is not
    /// unless said.
    ///
    /// With it, a [time-out](crate::timeout()) of [`output`](Self::output) or [`status`](Self::status) ends
    /// the child as well. Processes that the child has started run on.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    ///
    /// When there is no such program or it must not be run; when there are no descriptors or processes
    /// left. No child is left behind then.
    #[doc(alias = "posix_spawn")]
    #[doc(alias = "posix_spawnp")]
    pub fn spawn(&mut self) -> io::Result<Child> {
        Child::new(self.std.spawn()?, self.leads_group, self.kill_on_drop)
    }

    /// Starts the program, waits for its end, and gives its status. It has been started when this
    /// returns.
    ///
    /// # Errors
    ///
    /// The future's: those of [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the [`Child`].
    #[doc(alias = "subprocess.run")]
    #[doc(alias = "subprocess.call")]
    #[doc(alias = "check_call")]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async move {
            let mut child = child?;
            // Nobody can read or write them.
            child.stdout = None;
            child.stderr = None;
            child.wait().await
        }
    }

    /// Starts the program, and gives all that it has written when it has ended, and its status. It has been
    /// started when this returns.
    ///
    /// A process that the program has started may hold its output open; then this waits for it as well.
    /// [`Child::communicate`] has a remedy.
    ///
    /// # Errors
    ///
    /// The future's: those of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the [`Child`].
    #[doc(alias = "check_output")]
    #[doc(alias = "getoutput")]
    #[doc(alias = "getstatusoutput")]
    #[doc(alias = "capture_output")]
    #[doc(alias = "CompletedProcess")]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        let said = self.said;
        if !said.stdin {
            self.std.stdin(Stdio::null());
        }
        if !said.stdout {
            self.std.stdout(Stdio::piped());
        }
        if !said.stderr {
            self.std.stderr(Stdio::piped());
        }
        let child = self.spawn();
        // For the next time, which may be a `spawn`.
        if !said.stdin {
            self.std.stdin(Stdio::inherit());
        }
        if !said.stdout {
            self.std.stdout(Stdio::inherit());
        }
        if !said.stderr {
            self.std.stderr(Stdio::inherit());
        }
        async move { child?.wait_with_output().await }
    }

    /// Returns the program.
    #[must_use]
    pub fn get_program(&self) -> &OsStr {
        self.std.get_program()
    }

    /// Returns the arguments.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.std.get_args()
    }

    /// Returns the environment variables that were set or removed.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.std.get_envs()
    }

    /// Returns the working directory, if one was set.
    #[must_use]
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.std.get_current_dir()
    }

    /// Returns the command of the standard library, for what it has beyond this one: `pre_exec`, for
    /// instance. Where standard streams lead is to be said here.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.std
    }
}

impl From<std::process::Command> for Command {
    /// Takes over a command. Where its standard streams lead counts for [`spawn`](Command::spawn) and
    /// [`status`](Command::status); for [`output`](Command::output) it is to be said again.
    fn from(std: std::process::Command) -> Self {
        Self { std, said: Said::default(), leads_group: false, kill_on_drop: false }
    }
}
