//! Text that is put together without allocating: in a signal handler, and between a fork and an
//! execution.

/// At most `N` bytes of text; what does not fit is left out.
#[derive(Debug)]
pub(crate) struct FixedText<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> FixedText<N> {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// Appends as much as there is room for.
    pub(crate) fn push(&mut self, text: &[u8]) {
        let count = text.len().min(N - self.len);
        self.bytes[self.len..self.len + count].copy_from_slice(&text[..count]);
        self.len += count;
    }

    /// Appends a number in decimal digits.
    pub(crate) fn push_number(&mut self, number: u64) {
        self.push_digits(number, 10);
    }

    /// Appends a number in hexadecimal digits.
    #[cfg(all(feature = "launcher", target_os = "linux"))]
    pub(crate) fn push_hex(&mut self, number: u64) {
        self.push_digits(number, 16);
    }

    fn push_digits(&mut self, mut number: u64, base: u64) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b"0123456789abcdef"[(number % base) as usize];
            number /= base;
            if number == 0 {
                break;
            }
        }
        self.push(&digits[first..]);
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_digits() {
        for number in [0, 7, 10, 4_194_304, u64::MAX] {
            let mut text = FixedText::<64>::new();
            text.push_number(number);
            text.push(b" ");
            text.push_digits(number, 16);
            assert_eq!(text.as_bytes(), format!("{number} {number:x}").as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut text = FixedText::<4>::new();
        text.push(b"abc");
        text.push_number(1234);
        text.push(b"x");
        assert_eq!(text.as_bytes(), b"abc1");
    }
}
