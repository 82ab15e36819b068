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

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }

    /// A text, as [`put_text`] spells it.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = <u16 as Number>::read(self)?;
        self.bytes(length.into())
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

/// Writes a text, or as much of it as has a place.
pub fn put_text(text: &[u8], out: &mut Vec<u8>) {
    let length = text.len().min(usize::from(u16::MAX));
    (length as u16).put(out);
    out.extend_from_slice(text.get(..length).unwrap_or_default());
}

/// Writes a time or a span in seconds so that [`Reader::seconds`] takes it.
pub fn put_seconds(seconds: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&seconds.clamp(-FURTHEST, FURTHEST).to_le_bytes());
}

/// A number, or an array of numbers, as entries spell it.
pub trait Number: Sized {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads one; none when it is out of all reason.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                reader.array().map(Self::from_le_bytes)
            }
        }
    )*};
}
number!(u8, u16, i16, u32, i32, u64);

impl Number for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        put_seconds(*self, out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.seconds()
    }
}

macro_rules! finite {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                reader.array().map(Self::from_le_bytes).filter(|number| number.is_finite())
            }
        }
    )*};
}
finite!(f32, f64);

impl<N: Number + Copy + Default, const LENGTH: usize> Number for [N; LENGTH] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|number| number.put(out));
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut numbers = [N::default(); LENGTH];
        for number in &mut numbers {
            *number = N::read(reader)?;
        }
        Some(numbers)
    }
}

/// Spells the fields of a struct of numbers, one behind the other.
macro_rules! numbers {
    (write $entry:expr, $out:expr, $($field:ident),* $(,)?) => {
        $($crate::baseline::snapshot::Number::put(&$entry.$field, $out);)*
    };
    (read $reader:expr, $($field:ident: $type:ty),* $(,)?) => {
        Some(Self { $($field: <$type as $crate::baseline::snapshot::Number>::read($reader)?),* })
    };
}
pub(crate) use numbers;
