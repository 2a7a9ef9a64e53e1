//! The kits: one file each.

pub mod glommio;
#[cfg(feature = "greenloop")]
pub mod greenloop;
pub mod may;
pub mod monoio;
pub mod smol;
pub mod tokio;
