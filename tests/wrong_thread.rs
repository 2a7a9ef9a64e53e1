//! Sockets and sleeps can be sent to other threads, and say clearly what they cannot do there.
//! Dropped there, they leave nothing behind in their loop.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    pin::{Pin, pin},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use greenloop::{
    EventLoop,
    net::{TcpListener, TcpStream},
    sleep, statistics,
    time::{Sleep, interval},
};

#[path = "support/mod.rs"]
mod panics;
#[path = "support/net.rs"]
mod support;
use panics::panic_of;
use support::{Wakes, pair_with_std, poll, poll_once, run};

const HOUR: Duration = Duration::from_secs(3600);

/// Runs a closure on another thread, and lets the loop take in what that thread sent.
async fn elsewhere<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let result = thread::spawn(f).join().unwrap();
    // The loop looks at its mail after at most 64 polls.
    for _ in 0..200 {
        greenloop::yield_now().await;
    }
    result
}

#[test]
fn a_sleep_dropped_on_another_thread_leaves_no_timer() {
    run(async {
        let before = statistics().timers;
        let (wakes, waker) = Wakes::new();
        let mut sleep = Box::pin(sleep(HOUR));
        assert!(poll(sleep.as_mut(), &waker).is_pending());

        elsewhere(move || drop(sleep)).await;

        assert_eq!((statistics().timers, wakes.clones(), wakes.count()), (before, 0, 0));
    });
}

#[test]
fn an_interval_dropped_on_another_thread_leaves_no_timer() {
    run(async {
        let before = statistics().timers;
        let mut interval = interval(HOUR);
        interval.tick().await;
        assert!(poll_once(interval.tick()).is_pending());
        assert_eq!(statistics().timers, before + 1);
        elsewhere(move || drop(interval)).await;
        assert_eq!(statistics().timers, before);
    });
}

#[test]
fn a_sleep_that_waits_in_one_loop_panics_when_another_polls_it() {
    run(async {
        let mut sleep = Box::pin(sleep(HOUR));
        assert!(poll_once(sleep.as_mut()).is_pending());

        let (panic, sleep) = elsewhere(move || {
            let panic = panic_of(|| greenloop::run(async { poll_once(sleep.as_mut()) }));
            (panic, sleep)
        })
        .await;

        assert!(panic.message.contains("polled by another event loop"), "{panic:?}");
        // It still waits here.
        let mut sleep = sleep;
        sleep.reset(Instant::now() + Duration::from_millis(1));
        sleep.await;
    });
}

#[test]
fn a_sleep_polled_on_a_thread_without_a_loop_panics() {
    run(async {
        let mut sleep = Box::pin(sleep(HOUR));
        assert!(poll_once(sleep.as_mut()).is_pending());
        let panic = elsewhere(move || panic_of(|| poll_once(sleep.as_mut()))).await;
        assert!(panic.message.contains("needs a running event loop"), "{panic:?}");
    });
}

#[test]
fn a_sleep_reset_on_another_thread_starts_anew_in_the_loop_that_polls_it_next() {
    run(async {
        let before = statistics().timers;
        let mut first = sleep(HOUR);
        assert!(poll_once(&mut first).is_pending());

        let end = elsewhere(move || {
            let deadline = Instant::now() + Duration::from_millis(2);
            first.reset(deadline);
            greenloop::run(&mut first);
            assert!(Instant::now() >= deadline);
            first
        })
        .await;

        assert_eq!(statistics().timers, before);
        end.await;
    });
}

#[test]
fn a_sleep_that_has_not_been_polled_goes_anywhere() {
    let sleep: Pin<Box<Sleep>> = Box::pin(sleep(Duration::from_millis(1)));
    thread::spawn(move || run(sleep)).join().unwrap();
}

#[test]
fn a_socket_dropped_on_another_thread_closes_at_once_and_leaves_no_registration() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());

        let read = elsewhere(move || {
            drop(ours);
            theirs.read(&mut [0])
        })
        .await;

        assert_eq!(read.unwrap(), 0);
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn a_wait_dropped_on_another_thread_takes_its_waker_back() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let ours = Arc::new(ours);
        let (wakes, waker) = Wakes::new();
        let mut read = Box::pin({
            let ours = Arc::clone(&ours);
            async move { ours.read(&mut [0]).await }
        });
        assert!(poll(read.as_mut(), &waker).is_pending());
        assert_eq!(wakes.clones(), 1);

        elsewhere(move || drop(read)).await;

        assert_eq!(wakes.clones(), 0);
        theirs.write_all(b"x").unwrap();
        ours.readable().await.unwrap();
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn a_watched_socket_on_a_thread_with_another_loop_gives_an_error_and_stays_with_its_own() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let ours = Arc::new(ours);
        assert!(poll_once(ours.readable()).is_pending());
        theirs.write_all(b"x").unwrap();

        let text = elsewhere({
            let ours = Arc::clone(&ours);
            move || {
                greenloop::run(async move { ours.read(&mut [0]).await }).unwrap_err().to_string()
            }
        })
        .await;

        assert!(
            text.contains("a socket or other descriptor belongs to another event loop"),
            "{text}"
        );
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 1);
    });
}

#[test]
fn a_watched_socket_on_a_thread_without_a_loop_gives_an_error() {
    run(async {
        let (ours, _theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());

        let text = elsewhere(move || match poll_once(ours.read(&mut [0])) {
            std::task::Poll::Ready(Err(error)) => error.to_string(),
            other => panic!("{other:?}"),
        })
        .await;

        assert!(text.contains("needs a running event loop on this thread"), "{text}");
    });
}

#[test]
fn what_does_not_wait_works_on_any_thread() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let ours = Arc::new(ours);
        assert!(poll_once(ours.readable()).is_pending());
        theirs.write_all(b"x").unwrap();

        elsewhere({
            let ours = Arc::clone(&ours);
            move || {
                assert_eq!(ours.try_read(&mut [0; 8]).unwrap(), 1);
                let again = ours.try_read(&mut [0; 8]).unwrap_err();
                assert_eq!(again.kind(), ErrorKind::WouldBlock);
                assert_eq!(ours.try_write(b"y").unwrap(), 1);
                ours.set_nodelay(true).unwrap();
                ours.peer_addr().unwrap();
            }
        })
        .await;

        // The loop finds out by itself that the byte is gone, and is told of the next one.
        let mut buffer = [0; 8];
        let mut read = pin!(ours.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());
        theirs.write_all(b"z").unwrap();
        assert_eq!(read.await.unwrap(), 1);
    });
}

#[test]
fn a_watched_socket_cannot_go_back_to_std_while_its_loop_lives_on_another_thread() {
    run(async {
        let (ours, _theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(poll_once(listener.accept()).is_pending());

        let (stream, listener) =
            elsewhere(move || (ours.into_std().unwrap_err(), listener.into_std().unwrap_err()))
                .await;

        for text in [stream.to_string(), listener.to_string()] {
            assert!(text.contains("belongs to another event loop"), "{text}");
        }
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn a_socket_goes_to_another_thread_before_its_first_wait() {
    let (ours, mut theirs) = pair_with_std();
    let thread = thread::spawn(move || {
        run(async {
            let mut buffer = [0; 8];
            assert!(poll_once(ours.read(&mut buffer)).is_pending());
            ours.write_all(b"ready").await.unwrap();
            ours.read(&mut buffer).await.unwrap()
        })
    });
    theirs.read_exact(&mut [0; 5]).unwrap();
    theirs.write_all(b"x").unwrap();
    assert_eq!(thread.join().unwrap(), 1);
}

#[test]
fn sockets_and_sleeps_outlive_their_loop_and_can_be_dropped_anywhere() {
    let (ours, mut theirs) = pair_with_std();
    let mut sleep = Box::pin(sleep(HOUR));
    let (wakes, waker) = Wakes::new();
    run(async {
        assert!(poll_once(ours.readable()).is_pending());
        assert!(poll(sleep.as_mut(), &waker).is_pending());
    });
    // The loop told whom it had a waker of, and kept none.
    assert_eq!((wakes.clones(), wakes.count()), (0, 1));

    thread::spawn(move || drop((ours, sleep))).join().unwrap();

    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
}

#[test]
fn drops_on_another_thread_during_the_end_of_the_loop_are_harmless() {
    for _ in 0..50 {
        let (ours, _theirs) = pair_with_std();
        let mut sleep = Box::pin(sleep(HOUR));
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(async {
            assert!(poll_once(ours.readable()).is_pending());
            assert!(poll_once(sleep.as_mut()).is_pending());
        });
        let other = thread::spawn(move || drop((ours, sleep)));
        drop(event_loop);
        other.join().unwrap();
    }
}

#[test]
fn two_loops_that_race_for_the_first_wait_on_a_socket_leave_it_to_one_of_them() {
    for _ in 0..20 {
        let (ours, mut theirs) = pair_with_std();
        let ours: Arc<TcpStream> = Arc::new(ours);
        let readers = [(); 2].map(|()| {
            let ours = Arc::clone(&ours);
            thread::spawn(move || run(async move { ours.read(&mut [0]).await }))
        });
        // One is refused, unless the other is so slow that it finds the byte without a wait.
        theirs.write_all(b"xy").unwrap();

        for reader in readers {
            match reader.join().unwrap() {
                Ok(count) => assert_eq!(count, 1),
                Err(error) => assert!(error.to_string().contains("event loop"), "{error}"),
            }
        }
    }
}
