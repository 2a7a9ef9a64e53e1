//! A listener with the API of `std::os::unix::net::UnixListener`.

use std::{io, path::Path, sync::Arc};

use super::{UnixStream, accepting::accepting, handle::handle, limits::Limited};
use crate::net::{self, unix::SocketAddr};

/// A Unix socket that accepts connections; as [`std::os::unix::net::UnixListener`], for green
/// threads.
///
/// For a path where there may be a stale file, open it with [`net::UnixListener::options`] and wrap it
/// with [`from_async`](Self::from_async). A file that is to be removed at the end is when the last
/// clone is dropped.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// use greenloop::green::{self, net::{UnixListener, UnixStream}};
///
/// # let directory = std::env::temp_dir().join(format!("greenloop-doc-g{}", std::process::id()));
/// # std::fs::create_dir_all(&directory).unwrap();
/// # let path = directory.join("listener");
/// green::run(move || {
///     let listener = UnixListener::bind(&path)?;
///     green::spawn(move || -> std::io::Result<()> {
///         let (mut stream, _) = listener.accept()?;
///         stream.write_all(b"hello")
///     });
///     let mut text = String::new();
///     UnixStream::connect(&path)?.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// # std::fs::remove_dir_all(directory).unwrap();
/// ```
#[derive(Clone)]
pub struct UnixListener {
    shared: Arc<Limited<net::UnixListener>>,
}

impl UnixListener {
    /// Opens a socket at a path; see [`net::UnixListener::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixListener::bind`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        net::UnixListener::bind(path).map(Self::from_async)
    }

    /// Opens a socket at an address; see [`net::UnixListener::bind_addr`].
    ///
    /// # Errors
    ///
    /// Those of [`net::UnixListener::bind`].
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        net::UnixListener::bind_addr(address).map(Self::from_async)
    }
}

accepting!(UnixListener, net::UnixListener, UnixStream, SocketAddr, UnixIncoming);
handle!(UnixListener, net::UnixListener, std::os::unix::net::UnixListener);
