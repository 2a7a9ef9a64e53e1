//! Runs a test in a process of its own, for tests that change what belongs to the whole process:
//! its limits, its signals, its being one.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    env,
    process::{Command, Stdio},
};

/// Set in the process that a test has to itself.
const OWN: &str = "GREENLOOP_TEST_HAS_ITS_OWN_PROCESS";

/// The command that runs the test called `name`, alone, where `is_own` is true.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1", "--include-ignored"]);
    command.env(OWN, "1").stdin(Stdio::null());
    command
}

/// Whether this process was started by `command`.
pub(crate) fn is_own() -> bool {
    env::var_os(OWN).is_some()
}

/// Runs `test` in a process that does nothing else. `name` is that of the calling test.
#[track_caller]
pub(crate) fn run(name: &str, test: impl FnOnce()) {
    if is_own() {
        return test();
    }
    let output = command(name).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
}
