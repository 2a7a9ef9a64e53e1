//! A Unix socket takes over the path of a dead one when asked to, and never that of a live one; and
//! takes away its own file only.

use std::{
    fs,
    io::ErrorKind,
    os::unix::{
        fs::{MetadataExt as _, symlink},
        net as std_net,
    },
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};

use greenloop::net::{UnixDatagram, UnixListener, UnixStream};
use socket2::{Domain, SockAddr, Socket, Type};

#[path = "support/folder.rs"]
mod folder;
#[path = "support/net.rs"]
mod support;
use folder::Folder;
use support::run;

fn replacing(path: impl AsRef<Path>) -> std::io::Result<UnixListener> {
    UnixListener::options().replace_stale(true).bind(path)
}

fn inode(path: impl AsRef<Path>) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

/// A socket that has not gone on to listen.
fn bound(kind: Type, path: &Path) -> Socket {
    let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
    socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
    socket
}

#[track_caller]
fn assert_in_use(result: std::io::Result<UnixListener>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn a_stale_file_stands_in_the_way_unless_it_is_to_be_replaced() {
    let folder = Folder::new();
    let path = folder.path("s");
    drop(UnixListener::bind(&path).unwrap());
    assert_in_use(UnixListener::bind(&path));

    let listener = replacing(&path).unwrap();

    assert_eq!(folder.names(), ["s"]);
    run(async {
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
        assert_eq!(server.local_addr().unwrap().as_pathname(), Some(&*path));
    });
}

#[test]
fn every_kind_of_dead_socket_is_replaced() {
    let folder = Folder::new();
    for (number, kind) in [Type::STREAM, Type::DGRAM, Type::SEQPACKET].into_iter().enumerate() {
        let path = folder.path(&number.to_string());
        drop(bound(kind, &path));
        replacing(&path).unwrap();
    }
    let path = folder.path("d");
    drop(UnixDatagram::bind(&path).unwrap());
    UnixDatagram::options().replace_stale(true).bind(&path).unwrap();
    assert_eq!(folder.names(), ["0", "1", "2", "d"]);
}

#[test]
fn where_nothing_is_nothing_is_replaced() {
    let folder = Folder::new();
    let path = folder.path("s");
    let _listener = replacing(&path).unwrap();
    assert_eq!(folder.names(), ["s"]);
    let error = replacing(folder.path("no/folder/here")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_socket_that_listens_is_left_alone_and_does_not_notice() {
    let folder = Folder::new();
    let path = folder.path("s");
    let alive = std_net::UnixListener::bind(&path).unwrap();
    let before = inode(&path);

    assert_in_use(replacing(&path));

    assert_eq!((inode(&path), folder.names()), (before, vec!["s".to_owned()]));
    // The question has not cost a place in its queue.
    alive.set_nonblocking(true).unwrap();
    assert_eq!(alive.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    std_net::UnixStream::connect(&path).unwrap();
    alive.accept().unwrap();
}

#[test]
fn a_socket_that_does_not_listen_yet_is_alive() {
    let folder = Folder::new();
    for kind in [Type::STREAM, Type::SEQPACKET] {
        let path = folder.path("s");
        let alive = bound(kind, &path);
        // To a client it looks dead.
        let client = Socket::new(Domain::UNIX, kind, None).unwrap();
        let error = client.connect(&SockAddr::unix(&path).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

        assert_in_use(replacing(&path));

        alive.listen(1).unwrap();
        client.connect(&SockAddr::unix(&path).unwrap()).unwrap();
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_socket_for_datagrams_is_alive_also_when_it_has_a_peer() {
    let folder = Folder::new();
    let (path, other) = (folder.path("s"), folder.path("other"));
    let alive = std_net::UnixDatagram::bind(&path).unwrap();
    assert_in_use(replacing(&path));
    let error = UnixDatagram::options().replace_stale(true).bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);

    let _peer = std_net::UnixDatagram::bind(&other).unwrap();
    alive.connect(&other).unwrap();
    assert_in_use(replacing(&path));
    assert_eq!(folder.names(), ["other", "s"]);
}

#[test]
fn a_socket_with_a_full_queue_is_alive() {
    let folder = Folder::new();
    let path = folder.path("s");
    let _alive = UnixListener::options().backlog(1).bind(&path).unwrap();
    let mut queue = Vec::new();
    loop {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        match client.connect(&SockAddr::unix(&path).unwrap()) {
            Ok(()) => queue.push(client),
            Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert_in_use(replacing(&path));
}

#[test]
fn a_socket_that_lives_in_a_copy_of_its_descriptor_is_alive() {
    let folder = Folder::new();
    let path = folder.path("s");
    let alive = std_net::UnixListener::bind(&path).unwrap();
    let copy = alive.try_clone().unwrap();
    drop(alive);
    assert_in_use(replacing(&path));
    drop(copy);
    replacing(&path).unwrap();
}

#[test]
fn nothing_but_a_socket_is_replaced() {
    let folder = Folder::new();
    let dead = folder.path("dead");
    drop(UnixListener::bind(&dead).unwrap());
    fs::write(folder.path("file"), "precious").unwrap();
    fs::create_dir(folder.path("folder")).unwrap();
    symlink(&dead, folder.path("link")).unwrap();
    symlink(folder.path("nowhere"), folder.path("dangling")).unwrap();

    for name in ["file", "folder", "link", "dangling"] {
        let error = replacing(folder.path(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{name}: {error}");
    }

    assert_eq!(folder.names(), ["dangling", "dead", "file", "folder", "link"]);
    assert_eq!(fs::read_to_string(folder.path("file")).unwrap(), "precious");
}

#[test]
fn of_many_who_replace_a_stale_file_at_once_one_lives_at_a_time() {
    let folder = Folder::new();
    let path = folder.path("s");
    let alive = AtomicUsize::new(0);
    let bound = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..300 {
                    match replacing(&path) {
                        Ok(listener) => {
                            assert_eq!(alive.fetch_add(1, SeqCst), 0, "two live at a time");
                            bound.fetch_add(1, SeqCst);
                            thread::yield_now();
                            alive.fetch_sub(1, SeqCst);
                            drop(listener);
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
                    }
                }
            });
        }
    });
    assert!(bound.into_inner() > 0);
    // No folder is left behind, and the last file still is there.
    assert_eq!(folder.names(), ["s"]);
}

#[test]
fn a_path_that_is_too_long_or_none_is_an_error() {
    let folder = Folder::new();
    let long = folder.path(&"x".repeat(200));
    for options in [UnixListener::options(), UnixListener::options().replace_stale(true)] {
        let error = options.clone().bind(&long).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = options.bind("nul\0inside").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert!(folder.names().is_empty());
}

#[test]
fn a_file_is_removed_with_its_socket_when_asked_for() {
    let folder = Folder::new();
    let (stream, datagram, stays) = (folder.path("s"), folder.path("d"), folder.path("stays"));
    let listener = UnixListener::options().remove_on_drop(true).bind(&stream).unwrap();
    let socket = UnixDatagram::options().remove_on_drop(true).bind(&datagram).unwrap();
    let other = UnixListener::bind(&stays).unwrap();
    assert_eq!(folder.names(), ["d", "s", "stays"]);
    drop((listener, socket, other));
    assert_eq!(folder.names(), ["stays"]);
}

#[test]
fn a_file_that_was_replaced_or_is_gone_is_nobodys_to_remove() {
    let folder = Folder::new();
    let path = folder.path("s");
    let ours = UnixListener::options().remove_on_drop(true).bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let theirs = std_net::UnixListener::bind(&path).unwrap();
    let before = inode(&path);
    drop(ours);
    assert_eq!((inode(&path), folder.names()), (before, vec!["s".to_owned()]));
    std_net::UnixStream::connect(&path).unwrap();
    drop(theirs);

    let ours = UnixListener::options().replace_stale(true).remove_on_drop(true).bind(&path);
    fs::remove_file(&path).unwrap();
    drop(ours.unwrap());
    assert!(folder.names().is_empty());
}

#[test]
fn a_file_stays_when_its_socket_goes_to_std() {
    let folder = Folder::new();
    let path = folder.path("s");
    let listener = UnixListener::options().remove_on_drop(true).bind(&path).unwrap();
    let listener = listener.into_std().unwrap();
    std_net::UnixStream::connect(&path).unwrap();
    drop(listener);
    assert_eq!(folder.names(), ["s"]);
}

#[test]
fn a_file_is_found_again_although_the_process_has_changed_its_folder() {
    // The other tests of this process know no relative paths.
    let folder = Folder::new();
    std::env::set_current_dir(&folder).unwrap();
    let listener = UnixListener::options().remove_on_drop(true).bind("s").unwrap();
    std::env::set_current_dir("/").unwrap();
    assert_eq!(folder.names(), ["s"]);
    drop(listener);
    assert!(folder.names().is_empty());
}
