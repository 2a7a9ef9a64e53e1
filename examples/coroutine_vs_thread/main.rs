//! Coroutines against threads, with numbers and pictures: what async tasks, green threads, the threads of the
//! system and processes cost, and what each of them is good for, on your machine.
//!
//! ```text
//! cargo run --release --example coroutine_vs_thread [--quick] [--only NAME,..] [--out DIR] [--json FILE]
//! ```
//!
//! It takes a few minutes (`--quick`: below 30 s), prints a table, and writes `report.html`, the same
//! pictures as SVG files and every single figure as `report.json` into DIR, which is
//! `target/coroutine_vs_thread` unless given. `--draw FILE` makes the report anew from such a file.
//!
//! # How it measures
//!
//! This one binary plays every part. The driver that you start ([`experiments`]) starts it again and again as a
//! child, a fresh process for every figure: to take one measurement ([`one`], [`lessons`]), to be an echo
//! server ([`server`]), to be its clients ([`load`], [`pings`]). The repetitions of all models are interleaved, in a
//! shifted order, so that a machine that becomes slower becomes so for all; the figure is their median.
//!
//! The four models differ where they must: green threads and threads run the same source ([`threads`],
//! [`handler`]), tasks and processes have its async twin.
#![allow(unreachable_pub, reason = "in a program `pub` says what a file offers to the others")]

mod child;
mod cli;
mod clock;
mod data;
mod draw;
mod experiments;
mod handler;
mod lessons;
mod load;
mod machine;
mod memory;
mod model;
mod one;
mod pings;
mod process;
mod server;
mod stats;
mod system;
mod threads;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Arguments, Role};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.role {
        None => experiments::compare(&arguments.plan),
        Some(Role::One(part)) => one::measure(&part),
        Some(Role::Lesson(part)) => lessons::measure(&part),
        Some(Role::Serve(part)) => server::serve(&part),
        Some(Role::Load(part)) => load::generate(&part),
        Some(Role::Pings(part)) => pings::send(&part),
    };
    if let Err(error) = result {
        eprintln!("coroutine_vs_thread: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
