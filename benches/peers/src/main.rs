//! Compares greenloop with other runtimes, in one run, on one machine.
//!
//! One binary plays every part: the driver that a user starts, and the children it starts
//! itself: an echo server, a load generator, one measurement. README.md explains the method.

mod cli;
mod cpu;
mod driver;
mod echo;
mod epoll;
mod json;
mod load;
mod machine;
mod memory;
mod micro;
mod report;
mod runtimes;
mod stats;
mod sync;
mod table;

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
