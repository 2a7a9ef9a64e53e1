//! Processors, CPU clocks and process limits.
//!
//! Thin safe wrappers over the system calls a measurement needs. CPU time here is what the
//! scheduler charged to a whole process, helper threads included, in nanoseconds.

use std::io;
use std::mem::{MaybeUninit, size_of};

/// Lists the processors this process may run on.
pub fn allowed() -> io::Result<Vec<usize>> {
    let mut set = empty_set();
    // SAFETY: `set` is a live `cpu_set_t` and the size is its own.
    let code = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    check(code)?;
    let is_set = |&cpu: &usize| {
        // SAFETY: `cpu` stays below CPU_SETSIZE, so the bit lies inside the set.
        unsafe { libc::CPU_ISSET(cpu, &set) }
    };
    Ok((0..libc::CPU_SETSIZE as usize).filter(is_set).collect())
}

/// Binds this process to one processor. Threads started later inherit it.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut set = empty_set();
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::other("no such processor"));
    }
    // SAFETY: `cpu` was checked to lie inside the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` is a live `cpu_set_t` and the size is its own.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) })
}

/// CPU time this process has used.
pub fn own_time() -> u64 {
    read_clock(libc::CLOCK_PROCESS_CPUTIME_ID).expect("the own CPU clock can always be read")
}

/// The CPU clock of another process.
#[derive(Clone, Copy)]
pub struct ProcessClock(libc::clockid_t);

impl ProcessClock {
    /// Finds the clock of the process `pid`.
    pub fn of(pid: i32) -> io::Result<Self> {
        let mut clock = 0;
        // SAFETY: `clock` is a live `clockid_t` to write to.
        match unsafe { libc::clock_getcpuclockid(pid, &mut clock) } {
            0 => Ok(ProcessClock(clock)),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    /// CPU time the process has used; an error when it is gone.
    pub fn read(self) -> io::Result<u64> {
        read_clock(self.0)
    }
}

/// How long the main thread of `pid` could have run but another process had its processor;
/// nothing where the kernel does not count it.
pub fn kept_waiting(pid: i32) -> Option<u64> {
    let counts = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    counts.split_whitespace().nth(1)?.parse().ok()
}

/// Makes a child safe to forget: it dies with its parent, and by itself after `seconds`.
pub fn die_with_parent(seconds: u32) {
    // SAFETY: PR_SET_PDEATHSIG takes one signal number and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: `alarm` touches no memory; its default action ends the process.
    unsafe { libc::alarm(seconds) };
}

/// Raises the limit of open files as far as the system lets us.
pub fn raise_file_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live `rlimit` to write to.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a live `rlimit`.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })
}

/// Asks the process `pid` to end.
pub fn terminate(pid: i32) -> io::Result<()> {
    // SAFETY: `kill` touches no memory of ours.
    check(unsafe { libc::kill(pid, libc::SIGTERM) })
}

fn empty_set() -> libc::cpu_set_t {
    // SAFETY: `cpu_set_t` is an array of integers, for which zero is a value: the empty set.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn read_clock(clock: libc::clockid_t) -> io::Result<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live `timespec` to write to.
    check(unsafe { libc::clock_gettime(clock, &mut time) })?;
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
