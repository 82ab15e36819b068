//! What a scan found: values, where they stand in the text.

use super::shape::Key;
use super::text::{Text, unescape};

/// Where a value stands; the end's top bit says that it is a string with escapes. An empty range is no value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    start: u32,
    end: u32,
}

const ESCAPED: u32 = 1 << 31;

impl Slot {
    // A scan refuses texts for which these would not fit.
    pub fn new(start: usize, end: usize, plain: bool) -> Self {
        Self { start: start as u32, end: end as u32 | if plain { 0 } else { ESCAPED } }
    }

    fn end(self) -> u32 {
        self.end & !ESCAPED
    }
}

/// A value of a key that may have many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Many {
    pub key: Key,
    /// The number of the array element around it.
    pub element: u32,
    /// Where the member begins, name and all.
    pub start: u32,
    pub slot: Slot,
}

/// The wanted members of one JSON object: its text lives for `'a`, the scanner that found them is borrowed for `'s`.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a, 's> {
    pub(super) text: &'a [u8],
    pub(super) close: usize,
    pub(super) slots: &'s [Slot],
    pub(super) many: &'s [Many],
}

impl<'a> Fields<'a, '_> {
    /// The whole text.
    #[must_use]
    pub fn record(&self) -> &'a [u8] {
        self.text
    }

    /// The offset of the object's last brace.
    #[must_use]
    pub fn close(&self) -> usize {
        self.close
    }

    /// Whether the key is there. Of an object or array with wanted members only this is known, not its text.
    #[inline]
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        self.slots.get(usize::from(key.0)).is_some_and(|slot| slot.end != 0)
    }

    /// The key's value, outside arrays.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Value<'a>> {
        let slot = *self.slots.get(usize::from(key.0))?;
        if slot.end == 0 { None } else { self.value(slot) }
    }

    /// The key's value, when it is a string.
    #[inline]
    #[must_use]
    pub fn text(&self, key: Key) -> Option<Text<'a>> {
        self.get(key)?.text()
    }

    /// The values of a key inside arrays, each with the number of its array element.
    pub fn each(&self, key: Key) -> impl Iterator<Item = (u32, Value<'a>)> + '_ {
        let values = self.many.iter().filter(move |many| many.key == key);
        values.filter_map(|many| Some((many.element, self.value(many.slot)?)))
    }

    /// The ranges of the members of a key that keeps them all, from the name to the end of the value.
    pub fn members(&self, key: Key) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let members = self.many.iter().filter(move |many| many.key == key);
        members.map(|many| many.start as usize..many.slot.end() as usize)
    }

    /// Whether some array has values of the key.
    #[must_use]
    pub fn has_each(&self, key: Key) -> bool {
        self.many.iter().any(|many| many.key == key)
    }

    fn value(&self, slot: Slot) -> Option<Value<'a>> {
        let raw = self.text.get(slot.start as usize..slot.end() as usize)?;
        Some(Value { raw, plain: slot.end & ESCAPED == 0 })
    }
}

/// A JSON value as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    raw: &'a [u8],
    plain: bool,
}

impl<'a> Value<'a> {
    /// Its bytes, quotes and all.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        self.raw.first() == Some(&b'{')
    }

    /// The string, when it is one.
    #[must_use]
    pub fn text(self) -> Option<Text<'a>> {
        let inner = self.raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if self.plain {
            return Some(Text::from(inner));
        }
        let mut decoded = Vec::with_capacity(inner.len());
        unescape(inner, &mut decoded);
        Some(Text::from(decoded))
    }

    /// The integer: of a number without fraction or exponent, or of a string of digits, as protobuf's JSON has 64-bit
    /// integers. Too large a number is none.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        let digits = self.raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).unwrap_or(self.raw);
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The number, also of a string as with [`integer`](Self::integer). Never NaN or infinite.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        let digits = self.raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).unwrap_or(self.raw);
        std::str::from_utf8(digits).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
    }
}
