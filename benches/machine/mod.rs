//! Where a figure was measured.

use std::{fs, thread};

/// Prints the processor and the kernel, as far as the system tells.
pub(crate) fn print() {
    let cpus = thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (system, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    println!("machine: {cpus} x {model}; {system} {} {arch}", kernel.trim());
}
