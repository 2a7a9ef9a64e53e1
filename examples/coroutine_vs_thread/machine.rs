//! What the figures were taken on, with which versions, and what else the machine was doing.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{data::Fact, memory, system};

/// The machine, as far as the system tells.
pub fn facts() -> Vec<Fact> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let cores = system::processors().map_or(0, |it| it.len());
    let virtual_machine = field("flags").is_some_and(|flags| flags.contains("hypervisor"));
    let kernel = read("/proc/sys/kernel/osrelease");
    let (system, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let memory = memory::available()
        .map_or("unknown".to_owned(), |bytes| format!("{:.1} GB available", bytes / 1e9));
    vec![
        Fact::new("processor", field("model name").unwrap_or("unknown".to_owned())),
        Fact::new(
            "cores",
            format!(
                "{cores} core{}{}",
                if cores == 1 { "" } else { "s" },
                if virtual_machine { " of a virtual machine" } else { "" }
            ),
        ),
        Fact::new("memory", memory),
        Fact::new("system", format!("{system} {} {arch}", kernel.trim())),
        Fact::new("load before", first_three(&read("/proc/loadavg"))),
    ]
}

/// The versions of what was measured, and of what it was compiled with.
pub fn versions() -> Vec<Fact> {
    let profile = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    vec![
        Fact::new("greenloop", env!("CARGO_PKG_VERSION")),
        Fact::new("compiler", compiler().unwrap_or("unknown".to_owned())),
        Fact::new("profile", profile),
        Fact::new("corosensei", locked("corosensei").unwrap_or("unknown")),
        Fact::new("mio", locked("mio").unwrap_or("unknown")),
    ]
}

/// The compiler, as it has signed this very program.
fn compiler() -> Option<String> {
    let program = fs::read(std::env::current_exe().ok()?).ok()?;
    // Put together here, so that it is not found in this function's own text.
    let signature = ["rustc", "version", "1."].join(" ").into_bytes();
    let start = program.windows(signature.len()).position(|window| window == signature)?;
    let text: Vec<u8> = program[start..].iter().copied().take_while(|&byte| byte != 0).collect();
    let text = String::from_utf8(text).ok()?;
    // "rustc version 1.95.0 (59807616e 2026-04-14)"
    Some(format!("rustc {}", text.split(' ').nth(2)?))
}

/// The version of a dependency that this program was built with.
fn locked(name: &str) -> Option<&'static str> {
    let mut lines = include_str!("../../Cargo.lock").lines();
    lines
        .find(|line| line.strip_prefix("name = ").is_some_and(|it| it.trim_matches('"') == name))?;
    lines.next()?.strip_prefix("version = ").map(|version| version.trim_matches('"'))
}

/// The processor time of the whole machine so far.
#[derive(Debug)]
pub struct Ticks {
    all: f64,
    idle: f64,
    stolen: f64,
    /// What of it this program and its finished children have used.
    own: Duration,
}

impl Ticks {
    /// Reads them; nothing where the system does not count them.
    pub fn so_far() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = line.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        // The last two columns, time given to guests, are contained in the first two.
        Some(Self {
            all: ticks.iter().take(8).sum(),
            idle: ticks.get(3)? + ticks.get(4)?,
            stolen: *ticks.get(7)?,
            own: system::own_time() + system::children_time(),
        })
    }

    /// The part that the hypervisor has given to other machines since then.
    pub fn stolen_since(&self) -> Option<f64> {
        let after = Self::so_far()?;
        Some((after.stolen - self.stolen) / (after.all - self.all).max(1.0))
    }

    /// The part that others on this machine have used since then.
    pub fn others_since(&self) -> Option<f64> {
        let after = Self::so_far()?;
        let all = after.all - self.all;
        let busy = all - (after.idle - self.idle) - (after.stolen - self.stolen);
        let own = (after.own - self.own).as_secs_f64() * TICKS_PER_SECOND;
        Some(((busy - own) / all.max(1.0)).max(0.0))
    }
}

/// The unit of `/proc/stat`, the same on all that Linux runs on.
const TICKS_PER_SECOND: f64 = 100.0;

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
    let (hour, minute) = (rest / 3_600, rest / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

fn first_three(load: &str) -> String {
    load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
