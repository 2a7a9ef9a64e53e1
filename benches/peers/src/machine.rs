//! What the figures were taken on, and with which versions.

use crate::echo::external;
use crate::runtimes::Runtime;
use std::fs;

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

/// The version of what is measured; nothing for what is part of the system.
pub fn version_of(runtime: &Runtime) -> String {
    match runtime.krate {
        Some(name) => version(name).unwrap_or("?").to_owned(),
        None => external::version(runtime.name).unwrap_or_default(),
    }
}

/// Where and with what a report was made: pairs of a name and a value.
pub fn facts(runtimes: &[&Runtime]) -> [Vec<(String, String)>; 2] {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let machine = vec![
        pair("processor", model.map_or("unknown", |(_, model)| model).to_owned()),
        pair("cores", format!("{cores} cores")),
        pair("system", format!("Linux {}", read("/proc/sys/kernel/osrelease").trim())),
        pair("load before", first_three(&read("/proc/loadavg"))),
    ];
    let compiler = pair("compiler", env!("PEERS_RUSTC").to_owned());
    let version =
        |it: &&Runtime| (it.name.to_owned(), format!("{} ({})", version_of(it), it.about));
    (machine, [compiler].into_iter().chain(runtimes.iter().map(version)).collect()).into()
}

/// How many wanted to run at a time, in the last minute.
pub fn load() -> Option<f64> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    load.split_whitespace().next()?.parse().ok()
}

/// Prints the versions of what `parts` are made of: each has a name, crates, and a few words.
pub fn print_versions<'a>(
    what: &str,
    parts: impl IntoIterator<Item = (&'a str, &'a [&'a str], &'a str)>,
) {
    for (name, krates, about) in parts {
        let versions =
            krates.iter().map(|krate| format!("{krate} {}", version(krate).unwrap_or("?")));
        let versions = versions.collect::<Vec<_>>().join(", ");
        println!("{what:<9} {name}: {versions} ({about})");
    }
    println!();
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

    /// Prints what was stolen since `earlier`.
    pub fn print_since(&self, earlier: &Steal) {
        let share = (self.stolen - earlier.stolen) / (self.total - earlier.total) * 100.0;
        println!("stolen    {share:.1} % of the processor time of this run, by the hypervisor");
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
