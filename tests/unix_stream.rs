//! Unix connections do all that TCP connections do, and know who is at the other end.

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _},
    net::Shutdown,
    os::fd::OwnedFd,
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use futures_core::Stream as _;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use greenloop::{
    net::{UnixListener, UnixStream, unix::SocketAddr},
    sleep, statistics, timeout,
};

#[path = "support/folder.rs"]
mod folder;
#[path = "support/net.rs"]
mod support;
use folder::Folder;
use support::{Wakes, pattern, poll, poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A connection whose other end blocks its thread, and knows nothing of loops.
fn pair_with_std() -> (UnixStream, std::os::unix::net::UnixStream) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    (UnixStream::from_std(ours).unwrap(), theirs)
}

#[test]
fn clients_are_accepted_in_their_order_and_served() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let mut accept = Box::pin(listener.accept());
        assert!(poll_once(accept.as_mut()).is_pending());
        let mut clients = Vec::new();
        for number in 0..10 {
            let client = UnixStream::connect(&path).await.unwrap();
            client.write_all(&[number]).await.unwrap();
            clients.push(client);
        }
        for number in 0..10 {
            let (stream, peer) = accept.await.unwrap();
            assert!(peer.is_unnamed());
            let mut buffer = [0];
            stream.read_exact(&mut buffer).await.unwrap();
            assert_eq!(buffer, [number]);
            accept = Box::pin(listener.accept());
        }
    });
}

#[test]
fn incoming_connections_are_a_stream() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let listener = UnixListener::bind(&path).unwrap();
        let _clients = [UnixStream::connect(&path).await, UnixStream::connect(&path).await];
        let mut incoming = listener.incoming();
        for _ in 0..2 {
            let next = std::future::poll_fn(|cx| Pin::new(&mut incoming).poll_next(cx));
            next.await.unwrap().unwrap();
        }
        let mut next = pin!(std::future::poll_fn(|cx| Pin::new(&mut incoming).poll_next(cx)));
        assert!(poll_once(next.as_mut()).is_pending());
    });
}

#[test]
fn a_dropped_accept_loses_no_connection_and_leaves_no_waker() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let listener = UnixListener::bind(&path).unwrap();
        for _ in 0..20 {
            let (wakes, waker) = Wakes::new();
            let mut accept = Box::pin(listener.accept());
            assert!(poll(accept.as_mut(), &waker).is_pending());
            let client = UnixStream::connect(&path).await.unwrap();
            drop(accept);
            assert_eq!(wakes.clones(), 0);

            let (server, _) = listener.accept().await.unwrap();
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
        }
    });
}

#[test]
fn a_connect_to_nobody_is_an_error() {
    let folder = Folder::new();
    run(async {
        let error = UnixStream::connect(folder.path("nothing")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let dead = folder.path("dead");
        drop(UnixListener::bind(&dead).unwrap());
        let error = UnixStream::connect(&dead).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = UnixStream::connect("x".repeat(200)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn a_connect_waits_while_the_queue_of_the_listener_is_full() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let listener = UnixListener::options().backlog(1).bind(&path).unwrap();
        let mut clients = Vec::new();
        let mut connect = loop {
            assert!(clients.len() < 100, "the queue has no end");
            let mut connect = Box::pin(UnixStream::connect(&path));
            match poll_once(connect.as_mut()) {
                Poll::Ready(client) => clients.push(client.unwrap()),
                Poll::Pending => break connect,
            }
        };
        assert!(timeout(20 * MILLISECOND, connect.as_mut()).await.is_err());

        let _served = listener.accept().await.unwrap();
        connect.await.unwrap();

        // With no loop there is no waiting.
        let mut connect = Box::pin(UnixStream::connect(&path));
        let outside = std::thread::scope(|scope| {
            scope.spawn(|| matches!(poll_once(connect.as_mut()), Poll::Ready(Err(_)))).join()
        });
        assert!(outside.unwrap());
    });
}

#[test]
fn a_listener_dropped_before_it_accepts_ends_its_connections() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let mut buffer = [0; 8];
        let mut read = pin!(client.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());
        drop(listener);
        let ended = read.await;
        assert!(
            matches!(&ended, Ok(0))
                || ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
            "{ended:?}"
        );
        let error = client.write_all(&[0; 1 << 20]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_address_has_no_file_and_is_free_again_at_once() {
    use std::os::linux::net::SocketAddrExt as _;
    run(async {
        let name = format!("greenloop test {}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        for _ in 0..3 {
            let listener = UnixListener::bind_addr(&address).unwrap();
            let error = UnixListener::bind_addr(&address).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            let client = UnixStream::connect_addr(&address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            assert_eq!(client.peer_addr().unwrap().as_abstract_name(), Some(name.as_bytes()));
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read(&mut [0]).await.unwrap(), 1);
        }
        let error = UnixStream::connect_addr(&address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn the_peer_is_known() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        use std::os::unix::fs::MetadataExt as _;
        let own_files = std::fs::metadata(&folder).unwrap();
        for stream in [&client, &server, &one, &other] {
            let peer = stream.peer_cred().unwrap();
            assert_eq!(peer.uid(), own_files.uid());
            assert_eq!(peer.gid(), own_files.gid());
            if cfg!(target_os = "linux") {
                assert_eq!(peer.pid(), i32::try_from(std::process::id()).ok());
            }
        }
        let no_socket = std::fs::File::open("/dev/null").unwrap();
        let no_socket = UnixStream::try_from(OwnedFd::from(no_socket));
        if let Ok(no_socket) = no_socket {
            assert!(no_socket.peer_cred().is_err());
        }
    });
}

#[test]
fn a_megabyte_goes_through_and_then_the_end() {
    let sent = pattern(1 << 20);
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let writer = greenloop::spawn({
            let sent = sent.clone();
            async move {
                ours.write_all(&sent).await.unwrap();
                ours.shutdown(Shutdown::Write).unwrap();
                ours.shutdown(Shutdown::Write).unwrap();
                let mut reply = Vec::new();
                AsyncReadExt::read_to_end(&mut &ours, &mut reply).await.unwrap();
                reply
            }
        });
        let mut received = Vec::new();
        AsyncReadExt::read_to_end(&mut &theirs, &mut received).await.unwrap();
        assert!(received == sent);
        assert_eq!(theirs.read(&mut [0; 8]).await.unwrap(), 0);
        theirs.write_all(b"thanks").await.unwrap();
        drop(theirs);
        assert_eq!(writer.await.unwrap(), b"thanks");
    });
}

#[test]
fn data_and_end_that_come_together_are_both_seen() {
    run(async {
        for _ in 0..20 {
            let (ours, mut theirs) = pair_with_std();
            let mut buffer = [0; 100];
            assert!(poll_once(ours.read(&mut buffer)).is_pending());
            theirs.write_all(b"last words").unwrap();
            drop(theirs);
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 10);
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 0);
        }
    });
}

#[test]
fn vectored_operations_use_all_buffers() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let buffers = [&b"ab"[..], b"cde"].map(IoSlice::new);
        assert_eq!(ours.write_vectored(&buffers).await.unwrap(), 5);
        let (mut first, mut second) = ([0; 3], [0; 3]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(theirs.read_vectored(&mut buffers).await.unwrap(), 5);
        assert_eq!((&first, &second[..2]), (b"abc", &b"de"[..]));
        assert_eq!(theirs.read_vectored(&mut []).await.unwrap(), 0);
    });
}

#[test]
fn tries_say_at_once_what_is_there() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, peer) = listener.try_accept().unwrap();
        assert!(peer.is_unnamed());
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);

        let (mut first, mut second) = ([0; 2], [0; 8]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        let nothing = server.try_read_vectored(&mut buffers).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        let words = [IoSlice::new(b"eat "), IoSlice::new(b"play")];
        assert_eq!(client.try_write_vectored(&words).unwrap(), 8);
        assert_eq!(server.try_read_vectored(&mut buffers).unwrap(), 8);
        assert_eq!((&first, &second[..6]), (b"ea", &b"t play"[..]));
        while client.try_write_vectored(&words).is_ok() {}
        let full = client.try_write_vectored(&words).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::WouldBlock);

        // What a try found out, the next wait knows.
        let mut accept = listener.accept();
        assert!(poll_once(&mut accept).is_pending());
        let _other = UnixStream::connect(&path).await.unwrap();
        accept.await.unwrap();
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn halves_go_to_different_tasks_and_come_together_again() {
    run(async {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        {
            let (read, write) = UnixStream::split(&mut ours);
            write.write_all(b"x").await.unwrap();
            theirs.write_all(b"y").await.unwrap();
            read.read_exact(&mut [0]).await.unwrap();
            theirs.read_exact(&mut [0]).await.unwrap();
        }
        let (read, write) = ours.into_split();
        let (other_read, other_write) = theirs.into_split();
        let error = read.reunite(other_write).unwrap_err();
        let (read, other_write) = (error.0, error.1);
        let ours = read.reunite(write).unwrap();
        drop(other_write);
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
        ours.write_all(b"still").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(other_read.read(&mut buffer).await.unwrap(), 5);
    });
}

#[test]
fn a_dropped_read_leaves_the_data_to_the_next() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        for round in 0..20 {
            let (wakes, waker) = Wakes::new();
            let mut unused = [0; 8];
            let mut read = Box::pin(ours.read(&mut unused));
            assert!(poll(read.as_mut(), &waker).is_pending());
            theirs.write_all(&[round]).unwrap();
            if round % 2 == 0 {
                ours.readable().await.unwrap();
            }
            drop(read);
            assert_eq!(wakes.clones(), 0);
            let mut buffer = [0; 8];
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], round);
        }
    });
}

#[test]
fn a_full_stream_makes_the_writer_wait_and_wakes_it_when_read() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        let mut filled = 0;
        while let Ok(count) = ours.try_write(&[b'.'; 4096]) {
            filled += count;
        }
        let mut write = pin!(ours.write_all(b"more"));
        assert!(poll_once(write.as_mut()).is_pending());
        theirs.read_exact(&mut vec![0; filled]).unwrap();
        write.await.unwrap();
        let mut buffer = [0; 4];
        theirs.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"more");
    });
}

#[test]
fn reader_and_writer_of_one_stream_are_woken_apart() {
    run(async {
        let (ours, mut theirs) = pair_with_std();
        while ours.try_write(&[b'.'; 4096]).is_ok() {}
        let (reads, read_waker) = Wakes::new();
        let (writes, write_waker) = Wakes::new();
        let mut buffer = [0; 8];
        let mut read = pin!(ours.read(&mut buffer));
        let mut write = pin!(ours.write(b"x"));
        assert!(poll(read.as_mut(), &read_waker).is_pending());
        assert!(poll(write.as_mut(), &write_waker).is_pending());
        theirs.write_all(b"x").unwrap();
        while reads.count() == 0 {
            sleep(MILLISECOND).await;
        }
        assert_eq!(writes.count(), 0);
        assert_eq!(read.await.unwrap(), 1);
        let mut rest = vec![0; 1 << 20];
        while writes.count() == 0 {
            assert!(theirs.read(&mut rest).unwrap() > 0);
            sleep(MILLISECOND).await;
        }
        write.await.unwrap();
    });
}

#[test]
fn streams_fit_the_traits_of_futures_io() {
    run(async {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let copied = greenloop::spawn(async move {
            let (read, mut write) = AsyncReadExt::split(&mut theirs);
            futures_util::io::copy(read, &mut write).await.unwrap()
        });
        AsyncWriteExt::write_all(&mut ours, b"around").await.unwrap();
        AsyncWriteExt::close(&mut ours).await.unwrap();
        let mut text = String::new();
        ours.read_to_string(&mut text).await.unwrap();
        assert_eq!((copied.await.unwrap(), text.as_str()), (6, "around"));
    });
}

#[test]
fn sockets_go_to_std_and_back() {
    let folder = Folder::new();
    let path = folder.path("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let (listener, stream) = run(async move {
        let listener = UnixListener::from_std(listener).unwrap();
        assert!(poll_once(listener.accept()).is_pending());
        let stream = UnixStream::connect(&path).await.unwrap();
        assert!(poll_once(stream.read(&mut [0])).is_pending());
        assert_eq!(statistics().sockets, 2);
        let pair = (listener.into_std().unwrap(), stream.into_std().unwrap());
        assert_eq!(statistics().sockets, 0);
        pair
    });
    run(async move {
        let listener = UnixListener::try_from(OwnedFd::from(listener)).unwrap();
        let stream = UnixStream::try_from(OwnedFd::from(stream)).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        server.write_all(b"x").await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
        assert!(stream.take_error().unwrap().is_none());
        assert!(listener.take_error().unwrap().is_none());
    });
}

#[test]
fn a_stream_that_is_always_ready_lets_others_run() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let busy = greenloop::spawn(async move {
            let mut buffer = [0; 8];
            loop {
                ours.write_all(b"x").await.unwrap();
                theirs.read(&mut buffer).await.unwrap();
            }
        });
        let turns = Rc::new(std::cell::Cell::new(0));
        let counter = greenloop::spawn({
            let turns = Rc::clone(&turns);
            async move {
                while turns.get() < 100 {
                    turns.set(turns.get() + 1);
                    greenloop::yield_now().await;
                }
            }
        });
        counter.await.unwrap();
        busy.abort();
    });
}
