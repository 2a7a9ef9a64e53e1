//! The runtimes that are compared: the one list everything else goes by.
//!
//! To add a runtime: a file in `echo/`, a file in `micro/peer/`, an entry here.

use crate::micro::peer::stacks;
use crate::micro::{Bench, Micro, peer};
use crate::{echo, external};
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
    /// Its echo server, given the size of the buffers; nothing if it knows no sockets.
    pub echo: Option<fn(usize) -> io::Result<()>>,
    /// What can be measured of it inside one process; nothing if it has no tasks.
    pub micro: Option<Micro>,
}

/// All runtimes, in the order of the tables.
pub const ALL: &[Runtime] = &[
    Runtime {
        name: "raw",
        about: "epoll by hand, no runtime",
        krate: None,
        io_uring: false,
        echo: Some(echo::raw::serve),
        micro: None,
    },
    #[cfg(feature = "greenloop")]
    Runtime {
        name: "greenloop",
        about: "this library",
        krate: Some("greenloop"),
        io_uring: false,
        echo: Some(echo::greenloop::serve),
        micro: Some(Micro::all::<peer::greenloop::Greenloop>()),
    },
    #[cfg(feature = "greenloop")]
    Runtime {
        name: "greenloop-green",
        about: "its green threads",
        krate: Some("greenloop"),
        io_uring: false,
        echo: Some(echo::greenloop_green::serve),
        micro: Some(Micro {
            has: |bench| bench.is_common() || bench == Bench::Switch,
            run: peer::greenloop_green::run,
        }),
    },
    #[cfg(feature = "tokio")]
    Runtime {
        name: "tokio",
        about: "current thread, LocalRuntime",
        krate: Some("tokio"),
        io_uring: false,
        echo: Some(echo::tokio::serve),
        micro: Some(Micro::all::<peer::tokio::Tokio>()),
    },
    #[cfg(feature = "tokio")]
    Runtime {
        name: "tokio-multi",
        about: "many threads, here one worker",
        krate: Some("tokio"),
        io_uring: false,
        echo: Some(echo::tokio_multi::serve),
        micro: Some(Micro { has: Bench::is_common, run: peer::tokio_multi::run }),
    },
    #[cfg(feature = "smol")]
    Runtime {
        name: "smol",
        about: "LocalExecutor",
        krate: Some("smol"),
        io_uring: false,
        echo: Some(echo::smol::serve),
        micro: Some(Micro::all::<peer::smol::Smol>()),
    },
    #[cfg(feature = "monoio")]
    Runtime {
        name: "monoio",
        about: "io_uring",
        krate: Some("monoio"),
        io_uring: true,
        echo: Some(echo::monoio::serve_uring),
        micro: Some(Micro::all::<peer::monoio::MonoioUring>()),
    },
    #[cfg(feature = "monoio")]
    Runtime {
        name: "monoio-epoll",
        about: "the legacy driver",
        krate: Some("monoio"),
        io_uring: false,
        echo: Some(echo::monoio::serve_epoll),
        micro: Some(Micro::all::<peer::monoio::MonoioEpoll>()),
    },
    #[cfg(feature = "compio")]
    Runtime {
        name: "compio",
        about: "io_uring",
        krate: Some("compio"),
        io_uring: true,
        echo: Some(echo::compio::serve),
        micro: Some(Micro::all::<peer::compio::Compio>()),
    },
    #[cfg(feature = "glommio")]
    Runtime {
        name: "glommio",
        about: "io_uring",
        krate: Some("glommio"),
        io_uring: true,
        echo: Some(echo::glommio::serve),
        micro: Some(Micro::all::<peer::glommio::Glommio>()),
    },
    #[cfg(feature = "may")]
    Runtime {
        name: "may",
        about: "coroutines, one worker",
        krate: Some("may"),
        io_uring: false,
        echo: Some(echo::may::serve),
        micro: Some(Micro { has: Bench::is_common, run: stacks::run::<peer::may::May> }),
    },
    #[cfg(feature = "corosensei")]
    Runtime {
        name: "corosensei",
        about: "stacks to switch to, no runtime",
        krate: Some("corosensei"),
        io_uring: false,
        echo: None,
        micro: Some(Micro { has: |bench| bench == Bench::Switch, run: peer::corosensei::run }),
    },
    Runtime {
        name: "threads",
        about: "std, a thread per connection",
        krate: None,
        io_uring: false,
        echo: Some(echo::threads::serve),
        micro: Some(Micro { has: peer::threads::has, run: peer::threads::run }),
    },
    Runtime {
        name: "go",
        about: "a goroutine per connection",
        krate: None,
        io_uring: false,
        echo: Some(external::go),
        micro: Some(Micro { has: Bench::is_common, run: external::go_bench }),
    },
    Runtime {
        name: "asyncio",
        about: "Python, streams",
        krate: None,
        io_uring: false,
        echo: Some(external::asyncio),
        micro: Some(Micro { has: Bench::is_common, run: external::asyncio_bench }),
    },
    Runtime {
        name: "uvloop",
        about: "Python, streams on uvloop",
        krate: None,
        io_uring: false,
        echo: Some(external::uvloop),
        micro: Some(Micro { has: Bench::is_common, run: external::uvloop_bench }),
    },
    Runtime {
        name: "gevent",
        about: "Python, a greenlet per connection",
        krate: None,
        io_uring: false,
        echo: Some(external::gevent),
        micro: Some(Micro {
            has: |bench| bench.is_common() || bench == Bench::Switch,
            run: external::gevent_bench,
        }),
    },
];

/// The peers that this program was built without: each is a feature of the package.
pub fn left_out() -> impl Iterator<Item = &'static str> {
    let built = [
        ("tokio", cfg!(feature = "tokio")),
        ("smol", cfg!(feature = "smol")),
        ("monoio", cfg!(feature = "monoio")),
        ("compio", cfg!(feature = "compio")),
        ("glommio", cfg!(feature = "glommio")),
        ("may", cfg!(feature = "may")),
        ("corosensei", cfg!(feature = "corosensei")),
    ];
    built.into_iter().filter(|(_, built)| !built).map(|(name, _)| name)
}

/// Finds a runtime by its name.
pub fn find(name: &str) -> io::Result<&'static Runtime> {
    let found = ALL.iter().find(|runtime| runtime.name == name);
    found.ok_or_else(|| io::Error::other(format!("no runtime is called `{name}`")))
}
