//! The waits of those who send: for room in the channel.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use super::{error::SendError, permit::Permit, sender::Sender};
use crate::sync::permits::{Closed, HasPermits, Permits, Take};

impl<T> HasPermits for Sender<T> {
    #[inline]
    fn permits(&self) -> &Permits {
        &self.shared.slots
    }

    /// It may have been granted the slot whose end the receiver waits for.
    fn gave_up(&self) {
        self.shared.notice_end();
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Sender::send`].
    #[must_use = "a future does nothing unless awaited"]
    pub struct Send<'a, T> {
        pub(super) value: Option<T>,
        #[pin]
        pub(super) room: Take<&'a Sender<T>>,
    }
}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let sender = *this.room.source();
        this.room.poll(cx).map(|room| {
            let value = this.value.take().expect("a future is not polled after its end");
            match room {
                Ok(()) => sender.shared.push(value).map_err(SendError),
                Err(Closed) => Err(SendError(value)),
            }
        })
    }
}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Sender::reserve`].
    #[must_use = "a future does nothing unless awaited"]
    pub struct Reserve<'a, T> {
        #[pin]
        pub(super) room: Take<&'a Sender<T>>,
    }
}

impl<'a, T> Future for Reserve<'a, T> {
    type Output = Result<Permit<'a, T>, SendError<()>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sender = *self.room.source();
        self.project().room.poll(cx).map(|room| match room {
            Ok(()) => Ok(Permit { sender }),
            Err(Closed) => Err(SendError(())),
        })
    }
}

impl<T> fmt::Debug for Reserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").finish_non_exhaustive()
    }
}
