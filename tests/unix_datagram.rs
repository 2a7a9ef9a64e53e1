//! Unix datagrams are kept apart and in order, and none is dropped: who sends waits.

use std::{
    io::ErrorKind,
    net::Shutdown,
    pin::pin,
    rc::Rc,
    time::{Duration, Instant},
};

use greenloop::{
    net::{UnixDatagram, unix::SocketAddr},
    sleep, statistics, timeout,
};

#[path = "support/folder.rs"]
mod folder;
#[path = "support/net.rs"]
mod support;
use folder::Folder;
use support::{Wakes, poll, poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Sends until the queue of the receiver takes no more, and gives the number of datagrams.
fn fill(mut send: impl FnMut() -> std::io::Result<usize>) -> usize {
    for count in 0..100_000 {
        if let Err(error) = send() {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            return count;
        }
    }
    panic!("the queue has no end");
}

#[test]
fn datagrams_come_one_by_one_although_each_is_shorter_than_the_buffer() {
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let mut buffer = [0; 100];
        assert!(poll_once(ours.recv(&mut buffer)).is_pending());
        for datagram in [&b"one"[..], b"", b"three"] {
            assert_eq!(theirs.send(datagram).await.unwrap(), datagram.len());
        }
        for expected in [&b"one"[..], b"", b"three"] {
            let count = ours.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..count], expected);
        }
        assert!(poll_once(ours.recv(&mut buffer)).is_pending());
    });
}

#[test]
fn the_sender_is_told_by_its_path() {
    let folder = Folder::new();
    let (server_path, client_path) = (folder.path("server"), folder.path("client"));
    run(async {
        let server = UnixDatagram::bind(&server_path).unwrap();
        let client = UnixDatagram::bind(&client_path).unwrap();
        let nameless = UnixDatagram::unbound().unwrap();
        client.send_to(b"from a path", &server_path).await.unwrap();
        nameless.send_to(b"from nowhere", &server_path).await.unwrap();

        let mut buffer = [0; 100];
        let (count, sender) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((count, sender.as_pathname()), (11, Some(&*client_path)));
        server.send_to_addr(b"answer", &sender).await.unwrap();
        assert_eq!(client.recv(&mut buffer).await.unwrap(), 6);
        let (count, sender) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((count, sender.is_unnamed()), (12, true));
        assert_eq!(server.local_addr().unwrap().as_pathname(), Some(&*server_path));
    });
}

#[test]
fn a_connected_socket_sends_to_its_peer_and_refuses_strangers() {
    let folder = Folder::new();
    let (server_path, client_path) = (folder.path("server"), folder.path("client"));
    run(async {
        let server = UnixDatagram::bind(&server_path).unwrap();
        let client = UnixDatagram::bind(&client_path).unwrap();
        client.connect(&server_path).unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*server_path));
        client.send(b"hello").await.unwrap();
        assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 5);

        let stranger = UnixDatagram::unbound().unwrap();
        let error = stranger.send_to(b"psst", &client_path).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        server.connect_addr(&SocketAddr::from_pathname(&client_path).unwrap()).unwrap();
        server.send(b"welcome").await.unwrap();
        assert_eq!(client.recv(&mut [0; 8]).await.unwrap(), 7);
    });
}

#[test]
fn a_send_to_nobody_is_an_error() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let socket = UnixDatagram::unbound().unwrap();
        let error = socket.send(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        let error = socket.send_to(b"x", &path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let peer = UnixDatagram::bind(&path).unwrap();
        socket.connect(&path).unwrap();
        drop(peer);
        let error = socket.send(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = socket.send_to(b"x", &path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_send_to_a_connected_peer_waits_while_its_queue_is_full() {
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let filled = fill(|| ours.try_send(b"."));
        let (wakes, waker) = Wakes::new();
        let mut send = pin!(ours.send(b"last"));
        assert!(poll(send.as_mut(), &waker).is_pending());
        let mut buffer = [0; 8];
        for _ in 0..filled {
            assert_eq!(theirs.recv(&mut buffer).await.unwrap(), 1);
        }
        while wakes.count() == 0 {
            sleep(MILLISECOND).await;
        }
        assert_eq!(send.await.unwrap(), 4);
        assert_eq!(theirs.recv(&mut buffer).await.unwrap(), 4);
    });
}

#[test]
fn a_send_to_a_path_goes_on_although_others_have_filled_the_queue() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let receiver = UnixDatagram::bind(&path).unwrap();
        let others = UnixDatagram::unbound().unwrap();
        let filled = fill(|| others.try_send_to(b".", &path));
        let ours = UnixDatagram::unbound().unwrap();
        let mut send = Box::pin(ours.send_to(b"ours", &path));
        assert!(timeout(10 * MILLISECOND, send.as_mut()).await.is_err());

        // Nothing tells our socket that there is room.
        let mut buffer = [0; 8];
        for _ in 0..filled {
            receiver.recv(&mut buffer).await.unwrap();
        }
        assert_eq!(send.await.unwrap(), 4);
        assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer[..4], b"ours");
    });
}

#[test]
fn a_dropped_send_has_sent_nothing() {
    let folder = Folder::new();
    let path = folder.path("s");
    run(async {
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let filled = fill(|| sender.try_send_to(b".", &path));
        {
            let (wakes, waker) = Wakes::new();
            let mut send = Box::pin(sender.send_to(b"lost", &path));
            assert!(poll(send.as_mut(), &waker).is_pending());
            drop(send);
            assert_eq!(wakes.clones(), 0);
        }
        for _ in 0..filled {
            assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 1);
        }
        assert!(poll_once(receiver.recv(&mut [0; 8])).is_pending());
    });
}

#[test]
fn a_flood_of_senders_and_a_slow_receiver_lose_nothing() {
    let folder = Folder::new();
    let path = Rc::new(folder.path("s"));
    run(async {
        let receiver = UnixDatagram::bind(&*path).unwrap();
        for number in 0..5_u8 {
            let path = Rc::clone(&path);
            greenloop::spawn(async move {
                let socket = UnixDatagram::unbound().unwrap();
                for round in 0..200 {
                    socket.send_to(&[number, round], &*path).await.unwrap();
                }
            });
        }
        let mut next = [0; 5];
        let mut buffer = [0; 8];
        let start = Instant::now();
        for _ in 0..1000 {
            assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 2);
            let expected = &mut next[usize::from(buffer[0])];
            assert_eq!(buffer[1], *expected);
            *expected += 1;
        }
        assert_eq!(next, [200; 5], "{:?}", start.elapsed());
    });
}

#[test]
fn tries_say_at_once_what_is_there() {
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(ours.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(theirs.try_send(b"one").unwrap(), 3);
        let (count, sender) = ours.try_recv_from(&mut buffer).unwrap();
        assert!(count == 3 && sender.is_unnamed());
        let mut readable = pin!(ours.readable());
        assert!(poll_once(readable.as_mut()).is_pending());
        theirs.try_send(b"two").unwrap();
        readable.await.unwrap();
        ours.writable().await.unwrap();
    });
}

#[test]
fn an_ended_direction_is_ended_for_both() {
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.send(b"before").await.unwrap();
        ours.shutdown(Shutdown::Both).unwrap();
        assert!(ours.send(b"x").await.is_err());
        assert!(theirs.send(b"x").await.is_err());
    });
}

#[test]
fn sockets_go_to_std_and_back() {
    let folder = Folder::new();
    let path = folder.path("s");
    let socket = run(async {
        let socket = UnixDatagram::bind(&path).unwrap();
        assert!(poll_once(socket.recv(&mut [0])).is_pending());
        assert_eq!(statistics().sockets, 1);
        socket.into_std().unwrap()
    });
    run(async {
        let socket = UnixDatagram::from_std(socket).unwrap();
        let other = UnixDatagram::unbound().unwrap();
        other.send_to(b"again", &path).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).await.unwrap(), 5);
        assert!(socket.take_error().unwrap().is_none());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_addresses_work_too() {
    use std::os::linux::net::SocketAddrExt as _;
    run(async {
        let name = format!("greenloop datagrams {}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let other = UnixDatagram::unbound().unwrap();
        other.send_to_addr(b"hi", &address).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).await.unwrap(), 2);
    });
}
