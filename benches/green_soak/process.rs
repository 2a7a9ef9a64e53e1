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
        println!(
            "{:>8}{:>9}{:>12}{:>12}{:>10}{:>10}{:>10}{:>12}{:>6}{:>9}",
            "time",
            "alive",
            "spawned",
            "messages",
            "RSS MiB",
            "VSZ MiB",
            "sockets",
            "timers",
            "fds",
            "maps"
        );
    }

    pub(crate) fn print(&self, time: Duration, world: &World) {
        let statistics = greenloop::statistics();
        println!(
            "{:>6.1} s{:>9}{:>12}{:>12}{:>10.1}{:>10.1}{:>10}{:>12}{:>6}{:>9}",
            time.as_secs_f64(),
            world.alive(),
            world.spawned(),
            world.counted("messages"),
            self.resident_mib,
            self.virtual_mib,
            statistics.sockets,
            statistics.timers,
            self.descriptors,
            self.mappings,
        );
    }
}
