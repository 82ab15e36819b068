//! Numbers that Fluent Bit writes as JSON and cannot read back.
//!
//! Other filters, `forward` and the numbers of a log line can bring them into a record. Fluent Bit gives such a record to
//! the module, loses it when it comes back as it was, and frees memory twice: whoever can write a log line could end the
//! pipeline. So these records alone are changed.

use std::ops::Range;

/// How Fluent Bit writes the greatest numbers: with sixteen digits, which round them up to infinity.
pub const TOO_GREAT: &[u8] = b"1.797693134862316e+308";

/// The greatest of sixteen digits, less than 10⁻¹⁵ of it below.
const GREATEST: &[u8] = b"1.797693134862315e+308";

/// The text with `null` for `nan` and `inf`, as [`JSON.stringify`] has it, and with the greatest number for what is too
/// great. None when none of them is in it, or when it does not fit into memory.
///
/// [`JSON.stringify`]: https://tc39.es/ecma262/#sec-json.stringify
pub fn mend(text: &[u8]) -> Option<Vec<u8>> {
    let mut unreadable = unreadable(text).peekable();
    unreadable.peek()?;
    let mut mended = Vec::new();
    // `null` for three bytes is one byte more.
    mended.try_reserve_exact(text.len() + text.len() / 3).ok()?;
    let mut from = 0;
    for (range, other) in unreadable {
        mended.extend_from_slice(text.get(from..range.start).unwrap_or_default());
        mended.extend_from_slice(other);
        from = range.end;
    }
    mended.extend_from_slice(text.get(from..).unwrap_or_default());
    Some(mended)
}

/// Where the numbers stand, and what to write for them.
fn unreadable(text: &[u8]) -> impl Iterator<Item = (Range<usize>, &'static [u8])> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while let Some((first, behind)) = rest.split_first() {
            let start = text.len() - rest.len();
            let unsigned = rest.strip_prefix(b"-").unwrap_or(rest);
            let (behind, other) = if let Some(behind) = unsigned.strip_prefix(b"nan").or(unsigned.strip_prefix(b"inf"))
            {
                (behind, Some(&b"null"[..]))
            } else if let Some(behind) = rest.strip_prefix(TOO_GREAT) {
                (behind, Some(GREATEST))
            } else {
                (if *first == b'"' { behind_string(behind) } else { behind }, None)
            };
            rest = behind;
            if let Some(other) = other {
                return Some((start..text.len() - rest.len(), other));
            }
        }
        None
    })
}

/// What is left behind the string whose first character is at the beginning.
fn behind_string(text: &[u8]) -> &[u8] {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
    bytes.as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::not_a_number(r#"{"a":nan,"b":-nan}"#, r#"{"a":null,"b":null}"#)]
    #[case::infinite(r#"{"a":[inf,-inf,1]}"#, r#"{"a":[null,null,1]}"#)]
    #[case::too_great(r#"{"a":1.797693134862316e+308}"#, r#"{"a":1.797693134862315e+308}"#)]
    #[case::below(r#"{"a":-1.797693134862316e+308}"#, r#"{"a":-1.797693134862315e+308}"#)]
    #[case::beside_texts(r#"{"nan":"inf \" nan","b":nan}"#, r#"{"nan":"inf \" nan","b":null}"#)]
    fn is_mended(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(mend(text.as_bytes()).map(|text| String::from_utf8(text).unwrap()), Some(expected.to_owned()));
        assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
    }

    #[rstest::rstest]
    #[case::nothing("")]
    #[case::numbers(r#"{"a":1.797693134862315e+308,"b":null,"c":true}"#)]
    #[case::texts(r#"{"nan":"-inf","inf":"1.797693134862316e+308"}"#)]
    #[case::no_end(r#"{"a":"nan"#)]
    #[case::no_end_behind_an_escape(r#"{"a":"\"#)]
    fn stays(#[case] text: &str) {
        assert_eq!(mend(text.as_bytes()), None);
    }
}
