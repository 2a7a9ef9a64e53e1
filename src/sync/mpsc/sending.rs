//! The waits of those who send: for room in the channel.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use super::{error::SendError, permit::Permit, sender::Sender};
use crate::sync::permits::{Closed, Take};

pin_project_lite::pin_project! {
    /// A wait for a slot of the channel.
    pub(super) struct Room<'a, T> {
        sender: &'a Sender<T>,
        #[pin]
        take: Take<'a>,
    }

    impl<T> PinnedDrop for Room<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.sender.is_closed() {
                // It may have been granted the slot that the receiver waits for the end of.
                this.take.give_up();
                this.sender.shared.notice_end();
            }
        }
    }
}

impl<'a, T> Room<'a, T> {
    #[inline]
    pub(super) fn new(sender: &'a Sender<T>) -> Self {
        Self { sender, take: sender.shared.slots.take(1) }
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&'a Sender<T>, Closed>> {
        let this = self.project();
        let sender = *this.sender;
        this.take.poll(cx).map_ok(|()| sender)
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Sender::send`].
    #[must_use = "a future does nothing unless awaited"]
    pub struct Send<'a, T> {
        pub(super) value: Option<T>,
        #[pin]
        pub(super) room: Room<'a, T>,
    }
}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.room.poll(cx).map(|room| {
            let value = this.value.take().expect("a future is not polled after its end");
            match room {
                Ok(sender) => sender.shared.push(value).map_err(SendError),
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
        pub(super) room: Room<'a, T>,
    }
}

impl<'a, T> Future for Reserve<'a, T> {
    type Output = Result<Permit<'a, T>, SendError<()>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().room.poll(cx).map(|room| match room {
            Ok(sender) => Ok(Permit { sender }),
            Err(Closed) => Err(SendError(())),
        })
    }
}

impl<T> fmt::Debug for Reserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").finish_non_exhaustive()
    }
}
