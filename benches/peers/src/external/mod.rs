//! Peers in other languages, where these are installed: their echo servers and their measurements.
//!
//! The child that is to be such a peer becomes its program (`exec`), so it keeps its process id, its
//! processor and its limits. What is not installed is skipped, with the reason.

use crate::micro::Bench;
use std::env;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Go, a goroutine per connection.
pub fn go(buffer: usize) -> io::Result<()> {
    let program = go_program("echo", include_str!("echo.go"))?;
    Err(Command::new(program).arg(buffer.to_string()).exec())
}

/// Takes one measurement of goroutines.
pub fn go_bench(bench: Bench) {
    let program = go_program("bench", include_str!("bench.go"));
    give_up(program.map(|program| Command::new(program).arg(bench.name()).exec()));
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

/// Takes one measurement of asyncio's tasks.
pub fn asyncio_bench(bench: Bench) {
    python_bench("asyncio", bench);
}

/// Takes one measurement of the same tasks on uvloop.
pub fn uvloop_bench(bench: Bench) {
    python_bench("uvloop", bench);
}

/// Takes one measurement of greenlets.
pub fn gevent_bench(bench: Bench) {
    python_bench("gevent", bench);
}

/// The version of what the peer called `name` runs on; nothing if it is none of these.
pub fn version(name: &str) -> Option<String> {
    let mut command = match name {
        "go" => Command::new("go"),
        "asyncio" | "uvloop" | "gevent" => Command::new(interpreter()),
        _ => return None,
    };
    match name {
        "go" => command.args(["env", "GOVERSION"]),
        "asyncio" => command.args(["-c", "import sys; print('Python', sys.version.split()[0])"]),
        "gevent" => command.args(["-c", GEVENT]),
        _ => command.args(["-c", "import uvloop; print(uvloop.__version__)"]),
    };
    let output = command.stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn python(server: &str, buffer: usize) -> io::Result<()> {
    let mut command = Command::new(interpreter());
    command.args(["-c", include_str!("echo.py"), server, &buffer.to_string()]);
    Err(command.exec())
}

fn python_bench(runtime: &str, bench: Bench) {
    let mut command = Command::new(interpreter());
    command.args(["-c", include_str!("bench.py"), runtime, bench.name()]);
    give_up(Ok(command.exec()));
}

/// This process has not become the program that it was to be.
fn give_up(error: io::Result<io::Error>) {
    let error = match error {
        Ok(error) | Err(error) => error,
    };
    eprintln!("{error}");
    std::process::exit(1);
}

/// The Python to run: one of a virtual environment, say.
fn interpreter() -> String {
    env::var("PYTHON").unwrap_or("python3".to_owned())
}

/// Prints the versions of gevent and of what switches its stacks.
const GEVENT: &str = "import gevent, greenlet; \
    print(gevent.__version__, 'on greenlet', greenlet.__version__)";

/// Builds a program in Go beside this one, unless that was done since this one was built.
fn go_program(name: &str, source: &str) -> io::Result<PathBuf> {
    let this = env::current_exe()?;
    let program = this.with_file_name(format!("peers-{name}-go"));
    let built = |path: &PathBuf| fs::metadata(path)?.modified();
    if built(&program).is_ok_and(|it| built(&this).is_ok_and(|this| it > this)) {
        return Ok(program);
    }
    let file = this.with_file_name(format!("peers-{name}.go"));
    fs::write(&file, source)?;
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&program).arg(&file);
    let output = build
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("go cannot be started ({error})")))?;
    if output.status.success() {
        Ok(program)
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}
