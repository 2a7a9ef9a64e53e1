//! A slot of a channel that was taken before there is a message.

use std::{fmt, iter::FusedIterator, mem::ManuallyDrop};

use super::sender::Sender;

/// A slot of a channel: to send then needs no wait. Given back when it is dropped.
#[must_use = "the slot is given back when this is dropped"]
#[clippy::has_significant_drop]
pub struct Permit<'a, T> {
    pub(super) sender: &'a Sender<T>,
}

impl<T> Permit<'_, T> {
    /// Sends a message. It is dropped if the receiver was.
    pub fn send(self, value: T) {
        let this = ManuallyDrop::new(self);
        let refused = this.sender.shared.push(value);
        drop(refused);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.sender.shared.give_back(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Slots for several messages, given as one [`Permit`] each. Those that are left are given back when it is
/// dropped.
#[must_use = "the slots are given back when this is dropped"]
#[clippy::has_significant_drop]
pub struct PermitIterator<'a, T> {
    pub(super) sender: &'a Sender<T>,
    pub(super) left: usize,
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.left = self.left.checked_sub(1)?;
        Some(Permit { sender: self.sender })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        self.sender.shared.give_back(self.left);
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator").field("left", &self.left).finish_non_exhaustive()
    }
}

/// A slot of a channel, with its sender.
#[must_use = "the slot is given back when this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedPermit<T> {
    pub(super) sender: Sender<T>,
    /// Whether the slot is still to be given back.
    pub(super) unused: bool,
}

impl<T> OwnedPermit<T> {
    /// Sends a message, and gives the sender back. The message is dropped if the receiver was.
    pub fn send(mut self, value: T) -> Sender<T> {
        self.unused = false;
        let refused = self.sender.shared.push(value);
        drop(refused);
        self.sender.clone()
    }

    /// Gives back the slot, and the sender.
    pub fn release(self) -> Sender<T> {
        self.sender.clone()
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if self.unused {
            self.sender.shared.give_back(1);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
