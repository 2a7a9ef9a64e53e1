//! What is written to one end of a pipe is read at the other, and each end hears of the other's end.

use std::{
    fs::File,
    io::{
        ErrorKind::{BrokenPipe, InvalidInput, WouldBlock},
        IoSlice, Read as _, Write as _,
    },
    os::fd::{AsFd as _, OwnedFd},
    pin::pin,
    process::Command,
    time::Duration,
};

use futures_util::{AsyncReadExt, AsyncWriteExt};
use greenloop::{
    io::{BufReader, copy, copy_bidirectional},
    net::{UnixStream, pipe},
    sleep, statistics,
};

#[path = "support/folder.rs"]
mod folder;
#[path = "support/net.rs"]
mod support;
use folder::Folder;
use support::{Wakes, pattern, poll, poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Writes until there is no room for a single byte, and gives how much there was for.
fn fill(sender: &pipe::Sender) -> usize {
    let mut filled = 0;
    for size in [4096, 1] {
        while let Ok(count) = sender.try_write(&[b'.'; 4096][..size]) {
            filled += count;
        }
    }
    filled
}

#[test]
fn a_megabyte_goes_through_and_then_the_end() {
    let sent = pattern(1 << 20);
    run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        let writer = greenloop::spawn({
            let sent = sent.clone();
            async move { sender.write_all(&sent).await }
        });
        let mut received = Vec::new();
        AsyncReadExt::read_to_end(&mut &receiver, &mut received).await.unwrap();
        assert!(received == sent);
        assert_eq!(receiver.read(&mut [0]).await.unwrap(), 0);
        writer.await.unwrap().unwrap();
    });
}

#[test]
fn a_reader_waits_and_a_short_read_does_not_hide_what_comes_next() {
    run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        let mut buffer = [0; 100];
        for round in 0..50 {
            let mut read = pin!(receiver.read(&mut buffer));
            assert!(poll_once(read.as_mut()).is_pending());
            sender.write_all(&[round; 3]).await.unwrap();
            assert_eq!(read.await.unwrap(), 3);
        }
        sender.write_all(b"and").await.unwrap();
        assert_eq!(receiver.read(&mut buffer[..1]).await.unwrap(), 1);
        assert_eq!(receiver.read(&mut buffer[..1]).await.unwrap(), 1);
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 1);
    });
}

#[test]
fn a_writer_waits_for_room() {
    run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        let filled = fill(&sender);
        let (wakes, waker) = Wakes::new();
        let mut write = pin!(sender.write_all(b"more"));
        assert!(poll(write.as_mut(), &waker).is_pending());
        receiver.read_exact(&mut vec![0; filled]).await.unwrap();
        while wakes.count() == 0 {
            sleep(MILLISECOND).await;
        }
        write.await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(receiver.try_read(&mut buffer).unwrap_err().kind(), WouldBlock);
    });
}

#[test]
fn to_write_to_nobody_is_an_error_also_for_one_who_waits() {
    run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        fill(&sender);
        let mut write = pin!(sender.write(b"x"));
        assert!(poll_once(write.as_mut()).is_pending());
        drop(receiver);
        assert_eq!(write.await.unwrap_err().kind(), BrokenPipe);
    });
}

#[test]
fn data_and_end_that_come_together_are_both_seen() {
    run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        let mut buffer = [0; 100];
        assert!(poll_once(receiver.read(&mut buffer)).is_pending());
        sender.write_all(b"last").await.unwrap();
        drop(sender);
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn to_close_the_sender_ends_the_stream() {
    run(async {
        let (mut sender, receiver) = pipe::pipe().unwrap();
        AsyncWriteExt::write_all(&mut sender, b"all").await.unwrap();
        AsyncWriteExt::flush(&mut sender).await.unwrap();
        AsyncWriteExt::close(&mut sender).await.unwrap();
        AsyncWriteExt::close(&mut sender).await.unwrap();
        let mut text = String::new();
        AsyncReadExt::read_to_string(&mut &receiver, &mut text).await.unwrap();
        assert_eq!(text, "all");
        assert_eq!(sender.write(b"x").await.unwrap_err().kind(), BrokenPipe);
        assert_eq!(sender.try_write(b"x").unwrap_err().kind(), BrokenPipe);
        assert_eq!(sender.writable().await.unwrap_err().kind(), BrokenPipe);
        assert_eq!(sender.into_fd().unwrap_err().kind(), BrokenPipe);
    });
}

#[test]
fn pipes_are_streams_for_copies_and_readers() {
    run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        let (stream, peer) = UnixStream::pair().unwrap();
        let into = greenloop::spawn(async move { copy(&stream, sender).await });
        peer.write_vectored(&[IoSlice::new(b"one\n"), IoSlice::new(b"two\n")]).await.unwrap();
        drop(peer);
        let mut lines = BufReader::new(receiver).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("one"));
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("two"));
        assert_eq!(into.await.unwrap().unwrap(), 8);
        assert_eq!(lines.next_line().await.unwrap(), None);
    });
}

#[test]
fn a_pair_of_pipes_is_one_end_of_a_forwarder() {
    /// Two pipes as one stream.
    struct Both(pipe::Receiver, pipe::Sender);
    impl futures_util::AsyncRead for Both {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buffer: &mut [u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::pin::Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }
    impl futures_util::AsyncWrite for Both {
        fn poll_write(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buffer: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::pin::Pin::new(&mut self.1).poll_write(cx, buffer)
        }
        fn poll_flush(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.1).poll_flush(cx)
        }
        fn poll_close(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.1).poll_close(cx)
        }
    }
    run(async {
        let (to_program, program_in) = pipe::pipe().unwrap();
        let (program_out, from_program) = pipe::pipe().unwrap();
        let (outer, client) = UnixStream::pair().unwrap();
        let both = Both(from_program, to_program);
        let forward = greenloop::spawn(copy_bidirectional(outer, both));
        let program = greenloop::spawn(async move { copy(program_in, program_out).await });
        client.write_all(b"around").await.unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        AsyncReadExt::read_to_string(&mut &client, &mut text).await.unwrap();
        assert_eq!(text, "around");
        assert_eq!(program.await.unwrap().unwrap(), 6);
        assert_eq!(forward.await.unwrap().unwrap(), (6, 6));
    });
}

#[test]
fn ends_of_other_pipes_are_taken_over_and_given_away() {
    run(async {
        let mut child = Command::new("cat");
        child.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        let sender = pipe::Sender::try_from(OwnedFd::from(child.stdin.take().unwrap())).unwrap();
        let receiver =
            pipe::Receiver::try_from(OwnedFd::from(child.stdout.take().unwrap())).unwrap();
        sender.write_all(b"meow").await.unwrap();
        let mut buffer = [0; 4];
        receiver.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"meow");
        assert!(statistics().sockets > 0);

        let mut sender = File::from(sender.into_fd().unwrap());
        let receiver = receiver.into_fd().unwrap();
        assert_eq!(statistics().sockets, 0);
        sender.write_all(b"purr").unwrap();
        drop(sender);
        child.wait().unwrap();
        File::from(receiver).read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"purr");
    });
}

#[test]
fn what_is_no_pipe_or_the_wrong_end_is_refused() {
    let (sender, receiver) = pipe::pipe().unwrap();
    let copy = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().unwrap();
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let file = OwnedFd::from(File::open("/dev/null").unwrap());
    let kind = |result: std::io::Result<pipe::Receiver>| result.unwrap_err().kind();
    assert_eq!(kind(pipe::Receiver::try_from(copy(sender.as_fd()))), InvalidInput);
    assert_eq!(kind(pipe::Receiver::try_from(OwnedFd::from(socket))), InvalidInput);
    assert_eq!(kind(pipe::Receiver::try_from(file)), InvalidInput);
    let wrong = pipe::Sender::try_from(copy(receiver.as_fd()));
    assert_eq!(wrong.unwrap_err().kind(), InvalidInput);
    pipe::Receiver::try_from(copy(receiver.as_fd())).unwrap();
    pipe::Sender::try_from(copy(sender.as_fd())).unwrap();
}

#[test]
fn a_pipe_with_a_name_survives_writers_that_come_and_go() {
    let folder = Folder::new();
    let path = folder.path("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    run(async {
        // Open in both directions, so that it neither waits for writers nor ends with the last.
        let open = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let receiver = pipe::Receiver::try_from(OwnedFd::from(open)).unwrap();
        for round in 0..3_u8 {
            let writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            let sender = pipe::Sender::try_from(OwnedFd::from(writer)).unwrap();
            sender.write_all(&[round]).await.unwrap();
            drop(sender);
            let mut buffer = [9; 4];
            assert_eq!(receiver.read(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], round);
            assert!(poll_once(receiver.read(&mut buffer)).is_pending());
        }
    });
}

#[test]
fn a_dropped_read_loses_nothing_and_leaves_no_waker() {
    run(async {
        let (sender, receiver) = pipe::pipe().unwrap();
        let (wakes, waker) = Wakes::new();
        let mut unused = [0; 8];
        let mut read = Box::pin(receiver.read(&mut unused));
        assert!(poll(read.as_mut(), &waker).is_pending());
        sender.write_all(b"kept").await.unwrap();
        receiver.readable().await.unwrap();
        drop(read);
        assert_eq!(wakes.clones(), 0);
        let mut buffer = [0; 8];
        assert_eq!(receiver.read(&mut buffer).await.unwrap(), 4);
    });
}
