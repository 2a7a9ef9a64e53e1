//! Finding the end of a message.

/// What a message may end with: a byte, a text, or several of them.
///
/// Of several separators the one that ends first counts, and of those that end together the longest.
///
/// # Examples
///
/// ```
/// use greenloop::io::BufReader;
///
/// greenloop::run(async {
///     let mut reader = BufReader::new(&b"one;two\r\nthree\n"[..]);
///     let mut data = Vec::new();
///     reader.read_until(b';', &mut data).await?;
///     assert_eq!(data, b"one;");
///     reader.read_until("\r\n", &mut data).await?;
///     assert_eq!(data, b"one;two\r\n");
///     reader.read_until(["\r\n", "\n"], &mut data).await?;
///     assert_eq!(data, b"one;two\r\nthree\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub trait Separators: sealed::Sealed {}

impl<T: sealed::Sealed> Separators for T {}

pub(super) mod sealed {
    pub trait Sealed {
        /// Calls `f` with the separators.
        #[doc(hidden)]
        fn with<R>(&self, f: impl FnOnce(&[&[u8]]) -> R) -> R;
    }

    impl Sealed for u8 {
        fn with<R>(&self, f: impl FnOnce(&[&[u8]]) -> R) -> R {
            f(&[&[*self]])
        }
    }

    /// One separator, of a type that has its bytes.
    macro_rules! one {
        ($(($($generic:tt)*) $Text:ty;)*) => {$(
            impl $($generic)* Sealed for $Text {
                fn with<R>(&self, f: impl FnOnce(&[&[u8]]) -> R) -> R {
                    f(&[self.as_ref()])
                }
            }
        )*};
    }

    one! {
        () &str;
        () &[u8];
        () String;
        () Vec<u8>;
        (<const N: usize>) &[u8; N];
    }

    impl<T: AsRef<[u8]>, const N: usize> Sealed for [T; N] {
        fn with<R>(&self, f: impl FnOnce(&[&[u8]]) -> R) -> R {
            f(&self.each_ref().map(AsRef::as_ref))
        }
    }

    impl<const N: usize> Sealed for &[&str; N] {
        fn with<R>(&self, f: impl FnOnce(&[&[u8]]) -> R) -> R {
            f(&self.map(str::as_bytes))
        }
    }

    impl Sealed for &[&[u8]] {
        fn with<R>(&self, f: impl FnOnce(&[&[u8]]) -> R) -> R {
            f(self)
        }
    }
}

/// A message that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// How long it is with its separator.
    pub(super) end: usize,
    /// How long the separator is.
    pub(super) separator: usize,
}

/// Finds the first separator that ends after the first `scanned` bytes, of which it is known that
/// none ends in them.
///
/// It looks for ends, and then back whether all of the separator is there: so it does not matter in
/// how many pieces a separator has come.
pub(super) fn find(data: &[u8], scanned: usize, separators: &[&[u8]]) -> Option<Match> {
    let lasts = separators.iter().map(|separator| *separator.last().expect("refused before"));
    let mut from = scanned;
    while let Some(found) = position_of_any(&data[from..], lasts.clone()) {
        from += found + 1;
        let ends = |separator: &&&[u8]| data[..from].ends_with(separator);
        let longest = separators.iter().filter(ends).map(|separator| separator.len()).max();
        if let Some(separator) = longest {
            return Some(Match { end: from, separator });
        }
    }
    None
}

/// The place of the first byte that is one of `bytes`.
fn position_of_any(data: &[u8], mut bytes: impl Iterator<Item = u8> + Clone) -> Option<usize> {
    let first = bytes.next()?;
    if bytes.clone().all(|byte| byte == first) {
        return position(data, first);
    }
    let mut wanted = [false; 256];
    wanted[usize::from(first)] = true;
    for byte in bytes {
        wanted[usize::from(byte)] = true;
    }
    data.iter().position(|byte| wanted[usize::from(*byte)])
}

/// As `iter().position`, in strides: to ask whether a byte is in a slice, std looks at several at a
/// time.
fn position(data: &[u8], byte: u8) -> Option<usize> {
    const STRIDE: usize = 128;
    let mut passed = 0;
    for stride in data.chunks(STRIDE) {
        if stride.contains(&byte) {
            return stride.iter().position(|other| *other == byte).map(|at| passed + at);
        }
        passed += stride.len();
    }
    None
}

/// Panics for what could never or always be found.
#[track_caller]
pub(super) fn refuse_empty(separators: &[&[u8]]) {
    assert!(!separators.is_empty(), "there is no separator to read to");
    assert!(separators.iter().all(|separator| !separator.is_empty()), "a separator is empty");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &str, separators: &[&str]) -> Option<(usize, usize)> {
        let separators: Vec<_> = separators.iter().map(|text| text.as_bytes()).collect();
        let whole = find(data.as_bytes(), 0, &separators);
        // In whatever pieces it comes.
        let in_pieces =
            (0..data.len()).find_map(|end| find(&data.as_bytes()[..=end], end, &separators));
        assert_eq!(whole, in_pieces, "{data} {separators:?}");
        whole.map(|found| (found.end, found.separator))
    }

    #[test]
    fn a_separator_is_found_where_it_first_ends() {
        assert_eq!(found("", &["\n"]), None);
        assert_eq!(found("no", &["\n"]), None);
        assert_eq!(found("\n", &["\n"]), Some((1, 1)));
        assert_eq!(found("a\r\nb\n", &["\r\n"]), Some((3, 2)));
        assert_eq!(found("a\nb\r\n", &["\r\n"]), Some((5, 2)));
        assert_eq!(found("QWEaaXYaaa", &["aaa"]), Some((10, 3)));
        assert_eq!(found("aab", &["ab"]), Some((3, 2)));
    }

    #[test]
    fn of_several_the_one_that_ends_first_counts() {
        assert_eq!(found("a;b\n", &["\n", ";"]), Some((2, 1)));
        assert_eq!(found("abcde", &["cde", "bcd"]), Some((4, 3)));
        assert_eq!(found("abcde", &["e", "abcd"]), Some((4, 4)));
        assert_eq!(found("a\r\n", &["\n", "\r\n"]), Some((3, 2)));
        assert_eq!(found("a\r\n", &["\r\n", "\n"]), Some((3, 2)));
        assert_eq!(found("a\n", &["\r\n", "\n"]), Some((2, 1)));
    }

    #[test]
    fn what_was_scanned_is_not_looked_at_again_but_belongs_to_a_separator() {
        assert_eq!(find(b"a;b;", 2, &[b";"]), Some(Match { end: 4, separator: 1 }));
        assert_eq!(find(b"a\r\n", 2, &[b"\r\n"]), Some(Match { end: 3, separator: 2 }));
    }

    #[test]
    fn strides_hide_nothing() {
        for at in [0, 1, 126, 127, 128, 129, 255, 256, 300] {
            let mut data = vec![b'.'; 400];
            data[at] = b'x';
            data[350] = b'x';
            assert_eq!(position(&data, b'x'), Some(at));
            assert_eq!(position(&data, b'y'), None);
        }
    }
}
