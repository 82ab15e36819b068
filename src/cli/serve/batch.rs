//! The body of a request: records, and what stands between them. All but the enrichment comes out as it went in.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use serde_json::value::RawValue;

/// How much goes to the guest at a time: its memory grows with that, and never shrinks.
const CHUNK: usize = 256 * 1024;

/// A body as it was sent.
pub enum Decoded {
    /// What was packed.
    Text(Vec<u8>),
    /// It would be longer than allowed.
    TooLong,
    /// It is packed in a way that is not known, or is broken.
    Unreadable,
}

/// Unpacks a body that has the given `Content-Encoding`.
pub fn decode(encoding: &str, body: &[u8], longest: usize) -> Decoded {
    let mut text = Vec::new();
    let limit = longest as u64 + 1;
    let read = match encoding {
        "gzip" | "x-gzip" => MultiGzDecoder::new(body).take(limit).read_to_end(&mut text),
        "deflate" => ZlibDecoder::new(body).take(limit).read_to_end(&mut text),
        _ => Err(io::Error::from(io::ErrorKind::Unsupported)),
    };
    match read {
        Err(_) => Decoded::Unreadable,
        Ok(_) if text.len() > longest => Decoded::TooLong,
        Ok(_) => Decoded::Text(text),
    }
}

/// Has the records of a body judged in their order. `inspect` gets lines, and gives as many.
pub fn judge(body: &[u8], mut inspect: impl FnMut(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 2);
    match values(body) {
        Some(values) => judge_values(body, &values, &mut inspect, &mut out),
        None => {
            let mut rest = body;
            while !rest.is_empty() {
                let beyond = rest.get(CHUNK..).unwrap_or_default();
                let end = memchr::memchr(b'\n', beyond).map_or(rest.len(), |newline| CHUNK + newline + 1);
                let (chunk, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                out.append(&mut inspect(chunk));
                rest = after;
            }
        }
    }
    out
}

fn judge_values(body: &[u8], values: &[Range<usize>], inspect: &mut impl FnMut(&[u8]) -> Vec<u8>, out: &mut Vec<u8>) {
    let mut values = values.iter().peekable();
    let mut written = 0;
    while values.peek().is_some() {
        let (mut lines, mut chunk) = (Vec::new(), Vec::new());
        while let Some(range) = values.next_if(|_| lines.len() < CHUNK) {
            let value = body.get(range.clone()).unwrap_or_default();
            let is_folded = memchr::memchr(b'\n', value).is_some();
            lines.extend_from_slice(&if is_folded { fold(value).into() } else { Cow::Borrowed(value) });
            lines.push(b'\n');
            chunk.push((range, is_folded));
        }
        let judged = inspect(&lines);
        for (line, (range, is_folded)) in judged.split(|byte| *byte == b'\n').zip(chunk) {
            out.extend_from_slice(body.get(written..range.start).unwrap_or_default());
            out.extend_from_slice(&if is_folded { unfold(line).into() } else { Cow::Borrowed(line) });
            written = range.end;
        }
    }
    out.extend_from_slice(body.get(written..).unwrap_or_default());
}

/// Where the values of a body are, if it is not simply one a line: an array, or values that go over several lines.
fn values(body: &[u8]) -> Option<Vec<Range<usize>>> {
    let text = body.trim_ascii();
    let first = text.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    let values: Vec<&RawValue> = match (text.first(), first.last()) {
        (Some(b'['), _) => serde_json::from_slice(text).ok()?,
        (Some(b'{'), last) if last != Some(&b'}') => {
            serde_json::Deserializer::from_slice(text).into_iter().collect::<Result<_, _>>().ok()?
        }
        _ => return None,
    };
    let begin = body.as_ptr().addr();
    let range = |value: &RawValue| {
        let start = value.get().as_ptr().addr().checked_sub(begin)?;
        Some(start..start + value.get().len())
    };
    values.into_iter().map(range).collect()
}

/// JSON on one line. A control character is only ever whitespace in JSON, and stays so: two of them stand for one.
fn fold(value: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(value.len() + value.len() / 8);
    for &byte in value {
        match byte {
            b'\n' => line.extend_from_slice(b"\t\r"),
            b'\t' => line.extend_from_slice(b"\t\t"),
            _ => line.push(byte),
        }
    }
    line
}

/// What was folded, as it was.
fn unfold(line: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let next = (byte == b'\t').then(|| bytes.next_if(|next| matches!(next, b'\r' | b'\t'))).flatten();
        value.push(if next == Some(b'\r') { b'\n' } else { byte });
    }
    value
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// Adds a member to objects, as the guest does.
    fn mark(lines: &[u8]) -> Vec<u8> {
        let lines = lines.split_inclusive(|byte| *byte == b'\n').flat_map(|line| {
            let (content, ending) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |content| (content, b"\n"));
            let marked = content.strip_suffix(b"}").map(|content| [content, b",\"t\":1}"].concat());
            [marked.unwrap_or_else(|| content.to_vec()), ending.to_vec()]
        });
        lines.flatten().collect()
    }

    #[rstest::rstest]
    #[case::empty("", "")]
    #[case::lines("{\"a\":1}\n\n{\"b\":2}\n", "{\"a\":1,\"t\":1}\n\n{\"b\":2,\"t\":1}\n")]
    #[case::no_last_newline("{\"a\":1}\n{\"b\":2}", "{\"a\":1,\"t\":1}\n{\"b\":2,\"t\":1}")]
    #[case::between_lines("{\"a\":1}\nhalf {\n[1]\n", "{\"a\":1,\"t\":1}\nhalf {\n[1]\n")]
    #[case::array("[{\"a\":1.0},{\"b\":[ ]}]", "[{\"a\":1.0,\"t\":1},{\"b\":[ ],\"t\":1}]")]
    #[case::spaced(" [ {\"a\":1} ,\n7,null, {\"b\":2}\n]\n", " [ {\"a\":1,\"t\":1} ,\n7,null, {\"b\":2,\"t\":1}\n]\n")]
    #[case::no_elements(" [ ]\n", " [ ]\n")]
    #[case::broken_array("[{\"a\":1},{\"b\":2]", "[{\"a\":1},{\"b\":2]")]
    #[case::lines_of_arrays("[1]\n{\"a\":1}\n", "[1]\n{\"a\":1,\"t\":1}\n")]
    #[case::spread_object("{\n\t\"a\": 1,\r\n\t\t\"b\":\r2\n}", "{\n\t\"a\": 1,\r\n\t\t\"b\":\r2\n,\"t\":1}")]
    #[case::spread_objects("{\n\"a\":1}\n{\n\"b\":2}\n", "{\n\"a\":1,\"t\":1}\n{\n\"b\":2,\"t\":1}\n")]
    #[case::spread_in_array("[{\n\t\"a\":1\n}]", "[{\n\t\"a\":1\n,\"t\":1}]")]
    #[case::cut("{\"a\":1,\n", "{\"a\":1,\n")]
    fn only_records_change(#[case] body: &str, #[case] expected: &str) {
        let out = judge(body.as_bytes(), mark);
        assert_eq!(out.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
    }

    #[test]
    fn what_is_no_text_is_no_array() {
        assert_eq!(judge(b"[{\"a\":\"\xff\"}]", mark), b"[{\"a\":\"\xff\"}]");
    }

    #[rstest::rstest]
    #[case::lines("", "\n", "")]
    #[case::array("[", ",", "]")]
    fn large_bodies_go_in_chunks(#[case] open: &str, #[case] between: &str, #[case] close: &str) {
        let record = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
        let body = |record: &str| format!("{open}{}{close}", vec![record; 2000].join(between));
        let mut chunks = 0;
        let out = judge(body(&record).as_bytes(), |lines| {
            assert!(lines.len() < CHUNK + 2 * record.len());
            chunks += 1;
            mark(lines)
        });
        assert!(out == body(&record.replace('}', ",\"t\":1}")).as_bytes());
        assert!(chunks > 5);
    }

    proptest::proptest! {
        #[test]
        fn folding_loses_nothing(value in "[a{}\\r\\n\\t ]{0,40}") {
            let line = fold(value.as_bytes());
            proptest::prop_assert!(!line.contains(&b'\n'));
            proptest::prop_assert_eq!(unfold(&line), value.as_bytes());
        }

        #[test]
        fn what_is_not_judged_stays(body in "[\\[{}\\]:,\"a1\\r\\n\\t ]{0,40}") {
            let out = judge(body.as_bytes(), <[u8]>::to_vec);
            proptest::prop_assert_eq!(out.escape_ascii().to_string(), body.as_bytes().escape_ascii().to_string());
        }
    }

    #[test]
    fn unpacks_what_it_knows_up_to_a_length() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&[b'x'; 1000]).unwrap();
        let packed = packed.finish().unwrap();
        assert!(matches!(decode("gzip", &packed, 1000), Decoded::Text(text) if text == [b'x'; 1000]));
        assert!(matches!(decode("gzip", &packed, 999), Decoded::TooLong));
        assert!(matches!(decode("gzip", &packed[..20], 1000), Decoded::Unreadable));
        assert!(matches!(decode("zstd", &packed, 1000), Decoded::Unreadable));
    }
}
