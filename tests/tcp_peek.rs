//! A peek shows what a read will give, and takes nothing.

use std::{
    io::{ErrorKind, Write as _},
    pin::pin,
    task::Poll,
};

#[path = "support/net.rs"]
mod support;
use support::{pair_with_std, poll_once, reset, run};

#[test]
fn a_peek_leaves_the_data_for_the_read() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        theirs.write_all(b"hello").unwrap();
        let mut buffer = [0; 16];
        for _ in 0..3 {
            assert_eq!(ours.peek(&mut buffer).await.unwrap(), 5);
            assert_eq!(&buffer[..5], b"hello");
        }
        assert_eq!(ours.peek(&mut buffer[..2]).await.unwrap(), 2);
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 5);
    });
}

#[test]
fn a_read_after_a_peek_on_a_watched_socket_does_not_wait() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let mut buffer = [0; 16];
        {
            let mut peek = pin!(ours.peek(&mut buffer));
            assert!(poll_once(peek.as_mut()).is_pending());
            theirs.write_all(b"hello").unwrap();
            assert_eq!(peek.await.unwrap(), 5);
        }

        assert!(matches!(poll_once(ours.peek(&mut buffer)), Poll::Ready(Ok(5))));
        assert!(matches!(poll_once(ours.read(&mut buffer)), Poll::Ready(Ok(5))));
        assert!(poll_once(ours.peek(&mut buffer)).is_pending());
    });
}

#[test]
fn a_peek_waits_for_what_comes_after_a_read() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let mut buffer = [0; 16];
        for round in 0..20 {
            let mut peek = Box::pin(ours.peek(&mut buffer));
            assert!(poll_once(peek.as_mut()).is_pending());
            theirs.write_all(&[round]).unwrap();
            assert_eq!(peek.await.unwrap(), 1);
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], round);
        }
    });
}

#[test]
fn a_peek_sees_the_end_of_the_stream_as_often_as_it_looks() {
    run(async {
        let (ours, theirs) = pair_with_std();
        drop(theirs);
        assert_eq!(ours.peek(&mut [0]).await.unwrap(), 0);
        assert_eq!(ours.peek(&mut [0]).await.unwrap(), 0);
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn a_peek_that_waits_sees_a_reset() {
    run(async {
        let (ours, theirs) = pair_with_std();
        let mut buffer = [0];
        let mut peek = pin!(ours.peek(&mut buffer));
        assert!(poll_once(peek.as_mut()).is_pending());
        reset(theirs);
        assert_eq!(peek.await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}
