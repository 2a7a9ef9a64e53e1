//! A channel from many senders to one receiver.
//!
//! [`channel`] has a capacity, and [`Sender::send`] waits while it is used up: whoever produces faster than
//! is consumed is held back. [`unbounded_channel`] takes everything at once.
//!
//! The channel ends when the last sender is dropped, and what was sent is still received; or when the
//! receiver is dropped or closed, and senders get back what they cannot send.
//!
//! # Examples
//!
//! ```
//! use greenloop::sync::mpsc;
//!
//! greenloop::run(async {
//!     let (sender, mut receiver) = mpsc::channel(2);
//!     for producer in 0..3 {
//!         let sender = sender.clone();
//!         greenloop::spawn(async move {
//!             for number in 0..10 {
//!                 sender.send(producer * 10 + number).await.unwrap();
//!             }
//!         });
//!     }
//!     drop(sender);
//!     let mut sum = 0;
//!     while let Some(number) = receiver.recv().await {
//!         sum += number;
//!     }
//!     assert_eq!(sum, (0..30).sum::<i32>());
//! });
//! ```
//!
//! The files: `shared.rs` what all ends share, `receiving.rs` the wait for a message, `sending.rs` the
//! wait for room; `sender.rs`, `receiver.rs`, `permit.rs` and `unbounded.rs` the ends.

pub mod error;
mod permit;
mod receiver;
mod receiving;
mod sender;
mod sending;
mod shared;
mod unbounded;

pub use self::{
    permit::{OwnedPermit, Permit, PermitIterator},
    receiver::Receiver,
    receiving::{Recv, RecvMany},
    sender::{Sender, WeakSender, channel},
    sending::{Reserve, Send},
    unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel},
};
