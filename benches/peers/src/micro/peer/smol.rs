//! smol: its `LocalExecutor`, driven by `block_on`.

use crate::micro::Runtime;
use smol::{LocalExecutor, Task, Timer};
use std::future::Future;
use std::time::Duration;

/// smol.
pub struct Smol;

impl Runtime for Smol {
    type Handle<T: 'static> = Task<T>;

    fn block_on<F: Future<Output: 'static> + 'static>(future: F) -> F::Output {
        EXECUTOR.with(|executor| smol::block_on(executor.run(future)))
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> Task<F::Output> {
        EXECUTOR.with(|executor| executor.spawn(future))
    }

    fn join<T: 'static>(handle: Task<T>) -> impl Future<Output = T> + 'static {
        handle
    }

    fn detach<T: 'static>(handle: Task<T>) {
        handle.detach();
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        smol::future::yield_now()
    }

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }
}

thread_local! {
    /// smol leaves it to the user where the executor lives.
    static EXECUTOR: LocalExecutor<'static> = const { LocalExecutor::new() };
}
