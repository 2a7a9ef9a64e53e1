#![allow(unsafe_code, reason = "sends signals to a thread")]
//! A signal that interrupts the loop in its sleep is no error, and ends no wait.

use std::{
    io::Write as _,
    os::unix::thread::JoinHandleExt as _,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use greenloop::sleep;

#[path = "support/net.rs"]
mod support;
use support::{pair_with_std, poll_once, run};

static ARRIVED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: libc::c_int) {
    ARRIVED.fetch_add(1, Ordering::SeqCst);
}

/// Lets the signal interrupt system calls instead of starting them again.
fn install() {
    let handler: extern "C" fn(libc::c_int) = count;
    // SAFETY: all-zero is a valid `sigaction`: no flags, no signals masked.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // SAFETY: `action` is alive during the call, and its handler only adds to an atomic.
    let result = unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

#[test]
fn waits_for_time_and_for_sockets_survive_a_hail_of_signals() {
    install();
    let (ours, mut theirs) = pair_with_std();
    let done = Arc::new(AtomicBool::new(false));
    let (end, may_end) = mpsc::channel::<()>();
    let looping = thread::spawn({
        let done = Arc::clone(&done);
        move || {
            run(async {
                let start = Instant::now();
                sleep(Duration::from_millis(50)).await;
                assert!(start.elapsed() >= Duration::from_millis(50));
                let mut buffer = [0; 8];
                let mut read = pin!(ours.read(&mut buffer));
                assert!(poll_once(read.as_mut()).is_pending());
                sleep(Duration::from_micros(700)).await;
                ours.write_all(b"waiting").await.unwrap();
                assert_eq!(read.await.unwrap(), 1);
            });
            done.store(true, Ordering::SeqCst);
            // Stays alive as long as it is sent signals.
            may_end.recv().unwrap();
        }
    });
    let answering = thread::spawn(move || {
        std::io::Read::read_exact(&mut theirs, &mut [0; 7]).unwrap();
        // Only after some more signals.
        let before = ARRIVED.load(Ordering::SeqCst);
        while ARRIVED.load(Ordering::SeqCst) < before + 5 {
            thread::yield_now();
        }
        theirs.write_all(b"x").unwrap();
        theirs
    });

    while !done.load(Ordering::SeqCst) && !looping.is_finished() {
        // SAFETY: the thread waits for `end` before it ends, or has not been joined if it panicked.
        unsafe { libc::pthread_kill(looping.as_pthread_t(), libc::SIGUSR1) };
        thread::sleep(Duration::from_micros(200));
    }

    let _ = end.send(());
    looping.join().unwrap();
    drop(answering.join().unwrap());
    assert!(ARRIVED.load(Ordering::SeqCst) > 5);
}
