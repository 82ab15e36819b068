//! Texts that are known but for their free values.
//!
//! Most records of a stream are alike: the same members in the same order with mostly the same values. Of such a text a
//! few values are free: those that nobody wants, and those of the keys that the shape [passes](super::Shape::pass).
//! Everything between them is kept as words, and a text that has the same words in the same places, with a string where
//! a string was free and a number where a number was, is JSON by this alone and has the same wanted values. To see that
//! takes an interpreter less than a tenth of a scan: two loads and a comparison for eight bytes.
//!
//! The texts form a trie. A node holds what stands before the next free value, whole; a text that departs from it does
//! so at one of its words, and there a branch leads to another node.

use super::scan::{number, plain_string, string_with_specials};
use super::shape::Key;
use super::value::{Fields, Slot};

/// How much is remembered: free values and ends, words between them, and texts.
const MOST_NODES: usize = 1 << 13;
const MOST_WORDS: usize = 1 << 17;
const MOST_TEXTS: usize = 1 << 11;

/// The longest text that is remembered, in bytes.
const LONGEST: usize = 1 << 14;

/// Texts, each with a value.
#[derive(Debug)]
pub struct Known<V> {
    nodes: Vec<Node>,
    /// The whole words of all nodes.
    words: Vec<u64>,
    /// By their hashes, each at the next free place from there on; none before the first branch.
    branches: Vec<Branch>,
    values: Vec<V>,
    /// The free values of the text at hand, by key; and those keys.
    slots: Vec<Slot>,
    set: Vec<Key>,
    /// The place of the value that was found last.
    last: u32,
    seed: u64,
    refused: Option<&'static [u8]>,
}

/// What stands before a free value, or before the end of a text.
#[derive(Clone, Copy, Debug)]
struct Node {
    start: u32,
    end: u32,
    /// The bytes behind the last whole word, little-endian, and how many bits they have.
    tail: u64,
    tail_bits: u32,
    next: Next,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    /// A free value, and the node behind it.
    Free(Free, u32),
    /// The end of the text: the place of its value, and how far before the end its last brace stands.
    End(u32, u32),
}

/// A value that may be any other of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Free {
    is_text: bool,
    key: Option<Key>,
}

/// The way from a word of a node, where a text has another word, to the node that goes on with that. The first node
/// is nobody's branch: that is a free place.
#[derive(Clone, Copy, Debug, Default)]
struct Branch {
    place: u32,
    node: u32,
    word: u64,
}

/// Places for branches: at most half of them are taken, since each text brings at most one.
const BRANCHES: usize = 2 * MOST_TEXTS;

/// A free value of a text that is to be remembered, and its range without the quotes.
type Part = (usize, usize, Free);

impl<V> Known<V> {
    /// Knows nothing. `seed` keys the hash table.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (nodes, words, branches, values, slots, set) = <_>::default();
        Self { nodes, words, branches, values, slots, set, last: 0, seed, refused: None }
    }

    /// Knows no text with this number where one is free, as [`Scanner::refuse`](super::Scanner::refuse).
    pub fn refuse(&mut self, number: &'static [u8]) {
        self.refused = Some(number);
    }

    /// Forgets all texts.
    pub fn clear(&mut self) {
        *self = Self { refused: self.refused, ..Self::new(self.seed) };
    }

    /// How many texts are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it should be cleared before any other text is put.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.nodes.len() >= MOST_NODES || self.words.len() >= MOST_WORDS || self.values.len() >= MOST_TEXTS
    }

    /// The value of a text like this one. The fields hold of it only what the shape passes.
    #[inline]
    pub fn find<'a>(&mut self, text: &'a [u8]) -> Option<(Fields<'a, '_>, &mut V)> {
        let mut node = self.nodes.first()?;
        while let Some(key) = self.set.pop() {
            if let Some(slot) = self.slots.get_mut(usize::from(key.0)) {
                *slot = Slot::default();
            }
        }
        let mut rest = text;
        let (value, tail) = loop {
            match self.behind(node, rest) {
                Ok(behind) => {
                    rest = behind;
                    let at = text.len() - rest.len();
                    let (free, next) = match node.next {
                        Next::Free(free, next) => (free, next),
                        Next::End(..) if !rest.is_empty() => return None,
                        Next::End(value, tail) => break (value, tail),
                    };
                    let (slot, end) = if free.is_text {
                        let (end, plain) = match plain_string(text, at) {
                            Some(end) => (end, true),
                            None => string_with_specials(text, at).ok()?,
                        };
                        (Slot::new(at - 1, end + 1, plain), end)
                    } else {
                        let end = number(text, at, self.refused).ok()?;
                        (Slot::new(at, end, true), end)
                    };
                    if let Some(key) = free.key
                        && let Some(place) = self.slots.get_mut(usize::from(key.0))
                    {
                        *place = slot;
                        self.set.push(key);
                    }
                    rest = text.get(end..)?;
                    node = self.nodes.get(next as usize)?;
                }
                Err((place, behind)) => {
                    rest = behind;
                    node = self.nodes.get(self.branch(place, rest)? as usize)?;
                }
            }
        };
        let close = text.len().checked_sub(tail as usize)?;
        let fields = Fields { text, close, slots: &self.slots, many: &[], found: &[] };
        self.last = value;
        Some((fields, self.values.get_mut(value as usize)?))
    }

    /// The value that was found last.
    pub fn last(&mut self) -> Option<&mut V> {
        self.values.get_mut(self.last as usize)
    }

    /// What is left of a text behind all that the node holds; or else the place of the word where they part, and what
    /// is left from there on.
    #[inline(always)]
    fn behind<'t>(&self, node: &Node, text: &'t [u8]) -> Result<&'t [u8], (u32, &'t [u8])> {
        let words = self.words.get(node.start as usize..node.end as usize).unwrap_or_default();
        let same = same_words(words, text.as_chunks().0);
        let rest = text.get(same * 8..).unwrap_or_default();
        if same < words.len() {
            return Err((node.start + same as u32, rest));
        }
        let word = match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => padded(rest),
        };
        // No bits are no mask.
        let mask = (1_u64 << (node.tail_bits & 63)).wrapping_sub(1);
        match rest.get((node.tail_bits >> 3) as usize..) {
            Some(behind) if (word ^ node.tail) & mask == 0 => Ok(behind),
            _ => Err((node.end, rest)),
        }
    }

    /// The node where a branch leads that the text takes at a place.
    fn branch(&self, place: u32, rest: &[u8]) -> Option<u32> {
        let word = u64::from_le_bytes(*rest.first_chunk::<8>()?);
        let branch = self.branches.get(self.free_or(place, word))?;
        (branch.node != 0).then_some(branch.node)
    }

    /// Where the branch of a word is, or would be.
    #[inline(always)]
    fn free_or(&self, place: u32, word: u64) -> usize {
        let mut at = hash(self.seed, place, word) as usize;
        loop {
            at %= BRANCHES;
            match self.branches.get(at) {
                Some(branch) if branch.node != 0 && (branch.word != word || branch.place != place) => at += 1,
                _ => return at,
            }
        }
    }

    /// Remembers a text and its value, in place of the one that it may have had. Does nothing where the text cannot be
    /// told from others by its words.
    pub fn put(&mut self, fields: &Fields<'_, '_>, value: V) {
        let text = fields.text;
        if text.len() > LONGEST || !fields.many.is_empty() || self.values.len() >= MOST_TEXTS {
            return;
        }
        self.slots.resize(fields.slots.len(), Slot::default());
        let Some(parts) = parts(fields) else { return };
        let mut parts = parts.iter().copied().peekable();
        let (mut id, mut at) = (0, 0);
        while let Some(node) = self.nodes.get(id as usize) {
            let rest = text.get(at..).unwrap_or_default();
            match self.behind(node, rest) {
                Ok(behind) => {
                    at = text.len() - behind.len();
                    // A free value has to be the same here and there, or a text would get what belongs to another.
                    match (node.next, parts.next()) {
                        (Next::Free(free, next), Some((start, end, other))) if start == at && free == other => {
                            (id, at) = (next, end);
                        }
                        (Next::End(place, _), None) if at == text.len() => {
                            if let Some(old) = self.values.get_mut(place as usize) {
                                *old = value;
                            }
                            return;
                        }
                        _ => return,
                    }
                }
                Err((place, behind)) => {
                    at = text.len() - behind.len();
                    if let Some(node) = self.branch(place, behind) {
                        id = node;
                        continue;
                    }
                    // The word has to be the text's own, and no part of a free value.
                    let own = parts.peek().map_or(text.len(), |(start, ..)| *start);
                    let (Some(chunk), true) = (behind.first_chunk::<8>(), own >= at + 8) else { return };
                    let (word, node) = (u64::from_le_bytes(*chunk), self.nodes.len() as u32);
                    self.branches.resize(BRANCHES, Branch::default());
                    let free = self.free_or(place, word);
                    if let Some(free) = self.branches.get_mut(free) {
                        *free = Branch { place, node, word };
                    }
                    break;
                }
            }
        }
        self.grow(fields, parts, at, value);
    }

    /// Adds the nodes for what is left of a text from an offset on.
    fn grow(&mut self, fields: &Fields<'_, '_>, parts: impl Iterator<Item = Part>, mut at: usize, value: V) {
        for (start, end, free) in parts {
            let next = self.nodes.len() as u32 + 1;
            self.add(fields.text.get(at..start).unwrap_or_default(), Next::Free(free, next));
            at = end;
        }
        let (place, tail) = (self.values.len() as u32, (fields.text.len() - fields.close) as u32);
        self.add(fields.text.get(at..).unwrap_or_default(), Next::End(place, tail));
        self.values.push(value);
    }

    fn add(&mut self, literal: &[u8], next: Next) {
        let (chunks, rest) = literal.as_chunks::<8>();
        let start = self.words.len() as u32;
        self.words.extend(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)));
        let node = Node {
            start,
            end: start + chunks.len() as u32,
            tail: padded(rest),
            tail_bits: rest.len() as u32 * 8,
            next,
        };
        // The place of the tail is the node's own, too.
        self.words.push(node.tail);
        self.nodes.push(node);
    }
}

/// The free values of a text, in its order; none when the text repeats the name of a wanted container.
fn parts(fields: &Fields<'_, '_>) -> Option<Vec<Part>> {
    let text = fields.text;
    let mut wanted = Vec::with_capacity(fields.found.len());
    for key in fields.found {
        wanted.push(fields.slots.get(usize::from(key.0))?.range()?);
    }
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(first) = text.get(at) {
        let is_text = *first == b'"';
        let end = match first {
            b'"' => string_with_specials(text, at + 1).ok()?.0 + 1,
            b'-' | b'0'..=b'9' => number(text, at, None).ok()?,
            _ => at + 1,
        };
        let behind = text.get(end..)?.trim_ascii_start();
        let is_value = if is_text { !behind.starts_with(b":") } else { end > at + 1 || first.is_ascii_digit() };
        if is_value && !wanted.iter().any(|range| range.contains(&at)) {
            let is_here = |slot: &Slot| slot.range().is_some_and(|range| range.start == at);
            let key = fields.slots.iter().position(is_here).map(|key| Key(key as u16));
            let quote = usize::from(is_text);
            parts.push((at + quote, end - quote, Free { is_text, key }));
        }
        at = end;
    }
    Some(parts)
}

/// How many words are the same from the beginning on.
///
/// Four in each round: an interpreter would count and test for longer than it compares.
#[inline(always)]
fn same_words(words: &[u64], chunks: &[[u8; 8]]) -> usize {
    let mut same = 0;
    for (four, [a, b, c, d]) in words.as_chunks::<4>().0.iter().zip(chunks.as_chunks::<4>().0) {
        let read = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
        let [e, f, g, h] = four;
        if (read(a) ^ e) | (read(b) ^ f) | (read(c) ^ g) | (read(d) ^ h) != 0 {
            break;
        }
        same += 4;
    }
    let rest = words.get(same..).unwrap_or_default().iter().zip(chunks.get(same..).unwrap_or_default());
    for (word, chunk) in rest {
        if u64::from_le_bytes(*chunk) != *word {
            break;
        }
        same += 1;
    }
    same
}

/// Up to seven bytes as a word, little-endian.
fn padded(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The hash of a branch. Whoever makes collisions gains no more than slowness, and not even that without the seed.
fn hash(seed: u64, place: u32, word: u64) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mixed = (word ^ seed).wrapping_mul(ODD);
    (mixed ^ mixed >> 32 ^ u64::from(place)).wrapping_mul(ODD)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Scanner, Shape};

    /// `/t` passes; of `/o` a member is wanted, `/c` is wanted whole.
    fn shape() -> Shape {
        let mut shape = Shape::new(&["/a", "/o", "/o/x", "/t", "/c"]);
        shape.pass(Key(3));
        shape
    }

    /// Everything that is wanted of a text; none when it is no JSON.
    fn wanted(shape: &Shape, text: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
        let mut scanner = Scanner::default();
        let fields = scanner.scan(shape, text).ok()?;
        Some(fields.found().iter().filter_map(|key| Some((key.0, fields.get(*key)?.raw().to_vec()))).collect())
    }

    type Wanted = Vec<(u16, Vec<u8>)>;

    fn put(known: &mut Known<Wanted>, shape: &Shape, text: &str) {
        let mut scanner = Scanner::default();
        let fields = scanner.scan(shape, text.as_bytes()).unwrap();
        known.put(&fields, wanted(shape, text.as_bytes()).unwrap());
    }

    /// Whether the text is known. If so, it has to be JSON, and the same as one that was put in all that is wanted; and
    /// what passes has to be found where the scanner finds it.
    fn is_known(known: &mut Known<Wanted>, shape: &Shape, text: &[u8]) -> bool {
        let Some((fields, value)) = known.find(text) else { return false };
        assert_eq!(Some(&*value), wanted(shape, text).as_ref(), "{}", text.escape_ascii());
        let mut scanner = Scanner::default();
        let scanned = scanner.scan(shape, text).unwrap();
        assert_eq!(fields.close(), scanned.close());
        let passing = |fields: &Fields<'_, '_>| {
            let value = fields.get(Key(3)).filter(|value| value.text().is_some() || value.number().is_some());
            value.map(|value| (value.raw().to_vec(), value.text().map(|text| text.as_bytes().to_vec())))
        };
        assert_eq!(passing(&fields), passing(&scanned));
        true
    }

    #[rstest::rstest]
    #[case::same(r#"{"a":"long enough","u":"v","t":1}"#, true)]
    #[case::free(r#"{"a":"long enough","u":"anything but \"v\"","t":234}"#, true)]
    #[case::any_number(r#"{"a":"long enough","u":"","t":-0.5e7}"#, true)]
    #[case::not_ascii(r#"{"a":"long enough","u":"dlouhý","t":0}"#, true)]
    #[case::wanted(r#"{"a":"longer than","u":"v","t":1}"#, false)]
    #[case::another_type(r#"{"a":"long enough","u":"v","t":"1"}"#, false)]
    #[case::another_name(r#"{"a":"long enough","w":"v","t":1}"#, false)]
    #[case::more(r#"{"a":"long enough","u":"v","t":1,"z":1}"#, false)]
    #[case::less(r#"{"a":"long enough","u":"v"}"#, false)]
    #[case::cut(r#"{"a":"long enough","u":"v","t":1"#, false)]
    #[case::behind(r#"{"a":"long enough","u":"v","t":1}}"#, false)]
    #[case::leading_zero(r#"{"a":"long enough","u":"v","t":01}"#, false)]
    #[case::bad_escape(r#"{"a":"long enough","u":"\v","t":1}"#, false)]
    #[case::open(r#"{"a":"long enough","u":"v,"t":1}"#, false)]
    #[case::nothing("", false)]
    fn knows(#[case] text: &str, #[case] expected: bool) {
        let (shape, mut known) = (shape(), Known::new(7));
        assert!(!is_known(&mut known, &shape, text.as_bytes()));
        put(&mut known, &shape, r#"{"a":"long enough","u":"v","t":1}"#);
        assert_eq!(is_known(&mut known, &shape, text.as_bytes()), expected);
    }

    #[test]
    fn many_like_texts_are_told_apart() {
        let (shape, mut known) = (shape(), Known::new(7));
        let text =
            |name: u32, time: u32| format!(r#"{{"t":{time},"a":"container-{name:08x}","o":{{"x":"web-{name}"}}}}"#);
        for name in 0..2000 {
            put(&mut known, &shape, &text(name, 1));
        }
        assert_eq!(known.len(), 2000);
        for name in 0..2000 {
            assert!(is_known(&mut known, &shape, text(name, name * 7).as_bytes()));
            assert!(!is_known(&mut known, &shape, text(name + 2000, 1).as_bytes()));
        }
    }

    #[test]
    fn is_bounded() {
        let (shape, mut known) = (shape(), Known::new(7));
        let mut text = 0;
        while !known.is_full() {
            put(&mut known, &shape, &format!(r#"{{"a":"{text:0300}","t":0}}"#));
            text += 1;
            assert!(text < 10_000);
        }
        known.clear();
        assert!(known.len() == 0 && !known.is_full());
    }

    /// Values of every type; those that are wanted are few, so that texts meet again.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "\"[ab]{0,12}\"",
            1 => Just(r#""\u00e9\n\"é""#.to_owned()),
            3 => "(-)?[1-9][0-9]{0,20}",
            1 => "0\\.[0-9]{1,3}(e[+-]?[0-9])?",
            1 => prop::sample::select(vec!["null", "true", "[]", "{}", "[1,\"a\"]", "{\"x\":\"a\",\"y\":2}", "{\"x\":1,\"x\":2}"])
                .prop_map(str::to_owned),
        ]
    }

    /// Texts with few names, some of them repeated, and space here and there.
    fn text() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec!["a", "o", "t", "c", "u", "a longer name", "w"]);
        let space = prop::sample::select(vec!["", "", "", " ", "\n"]);
        prop::collection::vec((name, value(), space), 0..6).prop_map(|members| {
            let members: Vec<_> =
                members.iter().map(|(name, value, space)| format!("{space}\"{name}\":{space}{value}")).collect();
            format!("{{{}}}", members.join(","))
        })
    }

    /// The text with other values where it has strings and numbers.
    fn like(text: &str, letters: &str, digits: u64) -> String {
        let mut out = text.replace("ab", letters);
        for digit in ['2', '7'] {
            out = out.replace(digit, &digits.to_string());
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn what_is_known_is_what_the_scanner_finds(
            texts in prop::collection::vec(text(), 1..12),
            letters in "[ab\\\\\"é\n]{0,9}",
            digits: u64,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..=255_u8), 8),
        ) {
            let (shape, mut known) = (shape(), Known::new(7));
            for text in &texts {
                put(&mut known, &shape, text);
                for other in &texts {
                    is_known(&mut known, &shape, other.as_bytes());
                    is_known(&mut known, &shape, like(other, &letters, digits).as_bytes());
                }
            }
            for (text, at, byte) in changes {
                let mut text = text.get(&texts).clone().into_bytes();
                let at = at.index(text.len());
                text[at] = byte;
                is_known(&mut known, &shape, &text);
                text.remove(at);
                is_known(&mut known, &shape, &text);
                text.truncate(at);
                is_known(&mut known, &shape, &text);
            }
        }
    }
}
