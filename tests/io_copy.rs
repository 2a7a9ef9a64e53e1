//! Copies carry every byte, pass the end on, and say what went wrong.

use std::{
    io::{
        ErrorKind::{BrokenPipe, ConnectionReset, WriteZero},
        Read as _, Write as _,
    },
    net::Shutdown,
    time::Duration,
};

use futures_util::{AsyncReadExt, io::Cursor};
use greenloop::{
    io::{BufWriter, copy, copy_bidirectional, duplex},
    net::{TcpStream, UnixStream},
    sleep,
};

#[path = "support/script.rs"]
mod script;
#[path = "support/net.rs"]
mod support;
use script::{Script, Step, data};
use support::{pair, pair_with_std, pattern, poll_once, read_to_end, run};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn all_that_comes_is_copied_and_counted() {
    run(async {
        for length in [0, 1, 65_535, 65_536, 65_537, 1_000_000] {
            let sent = pattern(length);
            let mut received = Vec::new();
            let copied = copy(Cursor::new(&sent), &mut received).await.unwrap();
            assert!(copied == length as u64 && received == sent);
        }
    });
}

#[test]
fn a_slow_reader_has_the_writer_flushed_while_it_has_nothing() {
    run(async {
        let reader = Script::reading([data("first"), Step::Block, data("second"), Step::Wait]);
        let writer = Script::default();
        let mut copying = Box::pin(copy(reader, BufWriter::new(writer.clone())));
        assert!(poll_once(copying.as_mut()).is_pending());
        assert_eq!(writer.written(), b"first");
        assert_eq!(writer.flushes(), 1);
        assert_eq!(copying.await.unwrap(), 11);
        assert_eq!(writer.written(), b"firstsecond");
        // At the wait after the second piece, and at the end.
        assert_eq!((writer.flushes(), writer.is_closed()), (3, false));
    });
}

#[test]
fn partial_and_waiting_writes_lose_nothing() {
    run(async {
        let writer = Script::writing([Step::Room(3), Step::Wait, Step::Room(1), Step::Wait]);
        let reader = Script::reading([data("0123456789"), Step::Wait, data("ab")]);
        assert_eq!(copy(reader, writer.clone()).await.unwrap(), 12);
        assert_eq!(writer.written(), b"0123456789ab");
    });
}

#[test]
fn errors_of_either_side_are_given() {
    run(async {
        let reader = || Script::reading([data("x"), Step::Error(ConnectionReset)]);
        let error = copy(reader(), Script::default()).await.unwrap_err();
        assert_eq!(error.kind(), ConnectionReset);
        let writer = Script::writing([Step::Error(BrokenPipe)]);
        assert_eq!(copy(reader(), writer).await.unwrap_err().kind(), BrokenPipe);
        let writer = Script::writing([Step::Room(0)]);
        assert_eq!(copy(reader(), writer).await.unwrap_err().kind(), WriteZero);
    });
}

#[test]
fn a_copy_in_memory_lets_others_run() {
    run(async {
        let busy = greenloop::spawn(async { copy(Endless, Endless).await });
        sleep(MILLISECOND).await;
        busy.abort();
    });
}

#[test]
fn a_socket_is_echoed_through_shared_references() {
    let sent = pattern(3_000_000);
    run(async {
        let (ours, theirs) = pair();
        let echo = greenloop::spawn(async move {
            let copied = copy(&theirs, &theirs).await.unwrap();
            theirs.shutdown(Shutdown::Write).unwrap();
            copied
        });
        let write = async {
            ours.write_all(&sent).await.unwrap();
            ours.shutdown(Shutdown::Write).unwrap();
        };
        let (received, ()) = greenloop::join!(read_to_end(&ours), write);
        assert!(received.unwrap() == sent);
        assert_eq!(echo.await.unwrap(), sent.len() as u64);
    });
}

/// A client and a server, with a forwarder between them.
type Forwarded = (
    std::net::TcpStream,
    std::net::TcpStream,
    greenloop::task::JoinHandle<std::io::Result<(u64, u64)>>,
);

fn forwarded() -> Forwarded {
    let (outer, client) = pair_with_std();
    let (inner, server) = pair_with_std();
    (client, server, greenloop::spawn(async move { copy_bidirectional(&outer, inner).await }))
}

/// Runs something that blocks, beside the loop.
async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    greenloop::spawn_blocking(f).await.unwrap()
}

#[test]
fn the_end_of_one_direction_is_passed_on_and_the_other_goes_on() {
    run(async {
        let (mut client, mut server, forward) = forwarded();
        blocking(move || {
            client.write_all(b"request").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut request = String::new();
            server.read_to_string(&mut request).unwrap();
            assert_eq!(request, "request");
            server.write_all(b"the answer").unwrap();
            drop(server);
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "the answer");
        })
        .await;
        assert_eq!(forward.await.unwrap().unwrap(), (7, 10));
    });
}

#[test]
fn the_end_of_the_other_direction_first_is_the_same() {
    run(async {
        let (mut client, mut server, forward) = forwarded();
        blocking(move || {
            server.write_all(b"greeting").unwrap();
            server.shutdown(Shutdown::Write).unwrap();
            let mut greeting = String::new();
            client.read_to_string(&mut greeting).unwrap();
            client.write_all(b"hi").unwrap();
            drop(client);
            let mut text = String::new();
            server.read_to_string(&mut text).unwrap();
            assert_eq!((greeting.as_str(), text.as_str()), ("greeting", "hi"));
        })
        .await;
        assert_eq!(forward.await.unwrap().unwrap(), (2, 8));
    });
}

#[test]
fn both_directions_carry_much_at_once_through_full_buffers() {
    run(async {
        let (client, server, forward) = forwarded();
        let (there, back) = (pattern(5_000_000), pattern(3_000_000));
        blocking(move || {
            std::thread::scope(|scope| {
                for (stream, says, hears) in [(&client, &there, &back), (&server, &back, &there)] {
                    scope.spawn(move || {
                        (&mut &*stream).write_all(says).unwrap();
                        stream.shutdown(Shutdown::Write).unwrap();
                    });
                    scope.spawn(move || {
                        let mut heard = Vec::new();
                        (&mut &*stream).read_to_end(&mut heard).unwrap();
                        assert!(&heard == hears);
                    });
                }
            });
        })
        .await;
        assert_eq!(forward.await.unwrap().unwrap(), (5_000_000, 3_000_000));
    });
}

#[test]
fn the_last_words_of_one_who_listens_no_more_are_carried() {
    run(async {
        // What is written to the other end fails; what it said before is still to be read.
        let deaf = Script::reading([Step::Wait, Step::Wait, data("enough")]);
        let (mut client, outer) = duplex(64);
        client.write_all(b"request").await.unwrap();
        let inner = Failing(deaf);
        let error = copy_bidirectional(outer, inner).await.unwrap_err();
        assert_eq!(error.kind(), BrokenPipe);
        let mut answer = String::new();
        AsyncReadExt::read_to_string(&mut client, &mut answer).await.unwrap();
        assert_eq!(answer, "enough");
    });
}

/// A stream that can be read only.
struct Failing(Script);

impl futures_util::AsyncRead for Failing {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut [u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl futures_util::AsyncWrite for Failing {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Err(BrokenPipe.into()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_close(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[test]
fn a_connection_that_breaks_ends_both_directions() {
    run(async {
        let (client, server, forward) = forwarded();
        // Something must have been forwarded, so that both ends wait.
        blocking({
            let (mut client, mut server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            move || {
                client.write_all(b"x").unwrap();
                server.read_exact(&mut [0]).unwrap();
            }
        })
        .await;
        support::reset(client);
        assert_eq!(forward.await.unwrap().unwrap_err().kind(), ConnectionReset);
        let mut server = server;
        assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn an_aborted_copy_closes_both_streams() {
    run(async {
        let (mut client, mut server, forward) = forwarded();
        sleep(MILLISECOND).await;
        forward.abort();
        assert!(forward.await.unwrap_err().is_cancelled());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn streams_of_different_kinds_are_joined() {
    run(async {
        let (outer, client) = pair();
        let (inner, server) = UnixStream::pair().unwrap();
        let (mut outer, inner): (TcpStream, UnixStream) = (outer, inner);
        let forward = greenloop::spawn(async move { copy_bidirectional(&mut outer, &inner).await });
        client.write_all(b"through").await.unwrap();
        drop(client);
        let mut text = String::new();
        AsyncReadExt::read_to_string(&mut &server, &mut text).await.unwrap();
        assert_eq!(text, "through");
        drop(server);
        assert_eq!(forward.await.unwrap().unwrap(), (7, 0));
    });
}

#[test]
fn a_forwarder_between_busy_ends_lets_others_run() {
    run(async {
        let busy = greenloop::spawn(async { copy_bidirectional(Endless, Endless).await });
        sleep(MILLISECOND).await;
        busy.abort();
    });
}

/// A stream in memory that always has something and takes everything.
struct Endless;

impl futures_util::AsyncRead for Endless {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut [u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Ok(buffer.len()))
    }
}

impl futures_util::AsyncWrite for Endless {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_close(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}
