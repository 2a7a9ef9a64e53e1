//! The runtimes that are compared: the one list everything else goes by.
//!
//! To add a runtime: a file in `echo/`, a file in `micro/peer/`, an entry here.

use crate::echo;
use crate::micro::{self, Bench, peer};
use std::io;

/// One runtime, with what can be measured of it.
pub struct Runtime {
    /// What it is called on the command line and in the tables.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The crate whose version is printed.
    pub krate: Option<&'static str>,
    /// Whether it needs io_uring, which valgrind does not know.
    pub io_uring: bool,
    /// Its echo server, given the size of the buffers.
    pub echo: fn(usize) -> io::Result<()>,
    /// Takes one measurement inside this process; nothing if it has no tasks.
    pub micro: Option<fn(Bench)>,
}

/// All runtimes, in the order of the tables.
pub const ALL: &[Runtime] = &[
    Runtime {
        name: "raw",
        about: "epoll by hand, no runtime",
        krate: None,
        io_uring: false,
        echo: echo::raw::serve,
        micro: None,
    },
    #[cfg(feature = "greenloop")]
    Runtime {
        name: "greenloop",
        about: "this library",
        krate: Some("greenloop"),
        io_uring: false,
        echo: echo::greenloop::serve,
        micro: Some(micro::run::<peer::greenloop::Greenloop>),
    },
    #[cfg(feature = "greenloop")]
    Runtime {
        name: "greenloop-green",
        about: "its green threads; see ../peers_green for micro",
        krate: Some("greenloop"),
        io_uring: false,
        echo: echo::greenloop_green::serve,
        micro: None,
    },
    Runtime {
        name: "tokio",
        about: "current thread, LocalRuntime",
        krate: Some("tokio"),
        io_uring: false,
        echo: echo::tokio::serve,
        micro: Some(micro::run::<peer::tokio::Tokio>),
    },
    Runtime {
        name: "tokio-multi",
        about: "many threads, here one worker",
        krate: Some("tokio"),
        io_uring: false,
        echo: echo::tokio_multi::serve,
        micro: None,
    },
    Runtime {
        name: "smol",
        about: "LocalExecutor",
        krate: Some("smol"),
        io_uring: false,
        echo: echo::smol::serve,
        micro: Some(micro::run::<peer::smol::Smol>),
    },
    Runtime {
        name: "monoio",
        about: "io_uring",
        krate: Some("monoio"),
        io_uring: true,
        echo: echo::monoio::serve_uring,
        micro: Some(micro::run::<peer::monoio::MonoioUring>),
    },
    Runtime {
        name: "monoio-epoll",
        about: "the legacy driver",
        krate: Some("monoio"),
        io_uring: false,
        echo: echo::monoio::serve_epoll,
        micro: Some(micro::run::<peer::monoio::MonoioEpoll>),
    },
    Runtime {
        name: "compio",
        about: "io_uring",
        krate: Some("compio"),
        io_uring: true,
        echo: echo::compio::serve,
        micro: Some(micro::run::<peer::compio::Compio>),
    },
    Runtime {
        name: "glommio",
        about: "io_uring",
        krate: Some("glommio"),
        io_uring: true,
        echo: echo::glommio::serve,
        micro: Some(micro::run::<peer::glommio::Glommio>),
    },
    Runtime {
        name: "may",
        about: "coroutines, one worker; see ../peers_green for micro",
        krate: Some("may"),
        io_uring: false,
        echo: echo::may::serve,
        micro: None,
    },
    Runtime {
        name: "threads",
        about: "std, a thread per connection",
        krate: None,
        io_uring: false,
        echo: echo::threads::serve,
        micro: Some(peer::threads::run),
    },
    Runtime {
        name: "go",
        about: "a goroutine per connection",
        krate: None,
        io_uring: false,
        echo: echo::external::go,
        micro: None,
    },
    Runtime {
        name: "asyncio",
        about: "Python, streams",
        krate: None,
        io_uring: false,
        echo: echo::external::asyncio,
        micro: None,
    },
    Runtime {
        name: "uvloop",
        about: "Python, streams",
        krate: None,
        io_uring: false,
        echo: echo::external::uvloop,
        micro: None,
    },
    Runtime {
        name: "gevent",
        about: "Python, a greenlet per connection",
        krate: None,
        io_uring: false,
        echo: echo::external::gevent,
        micro: None,
    },
];

/// Finds a runtime by its name.
pub fn find(name: &str) -> io::Result<&'static Runtime> {
    let found = ALL.iter().find(|runtime| runtime.name == name);
    found.ok_or_else(|| io::Error::other(format!("no runtime is called `{name}`")))
}
