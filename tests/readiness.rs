//! Whoever waits for a socket is woken when it is ready, nobody else is, and those who gave up
//! leave nothing behind.

use std::{
    io::{Read as _, Write as _},
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use futures_util::AsyncRead as _;
use greenloop::{
    net::{TcpStream, UnixStream},
    statistics,
};

#[path = "support/net.rs"]
mod support;
use support::{Wakes, drain, fill, pair, pair_with_std, poll, poll_once, run, waker_fn};

#[test]
fn an_operation_that_need_not_wait_registers_nothing() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        theirs.write_all(b"x").unwrap();

        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 1);
        ours.write_all(b"y").await.unwrap();

        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn the_first_wait_registers_and_the_drop_of_the_socket_takes_it_back() {
    run(async {
        let (ours, _theirs) = pair_with_std();
        let mut buffer = [0];
        assert!(poll_once(ours.read(&mut buffer)).is_pending());
        assert_eq!(statistics().sockets, 1);
        assert!(poll_once(ours.readable()).is_pending());
        assert_eq!(statistics().sockets, 1);

        drop(ours);

        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn who_waits_to_write_on_what_was_watched_for_reading_is_woken_and_so_is_the_reader() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (_reads, reader) = Wakes::new();
        let (_writes, writer) = Wakes::new();
        let mut buffer = [0];
        let mut read = Box::pin(ours.read(&mut buffer));
        assert!(poll(read.as_mut(), &reader).is_pending());
        // What fits needs no wait, and what does not fit is waited for.
        let mut filled = 0;
        while let Ok(count) = ours.try_write(&[b'.'; 1024]) {
            filled += count;
        }
        let mut write = Box::pin(ours.write(b"x"));
        assert!(poll(write.as_mut(), &writer).is_pending());
        let mut taken = vec![0; filled];
        theirs.read_exact(&mut taken).await.unwrap();
        assert_eq!(write.await.unwrap(), 1);
        theirs.write_all(b"y").await.unwrap();
        assert_eq!(read.await.unwrap(), 1);
    });
}

#[test]
fn who_gives_up_takes_the_waker_back() {
    run(async {
        let (ours, theirs) = pair();
        let (wakes, waker) = Wakes::new();
        fill(&ours).await;
        let mut buffer = [0];
        let mut read = Box::pin(ours.read(&mut buffer));
        let mut write = Box::pin(ours.write(b"x"));
        let mut readable = Box::pin(ours.readable());
        let mut writable = Box::pin(ours.writable());
        assert!(poll(read.as_mut(), &waker).is_pending());
        assert!(poll(write.as_mut(), &waker).is_pending());
        assert!(poll(readable.as_mut(), &waker).is_pending());
        assert!(poll(writable.as_mut(), &waker).is_pending());
        assert_eq!(wakes.clones(), 4);

        drop((read, write, readable, writable));
        assert_eq!(wakes.clones(), 0);

        theirs.try_write(b"x").unwrap();
        ours.readable().await.unwrap();
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn who_gives_up_takes_no_other_waker_back() {
    run(async {
        let (ours, theirs) = pair();
        let (gone, gone_waker) = Wakes::new();
        let (stays, stays_waker) = Wakes::new();
        let mut staying: Vec<_> = (0..3).map(|_| Box::pin(ours.readable())).collect();
        let mut going: Vec<_> = (0..3).map(|_| Box::pin(ours.readable())).collect();
        for (staying, going) in staying.iter_mut().zip(&mut going) {
            assert!(poll(going.as_mut(), &gone_waker).is_pending());
            assert!(poll(staying.as_mut(), &stays_waker).is_pending());
        }

        drop(going);
        theirs.try_write(b"x").unwrap();
        ours.readable().await.unwrap();

        assert_eq!((gone.count(), stays.count()), (0, 3));
    });
}

#[test]
fn a_wait_that_changes_its_task_wakes_the_last_one() {
    run(async {
        let (ours, theirs) = pair();
        let (first, first_waker) = Wakes::new();
        let (last, last_waker) = Wakes::new();
        let mut buffer = [0];
        let mut read = pin!(ours.read(&mut buffer));
        assert!(poll(read.as_mut(), &first_waker).is_pending());
        assert!(poll(read.as_mut(), &last_waker).is_pending());

        theirs.try_write(b"x").unwrap();
        ours.readable().await.unwrap();

        assert_eq!((first.count(), last.count()), (0, 1));
        assert!(matches!(poll_once(read), Poll::Ready(Ok(1))));
    });
}

#[test]
fn all_who_wait_to_read_are_woken() {
    run(async {
        let (ours, theirs) = pair();
        let (wakes, waker) = Wakes::new();
        let mut waits: Vec<_> = (0..10).map(|_| Box::pin(ours.readable())).collect();
        for wait in &mut waits {
            assert!(poll(wait.as_mut(), &waker).is_pending());
        }

        theirs.try_write(b"x").unwrap();
        ours.readable().await.unwrap();

        assert_eq!(wakes.count(), 10);
        for wait in waits {
            assert!(matches!(poll_once(wait), Poll::Ready(Ok(()))));
        }
    });
}

#[test]
fn many_tasks_that_read_one_socket_share_what_comes() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let ours = Arc::new(ours);
        let readers: Vec<_> = (0..5)
            .map(|_| {
                let ours = Arc::clone(&ours);
                greenloop::spawn(async move { ours.read(&mut [0]).await.unwrap() })
            })
            .collect();
        // All of them wait.
        while statistics().polls < 6 {
            greenloop::yield_now().await;
        }

        for _ in 0..5 {
            theirs.write_all(b"x").unwrap();
        }

        for reader in readers {
            assert_eq!(reader.await.unwrap(), 1);
        }
    });
}

#[test]
fn readers_and_writers_are_woken_each_by_their_own() {
    run(async {
        let (ours, theirs) = pair();
        let filled = fill(&ours).await;
        let (reads, read_waker) = Wakes::new();
        let (writes, write_waker) = Wakes::new();
        let mut readable = pin!(ours.readable());
        let mut writable = pin!(ours.writable());
        assert!(poll(readable.as_mut(), &read_waker).is_pending());
        assert!(poll(writable.as_mut(), &write_waker).is_pending());

        // Something to read, and no room to write.
        theirs.try_write(b"x").unwrap();
        ours.readable().await.unwrap();
        assert_eq!((reads.count(), writes.count()), (1, 0));

        // Room to write, and nothing more to read.
        assert!(matches!(poll_once(ours.read(&mut [0; 8])), Poll::Ready(Ok(1))));
        let mut readable = pin!(ours.readable());
        assert!(poll(readable.as_mut(), &read_waker).is_pending());
        drain(&theirs, filled).await;
        ours.writable().await.unwrap();
        assert_eq!((reads.count(), writes.count()), (1, 1));
    });
}

#[test]
fn to_find_nothing_to_read_does_not_make_a_socket_unwritable() {
    run(async {
        let (ours, _theirs) = pair();
        ours.writable().await.unwrap();

        assert!(poll_once(ours.read(&mut [0])).is_pending());

        assert!(matches!(poll_once(ours.writable()), Poll::Ready(Ok(()))));
        assert!(matches!(poll_once(ours.write(b"x")), Poll::Ready(Ok(1))));
    });
}

#[test]
fn what_arrives_after_a_read_that_would_have_blocked_is_announced() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());
        for round in 0..200_u8 {
            assert!(ours.try_read(&mut [0]).is_err());
            let mut buffer = [0];
            if round % 2 == 0 {
                // Between the refusal and the wait.
                theirs.write_all(&[round]).unwrap();
                ours.readable().await.unwrap();
                assert_eq!(ours.try_read(&mut buffer).unwrap(), 1);
            } else {
                // During the wait.
                let mut read = pin!(ours.read(&mut buffer));
                assert!(poll_once(read.as_mut()).is_pending());
                theirs.write_all(&[round]).unwrap();
                assert_eq!(read.await.unwrap(), 1);
            }
            assert_eq!(buffer, [round]);
        }
    });
}

#[test]
fn what_arrives_after_a_short_read_is_announced() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());
        let mut buffer = [0; 64];
        for round in 0..200_u8 {
            theirs.write_all(&[round, round]).unwrap();
            ours.readable().await.unwrap();
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 2);
            theirs.write_all(&[round]).unwrap();

            assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);
        }
    });
}

#[test]
fn what_a_full_read_left_behind_needs_no_further_event() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());
        theirs.write_all(b"abcdef").unwrap();
        let mut buffer = [0; 2];
        for expected in [b"ab", b"cd", b"ef"] {
            ours.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer, expected);
        }
        assert!(poll_once(ours.read(&mut buffer)).is_pending());
    });
}

#[test]
fn room_that_comes_after_a_refused_write_is_announced_again_and_again() {
    run(async {
        let (ours, theirs) = pair();
        for _ in 0..5 {
            let filled = fill(&ours).await;
            let mut write = Box::pin(ours.write(b"x"));
            assert!(poll_once(write.as_mut()).is_pending());

            drain(&theirs, filled).await;

            assert_eq!(write.await.unwrap(), 1);
            drain(&theirs, 1).await;
        }
    });
}

#[test]
fn a_socket_may_be_dropped_by_the_waker_that_its_event_calls() {
    run(async {
        let (mut ours, mut theirs) = pair_with_std();
        let slot = Arc::new(Mutex::new(None::<TcpStream>));
        let waker = waker_fn({
            let slot = Arc::clone(&slot);
            move || drop(slot.lock().unwrap().take())
        });
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(pin!(&mut ours).poll_read(&mut cx, &mut [0]).is_pending());
        *slot.lock().unwrap() = Some(ours);

        theirs.write_all(b"x").unwrap();
        while slot.lock().unwrap().is_some() {
            greenloop::sleep(std::time::Duration::from_millis(1)).await;
        }

        assert_eq!(statistics().sockets, 0);
        assert!(theirs.read(&mut [0]).is_err(), "closed with unread data: a reset");
    });
}

#[test]
fn a_socket_may_be_dropped_by_the_waker_of_another_that_became_ready_with_it() {
    run(async {
        let (mut killer, mut killers_peer) = pair_with_std();
        let (mut victim, mut victims_peer) = pair_with_std();
        let slot = Arc::new(Mutex::new(None::<TcpStream>));
        let waker = waker_fn({
            let slot = Arc::clone(&slot);
            move || drop(slot.lock().unwrap().take())
        });
        let (_, victims_waker) = Wakes::new();
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(pin!(&mut killer).poll_read(&mut cx, &mut [0]).is_pending());
        let mut cx = std::task::Context::from_waker(&victims_waker);
        assert!(pin!(&mut victim).poll_read(&mut cx, &mut [0]).is_pending());
        *slot.lock().unwrap() = Some(victim);

        killers_peer.write_all(b"x").unwrap();
        victims_peer.write_all(b"x").unwrap();
        killer.readable().await.unwrap();

        assert!(slot.lock().unwrap().is_none());
        assert_eq!(statistics().sockets, 1);
        assert_eq!(killer.read(&mut [0]).await.unwrap(), 1);
    });
}

#[test]
fn a_panic_in_one_sockets_waker_does_not_keep_the_others_from_being_woken() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let (wakes, waker) = Wakes::new();
        let panicking = waker_fn(|| panic!("a waker that panics, on purpose"));
        let mut first = pin!(ours.readable());
        let mut second = pin!(ours.readable());
        assert!(poll(first.as_mut(), &panicking).is_pending());
        assert!(poll(second.as_mut(), &waker).is_pending());

        theirs.write_all(b"x").unwrap();
        ours.readable().await.unwrap();

        assert_eq!(wakes.count(), 1);
    });
}

#[test]
fn sockets_that_another_threads_task_registers_with_a_sleeping_loop_are_watched() {
    let mut event_loop = greenloop::EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let thread = std::thread::spawn(move || {
        for _ in 0..50 {
            let (ours, mut theirs) = pair_with_std();
            let read = handle.spawn(async move {
                let mut buffer = [0];
                ours.read(&mut buffer).await.map(|_| buffer[0])
            });
            theirs.write_all(b"x").unwrap();
            assert_eq!(read.join().unwrap().unwrap(), b'x');
        }
        handle.stop();
    });

    event_loop.run_forever();

    thread.join().unwrap();
}

#[test]
fn a_socket_that_is_always_ready_lets_other_sockets_and_tasks_have_their_turn() {
    run(async {
        let (busy, mut busy_peer) = pair_with_std();
        busy_peer.write_all(b"x").unwrap();
        let busy = greenloop::spawn(async move {
            loop {
                busy.peek(&mut [0]).await.unwrap();
            }
        });
        let (ours, mut theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());

        theirs.write_all(b"y").unwrap();

        assert_eq!(ours.read(&mut [0]).await.unwrap(), 1);
        busy.abort();
    });
}
