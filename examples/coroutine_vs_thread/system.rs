#![allow(unsafe_code, reason = "processors, limits and CPU clocks have no safe wrapper here")]
//! What the system must be asked for by its own calls: processors, limits, CPU clocks.
//!
//! Linux can do all of it. Elsewhere nothing is bound to a processor, and other processes' clocks
//! cannot be read.

use std::{io, mem::MaybeUninit, time::Duration};

/// Lists the processors that this process may run on.
#[cfg(target_os = "linux")]
pub fn processors() -> io::Result<Vec<usize>> {
    let mut set = empty_set();
    // SAFETY: `set` is alive, and the size is its own.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) })?;
    // SAFETY: `cpu` stays below CPU_SETSIZE, so its bit lies inside the set.
    let allowed = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, &set) };
    Ok((0..libc::CPU_SETSIZE as usize).filter(allowed).collect())
}

/// Binds this process, and all that it will start, to these processors.
#[cfg(target_os = "linux")]
pub fn bind(cpus: &[usize]) -> io::Result<()> {
    let mut set = empty_set();
    for &cpu in cpus {
        if cpu >= libc::CPU_SETSIZE as usize {
            return Err(io::Error::other("no such processor"));
        }
        // SAFETY: `cpu` was checked to lie inside the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: `set` is alive, and the size is its own.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) })
}

#[cfg(target_os = "linux")]
fn empty_set() -> libc::cpu_set_t {
    // SAFETY: `cpu_set_t` is an array of integers, for which zero is a value: the empty set.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Lists the processors by number, as if all could be chosen.
#[cfg(not(target_os = "linux"))]
pub fn processors() -> io::Result<Vec<usize>> {
    Ok((0..std::thread::available_parallelism()?.get()).collect())
}

/// Does nothing: this system does not let a process choose.
#[cfg(not(target_os = "linux"))]
pub fn bind(_: &[usize]) -> io::Result<()> {
    Ok(())
}

/// The CPU time that this process has used, helper threads included.
pub fn own_time() -> Duration {
    read_clock(libc::CLOCK_PROCESS_CPUTIME_ID).expect("the own clock can always be read")
}

/// The CPU time that this process's finished children have used.
pub fn children_time() -> Duration {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: there is room for a `rusage` to be written.
    let code = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) };
    assert_eq!(code, 0, "the children's usage can always be read");
    // SAFETY: it is all integers, zeroed and then written.
    let usage = unsafe { usage.assume_init() };
    let time = |it: libc::timeval| {
        Duration::new(it.tv_sec as u64, 0) + Duration::from_micros(it.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// The CPU time that the process `pid` has used; nothing where that cannot be asked.
#[cfg(target_os = "linux")]
pub fn time_of(pid: i32) -> Option<Duration> {
    let mut clock = 0;
    // SAFETY: `clock` is alive, and written to.
    let code = unsafe { libc::clock_getcpuclockid(pid, &mut clock) };
    (code == 0).then(|| read_clock(clock).ok()).flatten()
}

/// Nothing: this system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn time_of(_: i32) -> Option<Duration> {
    None
}

fn read_clock(clock: libc::clockid_t) -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is alive, and written to.
    check(unsafe { libc::clock_gettime(clock, &mut time) })?;
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Raises the limit of open files as far as this user may, and gives it.
pub fn raise_file_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is alive, and written to.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is alive, and only read.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(limit.rlim_cur)
}

/// The limit of this user's processes and threads, where there is one.
pub fn process_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is alive, and written to.
    let code = unsafe { libc::getrlimit(libc::RLIMIT_NPROC, &mut limit) };
    (code == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// Asks a process to end, as Ctrl-C does. It must be a child that was not waited for.
pub fn interrupt(pid: u32) -> io::Result<()> {
    // SAFETY: it touches no memory, and the id is still that child's.
    check(unsafe { libc::kill(pid as libc::pid_t, libc::SIGINT) })
}

/// Makes a child safe to forget: it dies with its parent, and by itself after `seconds`.
pub fn die_with_parent(seconds: u32) {
    #[cfg(target_os = "linux")]
    // SAFETY: it takes the number of a signal, and touches no memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)
    };
    // SAFETY: it touches no memory; the signal's default action ends the process.
    unsafe { libc::alarm(seconds) };
}

fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
