//! A future that runs in another context than its task's.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use super::context::Change;

/// Calls a closure while the change is in force.
pub(super) fn changed<R>(change: &mut Change, f: impl FnOnce() -> R) -> R {
    change.swap();
    let back = Back(change);
    let result = f();
    drop(back);
    result
}

/// Takes the change back, also after a panic.
struct Back<'a>(&'a mut Change);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.swap();
    }
}

pin_project_lite::pin_project! {
    /// The future of [`ContextVar::scope`](super::ContextVar::scope) and
    /// [`Context::scope`](super::Context::scope).
    #[must_use = "a future does nothing unless awaited"]
    pub struct WithContext<F> {
        change: Change,
        // `None` once it was dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for WithContext<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            changed(this.change, || this.future.set(None));
        }
    }
}

impl<F> WithContext<F> {
    pub(super) fn new(change: Change, future: F) -> Self {
        Self { change, future: Some(future) }
    }

    /// Has the future run under another change from here on.
    pub(super) fn set_change(self: Pin<&mut Self>, change: Change) {
        *self.project().change = change;
    }
}

impl<F: Future> Future for WithContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        changed(this.change, || {
            let future = this.future.as_mut().as_pin_mut();
            let polled = future.expect("polled after it was done").poll(cx);
            if polled.is_ready() {
                // Its destructor runs in the context, too.
                this.future.set(None);
            }
            polled
        })
    }
}

impl<F> fmt::Debug for WithContext<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithContext").finish_non_exhaustive()
    }
}
