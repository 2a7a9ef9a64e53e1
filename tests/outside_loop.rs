//! What needs a loop says so where there is none, and what needs none works.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    task::Poll,
    time::{Duration, Instant},
};

use greenloop::{
    net::{TcpListener, TcpStream},
    signal::ctrl_c,
    sleep, spawn_blocking, statistics,
    time::{interval, interval_at, sleep_until},
    timeout,
};

#[path = "support/mod.rs"]
mod panics;
#[path = "support/net.rs"]
mod support;
use panics::{block_on, panic_of};
use support::{pair, pair_with_std, poll_once, run};

const WHAT_TO_DO: &str = "needs a running event loop on this thread: \
                          call it from a future that is inside greenloop::run(...) \
                          or EventLoop::run(...)";

/// The text of the error that a future must be ready with at its first poll.
fn error_of<T>(future: impl Future<Output = std::io::Result<T>>) -> String {
    match poll_once(future) {
        Poll::Ready(Err(error)) => error.to_string(),
        Poll::Ready(Ok(_)) => panic!("it worked"),
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn socket_operations_give_an_error_that_says_what_to_do() {
    let (ours, _theirs) = pair();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let expected = format!("an I/O operation {WHAT_TO_DO}");

    assert_eq!(error_of(ours.read(&mut [0])), expected);
    assert_eq!(error_of(ours.write(b"x")), expected);
    assert_eq!(error_of(ours.peek(&mut [0])), expected);
    assert_eq!(error_of(ours.readable()), expected);
    assert_eq!(error_of(ours.writable()), expected);
    assert_eq!(error_of(listener.accept()), expected);
    assert_eq!(error_of(TcpStream::connect(address)), expected);
}

#[test]
fn waiting_for_ctrl_c_gives_an_error() {
    assert!(error_of(ctrl_c()).contains(WHAT_TO_DO));
}

#[test]
fn sleeps_panic_when_they_are_polled_and_not_when_they_are_made_or_dropped() {
    for sleep in [sleep(Duration::ZERO), sleep(Duration::MAX), sleep_until(Instant::now())] {
        let panic = panic_of(|| poll_once(sleep));
        assert_eq!(panic.message, format!("a Sleep {WHAT_TO_DO}"));
    }
    drop(sleep(Duration::from_secs(1)));
}

#[test]
fn intervals_panic_when_they_are_asked_for_a_tick() {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.reset();
    ticks.reset_immediately();
    let panic = panic_of(|| poll_once(ticks.tick()));
    assert!(panic.message.contains(WHAT_TO_DO), "{panic:?}");
    drop(interval_at(Instant::now(), Duration::from_secs(1)));
}

#[test]
fn a_time_out_panics_unless_its_future_is_done() {
    assert_eq!(poll_once(timeout(Duration::ZERO, async { 7 })), Poll::Ready(Ok(7)));
    let panic = panic_of(|| poll_once(timeout(Duration::ZERO, std::future::pending::<()>())));
    assert!(panic.message.contains(WHAT_TO_DO), "{panic:?}");
}

#[test]
fn the_figures_and_blocking_work_panic_at_the_callers_line() {
    let panic = panic_of(statistics);
    assert_eq!(panic.message, format!("greenloop::statistics() {WHAT_TO_DO}"));
    let panic = panic_of(|| {
        let _ = statistics();
    });
    panic.assert_within(2);

    let panic = panic_of(|| spawn_blocking(|| ()));
    panic.assert_within(1);
    assert_eq!(panic.message, format!("greenloop::spawn_blocking {WHAT_TO_DO}"));
}

#[test]
fn a_listener_is_bound_without_a_loop_and_used_in_one() {
    let Poll::Ready(Ok(listener)) = poll_once(TcpListener::bind("127.0.0.1:0")) else {
        panic!("it needs a loop");
    };
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    run(async {
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn a_name_is_looked_up_without_a_loop() {
    let listener = block_on(TcpListener::bind("localhost:0")).unwrap();
    assert!(listener.local_addr().unwrap().ip().is_loopback());
}

#[test]
fn what_does_not_wait_works_without_a_loop() {
    let (ours, mut theirs) = pair_with_std();
    assert_eq!(ours.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(ours.try_write(b"x").unwrap(), 1);
    theirs.read_exact(&mut [0]).unwrap();
    ours.set_nodelay(true).unwrap();
    let (read, write) = ours.into_split();
    let ours = read.reunite(write).unwrap();
    let ours = TcpStream::from_std(ours.into_std().unwrap()).unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    theirs.write_all(b"x").unwrap();
    drop(ours);
}

#[test]
fn what_failed_without_a_loop_works_in_one() {
    let (ours, mut theirs) = pair_with_std();
    assert!(error_of(ours.read(&mut [0])).contains(WHAT_TO_DO));
    run(async {
        theirs.write_all(b"x").unwrap();
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 1);
    });
}
