//! The echo servers: one file per runtime, the same server in each.
//!
//! Every server binds a free port of the loopback interface, says where it listens, serves
//! each connection by one task with a buffer of its own, and runs until it is killed.
//! `TCP_NODELAY` is on everywhere. They differ only where the runtimes differ, so a `diff`
//! of two files is the difference between two runtimes.

#[cfg(feature = "greenloop")]
pub mod greenloop;
#[cfg(feature = "greenloop")]
pub mod greenloop_green;

#[cfg(feature = "compio")]
pub mod compio;
#[cfg(feature = "glommio")]
pub mod glommio;
#[cfg(feature = "may")]
pub mod may;
#[cfg(feature = "monoio")]
pub mod monoio;
pub mod raw;
#[cfg(feature = "smol")]
pub mod smol;
pub mod threads;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tokio")]
pub mod tokio_multi;

use crate::{cpu, runtimes};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// What the driver asks this process to do.
pub struct ServePart {
    /// Whose server to be.
    pub runtime: String,
    /// The read buffer of each connection.
    pub buffer: usize,
    /// The processor to run on.
    pub cpu: usize,
}

/// Where every server listens: a free port, for this machine only.
pub const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// Becomes the server that `part` names.
pub fn serve(part: &ServePart) -> io::Result<()> {
    cpu::die_with_parent(LIFETIME_SECONDS);
    cpu::pin(part.cpu)?;
    cpu::raise_file_limit()?;
    let echo = runtimes::find(&part.runtime)?.echo;
    echo.ok_or_else(|| io::Error::other("this one has no server"))?(part.buffer)
}

/// Tells the driver where this server listens and which process it is.
fn announce(address: SocketAddr) {
    println!("pid={}", std::process::id());
    println!("port={}", address.port());
}

/// The process ends after so long, whatever happens.
const LIFETIME_SECONDS: u32 = 900;
