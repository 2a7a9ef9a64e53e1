//! A connection in memory behaves as a socket does.

use std::{cell::Cell, io::ErrorKind::BrokenPipe, rc::Rc, thread, time::Duration};

use futures_util::{AsyncReadExt, AsyncWriteExt};
use greenloop::io::{BufReader, copy_bidirectional, duplex};

#[path = "support/mod.rs"]
mod general;
#[path = "support/net.rs"]
mod support;
use support::{Random, Wakes, pattern, poll, poll_once, run};

#[test]
fn both_ends_talk() {
    run(async {
        let (mut one, mut other) = duplex(16);
        one.write_all(b"ping").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(other.read(&mut buffer).await.unwrap(), 4);
        other.write_all(b"pong!").await.unwrap();
        assert_eq!(one.read(&mut buffer).await.unwrap(), 5);
        assert_eq!(one.read(&mut []).await.unwrap(), 0);
    });
}

#[test]
fn a_full_direction_makes_the_writer_wait_and_the_other_direction_is_free() {
    run(async {
        let (mut one, mut other) = duplex(4);
        let (wakes, waker) = Wakes::new();
        {
            let mut write = Box::pin(one.write_all(b"123456"));
            assert!(poll(write.as_mut(), &waker).is_pending());
        }
        // Four bytes were taken before the rest was dropped.
        other.write_all(b"ok").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(other.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(wakes.count(), 1);
        one.write_all(b"78").await.unwrap();
        assert_eq!(one.read(&mut buffer).await.unwrap(), 2);
    });
}

#[test]
fn much_goes_through_little_room() {
    let sent = pattern(10_000);
    run(async {
        let (mut one, mut other) = duplex(7);
        let writer = greenloop::spawn({
            let sent = sent.clone();
            async move {
                let mut random = Random::new(5);
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    let size = (1 + random.below(20) as usize).min(rest.len());
                    one.write_all(&rest[..size]).await.unwrap();
                    rest = &rest[size..];
                }
            }
        });
        let mut received = Vec::new();
        AsyncReadExt::read_to_end(&mut other, &mut received).await.unwrap();
        assert!(received == sent);
        writer.await.unwrap();
    });
}

#[test]
fn a_closed_direction_ends_and_the_other_goes_on() {
    run(async {
        let (mut one, mut other) = duplex(16);
        one.write_all(b"last").await.unwrap();
        one.close().await.unwrap();
        one.close().await.unwrap();
        assert_eq!(one.write_all(b"x").await.unwrap_err().kind(), BrokenPipe);
        let mut text = String::new();
        AsyncReadExt::read_to_string(&mut other, &mut text).await.unwrap();
        assert_eq!(text, "last");
        assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
        other.write_all(b"heard").await.unwrap();
        drop(other);
        AsyncReadExt::read_to_string(&mut one, &mut text).await.unwrap();
        assert_eq!(text, "lastheard");
    });
}

#[test]
fn an_end_that_goes_away_wakes_who_waits() {
    run(async {
        let (mut one, other) = duplex(4);
        let (wakes, waker) = Wakes::new();
        let mut buffer = [0; 4];
        {
            let mut read = Box::pin(one.read(&mut buffer));
            assert!(poll(read.as_mut(), &waker).is_pending());
            drop(other);
            assert_eq!(wakes.count(), 1);
            assert_eq!(read.await.unwrap(), 0);
        }
        assert_eq!(one.write_all(b"x").await.unwrap_err().kind(), BrokenPipe);

        let (mut one, other) = duplex(4);
        let mut write = Box::pin(one.write_all(b"too much"));
        assert!(poll(write.as_mut(), &waker).is_pending());
        drop(other);
        assert_eq!(wakes.count(), 2);
        assert_eq!(write.await.unwrap_err().kind(), BrokenPipe);
    });
}

#[test]
fn a_dropped_read_loses_nothing() {
    run(async {
        let (mut one, mut other) = duplex(16);
        assert!(poll_once(other.read(&mut [0; 8])).is_pending());
        one.write_all(b"kept").await.unwrap();
        assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 4);
    });
}

#[test]
fn the_ends_may_be_in_different_threads_and_need_no_loop() {
    let (mut one, mut other) = duplex(8);
    let sent = pattern(10_000);
    let writer = thread::spawn({
        let sent = sent.clone();
        move || general::block_on(async move { one.write_all(&sent).await })
    });
    let received = run(async {
        let mut received = Vec::new();
        AsyncReadExt::read_to_end(&mut other, &mut received).await.unwrap();
        received
    });
    assert!(received == sent);
    writer.join().unwrap().unwrap();
}

#[test]
fn an_end_can_be_split_and_copied() {
    run(async {
        let (mut client, outer) = duplex(8);
        let (inner, mut server) = duplex(8);
        let forward = greenloop::spawn(copy_bidirectional(outer, inner));
        let echo = greenloop::spawn(async move {
            let mut line = String::new();
            let mut reader = BufReader::new(&mut server);
            reader.read_line(&mut line).await.unwrap();
            reader.write_all(line.to_uppercase().as_bytes()).await.unwrap();
        });
        let (mut read, mut write) = AsyncReadExt::split(&mut client);
        AsyncWriteExt::write_all(&mut write, b"hello, duplex\n").await.unwrap();
        let mut text = String::new();
        AsyncReadExt::read_to_string(&mut read, &mut text).await.unwrap();
        AsyncWriteExt::close(&mut write).await.unwrap();
        assert_eq!(text, "HELLO, DUPLEX\n");
        assert_eq!(forward.await.unwrap().unwrap(), (14, 14));
        echo.await.unwrap();
    });
}

#[test]
fn ends_that_are_always_ready_let_others_run() {
    run(async {
        let (mut one, mut other) = duplex(16);
        let rounds = Rc::new(Cell::new(0_u64));
        let busy = greenloop::spawn({
            let rounds = Rc::clone(&rounds);
            async move {
                loop {
                    one.write_all(b"x").await.unwrap();
                    other.read(&mut [0; 8]).await.unwrap();
                    rounds.set(rounds.get() + 1);
                }
            }
        });
        greenloop::sleep(Duration::from_millis(1)).await;
        assert!(rounds.get() > 0);
        busy.abort();
    });
}

#[test]
#[should_panic(expected = "without room")]
fn no_room_at_all_is_refused() {
    let _ = duplex(0);
}
