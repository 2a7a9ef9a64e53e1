//! What the figures were taken on, and with which versions.

use crate::data::Fact;
use crate::external;
use crate::runtimes::Runtime;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Prints the machine, the compiler, and the versions of `runtimes`.
pub fn print(runtimes: &[&Runtime]) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim())
    };
    let cpu = field("model name").unwrap_or("unknown processor");
    let virtual_machine = field("flags").is_some_and(|flags| flags.contains("hypervisor"));
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");

    println!(
        "machine   {cpu}, {cores} processors{}",
        if virtual_machine { ", virtual" } else { "" }
    );
    println!("kernel    Linux {}", kernel.trim());
    println!("compiler  {}, opt-level 3, thin LTO, one codegen unit", env!("PEERS_RUSTC"));
    println!("load      {} (1, 5, 15 minutes; others share the machine)", first_three(&load));
    for runtime in runtimes {
        let version = version_of(runtime);
        println!("runtime   {} {version} ({})", runtime.name, runtime.about);
    }
    println!();
}

/// The versions of these crates.
pub fn versions(krates: &[&str]) -> String {
    let versions = krates.iter().map(|krate| format!("{krate} {}", version(krate).unwrap_or("?")));
    versions.collect::<Vec<_>>().join(", ")
}

/// The version of what is measured; nothing for what is part of the system.
pub fn version_of(runtime: &Runtime) -> String {
    match runtime.krate {
        Some(name) => version(name).unwrap_or("?").to_owned(),
        None => external::version(runtime.name).unwrap_or_default(),
    }
}

/// Where a report was made.
pub fn facts() -> Vec<Fact> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        line.split_once(": ").map(|(_, value)| value.to_owned())
    };
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let virtual_machine = field("flags").is_some_and(|flags| flags.contains("hypervisor"));
    let machine = if virtual_machine { " of a virtual machine" } else { "" };
    vec![
        Fact::new("processor", field("model name").unwrap_or("unknown".to_owned())),
        Fact::new("cores", format!("{cores} cores{machine}")),
        Fact::new("system", format!("Linux {}", read("/proc/sys/kernel/osrelease").trim())),
        Fact::new("load before", first_three(&read("/proc/loadavg"))),
    ]
}

/// The date and time in UTC.
pub fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Count from a first of March, so that the leap day is the last of its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3_600, rest / 60 % 60)
}

/// How many wanted to run at a time, in the last minute.
pub fn load() -> Option<f64> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    load.split_whitespace().next()?.parse().ok()
}

/// The part of all processor time that the hypervisor has given to other machines.
pub struct Steal {
    total: f64,
    stolen: f64,
}

impl Steal {
    /// What was stolen since the machine started; nothing where the kernel does not count it.
    pub fn so_far() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = line.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        // The last two columns, time given to guests, are contained in the first two.
        Some(Steal { total: ticks.iter().take(8).sum(), stolen: *ticks.get(7)? })
    }

    /// Prints what was stolen since `earlier`, and gives it in per cent.
    pub fn print_since(&self, earlier: &Steal) -> f64 {
        let share = (self.stolen - earlier.stolen) / (self.total - earlier.total).max(1.0) * 100.0;
        println!("stolen    {share:.1} % of the processor time of this run, by the hypervisor");
        share
    }
}

fn first_three(load: &str) -> String {
    load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The version of a crate that this program was built with.
fn version(krate: &str) -> Option<&'static str> {
    let mut lines = LOCK.lines();
    lines.find(|line| {
        line.strip_prefix("name = ").is_some_and(|name| name.trim_matches('"') == krate)
    })?;
    lines.next()?.strip_prefix("version = ").map(|version| version.trim_matches('"'))
}

const LOCK: &str = include_str!("../Cargo.lock");
