//! How each runtime starts, spawns, yields and sleeps: one file per runtime.

#[cfg(feature = "greenloop")]
pub mod greenloop;

pub mod compio;
pub mod glommio;
pub mod monoio;
pub mod smol;
pub mod threads;
pub mod tokio;
