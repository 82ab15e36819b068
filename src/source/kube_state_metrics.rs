//! Series of [kube-state-metrics] about pods, as Vector's `metric_to_log` transform writes them:
//! `{"name":"kube_pod_container_info","gauge":{"value":1.0},"tags":{"namespace":…,"pod":…}}`.
//!
//! The info series hold the image as the pod spec has it, as the runtime resolved it, and its digest. Three others tell of
//! restarts; where an older version gives a series for every reason, those of value zero say that it is another.
//!
//! Series of deployments and nodes are not read: a sample says how things are, and a node may be cordoned for weeks, where
//! only a change is of use.
//!
//! [kube-state-metrics]: https://github.com/kubernetes/kube-state-metrics/blob/main/docs/metrics/workload/pod-metrics.md

use std::sync::LazyLock;

use super::object::Images;
use super::status::{self, BACK_OFF, OUT_OF_MEMORY};
use super::{
    Digest, Fact, Image, Observation, Observations, Reader, Source, Workload, as_word, bare, filled, keys as record,
    owner,
};
use crate::record::{Fields, Shape, Text, keys};
use crate::time::Time;

keys! {
    /// The pointers of the shape of a series' labels.
    TAGS_KEYS {
        CLUSTER = "/cluster",
        NAMESPACE = "/namespace",
        POD = "/pod",
        UID = "/uid",
        CONTAINER = "/container",
        CONTAINER_ID = "/container_id",
        REASON = "/reason",
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
    let text = |key| filled(&tags, key);
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
    let value = [record::METRIC_COUNTER, record::METRIC_GAUGE].iter().find_map(|&key| fields.get(key));
    let is_absolute = !fields.has(record::KIND) || fields.text(record::KIND).is_some_and(|kind| kind == "absolute");
    let count = value.filter(|_| is_absolute).and_then(status::count);
    let series =
        Series { name, count, reason: text(REASON), pod: text(UID).unwrap_or(pod), container: text(CONTAINER) };
    Some(Observations::from_iter([Observation {
        time,
        container: text(CONTAINER_ID).and_then(|id| bare(&id)),
        images: Images::from_iter(image),
        facts: series.fact().into_iter().collect(),
        ..Observation::new(source, kind, workload)
    }]))
}

/// A sample of a series.
struct Series<'a, 't> {
    /// The name without `kube_pod_`.
    name: &'t [u8],
    /// The value, when it counts something.
    count: Option<u64>,
    reason: Option<Text<'a>>,
    /// The pod's uid, or else its name.
    pod: Text<'a>,
    container: Option<Text<'a>>,
}

impl<'a> Series<'a, '_> {
    fn fact(self) -> Option<Fact<'a>> {
        let count = self.count?;
        let is = |reason: &str| self.reason.as_ref().is_some_and(|is| is == reason);
        let (count, out_of_memory) = match as_word(self.name) {
            "container_status_restarts_total" => (Some(count), None),
            "container_status_last_terminated_reason" => match (is(OUT_OF_MEMORY), count) {
                (true, 0 | 1) => (None, Some(count == 1)),
                (false, 1) => (None, Some(false)),
                _ => return None,
            },
            "container_status_waiting_reason" | "init_container_status_waiting_reason" => {
                return (count == 1 && is(BACK_OFF)).then_some(Fact::BackOff { event: None, since: None });
            }
            _ => return None,
        };
        Some(Fact::Restarts { pod: self.pod, container: self.container?, count, out_of_memory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::container;
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
        "container.metric {TIME} -/s/DaemonSet/agent | restarts agent-x7k2p/a 1"
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

    const OOM: &str = r#","reason":"OOMKilled""#;
    const BACK: &str = r#","reason":"CrashLoopBackOff""#;

    #[rstest::rstest]
    #[case::restarts("container_status_restarts_total", r#""counter":{"value":7.0}"#, "", " | restarts u1/a 7")]
    #[case::untyped("container_status_restarts_total", r#""gauge":{"value":"7"}"#, "", " | restarts u1/a 7")]
    #[case::change("container_status_restarts_total", r#""kind":"incremental","counter":{"value":7.0}"#, "", "")]
    #[case::kind_is_a_number("container_status_restarts_total", r#""kind":7,"counter":{"value":7.0}"#, "", "")]
    #[case::no_number("container_status_restarts_total", r#""counter":{"value":"NaN"}"#, "", "")]
    #[case::negative("container_status_restarts_total", r#""counter":{"value":-1.0}"#, "", "")]
    #[case::absurd("container_status_restarts_total", r#""counter":{"value":1e18}"#, "", "")]
    #[case::in_part("container_status_restarts_total", r#""counter":{"value":0.5}"#, "", "")]
    #[case::no_value("container_status_restarts_total", r#""counter":{}"#, "", "")]
    #[case::null("container_status_restarts_total", r#""counter":null"#, "", "")]
    #[case::init_container("init_container_status_restarts_total", r#""counter":{"value":7.0}"#, "", "")]
    #[case::oom(
        "container_status_last_terminated_reason",
        r#""gauge":{"value":1.0}"#,
        OOM,
        " | restarts u1/a - (out of memory)"
    )]
    #[case::no_oom(
        "container_status_last_terminated_reason",
        r#""gauge":{"value":0.0}"#,
        OOM,
        " | restarts u1/a - (another end)"
    )]
    #[case::error(
        "container_status_last_terminated_reason",
        r#""gauge":{"value":1}"#,
        r#","reason":"Error""#,
        " | restarts u1/a - (another end)"
    )]
    #[case::no_error("container_status_last_terminated_reason", r#""gauge":{"value":0}"#, r#","reason":"Error""#, "")]
    #[case::two("container_status_last_terminated_reason", r#""gauge":{"value":2}"#, OOM, "")]
    #[case::back_off("container_status_waiting_reason", r#""gauge":{"value":1.0}"#, BACK, " | back-off")]
    #[case::no_back_off("container_status_waiting_reason", r#""gauge":{"value":0.0}"#, BACK, "")]
    #[case::creating(
        "container_status_waiting_reason",
        r#""gauge":{"value":1.0}"#,
        r#","reason":"ContainerCreating""#,
        ""
    )]
    #[case::init_back_off("init_container_status_waiting_reason", r#""gauge":{"value":1.0}"#, BACK, " | back-off")]
    #[case::other("container_status_ready", r#""gauge":{"value":1.0}"#, "", "")]
    fn facts(#[case] name: &str, #[case] value: &str, #[case] tags: &str, #[case] expected: &str) {
        let record =
            format!(r#"{{"name":"kube_pod_{name}",{value},"tags":{{"pod":"db-0","uid":"u1","container":"a"{tags}}}}}"#);
        let line = told(observe, &record).unwrap().remove(0);
        assert_eq!(line.split_once("StatefulSet/db").unwrap().1, expected);
    }

    #[test]
    fn ids_of_containers() {
        let record = r#"{"name":"kube_pod_container_info","tags":{"pod":"p","container_id":"containerd://5f0c"}}"#;
        assert_eq!(container(observe, record).as_deref(), Some("5f0c"));
        assert_eq!(container(observe, &record.replace("containerd://5f0c", "")), None);
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
