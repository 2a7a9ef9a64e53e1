#![allow(unsafe_code, reason = "forks")]
//! A forked child cannot touch its parent's loops, tasks and sockets, and has its own.
//!
//! Every test has a process to itself, and forks while its only other thread waits for the end of
//! the test.

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    time::Duration,
};

use greenloop::{
    EventLoop,
    net::{TcpListener, TcpStream, UnixListener},
    sleep, spawn_blocking,
};

#[path = "support/folder.rs"]
mod folder;
#[path = "support/own_process.rs"]
mod own_process;
#[path = "support/mod.rs"]
mod panics;
#[path = "support/net.rs"]
mod support;
use folder::Folder;
use panics::panic_of;
use support::{pair_with_std, poll_once, run, within};

const MILLISECOND: Duration = Duration::from_millis(1);
const REFUSAL: &str = "this event loop was made before a fork and belongs to the parent process: \
                       make a new one in the child";

/// A child that does something and ends.
#[must_use]
struct Child(libc::pid_t);

impl Child {
    /// Forks. The child never returns: it ends with what `work` does, and well if that returns.
    fn start(work: impl FnOnce()) -> Self {
        // SAFETY: no other thread of this process holds a lock.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child > 0 {
            return Self(child);
        }
        end_child(catch_unwind(AssertUnwindSafe(work)).is_ok())
    }

    fn assert_well(self) {
        let mut status = 0;
        // SAFETY: `status` is alive during the call.
        assert_eq!(unsafe { libc::waitpid(self.0, &mut status, 0) }, self.0);
        assert_eq!(status, 0, "the child failed");
    }
}

fn end_child(well: bool) -> ! {
    // SAFETY: ends the process without running what only the parent should run.
    unsafe { libc::_exit(if well { 0 } else { 1 }) }
}

#[test]
fn a_loop_of_the_parent_refuses_to_run_in_the_child() {
    own_process::run("a_loop_of_the_parent_refuses_to_run_in_the_child", || {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(sleep(MILLISECOND));

        let child = Child::start(|| {
            assert_eq!(panic_of(|| event_loop.run(sleep(MILLISECOND))).message, REFUSAL);
            assert_eq!(panic_of(|| event_loop.run_forever()).message, REFUSAL);
        });

        child.assert_well();
        event_loop.run(sleep(MILLISECOND));
    });
}

#[test]
fn a_loop_of_the_parent_polls_nothing_in_the_child() {
    own_process::run("a_loop_of_the_parent_polls_nothing_in_the_child", || {
        let mut event_loop = EventLoop::new().unwrap();
        let polled = std::rc::Rc::new(Cell::new(false));
        event_loop.run(async {
            let polled = std::rc::Rc::clone(&polled);
            drop(greenloop::spawn(async move { polled.set(true) }));
        });

        let child = Child::start(|| {
            let refused = panic_of(|| event_loop.run(async { polled.set(true) }));
            assert_eq!(refused.message, REFUSAL);
            assert!(!polled.get());
        });

        child.assert_well();
    });
}

#[test]
fn a_child_forked_by_a_task_is_refused_the_next_turn() {
    own_process::run("a_child_forked_by_a_task_is_refused_the_next_turn", || {
        let mut event_loop = EventLoop::new().unwrap();
        let forked = Cell::new(None);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            event_loop.run(async {
                sleep(MILLISECOND).await;
                // SAFETY: no other thread of this process holds a lock.
                forked.set(Some(unsafe { libc::fork() }));
                sleep(20 * MILLISECOND).await;
            });
        }));
        match (forked.get(), ran) {
            (Some(0), ran) => end_child(ran.is_err_and(|panic| {
                panic.downcast_ref::<&str>() == Some(&REFUSAL)
                    || panic.downcast_ref::<String>().is_some_and(|text| text == REFUSAL)
            })),
            (Some(child @ 1..), Ok(())) => Child(child).assert_well(),
            (child, ran) => panic!("{child:?} {ran:?}"),
        }
    });
}

#[test]
fn a_handle_of_the_parents_loop_gives_an_error_in_the_child() {
    own_process::run("a_handle_of_the_parents_loop_gives_an_error_in_the_child", || {
        let mut event_loop = EventLoop::new().unwrap();
        let (handle, spawned) = (event_loop.handle(), event_loop.handle().spawn(async { 7 }));

        let child = Child::start(|| {
            assert!(handle.spawn(async {}).join().unwrap_err().is_cancelled());
            handle.stop();
            // From a task of the child's own loop, too.
            run(async { assert!(handle.spawn(async {}).await.unwrap_err().is_cancelled()) });
        });

        child.assert_well();
        assert_eq!(event_loop.run(spawned).unwrap(), 7);
    });
}

#[test]
fn a_child_makes_a_loop_that_works() {
    own_process::run("a_child_makes_a_loop_that_works", || {
        run(sleep(MILLISECOND));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();

        let child = Child::start(|| {
            run(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let client = greenloop::spawn(async move {
                    let client = TcpStream::connect(address).await.unwrap();
                    client.write_all(b"child").await.unwrap();
                    sleep(Duration::from_micros(300)).await;
                });
                let (server, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 5];
                server.read_exact(&mut buffer).await.unwrap();
                assert_eq!(&buffer, b"child");
                client.await.unwrap();
            });
        });

        child.assert_well();
    });
}

#[test]
fn a_grandchild_makes_a_loop_that_works() {
    own_process::run("a_grandchild_makes_a_loop_that_works", || {
        run(async {});
        let child = Child::start(|| {
            let mut childs = EventLoop::new().unwrap();
            childs.run(async { spawn_blocking(|| ()).await.unwrap() });
            while !idle_thread_sleeps() {
                std::thread::yield_now();
            }
            let grandchild = Child::start(|| {
                assert_eq!(panic_of(|| childs.run(sleep(MILLISECOND))).message, REFUSAL);
                run(async { assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7) });
            });
            grandchild.assert_well();
            childs.run(async { spawn_blocking(|| ()).await.unwrap() });
        });
        child.assert_well();
    });
}

#[test]
fn blocking_work_runs_in_the_child_of_a_parent_that_had_threads_for_it() {
    own_process::run("blocking_work_runs_in_the_child_of_a_parent_that_had_threads_for_it", || {
        // Leaves an idle thread, which waits for work and holds no lock.
        run(async { spawn_blocking(|| ()).await.unwrap() });
        while !idle_thread_sleeps() {
            std::thread::yield_now();
        }

        let child = Child::start(|| {
            run(async {
                assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);
                TcpListener::bind("localhost:0").await.unwrap();
            });
        });

        child.assert_well();
        run(async { assert_eq!(spawn_blocking(|| 8).await.unwrap(), 8) });
    });
}

/// Whether the pool's thread, the only one with that name, sleeps in the kernel.
fn idle_thread_sleeps() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut states =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    // The kernel keeps fifteen characters of the name.
    states.any(|stat| stat.contains("(greenloop-block) S"))
}

#[test]
fn the_parents_sockets_do_not_notice_a_child_that_drops_its_copies() {
    own_process::run("the_parents_sockets_do_not_notice_a_child_that_drops_its_copies", || {
        let (ours, mut theirs) = pair_with_std();
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(async { assert!(poll_once(ours.readable()).is_pending()) });
        let mut both = Some((ours, event_loop));

        Child::start(|| drop(both.take())).assert_well();

        let (ours, mut event_loop) = both.unwrap();
        event_loop.run(within(async {
            let mut buffer = [0; 8];
            let mut read = pin!(ours.read(&mut buffer));
            assert!(poll_once(read.as_mut()).is_pending());
            theirs.write_all(b"x").unwrap();
            assert_eq!(read.await.unwrap(), 1);
        }));
    });
}

#[test]
fn the_parents_tasks_do_not_notice_a_child_that_drops_its_copies() {
    own_process::run("the_parents_tasks_do_not_notice_a_child_that_drops_its_copies", || {
        let (ours, mut theirs) = pair_with_std();
        let mut event_loop = EventLoop::new().unwrap();
        let mut task = None;
        event_loop.run(async {
            task = Some(greenloop::spawn(async move { ours.read(&mut [0; 8]).await.unwrap() }));
            sleep(MILLISECOND).await;
        });
        let mut event_loop = Some(event_loop);

        Child::start(|| drop(event_loop.take())).assert_well();

        theirs.write_all(b"x").unwrap();
        assert_eq!(event_loop.unwrap().run(within(task.unwrap())).unwrap(), 1);
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_child_that_gives_a_socket_back_to_std_does_not_end_the_parents_watch() {
    own_process::run(
        "a_child_that_gives_a_socket_back_to_std_does_not_end_the_parents_watch",
        || {
            run(async {
                let (ours, mut theirs) = pair_with_std();
                assert!(poll_once(ours.readable()).is_pending());
                let mut ours = Some(ours);

                Child::start(|| drop(ours.take().unwrap().into_std())).assert_well();

                theirs.write_all(b"x").unwrap();
                assert_eq!(ours.unwrap().read(&mut [0; 8]).await.unwrap(), 1);
            });
        },
    );
}

#[test]
fn a_child_that_waits_for_a_socket_does_not_add_it_to_the_parents_loop() {
    own_process::run("a_child_that_waits_for_a_socket_does_not_add_it_to_the_parents_loop", || {
        run(async {
            let (ours, mut theirs) = pair_with_std();
            // The first wait is the child's, in the middle of the parent's turn.
            Child::start(|| drop(poll_once(ours.readable()))).assert_well();

            assert!(poll_once(ours.read(&mut [0; 8])).is_pending());
            theirs.write_all(b"x").unwrap();
            assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 1);
        });
    });
}

#[test]
fn a_file_that_goes_with_its_socket_outlives_the_childs_copy() {
    own_process::run("a_file_that_goes_with_its_socket_outlives_the_childs_copy", || {
        let folder = Folder::new();
        let path = folder.path("s");
        let listener = UnixListener::options().remove_on_drop(true).bind(&path).unwrap();
        let mut listener = Some(listener);

        let child = Child::start(|| drop(listener.take()));

        child.assert_well();
        assert_eq!(folder.names(), ["s"]);
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(listener);
        assert!(folder.names().is_empty());
    });
}
