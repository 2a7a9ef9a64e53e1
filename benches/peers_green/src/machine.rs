//! What the figures were taken on, and with which versions.

use std::fs;

/// Prints the machine and the compiler.
pub fn print(cpu: usize) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim())
    };
    let model = field("model name").unwrap_or("unknown processor");
    let is_virtual = field("flags").is_some_and(|flags| flags.contains("hypervisor"));
    let is_virtual = if is_virtual { " (virtual)" } else { "" };
    println!("machine   {model}{is_virtual}; everything runs on processor {cpu}");
    println!("kernel    Linux {}", read("/proc/sys/kernel/osrelease").trim());
    println!("compiler  {}, opt-level 3, thin LTO, one codegen unit", env!("PEERS_RUSTC"));
    println!("load      {} (others share the machine)", read("/proc/loadavg").trim());
}

/// The version of a crate that this program was built with.
pub fn version(krate: &str) -> Option<&'static str> {
    let mut lines = include_str!("../Cargo.lock").lines();
    lines.find(|line| {
        line.strip_prefix("name = ").is_some_and(|name| name.trim_matches('"') == krate)
    })?;
    lines.next()?.strip_prefix("version = ").map(|version| version.trim_matches('"'))
}
