#![allow(unsafe_code, reason = "plays with descriptors that std has no type for")]
//! Any descriptor that the kernel can watch can be waited for, and none is disturbed by another that
//! had its number.

use std::{
    cell::Cell,
    fs::File,
    io::{ErrorKind, Read as _, Write as _},
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    pin::{Pin, pin},
    rc::Rc,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{AsyncRead, AsyncReadExt};
use greenloop::{net::AsyncFd, net::UdpSocket, sleep, statistics};

#[path = "support/net.rs"]
mod support;
use support::{Wakes, poll, poll_once, run};

const MILLISECOND: Duration = Duration::from_millis(1);

/// The tests in this file open and close descriptors one at a time, so that the numbers are known.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pair() -> (AsyncFd<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (AsyncFd::new(ours).unwrap(), theirs)
}

/// A counter that the kernel watches, and that no crate here knows.
fn eventfd() -> File {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: just made, and nobody else's.
    unsafe { File::from_raw_fd(fd) }
}

#[test]
fn a_descriptor_of_another_kind_is_waited_for() {
    let _alone = alone();
    run(async {
        let counter = Rc::new(AsyncFd::new(eventfd()).unwrap());
        let reader = greenloop::spawn({
            let counter = Rc::clone(&counter);
            async move {
                let mut number = [0; 8];
                counter.read_with(|mut file| file.read_exact(&mut number)).await.unwrap();
                u64::from_ne_bytes(number)
            }
        });
        sleep(MILLISECOND).await;
        assert!(!reader.is_finished());
        counter.write_with(|mut file| file.write_all(&7_u64.to_ne_bytes())).await.unwrap();
        assert_eq!(reader.await.unwrap(), 7);
    });
}

#[test]
fn an_operation_is_done_again_until_it_does_not_block() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = pair();
        let tries = Cell::new(0);
        let mut buffer = [0; 8];
        let mut read = pin!(ours.read_with(|mut stream| {
            tries.set(tries.get() + 1);
            stream.read(&mut buffer)
        }));
        assert!(poll_once(read.as_mut()).is_pending());
        // Not asked again before the kernel has said something.
        assert!(poll_once(read.as_mut()).is_pending());
        assert_eq!(tries.get(), 1);
        theirs.write_all(b"now").unwrap();
        assert_eq!(read.await.unwrap(), 3);
        assert_eq!(tries.get(), 2);
    });
}

#[test]
fn errors_of_an_operation_come_out() {
    let _alone = alone();
    run(async {
        let (ours, _theirs) = pair();
        let error = ours.read_with(|_| Err::<(), _>(ErrorKind::InvalidData.into())).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidData);
        let error = ours.try_read_with(|mut stream| stream.read(&mut [0])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(ours.try_write_with(|mut stream| stream.write(b"x")).unwrap(), 1);
    });
}

#[test]
fn readiness_lasts_until_it_is_used_up_or_said_to_be() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = pair();
        let mut readable = Box::pin(ours.readable());
        assert!(poll_once(readable.as_mut()).is_pending());
        theirs.write_all(b"x").unwrap();
        readable.await.unwrap();
        assert!(poll_once(ours.readable()).is_ready());
        // A C library reads behind our back.
        assert_eq!(ours.get_ref().read(&mut [0; 8]).unwrap(), 1);
        assert!(poll_once(ours.readable()).is_ready());
        ours.clear_readable();
        let mut readable = Box::pin(ours.readable());
        assert!(poll_once(readable.as_mut()).is_pending());
        theirs.write_all(b"y").unwrap();
        readable.await.unwrap();

        ours.writable().await.unwrap();
        ours.clear_writable();
        assert!(poll_once(ours.writable()).is_pending());
    });
}

#[test]
fn both_directions_wait_apart() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = pair();
        while ours.try_write_with(|mut stream| stream.write(&[0; 4096])).is_ok() {}
        let (reads, read_waker) = Wakes::new();
        let (writes, write_waker) = Wakes::new();
        let mut readable = Box::pin(ours.readable());
        let mut writable = Box::pin(ours.writable());
        assert!(poll(readable.as_mut(), &read_waker).is_pending());
        assert!(poll(writable.as_mut(), &write_waker).is_pending());
        theirs.write_all(b"x").unwrap();
        while reads.count() == 0 {
            sleep(MILLISECOND).await;
        }
        assert_eq!((reads.count(), writes.count()), (1, 0));
        drop((readable, writable));
        assert_eq!((reads.clones(), writes.clones()), (0, 0));
    });
}

#[test]
fn a_type_of_ones_own_is_made_a_stream() {
    struct Line(AsyncFd<UnixStream>);
    impl AsyncRead for Line {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<std::io::Result<usize>> {
            self.0.poll_read_with(cx, |mut stream| stream.read(buffer))
        }
    }
    let _alone = alone();
    run(async {
        let (ours, theirs) = pair();
        let writer = greenloop::spawn(async move {
            let theirs = AsyncFd::new(theirs).unwrap();
            let mut rest: &[u8] = b"through a type of one's own";
            while !rest.is_empty() {
                let write = |cx: &mut Context<'_>| {
                    theirs.poll_write_with(cx, |mut stream| stream.write(&rest[..1]))
                };
                let count = std::future::poll_fn(write).await.unwrap();
                rest = &rest[count..];
            }
        });
        let mut text = String::new();
        Line(ours).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "through a type of one's own");
        writer.await.unwrap();
    });
}

#[test]
fn a_blocking_descriptor_is_put_into_the_other_mode_or_left_alone() {
    let _alone = alone();
    let is_nonblocking = |fd: BorrowedFd<'_>| {
        // SAFETY: takes no pointers.
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK != 0 }
    };
    let (one, other) = UnixStream::pair().unwrap();
    let one = AsyncFd::new(one).unwrap();
    assert!(is_nonblocking(one.as_fd()));
    let other = AsyncFd::from_nonblocking(other);
    assert!(!is_nonblocking(other.as_fd()));
    run(async move {
        // Good enough to wait for, and then to read what there is.
        let mut readable = Box::pin(other.readable());
        assert!(poll_once(readable.as_mut()).is_pending());
        one.get_ref().write_all(b"x").unwrap();
        readable.await.unwrap();
        assert_eq!(other.get_ref().read(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn what_cannot_be_watched_is_an_error() {
    let _alone = alone();
    run(async {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let file = AsyncFd::new(file).unwrap();
        let error = file.readable().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        // But it can be read, since it never blocks.
        let mut magic = [0; 4];
        file.read_with(|mut file| file.read_exact(&mut magic)).await.unwrap();
        assert_eq!(&magic, b"\x7fELF");
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn one_that_is_watched_already_is_an_error_and_the_first_goes_on() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let first = AsyncFd::new(ours.as_fd()).unwrap();
        let second = AsyncFd::new(ours.as_fd()).unwrap();
        let mut readable = Box::pin(first.readable());
        assert!(poll_once(readable.as_mut()).is_pending());
        let error = second.readable().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        theirs.write_all(b"x").unwrap();
        readable.await.unwrap();

        // When the first is gone the second can have it.
        drop(first);
        assert_eq!(statistics().sockets, 0);
        second.readable().await.unwrap();
        drop(second);
        // A duplicate is another one.
        let copy = ours.try_clone().unwrap();
        let (one, other) = (AsyncFd::new(ours).unwrap(), AsyncFd::new(copy).unwrap());
        one.readable().await.unwrap();
        other.readable().await.unwrap();
        assert_eq!(statistics().sockets, 2);
    });
}

#[test]
fn a_descriptor_that_outlives_its_watch_is_no_longer_watched() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        for _ in 0..3 {
            let watched = AsyncFd::new(&ours).unwrap();
            assert!(poll_once(watched.readable()).is_pending());
            assert_eq!(statistics().sockets, 1);
            drop(watched);
            assert_eq!(statistics().sockets, 0);
        }
        let back = AsyncFd::new(ours).unwrap();
        assert!(poll_once(back.readable()).is_pending());
        let ours = back.into_inner().unwrap();
        assert_eq!(statistics().sockets, 0);
        // The kernel has nothing to say any more: the loop sleeps for all of this.
        let before = statistics().turns;
        theirs.write_all(b"x").unwrap();
        sleep(5 * MILLISECOND).await;
        assert!(statistics().turns - before < 10);
        drop(ours);
    });
}

#[test]
fn a_number_that_was_closed_behind_its_back_and_given_again_stays_with_its_new_owner() {
    let _alone = alone();
    run(async {
        for _ in 0..20 {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            let number = ours.as_raw_fd();
            // An owner that does not know that it lost it.
            // SAFETY: the number is open now; nothing is done with it after it was closed.
            let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
            let lost = AsyncFd::new(borrowed).unwrap();
            let mut wait = Box::pin(lost.readable());
            assert!(poll_once(wait.as_mut()).is_pending());
            drop(ours);

            let new = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            assert_eq!(new.as_raw_fd(), number, "the lowest free number is given");
            let (wakes, waker) = Wakes::new();
            let mut buffer = [0; 8];
            let mut recv = Box::pin(new.recv(&mut buffer));
            assert!(poll(recv.as_mut(), &waker).is_pending());
            drop(wait);
            drop(lost);

            let address = new.local_addr().unwrap();
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", address).unwrap();
            while wakes.count() == 0 {
                sleep(MILLISECOND).await;
            }
            assert_eq!(recv.await.unwrap(), 1);
        }
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn who_waits_for_a_descriptor_that_is_closed_behind_its_back_can_be_aborted() {
    let _alone = alone();
    run(async {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let number = ours.as_raw_fd();
        // SAFETY: as above.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let lost = AsyncFd::new(borrowed).unwrap();
        let task = greenloop::spawn(async move { lost.readable().await });
        greenloop::yield_now().await;
        drop(ours);
        sleep(MILLISECOND).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(statistics().sockets, 0);
    });
}

#[test]
fn it_is_dropped_on_another_thread() {
    let _alone = alone();
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let ours = std::sync::Arc::new(ours);
        let watched = AsyncFd::new(SharedStream(std::sync::Arc::clone(&ours))).unwrap();
        assert!(poll_once(watched.readable()).is_pending());
        std::thread::spawn(move || drop(watched)).join().unwrap();
        while statistics().sockets > 0 {
            sleep(MILLISECOND).await;
        }
        let again = AsyncFd::new(ours.as_fd()).unwrap();
        (&theirs).write_all(b"x").unwrap();
        again.readable().await.unwrap();
    });
}

struct SharedStream(std::sync::Arc<UnixStream>);

impl std::os::fd::AsFd for SharedStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[test]
fn outside_of_a_loop_a_wait_is_an_error() {
    let _alone = alone();
    let (ours, _theirs) = pair();
    assert!(matches!(poll_once(ours.readable()), Poll::Ready(Err(_))));
    let owned: OwnedFd = ours.into_inner().unwrap().into();
    drop(owned);
}
