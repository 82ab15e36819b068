//! The native form: one object that says everything in the words of the project.

use super::{Verdict, Writer, episode_id, write_count, write_evidence};
use crate::detect::Detection;
use crate::number;
use crate::record::quote;

pub(super) fn write(verdict: &Verdict<'_, '_>, out: &mut Vec<u8>) {
    // Most records are clean, and this is written for each of them: in few and long pieces, since an interpreter pays
    // by the piece. What is not from the record needs no escapes.
    out.reserve(CLEAN_LENGTH);
    let mut object = Writer::object(out);
    write_verdict(verdict, &mut object);
    if let Some(subject) = verdict.subject {
        let out = object.raw();
        put(&[r#","source":""#, subject.source.as_str(), r#"","kind":""#, subject.kind], out);
        put(&[r#"","workload":{"cluster":"#], out);
        quote(subject.workload.cluster.as_bytes(), out);
        out.extend_from_slice(br#","namespace":"#);
        quote(subject.workload.namespace.as_bytes(), out);
        out.extend_from_slice(br#","kind":"#);
        quote(subject.workload.kind.as_bytes(), out);
        out.extend_from_slice(br#","name":"#);
        quote(subject.workload.name.as_bytes(), out);
        out.push(b'}');
    }
    if let Some((image, digest)) = verdict.image {
        image.write_json(digest, object.name("image"));
    }
    write_detections(verdict, &mut object);
    write_origin(verdict, &mut object);
    object.end();
}

/// About as long as the enrichment of a clean record gets.
const CLEAN_LENGTH: usize = 640;

/// What pipelines route on, and what every form begins with.
pub(super) fn write_verdict(verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    let out = object.name("verdict");
    out.push(b'"');
    out.extend_from_slice(verdict.name.as_bytes());
    if verdict.detections.is_empty() {
        out.extend_from_slice(br#"","tags":[]"#);
        return;
    }
    out.push(b'"');
    let counting = verdict.detections.iter().filter(|detection| detection.counts());
    let mut tags: Vec<&str> = counting.map(|detection| detection.rule.as_str()).collect();
    tags.dedup();
    object.texts("tags", &tags);
}

/// What every form ends with.
pub(super) fn write_origin(verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    if let Some(error) = verdict.error {
        object.text("error", error);
    }
    quote(verdict.policy.as_bytes(), object.name("policy"));
    object.raw().extend_from_slice(concat!(r#","version":""#, env!("CARGO_PKG_VERSION"), "\"").as_bytes());
}

pub(super) fn write_detections(verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    if verdict.detections.is_empty() {
        object.raw().extend_from_slice(br#","detections":[]"#);
        return;
    }
    let mut detections = Writer::array(object.name("detections"));
    for detection in verdict.detections {
        write_detection(detection, detections.element());
    }
    detections.end();
}

fn write_detection(detection: &Detection, out: &mut Vec<u8>) {
    let Detection { rule, reason, severity, score, episode, baseline, .. } = detection;
    put(&[r#"{"rule":""#, rule.as_str(), r#"","reason":""#, reason.id], out);
    put(&[r#"","severity":""#, severity.as_str(), r#"","score":"#], out);
    number::write_digits(u64::from(*score), out);
    put(&[r#","message":"#], out);
    quote(detection.message.as_bytes(), out);
    put(&[r#","evidence":"#], out);
    write_evidence(&detection.evidence, out);
    put(&[r#","attack":["#], out);
    for (place, technique) in reason.attack.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        put(&[comma, r#"{"tactic":""#, technique.tactic, r#"","technique":""#, technique.id, r#""}"#], out);
    }
    put(&[r#"],"episode":""#, &episode_id(episode.id), r#"","state":""#, episode.state.as_str(), r#"","count":"#], out);
    write_count(episode.count, out);
    put(&[r#","baseline":""#, baseline.as_str(), r#"","suppressed":"#], out);
    match &detection.suppressed {
        Some(cause) => quote(cause.as_bytes(), out),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

/// Appends pieces that need no escapes.
fn put(pieces: &[&str], out: &mut Vec<u8>) {
    pieces.iter().for_each(|piece| out.extend_from_slice(piece.as_bytes()));
}
