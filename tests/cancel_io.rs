//! An operation whose future is dropped loses nothing: no byte, no connection, no wake.

use std::{
    future::pending,
    io::{Read as _, Write as _},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use greenloop::{
    net::{TcpListener, TcpStream},
    sleep, statistics, timeout,
};

#[path = "support/net.rs"]
mod support;
use support::{
    Random, Wakes, drain, fill, pair, pair_with_std, pattern, poll, poll_once, read_to_end, run,
};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_dropped_read_loses_no_byte() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let mut buffer = [0; 8];
        for round in 0..50 {
            let mut unused = [0; 8];
            let mut read = Box::pin(ours.read(&mut unused));
            assert!(poll_once(read.as_mut()).is_pending());
            if round % 2 == 0 {
                drop(read);
                theirs.write_all(&[round]).unwrap();
            } else {
                // Woken, and dropped before it is polled again.
                theirs.write_all(&[round]).unwrap();
                ours.readable().await.unwrap();
                drop(read);
            }

            assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], round);
        }
    });
}

#[test]
fn reads_that_lose_against_a_sleep_again_and_again_lose_no_byte() {
    let sent = pattern(20_000);
    run(async {
        let (ours, theirs) = pair();
        let writer = greenloop::spawn({
            let sent = sent.clone();
            async move {
                let mut random = Random::new(3);
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    let size = 1 + random.below(300) as usize;
                    let (piece, after) = rest.split_at(size.min(rest.len()));
                    theirs.write_all(piece).await.unwrap();
                    rest = after;
                    sleep(Duration::from_micros(random.below(200))).await;
                }
            }
        });
        let mut random = Random::new(4);
        let mut received = Vec::new();
        let mut buffer = [0; 64];
        while received.len() < sent.len() {
            let limit = Duration::from_micros(random.below(150));
            if let Ok(count) = timeout(limit, ours.read(&mut buffer)).await {
                received.extend_from_slice(&buffer[..count.unwrap()]);
            }
        }
        assert!(received == sent);
        writer.await.unwrap();
    });
}

#[test]
fn a_dropped_write_wrote_nothing() {
    run(async {
        let (ours, theirs) = pair();
        let filled = fill(&ours).await;
        assert!(poll_once(ours.write(b"lost")).is_pending());
        drain(&theirs, filled).await;

        ours.write_all(b"kept").await.unwrap();
        drop(ours);

        assert_eq!(read_to_end(&theirs).await.unwrap(), b"kept");
    });
}

#[test]
fn a_dropped_accept_loses_no_connection() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..20 {
            let mut accept = Box::pin(listener.accept());
            assert!(poll_once(accept.as_mut()).is_pending());
            let client = TcpStream::connect(address).await.unwrap();
            drop(accept);

            let (_, peer) = listener.accept().await.unwrap();

            assert_eq!(peer, client.local_addr().unwrap());
        }
    });
}

#[test]
fn of_two_who_wait_the_one_that_stays_gets_what_the_one_that_goes_was_woken_for() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let ours = Rc::new(ours);
        let (wakes, waker) = Wakes::new();
        let mut unused = [0; 8];
        let mut goes = Box::pin(ours.read(&mut unused));
        assert!(poll(goes.as_mut(), &waker).is_pending());
        let stays = greenloop::spawn({
            let ours = Rc::clone(&ours);
            async move { ours.read(&mut [0; 8]).await.unwrap() }
        });
        greenloop::yield_now().await;

        theirs.write_all(b"x").unwrap();
        while wakes.count() == 0 {
            sleep(MILLISECOND).await;
        }
        drop(goes);

        assert_eq!(stays.await.unwrap(), 1);
    });
}

#[test]
fn of_two_who_accept_the_one_that_stays_gets_the_connection() {
    run(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let mut goes = Box::pin(listener.accept());
        assert!(poll_once(goes.as_mut()).is_pending());
        let stays = greenloop::spawn({
            let listener = Rc::clone(&listener);
            async move { listener.accept().await.unwrap().1 }
        });
        greenloop::yield_now().await;

        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        drop(goes);

        assert_eq!(stays.await.unwrap(), client.local_addr().unwrap());
    });
}

#[test]
fn nobody_is_woken_for_what_was_dropped() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (wakes, waker) = Wakes::new();
        let mut buffer = [0; 8];
        {
            let mut read = pin!(ours.read(&mut buffer));
            let mut accept = pin!(listener.accept());
            let mut connect = pin!(TcpStream::connect(address));
            assert!(poll(read.as_mut(), &waker).is_pending());
            assert!(poll(accept.as_mut(), &waker).is_pending());
            assert!(poll(connect.as_mut(), &waker).is_pending());
            assert_eq!(wakes.clones(), 3);
        }

        assert_eq!(wakes.clones(), 0);
        theirs.write_all(b"x").unwrap();
        ours.readable().await.unwrap();
        listener.accept().await.unwrap();
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn an_aborted_task_closes_its_socket_and_leaves_no_registration() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let task = greenloop::spawn(async move { ours.read(&mut [0]).await });
        greenloop::yield_now().await;
        assert_eq!(statistics().sockets, 1);

        task.abort();

        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(statistics().sockets, 0);
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn the_end_of_the_loop_closes_the_sockets_of_its_tasks() {
    let (ours, mut theirs) = pair_with_std();
    run(async {
        greenloop::spawn(async move {
            ours.writable().await.unwrap();
            pending::<()>().await;
        });
        sleep(MILLISECOND).await;
        assert_eq!(statistics().sockets, 1);
    });
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_connect_cancelled_at_any_time_leaves_nothing() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for micros in 0..100 {
            let connected =
                timeout(Duration::from_micros(micros), TcpStream::connect(address)).await;
            drop(connected);
            assert_eq!(statistics().sockets, 0);
        }
    });
}
