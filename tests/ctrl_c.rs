#![allow(unsafe_code, reason = "sends signals")]
//! Ctrl-C wakes those who wait for it, and does not end a program that has waited for it once.
//!
//! Each test sends the signal to a process of its own.

use std::{
    cell::Cell,
    io::{BufRead as _, BufReader},
    pin::pin,
    process::{Child, ChildStdout, Stdio},
    rc::Rc,
    time::Duration,
};

use greenloop::{signal::ctrl_c, sleep, spawn};

#[path = "support/own_process.rs"]
mod own_process;
#[path = "support/net.rs"]
mod support;
use support::{poll_once, run};

/// A line that a child prints when it can be sent the signal.
const READY: &str = "send it";

/// The parent's part: sends the signal each time the child is ready, and expects a good end.
#[track_caller]
fn send_when_ready(name: &str) {
    let child = own_process::command(name).stdout(Stdio::piped()).spawn().unwrap();
    // Ends the child if this thread panics before it has ended.
    let mut child = Guard(child);
    let mut output = BufReader::new(child.0.stdout.take().unwrap());
    while wait_for_ready(&mut output) {
        interrupt(child.0.id());
    }
    assert!(child.0.wait().unwrap().success());
}

/// `false` at the end of the output.
fn wait_for_ready(output: &mut BufReader<ChildStdout>) -> bool {
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        if line.trim_end().ends_with(READY) {
            return true;
        }
        line.clear();
    }
    false
}

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn interrupt(process: u32) {
    // SAFETY: takes no pointers; the child has not been waited for, so the number is its own.
    assert_eq!(unsafe { libc::kill(process as libc::pid_t, libc::SIGINT) }, 0);
}

#[test]
fn the_signal_ends_the_wait() {
    if !own_process::is_own() {
        return send_when_ready("the_signal_ends_the_wait");
    }
    run(async {
        let mut signal = pin!(ctrl_c());
        assert!(poll_once(signal.as_mut()).is_pending());
        println!("{READY}");
        signal.await.unwrap();
    });
}

#[test]
fn the_signal_can_be_waited_for_again_and_again() {
    if !own_process::is_own() {
        return send_when_ready("the_signal_can_be_waited_for_again_and_again");
    }
    run(async {
        for _ in 0..3 {
            let mut signal = pin!(ctrl_c());
            assert!(poll_once(signal.as_mut()).is_pending());
            println!("{READY}");
            signal.await.unwrap();
        }
    });
}

#[test]
fn all_who_wait_are_told() {
    if !own_process::is_own() {
        return send_when_ready("all_who_wait_are_told");
    }
    run(async {
        let waiting = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let waiting = Rc::clone(&waiting);
                spawn(async move {
                    let mut signal = pin!(ctrl_c());
                    assert!(poll_once(signal.as_mut()).is_pending());
                    waiting.set(waiting.get() + 1);
                    signal.await.unwrap();
                })
            })
            .collect();
        while waiting.get() < 3 {
            greenloop::yield_now().await;
        }
        println!("{READY}");
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn one_who_gave_up_takes_nothing_from_one_who_waits() {
    if !own_process::is_own() {
        return send_when_ready("one_who_gave_up_takes_nothing_from_one_who_waits");
    }
    run(async {
        let mut gone = Box::pin(ctrl_c());
        assert!(poll_once(gone.as_mut()).is_pending());
        let mut signal = pin!(ctrl_c());
        assert!(poll_once(signal.as_mut()).is_pending());
        drop(gone);
        println!("{READY}");
        signal.await.unwrap();
    });
}

#[test]
fn a_signal_after_the_last_wait_is_given_up_does_not_end_the_program() {
    if !own_process::is_own() {
        return send_when_ready(
            "a_signal_after_the_last_wait_is_given_up_does_not_end_the_program",
        );
    }
    run(async {
        let mut gone = Box::pin(ctrl_c());
        assert!(poll_once(gone.as_mut()).is_pending());
        drop(gone);
        // SAFETY: takes no pointers. The signal arrives before `raise` returns.
        assert_eq!(unsafe { libc::raise(libc::SIGINT) }, 0);
        // It belongs to nobody, also not to the next one who waits.
        let mut next = pin!(ctrl_c());
        assert!(poll_once(next.as_mut()).is_pending());
        sleep(Duration::from_millis(1)).await;
        assert!(poll_once(next.as_mut()).is_pending());
        println!("{READY}");
        next.await.unwrap();
    });
}

#[test]
fn another_loop_is_told_after_the_first_has_ended() {
    if !own_process::is_own() {
        return send_when_ready("another_loop_is_told_after_the_first_has_ended");
    }
    for _ in 0..2 {
        run(async {
            let mut signal = pin!(ctrl_c());
            assert!(poll_once(signal.as_mut()).is_pending());
            println!("{READY}");
            signal.await.unwrap();
        });
    }
}

#[test]
fn loops_on_several_threads_are_all_told() {
    if !own_process::is_own() {
        return send_when_ready("loops_on_several_threads_are_all_told");
    }
    let ready = std::sync::Arc::new(std::sync::Barrier::new(4));
    let threads = [(); 3].map(|()| {
        let ready = std::sync::Arc::clone(&ready);
        std::thread::spawn(move || {
            run(async {
                let mut signal = pin!(ctrl_c());
                assert!(poll_once(signal.as_mut()).is_pending());
                ready.wait();
                signal.await.unwrap();
            });
        })
    });
    ready.wait();
    println!("{READY}");
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_server_ends_its_loop_at_the_signal_while_clients_are_connected() {
    if !own_process::is_own() {
        return send_when_ready("a_server_ends_its_loop_at_the_signal_while_clients_are_connected");
    }
    let (ours, theirs) = support::pair_with_std();
    run(async {
        let server = async {
            spawn(support::echo(ours));
            std::future::pending::<()>().await;
        };
        let mut signal = pin!(ctrl_c());
        assert!(poll_once(signal.as_mut()).is_pending());
        println!("{READY}");
        greenloop::select! {
            result = signal => result.unwrap(),
            () = server => unreachable!("it has no end"),
        }
    });
    assert_eq!(std::io::Read::read(&mut &theirs, &mut [0]).unwrap(), 0);
}
