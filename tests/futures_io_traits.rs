//! Streams are readers and writers in the sense of futures-io, and so are references to them, so
//! what is written for those traits works with them.

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, SeekFrom},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use futures_util::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt, StreamExt,
    io::{BufReader, Cursor, copy},
};
use greenloop::net::{TcpListener, TcpStream};

#[path = "support/net.rs"]
mod support;
use support::{Wakes, pair, pair_with_std, pattern, run};

#[test]
fn a_stream_is_copied_into_another_to_its_end() {
    let sent = pattern(1 << 20);
    run(async {
        let (source, source_end) = pair();
        let (sink_end, sink) = pair();
        let feed = greenloop::spawn({
            let sent = sent.clone();
            async move { AsyncWriteExt::write_all(&mut &source_end, &sent).await }
        });
        let collect = greenloop::spawn(async move {
            let mut received = Vec::new();
            let mut sink = sink;
            sink.read_to_end(&mut received).await.unwrap();
            received
        });

        let mut sink_end = sink_end;
        let copied = copy(source, &mut sink_end).await.unwrap();
        AsyncWriteExt::close(&mut sink_end).await.unwrap();

        assert_eq!(copied, sent.len() as u64);
        feed.await.unwrap().unwrap();
        assert!(collect.await.unwrap() == sent);
    });
}

#[test]
fn a_reference_to_a_stream_is_enough_to_echo() {
    run(async {
        let (ours, theirs) = pair();
        let echo = greenloop::spawn(async move { copy(&theirs, &mut &theirs).await });
        let sent = pattern(300_000);
        let mut received = Vec::new();
        let write = async {
            AsyncWriteExt::write_all(&mut &ours, &sent).await.unwrap();
            AsyncWriteExt::close(&mut &ours).await.unwrap();
        };
        let read = async {
            let mut reader = &ours;
            let mut buffer = [0; 4096];
            while received.len() < sent.len() {
                let count = AsyncReadExt::read(&mut reader, &mut buffer).await.unwrap();
                assert!(count > 0);
                received.extend_from_slice(&buffer[..count]);
            }
        };
        greenloop::join!(write, read);
        assert!(received == sent);
        assert_eq!(echo.await.unwrap().unwrap(), sent.len() as u64);
    });
}

#[test]
fn lines_are_read_through_a_buffered_reader() {
    run(async {
        let (ours, theirs) = pair();
        ours.write_all(b"one\ntwo\nthree").await.unwrap();
        drop(ours);
        let lines: Vec<_> = BufReader::new(theirs).lines().map(Result::unwrap).collect().await;
        assert_eq!(lines, ["one", "two", "three"]);
    });
}

#[test]
fn a_cursor_is_sent_from_where_it_stands() {
    run(async {
        let (mut ours, theirs) = pair();
        let mut cursor = Cursor::new(b"0123456789".to_vec());
        cursor.seek(SeekFrom::Start(4)).await.unwrap();
        copy(cursor, &mut ours).await.unwrap();
        drop(ours);
        assert_eq!(support::read_to_end(&theirs).await.unwrap(), b"456789");
    });
}

#[test]
fn vectored_operations_use_all_buffers() {
    run(async {
        let (mut ours, mut theirs) = pair();
        let buffers = [&b"ab"[..], b"cde"].map(IoSlice::new);
        assert_eq!(AsyncWriteExt::write_vectored(&mut ours, &buffers).await.unwrap(), 5);
        let (mut first, mut second) = ([0; 3], [0; 3]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(AsyncReadExt::read_vectored(&mut theirs, &mut buffers).await.unwrap(), 5);
        assert_eq!((&first, &second[..2]), (b"abc", &b"de"[..]));
    });
}

#[test]
fn to_close_ends_the_writing_direction_and_can_be_done_again() {
    run(async {
        let (mut ours, mut theirs) = pair();
        AsyncWriteExt::flush(&mut ours).await.unwrap();
        AsyncWriteExt::close(&mut ours).await.unwrap();
        AsyncWriteExt::close(&mut ours).await.unwrap();
        let mut rest = Vec::new();
        assert_eq!(theirs.read_to_end(&mut rest).await.unwrap(), 0);
        AsyncWriteExt::write_all(&mut theirs, b"x").await.unwrap();
        assert_eq!(AsyncReadExt::read(&mut ours, &mut [0]).await.unwrap(), 1);
        let error = AsyncWriteExt::write(&mut ours, b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn of_the_tasks_that_poll_a_direction_the_last_one_is_woken() {
    run(async {
        let (ours, theirs) = pair_with_std();
        let (first, first_waker) = Wakes::new();
        let (last, last_waker) = Wakes::new();
        let mut reader = &ours;
        let mut buffer = [0];
        for waker in [&first_waker, &last_waker] {
            let mut cx = Context::from_waker(waker);
            assert!(Pin::new(&mut reader).poll_read(&mut cx, &mut buffer).is_pending());
        }
        assert_eq!((first.clones(), last.clones()), (0, 1));

        std::io::Write::write_all(&mut &theirs, b"x").unwrap();
        ours.readable().await.unwrap();

        assert_eq!((first.count(), last.count()), (0, 1));
    });
}

#[test]
fn a_reader_and_a_writer_that_poll_one_stream_have_a_place_each() {
    run(async {
        let (ours, theirs) = pair_with_std();
        support::fill(&ours).await;
        let (reads, read_waker) = Wakes::new();
        let (writes, write_waker) = Wakes::new();
        let mut both = &ours;
        let mut cx = Context::from_waker(&read_waker);
        assert!(Pin::new(&mut both).poll_read(&mut cx, &mut [0]).is_pending());
        let mut cx = Context::from_waker(&write_waker);
        assert!(Pin::new(&mut both).poll_write(&mut cx, b"x").is_pending());
        assert_eq!((reads.clones(), writes.clones()), (1, 1));

        std::io::Write::write_all(&mut &theirs, b"x").unwrap();
        ours.readable().await.unwrap();

        assert_eq!((reads.count(), writes.count()), (1, 0));
    });
}

#[test]
fn polls_do_not_disturb_those_who_wait_by_the_streams_own_methods() {
    run(async {
        let (ours, theirs) = pair_with_std();
        let (own, own_waker) = Wakes::new();
        let (shared, shared_waker) = Wakes::new();
        let mut wait = pin!(ours.readable());
        assert!(support::poll(wait.as_mut(), &own_waker).is_pending());
        let mut cx = Context::from_waker(&shared_waker);
        assert!(Pin::new(&mut &ours).poll_read(&mut cx, &mut [0]).is_pending());

        std::io::Write::write_all(&mut &theirs, b"x").unwrap();
        ours.readable().await.unwrap();

        assert_eq!((own.count(), shared.count()), (1, 1));
    });
}

#[test]
fn a_stream_fits_where_send_and_static_are_asked_for() {
    fn takes<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static>(stream: T) -> T {
        stream
    }
    run(async {
        let (ours, theirs) = pair();
        let boxed: Pin<Box<dyn AsyncReadWrite>> = Box::pin(takes(ours));
        let mut boxed = boxed;
        AsyncWriteExt::write_all(&mut boxed, b"x").await.unwrap();
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 1);
    });
}

trait AsyncReadWrite: AsyncRead + AsyncWrite + Send + Sync {}
impl<T: AsyncRead + AsyncWrite + Send + Sync> AsyncReadWrite for T {}

#[test]
fn incoming_connections_are_a_stream_for_combinators() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> =
            (0..5).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();

        let peers: Vec<_> = listener
            .incoming()
            .take(5)
            .map(|stream: std::io::Result<TcpStream>| stream.unwrap().peer_addr().unwrap())
            .collect()
            .await;

        let expected: Vec<_> = clients.iter().map(|c| c.local_addr().unwrap()).collect();
        assert_eq!(peers, expected);
    });
}

#[test]
fn outside_of_a_loop_the_traits_give_errors() {
    let (ours, _theirs) = pair();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let read = Pin::new(&mut &ours).poll_read(&mut cx, &mut [0]);
    assert!(matches!(read, Poll::Ready(Err(_))));
    let write = Pin::new(&mut &ours).poll_write(&mut cx, b"x");
    assert!(matches!(write, Poll::Ready(Err(_))));
}
