#![allow(dead_code, reason = "each test program uses a part of it")]
//! What the tests about child processes count: descriptors, and children of this process.

use std::{fs, path::PathBuf, process, thread, time::Duration};

/// The descriptors of this process, as what they are, except for the one that looks and the timer that
/// a loop makes when it first needs it.
pub(crate) fn descriptors() -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    // The one that looks is closed when it is asked for.
    let mut all: Vec<_> =
        entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect();
    all.retain(|path| !path.starts_with("/proc") && !path.ends_with("anon_inode:[timerfd]"));
    all.sort();
    all
}

/// The children of this process, with `Z` for those that have ended and were not waited for.
pub(crate) fn children() -> Vec<(u32, char)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let stat = fs::read_to_string(entry.unwrap().path().join("stat")).unwrap_or_default();
        // "PID (NAME) STATE PARENT ...", and the name may be anything.
        let Some((id, rest)) = stat.split_once(" (") else { continue };
        let mut fields = rest.rsplit_once(')').unwrap().1.split_whitespace();
        let state = fields.next().unwrap().chars().next().unwrap();
        if fields.next().unwrap().parse() == Ok(process::id()) {
            found.push((id.parse().unwrap(), state));
        }
    }
    found
}

/// Waits until this process has no children at all.
#[track_caller]
pub(crate) fn wait_for_no_children() {
    for _ in 0..3000 {
        if children().is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("there are still {:?}", children());
}

/// Waits until a process, of whatever parent, is gone or a zombie.
#[track_caller]
pub(crate) fn wait_for_the_end_of(id: u32) {
    for _ in 0..3000 {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("process {id} still runs");
}
