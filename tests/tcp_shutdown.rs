//! Each direction of a connection ends on its own, as often as one likes.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::Shutdown,
    pin::pin,
    task::Poll,
};

#[path = "support/net.rs"]
mod support;
use support::{pair, pair_with_std, poll_once, read_to_end, reset, run};

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    run(async {
        let (ours, theirs) = pair();
        ours.write_all(b"question").await.unwrap();

        ours.shutdown(Shutdown::Write).unwrap();

        assert_eq!(read_to_end(&theirs).await.unwrap(), b"question");
        theirs.write_all(b"answer").await.unwrap();
        drop(theirs);
        assert_eq!(read_to_end(&ours).await.unwrap(), b"answer");
    });
}

#[test]
fn the_peer_that_waits_to_read_sees_the_end() {
    run(async {
        let (ours, theirs) = pair();
        let mut buffer = [0];
        let mut read = pin!(theirs.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());

        ours.shutdown(Shutdown::Write).unwrap();

        assert_eq!(read.await.unwrap(), 0);
    });
}

#[test]
fn both_directions_can_end_one_after_the_other() {
    run(async {
        let (ours, theirs) = pair();
        ours.shutdown(Shutdown::Write).unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&ours).await.unwrap(), b"");
        assert_eq!(read_to_end(&theirs).await.unwrap(), b"");
        assert_eq!(ours.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(theirs.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn to_end_what_has_ended_is_fine() {
    run(async {
        let (ours, theirs) = pair();
        for how in [Shutdown::Write, Shutdown::Write, Shutdown::Both, Shutdown::Both] {
            ours.shutdown(how).unwrap();
        }
        drop(theirs);
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
        ours.shutdown(Shutdown::Write).unwrap();
        ours.shutdown(Shutdown::Read).unwrap();
    });
}

#[test]
fn to_end_what_was_reset_is_fine() {
    run(async {
        let (ours, theirs) = pair_with_std();
        reset(theirs);
        assert!(ours.read(&mut [0]).await.is_err());

        ours.shutdown(Shutdown::Write).unwrap();
        ours.shutdown(Shutdown::Both).unwrap();
    });
}

#[test]
fn a_task_that_waits_to_read_sees_that_its_own_side_ended_the_reading() {
    run(async {
        let (ours, _theirs) = pair();
        let mut buffer = [0];
        let mut read = pin!(ours.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());

        ours.shutdown(Shutdown::Read).unwrap();

        assert_eq!(read.await.unwrap(), 0);
    });
}

#[test]
fn a_task_that_waits_to_write_sees_that_its_own_side_ended_the_writing() {
    run(async {
        let (ours, _theirs) = pair();
        support::fill(&ours).await;
        let mut write = pin!(ours.write(b"x"));
        assert!(poll_once(write.as_mut()).is_pending());

        ours.shutdown(Shutdown::Write).unwrap();

        assert_eq!(write.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_was_written_before_the_end_arrives_before_it() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let sent = support::pattern(1 << 20);
        let expected = sent.clone();
        let reader = std::thread::spawn(move || {
            let mut received = Vec::new();
            theirs.read_to_end(&mut received).unwrap();
            assert!(received == expected);
            theirs.write_all(b"thanks").unwrap();
        });

        ours.write_all(&sent).await.unwrap();
        ours.shutdown(Shutdown::Write).unwrap();

        assert_eq!(read_to_end(&ours).await.unwrap(), b"thanks");
        reader.join().unwrap();
        assert!(matches!(poll_once(ours.read(&mut [0])), Poll::Ready(Ok(0))));
    });
}
