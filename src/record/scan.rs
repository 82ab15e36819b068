//! One pass over a JSON text: every byte is checked, the wanted members are noted, nothing is built.
//!
//! An interpreter runs this on every record, and at about two nanoseconds an operation it is the whole cost of a filter
//! that finds nothing. Hence strings are walked eight bytes at a time, and names are compared as words.
//! `serde_json` is the oracle in `tests/oracle.rs` and in `fuzz/`.

use super::shape::{self, Key, Node, NodeId, ROOT, Shape};
use super::text;
use super::value::{Fields, Many, Slot};

/// Why a text is not one JSON object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invalid {
    /// The text is not JSON; the offset is that of the first byte which cannot stand where it does.
    Syntax(usize),
    /// The text is JSON, or begins as JSON, but its top level is no object.
    NotAnObject,
    /// The text is longer than two gibibytes.
    TooLong,
    /// The text has the number that is [refused](Scanner::refuse); the offset is where it begins.
    Refused(usize),
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(offset) => write!(f, "not JSON (byte {offset})"),
            Self::NotAnObject => f.write_str("not a JSON object"),
            Self::TooLong => f.write_str("longer than 2 GiB"),
            Self::Refused(offset) => write!(f, "a number that is refused (byte {offset})"),
        }
    }
}

impl std::error::Error for Invalid {}

type Result<T> = std::result::Result<T, Invalid>;

/// How many levels of a [`Shape`] are followed; what is wanted below is not found.
const DEPTH: usize = 16;

/// The memory of a scan, kept from one text to the next.
#[derive(Debug, Default)]
pub struct Scanner {
    /// The last value of each key outside arrays.
    slots: Vec<Slot>,
    /// The values of the keys that have many.
    many: Vec<Many>,
    /// The keys that were found, in the order of the text, but for the passing ones.
    found: Vec<Key>,
    /// In which element each node was seen last: a second time in the same one is a repeated name.
    seen: Vec<u32>,
    /// For each container that is being skipped, whether it is an object: one bit a level, since a text may nest as
    /// deep as it is long.
    nesting: Vec<u64>,
    /// A member's name without its escapes.
    name: Vec<u8>,
    /// What `slots` and `seen` begin with.
    no_slots: Vec<Slot>,
    none_seen: Vec<u32>,
    refused: Option<&'static [u8]>,
}

/// A container whose members or elements may be wanted.
#[derive(Clone, Copy)]
struct Frame {
    node: NodeId,
    is_array: bool,
    /// The number of the element that the container stands in, counted over the whole text; 1 outside arrays.
    element: u32,
}

impl Scanner {
    /// Takes a text with this number, whatever its sign, for invalid from now on: it is JSON, but nothing that whoever reads
    /// it next can read. The number is positive and has an exponent.
    pub fn refuse(&mut self, number: &'static [u8]) {
        self.refused = Some(number);
    }

    /// Checks the text and finds what the shape wants in it. Of a repeated name the last value counts, as in
    /// `serde_json`.
    ///
    /// # Errors
    /// When the text is not one JSON object ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259); lone surrogates in
    /// escapes are allowed, as they are there).
    pub fn scan<'a>(&mut self, shape: &Shape, text: &'a [u8]) -> Result<Fields<'a, '_>> {
        if text.len() > (u32::MAX / 2) as usize {
            return Err(Invalid::TooLong);
        }
        // To copy is one instruction of the interpreter's; to fill is a loop, a tenth of the scan of a Docker event.
        self.no_slots.resize(shape.keys(), Slot::default());
        self.slots.clear();
        self.slots.extend_from_slice(&self.no_slots);
        self.none_seen.resize(shape.len(), 0);
        self.seen.clear();
        self.seen.extend_from_slice(&self.none_seen);
        self.many.clear();
        self.found.clear();
        let close = self.walk(shape, text)?;
        Ok(Fields { text, close, slots: &self.slots, many: &self.many, found: &self.found })
    }

    /// Walks the whole text and gives the offset of its last brace.
    ///
    /// What usually stands between a name and its value, and between a value and the next name, is looked at as one
    /// word; space is looked for only where something else stands there.
    fn walk(&mut self, shape: &Shape, text: &[u8]) -> Result<usize> {
        let mut at = skip_space(text, 0);
        let Some(mut node) = shape.node(ROOT) else { return Err(Invalid::Syntax(at)) };
        if byte(text, at) != Some(b'{') {
            return Err(Invalid::NotAnObject);
        }
        at += 1;
        let mut outer = [Frame { node: ROOT, is_array: false, element: 1 }; DEPTH];
        let mut depth = 0;
        let mut frame = Frame { node: ROOT, is_array: false, element: 1 };
        let mut elements = 1;
        let mut fresh = true;
        loop {
            if byte(text, at) != Some(b'"') {
                at = skip_space(text, at);
            }
            let start = at;
            let closes = fresh && byte(text, at) == Some(if frame.is_array { b']' } else { b'}' });
            if !closes {
                let child = if frame.is_array {
                    elements += 1;
                    node.each
                } else {
                    self.member(node, text, &mut at)?
                };
                match child {
                    None => {
                        at = match byte(text, at) {
                            Some(b'"') => string(text, at + 1)? + 1,
                            _ => self.skip_value(text, at)?,
                        };
                    }
                    Some(child) => {
                        let element = if frame.is_array { elements } else { frame.element };
                        let opened = self.want(shape, text, child, element, start, &mut at)?;
                        if let (Some(is_array), Some(slot), Some(inner)) =
                            (opened, outer.get_mut(depth), shape.node(child))
                        {
                            *slot = frame;
                            depth += 1;
                            frame = Frame { node: child, is_array, element };
                            node = inner;
                            fresh = true;
                            continue;
                        }
                    }
                }
            }
            fresh = false;
            loop {
                let mut next = byte(text, at);
                if let Some(b'\t' | b'\n' | b'\r' | b' ') = next {
                    at = skip_space(text, at);
                    next = byte(text, at);
                }
                match next {
                    Some(b',') => break,
                    Some(b']') if frame.is_array => {}
                    Some(b'}') if !frame.is_array => {}
                    _ => return Err(Invalid::Syntax(at)),
                }
                if depth == 0 {
                    let rest = skip_space(text, at + 1);
                    return if rest == text.len() { Ok(at) } else { Err(Invalid::Syntax(rest)) };
                }
                at += 1;
                depth -= 1;
                frame = outer.get(depth).copied().unwrap_or(frame);
                node = shape.node(frame.node).unwrap_or(node);
            }
            at += 1;
        }
    }

    /// Reads the name whose quote is at `at`, and the colon; `at` then stands at the value. Gives the member, if it is
    /// wanted.
    #[inline(always)]
    fn member(&mut self, node: &Node, text: &[u8], at: &mut usize) -> Result<Option<NodeId>> {
        if byte(text, *at) != Some(b'"') {
            return Err(Invalid::Syntax(*at));
        }
        let start = *at + 1;
        // The first word of the name is all there is to most names.
        let (end, child) = match word(text, start) {
            Some(first) => {
                let special = special(first);
                let bits = special.trailing_zeros() & 56;
                if special == 0 {
                    match plain_string(text, start + 8) {
                        Some(end) => (end, node.member(text.get(start..end).unwrap_or_default(), first)),
                        None => self.escaped_member(node, text, start)?,
                    }
                } else if (first >> bits) as u8 == b'"' {
                    (
                        start + (bits >> 3) as usize,
                        node.find((bits >> 3) as usize, first & !(u64::MAX << bits), |_| true),
                    )
                } else {
                    self.escaped_member(node, text, start)?
                }
            }
            None => self.escaped_member(node, text, start)?,
        };
        let mut colon = end + 1;
        if byte(text, colon) != Some(b':') {
            colon = skip_space(text, colon);
            if byte(text, colon) != Some(b':') {
                return Err(Invalid::Syntax(colon));
            }
        }
        *at = colon + 1;
        if let Some(..=b' ') = byte(text, *at) {
            *at = skip_space(text, *at);
        }
        Ok(child)
    }

    /// [`member`](Self::member) for a name of any kind, up to its quote.
    #[cold]
    fn escaped_member(&mut self, node: &Node, text: &[u8], start: usize) -> Result<(usize, Option<NodeId>)> {
        let (end, _) = string_with_specials(text, start)?;
        self.name.clear();
        text::unescape(text.get(start..end).unwrap_or_default(), &mut self.name);
        Ok((end, node.member(&self.name, shape::head(&self.name))))
    }

    /// Notes a wanted value. Gives `Some(is_array)` when it is a container to be entered, with `at` behind its bracket;
    /// otherwise `at` stands behind the value.
    #[inline(always)]
    fn want(
        &mut self,
        shape: &Shape,
        text: &[u8],
        id: NodeId,
        element: u32,
        start: usize,
        at: &mut usize,
    ) -> Result<Option<bool>> {
        let Some(node) = shape.node(id) else { return Err(Invalid::Syntax(*at)) };
        if let Some(seen) = self.seen.get_mut(usize::from(id)) {
            if *seen == element && !node.all {
                self.forget(shape, id, element);
            } else {
                *seen = element;
            }
        }
        let value = *at;
        let mut plain = true;
        let mut opened = None;
        *at = match byte(text, value) {
            Some(b'"') => match plain_string(text, value + 1) {
                Some(end) => end + 1,
                None => {
                    let (end, is_plain) = string_with_specials(text, value + 1)?;
                    plain = is_plain;
                    end + 1
                }
            },
            Some(b'{') if node.has_members() => {
                opened = Some(false);
                value + 1
            }
            Some(b'[') if node.each.is_some() => {
                opened = Some(true);
                value + 1
            }
            _ => self.skip_value(text, value)?,
        };
        if let Some(key) = node.key {
            let slot = Slot::new(value, *at, plain);
            if node.in_array || node.all {
                self.many.push(Many { key, element, start: start as u32, slot });
            } else if let Some(place) = self.slots.get_mut(usize::from(key.0)) {
                *place = slot;
                if !node.passing {
                    self.found.push(key);
                }
            }
        }
        Ok(opened)
    }

    /// Drops what was noted at and below a node: its name stands a second time in the same object.
    #[cold]
    fn forget(&mut self, shape: &Shape, id: NodeId, element: u32) {
        if let Some(node) = shape.node(id)
            && let Some(key) = node.key
        {
            if let Some(slot) = self.slots.get_mut(usize::from(key.0)) {
                *slot = Slot::default();
            }
            // Within an array only the element that repeats the name is forgotten; elements below it are numbered on.
            self.many.retain(|many| many.key != key || many.element < element);
        }
        for child in shape.children(id) {
            self.forget(shape, child, element);
        }
    }

    /// The offset behind the value that begins at `at`.
    fn skip_value(&mut self, text: &[u8], at: usize) -> Result<usize> {
        match byte(text, at) {
            Some(b'"') => string(text, at + 1).map(|end| end + 1),
            Some(b'{' | b'[') => self.skip_container(text, at),
            _ => self.scalar(text, at),
        }
    }

    /// The offset behind the number or the literal that begins at `at`.
    fn scalar(&self, text: &[u8], at: usize) -> Result<usize> {
        let literal = match byte(text, at) {
            Some(b't') => &b"true"[..],
            Some(b'f') => b"false",
            Some(b'n') => b"null",
            _ => return number(text, at, self.refused),
        };
        if text.get(at..).is_some_and(|rest| rest.starts_with(literal)) {
            Ok(at + literal.len())
        } else {
            Err(Invalid::Syntax(at))
        }
    }

    /// The offset behind the object or array that begins at `at`, however deep it nests.
    fn skip_container(&mut self, text: &[u8], mut at: usize) -> Result<usize> {
        self.nesting.clear();
        // The innermost levels, one bit each: whether the level around is an object.
        let mut levels = 0_u64;
        let mut depth = 0_usize;
        let mut is_object = byte(text, at) == Some(b'{');
        let mut fresh = true;
        at += 1;
        'next: loop {
            at = skip_space(text, at);
            let mut first = byte(text, at);
            if !(fresh && first == Some(if is_object { b'}' } else { b']' })) {
                if is_object {
                    if first != Some(b'"') {
                        return Err(Invalid::Syntax(at));
                    }
                    let end = string(text, at + 1)?;
                    at = skip_space(text, end + 1);
                    if byte(text, at) != Some(b':') {
                        return Err(Invalid::Syntax(at));
                    }
                    at = skip_space(text, at + 1);
                    first = byte(text, at);
                }
                match first {
                    Some(b'"') => at = string(text, at + 1)? + 1,
                    Some(b'{' | b'[') => {
                        if depth != 0 && depth.is_multiple_of(64) {
                            self.nesting.push(levels);
                        }
                        levels = levels << 1 | u64::from(is_object);
                        depth += 1;
                        is_object = first == Some(b'{');
                        fresh = true;
                        at += 1;
                        continue 'next;
                    }
                    _ => at = self.scalar(text, at)?,
                }
            }
            loop {
                at = skip_space(text, at);
                match byte(text, at) {
                    Some(b',') => break,
                    Some(b'}') if is_object => {}
                    Some(b']') if !is_object => {}
                    _ => return Err(Invalid::Syntax(at)),
                }
                at += 1;
                if depth == 0 {
                    return Ok(at);
                }
                is_object = levels & 1 == 1;
                levels >>= 1;
                depth -= 1;
                if depth != 0 && depth.is_multiple_of(64) {
                    levels = self.nesting.pop().unwrap_or_default();
                }
            }
            at += 1;
            fresh = false;
        }
    }
}

#[inline(always)]
fn byte(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).copied()
}

/// The eight bytes from an offset on, little-endian.
#[inline(always)]
fn word(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk::<8>().map(|chunk| u64::from_le_bytes(*chunk))
}

#[cold]
fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = byte(text, at) {
        at += 1;
    }
    at
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Non-zero when one of eight bytes ends the plain part of a string: a quote, a backslash, a control character or a
/// byte above ASCII. The lowest high bit that is set marks the first of them.
///
/// For a byte `b` below 0x80, `b ^ 2` is below 0x21 just when `b` is a control character or the quote, and
/// `b ^ 0x5c` is below 1 just when `b` is the backslash; a subtraction carries such a byte into its high bit, and may
/// carry on into later bytes only.
#[inline(always)]
pub(super) fn special(word: u64) -> u64 {
    let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (quote_or_control | backslash | word) & (ONES * 0x80)
}

/// The offset of the quote that ends the string whose first character is at `start`, when nothing in it is special.
#[inline(always)]
pub(super) fn plain_string(text: &[u8], start: usize) -> Option<usize> {
    let mut rest = text.get(start..)?;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let special = special(word);
        if special != 0 {
            let bits = special.trailing_zeros() & 56;
            let is_quote = (word >> bits) as u8 == b'"';
            return is_quote.then(|| text.len() - rest.len() + (bits >> 3) as usize);
        }
        rest = tail;
    }
    last_plain_string(text, rest)
}

/// [`plain_string`] within the last seven bytes of the text.
fn last_plain_string(text: &[u8], rest: &[u8]) -> Option<usize> {
    let end = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || !(0x20..0x80).contains(&byte))?;
    (rest.get(end) == Some(&b'"')).then(|| text.len() - rest.len() + end)
}

/// The offset of the quote that ends the string whose first character is at `start`.
#[inline]
fn string(text: &[u8], start: usize) -> Result<usize> {
    match plain_string(text, start) {
        Some(end) => Ok(end),
        None => string_with_specials(text, start).map(|(end, _)| end),
    }
}

/// Where any string ends, and whether it has no escapes.
pub(super) fn string_with_specials(text: &[u8], mut at: usize) -> Result<(usize, bool)> {
    let mut plain = true;
    loop {
        match byte(text, at) {
            Some(b'"') => return Ok((at, plain)),
            Some(b'\\') => {
                plain = false;
                at += match byte(text, at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                    Some(b'u') if text.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
                        6
                    }
                    _ => return Err(Invalid::Syntax(at)),
                };
            }
            None | Some(..0x20) => return Err(Invalid::Syntax(at)),
            Some(0x80..) => {
                let rest = text.get(at..).unwrap_or_default();
                let end = rest.iter().position(u8::is_ascii).unwrap_or(rest.len());
                if let Err(error) = std::str::from_utf8(rest.get(..end).unwrap_or_default()) {
                    return Err(Invalid::Syntax(at + error.valid_up_to()));
                }
                at += end;
            }
            Some(_) => at += 1,
        }
        while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let special = special(u64::from_le_bytes(*chunk));
            if special != 0 {
                at += (special.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
    }
}

/// The offset behind the number that begins at `at`, unless it is the one that is refused.
pub(super) fn number(text: &[u8], at: usize, refused: Option<&[u8]>) -> Result<usize> {
    let whole = at + usize::from(byte(text, at) == Some(b'-'));
    let mut end = if byte(text, whole) == Some(b'0') { whole + 1 } else { digits(text, whole)? };
    if byte(text, end) == Some(b'.') {
        end = digits(text, end + 1)?;
    }
    if let Some(b'e' | b'E') = byte(text, end) {
        let signed = end + 1 + usize::from(matches!(byte(text, end + 1), Some(b'+' | b'-')));
        end = digits(text, signed)?;
        if refused.is_some() && refused == text.get(whole..end) {
            return Err(Invalid::Refused(at));
        }
    }
    Ok(end)
}

/// Of eight bytes the highest bits of those that are no digits. Less what makes a digit of a number, a digit is at most
/// nine.
#[inline(always)]
pub(super) fn no_digits(word: u64) -> u64 {
    let numbers = word ^ (ONES * 0x30);
    (((numbers & (ONES * 0x7f)) + ONES * (0x7f - 9)) | numbers) & (ONES * 0x80)
}

/// The offset behind the digits that begin at `at`; at least one has to.
fn digits(text: &[u8], at: usize) -> Result<usize> {
    let mut end = at;
    while let Some(word) = word(text, end) {
        let others = no_digits(word);
        end += (others.trailing_zeros() / 8) as usize;
        if others != 0 {
            return if end == at { Err(Invalid::Syntax(at)) } else { Ok(end) };
        }
    }
    while let Some(b'0'..=b'9') = byte(text, end) {
        end += 1;
    }
    if end == at { Err(Invalid::Syntax(at)) } else { Ok(end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shape of `/a`, `/o/x` and `/l/*/n` finds in a text.
    fn found(text: &str) -> Result<Vec<String>> {
        let shape = Shape::new(&["/a", "/o/x", "/l/*/n"]);
        let mut scanner = Scanner::default();
        let fields = scanner.scan(&shape, text.as_bytes())?;
        let single = [Key(0), Key(1)].into_iter().filter_map(|key| fields.get(key));
        let many = fields.each(Key(2)).map(|(_, value)| value);
        Ok(single.chain(many).map(|value| String::from_utf8_lossy(value.raw()).into_owned()).collect())
    }

    #[rstest::rstest]
    #[case::empty("{}", &[])]
    #[case::space(" \t\r\n{ \"a\" : 1 } ", &["1"])]
    #[case::unwanted(r#"{"b":{"a":2},"c":[{"a":3}],"a":1}"#, &["1"])]
    #[case::inner(r#"{"o":{"y":[],"x":{"z":1}}}"#, &[r#"{"z":1}"#])]
    #[case::elements(r#"{"l":[{"n":"p"},{},7,{"n":"q"}]}"#, &[r#""p""#, r#""q""#])]
    #[case::escaped_name(r#"{"\u0061":1}"#, &["1"])]
    #[case::last_wins(r#"{"a":1,"a":2}"#, &["2"])]
    #[case::last_wins_whole(r#"{"o":{"x":1},"o":{}}"#, &[])]
    #[case::last_wins_scalar(r#"{"o":{"x":1},"o":5}"#, &[])]
    #[case::last_wins_array(r#"{"l":[{"n":1}],"l":[{"n":2}]}"#, &["2"])]
    #[case::last_wins_element(r#"{"l":[{"n":1},{"n":2,"n":3}]}"#, &["1", "3"])]
    #[case::another_type(r#"{"o":[{"x":1}],"l":{"n":1},"a":null}"#, &["null"])]
    #[case::numbers(r#"{"a":-0.5e+10,"b":0,"c":1E5,"d":10.25}"#, &["-0.5e+10"])]
    #[case::surrogate(r#"{"a":"\ud800\u0000"}"#, &[r#""\ud800\u0000""#])]
    fn finds(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(found(text).unwrap(), expected);
    }

    #[rstest::rstest]
    #[case::nothing("", Invalid::NotAnObject)]
    #[case::scalar("7", Invalid::NotAnObject)]
    #[case::array("[{}]", Invalid::NotAnObject)]
    #[case::cut(r#"{"a":1"#, Invalid::Syntax(6))]
    #[case::trailing(r#"{"a":1}x"#, Invalid::Syntax(7))]
    #[case::comma(r#"{"a":1,}"#, Invalid::Syntax(7))]
    #[case::leading_zero(r#"{"a":01}"#, Invalid::Syntax(6))]
    #[case::control("{\"a\":\"x\u{1}y\"}", Invalid::Syntax(7))]
    #[case::escape(r#"{"a":"\q"}"#, Invalid::Syntax(6))]
    #[case::hex(r#"{"a":"\u00g0"}"#, Invalid::Syntax(6))]
    #[case::bracket(r#"{"b":[1}}"#, Invalid::Syntax(7))]
    #[case::literal(r#"{"a":nul}"#, Invalid::Syntax(5))]
    fn rejects(#[case] text: &str, #[case] why: Invalid) {
        assert_eq!(found(text), Err(why));
    }

    #[rstest::rstest]
    #[case::unwanted(r#"{"b":1e9}"#, Err(Invalid::Refused(5)))]
    #[case::wanted(r#"{"a":-1e9}"#, Err(Invalid::Refused(5)))]
    #[case::deep(r#"{"b":[[1e9]]}"#, Err(Invalid::Refused(7)))]
    #[case::another(r#"{"b":1e8,"c":1e90}"#, Ok(()))]
    #[case::text(r#"{"b":"1e9"}"#, Ok(()))]
    fn refuses(#[case] text: &str, #[case] expected: Result<()>) {
        let (shape, mut scanner) = (Shape::new(&["/a"]), Scanner::default());
        scanner.refuse(b"1e9");
        assert_eq!(scanner.scan(&shape, text.as_bytes()).map(|_| ()), expected);
    }

    #[test]
    fn utf8_is_checked() {
        let shape = Shape::new(&["/a"]);
        let mut scanner = Scanner::default();
        assert!(scanner.scan(&shape, "{\"a\":\"žluťoučký kůň\"}".as_bytes()).is_ok());
        assert_eq!(scanner.scan(&shape, b"{\"a\":\"caf\xe9\"}").unwrap_err(), Invalid::Syntax(9));
    }

    #[test]
    fn nests_without_end() {
        for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
            let inner = if open == "[" { "" } else { "1" };
            let text = format!("{{\"z\":{}{inner}{},\"a\":1}}", open.repeat(100_000), close.repeat(100_000));
            assert_eq!(found(&text).unwrap(), ["1"]);
        }
        let crossed = format!("{{\"z\":{}{}}}", "[{\"k\":".repeat(100), "]}".repeat(100));
        assert!(found(&crossed).is_err());
    }
}
