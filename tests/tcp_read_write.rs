//! Every byte that is written arrives, once and in order, whatever the sizes, and the end of the
//! stream after the last of them.

use std::{
    cell::Cell,
    io::{ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _},
    net::Shutdown,
    pin::pin,
    rc::Rc,
    task::Poll,
    thread,
};

use greenloop::net::{TcpListener, TcpStream};

#[path = "support/net.rs"]
mod support;
use support::{drain, fill, pair, pair_with_std, pattern, poll_once, read_to_end, reset, run};

#[test]
fn what_is_written_is_read() {
    run(async {
        let (ours, theirs) = pair();
        ours.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(theirs.read(&mut buffer).await.unwrap(), 5);
        assert_eq!(&buffer[..5], b"hello");
    });
}

#[test]
fn the_root_needs_no_task_of_its_own_for_sockets() {
    let echoed = greenloop::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        let mut buffer = [0];
        server.read_exact(&mut buffer).await.unwrap();
        buffer
    });
    assert_eq!(&echoed, b"x");
}

#[test]
fn megabytes_arrive_in_order_whatever_the_pieces() {
    let sent = pattern(5_000_011);
    run(async {
        let (ours, theirs) = pair();
        let writer = greenloop::spawn({
            let sent = sent.clone();
            async move {
                let mut rest = &sent[..];
                let mut size = 1;
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(size.min(rest.len()));
                    ours.write_all(piece).await.unwrap();
                    rest = after;
                    size = size * 3 % 100_003;
                }
            }
        });
        let mut received = Vec::new();
        let mut buffer = vec![0; 70_001];
        let mut size = 7;
        loop {
            match theirs.read(&mut buffer[..size]).await.unwrap() {
                0 => break,
                count => received.extend_from_slice(&buffer[..count]),
            }
            size = size * 5 % 70_001;
        }
        writer.await.unwrap();
        assert!(received == sent);
    });
}

#[test]
fn an_empty_buffer_reads_nothing_at_once_and_is_not_the_end() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        assert!(matches!(poll_once(ours.read(&mut [])), Poll::Ready(Ok(0))));
        theirs.write_all(b"x").unwrap();
        ours.readable().await.unwrap();

        assert_eq!(ours.read(&mut []).await.unwrap(), 0);
        ours.read_exact(&mut []).await.unwrap();

        assert_eq!(ours.read(&mut [0]).await.unwrap(), 1);
    });
}

#[test]
fn an_empty_buffer_writes_nothing_at_once_and_the_peer_sees_nothing() {
    run(async {
        let (ours, theirs) = pair();
        assert_eq!(ours.write(&[]).await.unwrap(), 0);
        ours.write_all(&[]).await.unwrap();
        assert!(poll_once(theirs.read(&mut [0])).is_pending());
        fill(&ours).await;
        ours.write_all(&[]).await.unwrap();
    });
}

#[test]
fn to_read_nothing_for_ever_lets_others_have_their_turn() {
    run(async {
        let seen = Rc::new(Cell::new(false));
        let other = greenloop::spawn({
            let seen = Rc::clone(&seen);
            async move { seen.set(true) }
        });
        let (ours, _theirs) = pair();
        let mut rounds = 0_u64;
        while !seen.get() {
            ours.read(&mut []).await.unwrap();
            ours.write(&[]).await.unwrap();
            rounds += 1;
            assert!(rounds < 1_000_000, "the other task is starved");
        }
        other.await.unwrap();
    });
}

#[test]
fn read_exact_collects_and_tells_of_an_early_end() {
    run(async {
        let (ours, theirs) = pair();
        let mut buffer = [0; 6];
        let mut read = Box::pin(theirs.read_exact(&mut buffer));
        for piece in [&b"a"[..], b"bc", b"def"] {
            assert!(poll_once(read.as_mut()).is_pending());
            ours.write_all(piece).await.unwrap();
            greenloop::yield_now().await;
        }
        read.await.unwrap();
        assert_eq!(&buffer, b"abcdef");

        ours.write_all(b"xy").await.unwrap();
        drop(ours);
        let error = theirs.read_exact(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(&buffer[..2], b"xy");
    });
}

#[test]
fn data_and_the_end_of_the_stream_in_one_event_are_both_seen() {
    run(async {
        for size in [1, 63, 64, 65, 200] {
            let (ours, mut theirs) = pair_with_std();
            assert!(poll_once(ours.readable()).is_pending());
            theirs.write_all(&vec![7; size]).unwrap();
            drop(theirs);

            let mut buffer = [0; 64];
            let mut received = 0;
            while let count @ 1.. = ours.read(&mut buffer).await.unwrap() {
                received += count;
            }

            assert_eq!(received, size);
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 0, "the end stays the end");
        }
    });
}

#[test]
fn the_end_of_the_stream_that_comes_after_a_short_read_is_seen() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());
        theirs.write_all(b"x").unwrap();
        let mut buffer = [0; 64];
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);

        drop(theirs);

        assert_eq!(ours.read(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn data_around_an_urgent_byte_arrives_without_it() {
    run(async {
        let (ours, theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());
        let sender = socket2::SockRef::from(&theirs);
        sender.send(b"before").unwrap();
        sender.send_out_of_band(b"!").unwrap();
        sender.send(b"after").unwrap();

        // A read stops at the mark of the urgent byte, which is not in the stream.
        let mut received = Vec::new();
        let mut buffer = [0; 64];
        while received.len() < 11 {
            let count = ours.read(&mut buffer).await.unwrap();
            received.extend_from_slice(&buffer[..count]);
        }

        assert_eq!(received, b"beforeafter");
    });
}

#[test]
fn a_full_buffer_makes_the_writer_wait_until_the_peer_reads() {
    run(async {
        let (ours, theirs) = pair();
        let filled = fill(&ours).await;
        let mut write = Box::pin(ours.write(b"x"));
        assert!(poll_once(write.as_mut()).is_pending());

        drain(&theirs, filled).await;

        assert_eq!(write.await.unwrap(), 1);
        drain(&theirs, 1).await;
    });
}

#[test]
fn write_all_gives_more_than_the_buffers_hold_to_a_slow_peer() {
    let sent = pattern(16 << 20);
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let expected = sent.clone();
        let reader = thread::spawn(move || {
            let mut received = Vec::new();
            theirs.read_to_end(&mut received).unwrap();
            assert!(received == expected);
        });
        ours.write_all(&sent).await.unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
        reader.join().unwrap();
    });
}

#[test]
fn a_vectored_write_takes_all_buffers_at_once() {
    run(async {
        let (ours, theirs) = pair();
        let buffers = [&b"ab"[..], b"", b"cde", b"f"].map(IoSlice::new);
        assert_eq!(ours.write_vectored(&buffers).await.unwrap(), 6);
        let mut buffer = [0; 16];
        assert_eq!(theirs.read(&mut buffer).await.unwrap(), 6);
        assert_eq!(&buffer[..6], b"abcdef");
    });
}

#[test]
fn a_vectored_read_fills_one_buffer_after_the_other() {
    run(async {
        let (ours, theirs) = pair();
        assert!(poll_once(theirs.readable()).is_pending());
        ours.write_all(b"abcde").await.unwrap();
        let (mut first, mut second, mut third) = ([0; 2], [0; 2], [0; 4]);
        let mut buffers = [
            IoSliceMut::new(&mut first),
            IoSliceMut::new(&mut second),
            IoSliceMut::new(&mut third),
        ];
        assert_eq!(theirs.read_vectored(&mut buffers).await.unwrap(), 5);
        assert_eq!((&first, &second, third[0]), (b"ab", b"cd", b'e'));

        // Full up to the last buffer: there may be more, and there is.
        ours.write_all(b"fghi").await.unwrap();
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(theirs.read_vectored(&mut buffers).await.unwrap(), 4);
        ours.write_all(b"jk").await.unwrap();
        assert_eq!(theirs.read(&mut [0; 8]).await.unwrap(), 2);
    });
}

#[test]
fn a_vectored_write_of_more_buffers_than_the_system_takes_at_once_goes_on() {
    run(async {
        let (ours, theirs) = pair();
        // Registered, so that the readiness is remembered.
        assert!(poll_once(ours.writable()).is_pending());
        ours.writable().await.unwrap();
        let bytes = pattern(5000);
        let buffers: Vec<_> = bytes.chunks(1).map(IoSlice::new).collect();

        // All of it fits into the socket's buffer, so nothing has to be read for it.
        let mut written = 0;
        while written < buffers.len() {
            written += ours.write_vectored(&buffers[written..]).await.unwrap();
        }

        drop(ours);
        assert_eq!(read_to_end(&theirs).await.unwrap(), bytes);
    });
}

#[test]
fn a_vectored_read_into_more_buffers_than_the_system_takes_at_once_goes_on() {
    run(async {
        let (ours, theirs) = pair();
        assert!(poll_once(theirs.readable()).is_pending());
        let bytes = pattern(5000);
        ours.write_all(&bytes).await.unwrap();

        let mut received = Vec::new();
        while received.len() < bytes.len() {
            let mut places = vec![0; 5000];
            let mut buffers: Vec<_> = places.chunks_mut(1).map(IoSliceMut::new).collect();
            let count = theirs.read_vectored(&mut buffers).await.unwrap();
            received.extend_from_slice(&places[..count]);
        }

        assert_eq!(received, bytes);
    });
}

#[test]
fn try_read_and_try_write_never_wait() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let mut buffer = [0; 8];
        assert_eq!(ours.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(ours.try_write(b"abc").unwrap(), 3);
        theirs.read_exact(&mut buffer[..3]).unwrap();

        theirs.write_all(b"xy").unwrap();
        ours.readable().await.unwrap();
        assert_eq!(ours.try_read(&mut buffer).unwrap(), 2);
        assert_eq!(ours.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(theirs);
        ours.readable().await.unwrap();
        assert_eq!(ours.try_read(&mut buffer).unwrap(), 0);
    });
}

#[test]
fn the_other_tries_never_wait_either() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let (mut first, mut rest) = ([0; 1], [0; 7]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut rest)];
        let nothing = ours.try_read_vectored(&mut buffers).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        assert_eq!(ours.try_peek(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(ours.try_write_vectored(&[IoSlice::new(b"a"), IoSlice::new(b"bc")]).unwrap(), 3);
        theirs.read_exact(&mut [0; 3]).unwrap();

        theirs.write_all(b"xyz").unwrap();
        ours.readable().await.unwrap();
        assert_eq!(ours.try_peek(&mut [0; 8]).unwrap(), 3);
        assert_eq!(ours.try_read_vectored(&mut buffers).unwrap(), 3);
        assert_eq!((first, &rest[..2]), (*b"x", &b"yz"[..]));
        // The short read is known to the loop: this waits for what comes, and finds it.
        theirs.write_all(b"!").unwrap();
        ours.read_exact(&mut rest[..1]).await.unwrap();
        assert_eq!(rest[0], b'!');
    });
}

#[test]
fn to_write_to_a_peer_that_is_gone_is_an_error_in_the_end() {
    run(async {
        let (ours, theirs) = pair();
        drop(theirs);

        let error = loop {
            // The first write is answered with a reset.
            if let Err(error) = ours.write(b"x").await {
                break error;
            }
            greenloop::yield_now().await;
        };

        let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert_eq!(ours.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn to_write_after_the_end_of_the_own_direction_is_an_error() {
    run(async {
        let (ours, _theirs) = pair();
        ours.shutdown(Shutdown::Write).unwrap();
        assert_eq!(ours.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_reset_is_an_error_of_the_read_and_of_the_write() {
    run(async {
        let (ours, theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());
        reset(theirs);

        let error = ours.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = ours.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        // The error was told once; what is left is an ended stream.
        assert!(matches!(poll_once(ours.read(&mut [0])), Poll::Ready(Ok(0))));
    });
}

#[test]
fn a_buffer_is_borrowed_and_not_part_of_the_future() {
    let (ours, _theirs) = pair();
    let mut buffer = [0; 8192];
    assert!(size_of_val(&ours.read(&mut buffer)) < 256);
    assert!(size_of_val(&ours.read_exact(&mut buffer)) < 512);
    assert!(size_of_val(&ours.write(&buffer)) < 256);
    assert!(size_of_val(&ours.write_all(&buffer)) < 512);
}

#[test]
fn tasks_may_read_and_write_one_socket_at_the_same_time() {
    run(async {
        let (ours, theirs) = pair();
        let ours = Rc::new(ours);
        let echo = greenloop::spawn(support::echo(theirs));
        let sent = pattern(1 << 20);
        let writer = greenloop::spawn({
            let (ours, sent) = (Rc::clone(&ours), sent.clone());
            async move {
                ours.write_all(&sent).await.unwrap();
                ours.shutdown(Shutdown::Write).unwrap();
            }
        });

        let received = pin!(read_to_end(&ours)).await.unwrap();

        assert!(received == sent);
        writer.await.unwrap();
        echo.await.unwrap();
    });
}
