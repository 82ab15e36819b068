//! Records that carry events as text, and the events in such a text.
//!
//! Shippers that do not decode what they read put it under one name: `message` or `log`, `MESSAGE` for the journal. The
//! text is an event, with what the runtime or syslog wrote before it, or several:
//!
//! - [CRI](https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md) log lines:
//!   `2026-09-21T14:13:20.5Z stdout F {…}`;
//! - Docker's [json-file](https://docs.docker.com/engine/logging/drivers/json-file/) lines:
//!   `{"log":"{…}\n","stream":…}`;
//! - what Fluent Bit's [docker_events](https://docs.fluentbit.io/manual/pipeline/inputs/docker-events) input read from
//!   the engine's socket at once: events with a newline behind each, the first and the last of them perhaps cut, HTTP
//!   headers and chunk sizes among them.
//!
//! Most text carries no event: a glance at both its ends has to tell.

use super::containerd::{EventLine, word};
use super::keys::{JOURNAL_MESSAGE, LOG, MESSAGE};
use crate::record::{Fields, Text, unescape};

/// A part of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// From the first brace of an object to its last. Where both ends of an event are cut away, or one within a string,
    /// what is left may look like that: if it is no JSON, it was cut.
    Json(&'a [u8]),
    /// A line of a log or of an event stream that is not JSON.
    Text(&'a [u8]),
    /// A part of an event of Docker, the rest of which is in another record.
    Cut(&'a [u8]),
}

/// The text that may carry events, without Docker's wrapping.
pub fn open<'a>(fields: &Fields<'a, '_>) -> Option<Text<'a>> {
    [MESSAGE, LOG, JOURNAL_MESSAGE].into_iter().filter(|&key| fields.has(key)).find_map(|key| {
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
    Lines { text, rest: text, of_docker: None, was_spread: false }
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
    while let Some(rest) = [&b"\\n"[..], b"\\r", b" "].iter().find_map(|space| start.strip_prefix(*space)) {
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
    digits > 0 && rest.get(..rest.len() - digits).is_some_and(|rest| rest.ends_with(b"timeNano\\\":"))
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
            if line.get(3) == Some(&b' ') && line.get(9) == Some(&b':') && line.get(15) == Some(&b' ') =>
        {
            line.get(16..).and_then(strip_syslog).unwrap_or(line)
        }
        _ => line,
    }
}

/// `stdout F …`: the stream, and whether the line is full or partial.
fn strip_cri(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.strip_prefix(b"stdout ").or_else(|| rest.strip_prefix(b"stderr "))?;
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
        rest = find(after, b'\n').and_then(|end| after.get(end + 1..)).unwrap_or_default();
    }
    if out.is_empty() {
        return None;
    }
    out.extend_from_slice(rest);
    Some(out)
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
            let whole = self.rest;
            let end = find(whole, b'\n');
            let (raw, after) = whole.split_at_checked(end.unwrap_or(whole.len()))?;
            self.rest = after.get(1..).unwrap_or_default();
            let from = raw.trim_ascii_start();
            let line = strip_prefix(from.trim_ascii_end());
            if line.first() == Some(&b'{') {
                if end.is_some() && line.ends_with(b"}") && begins_as_docker(line) {
                    return Some(Line::Json(line));
                }
                let before = raw.len() - from.len() + from.trim_ascii_end().len() - line.len();
                if let Some(object) = self.object(line, whole.get(before..)?) {
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
    /// The object that a line begins with, or the text from there on; what is behind it comes next.
    fn object(&mut self, line: &[u8], rest: &'a [u8]) -> Option<&'a [u8]> {
        let end = match object_end(line) {
            Some(end) => end,
            None if std::mem::replace(&mut self.was_spread, true) => return None,
            None => object_end(rest)?,
        };
        let (object, behind) = rest.split_at_checked(end)?;
        // With more on its line it is the end of an event, which begins within it.
        if !matches!(behind.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r')), None | Some(b'\n')) {
            return None;
        }
        self.rest = behind;
        Some(object)
    }

    fn is_of_docker(&mut self) -> bool {
        *self.of_docker.get_or_insert_with(|| {
            self.text.split(|&byte| byte == b'\n').any(|line| begins_as_docker(strip_prefix(line)))
                || self.text.windows(DOCKER_END.len()).any(|window| window == DOCKER_END)
        })
    }
}

fn begins_as_docker(line: &[u8]) -> bool {
    DOCKER_STARTS.iter().any(|start| line.starts_with(start))
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
    rest.iter().position(|&byte| byte == wanted).map(|at| text.len() - rest.len() + at)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Scanner;
    use crate::source::keys::RECORD;

    const START: &str =
        r#"{"Type":"container","Action":"start","Actor":{"ID":"5f","Attributes":{"image":"a"}},"timeNano":17}"#;
    const OLD: &str = r#"{"status":"pull","id":"a:1","Type":"image","Action":"pull","time":17,"timeNano":17}"#;
    const OOM: &str = r#"2026-09-21 14:13:20.5 +0000 UTC k8s.io /tasks/oom {"container_id":"5f"}"#;
    const PULL: &str = r#"time="2026-09-21T14:13:20Z" level=info msg="PullImage \"a\"""#;

    /// The text of a record of which one member is this.
    fn opened(key: &str, text: &str) -> Option<String> {
        let record = serde_json::json!({ "stream": "stdout", key: text }).to_string();
        let mut scanner = Scanner::default();
        let fields = scanner.scan(&RECORD, record.as_bytes()).unwrap();
        open(&fields).map(|text| text.to_string())
    }

    fn fill(text: &str) -> String {
        text.replace("$START", START).replace("$OLD", OLD).replace("$OOM", OOM).replace("$PULL", PULL)
    }

    fn parts(text: &str) -> Vec<String> {
        let show = |line| match line {
            Line::Json(json) => format!("json {}", String::from_utf8_lossy(json)),
            Line::Text(text) => format!("text {}", String::from_utf8_lossy(text)),
            Line::Cut(cut) => format!("cut {}", String::from_utf8_lossy(cut)),
        };
        lines(text.as_bytes()).map(show).collect()
    }

    #[rstest::rstest]
    #[case::docker("$START\n", &["json $START"])]
    #[case::without_newline("$START", &["json $START"])]
    #[case::several("$START\n$OLD\n", &["json $START", "json $OLD"])]
    #[case::blank_lines("\n\r\n$START\n\n$OLD", &["json $START", "json $OLD"])]
    #[case::http(
        "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Type: application/json\r\n\r\n$OLD\n",
        &["json $OLD"]
    )]
    #[case::chunks("c8\r\n$OLD\n\r\n1F4\r\n$START\n\r\n0\r\n\r\n", &["json $OLD", "json $START"])]
    #[case::cut_at_the_end("$OLD\n{\"Type\":\"conta", &["json $OLD", "cut {\"Type\":\"conta"])]
    #[case::cut_early("$OLD\n{\"st", &["json $OLD", "cut {\"st"])]
    #[case::cut_after_a_brace(r#"{"Type":"a","Actor":{"ID":"5f"}"#, &[r#"cut {"Type":"a","Actor":{"ID":"5f"}"#])]
    #[case::cut_at_the_beginning("b\"}},\"timeNano\":17}\n$OLD\n", &["cut b\"}},\"timeNano\":17}", "json $OLD"])]
    #[case::cut_before_an_object(
        "{\"image\":\"a\"}},\"timeNano\":17}\n$OLD\n",
        &["cut {\"image\":\"a\"}},\"timeNano\":17}", "json $OLD"]
    )]
    #[case::cut_in_the_number("7}\n$OLD\n", &["cut 7}", "json $OLD"])]
    #[case::cut_in_a_string("{\"status\":\"exec_create: sh -c {\"", &["cut {\"status\":\"exec_create: sh -c {\""])]
    #[case::braces_in_strings(r#"{"log":"}{\"}","a":["]"]}"#, &[r#"json {"log":"}{\"}","a":["]"]}"#])]
    #[case::spread("{\n \"a\": 1,\n \"b\": {}\n}\n$OLD", &["json {\n \"a\": 1,\n \"b\": {}\n}", "json $OLD"])]
    #[case::cri("2026-09-21T14:13:20.5Z stdout F $OLD\n", &["json $OLD"])]
    #[case::cri_lines(
        "2026-09-21T14:13:20.5+02:00 stderr F $OOM\n2026-09-21T14:13:20.6+02:00 stderr F hello\n",
        &["text $OOM"]
    )]
    #[case::cri_partial("2026-09-21T14:13:20.5Z stdout P {\"Type\":\"conta", &["cut {\"Type\":\"conta"])]
    #[case::ctr("$OOM\n$OOM\n", &["text $OOM", "text $OOM"])]
    #[case::logfmt("$PULL", &["text $PULL"])]
    #[case::syslog("Sep 21 14:13:20 n1 containerd[130]: $PULL", &["text $PULL"])]
    #[case::syslog_with_a_year("2026-09-21T14:13:20.5+02:00 n1 crio[130]: $PULL", &["text $PULL"])]
    #[case::other_cut_json("{\"level\":\"info\",\"msg\":\"x", &[])]
    #[case::other_text("2026-09-21 14:13:20 INFO {x}\nend", &[])]
    #[case::nothing("", &[])]
    fn splits(#[case] text: &str, #[case] expected: &[&str]) {
        let expected: Vec<_> = expected.iter().map(|line| fill(line)).collect();
        let text = fill(text);
        assert_eq!(parts(&text), expected);
        let carries = parts(&text).iter().any(|part| !part.starts_with("cut 7"));
        assert!(!carries || opened("message", &text).is_some(), "it is not opened");
    }

    #[rstest::rstest]
    #[case::message("message")]
    #[case::log("log")]
    #[case::journal("MESSAGE")]
    fn opens(#[case] key: &str) {
        assert_eq!(opened(key, START), Some(START.to_owned()));
        assert_eq!(opened(key, PULL), Some(PULL.to_owned()));
        assert_eq!(opened("text", START), None);
    }

    #[rstest::rstest]
    #[case::sentence("GET /healthz 200")]
    #[case::date("2026-09-21 14:13:20 INFO done")]
    #[case::date_and_zone("2026-09-21T14:13:20Z INFO done {\"Type\":1}")]
    #[case::brace_at_the_end("cannot merge {a} and {b}")]
    #[case::hex("deadbeef")]
    #[case::month("Sep 21 14:13:20 n1 sshd[130]: session opened")]
    #[case::cri("2026-09-21T14:13:20.5Z stdout F hello")]
    #[case::header("Host: a")]
    #[case::empty("")]
    fn stays_closed(#[case] text: &str) {
        assert_eq!(opened("message", text), None);
        assert_eq!(opened("message", &text.repeat(200)), None);
    }

    #[test]
    fn finds_an_event_between_two_cuts() {
        let attributes = "x".repeat(MAYBE_FULL);
        let text = format!("{attributes}\"}}}}}}\n{OLD}\n{{\"Ty");
        assert_eq!(opened("message", &text), Some(text.clone()));
        assert_eq!(parts(&text).len(), 3);
    }

    #[rstest::rstest]
    #[case::one(r#"{"log":"{\"Type\":\"a\"}\n","stream":"stdout","time":"t"}"#, "{\"Type\":\"a\"}\n")]
    #[case::attrs(r#"{"log":"{}\n","attrs":{"tag":"x"},"stream":"stdout","time":"t"}"#, "{}\n")]
    #[case::continued(
        "{\"log\":\"{\\\"a\\\":\",\"stream\":\"stdout\"}\n{\"log\":\"1}\\n\",\"stream\":\"stdout\"}\n",
        "{\"a\":1}\n"
    )]
    #[case::once(
        r#"{"log":"{\"log\":\"{}\",\"stream\":\"stdout\"}","stream":"stdout"}"#,
        r#"{"log":"{}","stream":"stdout"}"#
    )]
    #[case::another(r#"{"log":"a","level":"info"}"#, r#"{"log":"a","level":"info"}"#)]
    #[case::cut(r#"{"log":"a"#, r#"{"log":"a"#)]
    fn unwraps(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(opened("log", text), Some(expected.to_owned()));
    }

    #[test]
    fn the_first_text_that_may_carry_counts() {
        let record = r#"{"MESSAGE":"{}","log":{"a":1},"message":"hello"}"#;
        let mut scanner = Scanner::default();
        let fields = scanner.scan(&RECORD, record.as_bytes()).unwrap();
        assert_eq!(open(&fields), Some("{}".into()));
    }

    proptest::proptest! {
        /// However a stream of Docker's is cut, what is whole is found, and what is cut is said to be.
        #[test]
        fn cuts(events in proptest::collection::vec(0..3_usize, 1..6), from in 0..600_usize, to in 0..600_usize) {
            let all = [START, OLD, r#"{"Type":"image","Action":"{\"}\n","Actor":{"ID":"}{"},"timeNano":17}"#];
            let stream: String = events.iter().map(|&event| format!("{}\n", all[event])).collect();
            let (from, to) = (from.min(stream.len()), to.min(stream.len()));
            let (from, to) = (from.min(to), from.max(to));
            let mut at = 0;
            let mut expected = Vec::new();
            let mut pieces = 0;
            for &event in &events {
                let end = at + all[event].len();
                if from <= at && end <= to {
                    expected.push(all[event].as_bytes());
                } else if from < end && at < to {
                    pieces += 1;
                }
                at = end + 1;
            }
            // Two cuts may leave an object of an event, or what only begins and ends like an object.
            let is_event = |json: &[u8]| {
                serde_json::from_slice::<serde_json::Value>(json).is_ok_and(|json| json.get("timeNano").is_some())
            };
            let parts: Vec<_> = lines(&stream.as_bytes()[from..to]).collect();
            let whole: Vec<_> = parts
                .iter()
                .filter_map(|line| if let Line::Json(json) = line { Some(*json) } else { None })
                .filter(|json| is_event(json))
                .collect();
            let cut = parts.len() - whole.len();
            proptest::prop_assert_eq!(&whole, &expected);
            proptest::prop_assert!(!parts.iter().any(|line| matches!(line, Line::Text(_))));
            if !expected.is_empty() {
                proptest::prop_assert_eq!(cut, pieces);
            }
        }

        #[test]
        fn takes_any_text(text in "[{}\"\\\\ntime=/ :0-9a-fTZ.stdouFP\r\n-]{0,200}") {
            let parts: usize = lines(text.as_bytes()).map(|line| match line {
                Line::Json(part) | Line::Text(part) | Line::Cut(part) => part.len(),
            }).sum();
            proptest::prop_assert!(parts <= text.len());
            let _ = opened("message", &text);
        }

        #[test]
        fn finds_what_a_plain_search_finds(text in proptest::collection::vec(0..0x30_u8, 0..40), wanted in 0..0x30_u8) {
            proptest::prop_assert_eq!(find(&text, wanted), text.iter().position(|&byte| byte == wanted));
            let mut at = 0;
            let end = loop {
                match text.get(at) {
                    Some(b'"') => break Some(at),
                    None | Some(0..0x20) => break None,
                    Some(b'\\') => at += 2,
                    Some(_) => at += 1,
                }
            };
            proptest::prop_assert_eq!(string_end(&text), end);
        }
    }
}
