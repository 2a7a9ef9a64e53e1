//! How each peer does what is measured: one file per peer.

pub mod corosensei;
pub mod greenloop;
pub mod may;
pub mod system;
