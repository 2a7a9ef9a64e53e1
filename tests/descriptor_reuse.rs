#![allow(unsafe_code, reason = "plays with descriptor numbers")]
//! The kernel gives the number of a closed descriptor to the next one at once. What was said about
//! the old one never reaches the new one.

use std::{
    fs::File,
    io::Write as _,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use greenloop::{net::TcpStream, statistics};

#[path = "support/net.rs"]
mod support;
use support::{Wakes, pair_with_std, poll, poll_once, run, std_pair};

/// The tests in this file open and close descriptors one at a time, so that the numbers are known.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A copy of a descriptor, under the first free number from `from` on.
fn duplicate(fd: RawFd, from: RawFd) -> OwnedFd {
    // SAFETY: takes no pointers.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, from) };
    assert!(copy >= 0);
    // SAFETY: just made, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(copy) }
}

#[test]
fn a_new_socket_with_an_old_number_hears_nothing_of_the_old_one() {
    let _alone = alone();
    run(async {
        let (old, mut old_peer) = pair_with_std();
        assert!(poll_once(old.readable()).is_pending());
        let (new, mut new_peer) = std_pair();
        let number = old.as_raw_fd();
        // Keeps the old connection open, so that the kernel goes on to watch it.
        let _copy = duplicate(number, 500);
        drop(old);
        let moved = duplicate(new.as_raw_fd(), number);
        assert_eq!(moved.as_raw_fd(), number);
        drop(new);
        let new = TcpStream::try_from(moved).unwrap();
        let (wakes, waker) = Wakes::new();
        let mut readable = pin!(new.readable());
        assert!(poll(readable.as_mut(), &waker).is_pending());
        // Another one, whose event comes after that of the old one.
        let (witness, mut witness_peer) = pair_with_std();
        assert!(poll_once(witness.readable()).is_pending());

        old_peer.write_all(b"old").unwrap();
        witness_peer.write_all(b"x").unwrap();
        witness.readable().await.unwrap();
        assert_eq!(wakes.count(), 0);
        assert!(poll(readable.as_mut(), &waker).is_pending());

        new_peer.write_all(b"new").unwrap();
        new.readable().await.unwrap();
        assert_eq!(wakes.count(), 1);
    });
}

#[test]
fn a_socket_dropped_with_an_event_on_its_way_leaves_its_successor_alone() {
    let _alone = alone();
    run(async {
        for _ in 0..100 {
            let (old, mut old_peer) = pair_with_std();
            assert!(poll_once(old.readable()).is_pending());
            old_peer.write_all(b"old").unwrap();
            drop(old);

            let (new, mut new_peer) = pair_with_std();
            let (wakes, waker) = Wakes::new();
            let mut buffer = [0; 8];
            let mut read = Box::pin(new.read(&mut buffer));
            assert!(poll(read.as_mut(), &waker).is_pending());
            greenloop::sleep(std::time::Duration::from_micros(1)).await;
            assert_eq!(wakes.count(), 0);
            new_peer.write_all(b"new").unwrap();
            assert_eq!(read.await.unwrap(), 3);
        }
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn a_socket_that_returns_under_its_old_number_is_watched_again() {
    let _alone = alone();
    run(async {
        let (old, mut peer) = pair_with_std();
        assert!(poll_once(old.readable()).is_pending());
        let number = old.as_raw_fd();
        let copy = duplicate(number, 500);
        drop(old);
        // The kernel still watches this very file under this very number.
        let back = duplicate(copy.as_raw_fd(), number);
        assert_eq!(back.as_raw_fd(), number);

        let again = TcpStream::try_from(back).unwrap();
        let mut buffer = [0];
        let mut read = pin!(again.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());
        peer.write_all(b"x").unwrap();

        assert_eq!(read.await.unwrap(), 1);
        assert_eq!(statistics().sockets, 1);
    });
}

#[test]
fn two_descriptors_of_one_socket_are_both_told() {
    let _alone = alone();
    run(async {
        let (one, mut peer) = std_pair();
        let other = TcpStream::from_std(one.try_clone().unwrap()).unwrap();
        let one = TcpStream::from_std(one).unwrap();
        let mut first = Box::pin(one.readable());
        let mut second = Box::pin(other.readable());
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());

        peer.write_all(b"x").unwrap();

        first.await.unwrap();
        second.await.unwrap();
        assert_eq!(one.read(&mut [0; 8]).await.unwrap(), 1);
        drop(one);
        let mut buffer = [0; 8];
        let mut read = pin!(other.read(&mut buffer));
        assert!(poll_once(read.as_mut()).is_pending());
        peer.write_all(b"yz").unwrap();
        assert_eq!(read.await.unwrap(), 2);
    });
}

#[test]
fn a_registration_is_given_back_although_the_descriptor_was_replaced_behind_its_back() {
    let _alone = alone();
    run(async {
        let (ours, _theirs) = pair_with_std();
        let (wakes, waker) = Wakes::new();
        let mut readable = Box::pin(ours.readable());
        assert!(poll(readable.as_mut(), &waker).is_pending());
        let null = File::open("/dev/null").unwrap();
        // SAFETY: takes no pointers; the number stays a valid descriptor of the socket's owner.
        assert!(unsafe { libc::dup2(null.as_raw_fd(), ours.as_raw_fd()) } >= 0);

        drop(readable);
        drop(ours);

        assert_eq!((statistics().sockets, wakes.clones()), (0, 0));
    });
}

#[test]
fn into_std_of_a_descriptor_that_was_replaced_leaves_no_registration() {
    let _alone = alone();
    run(async {
        let (ours, _theirs) = pair_with_std();
        assert!(poll_once(ours.readable()).is_pending());
        let null = File::open("/dev/null").unwrap();
        // SAFETY: takes no pointers; the number stays a valid descriptor of the socket's owner.
        assert!(unsafe { libc::dup2(null.as_raw_fd(), ours.as_raw_fd()) } >= 0);

        // Whether this is an error is not the question.
        drop(ours.into_std());

        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn what_cannot_be_watched_is_an_error_and_not_a_wait() {
    let _alone = alone();
    run(async {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let no_socket = TcpStream::try_from(OwnedFd::from(file)).unwrap();

        let readable = no_socket.readable().await.unwrap_err();
        assert_eq!(readable.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(matches!(poll_once(no_socket.read(&mut [0])), Poll::Ready(Err(_))));
        assert_eq!(statistics().sockets, 0);
    });
}
