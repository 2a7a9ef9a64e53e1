//! Processors and CPU clocks: thin safe wrappers over the system calls a measurement needs.

use std::io;
use std::mem::{MaybeUninit, size_of};

/// Binds this process, and those that it starts later, to the first processor it may use.
pub fn pin() -> io::Result<usize> {
    // SAFETY: `cpu_set_t` is an array of integers, for which zero is a value: the empty set.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `set` is a live `cpu_set_t` and the size is its own.
    let code = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    check(code)?;
    let is_set = |&cpu: &usize| {
        // SAFETY: `cpu` stays below CPU_SETSIZE, so the bit lies inside the set.
        unsafe { libc::CPU_ISSET(cpu, &set) }
    };
    let first = (0..libc::CPU_SETSIZE as usize).find(is_set);
    let first = first.ok_or_else(|| io::Error::other("no processor may be used"))?;
    // SAFETY: zero is a value, see above.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `first` lies inside the set.
    unsafe { libc::CPU_SET(first, &mut set) };
    // SAFETY: `set` is a live `cpu_set_t` and the size is its own.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) })?;
    Ok(first)
}

/// CPU time that this process has used, in nanoseconds.
pub fn own_time() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live `timespec` to write to.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    check(code).expect("the own CPU clock can always be read");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Makes a child safe to forget: it ends by itself after `seconds`.
pub fn end_after(seconds: u32) {
    // SAFETY: `alarm` touches no memory; its default action ends the process.
    unsafe { libc::alarm(seconds) };
}

/// Bytes that the kernel keeps resident for this process, summed page by page.
pub fn resident() -> f64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.expect("the own memory can be read") * 1024.0
}

fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
