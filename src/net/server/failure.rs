//! What went wrong with one connection, and who is told.

use std::{
    any::Any,
    fmt,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use crate::task::JoinError;

/// The error of a handler: whatever has a text, so that any type of error will do, and none need be boxed
/// by the user.
pub trait Problem: fmt::Display + Any {}

impl<E: fmt::Display + Any> Problem for E {}

/// What a handler may give: nothing, or a `Result` whose error says what went wrong with the connection; or it
/// never ends by itself.
pub trait Outcome: sealed::Sealed {
    /// The error, if it is one.
    #[doc(hidden)]
    fn into_result(self) -> Result<(), Box<dyn Problem>>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for () {}
    impl<T, E> Sealed for Result<T, E> {}
    impl Sealed for super::Never {}
}

/// The type `!` of what does not return, which stable Rust does not let one name.
type Never = <fn() -> ! as Returns>::Output;

#[doc(hidden)]
pub trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

impl Outcome for Never {
    fn into_result(self) -> Result<(), Box<dyn Problem>> {
        self
    }
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Box<dyn Problem>> {
        Ok(())
    }
}

impl<T, E: fmt::Display + 'static> Outcome for Result<T, E> {
    fn into_result(self) -> Result<(), Box<dyn Problem>> {
        match self {
            Ok(_) => Ok(()),
            Err(error) => Err(Box::new(error)),
        }
    }
}

/// Something that went wrong in a server, and of which it goes on: with one connection, or with the
/// listener, after which it accepts no more.
///
/// Its `Display` says what, and with whose connection.
pub struct Failure<'a> {
    pub(super) peer: Option<&'a dyn fmt::Debug>,
    pub(super) cause: Cause<'a>,
}

pub(super) enum Cause<'a> {
    Error(&'a dyn Problem),
    Panic(&'a JoinError),
    Listener(&'a io::Error),
}

impl Failure<'_> {
    /// Returns where the connection comes from; `None` if it is the listener that failed.
    #[must_use]
    pub fn peer(&self) -> Option<&dyn fmt::Debug> {
        self.peer
    }

    /// Returns what went wrong, without the peer, for a text.
    #[must_use]
    pub fn cause(&self) -> &dyn fmt::Display {
        match &self.cause {
            Cause::Error(error) => error,
            Cause::Panic(error) => error,
            Cause::Listener(error) => error,
        }
    }

    /// Returns what the handler gave, if that is of this type: its error, or a [`JoinError`] for
    /// its panic. That of a listener is an [`io::Error`].
    #[must_use]
    pub fn downcast_ref<E: 'static>(&self) -> Option<&E> {
        let cause: &dyn Any = match self.cause {
            Cause::Error(error) => error,
            Cause::Panic(error) => error,
            Cause::Listener(error) => error,
        };
        cause.downcast_ref()
    }

    /// Returns whether the handler has panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panic(_))
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "the connection of {peer:?}: {}", self.cause()),
            None => write!(f, "it accepts no more connections: {}", self.cause()),
        }
    }
}

impl fmt::Debug for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({self})")
    }
}

/// Whom a server tells of failures.
pub(super) enum Audience {
    /// Standard error, at a limited rate: a client must not be able to fill a disk.
    StandardError(Ration),
    Hook(Box<dyn FnMut(&Failure<'_>)>),
}

impl Audience {
    /// The hook and the text of an error are foreign code, whose panic harms nobody here.
    pub(super) fn tell(&mut self, failure: &Failure<'_>) {
        let told = catch_unwind(AssertUnwindSafe(|| match self {
            Self::StandardError(ration) => match ration.take(Instant::now()) {
                Some(0) => print(format_args!("{failure}")),
                Some(left_out) => print(format_args!("{failure} (and {left_out} more before)")),
                None => {}
            },
            Self::Hook(hook) => hook(failure),
        }));
        if let Err(panic) = told {
            print(format_args!("telling of a failure has panicked"));
            forget_if_it_panics(panic);
        }
    }

    /// Tells how many were left out since the last line.
    pub(super) fn finish(&mut self) {
        if let Self::StandardError(Ration { left_out: left_out @ 1.., .. }) = self {
            print(format_args!("{left_out} more failures of connections were not told"));
        }
    }
}

/// Drops a foreign value, which may panic in its turn.
pub(super) fn forget_if_it_panics(value: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(move || drop(value))) {
        std::mem::forget(another);
    }
}

/// A failure to write is ignored: nobody is left who could be told.
fn print(what: fmt::Arguments<'_>) {
    let line = format!("greenloop: server: {what}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

/// So many lines at once, and then one per second.
pub(super) struct Ration {
    lines: u32,
    /// When the last line was added.
    since: Option<Instant>,
    left_out: u64,
}

impl Ration {
    const MOST: u32 = 10;
    const EACH: Duration = Duration::from_secs(1);

    pub(super) fn new() -> Self {
        Self { lines: Self::MOST, since: None, left_out: 0 }
    }

    /// Whether one more line is allowed; then, how many were left out before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since).as_nanos() / Self::EACH.as_nanos();
        let more = u32::try_from(passed).unwrap_or(u32::MAX);
        self.lines = self.lines.saturating_add(more).min(Self::MOST);
        if self.lines == Self::MOST {
            self.since = Some(now);
        } else if more > 0 {
            self.since = Some(since + Self::EACH * more);
        }
        if self.lines == 0 {
            self.left_out += 1;
            return None;
        }
        self.lines -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_at_once_and_then_one_a_second() {
        let mut ration = Ration::new();
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        for _ in 0..10 {
            assert_eq!(ration.take(at(0)), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(ration.take(at(999)), None);
        }
        assert_eq!(ration.take(at(1000)), Some(5));
        assert_eq!(ration.take(at(1001)), None);
        assert_eq!(ration.take(at(2500)), Some(1));
        assert_eq!(ration.take(at(2999)), None);
        assert_eq!(ration.take(at(3000)), Some(1), "the half second was not forgotten");
    }

    #[test]
    fn a_quiet_time_gives_ten_lines_and_no_more() {
        let mut ration = Ration::new();
        let start = Instant::now();
        for _ in 0..20 {
            ration.take(start);
        }
        let later = start + Duration::from_secs(3600);
        assert_eq!(ration.take(later), Some(10));
        for _ in 0..9 {
            assert_eq!(ration.take(later), Some(0));
        }
        assert_eq!(ration.take(later), None);
    }
}
