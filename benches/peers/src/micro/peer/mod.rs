//! How each runtime starts, spawns, yields and sleeps: one file per runtime.

#[cfg(feature = "greenloop")]
pub mod greenloop;
#[cfg(feature = "greenloop")]
pub mod greenloop_green;

#[cfg(feature = "compio")]
pub mod compio;
#[cfg(feature = "corosensei")]
pub mod corosensei;
#[cfg(feature = "glommio")]
pub mod glommio;
#[cfg(feature = "may")]
pub mod may;
#[cfg(feature = "monoio")]
pub mod monoio;
#[cfg(feature = "smol")]
pub mod smol;
pub mod stacks;
pub mod threads;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tokio")]
pub mod tokio_multi;
