//! How entries are spelled: numbers in little-endian order, one behind the other, nothing between.

/// A time further than this from 1970, in seconds, is none: what is reckoned with times does not overflow.
const FURTHEST: i64 = 1 << 40;

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the first byte on.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// So many bytes, if there are as many.
    pub fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }

    /// A byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// A number of four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A number of eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A time or a span in seconds; none when it is out of all reason.
    pub fn seconds(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes).filter(|seconds| (-FURTHEST..=FURTHEST).contains(seconds))
    }
}

/// Writes a time or a span in seconds so that [`Reader::seconds`] takes it.
pub fn put_seconds(seconds: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&seconds.clamp(-FURTHEST, FURTHEST).to_le_bytes());
}
