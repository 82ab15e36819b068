//! What a scan found: values, where they stand in the text.

use super::scan::no_digits;
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

    /// Where it stands; none when it is no value.
    pub fn range(self) -> Option<std::ops::Range<usize>> {
        (self.end != 0).then(|| self.start as usize..self.end() as usize)
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
    pub(super) found: &'s [Key],
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

    /// The whole text alone, with nothing found in it.
    #[must_use]
    pub fn without_values(&self) -> Fields<'a, 'static> {
        Fields { text: self.text, close: self.close, slots: &[], many: &[], found: &[] }
    }

    /// Whether the key is there. Of an object or array with wanted members only this is known, not its text.
    #[inline]
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        self.slots.get(usize::from(key.0)).is_some_and(|slot| slot.end != 0)
    }

    /// The keys that have a value outside arrays, in the order of the text, without those that the shape
    /// [passes](super::Shape::pass); one whose name is repeated comes twice.
    #[must_use]
    pub fn found(&self) -> &[Key] {
        self.found
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

    /// Whether any array has values of any key.
    #[must_use]
    pub fn has_elements(&self) -> bool {
        !self.many.is_empty()
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
        let [b'"', inner @ .., b'"'] = self.raw else { return None };
        if self.plain {
            return Some(Text::from(inner));
        }
        let mut decoded = Vec::with_capacity(inner.len());
        unescape(inner, &mut decoded);
        Some(Text::from(decoded))
    }

    /// The bytes without the quotes, if it has any. By pattern: the library's prefixes are calls and loops to an
    /// interpreter.
    fn unquoted(self) -> &'a [u8] {
        if let [b'"', inner @ .., b'"'] = self.raw { inner } else { self.raw }
    }

    /// The integer: of a number without fraction or exponent, or of a string of digits, as protobuf's JSON has 64-bit
    /// integers. Too large a number is none.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        let (is_negative, digits) = match self.unquoted() {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        // Nineteen digits fit a u64; the library checks each step, which takes WebAssembly a 128-bit product.
        if digits.is_empty() || digits.len() > 19 {
            return None;
        }
        let mut value = 0_u64;
        let mut rest = digits;
        while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
            let eight = eight_digits(u64::from_le_bytes(*chunk))?;
            value = value.wrapping_mul(100_000_000).wrapping_add(eight);
            rest = behind;
        }
        for &byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        if is_negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
    }

    /// The number, also of a string as with [`integer`](Self::integer), to about fifteen digits; none when it is too
    /// large. The library's exact reading costs the guest 15 kB, which a statistic does not need.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        let text = self.unquoted();
        let (sign, text) = text.strip_prefix(b"-").map_or((1.0, text), |text| (-1.0, text));
        let (mut mantissa, mut exponent, mut is_fraction, mut digits) = (0.0, 0_i32, false, 0);
        let mut rest = text.iter();
        for &byte in rest.by_ref() {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa * 10.0 + f64::from(byte - b'0');
                    exponent = exponent.saturating_sub(i32::from(is_fraction));
                    digits += 1;
                }
                b'.' if !is_fraction => is_fraction = true,
                b'e' | b'E' if digits > 0 => {
                    let written = std::str::from_utf8(rest.as_slice()).ok()?.parse().ok()?;
                    exponent = exponent.saturating_add(written);
                    break;
                }
                _ => return None,
            }
        }
        let number = sign * mantissa * 10_f64.powi(exponent);
        (digits > 0 && number.is_finite()).then_some(number)
    }
}

/// The number that eight digits make, the first of them in the lowest byte. Neighbours are joined to twos, fours and
/// eights: an interpreter does this in a third of the time of eight steps.
fn eight_digits(word: u64) -> Option<u64> {
    if no_digits(word) != 0 {
        return None;
    }
    let ones = word & 0x0f0f_0f0f_0f0f_0f0f;
    let twos = (ones.wrapping_mul(10 * 256 + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos.wrapping_mul(100 * 65_536 + 1) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("0", Some(0))]
    #[case("-7", Some(-7))]
    #[case("\"42\"", Some(42))]
    #[case("12345678", Some(12_345_678))]
    #[case("1767225600950000000", Some(1_767_225_600_950_000_000))]
    #[case("1234567:", None)]
    #[case("1234567/9", None)]
    #[case("\"", None)]
    #[case("9223372036854775807", Some(i64::MAX))]
    #[case("-9223372036854775808", Some(i64::MIN))]
    #[case("9223372036854775808", None)]
    #[case("99999999999999999999", None)]
    #[case("1.0", None)]
    #[case("1e3", None)]
    #[case("\"\"", None)]
    #[case("\"+1\"", None)]
    #[case("null", None)]
    fn integers(#[case] raw: &str, #[case] expected: Option<i64>) {
        assert_eq!(Value { raw: raw.as_bytes(), plain: true }.integer(), expected);
    }

    #[rstest::rstest]
    #[case("0", Some(0.0))]
    #[case("-12.5", Some(-12.5))]
    #[case("1.8e3", Some(1800.0))]
    #[case("2E-2", Some(0.02))]
    #[case("\"1721000000.25\"", Some(1_721_000_000.25))]
    #[case("1e400", None)]
    #[case("\"NaN\"", None)]
    #[case("\"\"", None)]
    #[case("\"-\"", None)]
    #[case("true", None)]
    #[case("\"1e\"", None)]
    fn numbers(#[case] raw: &str, #[case] expected: Option<f64>) {
        let found = Value { raw: raw.as_bytes(), plain: true }.number();
        assert_eq!(found.is_some(), expected.is_some());
        if let (Some(found), Some(expected)) = (found, expected) {
            assert!((found - expected).abs() <= expected.abs() * 1e-15, "{found}");
        }
    }
}
