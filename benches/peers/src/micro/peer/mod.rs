//! How each runtime starts, spawns, yields and sleeps: one file per runtime.

#[cfg(feature = "greenloop")]
pub mod greenloop;
#[cfg(feature = "greenloop")]
pub mod greenloop_green;

pub mod compio;
pub mod glommio;
pub mod may;
pub mod monoio;
pub mod smol;
pub mod stacks;
pub mod threads;
pub mod tokio;
pub mod tokio_multi;
