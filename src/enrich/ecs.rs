//! [Elastic Common Schema](https://www.elastic.co/docs/reference/ecs) 9.
//!
//! The fields of ECS stand under the policy's `output.field`, as everything that is added does; a pipeline that wants
//! them at the top level lifts them there. `event.kind` is `alert`: `signal` is reserved for Elastic's own engine. ECS
//! has room for one rule in an event: that of the detection with the highest score; all of them follow in `detections`.

use super::{Verdict, Writer, episode_id, native, techniques};
use crate::detect::{Detection, Severity};
use crate::policy::RuleName;
use crate::record::quote;
use crate::source::Source;

pub(super) fn write(verdict: &Verdict<'_, '_>, out: &mut Vec<u8>) {
    let mut object = Writer::object(out);
    native::write_verdict(verdict, &mut object);
    let primary = super::primary(verdict.detections);
    let mut event = Writer::object(object.name("event"));
    event.text("kind", if primary.is_some_and(|found| found.counts()) { "alert" } else { "event" });
    event.text("module", "tidewaiter");
    event.text("dataset", "tidewaiter.alerts");
    match primary {
        Some(found) => write_event(found, &mut event),
        None => event.texts("category", &["host"]),
    }
    event.end();
    if let Some(found) = primary {
        write_rule(found, verdict, &mut object);
        write_threat(verdict.detections, &mut object);
    }
    write_subject(verdict, &mut object);
    if !verdict.detections.is_empty() {
        native::write_detections(verdict, &mut object);
    }
    native::write_origin(verdict, &mut object);
    object.end();
}

fn write_event(found: &Detection, event: &mut Writer<'_>) {
    let (category, kind): (&[&str], &[&str]) = match found.rule {
        RuleName::UnauthorizedImage => (&["threat", "intrusion_detection"], &["indicator"]),
        RuleName::AnomalousTraffic => (&["network", "intrusion_detection"], &["connection"]),
        RuleName::RestartSpike => (&["intrusion_detection", "host"], &["change"]),
    };
    event.texts("category", category);
    event.texts("type", kind);
    event.text("action", found.rule.as_str());
    event.text("reason", &found.message);
    // Elastic's scale: low 21, medium 47, high 73.
    let severity = match found.severity {
        Severity::Low => 21.0,
        Severity::Medium => 47.0,
        Severity::High => 73.0,
    };
    event.number("severity", severity);
    event.number("risk_score", f64::from(found.score));
    event.text("id", episode_id(found.episode.id));
}

fn write_rule(found: &Detection, verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    let mut rule = Writer::object(object.name("rule"));
    rule.text("id", found.reason.id);
    rule.text("name", found.rule.as_str());
    rule.text("category", found.reason.id);
    rule.text("description", found.reason.meaning);
    rule.text("ruleset", verdict.policy);
    rule.text("version", crate::VERSION);
    rule.end();
}

fn write_threat(detections: &[Detection], object: &mut Writer<'_>) {
    let all = techniques(detections);
    let parent = |id: &'static str| id.split('.').next().unwrap_or(id);
    let tactics: Vec<_> = all.iter().map(|at| (at.tactic, at.tactic_name)).collect();
    let parents: Vec<_> = all.iter().map(|at| (parent(at.id), at.name)).collect();
    let subs: Vec<_> = all.iter().filter_map(|at| Some((at.id, at.sub_name?))).collect();
    let mut threat = Writer::object(object.name("threat"));
    threat.text("framework", "MITRE ATT&CK");
    let mut tactic = Writer::object(threat.name("tactic"));
    write_entries("tactics", &tactics, &mut tactic);
    tactic.end();
    let mut technique = Writer::object(threat.name("technique"));
    write_entries("techniques", &parents, &mut technique);
    let mut sub = Writer::object(technique.name("subtechnique"));
    write_entries("techniques", &subs, &mut sub);
    sub.end();
    technique.end();
    threat.end();
}

/// Writes the ids, names and pages of entries of ATT&CK.
fn write_entries(section: &str, entries: &[(&str, &str)], object: &mut Writer<'_>) {
    let (ids, names): (Vec<_>, Vec<_>) = entries.iter().copied().unzip();
    object.texts("id", &ids);
    object.texts("name", &names);
    let mut pages = Writer::array(object.name("reference"));
    for id in ids {
        let page = format!("https://attack.mitre.org/{section}/{}/", id.replace('.', "/"));
        quote(page.as_bytes(), pages.element());
    }
    pages.end();
}

fn write_subject(verdict: &Verdict<'_, '_>, object: &mut Writer<'_>) {
    let Some(subject) = verdict.subject else { return };
    if let Some((judged, observed)) = verdict.image {
        let mut container = Writer::object(object.name("container"));
        let mut image = Writer::object(container.name("image"));
        if let Some(reference) = judged.reference() {
            image.text("name", reference.name());
            image.texts("tag", reference.tag.as_deref().as_slice());
            let digest = reference.digest.as_deref().map(str::as_bytes).or(super::manifest(observed));
            if let Some(digest) = digest {
                let mut hash = Writer::object(image.name("hash"));
                hash.texts("all", &[&String::from_utf8_lossy(digest)]);
                hash.end();
            }
        }
        image.end();
        container.end();
    }
    let kind = match subject.source {
        Source::Docker => "docker",
        Source::Swarm => "swarm",
        Source::Containerd | Source::Crio => "cri",
        _ => "kubernetes",
    };
    let mut orchestrator = Writer::object(object.name("orchestrator"));
    orchestrator.text("type", kind);
    orchestrator.text("namespace", subject.workload.namespace.as_bytes());
    let mut cluster = Writer::object(orchestrator.name("cluster"));
    cluster.text("name", subject.workload.cluster.as_bytes());
    cluster.end();
    let mut resource = Writer::object(orchestrator.name("resource"));
    resource.text("type", subject.workload.kind.as_bytes());
    resource.text("name", subject.workload.name.as_bytes());
    resource.end();
    orchestrator.end();
}
