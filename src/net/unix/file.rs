//! The file at the path of a socket: replacing a dead one, and removing one's own.
//!
//! Invariant: what is removed is a socket file whose inode was shown, while it was held, to have no
//! socket any more, or to be our own. A name proves nothing: a process that knows nothing of all
//! this may put something else there at any moment. So a file is first moved into a folder
//! that is ours, then looked at, and goes back if it is another than was expected.

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _},
        net::SocketAddr,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::folder_lock::FolderLock;

/// What is done about the file of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FilePolicy {
    pub(super) replace_stale: bool,
    pub(super) remove_on_drop: bool,
}

impl FilePolicy {
    /// Binds a socket to a path. Gives the file if it is to be removed when the socket is dropped.
    pub(super) fn bind(self, socket: &Socket, path: &Path) -> io::Result<Option<File>> {
        // Refuses what is no path.
        SocketAddr::from_pathname(path)?;
        let address = SockAddr::unix(path)?;
        match socket.bind(&address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && self.replace_stale => {
                remove_dead(path)?;
                socket.bind(&address)?;
            }
            result => result?,
        }
        self.remove_on_drop.then(|| File::at(path)).transpose()
    }
}

/// The file of a socket of ours; dropping it removes it.
///
/// The socket must be alive when this is dropped: then its inode is in use, and no other file can
/// have the same number.
#[derive(Debug)]
pub(super) struct File {
    /// Absolute, should the process change its folder.
    path: PathBuf,
    inode: Inode,
    /// A forked child has a copy of this, and must not remove what its parent uses.
    process: u32,
}

impl File {
    fn at(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let inode = Inode::of(&fs::symlink_metadata(&path)?);
        Ok(Self { path, inode, process: std::process::id() })
    }

    /// Leaves the file where it is.
    pub(super) fn keep(mut self) {
        self.process = 0;
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        // Moving it away, only to bring it back, would disturb whoever has it.
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| Inode::of(&metadata) == self.inode);
        if is_ours {
            // It fails when the folder cannot be written to any more: the file stays.
            let _ = remove_exactly(&self.path, self.inode);
        }
    }
}

/// What names a file for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), number: metadata.ino() }
    }
}

/// Removes the file at a path if it is that of a dead socket.
fn remove_dead(path: &Path) -> io::Result<()> {
    // Of those who replace it at the same time, one does.
    let _lock = match FolderLock::beside(path) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            return Err(in_use(path, "its folder is locked by another process"));
        }
        lock => lock?,
    };
    let held = match Held::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        held => held?,
    };
    let metadata = held.metadata()?;
    if !metadata.file_type().is_socket() {
        return Err(in_use(path, "there is something else than a socket"));
    }
    match held.is_dead() {
        Ok(true) => remove_exactly(path, Inode::of(&metadata)),
        Ok(false) => Err(in_use(path, "its socket is alive")),
        Err(error) => Err(in_use(path, &format!("nobody knows whether its socket is: {error}"))),
    }
}

fn in_use(path: &Path, why: &str) -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, format!("{} is in use: {why}", path.display()))
}

/// Removes the file at a path if it has this inode, which is in use, so that no other can have its
/// number. That it is gone is fine.
fn remove_exactly(path: &Path, inode: Inode) -> io::Result<()> {
    let folder = make_folder_beside(path)?;
    let moved = folder.join("socket");
    let result = match fs::rename(path, &moved) {
        Ok(()) => remove_moved(&moved, path, inode),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    // It fails when the file stays in it.
    let _ = fs::remove_dir(&folder);
    result
}

/// Removes a file that was moved here, or brings it back if it is another than was meant.
fn remove_moved(moved: &Path, path: &Path, inode: Inode) -> io::Result<()> {
    if Inode::of(&fs::symlink_metadata(moved)?) == inode {
        return fs::remove_file(moved);
    }
    // Another process was faster, and this is its file. A link, unlike a rename, does not replace
    // what a third one may have put there meanwhile.
    fs::hard_link(moved, path).map_err(|error| {
        let place = moved.display();
        in_use(path, &format!("another socket was there, and is now at {place}: {error}"))
    })?;
    fs::remove_file(moved)?;
    Err(in_use(path, "another process was faster"))
}

/// Makes a folder that nobody else has, where a file can be moved to.
fn make_folder_beside(path: &Path) -> io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut folder = OsString::from(".");
        folder.push(name);
        folder.push(format!(".{}-{number}", std::process::id()));
        let folder = path.with_file_name(folder);
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            // Left over from a process that had our id.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// A file that is held, so that its inode stays in use, but not opened: a socket cannot be.
#[cfg(any(target_os = "linux", target_os = "android"))]
struct Held(fs::File);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Held {
    fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = fs::OpenOptions::new();
        options.read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW);
        options.open(path).map(Self)
    }

    fn metadata(&self) -> io::Result<fs::Metadata> {
        self.0.metadata()
    }

    /// Whether no socket is bound to it.
    fn is_dead(&self) -> io::Result<bool> {
        use std::os::fd::AsRawFd as _;
        // Leads to the file that is held, whatever the path leads to by now.
        is_dead(Path::new(&format!("/proc/self/fd/{}", self.0.as_raw_fd())))
    }
}

/// A file that cannot be held on this system. That its inode is not another's is as likely as that
/// nobody makes a socket, in the moment that this takes, with the number of one just removed.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
struct Held(PathBuf);

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Held {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(path.to_owned()))
    }

    fn metadata(&self) -> io::Result<fs::Metadata> {
        fs::symlink_metadata(&self.0)
    }

    fn is_dead(&self) -> io::Result<bool> {
        is_dead(&self.0)
    }
}

/// Asks the kernel whether a socket is bound to the file at a path.
///
/// A datagram socket tries to connect to it. A stream socket that is alive refuses that as being of
/// another type, although it may not listen yet, and without a connection that its
/// owner would see; only a file without a socket refuses the connection as such.
fn is_dead(path: &Path) -> io::Result<bool> {
    let probe = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(true),
        Ok(()) => Ok(false),
        Err(error) => match error.raw_os_error() {
            Some(libc::EPROTOTYPE | libc::EPERM) => Ok(false),
            // Not known to be dead is alive.
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    /// A folder of its own for a test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let name = format!("greenloop-file-{test}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn names(&self) -> Vec<OsString> {
            let entries = fs::read_dir(&self.0).unwrap();
            entries.map(|entry| entry.unwrap().file_name()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn inode(path: &Path) -> Inode {
        Inode::of(&fs::symlink_metadata(path).unwrap())
    }

    #[test]
    fn a_file_that_is_another_than_was_meant_goes_back() {
        let folder = Folder::new("back");
        let path = folder.0.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let before = inode(&path);
        let meant = Inode { number: before.number + 1, ..before };

        let error = remove_exactly(&path, meant).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(inode(&path), before);
        UnixStream::connect(&path).unwrap();
        drop(listener);
        assert_eq!(folder.names(), ["socket"]);
    }

    #[test]
    fn a_file_that_cannot_go_back_is_kept_and_its_place_is_told() {
        let folder = Folder::new("kept");
        let (path, moved) = (folder.0.join("socket"), folder.0.join("moved"));
        let _displaced = UnixListener::bind(&moved).unwrap();
        let _third = UnixListener::bind(&path).unwrap();
        let third = inode(&path);

        let error = remove_moved(&moved, &path, third).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(moved.to_str().unwrap()), "{error}");
        assert_eq!(inode(&path), third);
        UnixStream::connect(&moved).unwrap();
    }

    #[test]
    fn what_is_gone_already_need_not_be_removed() {
        let folder = Folder::new("gone");
        let path = folder.0.join("socket");
        remove_exactly(&path, Inode { device: 0, number: 0 }).unwrap();
        remove_dead(&path).unwrap();
        assert!(folder.names().is_empty());
    }

    #[test]
    fn a_folder_that_is_left_over_is_not_used() {
        let folder = Folder::new("left");
        let path = folder.0.join("socket");
        let first = make_folder_beside(&path).unwrap();
        let second = make_folder_beside(&path).unwrap();
        assert_ne!(first, second);
        assert_eq!(folder.names().len(), 2);
    }
}
