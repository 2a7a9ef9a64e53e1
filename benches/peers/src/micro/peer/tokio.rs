//! tokio: its current-thread scheduler as a `LocalRuntime`.

use crate::micro::Runtime;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{JoinHandle, spawn_local, yield_now};

/// tokio.
pub struct Tokio;

impl Runtime for Tokio {
    type Handle<T: 'static> = JoinHandle<T>;

    fn block_on<F: Future<Output: 'static> + 'static>(future: F) -> F::Output {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        runtime.expect("tokio starts").block_on(future)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> JoinHandle<F::Output> {
        spawn_local(future)
    }

    async fn join<T: 'static>(handle: JoinHandle<T>) -> T {
        handle.await.expect("the task does not panic")
    }

    fn detach<T: 'static>(handle: JoinHandle<T>) {
        drop(handle);
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(duration)
    }
}
