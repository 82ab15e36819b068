//! A YAML document as a flat list of nodes that know where they stand.
//!
//! [YAML 1.2.2](https://yaml.org/spec/1.2.2/), without tags. An alias is a reference and is never expanded, so a small
//! file cannot become a large document.

use std::borrow::Cow;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::Problem;
use super::letters::Letters;

/// The largest policy, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The most values in one.
pub(crate) const MAX_NODES: usize = 100_000;
/// How deep they may nest.
const MAX_DEPTH: usize = 32;

/// The index of a node in its document.
pub(crate) type NodeId = u32;

/// What a node is.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// A text.
    Scalar { text: Cow<'a, str>, quoted: bool },
    /// A list, by its first entry.
    Sequence(Option<NodeId>),
    /// Keys and values in turn, by the first key.
    Mapping(Option<NodeId>),
    /// Another node in its place.
    Alias(NodeId),
}

/// A value and its place.
#[derive(Debug)]
struct Node<'a> {
    value: Value<'a>,
    /// What follows it in the list or mapping that it stands in.
    next: Option<NodeId>,
    start: Place,
    end: Place,
}

/// A line from 1 and a column from 0, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Place {
    line: usize,
    column: usize,
}

impl From<Marker> for Place {
    fn from(marker: Marker) -> Self {
        Self { line: marker.line(), column: marker.col() }
    }
}

/// A document.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    nodes: Vec<Node<'a>>,
    /// What an id that is none stands for.
    nothing: Node<'a>,
}

impl Default for Document<'_> {
    fn default() -> Self {
        let value = Value::Scalar { text: Cow::Borrowed(""), quoted: false };
        Self { nodes: Vec::new(), nothing: Node { value, next: None, start: Place::default(), end: Place::default() } }
    }
}

impl<'a> Document<'a> {
    /// Reads the one document of a text.
    pub fn read(text: &'a str) -> Result<Self, Problem> {
        if text.len() > MAX_BYTES {
            let message = format!("the policy has {} bytes; the most is {MAX_BYTES}", text.len());
            return Err(problem(Place { line: 1, column: 0 }, message, None));
        }
        if let Some(place) = nul(text) {
            return Err(problem(place, "a NUL character".into(), Some("the file is no text".into())));
        }
        let mut builder = Builder::default();
        for event in Parser::new(Letters::new(text)) {
            match event {
                Ok((event, span)) => builder.take(event, span)?,
                Err(error) => return Err(syntax(text, &error)),
            }
        }
        Ok(builder.document)
    }

    /// The whole; none when there is nothing but comments.
    pub fn root(&self) -> Option<NodeId> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// What a node is; for an alias, what it stands for.
    pub fn value(&self, id: NodeId) -> &Value<'a> {
        match &self.node(id).value {
            Value::Alias(target) => &self.node(*target).value,
            value => value,
        }
    }

    /// The text of a scalar.
    pub fn text(&self, id: NodeId) -> Option<&str> {
        match self.value(id) {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether a value is left out: `null`, `~` or nothing.
    pub fn is_null(&self, id: NodeId) -> bool {
        match self.value(id) {
            Value::Scalar { text, quoted: false } => matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }

    /// The entries of a list; of anything else, itself.
    pub fn items(&self, id: NodeId) -> Siblings<'_, 'a> {
        let (document, next) = (self, Some(id));
        match *self.value(id) {
            Value::Sequence(first) => Siblings { document, next: first, alone: false },
            _ => Siblings { document, next, alone: true },
        }
    }

    /// The keys and values of a mapping; none of anything else.
    pub fn entries(&self, id: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> {
        let next = match *self.value(id) {
            Value::Mapping(first) => first,
            _ => None,
        };
        let mut all = Siblings { document: self, next, alone: false };
        std::iter::from_fn(move || Some((all.next()?, all.next()?)))
    }

    /// The value of a key that is there and not null.
    pub fn get(&self, mapping: NodeId, key: &str) -> Option<NodeId> {
        let (_, value) = self.entries(mapping).find(|&(name, _)| self.text(name) == Some(key))?;
        (!self.is_null(value)).then_some(value)
    }

    /// What is wrong with a node.
    pub fn problem(&self, id: NodeId, message: String, help: Option<String>) -> Problem {
        let node = self.node(id);
        let mut problem = problem(node.start, message, help);
        let same_line = node.start.line == node.end.line;
        problem.length = if same_line { node.end.column.saturating_sub(node.start.column) } else { usize::MAX };
        problem
    }

    /// The line that a node begins on.
    pub fn line(&self, id: NodeId) -> usize {
        self.node(id).start.line
    }

    fn node(&self, id: NodeId) -> &Node<'a> {
        self.nodes.get(id as usize).unwrap_or(&self.nothing)
    }
}

/// Nodes that stand side by side.
#[derive(Debug)]
pub(crate) struct Siblings<'d, 'a> {
    document: &'d Document<'a>,
    next: Option<NodeId>,
    /// Whether what follows the first does not belong to it.
    alone: bool,
}

impl Iterator for Siblings<'_, '_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let id = self.next?;
        self.next = if self.alone { None } else { self.document.node(id).next };
        Some(id)
    }
}

/// Builds a document from the parser's events.
#[derive(Default)]
struct Builder<'a> {
    document: Document<'a>,
    /// The lists and mappings that are not at their end, each with the last of its nodes.
    open: Vec<(NodeId, Option<NodeId>)>,
    /// What the parser's anchors stand for: it counts them from 1.
    anchors: Vec<NodeId>,
    documents: usize,
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'a>, span: Span) -> Result<(), Problem> {
        let (value, anchor, tag) = match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                return match self.documents {
                    1 => Ok(()),
                    _ => Err(refused(span, "a second document", "a policy is one document: leave out the ---")),
                };
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(span);
                return Ok(());
            }
            Event::Alias(anchor) => (Value::Alias(self.target(anchor, span)?), 0, None),
            Event::Scalar(text, style, anchor, tag) => {
                (Value::Scalar { text, quoted: style != ScalarStyle::Plain }, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (Value::Sequence(None), anchor, tag),
            Event::MappingStart(anchor, tag) => (Value::Mapping(None), anchor, tag),
            _ => return Ok(()),
        };
        if tag.is_some() {
            let help = "put a text that begins with ! in quotes";
            return Err(refused(span, "a YAML tag, which a policy has no use for", help));
        }
        self.add(value, anchor, span)
    }

    fn add(&mut self, value: Value<'a>, anchor: usize, span: Span) -> Result<(), Problem> {
        let nodes = &mut self.document.nodes;
        let id = nodes.len() as NodeId;
        if nodes.len() >= MAX_NODES {
            return Err(refused(span, "more values than a policy may have", "the most is 100000"));
        }
        if let Some((parent, last)) = self.open.last_mut() {
            if let Some(before) = last.replace(id).and_then(|last| nodes.get_mut(last as usize)) {
                before.next = Some(id);
            } else if let Some(parent) = nodes.get_mut(*parent as usize)
                && let Value::Sequence(first) | Value::Mapping(first) = &mut parent.value
            {
                *first = Some(id);
            }
        }
        if anchor != 0 {
            self.anchors.push(id);
        }
        if matches!(value, Value::Sequence(_) | Value::Mapping(_)) {
            self.open.push((id, None));
        }
        nodes.push(Node { value, next: None, start: span.start.into(), end: span.end.into() });
        if self.open.len() > MAX_DEPTH {
            return Err(refused(span, "nested deeper than any policy is", "the most is 32 levels"));
        }
        Ok(())
    }

    fn close(&mut self, span: Span) {
        if let Some((id, _)) = self.open.pop()
            && let Some(node) = self.document.nodes.get_mut(id as usize)
        {
            node.end = span.end.into();
        }
    }

    /// What an alias stands for: never a node that it stands in itself.
    fn target(&self, anchor: usize, span: Span) -> Result<NodeId, Problem> {
        let target = anchor.checked_sub(1).and_then(|index| self.anchors.get(index)).copied();
        target
            .filter(|&target| self.open.iter().all(|&(open, _)| open != target))
            .ok_or_else(|| refused(span, "an alias inside what it stands for", "write out what is meant"))
    }
}

fn refused(span: Span, message: &str, help: &str) -> Problem {
    let mut problem = problem(span.start.into(), message.into(), Some(help.into()));
    problem.length =
        if span.start.line() == span.end.line() { span.end.col().saturating_sub(span.start.col()) } else { usize::MAX };
    problem
}

/// A problem at a place; [`settle`] has the last word about its length.
fn problem(place: Place, message: String, help: Option<String>) -> Problem {
    Problem { line: place.line, column: place.column + 1, length: 1, message, help }
}

/// What the parser refuses.
fn syntax(text: &str, error: &ScanError) -> Problem {
    let place = Place::from(*error.marker());
    let line = lines(text).nth(place.line.saturating_sub(1)).unwrap_or_default();
    let help = match line.chars().nth(place.column) {
        _ if line.contains('\t') => Some("use spaces in place of tabs"),
        Some('*') => Some("put a text that begins with * in quotes: without them it is an alias"),
        Some('@' | '`' | '%' | '&' | '!') => Some("put a text that begins with this character in quotes"),
        _ => None,
    };
    problem(place, format!("this is no YAML: {}", error.info()), help.map(String::from))
}

/// The place of the first NUL, at which the parser would take the file to be at its end.
fn nul(text: &str) -> Option<Place> {
    let at = text.find('\0')?;
    let (before, _) = text.split_at_checked(at)?;
    let (line, last) = lines(before).enumerate().last()?;
    Some(Place { line: line + 1, column: last.chars().count() })
}

/// The lines of a text as YAML has them, without their ends and without a byte order mark.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text.strip_prefix('\u{feff}').unwrap_or(text));
    std::iter::from_fn(move || {
        let text = rest?;
        let Some((line, tail)) = text.find(['\n', '\r']).and_then(|end| text.split_at_checked(end)) else {
            return rest.take();
        };
        rest = tail.strip_prefix("\r\n").or_else(|| tail.get(1..));
        Some(line)
    })
}

/// Puts problems in the order of the file, once each, and keeps them inside its lines: what goes on over several lines
/// is marked to the end of the first, and what the parser misses after the end is marked at the end.
pub(super) fn settle(text: &str, problems: &mut Vec<Problem>) {
    // They are almost in order; the library's sort would make the guest some kilobytes larger.
    for end in 1..problems.len() {
        let place = |problem: &Problem| (problem.line, problem.column);
        let (sorted, rest) = problems.split_at(end);
        let at = rest.first().map_or(end, |next| sorted.partition_point(|other| place(other) <= place(next)));
        if let Some(part) = problems.get_mut(at..=end) {
            part.rotate_right(1);
        }
    }
    problems.dedup();
    let mut lines = lines(text);
    let (mut number, mut width) = (0, 0);
    for problem in problems {
        while number < problem.line
            && let Some(line) = lines.next()
        {
            number += 1;
            width = line.trim_end().chars().count();
        }
        if problem.line > number {
            (problem.line, problem.column) = (number, width + 1);
        }
        problem.column = problem.column.clamp(1, width + 1);
        problem.length = problem.length.min((width + 1).saturating_sub(problem.column)).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document in a form without layout: aliases are written out.
    fn show(document: &Document<'_>, id: NodeId) -> String {
        match document.value(id) {
            Value::Scalar { text, quoted: true } => format!("{text:?}"),
            Value::Scalar { text, .. } => text.to_string(),
            Value::Sequence(_) => format!("{:?}", document.items(id).map(|id| show(document, id)).collect::<Vec<_>>()),
            Value::Mapping(_) => {
                let entry = |(key, value)| format!("{}={}", show(document, key), show(document, value));
                document.entries(id).map(entry).collect::<Vec<_>>().join(" ")
            }
            Value::Alias(_) => "alias".into(),
        }
    }

    #[rstest::rstest]
    #[case::block("a: b\nc:\n- d\n- e: f\n  g: 'h'\n", r#"a=b c=["d", "e=f g=\"h\""]"#)]
    #[case::json(r#"{"a":"b","c":[1,{}]}"#, r#""a"="b" "c"=["1", ""]"#)]
    #[case::byte_order_mark_and_crlf("\u{feff}a: b\r\nc: d\r\n", "a=b c=d")]
    #[case::tabs_between("{\"a\":\t[b,\tc]\t}\t# d", r#""a"=["b", "c"]"#)]
    #[case::alias("a: &x [1, 2]\nb: *x", r#"a=["1", "2"] b=["1", "2"]"#)]
    #[case::anchor_again("a: &x 1\nb: &x 2\nc: *x", "a=1 b=2 c=2")]
    #[case::numbers_as_spelt("a: 1.10\nb: 0x1F\nc: 02:00", "a=1.10 b=0x1F c=02:00")]
    #[case::block_text("a: |\n  x\n  y\nb: >-\n  x\n  y\n", r#"a="x\ny\n" b="x y""#)]
    fn reads(#[case] text: &str, #[case] expected: &str) {
        let document = Document::read(text).unwrap();
        assert_eq!(show(&document, document.root().unwrap()), expected);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("# nothing\n")]
    fn reads_nothing(#[case] text: &str) {
        assert_eq!(Document::read(text).unwrap().root(), None);
    }

    #[rstest::rstest]
    #[case::two_documents("a: b\n---\nc: d", "2:1+3 a second document")]
    #[case::tag("a: !!str b", "1:4+7 a YAML tag, which a policy has no use for")]
    #[case::cycle("a: &x\n- *x", "2:3+2 an alias inside what it stands for")]
    #[case::nul("a: b\nc\0: d", "2:2+1 a NUL character")]
    #[case::unquoted_star("a: [*.example]", "1:5+1 this is no YAML: while parsing node, found unknown anchor")]
    #[case::unclosed("a: [b", "1:6+1 this is no YAML: while parsing a flow sequence, expected ',' or ']'")]
    #[case::unclosed_quote(
        "é: x\nb: \"c",
        "2:4+1 this is no YAML: while scanning a quoted scalar, found unexpected end of stream"
    )]
    #[case::tab_after_colon("a:\tb", "1:4+1 this is no YAML: ':' must be followed by a valid YAML whitespace")]
    #[case::tab("a:\n\tb: c", "2:2+1 this is no YAML: tabs disallowed within this context (block indentation)")]
    fn refuses(#[case] text: &str, #[case] expected: &str) {
        let mut problems = vec![Document::read(text).unwrap_err()];
        settle(text, &mut problems);
        let Problem { line, column, length, message, .. } = &problems[0];
        assert_eq!(format!("{line}:{column}+{length} {message}"), expected);
    }

    #[rstest::rstest]
    #[case::deep_lists("[".repeat(33))]
    #[case::deep_mappings("{a: ".repeat(1000))]
    #[case::deep_blocks("- ".repeat(500_000))]
    #[case::many_values("- a\n".repeat(MAX_NODES + 1))]
    #[case::many_bytes("#".repeat(MAX_BYTES + 1))]
    fn is_bounded(#[case] text: String) {
        assert!(Document::read(&text).is_err());
    }
}
