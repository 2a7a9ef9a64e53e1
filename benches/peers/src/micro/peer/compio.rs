//! compio, which takes io_uring where the kernel has it.
//!
//! It has no `yield_now`, so one that only wakes the task and returns pending stands in.

use crate::micro::Runtime;
use compio::runtime::{JoinHandle, Runtime as CompioRuntime};
use std::future::Future;
use std::time::Duration;

/// compio.
pub struct Compio;

impl Runtime for Compio {
    type Handle<T: 'static> = JoinHandle<T>;

    fn block_on<F: Future<Output: 'static> + 'static>(future: F) -> F::Output {
        CompioRuntime::new().expect("compio starts").block_on(future)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> JoinHandle<F::Output> {
        compio::runtime::spawn(future)
    }

    async fn join<T: 'static>(handle: JoinHandle<T>) -> T {
        match handle.await {
            Ok(output) => output,
            Err(_) => panic!("the task does not panic"),
        }
    }

    fn detach<T: 'static>(handle: JoinHandle<T>) {
        handle.detach();
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        compio::time::sleep(duration)
    }
}
