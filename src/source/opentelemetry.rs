//! What the OpenTelemetry Collector knows of Kubernetes, as Vector's `opentelemetry` source hands it on: the text in
//! `message` (or `body`), beside it `attributes` and `resources`, whose names are dotted.
//!
//! - the [`k8s_events` receiver](https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/receiver/k8seventsreceiver):
//!   the text is the Event's message, all else are attributes;
//! - the [`k8sobjects` receiver](https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/receiver/k8sobjectsreceiver):
//!   the body is the object, or a watch's account of it;
//! - container logs with the attributes of the [`k8sattributes` processor], also at the top of a record.
//!
//! Names are those of the [semantic conventions].
//!
//! [`k8sattributes` processor]:
//!     https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/k8sattributesprocessor
//! [semantic conventions]: https://opentelemetry.io/docs/specs/semconv/resource/k8s/

use std::sync::LazyLock;

use super::kubernetes_event::{self, Event};
use super::{
    Digest, Image, Observation, Observations, Reader, Source, Workload, bare, container_log, filled, keys,
    kubernetes_object, owner,
};
use crate::record::{Fields, Key, Shape, Text};
use crate::time::Time;

/// Where attributes stand, those that nobody can write into a log line first.
const PLACES: [&str; 4] = ["/resources", "/resource", "", "/attributes"];

/// Declares attributes, their names and their count.
macro_rules! attributes {
    ($($attribute:ident = $name:literal,)*) => {
        /// An attribute that is read, wherever it stands.
        #[derive(Clone, Copy)]
        enum Attribute { $($attribute),* }

        const ATTRIBUTES: &[&str] = &[$($name),*];
    };
}

attributes! {
    Cluster = "k8s.cluster.name",
    Namespace = "k8s.namespace.name",
    ObjectKind = "k8s.object.kind",
    ObjectName = "k8s.object.name",
    ObjectField = "k8s.object.fieldpath",
    EventReason = "k8s.event.reason",
    EventStart = "k8s.event.start_time",
    EventUid = "k8s.event.uid",
    EventName = "k8s.event.name",
    EventCount = "k8s.event.count",
    Pod = "k8s.pod.name",
    Container = "k8s.container.name",
    Deployment = "k8s.deployment.name",
    StatefulSet = "k8s.statefulset.name",
    DaemonSet = "k8s.daemonset.name",
    CronJob = "k8s.cronjob.name",
    Job = "k8s.job.name",
    ReplicaSet = "k8s.replicaset.name",
    ContainerId = "container.id",
    ImageName = "container.image.name",
    ImageTag = "container.image.tag",
    ImageTags = "container.image.tags/*",
    ImageId = "container.image.id",
    ImageDigest = "container.image.repo_digests/*",
}

/// Pod owners, the highest first.
const OWNERS: [(Attribute, &str); 6] = [
    (Attribute::Deployment, "Deployment"),
    (Attribute::StatefulSet, "StatefulSet"),
    (Attribute::DaemonSet, "DaemonSet"),
    (Attribute::CronJob, "CronJob"),
    (Attribute::Job, "Job"),
    (Attribute::ReplicaSet, "ReplicaSet"),
];

/// Every attribute in every place, then the body's two names.
static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let in_places = PLACES.iter().flat_map(|place| ATTRIBUTES.iter().map(move |name| format!("{place}/{name}")));
    Shape::new(&in_places.chain(["/message".into(), "/body".into()]).collect::<Vec<_>>())
});

const MESSAGE: Key = Key((PLACES.len() * ATTRIBUTES.len()) as u16);
const BODY: Key = Key(MESSAGE.0 + 1);

/// The key of an attribute in each of its places.
fn places(attribute: Attribute) -> impl Iterator<Item = Key> {
    (0..PLACES.len()).map(move |place| Key((place * ATTRIBUTES.len() + attribute as usize) as u16))
}

fn text<'a>(fields: &Fields<'a, '_>, attribute: Attribute) -> Option<Text<'a>> {
    places(attribute).find_map(|key| filled(fields, key))
}

/// The first element of an attribute that is an array.
fn element<'a>(fields: &Fields<'a, '_>, attribute: Attribute) -> Option<Text<'a>> {
    places(attribute).find_map(|key| fields.each(key).find_map(|(_, value)| value.text()))
}

/// Reads a record that the Collector has made of something in Kubernetes.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    let has = |wanted: &[Key]| wanted.iter().any(|&key| fields.has(key));
    if has(&[keys::OTEL_RESOURCES_OBJECT, keys::OTEL_RESOURCE_OBJECT]) {
        let time = fields.text(keys::TIMESTAMP).and_then(|time| Time::parse(time.as_bytes()));
        return event(&reader.object(&SHAPE, fields.record())?, time);
    }
    if has(&[keys::OTEL_RESOURCES_POD, keys::OTEL_RESOURCE_POD, keys::OTEL_POD, keys::OTEL_ATTRIBUTES_POD]) {
        return log(&reader.object(&SHAPE, fields.record())?);
    }
    let objects =
        [keys::OTEL_MESSAGE_VERSION, keys::OTEL_MESSAGE_OBJECT, keys::OTEL_BODY_VERSION, keys::OTEL_BODY_OBJECT];
    if !has(&objects) {
        return None;
    }
    let record = reader.object(&SHAPE, fields.record())?;
    let cluster = text(&record, Attribute::Cluster);
    let body = [MESSAGE, BODY].iter().find_map(|&key| record.get(key).filter(|body| body.is_object()))?.raw();
    let mut found = kubernetes_object::read(body, Source::OpenTelemetry, reader)?;
    if let Some(cluster) = cluster {
        found.iter_mut().for_each(|observation| observation.workload.cluster = cluster.clone());
    }
    Some(found)
}

/// Reads an Event whose members are attributes. `time` is the record's: the Collector gives it the Event's last.
fn event<'a>(record: &Fields<'a, '_>, time: Option<Time>) -> Option<Observations<'a>> {
    let start = text(record, Attribute::EventStart).and_then(|start| Time::parse(start.as_bytes()));
    let event = Event {
        reason: text(record, Attribute::EventReason)?,
        message: [MESSAGE, BODY].iter().find_map(|&key| record.text(key)).unwrap_or_default(),
        kind: text(record, Attribute::ObjectKind)?,
        namespace: text(record, Attribute::Namespace),
        name: text(record, Attribute::ObjectName),
        field_path: text(record, Attribute::ObjectField),
        time: time.or(start),
        uid: text(record, Attribute::EventUid).or_else(|| text(record, Attribute::EventName)),
        count: places(Attribute::EventCount).find_map(|key| kubernetes_event::count(record.get(key)?)),
        since: start,
    };
    let mut found = event.observation(Source::OpenTelemetry)?;
    if let Some(cluster) = text(record, Attribute::Cluster) {
        found.workload.cluster = cluster;
    }
    Some(Observations::from_iter([found]))
}

/// Reads a line of a container's log.
fn log<'a>(record: &Fields<'a, '_>) -> Option<Observations<'a>> {
    let pod = text(record, Attribute::Pod)?;
    let mut workload = Workload::default();
    workload.cluster = text(record, Attribute::Cluster).unwrap_or(workload.cluster);
    workload.namespace = text(record, Attribute::Namespace).unwrap_or(workload.namespace);
    let owner = OWNERS.iter().find_map(|&(owner, kind)| Some((Text::from(kind), text(record, owner)?)));
    (workload.kind, workload.name) = match owner {
        Some((kind, name)) => owner::of_owner(&kind, &name, None),
        None => owner::of_pod(&pod),
    };
    let tag = text(record, Attribute::ImageTag).or_else(|| element(record, Attribute::ImageTags));
    let digest = element(record, Attribute::ImageDigest).or_else(|| text(record, Attribute::ImageId));
    let image = text(record, Attribute::ImageName).map(|name| Image {
        reference: with_tag(name, tag),
        digest: digest.and_then(|digest| Digest::parse(&digest)),
        container: text(record, Attribute::Container),
    });
    let container = text(record, Attribute::ContainerId).and_then(|id| bare(&id));
    Some(Observations::from_iter([Observation { container, ..container_log::observation(workload, image) }]))
}

/// The reference of an image of which name and tag are given apart.
fn with_tag<'a>(name: Text<'a>, tag: Option<Text<'a>>) -> Text<'a> {
    match tag {
        Some(tag) if !tag.is_empty() => Text::from([name.as_bytes(), b":", tag.as_bytes()].concat()),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::container;
    use crate::source::object::tests::told;

    const EVENT: &str = r#""attributes":{"k8s.event.reason":"Pulling","k8s.event.start_time":"2026-03-15 00:06:30 +0000 UTC",
        "k8s.event.count":2,"k8s.namespace.name":"s"}"#;
    const OBJECT: &str = r#"{"k8s.object.kind":"Pod","k8s.object.name":"web-78945dccd8-hvr55",
        "k8s.object.fieldpath":"spec.containers{a}","k8s.pod.name":"collector-x7k2p"}"#;
    const POD: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"s"},
        "spec":{"containers":[{"name":"a","image":"ai"}]}}"#;

    #[rstest::rstest]
    #[case::event(
        r#"{"message":"Pulling image \"ai\"","timestamp":"2026-03-15T00:06:31Z","resources":OBJECT,EVENT}"#,
        "opentelemetry image.pull 2026-03-15T00:06:31Z -/s/Deployment/web | a ai"
    )]
    #[case::event_as_body(
        r#"{"body":"Pulling image \"ai\"","resource":OBJECT,EVENT,"k8s.cluster.name":"c1"}"#,
        "opentelemetry image.pull 2026-03-15T00:06:30Z c1/s/Deployment/web | a ai"
    )]
    #[case::event_without_text(
        r#"{"resources":{"k8s.object.kind":"Node","k8s.object.name":"n1"},"attributes":{"k8s.event.reason":"SystemOOM"}}"#,
        "opentelemetry node.oom - -/-/Node/n1 | out of memory"
    )]
    #[case::event_that_counts(
        r#"{"message":"Back-off restarting failed container a","timestamp":"2026-03-15T00:06:31Z","resources":OBJECT,
            "attributes":{"k8s.event.reason":"BackOff","k8s.event.start_time":"2026-03-15 00:06:30 +0000 UTC",
            "k8s.event.uid":"u1","k8s.event.count":"12","k8s.event.name":"n","k8s.namespace.name":"s"}}"#,
        "opentelemetry container.back-off 2026-03-15T00:06:31Z -/s/Deployment/web \
            | back-off u1 12 since 2026-03-15T00:06:30Z"
    )]
    #[case::object(
        r#"{"message":POD,"resources":{"k8s.cluster.name":"c1"},"timestamp":"2026-03-15T00:06:31Z"}"#,
        "opentelemetry pod.get - c1/s/Pod/p | a ai"
    )]
    #[case::watched_object(
        r#"{"body":{"type":"MODIFIED","object":POD},"attributes":{"k8s.resource.name":"pods"}}"#,
        "opentelemetry pod.modify - -/s/Pod/p | a ai"
    )]
    #[case::watched_event(
        r#"{"message":{"type":"ADDED","object":{"kind":"Event","apiVersion":"events.k8s.io/v1","reason":"Pulled",
            "regarding":{"kind":"Pod","name":"db-0"},"note":"Container image \"ai\" already present on machine"}}}"#,
        "opentelemetry image.present - -/-/StatefulSet/db | - ai"
    )]
    #[case::log(
        r#"{"message":"hello","resources":{"k8s.namespace.name":"s","k8s.pod.name":"x","k8s.deployment.name":"web",
            "k8s.replicaset.name":"web-78945dccd8","k8s.container.name":"a","k8s.cluster.name":"c1",
            "container.image.name":"r.io:5000/ai","container.image.tag":"1","container.image.id":"sha256:aa"}}"#,
        "container-log container.log - c1/s/Deployment/web | a r.io:5000/ai:1 id sha256:aa"
    )]
    #[case::flat_log(
        r#"{"k8s.pod.name":"db-0","container.image.name":"ai","container.image.tags":["2","3"],
            "container.image.repo_digests":["ai@sha256:bb"]}"#,
        "container-log container.log - -/-/StatefulSet/db | - ai:2 manifest sha256:bb"
    )]
    #[case::log_of_a_replica_set(
        r#"{"attributes":{"k8s.pod.name":"x","k8s.replicaset.name":"web-78945dccd8","container.image.name":"ai"}}"#,
        "container-log container.log - -/-/Deployment/web | - ai"
    )]
    #[case::log_of_a_cron_job(
        r#"{"resource":{"k8s.pod.name":"x","k8s.job.name":"b-28391040"}}"#,
        "container-log container.log - -/-/CronJob/b"
    )]
    #[case::resource_before_attributes(
        r#"{"attributes":{"k8s.pod.name":"forged-0","container.image.name":"no"},"resources":{"k8s.pod.name":"db-0",
            "container.image.name":"ai"}}"#,
        "container-log container.log - -/-/StatefulSet/db | - ai"
    )]
    #[case::wrong_types(
        r#"{"resources":{"k8s.pod.name":"db-0","k8s.namespace.name":7,"container.image.name":"ai",
            "container.image.tag":null,"container.image.tags":"3","container.image.id":[]}}"#,
        "container-log container.log - -/-/StatefulSet/db | - ai"
    )]
    fn records(#[case] record: &str, #[case] expected: &str) {
        let record = record.replace("EVENT", EVENT).replace("OBJECT", OBJECT).replace("POD", POD);
        assert_eq!(told(observe, &record).unwrap(), [expected]);
    }

    #[test]
    fn ids_of_containers() {
        let record = r#"{"resources":{"k8s.pod.name":"db-0","container.id":"5f0c"}}"#;
        assert_eq!(container(observe, record).as_deref(), Some("5f0c"));
        assert_eq!(container(observe, &record.replace(r#""5f0c""#, "7")), None);
    }

    #[rstest::rstest]
    #[case::nothing("{}")]
    #[case::attributes_of_an_application(
        r#"{"message":"x","attributes":{"k8s.event.reason":"Pulling","k8s.object.kind":"Pod"}}"#
    )]
    #[case::event_without_a_reason(r#"{"resources":{"k8s.object.kind":"Pod","k8s.object.name":"p"}}"#)]
    #[case::event_of_a_service(r#"{"resources":{"k8s.object.kind":"Service"},"attributes":{"k8s.event.reason":"X"}}"#)]
    #[case::object_of_an_application(r#"{"message":{"apiVersion":1,"text":"hello"}}"#)]
    #[case::text_in_a_text(r#"{"message":"{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}"}"#)]
    #[case::pod_of_another_kind(r#"{"resources":{"k8s.pod.name":7}}"#)]
    fn no_records(#[case] record: &str) {
        assert_eq!(told(observe, record), None);
    }
}
