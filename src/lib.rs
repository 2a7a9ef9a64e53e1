//! placeholder
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!("greenloop runs on Linux and other Unix systems; Windows is not supported yet");

mod executor;
#[cfg(not(greenloop_loom))]
mod reactor;
#[cfg(not(greenloop_loom))]
mod timers;

#[cfg(not(greenloop_loom))]
pub mod blocking;
#[cfg(not(greenloop_loom))]
pub mod event_loop;
#[cfg(not(greenloop_loom))]
pub mod task;
#[cfg(not(greenloop_loom))]
pub mod time;

#[cfg(not(greenloop_loom))]
mod io;
#[cfg(not(greenloop_loom))]
pub mod net;
#[cfg(not(greenloop_loom))]
pub mod signal;
#[cfg(not(greenloop_loom))]
pub use self::{
    blocking::spawn_blocking,
    event_loop::{EventLoop, Handle, run, statistics},
    task::{join_all, spawn, yield_now},
    time::{sleep, timeout},
};
