//! greenloop.

use crate::micro::Runtime;
use greenloop::task::JoinHandle;
use std::future::Future;
use std::time::Duration;

/// greenloop.
pub struct Greenloop;

impl Runtime for Greenloop {
    type Handle<T: 'static> = JoinHandle<T>;

    fn block_on<F: Future<Output: 'static> + 'static>(future: F) -> F::Output {
        greenloop::run(future)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> JoinHandle<F::Output> {
        greenloop::spawn(future)
    }

    async fn join<T: 'static>(handle: JoinHandle<T>) -> T {
        handle.await.expect("the task does not panic")
    }

    fn detach<T: 'static>(handle: JoinHandle<T>) {
        drop(handle);
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        greenloop::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        greenloop::sleep(duration)
    }
}
