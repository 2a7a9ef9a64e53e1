//! glommio, which is io_uring only.

use crate::micro::Runtime;
use glommio::{LocalExecutorBuilder, Placement, Task};
use std::future::Future;
use std::time::Duration;

/// glommio.
pub struct Glommio;

impl Runtime for Glommio {
    type Handle<T: 'static> = Task<T>;

    fn block_on<F: Future<Output: 'static> + 'static>(future: F) -> F::Output {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make();
        executor.expect("glommio starts").run(future)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> Task<F::Output> {
        glommio::spawn_local(future)
    }

    fn join<T: 'static>(handle: Task<T>) -> impl Future<Output = T> + 'static {
        handle
    }

    fn detach<T: 'static>(handle: Task<T>) {
        handle.detach();
    }

    async fn yield_now() {
        glommio::executor().yield_now().await;
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        glommio::timer::sleep(duration)
    }
}
