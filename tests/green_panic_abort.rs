//! In a program whose panics do not unwind (`panic = "abort"`) green threads work, but for what would
//! have to unwind a stack; and that has a defined end.

use std::{
    env, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

/// The program, which is a package of its own, since cargo builds all tests with panics that unwind.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("panic_abort");
    let manifest = format!(
        "[package]\nname = 'panic_abort'\nedition = '2024'\n\
         [[bin]]\nname = 'panic_abort'\npath = '{program}'\n\
         [dependencies]\ngreenloop = {{ path = '{greenloop}' }}\n\
         [profile.dev]\npanic = 'abort'\n\
         [workspace]\n",
        program = here.join("tests/programs/panic_abort.rs").display(),
        greenloop = here.display(),
    );
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    // The versions that are there, since nothing is to be fetched.
    let _ = fs::copy(here.join("Cargo.lock"), package.join("Cargo.lock"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--quiet", "--target-dir", "target"]).current_dir(&package);
    // What the tests are built with need not fit.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    package.join("target/debug/panic_abort")
});

fn run(part: &str) -> Output {
    Command::new(&*PROGRAM).arg(part).output().unwrap()
}

/// Asserts that a part ends well and prints this, and nothing on standard error.
#[track_caller]
fn assert_prints(part: &str, expected: &str) {
    let output = run(part);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{stderr}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!(stderr, "");
}

/// Asserts that a part aborts the process with such a message, and that nothing unwinds.
#[track_caller]
fn assert_aborts(part: &str, message: &str) {
    let output = run(part);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{}\n{stderr}", output.status);
    assert!(stderr.contains(message), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn what_need_not_unwind_works() {
    assert_prints(
        "all_that_works",
        "joined: 4950\n\
         both kinds: 7\n\
         joined of two: 1\n\
         in time: Ok(())\n\
         scope: 7\n\
         pool: [0, 1, 4, 9]\n\
         group: 0\n\
         coroutine: Returned(42)\n\
         echo: Some(\"client 2\")\n\
         returned: 4950\n",
    );
}

#[test]
fn those_that_have_not_ended_are_forgotten_with_their_loop() {
    let round = |number| {
        format!(
            "round {number}: 15 tasks\n\
             captures of one that had not begun\n\
             a task was dropped\n"
        )
    };
    assert_prints("loop_end", &format!("{}{}{}ran 6 times\n", round(1), round(2), round(3)));
}

#[test]
fn what_has_no_stack_is_aborted_as_ever() {
    assert_prints(
        "abort_before_start",
        "captures\ncancelled: true\ncancelled: true\ncancelled: true\n",
    );
}

#[test]
fn an_abort_ends_the_process_and_says_why() {
    assert_aborts("abort", "a green thread is aborted, but in a program with `panic = \"abort\"`");
}

#[test]
fn the_end_of_a_time_ends_the_process_and_says_why() {
    let message = "the time of a block in a green thread is over, but in a program with";
    assert_aborts("timeout", message);
    assert_aborts("scope", "but in a program with `panic = \"abort\"` its stack cannot unwind");
}

#[test]
fn a_panic_ends_the_process_as_any_other() {
    assert_aborts("panic", "no bread");
}
