//! The native form: one object that says everything in the words of the project.

use super::{Verdict, Writer, episode_id, write_count, write_evidence};
use crate::detect::Detection;
use crate::record::quote;

pub(super) fn write(verdict: &Verdict<'_, '_>, out: &mut Vec<u8>) {
    // Most records are clean, and this is written for each of them: in few and long pieces, since an interpreter pays
    // by the piece. What is not from the record needs no escapes.
    out.reserve(CLEAN_LENGTH);
    let mut object = Writer::object(out);
    write_verdict(verdict, &mut object);
    if let Some(subject) = verdict.subject {
        let out = object.raw();
        out.extend_from_slice(br#","source":""#);
        out.extend_from_slice(subject.source.as_str().as_bytes());
        out.extend_from_slice(br#"","kind":""#);
        out.extend_from_slice(subject.kind.as_bytes());
        out.extend_from_slice(br#"","workload":{"cluster":"#);
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
    let mut object = Writer::object(out);
    object.word("rule", detection.rule.as_str());
    object.word("reason", detection.reason.id);
    object.word("severity", detection.severity.as_str());
    object.number("score", f64::from(detection.score));
    object.text("message", &detection.message);
    write_evidence(&detection.evidence, object.name("evidence"));
    let mut attack = Writer::array(object.name("attack"));
    for technique in detection.reason.attack {
        let mut entry = Writer::object(attack.element());
        entry.word("tactic", technique.tactic);
        entry.word("technique", technique.id);
        entry.end();
    }
    attack.end();
    object.word("episode", &episode_id(detection.episode.id));
    object.word("state", detection.episode.state.as_str());
    write_count(detection.episode.count, object.name("count"));
    object.word("baseline", detection.baseline.as_str());
    match &detection.suppressed {
        Some(cause) => object.text("suppressed", cause.as_bytes()),
        None => object.name("suppressed").extend_from_slice(b"null"),
    }
    object.end();
}
