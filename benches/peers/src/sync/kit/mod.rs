//! The kits: one file each.

#[cfg(feature = "glommio")]
pub mod glommio;
#[cfg(feature = "greenloop")]
pub mod greenloop;
#[cfg(feature = "may")]
pub mod may;
#[cfg(feature = "monoio")]
pub mod monoio;
#[cfg(feature = "smol")]
pub mod smol;
#[cfg(feature = "tokio")]
pub mod tokio;
