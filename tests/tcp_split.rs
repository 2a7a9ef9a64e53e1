//! A stream can be taken apart into halves, used by different tasks, and put together again.

use std::{io::ErrorKind, net::Shutdown, pin::pin};

#[path = "support/net.rs"]
mod support;
use support::{pair, poll_once, read_to_end, run};

#[test]
fn borrowed_halves_read_and_write_side_by_side() {
    run(async {
        let (mut ours, theirs) = pair();
        let echo = greenloop::spawn(support::echo(theirs));
        {
            let (read, write) = ours.split();
            assert_eq!(read.local_addr().unwrap(), write.local_addr().unwrap());
            let mut buffer = [0; 5];
            let (written, received) =
                greenloop::join!(write.write_all(b"hello"), read.read_exact(&mut buffer));
            written.unwrap();
            received.unwrap();
            assert_eq!(&buffer, b"hello");
        }

        // The drop of borrowed halves ends nothing.
        ours.write_all(b"x").await.unwrap();
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 1);
        ours.shutdown(Shutdown::Write).unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn owned_halves_go_to_different_tasks() {
    run(async {
        let (ours, theirs) = pair();
        let echo = greenloop::spawn(support::echo(theirs));
        let sent = support::pattern(1 << 20);
        let (read, write) = ours.into_split();
        let writer = greenloop::spawn({
            let sent = sent.clone();
            async move { write.write_all(&sent).await }
        });
        let reader = greenloop::spawn(async move {
            let mut received = Vec::new();
            let mut buffer = [0; 4096];
            while let count @ 1.. = read.read(&mut buffer).await.unwrap() {
                received.extend_from_slice(&buffer[..count]);
            }
            received
        });

        writer.await.unwrap().unwrap();

        // The writer's half is gone, so the echo ends, and with it the reader.
        assert!(reader.await.unwrap() == sent);
        echo.await.unwrap();
    });
}

#[test]
fn the_drop_of_the_writing_half_ends_its_direction_only() {
    run(async {
        let (ours, theirs) = pair();
        let (read, write) = ours.into_split();
        write.write_all(b"last").await.unwrap();

        drop(write);

        assert_eq!(read_to_end(&theirs).await.unwrap(), b"last");
        theirs.write_all(b"answer").await.unwrap();
        let mut buffer = [0; 6];
        read.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"answer");
    });
}

#[test]
fn the_drop_of_the_writing_half_is_seen_by_a_peer_that_waits() {
    run(async {
        let (ours, theirs) = pair();
        let (_read, write) = ours.into_split();
        let mut buffer = [0];
        let mut end = pin!(theirs.read(&mut buffer));
        assert!(poll_once(end.as_mut()).is_pending());

        drop(write);

        assert_eq!(end.await.unwrap(), 0);
    });
}

#[test]
fn the_drop_of_the_reading_half_ends_nothing() {
    run(async {
        let (ours, theirs) = pair();
        let (read, write) = ours.into_split();
        drop(read);
        write.write_all(b"x").await.unwrap();
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 1);
        theirs.write_all(b"y").await.unwrap();
    });
}

#[test]
fn a_forgotten_writing_half_ends_its_direction_with_the_other_half() {
    run(async {
        let (ours, theirs) = pair();
        let (read, write) = ours.into_split();
        let mut buffer = [0];
        let mut end = pin!(theirs.read(&mut buffer));
        assert!(poll_once(end.as_mut()).is_pending());

        write.forget();
        theirs.write_all(b"x").await.unwrap();
        assert_eq!(read.read(&mut [0]).await.unwrap(), 1);
        assert!(poll_once(end.as_mut()).is_pending());
        drop(read);

        assert_eq!(end.await.unwrap(), 0);
    });
}

#[test]
fn halves_of_one_stream_become_the_stream_again_from_either_side() {
    run(async {
        let (ours, theirs) = pair();
        let address = ours.local_addr().unwrap();
        let (read, write) = ours.into_split();
        let ours = read.reunite(write).unwrap();
        let (read, write) = ours.into_split();
        let ours = write.reunite(read).unwrap();

        assert_eq!(ours.local_addr().unwrap(), address);
        // Nothing ended on the way.
        assert!(poll_once(theirs.read(&mut [0])).is_pending());
        ours.write_all(b"x").await.unwrap();
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 1);
    });
}

#[test]
fn halves_of_different_streams_come_back_in_the_error_and_still_work() {
    run(async {
        let (one, ones_peer) = pair();
        let (other, others_peer) = pair();
        let (read, ones_write) = one.into_split();
        let (others_read, write) = other.into_split();

        let error = read.reunite(write).unwrap_err();
        assert_eq!(error.to_string(), "the halves are not of the same stream");
        let greenloop::net::ReuniteError(read, write) = error;

        write.write_all(b"x").await.unwrap();
        assert_eq!(others_peer.read(&mut [0]).await.unwrap(), 1);
        ones_peer.write_all(b"y").await.unwrap();
        assert_eq!(read.read(&mut [0]).await.unwrap(), 1);
        assert!(read.reunite(ones_write).is_ok());
        assert!(others_read.reunite(write).is_ok());
    });
}

#[test]
fn the_writing_half_can_end_its_direction_itself() {
    run(async {
        let (ours, theirs) = pair();
        let (_read, write) = ours.into_split();
        write.shutdown().unwrap();
        write.shutdown().unwrap();
        assert_eq!(read_to_end(&theirs).await.unwrap(), b"");
        assert_eq!(write.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn halves_have_the_traits_of_futures_io() {
    use futures_util::{AsyncReadExt, AsyncWriteExt};
    run(async {
        let (ours, theirs) = pair();
        let echo = greenloop::spawn(support::echo(theirs));
        let (mut read, mut write) = ours.into_split();
        AsyncWriteExt::write_all(&mut write, b"hello").await.unwrap();
        AsyncWriteExt::flush(&mut write).await.unwrap();
        AsyncWriteExt::close(&mut write).await.unwrap();
        let mut received = Vec::new();
        AsyncReadExt::read_to_end(&mut read, &mut received).await.unwrap();
        assert_eq!(received, b"hello");
        echo.await.unwrap();
    });
}
