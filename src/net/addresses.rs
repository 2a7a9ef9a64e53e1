//! What can be connected to: addresses, and names that must be looked up first.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    vec,
};

use crate::blocking;

/// An address or something that stands for one or several, for `bind` and `connect`.
///
/// As [`std::net::ToSocketAddrs`], except that looking up a name happens on a thread, of at most 64 that
/// do nothing else, and the loop goes on meanwhile. Numeric addresses are
/// not looked up. It is implemented for the types that std's is, and not meant to be implemented
/// for others.
///
/// # Examples
///
/// ```
/// # use greenloop::net::TcpListener;
/// greenloop::run(async {
///     TcpListener::bind("127.0.0.1:0").await?;
///     TcpListener::bind(("localhost", 0)).await?;
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub trait ToSocketAddrs: sealed::Target {}

impl<T: sealed::Target + ?Sized> ToSocketAddrs for T {}

/// Gives the addresses that something stands for, looking a name up if it is one.
///
/// # Errors
///
/// When the name cannot be looked up, or a text is no `HOST:PORT`.
///
/// # Cancel safety
///
/// Dropping the future gives the lookup up; a thread may be busy with it for a while.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let mut addresses = greenloop::net::lookup_host("localhost:80").await?;
///     assert!(addresses.all(|address| address.ip().is_loopback()));
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "getaddrinfo")]
#[doc(alias = "gethostbyname")]
#[doc(alias = "to_socket_addrs")]
#[doc(alias = "gethostbyname_ex")]
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<vec::IntoIter<SocketAddr>> {
    resolve(host).await.map(Vec::into_iter)
}

/// Gives the addresses; there may be none.
pub(super) async fn resolve(target: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    match target.addresses()? {
        sealed::Addresses::One(address) => Ok(vec![address]),
        sealed::Addresses::Known(addresses) => Ok(addresses),
        sealed::Addresses::Name(host, port) => look_up(host, port).await,
    }
}

/// Gives the first of the addresses.
pub(crate) async fn resolve_first(target: impl ToSocketAddrs) -> io::Result<SocketAddr> {
    match known_first(&target)? {
        Some(address) => Ok(address),
        None => resolve(target).await?.first().copied().ok_or_else(no_address),
    }
}

/// Gives the first of the addresses unless it has to be looked up.
pub(crate) fn known_first(target: &impl ToSocketAddrs) -> io::Result<Option<SocketAddr>> {
    match target.addresses()? {
        sealed::Addresses::One(address) => Ok(Some(address)),
        sealed::Addresses::Known(addresses) => {
            addresses.first().copied().map(Some).ok_or_else(no_address)
        }
        sealed::Addresses::Name(..) => Ok(None),
    }
}

async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = blocking::look_up(move || {
        std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port)).map(Iterator::collect)
    });
    found.await
}

/// The error when there was none.
pub(super) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "there is no address to bind, to connect to or to send to",
    )
}

mod sealed {
    use super::*;

    /// What a target stands for.
    #[derive(Debug)]
    pub enum Addresses {
        One(SocketAddr),
        Known(Vec<SocketAddr>),
        Name(String, u16),
    }

    pub trait Target {
        #[doc(hidden)]
        fn addresses(&self) -> io::Result<Addresses>;
    }

    fn one(address: impl Into<SocketAddr>) -> io::Result<Addresses> {
        Ok(Addresses::One(address.into()))
    }

    impl Target for SocketAddr {
        fn addresses(&self) -> io::Result<Addresses> {
            one(*self)
        }
    }

    impl Target for SocketAddrV4 {
        fn addresses(&self) -> io::Result<Addresses> {
            one(*self)
        }
    }

    impl Target for SocketAddrV6 {
        fn addresses(&self) -> io::Result<Addresses> {
            one(*self)
        }
    }

    impl Target for (IpAddr, u16) {
        fn addresses(&self) -> io::Result<Addresses> {
            one(*self)
        }
    }

    impl Target for (Ipv4Addr, u16) {
        fn addresses(&self) -> io::Result<Addresses> {
            one(*self)
        }
    }

    impl Target for (Ipv6Addr, u16) {
        fn addresses(&self) -> io::Result<Addresses> {
            one(*self)
        }
    }

    impl Target for (&str, u16) {
        fn addresses(&self) -> io::Result<Addresses> {
            let (host, port) = *self;
            match host.parse::<IpAddr>() {
                Ok(ip) => one((ip, port)),
                Err(_) => Ok(Addresses::Name(host.to_owned(), port)),
            }
        }
    }

    impl Target for (String, u16) {
        fn addresses(&self) -> io::Result<Addresses> {
            (self.0.as_str(), self.1).addresses()
        }
    }

    impl Target for str {
        fn addresses(&self) -> io::Result<Addresses> {
            if let Ok(address) = self.parse::<SocketAddr>() {
                return one(address);
            }
            let parts = self.rsplit_once(':');
            let Some((host, port)) =
                parts.and_then(|(host, port)| Some((host, port.parse().ok()?)))
            else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{self:?} is no address: expected HOST:PORT, such as 127.0.0.1:8080"),
                ));
            };
            (host, port).addresses()
        }
    }

    impl Target for String {
        fn addresses(&self) -> io::Result<Addresses> {
            self.as_str().addresses()
        }
    }

    impl Target for [SocketAddr] {
        fn addresses(&self) -> io::Result<Addresses> {
            Ok(Addresses::Known(self.to_vec()))
        }
    }

    impl<const N: usize> Target for [SocketAddr; N] {
        fn addresses(&self) -> io::Result<Addresses> {
            self.as_slice().addresses()
        }
    }

    impl Target for Vec<SocketAddr> {
        fn addresses(&self) -> io::Result<Addresses> {
            self.as_slice().addresses()
        }
    }

    impl<T: Target + ?Sized> Target for &T {
        fn addresses(&self) -> io::Result<Addresses> {
            (**self).addresses()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        task::{Context, Poll, Wake, Waker},
    };

    use super::*;
    use crate::{event_loop, task};

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_lookup_waits_for_a_thread_while_tasks_go_on_and_one_that_is_dropped_is_forgotten() {
        event_loop::run(async {
            let busy = blocking::tests::BusyNames::new();
            let lookup = task::spawn(resolve("localhost:0"));
            let wakes = Arc::<Wakes>::default();
            let waker = Waker::from(Arc::clone(&wakes));
            let mut dropped = Box::pin(resolve("localhost:0"));
            assert!(dropped.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            for _ in 0..1000 {
                task::yield_now().await;
            }
            assert!(!lookup.is_finished());
            assert_eq!(Arc::strong_count(&wakes), 3);

            drop(dropped);

            assert_eq!(Arc::strong_count(&wakes), 2);
            drop(busy);
            let found = lookup.await.unwrap().unwrap();
            assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
            // What was submitted later is done later.
            resolve("localhost:0").await.unwrap();
            assert_eq!(wakes.0.load(SeqCst), 0);
        });
    }

    #[test]
    fn numbers_are_not_looked_up() {
        let resolved = pin!(resolve("127.0.0.1:80"));
        let polled = resolved.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(addresses)) if addresses.len() == 1));
    }
}
