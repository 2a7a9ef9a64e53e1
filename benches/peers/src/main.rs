//! Compares greenloop with other runtimes, in one run, on one machine.
//!
//! One binary plays every part: the driver that a user starts, and the children it starts
//! itself: an echo server, a load generator, one measurement. README.md explains the method.

mod cli;
mod cpu;
mod driver;
mod echo;
mod epoll;
mod external;
mod load;
mod machine;
mod memory;
mod micro;
mod report;
mod runtimes;
mod sync;
mod table;

// The report is greenloop's own: that of its example, with the same data and the same pictures.
#[allow(dead_code, reason = "the example uses more of it")]
#[path = "../../../examples/coroutine_vs_thread/data.rs"]
mod data;
#[allow(dead_code, reason = "the example uses more of it")]
#[path = "../../../examples/coroutine_vs_thread/draw/mod.rs"]
mod draw;
#[path = "../../../examples/coroutine_vs_thread/stats.rs"]
mod stats;

use cli::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("{message}\n\n{}", cli::HELP);
            return ExitCode::from(2);
        }
    };
    let result = match command {
        Command::Help => {
            println!("{}", cli::HELP);
            Ok(())
        }
        Command::Compare(plan) => driver::compare(&plan),
        Command::Serve(part) => echo::serve(&part),
        Command::Load(part) => load::generate(&part),
        Command::Measure(part) => micro::measure(&part),
        Command::MeasureSync(part) => sync::measure(&part),
    };
    if let Err(error) = result {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
