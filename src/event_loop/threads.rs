//! How many threads this process has, as far as that can be known.

use std::sync::OnceLock;

/// Tells how many threads of the blocking pool are idle: they do nothing unless somebody asks them to.
static IDLE: OnceLock<fn() -> usize> = OnceLock::new();

/// Sets what tells how many threads of the blocking pool are idle.
pub(crate) fn set_idle(idle: fn() -> usize) {
    IDLE.get_or_init(|| idle);
}

/// How many threads there are that may do something, other than this one; `None` if that is not known.
pub(super) fn others() -> Option<usize> {
    let before = all()?;
    // Asked after the others are counted: one that has just become idle has posted what it did before.
    let idle = IDLE.get().map_or(0, |idle| idle());
    // It may have started another thread before that.
    if all()? != before {
        return None;
    }
    Some(before.saturating_sub(1 + idle))
}

/// How many threads the process has.
#[cfg(target_os = "linux")]
fn all() -> Option<usize> {
    // See proc_pid_stat(5). The second field is the name of the program, in parentheses, and may
    // contain anything; the number of threads is the twentieth.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(17)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn all() -> Option<usize> {
    None
}
