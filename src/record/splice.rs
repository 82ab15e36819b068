//! Adds one member to an object without touching the rest of its bytes.

use std::ops::Range;

/// Appends the object `text` to `out` with the member `name: value` before its last brace, which stands at `close`.
///
/// `old` are the ranges of members that already have the name, in order: they and one comma each are left out, so that
/// the name stands once. Everything else comes out byte for byte.
pub fn splice(
    text: &[u8],
    close: usize,
    old: impl Iterator<Item = Range<usize>>,
    member: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let begin = out.len();
    let mut from = 0;
    for range in old {
        out.extend_from_slice(text.get(from..range.start).unwrap_or_default());
        from = range.end;
        let kept = out.len() - trailing_space(out.get(begin..).unwrap_or_default());
        if out.get(begin..kept).is_some_and(|before| before.ends_with(b",")) {
            // The comma before it goes with it, and the space between.
            out.truncate(kept - 1);
        } else {
            // It is the first of the object: the comma behind it goes with it.
            let rest = text.get(from..).unwrap_or_default();
            let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if rest.get(space) == Some(&b',') {
                from += space + 1;
            }
        }
    }
    out.extend_from_slice(text.get(from..close).unwrap_or_default());
    let before = out.get(begin..).unwrap_or_default();
    let kept = before.len() - trailing_space(before);
    // An object's opening brace is the only brace that can stand here without a value before it.
    let is_empty = before.get(..kept).is_some_and(|before| before.ends_with(b"{"));
    if !is_empty {
        out.push(b',');
    }
    member(out);
    out.extend_from_slice(text.get(close..).unwrap_or_default());
}

fn trailing_space(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Key, Scanner, Shape};

    #[rstest::rstest]
    #[case::empty("{}", r#"{"t":1}"#)]
    #[case::space(" { } \n", " { \"t\":1} \n")]
    #[case::after(r#"{"a":0}"#, r#"{"a":0,"t":1}"#)]
    #[case::spaced(r#"{ "a" : 0 }"#, r#"{ "a" : 0 ,"t":1}"#)]
    #[case::only_old(r#"{"t":0}"#, r#"{"t":1}"#)]
    #[case::first_old(r#"{"t":0, "a":{"t":7}}"#, r#"{ "a":{"t":7},"t":1}"#)]
    #[case::last_old(r#"{"a":0,"t":{"x":[]}}"#, r#"{"a":0,"t":1}"#)]
    #[case::middle_old(r#"{"a":0 , "t" : 5 , "b":1}"#, r#"{"a":0  , "b":1,"t":1}"#)]
    #[case::many_old(r#"{"t":0,"t":2,"a":0,"\u0074":3,"t":4}"#, r#"{"a":0,"t":1}"#)]
    fn splices(#[case] text: &str, #[case] expected: &str) {
        let mut shape = Shape::new(&["/t"]);
        shape.keep_all(Key(0));
        let mut scanner = Scanner::default();
        let fields = scanner.scan(&shape, text.as_bytes()).unwrap();
        let mut out = Vec::new();
        let member = |out: &mut Vec<u8>| out.extend_from_slice(br#""t":1"#);
        splice(text.as_bytes(), fields.close(), fields.members(Key(0)), member, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
