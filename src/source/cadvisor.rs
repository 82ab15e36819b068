//! Series of [cAdvisor] about what containers use, and of kube-state-metrics about their limits, as Vector's
//! `metric_to_log` transform writes them:
//! `{"name":"container_cpu_usage_seconds_total","counter":{"value":12.5},"tags":{"namespace":…,"pod":…,"container":…}}`.
//!
//! Limits come in records of their own, so that whoever compares keeps them.
//!
//! [cAdvisor]: https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md

use std::sync::LazyLock;

use super::{
    Amount, Fact, Metric, Observation, Observations, Reader, Source, Usage, Workload, as_word, docker, filled,
    keys as record, owner,
};
use crate::record::{Fields, Shape, keys};
use crate::time::Time;

keys! {
    /// The pointers of the shape of a series' labels.
    TAGS_KEYS {
        CLUSTER = "/cluster",
        NAMESPACE = "/namespace",
        POD = "/pod",
        CONTAINER = "/container",
        NAME = "/name",
        CPU = "/cpu",
        INTERFACE = "/interface",
        RESOURCE = "/resource",
    }
}

static TAGS: LazyLock<Shape> = LazyLock::new(|| Shape::new(TAGS_KEYS));

/// What a series says.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    Level,
    Total,
    /// A limit, in so many parts of the unit.
    Limit(f64),
}

/// The series that are read. A quota is of a period of 100 ms, which is Kubernetes' and Docker's default.
const SERIES: &[(&[u8], Metric, Says)] = &[
    (b"container_cpu_usage_seconds_total", Metric::Cpu, Says::Total),
    (b"container_memory_working_set_bytes", Metric::Memory, Says::Level),
    (b"container_network_transmit_bytes_total", Metric::NetworkOut, Says::Total),
    (b"container_spec_memory_limit_bytes", Metric::Memory, Says::Limit(1.0)),
    (b"container_spec_cpu_quota", Metric::Cpu, Says::Limit(100_000.0)),
];
const LIMITS: &[u8] = b"kube_pod_container_resource_limits";

/// Reads a record that is a sample of one of the series.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    if !fields.has(record::METRIC_TAGS) {
        return None;
    }
    let name = fields.text(record::METRIC_NAME)?;
    let series = SERIES.iter().find(|(series, ..)| *series == name.as_bytes());
    if series.is_none() && name.as_bytes() != LIMITS {
        return None;
    }
    let tags = reader.object(&TAGS, fields.get(record::METRIC_TAGS)?.raw())?;
    let text = |key| filled(&tags, key);
    let (source, metric, says) = match series {
        Some(&(_, metric, says)) => (Source::Cadvisor, metric, says),
        None => match as_word(text(RESOURCE)?.as_bytes()) {
            "cpu" => (Source::KubeStateMetrics, Metric::Cpu, Says::Limit(1.0)),
            "memory" => (Source::KubeStateMetrics, Metric::Memory, Says::Limit(1.0)),
            _ => return None,
        },
    };
    let container = text(CONTAINER).filter(|container| *container != "POD");
    let mut workload = Workload::default();
    workload.cluster = text(CLUSTER).unwrap_or(workload.cluster);
    workload.namespace = text(NAMESPACE).unwrap_or(workload.namespace);
    let (instance, part) = if let Some(pod) = text(POD) {
        (workload.kind, workload.name) = owner::of_pod(&pod);
        let part = if metric == Metric::NetworkOut { text(INTERFACE) } else { container };
        // Of processor and memory the sums over a pod, and over everything above it, are there as well.
        if part.is_none() && metric != Metric::NetworkOut {
            return None;
        }
        (pod, part.unwrap_or_default())
    } else {
        let name = text(NAME)?;
        workload = match docker::of_kubernetes(&name) {
            Some((workload, _)) => workload,
            None => Workload { name: name.clone(), ..docker::unnamed() },
        };
        (name, text(INTERFACE).unwrap_or_default())
    };
    let mut facts = Vec::new();
    let value = fields.get(record::METRIC_COUNTER).or_else(|| fields.get(record::METRIC_GAUGE));
    // Series by processor are parts of the whole.
    let is_whole = text(CPU).is_none_or(|cpu| cpu == "total");
    if let Some(value) = value.and_then(|value| value.number()).filter(|_| is_whole) {
        let (amount, limit) = match says {
            Says::Level => (Some(Amount::Level(value)), None),
            Says::Total => (Some(Amount::Total(value)), None),
            Says::Limit(unit) => (None, Some(value / unit)),
        };
        facts.push(Fact::Usage(Usage { instance, part, metric, amount, limit: limit.filter(|limit| *limit > 0.0) }));
    }
    let time = fields.text(record::TIMESTAMP).and_then(|time| Time::parse(time.as_bytes()));
    Some(Observations::from_iter([Observation {
        time,
        facts,
        ..Observation::new(source, "container.metric", workload)
    }]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::observed;

    const POD: &str = r#""namespace":"s","pod":"web-78945dccd8-hvr55","id":"/kubepods/x","image":"ai:1""#;
    const CONTAINER: &str = r#""namespace":"s","pod":"web-78945dccd8-hvr55","container":"a","name":"0f""#;

    #[rstest::rstest]
    #[case::cpu("container_cpu_usage_seconds_total", CONTAINER, Some("cpu WEB/a Total(12.5)"))]
    #[case::whole(
        "container_cpu_usage_seconds_total",
        r#""pod":"db-0","container":"c","cpu":"total""#,
        Some("-/StatefulSet/db | cpu db-0/c Total(12.5)")
    )]
    #[case::one_processor(
        "container_cpu_usage_seconds_total",
        r#""pod":"db-0","container":"c","cpu":"cpu00""#,
        Some("-/StatefulSet/db")
    )]
    #[case::of_a_pod("container_cpu_usage_seconds_total", POD, None)]
    #[case::pause("container_memory_working_set_bytes", r#""pod":"db-0","container":"POD""#, None)]
    #[case::memory("container_memory_working_set_bytes", CONTAINER, Some("memory WEB/a Level(12.5)"))]
    #[case::network(
        "container_network_transmit_bytes_total",
        r#""pod":"db-0","interface":"eth0","cluster":"c1""#,
        Some("-/StatefulSet/db | network-out db-0/eth0 Total(12.5)")
    )]
    #[case::memory_limit("container_spec_memory_limit_bytes", CONTAINER, Some("memory WEB/a of 12.5"))]
    #[case::quota("container_spec_cpu_quota", CONTAINER, Some("cpu WEB/a of 0.000125"))]
    #[case::limits(
        "kube_pod_container_resource_limits",
        r#""pod":"db-0","container":"c","resource":"memory""#,
        Some("-/StatefulSet/db | memory db-0/c of 12.5")
    )]
    #[case::other_limits(
        "kube_pod_container_resource_limits",
        r#""pod":"db-0","container":"c","resource":"gpu""#,
        None
    )]
    #[case::docker(
        "container_memory_working_set_bytes",
        r#""name":"web","id":"/docker/0f""#,
        Some("-/container/web | memory web/ Level(12.5)")
    )]
    #[case::host("container_memory_working_set_bytes", r#""id":"/""#, None)]
    #[case::other("container_last_seen", CONTAINER, None)]
    fn series(#[case] name: &str, #[case] tags: &str, #[case] expected: Option<&str>) {
        let record = format!(
            r#"{{"name":"{name}","timestamp":"2026-03-15T00:06:31Z","kind":"absolute","counter":{{"value":12.5}},"tags":{{{tags}}}}}"#
        );
        let expected = expected.map(|expected| match expected.split_once(" WEB/") {
            Some((metric, rest)) => format!("s/Deployment/web | {metric} web-78945dccd8-hvr55/{rest}"),
            None => expected.to_string(),
        });
        let found = observed(observe, &record).map(|lines| lines.concat());
        let found = found.map(|line| line.split_once('/').map(|(_, rest)| rest.to_string()).unwrap_or_default());
        assert_eq!(found, expected);
    }

    #[rstest::rstest]
    #[case::no_tags(r#"{"name":"container_cpu_usage_seconds_total"}"#)]
    #[case::tags_of_another_kind(r#"{"name":"container_cpu_usage_seconds_total","tags":[]}"#)]
    #[case::no_name(r#"{"tags":{"pod":"p"}}"#)]
    fn no_series(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
