//! The native form: one object that says everything in the words of the project.

use super::{Verdict, Writer, episode_id, write_evidence};
use crate::detect::Detection;

pub(super) fn write(verdict: &Verdict<'_, '_>, out: &mut Vec<u8>) {
    let mut object = Writer::object(out);
    write_verdict(verdict, &mut object);
    if let Some(subject) = verdict.subject {
        object.text("source", subject.source.as_str());
        object.text("kind", subject.kind);
        let mut workload = Writer::object(object.name("workload"));
        workload.text("cluster", subject.workload.cluster.as_bytes());
        workload.text("namespace", subject.workload.namespace.as_bytes());
        workload.text("kind", subject.workload.kind.as_bytes());
        workload.text("name", subject.workload.name.as_bytes());
        workload.end();
    }
    if let Some((image, digest)) = verdict.image {
        image.write_json(digest, object.name("image"));
    }
    write_detections(verdict, &mut object);
    write_origin(verdict, &mut object);
    object.end();
}

/// What pipelines route on, and what every form begins with.
pub(super) fn write_verdict(verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    object.text("verdict", verdict.name);
    let counting = verdict.detections.iter().filter(|detection| detection.suppressed.is_none());
    let mut tags: Vec<&str> = counting.map(|detection| detection.rule.as_str()).collect();
    tags.dedup();
    object.texts("tags", tags);
}

/// What every form ends with.
pub(super) fn write_origin(verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    if let Some(error) = verdict.error {
        object.text("error", error);
    }
    object.text("policy", verdict.policy);
    object.text("version", crate::VERSION);
}

pub(super) fn write_detections(verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    let mut detections = Writer::array(object.name("detections"));
    for detection in verdict.detections {
        write_detection(detection, verdict, detections.element());
    }
    detections.end();
}

fn write_detection(detection: &Detection, verdict: &Verdict<'_, '_>, out: &mut Vec<u8>) {
    let mut object = Writer::object(out);
    object.text("rule", detection.rule.as_str());
    object.text("reason", detection.reason.id);
    object.text("severity", detection.severity.as_str());
    object.number("score", f64::from(detection.score));
    object.text("message", &detection.message);
    write_evidence(&detection.evidence, object.name("evidence"));
    let mut attack = Writer::array(object.name("attack"));
    for technique in detection.reason.attack {
        let mut entry = Writer::object(attack.element());
        entry.text("tactic", technique.tactic);
        entry.text("technique", technique.id);
        entry.end();
    }
    attack.end();
    object.text("episode", episode_id(detection.episode.id));
    object.text("state", detection.episode.state.as_str());
    object.number("count", f64::from(detection.episode.count));
    object.text("baseline", verdict.readiness.as_str());
    match &detection.suppressed {
        Some(cause) => object.text("suppressed", cause.as_bytes()),
        None => object.name("suppressed").extend_from_slice(b"null"),
    }
    object.end();
}
