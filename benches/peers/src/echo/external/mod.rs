//! Echo servers in other languages, where these are installed.
//!
//! The child that is to be such a server becomes its program (`exec`), so it keeps its process id, its
//! processor and its limits. What is not installed is skipped, with the reason.

use std::env;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Go, a goroutine per connection.
pub fn go(buffer: usize) -> io::Result<()> {
    let program = go_program()?;
    Err(Command::new(program).arg(buffer.to_string()).exec())
}

/// Python's asyncio, with its streams.
pub fn asyncio(buffer: usize) -> io::Result<()> {
    python("asyncio", buffer)
}

/// The same program on uvloop.
pub fn uvloop(buffer: usize) -> io::Result<()> {
    python("uvloop", buffer)
}

/// gevent's `StreamServer`.
pub fn gevent(buffer: usize) -> io::Result<()> {
    python("gevent", buffer)
}

/// The version of what the peer called `name` runs on; nothing if it is none of these.
pub fn version(name: &str) -> Option<String> {
    let mut command = match name {
        "go" => Command::new("go"),
        "asyncio" | "uvloop" | "gevent" => Command::new(interpreter()),
        _ => return None,
    };
    match name {
        "go" => command.arg("version"),
        "asyncio" => command.args(["-c", "import sys; print(sys.version.split()[0])"]),
        name => command.args(["-c", &format!("import {name}; print({name}.__version__)")]),
    };
    let output = command.stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn python(server: &str, buffer: usize) -> io::Result<()> {
    let mut command = Command::new(interpreter());
    command.args(["-c", include_str!("echo.py"), server, &buffer.to_string()]);
    Err(command.exec())
}

/// The Python to run: one of a virtual environment, say.
fn interpreter() -> String {
    env::var("PYTHON").unwrap_or("python3".to_owned())
}

/// Builds the program in Go beside this one, unless that was done since this one was built.
fn go_program() -> io::Result<PathBuf> {
    let this = env::current_exe()?;
    let program = this.with_file_name("peers-echo-go");
    let built = |path: &PathBuf| fs::metadata(path)?.modified();
    if built(&program).is_ok_and(|it| built(&this).is_ok_and(|this| it > this)) {
        return Ok(program);
    }
    let source = this.with_file_name("peers-echo.go");
    fs::write(&source, include_str!("echo.go"))?;
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&program).arg(&source);
    let output = build
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("go cannot be started ({error})")))?;
    if output.status.success() {
        Ok(program)
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}
