//! The error of a message that is too long.

use std::{fmt, io};

/// The error of a message without an end within the limit; in an [`io::Error`] of the kind
/// `InvalidData`. The data is still there, see [`BufReader`](super::BufReader).
///
/// # Examples
///
/// ```
/// use greenloop::io::{BufReader, LimitExceeded};
///
/// greenloop::run(async {
///     let mut reader = BufReader::new(&b"far too long\nfine\n"[..]).limit(5);
///     let mut line = String::new();
///     let error = reader.read_line(&mut line).await.unwrap_err();
///     let exceeded: &LimitExceeded = error.get_ref().unwrap().downcast_ref().unwrap();
///     assert_eq!(exceeded.limit(), 5);
///
///     reader.skip_until(b'\n').await?;
///     reader.read_line(&mut line).await?;
///     assert_eq!(line, "fine\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "LimitOverrunError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    limit: usize,
}

impl LimitExceeded {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Returns the limit, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message is longer than the limit of {} bytes", self.limit)
    }
}

impl std::error::Error for LimitExceeded {}

impl From<LimitExceeded> for io::Error {
    fn from(error: LimitExceeded) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
