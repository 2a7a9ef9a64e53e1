//! What the tests about time and sockets share: connected pairs, wakers that count, a guard
//! against waiting for ever.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    future::poll_fn,
    io,
    net::Shutdown,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use greenloop::net::TcpStream;

/// When a wait counts as endless. Nothing is expected to be faster than this by any factor.
const ENDLESS: Duration = Duration::from_secs(30);

/// Runs a future on a loop of its own; panics instead of waiting for ever.
#[track_caller]
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    greenloop::run(within(future))
}

/// Panics instead of waiting for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    let mut limit = pin!(greenloop::sleep(ENDLESS));
    let mut future = pin!(future);
    // The limit is looked at first: a future that would be ready, but was told by nobody, is one
    // that waits for ever.
    poll_fn(|cx| {
        assert!(limit.as_mut().poll(cx).is_pending(), "this would wait for ever");
        future.as_mut().poll(cx)
    })
    .await
}

/// A connection, with neither end registered anywhere yet.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let (ours, theirs) = std_pair();
    (TcpStream::from_std(ours).unwrap(), TcpStream::from_std(theirs).unwrap())
}

/// A connection whose other end blocks its thread, and knows nothing of loops.
pub(crate) fn pair_with_std() -> (TcpStream, std::net::TcpStream) {
    let (ours, theirs) = std_pair();
    (TcpStream::from_std(ours).unwrap(), theirs)
}

/// A connection between two sockets of the standard library.
pub(crate) fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for end in [&client, &server] {
        end.set_read_timeout(Some(ENDLESS)).unwrap();
        end.set_write_timeout(Some(ENDLESS)).unwrap();
    }
    (client, server)
}

/// Closes a connection so that the peer gets a reset instead of the end of the stream.
pub(crate) fn reset(stream: std::net::TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Writes until neither the socket nor its peer takes any more, and gives the number of bytes.
pub(crate) async fn fill(stream: &TcpStream) -> usize {
    const SETTLED: Duration = Duration::from_millis(20);
    let mut filled = 0;
    loop {
        match stream.try_write(&[b'.'; 16 * 1024]) {
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if greenloop::timeout(SETTLED, stream.writable()).await.is_err() {
                    return filled;
                }
            }
            Err(error) => panic!("filling the buffers: {error}"),
        }
    }
}

/// Reads so many bytes and throws them away.
pub(crate) async fn drain(stream: &TcpStream, mut bytes: usize) {
    let mut buffer = vec![0; 64 * 1024];
    while bytes > 0 {
        let most = bytes.min(buffer.len());
        let count = stream.read(&mut buffer[..most]).await.unwrap();
        assert!(count > 0, "{bytes} bytes are missing");
        bytes -= count;
    }
}

/// Reads to the end of the stream.
pub(crate) async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Sends back what comes, to the end of the stream.
pub(crate) async fn echo(stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// Bytes that show when one of them is missing or out of place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

/// Counts how often its wakers were woken, and how many of them there are.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::<Self>::default();
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// How many clones of the waker that `new` gave somebody holds, while that one is alive.
    pub(crate) fn clones(self: &Arc<Self>) -> usize {
        Arc::strong_count(self) - 2
    }
}

/// A waker that calls a function.
pub(crate) fn waker_fn(wake: impl Fn() + Send + Sync + 'static) -> Waker {
    struct Call<F>(F);
    impl<F: Fn() + Send + Sync> Wake for Call<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    Waker::from(Arc::new(Call(wake)))
}

/// Polls once, in the name of `waker`.
pub(crate) fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Polls once, and leaves nobody to be woken.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    poll(pin!(future), Waker::noop())
}

/// The same numbers at every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
