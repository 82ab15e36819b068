//! What comes out: the verdict on one record, as JSON, in the form that the policy asks for.

mod ecs;
mod native;
mod ocsf;

use crate::detect::image::Judged;
use crate::detect::{Datum, Detection, Technique};
use crate::number;
use crate::policy::Format;
use crate::record::quote;
use crate::source::{Digest, Observation};
use crate::time::Time;

/// The verdict on one record.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'v, 'a> {
    /// `clean`, `match`, `suppressed` or `skipped`.
    pub name: &'static str,
    /// What the record says: the observation with the first detection, else the first.
    pub subject: Option<&'v Observation<'a>>,
    /// The image of the subject, and the digest that was observed for it.
    pub image: Option<(&'v Judged, Option<&'v Digest<'a>>)>,
    /// What the rules found.
    pub detections: &'v [Detection],
    /// The policy's id.
    pub policy: &'v str,
    /// Why the record could not be judged, or not wholly.
    pub error: Option<&'v str>,
    /// When.
    pub at: Time,
}

/// Appends the enrichment as members of the record's object: `"field":{…}`, and for the other formats what they want
/// beside it.
pub fn write(format: Format, field: &[u8], verdict: &Verdict<'_, '_>, out: &mut Vec<u8>) {
    quote(field, out);
    out.push(b':');
    match format {
        Format::Native => native::write(verdict, out),
        Format::Ecs => ecs::write(verdict, out),
        Format::Ocsf => ocsf::write(verdict, out),
    }
}

/// What of an enrichment with one detection stands before and behind the detection's count, when nothing else in it
/// changes while the detection goes on.
pub fn around_count(format: Format, written: &[u8]) -> Option<(&[u8], &[u8])> {
    // ECS has no count, and OCSF has the time beside it.
    if format != Format::Native {
        return None;
    }
    // Quotes in strings are escaped, so this is a name; the last member of the name is the detection's own.
    let at = written.windows(COUNT.len()).rposition(|window| window == COUNT)? + COUNT.len();
    let (before, rest) = written.split_at_checked(at)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    Some((before, rest.get(digits..)?))
}

/// A count's name in the native form.
const COUNT: &[u8] = b"\"count\":";

/// Writes a detection's count.
pub fn write_count(count: u32, out: &mut Vec<u8>) {
    number::write_digits(u64::from(count), out);
}

/// A JSON object or array that is being written: keeps the commas.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    close: u8,
    empty: bool,
}

impl<'o> Writer<'o> {
    fn object(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, close: b'}', empty: true }
    }

    fn array(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, close: b']', empty: true }
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
    }

    /// Begins a member; its name needs no escapes.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Where to write members as they are, the comma before them included.
    fn raw(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Begins an element.
    fn element(&mut self) -> &mut Vec<u8> {
        self.comma();
        self.out
    }

    fn text(&mut self, name: &str, text: impl AsRef<[u8]>) {
        quote(text.as_ref(), self.name(name));
    }

    fn number(&mut self, name: &str, number: f64) {
        number::write(number, self.name(name));
    }

    fn texts(&mut self, name: &str, texts: &[&str]) {
        let mut array = Writer::array(self.name(name));
        for text in texts {
            quote(text.as_bytes(), array.element());
        }
        array.end();
    }

    fn end(self) {
        self.out.push(self.close);
    }
}

fn write_evidence(evidence: &[(&'static str, Datum)], out: &mut Vec<u8>) {
    let mut object = Writer::object(out);
    for (name, datum) in evidence {
        match datum {
            Datum::Text(text) => object.text(name, text),
            Datum::Number(number) => object.number(name, *number),
        }
    }
    object.end();
}

/// The techniques of all detections, each once, in their order.
fn techniques(detections: &[Detection]) -> Vec<Technique> {
    let mut all = Vec::new();
    for technique in detections.iter().flat_map(|detection| detection.reason.attack) {
        if !all.contains(technique) {
            all.push(*technique);
        }
    }
    all
}

/// The detection that a form with room for one shows: of those that count the one with the highest score.
fn primary(detections: &[Detection]) -> Option<&Detection> {
    detections.iter().rev().max_by_key(|detection| (detection.counts(), detection.score))
}

/// The digest in the registry, when that is what was observed.
fn manifest<'d>(observed: Option<&'d Digest<'_>>) -> Option<&'d [u8]> {
    match observed {
        Some(Digest::Manifest(digest)) => Some(digest.as_bytes()),
        _ => None,
    }
}

/// The id of an episode, as 16 hexadecimal digits.
fn episode_id(id: u64) -> String {
    format!("{id:016x}")
}
