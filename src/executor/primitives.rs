//! The atomics and thread-locals of the parts that other threads reach.
//!
//! A normal build takes them from `std`; a build with `--cfg greenloop_loom` takes them from
//! `loom`, which then explores every interleaving of the models in `models.rs`.

#[cfg(not(greenloop_loom))]
pub(crate) use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering, fence},
};

#[cfg(greenloop_loom)]
pub(crate) use loom::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering, fence},
};
