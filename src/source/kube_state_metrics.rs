//! Series of [kube-state-metrics] about pods, as Vector's `metric_to_log` transform writes them:
//! `{"name":"kube_pod_container_info","gauge":{"value":1.0},"tags":{"namespace":…,"pod":…}}`.
//!
//! The info series hold the image as the pod spec has it, as the runtime resolved it, and its digest.
//!
//! [kube-state-metrics]: https://github.com/kubernetes/kube-state-metrics/blob/main/docs/metrics/workload/pod-metrics.md

use std::sync::LazyLock;

use super::object::Images;
use super::{Digest, Image, Observation, Observations, Reader, Source, Workload, keys as record, owner};
use crate::record::{Fields, Shape, keys};
use crate::time::Time;

keys! {
    /// The pointers of the shape of a series' labels.
    TAGS_KEYS {
        CLUSTER = "/cluster",
        NAMESPACE = "/namespace",
        POD = "/pod",
        CONTAINER = "/container",
        IMAGE = "/image",
        IMAGE_SPEC = "/image_spec",
        IMAGE_ID = "/image_id",
        OWNER_KIND = "/owner_kind",
        OWNER_NAME = "/owner_name",
        CREATOR_KIND = "/created_by_kind",
        CREATOR_NAME = "/created_by_name",
    }
}

static TAGS: LazyLock<Shape> = LazyLock::new(|| Shape::new(TAGS_KEYS));

/// Reads a record that is a sample of a series about a pod.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    if !fields.has(record::METRIC_TAGS) {
        return None;
    }
    let name = fields.text(record::METRIC_NAME)?;
    let name = name.as_bytes().strip_prefix(b"kube_pod_")?;
    let time = fields.text(record::TIMESTAMP).and_then(|time| Time::parse(time.as_bytes()));
    let tags = reader.object(&TAGS, fields.get(record::METRIC_TAGS)?.raw())?;
    let text = |key| tags.text(key).filter(|text| !text.is_empty());
    let pod = text(POD)?;
    let mut workload = Workload::default();
    workload.cluster = text(CLUSTER).unwrap_or(workload.cluster);
    workload.namespace = text(NAMESPACE).unwrap_or(workload.namespace);
    // Labels without a value are `<none>`.
    let owned = |kind, name| Some((text(kind).filter(|kind| *kind != "<none>")?, text(name)?));
    (workload.kind, workload.name) = match owned(OWNER_KIND, OWNER_NAME).or_else(|| owned(CREATOR_KIND, CREATOR_NAME)) {
        Some((kind, name)) => owner::of_controlled_pod(Some(&pod), (&kind, &name), None),
        None => owner::of_pod(&pod),
    };
    let is_of_container = name.starts_with(b"container_") || name.starts_with(b"init_container_");
    let kind = if is_of_container { "container.metric" } else { "pod.metric" };
    let is_info = name == b"container_info" || name == b"init_container_info";
    let reference = if is_info { text(IMAGE_SPEC).or_else(|| text(IMAGE)) } else { None };
    let image = reference.map(|reference| Image {
        reference,
        digest: text(IMAGE_ID).and_then(|id| Digest::parse(&id)),
        container: text(CONTAINER),
    });
    let source = Source::KubeStateMetrics;
    Some(Observations::from_iter([Observation { source, kind, time, workload, images: Images::from_iter(image) }]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::object::tests::told;

    #[rstest::rstest]
    #[case::info(
        "kube_pod_container_info",
        r#"{"namespace":"s","pod":"web-78945dccd8-hvr55","container":"a","image":"docker.io/library/ai:1",
            "image_spec":"ai:1","image_id":"docker.io/library/ai@sha256:aa","uid":"u"}"#,
        "container.metric {TIME} -/s/Deployment/web | a ai:1 manifest sha256:aa"
    )]
    #[case::init_info(
        "kube_pod_init_container_info",
        r#"{"pod":"db-0","container":"i","image":"ii","image_spec":"","image_id":"sha256:bb","cluster":"c1"}"#,
        "container.metric {TIME} c1/-/StatefulSet/db | i ii id sha256:bb"
    )]
    #[case::not_pulled_yet(
        "kube_pod_container_info",
        r#"{"namespace":"s","pod":"p","image":"","image_spec":"Bad Image","image_id":""}"#,
        "container.metric {TIME} -/s/Pod/p | - Bad Image"
    )]
    #[case::restarts(
        "kube_pod_container_status_restarts_total",
        r#"{"namespace":"s","pod":"agent-x7k2p","container":"a","image":"no"}"#,
        "container.metric {TIME} -/s/DaemonSet/agent"
    )]
    #[case::pod_info(
        "kube_pod_info",
        r#"{"namespace":"s","pod":"x","created_by_kind":"ReplicaSet","created_by_name":"web-78945dccd8"}"#,
        "pod.metric {TIME} -/s/Deployment/web"
    )]
    #[case::owner(
        "kube_pod_owner",
        r#"{"pod":"etcd-n1","owner_kind":"Node","owner_name":"n1"}"#,
        "pod.metric {TIME} -/-/Pod/etcd-n1"
    )]
    #[case::no_owner(
        "kube_pod_owner",
        r#"{"pod":"p","owner_kind":"<none>","owner_name":"<none>"}"#,
        "pod.metric {TIME} -/-/Pod/p"
    )]
    #[case::wrong_types(
        "kube_pod_container_info",
        r#"{"namespace":1,"pod":"p","container":null,"image":[],"image_spec":"ai","image_id":{}}"#,
        "container.metric {TIME} -/-/Pod/p | - ai"
    )]
    fn series(#[case] name: &str, #[case] tags: &str, #[case] expected: &str) {
        let record = format!(
            r#"{{"name":"{name}","timestamp":"2026-03-15T00:06:31Z","kind":"absolute","gauge":{{"value":1.0}},"tags":{tags}}}"#
        );
        let expected = expected.replace("{TIME}", "2026-03-15T00:06:31Z");
        assert_eq!(told(observe, &record).unwrap(), [format!("kube-state-metrics {expected}")]);
    }

    #[rstest::rstest]
    #[case::nothing("{}")]
    #[case::other_series(r#"{"name":"kube_deployment_labels","tags":{"pod":"p"}}"#)]
    #[case::other_metric(r#"{"name":"cpu","tags":{"pod":"p"}}"#)]
    #[case::no_pod(r#"{"name":"kube_pod_info","tags":{"namespace":"s"}}"#)]
    #[case::no_tags(r#"{"name":"kube_pod_info"}"#)]
    #[case::tags_of_another_kind(r#"{"name":"kube_pod_info","tags":["pod"]}"#)]
    #[case::name_of_another_kind(r#"{"name":1,"tags":{"pod":"p"}}"#)]
    fn no_series(#[case] record: &str) {
        assert_eq!(told(observe, record), None);
    }
}
