//! monoio, on io_uring and on its epoll ("legacy") driver.
//!
//! It has no `yield_now`, and a task that wakes itself is run again before all others. What
//! lets the others run is to wait for a task that does nothing, so that stands in.

use crate::micro::Runtime;
use monoio::task::JoinHandle;
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};
use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

/// monoio on io_uring.
pub type MonoioUring = Monoio<IoUringDriver>;
/// monoio on epoll.
pub type MonoioEpoll = Monoio<LegacyDriver>;

/// monoio on the driver `D`.
pub struct Monoio<D>(PhantomData<D>);

/// The one thing that depends on the driver.
pub trait Start: 'static {
    /// Runs a future to its end on this driver.
    fn block_on<F: Future>(future: F) -> F::Output;
}

impl Start for IoUringDriver {
    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = RuntimeBuilder::<IoUringDriver>::new().enable_timer().build();
        runtime.expect("monoio starts").block_on(future)
    }
}

impl Start for LegacyDriver {
    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build();
        runtime.expect("monoio starts").block_on(future)
    }
}

impl<D: Start> Runtime for Monoio<D> {
    type Handle<T: 'static> = JoinHandle<T>;

    fn block_on<F: Future<Output: 'static> + 'static>(future: F) -> F::Output {
        D::block_on(future)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> JoinHandle<F::Output> {
        monoio::spawn(future)
    }

    fn join<T: 'static>(handle: JoinHandle<T>) -> impl Future<Output = T> + 'static {
        handle
    }

    fn detach<T: 'static>(handle: JoinHandle<T>) {
        drop(handle);
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        monoio::spawn(async {})
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep(duration)
    }
}
