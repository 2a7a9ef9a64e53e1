#![allow(unsafe_code, reason = "`flock` has no safe wrapper in the Rust that is asked for")]
//! A lock among those who replace stale sockets in one folder.
//!
//! It ends with its process at the latest, so nobody ever finds one that nobody holds.

use std::{fs, io, os::fd::AsRawFd as _, path::Path, thread, time::Duration};

/// The lock; dropping it gives it back.
#[derive(Debug)]
pub(super) struct FolderLock {
    _folder: fs::File,
}

impl FolderLock {
    /// Takes the lock of the folder that `path` is in. Others hold it for some system calls, so this
    /// waits for them, blocking, but not for one who holds it in order to be in the way.
    ///
    /// An error of the kind `WouldBlock` says that somebody holds it all the time.
    pub(super) fn beside(path: &Path) -> io::Result<Self> {
        const TRIES: u32 = 100;
        const PAUSE: Duration = Duration::from_millis(1);
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let folder = fs::File::open(folder)?;
        for _ in 0..TRIES {
            // SAFETY: takes no pointers.
            let result = unsafe { libc::flock(folder.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
            if result == 0 {
                return Ok(Self { _folder: folder });
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(error);
            }
            thread::sleep(PAUSE);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}
