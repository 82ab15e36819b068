//! Records that carry events as text, and the events in such a text.
//!
//! Shippers that do not decode what they read put it under one name: `message` or `log`, `MESSAGE` for the journal. The
//! text is an event, with what the runtime or syslog wrote before it, or several:
//!
//! - [CRI](https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md) log lines:
//!   `2026-09-21T14:13:20.5Z stdout F {…}`;
//! - Docker's [json-file](https://docs.docker.com/engine/logging/drivers/json-file/) lines: `{"log":"{…}\n","stream":…}`;
//! - what Fluent Bit's [docker_events](https://docs.fluentbit.io/manual/pipeline/inputs/docker-events) input read from the
//!   engine's socket at once: events with a newline behind each, the first and the last of them perhaps cut, HTTP headers
//!   and chunk sizes among them.
//!
//! Most text carries no event: a glance at both its ends has to tell.

use super::containerd::{EventLine, word};
use super::keys::{JOURNAL_MESSAGE, LOG, MESSAGE};
use crate::record::{Fields, Text, unescape};

/// A part of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// From the first brace of an object to its last. What is between them may still be no JSON.
    Json(&'a [u8]),
    /// A line of a log or of an event stream that is not JSON.
    Text(&'a [u8]),
    /// The beginning or the end of an event of Docker, the rest of which is in another record.
    Cut(&'a [u8]),
}

/// The text that may carry events, without Docker's wrapping.
pub fn open<'a>(fields: &Fields<'a, '_>) -> Option<Text<'a>> {
    [MESSAGE, LOG, JOURNAL_MESSAGE]
        .into_iter()
        .filter(|&key| fields.has(key))
        .find_map(|key| {
            let value = fields.get(key)?;
            let inner = value.raw().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            if !may_carry(inner) {
                return None;
            }
            let text = value.text()?;
            let unwrapped = unwrap(text.as_bytes());
            Some(unwrapped.map_or(text, Text::from))
        })
}

/// The parts of a text that are events, or were.
pub fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    Lines {
        text,
        rest: text,
        of_docker: None,
        was_spread: false,
    }
}

/// How Docker's events begin: with the second since API 1.52, with the first before.
const DOCKER_STARTS: [&[u8]; 2] = [b"{\"status\":\"", b"{\"Type\":\""];

/// What the last member of Docker's events is called.
const DOCKER_END: &[u8] = b"\"timeNano\":";

/// A read this long may have filled the input's buffer, so that it ends within an event.
const MAYBE_FULL: usize = 1024;

/// Whether a string may carry events. It still has its escapes; none of what is looked for here has any but the quotes.
fn may_carry(inner: &[u8]) -> bool {
    let mut start = inner;
    while let Some(rest) = [&b"\\n"[..], b"\\r", b" "]
        .iter()
        .find_map(|space| start.strip_prefix(*space))
    {
        start = rest;
    }
    let line = strip_prefix(start);
    let begins = match line.first() {
        Some(b'{') => true,
        Some(b't') => line.starts_with(b"time="),
        Some(b'H') => line.starts_with(b"HTTP/1."),
        Some(b'0'..=b'9' | b'a'..=b'f') => EventLine::split(line).is_some() || begins_with_chunk_size(line),
        _ => false,
    };
    begins || ends_as_docker(inner) || (inner.len() >= MAYBE_FULL && has_docker_line(inner))
}

/// Whether an escaped string begins with the size of a chunk of HTTP, a line of its own.
fn begins_with_chunk_size(inner: &[u8]) -> bool {
    let digits = inner.iter().take_while(|byte| byte.is_ascii_hexdigit()).take(9).count();
    digits <= 8 && inner.get(digits..).is_some_and(|rest| rest.starts_with(b"\\r\\n"))
}

/// Whether an escaped string ends with the end of a Docker event.
fn ends_as_docker(inner: &[u8]) -> bool {
    let mut rest = inner;
    while let Some(before) = [&b"\\n"[..], b"\\r"].iter().find_map(|space| rest.strip_suffix(*space)) {
        rest = before;
    }
    let Some(rest) = rest.strip_suffix(b"}") else {
        return false;
    };
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0
        && rest
            .get(..rest.len() - digits)
            .is_some_and(|rest| rest.ends_with(b"timeNano\\\":"))
}

/// Whether a line of an escaped string, other than the first, begins like a Docker event.
fn has_docker_line(inner: &[u8]) -> bool {
    let mut rest = inner;
    while let Some(at) = find(rest, b'{') {
        let (before, after) = rest.split_at_checked(at).unwrap_or_default();
        let begins = after.starts_with(b"{\\\"status\\\":") || after.starts_with(b"{\\\"Type\\\":");
        if begins && before.ends_with(b"\\n") {
            return true;
        }
        rest = after.get(1..).unwrap_or_default();
    }
    false
}

/// The line without what the container runtime or syslog put before it.
fn strip_prefix(line: &[u8]) -> &[u8] {
    match line.first() {
        Some(b'0'..=b'9') if line.get(4) == Some(&b'-') && line.get(10) == Some(&b'T') => {
            let Some((_time, rest)) = word(line) else { return line };
            strip_cri(rest).or_else(|| strip_syslog(rest)).unwrap_or(line)
        }
        // RFC 3164: `Sep 21 14:13:20`.
        Some(b'A'..=b'Z')
            if [(3, b' '), (6, b' '), (9, b':'), (12, b':'), (15, b' ')]
                .iter()
                .all(|&(at, byte)| line.get(at) == Some(&byte)) =>
        {
            line.get(16..).and_then(strip_syslog).unwrap_or(line)
        }
        _ => line,
    }
}

/// `stdout F …`: the stream, and whether the line is full or partial.
fn strip_cri(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest
        .strip_prefix(b"stdout ")
        .or_else(|| rest.strip_prefix(b"stderr "))?;
    let (tags, rest) = word(rest)?;
    matches!(tags.first(), Some(b'F' | b'P')).then_some(rest)
}

/// `HOST PROGRAM[PID]: time=…`: of all that programs write to syslog, only logs in logfmt are of use.
fn strip_syslog(rest: &[u8]) -> Option<&[u8]> {
    let (_host, rest) = word(rest)?;
    let (program, rest) = word(rest)?;
    (program.ends_with(b":") && rest.starts_with(b"time=")).then_some(rest)
}

/// What a container wrote, of the lines in which Docker keeps it. The driver writes `log` first and `stream` or `attrs`
/// next; a line too long for one is continued in the next one.
fn unwrap(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(body) = rest.strip_prefix(b"{\"log\":\"") {
        let (inner, after) = body.split_at_checked(string_end(body)?)?;
        if !after.starts_with(b"\",\"stream\":\"") && !after.starts_with(b"\",\"attrs\":{") {
            return None;
        }
        if out.is_empty() {
            out.reserve(text.len());
        }
        unescape(inner, &mut out);
        rest = find(after, b'\n')
            .and_then(|end| after.get(end + 1..))
            .unwrap_or_default();
    }
    (!out.is_empty()).then_some(out)
}

struct Lines<'a> {
    text: &'a [u8],
    rest: &'a [u8],
    /// Whether the text is of Docker's events, once that was asked.
    of_docker: Option<bool>,
    /// Whether an object was looked for over more than one line: once is enough, and bounds the work.
    was_spread: bool,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        while !self.rest.is_empty() {
            let end = find(self.rest, b'\n');
            let (line, after) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
            let raw = line;
            let line = strip_prefix(line.trim_ascii());
            self.rest = after.get(1..).unwrap_or_default();
            if line.first() == Some(&b'{') {
                let is_event = end.is_some() && DOCKER_STARTS.iter().any(|start| line.starts_with(start));
                if is_event && line.ends_with(b"}") {
                    return Some(Line::Json(line));
                }
                if let Some(object) = self.object(line) {
                    return Some(Line::Json(object));
                }
            } else if line.starts_with(b"time=") || EventLine::split(line).is_some() {
                return Some(Line::Text(line));
            } else if is_noise(line, raw) {
                continue;
            }
            if self.is_of_docker() {
                return Some(Line::Cut(line));
            }
        }
        None
    }
}

impl<'a> Lines<'a> {
    /// The object that begins with the line; what is behind it comes next.
    fn object(&mut self, line: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.text.len() - self.rest.len();
        if let Some(end) = object_end(line) {
            let (object, behind) = line.split_at_checked(end)?;
            if behind.is_empty() {
                return Some(object);
            }
            // Either events without newlines, or the end of an event that begins with an object.
            let behind = behind.trim_ascii_start();
            if !behind.starts_with(b"{") {
                return None;
            }
            let newline = usize::from(start > 0 && self.text.get(start - 1) == Some(&b'\n'));
            let from = start - newline - behind.len();
            self.rest = self.text.get(from..)?;
            return Some(object);
        }
        if std::mem::replace(&mut self.was_spread, true) {
            return None;
        }
        let ended = self.text.get(..start)?;
        let from = ended.strip_suffix(b"\n").unwrap_or(ended).trim_ascii_end().len() - line.len();
        let spread = self.text.get(from..)?;
        let (object, behind) = spread.split_at_checked(object_end(spread)?)?;
        self.rest = behind;
        Some(object)
    }

    fn is_of_docker(&mut self) -> bool {
        *self.of_docker.get_or_insert_with(|| {
            let begins = |line: &[u8]| DOCKER_STARTS.iter().any(|start| line.starts_with(start));
            self.text.split(|&byte| byte == b'\n').any(begins)
                || self.text.windows(DOCKER_END.len()).any(|window| window == DOCKER_END)
        })
    }
}

/// Whether a line is of HTTP: a header, which ends in a carriage return, or the size of a chunk.
fn is_noise(line: &[u8], raw: &[u8]) -> bool {
    let is_size = line.len() <= 8 && line.iter().all(u8::is_ascii_hexdigit);
    is_size || line.starts_with(b"HTTP/1.") || (raw.ends_with(b"\r") && !line.ends_with(b"}"))
}

/// The offset behind the object or array that the text begins with.
fn object_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => at += 1 + string_end(text.get(at + 1..)?)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES * 0x80;

/// High bits where the bytes of the word are zero; those above the lowest of them may be wrong.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// The offset of a byte.
fn find(text: &[u8], wanted: u8) -> Option<usize> {
    let mut rest = text;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        let found = zeros(u64::from_le_bytes(*chunk) ^ (ONES * u64::from(wanted)));
        if found != 0 {
            return Some(text.len() - rest.len() + (found.trailing_zeros() / 8) as usize);
        }
        rest = tail;
    }
    rest.iter()
        .position(|&byte| byte == wanted)
        .map(|at| text.len() - rest.len() + at)
}

/// The offset of the quote that ends a string, of JSON or of Go, from its first character on. A control character is in
/// no such string: there it is cut.
pub(super) fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        while let Some(chunk) = text.get(at..)?.first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
            let special = zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c)) | control;
            if special != 0 {
                at += (special.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}
