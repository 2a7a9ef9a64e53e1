//! Whether this process has other threads, and which.

use std::{fs, io};

/// The names of the threads beside this one. A check takes about two microseconds.
///
/// # Errors
///
/// When `/proc` is not mounted, and nobody can tell.
pub(in crate::launcher) fn others() -> io::Result<Vec<String>> {
    let tasks: Vec<_> = fs::read_dir("/proc/self/task")
        .and_then(|tasks| tasks.collect())
        .map_err(|error| io::Error::new(error.kind(), format!("/proc/self/task: {error}")))?;
    if tasks.len() <= 1 {
        return Ok(Vec::new());
    }
    // The first thread has the number of the process; the supervisor runs on it, or at least on one
    // that need not be named.
    let own = fs::read_link("/proc/thread-self").unwrap_or_default();
    let mut names = Vec::new();
    for task in tasks {
        if own.file_name() == Some(&task.file_name()) {
            continue;
        }
        // One that has ended meanwhile is none.
        if let Ok(name) = fs::read_to_string(task.path().join("comm")) {
            names.push(name.trim_end().to_owned());
        }
    }
    Ok(names)
}
