//! What one task, thread or process costs: to create, to switch to, to talk to, to keep.
//!
//! Every measurement has a process to itself, bound to one processor, and counts the CPU time of that
//! process. On one processor a thread that waits for another costs the least: no core has to be woken.

mod channel;
mod create;
mod lock;
mod parked;
mod switch;

pub use create::BATCH;

use std::io;

use serde_json::json;

use crate::{
    cli::{Cost, OnePart},
    clock, system,
};

/// Takes a measurement and prints its figures.
pub fn measure(part: &OnePart) -> io::Result<()> {
    system::die_with_parent(300);
    system::raise_file_limit()?;
    if let Some(cpu) = part.cpu {
        system::bind(&[cpu])?;
    }
    let (model, count) = (part.model, part.count);
    match part.cost {
        Cost::Create => print(create::create(model, count)?, count),
        Cost::Pair => print(switch::switch(model, 2, count / 2)?, count / 2 * 2),
        Cost::Ring => print(switch::switch(model, RING, count / RING)?, count / RING * RING),
        Cost::Channel => print(channel::ping_pong(model, count)?, count),
        Cost::Lock => print(lock::hand_over(model, count)?, count),
        // It prints by itself, while they still wait.
        Cost::Parked => parked::park(model, count)?,
    }
    Ok(())
}

fn print(cost: clock::Cost, operations: usize) {
    let each = |time: std::time::Duration| time.as_nanos() as f64 / operations as f64;
    println!("{}", json!({ "ns": each(cost.cpu), "wall_ns": each(cost.wall) }));
}

/// How many take turns in a ring.
pub const RING: usize = 1_000;
