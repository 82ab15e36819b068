//! [OCSF](https://schema.ocsf.io/) Detection Finding, class 2004, of version 1.5.
//!
//! A finding is about one thing: the detection with the highest score; all of them follow in `detections`. A record
//! without a detection is no finding and gets the verdict alone.

use super::{Verdict, Writer, episode_id, native};
use crate::detect::{Detection, Severity, State};
use crate::number;

const CLASS: f64 = 2004.0;

pub(super) fn write(verdict: &Verdict<'_, '_>, out: &mut Vec<u8>) {
    let mut object = Writer::object(out);
    native::write_verdict(verdict, &mut object);
    if let Some(found) = super::primary(verdict.detections) {
        write_finding(found, verdict, &mut object);
    }
    if !verdict.detections.is_empty() {
        native::write_detections(verdict, &mut object);
    }
    native::write_origin(verdict, &mut object);
    object.end();
}

fn write_finding(found: &Detection, verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    let (activity, activity_name) = match found.episode.state {
        State::New => (1.0, "Create"),
        State::Ongoing => (2.0, "Update"),
        State::Closed => (3.0, "Close"),
    };
    let (severity, severity_name) = match found.severity {
        Severity::Low => (2.0, "Low"),
        Severity::Medium => (3.0, "Medium"),
        Severity::High => (4.0, "High"),
    };
    object.number("class_uid", CLASS);
    object.text("class_name", "Detection Finding");
    object.number("category_uid", 2.0);
    object.text("category_name", "Findings");
    object.number("activity_id", activity);
    object.text("activity_name", activity_name);
    object.number("type_uid", CLASS * 100.0 + activity);
    object.number("severity_id", severity);
    object.text("severity", severity_name);
    let milliseconds = verdict.at.sec.saturating_mul(1000).saturating_add(i64::from(verdict.at.nanos / 1_000_000));
    number::write(milliseconds as f64, object.name("time"));
    // 1 is New, 3 is Suppressed.
    object.number("status_id", if found.suppressed.is_some() { 3.0 } else { 1.0 });
    object.name("is_alert").extend_from_slice(if found.counts() { b"true" } else { b"false" });
    object.number("confidence_score", f64::from(found.score));
    object.text("message", &found.message);
    let mut metadata = Writer::object(object.name("metadata"));
    metadata.text("version", "1.5.0");
    let mut product = Writer::object(metadata.name("product"));
    product.text("name", "Tidewaiter");
    product.text("vendor_name", "Tidewaiter");
    product.text("version", crate::VERSION);
    product.end();
    metadata.end();
    write_info(found, object);
    write_evidence(found, verdict, object);
}

fn write_info(found: &Detection, object: &mut Writer<'_>) {
    let mut info = Writer::object(object.name("finding_info"));
    info.text("uid", episode_id(found.episode.id));
    info.text("title", &found.message);
    info.text("desc", found.reason.meaning);
    info.texts("types", &[found.reason.id]);
    let mut analytic = Writer::object(info.name("analytic"));
    analytic.text("uid", found.rule.as_str());
    analytic.text("name", found.rule.as_str());
    // 1 is Rule.
    analytic.number("type_id", 1.0);
    analytic.text("type", "Rule");
    analytic.text("version", crate::VERSION);
    analytic.end();
    let mut attacks = Writer::array(info.name("attacks"));
    for technique in found.reason.attack {
        let mut attack = Writer::object(attacks.element());
        attack.text("version", "18.1");
        let mut tactic = Writer::object(attack.name("tactic"));
        tactic.text("uid", technique.tactic);
        tactic.text("name", technique.tactic_name);
        tactic.end();
        let mut parent = Writer::object(attack.name("technique"));
        parent.text("uid", technique.id.split('.').next().unwrap_or(technique.id));
        parent.text("name", technique.name);
        parent.end();
        if let Some(name) = technique.sub_name {
            let mut sub = Writer::object(attack.name("sub_technique"));
            sub.text("uid", technique.id);
            sub.text("name", name);
            sub.end();
        }
        attack.end();
    }
    attacks.end();
    info.end();
}

fn write_evidence(found: &Detection, verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    let mut evidences = Writer::array(object.name("evidences"));
    let mut evidence = Writer::object(evidences.element());
    super::write_evidence(&found.evidence, evidence.name("data"));
    if let (Some(subject), Some((judged, observed))) = (verdict.subject, verdict.image) {
        let mut container = Writer::object(evidence.name("container"));
        container.text("name", subject.workload.name.as_bytes());
        container.text("orchestrator", subject.source.as_str());
        if let Some(reference) = judged.reference() {
            let mut image = Writer::object(container.name("image"));
            image.text("name", reference.name());
            if let Some(tag) = &reference.tag {
                image.text("tag", tag);
            }
            let digest = reference.digest.as_deref().map(str::as_bytes).or(super::manifest(observed));
            image.text("uid", digest.unwrap_or(reference.canonical().as_bytes()));
            image.end();
        }
        container.end();
    }
    evidence.end();
    evidences.end();
}
