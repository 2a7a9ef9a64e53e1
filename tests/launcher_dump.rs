//! A worker that hangs says what it runs, wherever it is interrupted.
//!
//! The allocator of this program notices when it is called from within itself, as by a signal handler
//! that interrupts it, and can be made to hang.
#![cfg(all(feature = "launcher", target_os = "linux"))]
#![allow(unsafe_code, reason = "is an allocator")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    hint::{black_box, spin_loop},
    io,
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Duration,
};

#[path = "launcher_support/mod.rs"]
mod launcher_support;
use launcher_support::*;

fn main() -> ExitCode {
    launcher_support::main(
        named![server],
        named![
            a_worker_that_hangs_in_the_allocator_says_so_again_and_again,
            a_worker_that_allocates_all_the_time_goes_on_after_dumps,
            a_green_thread_with_little_stack_left_goes_on_after_dumps,
        ],
    )
}

struct Suspicious;

#[global_allocator]
static ALLOCATOR: Suspicious = Suspicious;

/// An allocation of this size never ends.
const ENDLESS: usize = 123_457;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Does the allocator's work, unless that is being done further up this stack.
fn alone<R>(work: impl FnOnce() -> R) -> R {
    if INSIDE.replace(true) {
        let text = b"allocated within the allocator\n";
        // SAFETY: the text is alive during the call.
        unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
        std::process::abort();
    }
    let result = work();
    INSIDE.set(false);
    result
}

// SAFETY: does what the system's does, or nothing at all.
unsafe impl GlobalAlloc for Suspicious {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        alone(|| {
            while layout.size() == ENDLESS {
                spin_loop();
            }
            // SAFETY: as the caller promises.
            unsafe { System.alloc(layout) }
        })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        alone(|| unsafe { System.dealloc(memory, layout) });
    }
}

/// Each client has the worker hang, in a task with a name.
fn server() -> io::Result<ExitCode> {
    launcher().grace(millis("GRACE", 30_000)).run(|worker| async move {
        let listener = worker.listener("http")?;
        while let Some((stream, _)) = listener.accept().await? {
            let hang = async move {
                stream.write_all(b"hangs\n").await?;
                match std::env::var("GO_ON") {
                    Ok(file) if std::env::var("DEEP").is_ok() => hang_deep_down(file).await?,
                    Ok(file) => allocate_until_there_is(&file),
                    Err(_) => drop(black_box(Vec::<u8>::with_capacity(ENDLESS))),
                }
                stream.write_all(b"goes on\n").await
            };
            let task = greenloop::task::Builder::new().name("the hungry").spawn(hang);
            task.await.map_err(io::Error::other)??;
        }
        Ok(())
    })
}

fn allocate_until_there_is(file: &str) {
    while !fs::exists(file).unwrap() {
        for size in 0..10_000 {
            drop(black_box(vec![0_u8; 1 + size % 500]));
        }
    }
}

/// For green threads that go on.
static GO_ON: AtomicBool = AtomicBool::new(false);

/// Hangs in a green thread that has used up its stack but for a few kilobytes.
async fn hang_deep_down(file: String) -> io::Result<()> {
    const STACK: usize = 64 << 10;
    const LEFT: usize = 4 << 10;

    fn hang_at(end: usize) {
        let frame = [0_u8; 128];
        if black_box(&frame).as_ptr().addr() > end {
            hang_at(end);
            black_box(&frame);
        }
        while !GO_ON.load(SeqCst) {
            spin_loop();
        }
    }

    thread::spawn(move || {
        while !fs::exists(&file).unwrap() {
            thread::sleep(Duration::from_millis(1));
        }
        GO_ON.store(true, SeqCst);
    });
    let deep = || {
        let top = 0_u8;
        hang_at((&raw const top).addr() + LEFT - STACK);
    };
    let task = greenloop::green::Builder::new().name("the hungry").stack_size(STACK).spawn(deep);
    task.await.map_err(io::Error::other)
}

fn start(go_on: Option<&Path>, deep: bool) -> Launched {
    // Both outputs, into one pipe.
    let mut start = wrapped("server", &["sh", "-c", "exec \"$0\" 2>&1"]);
    if deep {
        start = start.env("DEEP", 1);
    }
    start = start.env("WORKERS", 1).env("GRACE", 300);
    if let Some(file) = go_on {
        start = start.env("GO_ON", file.display());
    }
    let launched = start.start();
    launched.wait_line("the workers are ready");
    launched
}

/// Has the worker say what it runs, so many times.
fn dump(launched: &Launched, times: usize, kind: &str) {
    for round in 1..=times {
        // Repeated, because it must have hung for a second.
        wait_until("it says what it runs", || {
            launched.signal(libc::SIGUSR1);
            thread::sleep(Duration::from_millis(2));
            launched.lines_with("it runs task").len() >= round
        });
    }
    assert!(launched.lines_with("allocated within").is_empty(), "{:#?}", launched.lines());
    let pid = pid_in(&launched.wait_line(") is ready"));
    launched.wait_line(&format!(
        "the event loop of worker 0 (pid {pid}) does not turn: it has been busy"
    ));
    launched.wait_line(&format!("'the hungry' ({kind}), spawned at tests/launcher_dump.rs:"));
}

fn a_worker_that_hangs_in_the_allocator_says_so_again_and_again() {
    let launched = start(None, false);
    let mut client = Client::connect(launched.address()).unwrap();
    assert_eq!(client.hear().unwrap(), "hangs");
    dump(&launched, 20, "async");
    launched.stop();
}

/// It has been dumped so many times while it hung.
fn goes_on(deep: bool, times: usize, kind: &str) {
    let go_on = std::env::temp_dir().join(format!("greenloop-u-{}-{deep}", std::process::id()));
    let launched = start(Some(&go_on), deep);
    let mut client = Client::connect(launched.address()).unwrap();
    assert_eq!(client.hear().unwrap(), "hangs");
    dump(&launched, times, kind);
    fs::write(&go_on, "").unwrap();
    assert_eq!(client.hear().unwrap(), "goes on");
    drop(client);
    launched.stop();
    fs::remove_file(go_on).unwrap();
}

fn a_worker_that_allocates_all_the_time_goes_on_after_dumps() {
    goes_on(false, 300, "async");
}

fn a_green_thread_with_little_stack_left_goes_on_after_dumps() {
    goes_on(true, 20, "green thread");
}
