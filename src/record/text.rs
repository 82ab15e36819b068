//! Strings of a record: borrowed from it where they have no escapes.

use std::borrow::Cow;
use std::fmt;

use super::scan::special;

/// A string of a record, without its escapes. It is UTF-8, but kept as bytes: to prove that on every read costs an
/// interpreter more than the read.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text<'a>(Cow<'a, [u8]>);

impl<'a> Text<'a> {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The string.
    #[must_use]
    pub fn to_str(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The part between two offsets that does not copy what was borrowed. Out of range it is empty.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Text<'a> {
        match &self.0 {
            Cow::Borrowed(bytes) => Text(Cow::Borrowed(bytes.get(start..end).unwrap_or_default())),
            Cow::Owned(bytes) => Text(Cow::Owned(bytes.get(start..end).unwrap_or_default().to_vec())),
        }
    }

    /// The same text with a life of its own.
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<Vec<u8>> for Text<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str(), f)
    }
}

/// Whether two byte strings are equal, eight bytes at a time: the library compares them one by one on WebAssembly.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let (mut left, mut right) = (left, right);
    while let (Some((one, left_rest)), Some((other, right_rest))) =
        (left.split_first_chunk::<8>(), right.split_first_chunk::<8>())
    {
        if u64::from_le_bytes(*one) != u64::from_le_bytes(*other) {
            return false;
        }
        (left, right) = (left_rest, right_rest);
    }
    left == right
}

/// Appends the characters that a JSON string's inside stands for. A surrogate without its partner becomes U+FFFD; an
/// escape that is none stays as it is.
pub fn unescape(mut inner: &[u8], out: &mut Vec<u8>) {
    while let Some(plain) = inner.iter().position(|&byte| byte == b'\\') {
        let (before, escape) = inner.split_at(plain);
        out.extend_from_slice(before);
        let Some(&letter) = escape.get(1) else {
            inner = escape;
            break;
        };
        let mut length = 2;
        match letter {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let first = unit(escape);
                let second = escape.get(6..).and_then(unit);
                let (character, used) = match (first, second) {
                    (Some(high @ 0xD800..0xDC00), Some(low @ 0xDC00..0xE000)) => {
                        (char::from_u32(0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00))), 12)
                    }
                    (Some(unit), _) => (char::from_u32(unit), 6),
                    (None, _) => (None, escape.len().min(6)),
                };
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                length = used;
            }
            other => out.push(other),
        }
        inner = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(inner);
}

/// The UTF-16 unit of a `\uXXXX` at the beginning of the bytes.
fn unit(escape: &[u8]) -> Option<u32> {
    let hex = escape.strip_prefix(b"\\u")?.get(..4)?;
    let mut value = 0;
    for &digit in hex {
        value = value << 4 | char::from(digit).to_digit(16)?;
    }
    Some(value)
}

/// Appends a text as a JSON string, quotes and all.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = plain_length(rest);
        let (plain, special) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x20.. => out.push(byte),
            _ => {
                let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
        }
        rest = after;
    }
    out.push(b'"');
}

/// How many bytes the text has before the first that may need an escape.
fn plain_length(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        let special = special(u64::from_le_bytes(*chunk));
        if special != 0 {
            return text.len() - rest.len() + (special.trailing_zeros() / 8) as usize;
        }
        rest = tail;
    }
    let needs_escape = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    text.len() - rest.len() + rest.iter().position(needs_escape).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("plain", "plain")]
    #[case(r#"a\"b\\c\/d\b\f\n\r\t"#, "a\"b\\c/d\u{8}\u{c}\n\r\t")]
    #[case(r"\u0041\u00e9\u20ac", "Aé€")]
    #[case(r"\ud83d\ude00", "😀")]
    #[case(r"\ud83dx", "\u{fffd}x")]
    #[case(r"\ude00\u0000", "\u{fffd}\0")]
    fn unescapes(#[case] inner: &str, #[case] expected: &str) {
        let mut out = Vec::new();
        unescape(inner.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn quotes_what_serde_json_reads_back() {
        let text: String = (0..0x180).filter_map(char::from_u32).collect();
        let mut out = Vec::new();
        quote(text.as_bytes(), &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
