//! What the process takes of the system, from `/proc`.

use std::{fs, time::Duration};

use super::world::World;

/// The figures of one moment.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) resident_mib: f64,
    pub(crate) virtual_mib: f64,
    pub(crate) descriptors: usize,
    pub(crate) mappings: usize,
}

impl Sample {
    pub(crate) fn take() -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("it needs Linux's /proc");
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
            kib.expect("the kernel tells it") / 1024.0
        };
        Self {
            resident_mib: mib("VmRSS:"),
            virtual_mib: mib("VmSize:"),
            // Without the one that reads the directory.
            descriptors: fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() - 1),
            mappings: fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count()),
        }
    }

    pub(crate) fn print_header() {
        println!("{:>52}{:>30}", "at the end of the storm", "at rest");
        let storm = ["time", "spawned", "messages", "alive", "RSS MiB", "fds"];
        let rest = ["RSS MiB", "VSZ MiB", "fds", "mappings"];
        for name in storm.into_iter().chain(rest) {
            print!("{name:>10}");
        }
        println!();
    }

    /// Prints a line: this sample from the storm, and one from the rest after it.
    pub(crate) fn print(&self, time: Duration, world: &World, alive: usize, rest: &Self) {
        println!(
            "{:>8.1} s{:>10}{:>10}{alive:>10}{:>10.1}{:>10}{:>10.1}{:>10.1}{:>10}{:>10}",
            time.as_secs_f64(),
            world.spawned(),
            world.counted("messages"),
            self.resident_mib,
            self.descriptors,
            rest.resident_mib,
            rest.virtual_mib,
            rest.descriptors,
            rest.mappings,
        );
    }
}
