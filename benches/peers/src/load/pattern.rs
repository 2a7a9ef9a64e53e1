//! The bytes that are sent, so that every byte that comes back can be checked.
//!
//! Each connection sends one endless stream, cut into messages. Byte `p` of a stream depends
//! on `p` and on the connection, with a period that is a prime number: a byte that is lost,
//! doubled, moved or given to another connection does not match.

/// The stream of bytes all connections cut their messages from.
pub struct Pattern {
    bytes: Vec<u8>,
}

impl Pattern {
    /// Makes the pattern; it is the same in every run.
    pub fn new() -> Self {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let period: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        let bytes = period.iter().chain(&period).copied().collect();
        Pattern { bytes }
    }

    /// At most `length` bytes of the stream of connection `seed`, from position `from`; fewer
    /// only where `length` is more than [`PERIOD`].
    pub fn at(&self, seed: usize, from: u64, length: usize) -> &[u8] {
        let start = (seed as u64 * STRIDE + from) % PERIOD as u64;
        &self.bytes[start as usize..][..length.min(PERIOD)]
    }
}

/// A prime number, so that no message size divides it.
pub const PERIOD: usize = 65_521;
/// How far the streams of two connections are apart.
const STRIDE: u64 = 7_919;
