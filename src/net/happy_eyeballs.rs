//! Connecting to the first of several addresses that answers, without waiting for those that do not
//! (RFC 8305, "happy eyeballs").
//!
//! The addresses are tried in turn, alternately of one family and the other. The next one begins when
//! one has failed, or has been silent for a while; those that are silent go on. The first
//! connection wins, and the others are closed.

use std::{
    collections::VecDeque,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{TcpStream, addresses::no_address};
use crate::time::{Sleep, sleep_until};

/// How long an address may be silent before the next is tried as well; the figure of the RFC.
const DELAY: Duration = Duration::from_millis(250);

/// Connects to the first of the addresses that answers. `attempt` connects to one.
pub(super) async fn connect<F>(
    addresses: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> io::Result<TcpStream>
where
    F: Future<Output = io::Result<TcpStream>>,
{
    match addresses.as_slice() {
        [] => Err(no_address()),
        [only] => attempt(*only).await,
        _ => {
            let waiting = interleave(addresses);
            Race { attempt, waiting, going: Vec::new(), failed: Vec::new(), next: None }.await
        }
    }
}

/// Keeps the order within a family, and alternates the families, beginning with that of the first.
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let Some(first) = addresses.first() else { return VecDeque::new() };
    let is_six = first.is_ipv6();
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_six);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut order = VecDeque::new();
    while preferred.len() + others.len() > 0 {
        order.extend(preferred.next());
        order.extend(others.next());
    }
    order
}

/// The attempts that are going on, and those to come.
struct Race<A, F> {
    attempt: A,
    waiting: VecDeque<SocketAddr>,
    going: Vec<(SocketAddr, Pin<Box<F>>)>,
    failed: Vec<(SocketAddr, io::Error)>,
    /// When the next one begins, although none has failed.
    next: Option<Sleep>,
}

impl<A, F> Unpin for Race<A, F> {}

impl<A, F> Future for Race<A, F>
where
    A: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<TcpStream>>,
{
    type Output = io::Result<TcpStream>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // Those that go on first: one may have succeeded at the very moment when the next is due.
        let mut is_due = this.going.is_empty();
        let mut place = 0;
        while place < this.going.len() {
            match this.going[place].1.as_mut().poll(cx) {
                Poll::Pending => place += 1,
                Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                Poll::Ready(Err(error)) => {
                    let (address, _) = this.going.remove(place);
                    this.failed.push((address, error));
                    is_due = true;
                }
            }
        }
        loop {
            if let Some(next) = &mut this.next {
                is_due |= Pin::new(next).poll(cx).is_ready();
            }
            if !is_due {
                return Poll::Pending;
            }
            let Some(address) = this.waiting.pop_front() else {
                this.next = None;
                if this.going.is_empty() {
                    return Poll::Ready(Err(all_of(std::mem::take(&mut this.failed))));
                }
                return Poll::Pending;
            };
            let mut attempt = Box::pin((this.attempt)(address));
            match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                Poll::Ready(Err(error)) => this.failed.push((address, error)),
                Poll::Pending => {
                    this.going.push((address, attempt));
                    this.next = Some(sleep_until(Instant::now() + DELAY));
                    is_due = false;
                }
            }
        }
    }
}

/// The error of all attempts, of the kind of the last.
fn all_of(failed: Vec<(SocketAddr, io::Error)>) -> io::Error {
    match failed.last() {
        Some((_, last)) => io::Error::new(last.kind(), AllFailed(failed)),
        None => no_address(),
    }
}

/// Why none of several addresses could be connected to.
#[derive(Debug)]
struct AllFailed(Vec<(SocketAddr, io::Error)>);

impl fmt::Display for AllFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "none of {} addresses can be connected to", self.0.len())?;
        for (address, error) in &self.0 {
            write!(f, "; {address}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for AllFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.last().map(|(_, error)| error as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(families: &str) -> String {
        let addresses = families.chars().enumerate().map(|(port, family)| match family {
            '4' => SocketAddr::from(([127, 0, 0, 1], port as u16)),
            _ => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port as u16)),
        });
        interleave(addresses.collect()).iter().map(|address| address.port().to_string()).collect()
    }

    #[test]
    fn families_alternate_from_the_first_on() {
        assert_eq!(order(""), "");
        assert_eq!(order("4"), "0");
        assert_eq!(order("444"), "012");
        assert_eq!(order("6644"), "0213");
        assert_eq!(order("4466"), "0213");
        assert_eq!(order("66664"), "04123");
        assert_eq!(order("46"), "01");
        assert_eq!(order("6444"), "0123");
    }
}
