#![allow(unsafe_code, reason = "sends signals, and forks")]
//! A listener for a signal misses none from the moment in which it is made, whoever else listens, and
//! its process only.
//!
//! Each test sends its signals to a process of its own.

use std::{
    ffi::c_int,
    future::poll_fn,
    os::unix::process::ExitStatusExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    process::ExitStatus,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use futures_core::Stream;
use greenloop::{
    EventLoop,
    signal::{Signal, SignalKind, ctrl_c, signal},
    spawn,
};

#[path = "support/limits.rs"]
mod limits;
#[path = "support/own_process.rs"]
mod own_process;
#[path = "support/mod.rs"]
mod panics;
#[path = "support/net.rs"]
mod support;
use panics::panic_of;
use support::{poll_once, run};

const TOLD: SignalKind = SignalKind::user_defined1();

/// Sends a signal to this process; it has arrived when this returns.
fn raise(kind: SignalKind) {
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { libc::raise(kind.as_raw_value()) }, 0);
}

/// Lets the loop look at the kernel, and asserts that there is nothing to receive then.
async fn assert_nothing(signal: &mut Signal) {
    assert!(poll_once(signal.recv()).is_pending());
    greenloop::sleep(Duration::from_millis(1)).await;
    assert!(poll_once(signal.recv()).is_pending());
}

/// The descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_signal_that_arrives_before_it_is_asked_for_waits() {
    own_process::run("a_signal_that_arrives_before_it_is_asked_for_waits", || {
        run(async {
            let mut told = signal(TOLD).unwrap();
            raise(TOLD);
            assert_eq!(told.recv().await, Some(()));
            assert_nothing(&mut told).await;
            raise(TOLD);
            assert_eq!(told.recv().await, Some(()));
        });
    });
}

#[test]
fn a_signal_wakes_the_loop_from_its_sleep() {
    own_process::run("a_signal_wakes_the_loop_from_its_sleep", || {
        run(async {
            let mut told = signal(TOLD).unwrap();
            let (received, is_received) = mpsc::channel();
            let thread = thread::spawn(move || {
                for _ in 0..20 {
                    // Time for the loop to fall asleep.
                    thread::sleep(Duration::from_millis(2));
                    let process = std::process::id() as libc::pid_t;
                    // SAFETY: takes no pointers, and the process is this one.
                    assert_eq!(unsafe { libc::kill(process, libc::SIGUSR1) }, 0);
                    is_received.recv().unwrap();
                }
            });
            for _ in 0..20 {
                told.recv().await;
                received.send(()).unwrap();
            }
            thread.join().unwrap();
        });
    });
}

#[test]
fn a_listener_made_before_there_is_a_loop_has_listened_since() {
    own_process::run("a_listener_made_before_there_is_a_loop_has_listened_since", || {
        let mut told = signal(TOLD).unwrap();
        raise(TOLD);
        run(async { assert_eq!(told.recv().await, Some(())) });
    });
}

#[test]
fn signals_that_pile_up_are_at_least_one() {
    own_process::run("signals_that_pile_up_are_at_least_one", || {
        run(async {
            let mut told = signal(TOLD).unwrap();
            // Far more than the socket has room for, and none of them blocks.
            for _ in 0..100_000 {
                raise(TOLD);
            }
            told.recv().await;
            while poll_once(told.recv()).is_ready() {}
            assert_nothing(&mut told).await;
            raise(TOLD);
            told.recv().await;
        });
    });
}

#[test]
fn all_listeners_are_told_and_one_that_is_gone_takes_nothing_along() {
    own_process::run("all_listeners_are_told_and_one_that_is_gone_takes_nothing_along", || {
        run(async {
            let (mut one, mut other) = (signal(TOLD).unwrap(), signal(TOLD).unwrap());
            raise(TOLD);
            one.recv().await;
            other.recv().await;
            drop(one);
            raise(TOLD);
            other.recv().await;
            let mut late = signal(TOLD).unwrap();
            assert_nothing(&mut late).await;
        });
    });
}

#[test]
fn a_signal_without_a_listener_left_does_not_end_the_process() {
    own_process::run("a_signal_without_a_listener_left_does_not_end_the_process", || {
        drop(signal(TOLD).unwrap());
        raise(TOLD);
        run(async {
            let mut told = signal(TOLD).unwrap();
            assert_nothing(&mut told).await;
            raise(TOLD);
            told.recv().await;
        });
    });
}

#[test]
fn two_signals_that_keep_arriving_are_both_received() {
    own_process::run("two_signals_that_keep_arriving_are_both_received", || {
        let other = SignalKind::user_defined2();
        run(async {
            let (mut one, mut two) = (signal(TOLD).unwrap(), signal(other).unwrap());
            let (mut ones, mut twos) = (0, 0);
            while ones < 10 || twos < 10 {
                raise(TOLD);
                raise(other);
                greenloop::select! {
                    _ = one.recv() => ones += 1,
                    _ = two.recv() => twos += 1,
                }
                assert!(ones + twos < 1000, "one of them starves: {ones} and {twos}");
            }
        });
    });
}

#[test]
fn a_signal_is_received_while_other_tasks_never_rest() {
    own_process::run("a_signal_is_received_while_other_tasks_never_rest", || {
        run(async {
            let mut told = signal(TOLD).unwrap();
            drop(spawn(async {
                loop {
                    greenloop::yield_now().await;
                }
            }));
            assert!(poll_once(told.recv()).is_pending());
            raise(TOLD);
            told.recv().await;
        });
    });
}

#[test]
fn a_listener_is_a_stream_without_end() {
    own_process::run("a_listener_is_a_stream_without_end", || {
        run(async {
            let mut told = signal(TOLD).unwrap();
            assert_eq!(told.size_hint(), (usize::MAX, None));
            for _ in 0..3 {
                raise(TOLD);
                let next = poll_fn(|cx| Pin::new(&mut told).poll_next(cx)).await;
                assert_eq!(next, Some(()));
            }
            let mut next = pin!(poll_fn(|cx| Pin::new(&mut told).poll_next(cx)));
            assert!(poll_once(next.as_mut()).is_pending());
            raise(TOLD);
            // Polled by the loop only after it has been woken.
            assert_eq!(next.await, Some(()));
        });
    });
}

#[test]
fn loops_one_after_the_other_and_side_by_side_are_told() {
    own_process::run("loops_one_after_the_other_and_side_by_side_are_told", || {
        for _ in 0..3 {
            run(async {
                let mut told = signal(TOLD).unwrap();
                raise(TOLD);
                told.recv().await;
            });
        }
        let (ready, heard) = (Arc::new(Barrier::new(5)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (ready, heard) = (Arc::clone(&ready), Arc::clone(&heard));
                thread::spawn(move || {
                    run(async {
                        let mut told = signal(TOLD).unwrap();
                        assert!(poll_once(told.recv()).is_pending());
                        ready.wait();
                        told.recv().await;
                        heard.fetch_add(1, Ordering::SeqCst);
                    });
                })
            })
            .collect();
        ready.wait();
        raise(TOLD);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(heard.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn a_listener_of_another_loop_says_so() {
    own_process::run("a_listener_of_another_loop_says_so", || {
        let mut home = EventLoop::new().unwrap();
        let mut told = home.run(async { signal(TOLD).unwrap() });
        let panic = panic_of(|| run(async { told.recv().await }));
        assert!(panic.message.contains("SIGUSR1 cannot be received"), "{panic:?}");
        assert!(panic.message.contains("another event loop"), "{panic:?}");
        let panic = panic_of(|| poll_once(told.recv()));
        assert!(panic.message.contains("needs a running event loop"), "{panic:?}");
        raise(TOLD);
        home.run(async { told.recv().await });
    });
}

#[test]
fn signals_that_cannot_be_listened_for_are_refused() {
    let refused = [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL];
    let none = [libc::SIGFPE, 0, -1, 127, 128, 100_000, c_int::MAX, c_int::MIN];
    for number in refused.into_iter().chain(none) {
        let error = signal(SignalKind::from_raw(number)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{number}: {error}");
    }
    let error = signal(SignalKind::kill()).unwrap_err();
    assert_eq!(error.to_string(), "SIGKILL cannot be listened for: it cannot be caught");
}

#[test]
fn real_time_signals_have_numbers_only() {
    own_process::run("real_time_signals_have_numbers_only", || {
        let kind = SignalKind::from_raw(libc::SIGRTMIN() + 3);
        assert_eq!(format!("{kind:?}"), format!("signal {}", libc::SIGRTMIN() + 3));
        run(async {
            let mut told = signal(kind).unwrap();
            raise(kind);
            told.recv().await;
        });
    });
}

#[test]
fn a_listener_takes_two_descriptors_and_gives_them_back() {
    own_process::run("a_listener_takes_two_descriptors_and_gives_them_back", || {
        run(async {
            let before = descriptors();
            let listeners: Vec<_> = (0..10).map(|_| signal(TOLD).unwrap()).collect();
            assert_eq!(descriptors(), before + 20);
            assert_eq!(greenloop::statistics().sockets, 10);
            drop(listeners);
            assert_eq!(descriptors(), before);
            assert_eq!(greenloop::statistics().sockets, 0);
        });
    });
}

#[test]
fn without_descriptors_it_is_an_error_and_nothing_changes() {
    own_process::run("without_descriptors_it_is_an_error_and_nothing_changes", || {
        run(async {
            limits::set(100);
            let open = || std::fs::File::open("/dev/null");
            let mut taken: Vec<_> = std::iter::from_fn(|| open().ok()).collect();
            // With one of the two that it takes.
            taken.pop();
            for _ in 0..3 {
                let error = signal(SignalKind::terminate()).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            }
            taken.push(open().unwrap());
            drop(taken);
            Child::start(|| raise(SignalKind::terminate())).assert_killed_by(libc::SIGTERM);
        });
    });
}

#[test]
fn ctrl_c_listens_from_the_call_on_and_again_and_again() {
    own_process::run("ctrl_c_listens_from_the_call_on_and_again_and_again", || {
        run(async {
            let mut interrupted = ctrl_c();
            for _ in 0..3 {
                raise(SignalKind::interrupt());
                (&mut interrupted).await.unwrap();
                assert!(poll_once(&mut interrupted).is_pending());
            }
            // One who keeps the stream loses none between two calls of `ctrl_c`; a call does.
            let mut all = signal(SignalKind::interrupt()).unwrap();
            drop(interrupted);
            raise(SignalKind::interrupt());
            let mut late = ctrl_c();
            all.recv().await;
            assert!(poll_once(&mut late).is_pending());
        });
    });
}

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
        let failed = catch_unwind(AssertUnwindSafe(work)).is_err();
        // SAFETY: ends the process without running what only the parent should run.
        unsafe { libc::_exit(c_int::from(failed)) }
    }

    fn status(self) -> ExitStatus {
        let mut status = 0;
        // SAFETY: `status` is alive during the call.
        assert_eq!(unsafe { libc::waitpid(self.0, &mut status, 0) }, self.0);
        ExitStatus::from_raw(status)
    }

    #[track_caller]
    fn assert_well(self) {
        let status = self.status();
        assert!(status.success(), "{status}");
    }

    #[track_caller]
    fn assert_killed_by(self, number: c_int) {
        let status = self.status();
        assert_eq!(status.signal(), Some(number), "{status}");
    }
}

#[test]
fn in_a_forked_child_the_signal_does_what_it_does_and_the_parent_hears_nothing() {
    let name = "in_a_forked_child_the_signal_does_what_it_does_and_the_parent_hears_nothing";
    own_process::run(name, || {
        let mut event_loop = EventLoop::new().unwrap();
        let terminate = SignalKind::terminate();
        let mut listener = event_loop.run(async { signal(terminate).unwrap() });
        let _another = signal(terminate).unwrap();

        Child::start(|| raise(terminate)).assert_killed_by(libc::SIGTERM);
        // The grandchild's fate is not the child's.
        Child::start(|| Child::start(|| raise(terminate)).assert_killed_by(libc::SIGTERM))
            .assert_well();

        event_loop.run(async {
            assert_nothing(&mut listener).await;
            raise(terminate);
            listener.recv().await;
        });
    });
}

#[test]
fn a_forked_child_listens_for_itself() {
    own_process::run("a_forked_child_listens_for_itself", || {
        let mut event_loop = EventLoop::new().unwrap();
        let terminate = SignalKind::terminate();
        let mut parents = event_loop.run(async { signal(terminate).unwrap() });

        Child::start(|| {
            run(async {
                let mut own = signal(terminate).unwrap();
                raise(terminate);
                own.recv().await;
            });
            // As in the parent: nobody listens any more, and nobody dies of it.
            raise(terminate);
            Child::start(|| raise(terminate)).assert_killed_by(libc::SIGTERM);
        })
        .assert_well();

        event_loop.run(assert_nothing(&mut parents));
    });
}

#[test]
fn a_forked_child_cannot_receive_for_its_parent() {
    own_process::run("a_forked_child_cannot_receive_for_its_parent", || {
        let mut told = signal(TOLD).unwrap();
        raise(TOLD);
        Child::start(|| {
            let panic = panic_of(|| run(async { told.recv().await }));
            assert!(panic.message.contains("listen for it again in the child"), "{panic:?}");
        })
        .assert_well();
        let mut told = Some(told);
        Child::start(|| drop(told.take())).assert_well();
        run(async { told.unwrap().recv().await });
    });
}

#[test]
fn what_was_ignored_before_is_ignored_in_a_forked_child() {
    own_process::run("what_was_ignored_before_is_ignored_in_a_forked_child", || {
        // SAFETY: ignoring runs no code.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        let _listener = signal(SignalKind::hangup()).unwrap();
        Child::start(|| raise(SignalKind::hangup())).assert_well();
    });
}

#[test]
fn a_handler_that_was_there_before_is_called_as_well() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_number: c_int) {
        CALLS.fetch_add(1, Ordering::SeqCst);
    }
    own_process::run("a_handler_that_was_there_before_is_called_as_well", || {
        let handler: extern "C" fn(c_int) = count;
        // SAFETY: the handler only adds to an atomic.
        unsafe { libc::signal(TOLD.as_raw_value(), handler as libc::sighandler_t) };
        run(async {
            let mut told = signal(TOLD).unwrap();
            raise(TOLD);
            told.recv().await;
            assert_eq!(CALLS.load(Ordering::SeqCst), 1);
        });
        Child::start(|| {
            raise(TOLD);
            assert_eq!(CALLS.load(Ordering::SeqCst), 2);
        })
        .assert_well();
    });
}

#[test]
fn a_program_that_is_executed_dies_of_the_signal() {
    own_process::run("a_program_that_is_executed_dies_of_the_signal", || {
        let _listener = signal(SignalKind::terminate()).unwrap();
        let status = std::process::Command::new("sh").args(["-c", "kill -TERM $$"]).status();
        assert_eq!(status.unwrap().signal(), Some(libc::SIGTERM));
    });
}

#[test]
fn a_dropped_receive_loses_no_signal() {
    own_process::run("a_dropped_receive_loses_no_signal", || {
        run(async {
            let mut told = signal(TOLD).unwrap();
            for _ in 0..3 {
                let mut receive = Box::pin(told.recv());
                assert!(poll_once(receive.as_mut()).is_pending());
                raise(TOLD);
                greenloop::sleep(Duration::from_millis(1)).await;
                drop(receive);
                assert_eq!(poll_once(told.recv()), Poll::Ready(Some(())));
            }
        });
    });
}
