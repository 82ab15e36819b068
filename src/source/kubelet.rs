//! What pods use, by the kubelet's [summary API](https://kubernetes.io/docs/reference/instrumentation/node-metrics/):
//! a whole `/stats/summary`, or one of its pods as a record.
//!
//! Owners are not in it: the workload is read off the pod's name.

use std::sync::LazyLock;

use super::keys::{KUBELET_POD, KUBELET_PODS};
use super::{Amount, Fact, Metric, Observation, Observations, Reader, Source, Usage, Workload, filled, owner};
use crate::record::{Fields, Shape, Text, Value, keys};
use crate::time::Time;

keys! {
    /// The pointers of the shape of a pod of the summary.
    POD_KEYS {
        NAME = "/podRef/name",
        NAMESPACE = "/podRef/namespace",
        UID = "/podRef/uid",
        TIME = "/cpu/time",
        SENT = "/network/txBytes",
        CONTAINER = "/containers/*/name",
        CPU = "/containers/*/cpu/usageNanoCores",
        MEMORY = "/containers/*/memory/workingSetBytes",
        AVAILABLE = "/containers/*/memory/availableBytes",
    }
}

static POD: LazyLock<Shape> = LazyLock::new(|| Shape::new(POD_KEYS));

/// Reads a summary, or a pod of one.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    if fields.has(KUBELET_POD) {
        return Some(Observations::from_iter([pod(fields.record(), reader)?]));
    }
    if !fields.has_each(KUBELET_PODS) {
        return None;
    }
    let pods: Observations<'_> = fields.each(KUBELET_PODS).filter_map(|(_, value)| pod(value.raw(), reader)).collect();
    (!pods.is_empty()).then_some(pods)
}

fn pod<'a>(text: &'a [u8], reader: &mut Reader) -> Option<Observation<'a>> {
    let pod = reader.object(&POD, text)?;
    let name = filled(&pod, NAME)?;
    let (kind, owner) = owner::of_pod(&name);
    let mut workload = Workload { kind, name: owner, ..Workload::default() };
    workload.namespace = filled(&pod, NAMESPACE).unwrap_or(workload.namespace);
    let instance = filled(&pod, UID).unwrap_or(name);
    let mut facts = Vec::new();
    let mut use_of = |part: &Text<'a>, metric, amount, limit| {
        let (instance, part, amount) = (instance.clone(), part.clone(), Some(amount));
        facts.push(Fact::Usage(Usage { instance, part, metric, amount, limit }));
    };
    let mut cpus = pod.each(CPU).peekable();
    let mut memories = pod.each(MEMORY).peekable();
    let mut rests = pod.each(AVAILABLE).peekable();
    for (element, container) in pod.each(CONTAINER) {
        let number = |value: Option<Value<'_>>| value?.number();
        let (cpu, memory) = (number(owner::beside(&mut cpus, element)), number(owner::beside(&mut memories, element)));
        // What is available is said where there is a limit, and only there.
        let rest = number(owner::beside(&mut rests, element));
        let Some(container) = container.text() else { continue };
        if let Some(cpu) = cpu {
            use_of(&container, Metric::Cpu, Amount::Level(cpu / 1e9), None);
        }
        if let Some(memory) = memory {
            use_of(&container, Metric::Memory, Amount::Level(memory), rest.map(|rest| memory + rest));
        }
    }
    if let Some(sent) = pod.get(SENT).and_then(Value::number) {
        use_of(&Text::default(), Metric::NetworkOut, Amount::Total(sent), None);
    }
    let time = pod.text(TIME).and_then(|time| Time::parse(time.as_bytes()));
    Some(Observation { time, facts, ..Observation::new(Source::Kubelet, "pod.usage", workload) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::observed;

    const WEB: &str = r#"{"podRef":{"name":"web-78945dccd8-hvr55","namespace":"shop","uid":"u-1"},"containers":[
        {"name":"a","cpu":{"time":"2026-03-15T00:06:30Z","usageNanoCores":1500000000,"usageCoreNanoSeconds":7},
         "memory":{"availableBytes":3000,"usageBytes":5000,"workingSetBytes":1000}},
        {"name":"b","memory":{"workingSetBytes":2000}}],
        "cpu":{"time":"2026-03-15T00:06:31Z"},"network":{"name":"eth0","rxBytes":1,"txBytes":99,
        "interfaces":[{"name":"eth0","txBytes":99}]}}"#;
    const SEEN: &str = "kubelet pod.usage 1773533191.000000000 -/shop/Deployment/web | cpu u-1/a Level(1.5) | \
        memory u-1/a Level(1000.0) of 4000 | memory u-1/b Level(2000.0) | network-out u-1/ Total(99.0)";

    #[test]
    fn reads_a_pod_and_a_summary() {
        assert_eq!(observed(observe, WEB).unwrap(), [SEEN]);
        let other = r#"{"podRef":{"name":"db-0"},"containers":[{"cpu":{"usageNanoCores":1}},{"name":"c","cpu":{}}]}"#;
        let summary =
            format!(r#"{{"node":{{"nodeName":"n1","cpu":{{}}}},"pods":[{WEB},7,{{"podRef":{{}}}},{other}]}}"#);
        assert_eq!(observed(observe, &summary).unwrap(), [SEEN, "kubelet pod.usage - -/-/StatefulSet/db"]);
    }

    #[rstest::rstest]
    #[case::nothing("{}")]
    #[case::no_pods(r#"{"node":{"nodeName":"n1"},"pods":[]}"#)]
    #[case::other_pods(r#"{"pods":[{"metadata":{"name":"p"}},"p"]}"#)]
    #[case::no_name(r#"{"podRef":{"namespace":"s"}}"#)]
    #[case::text(r#"{"podRef":"p","pods":"q"}"#)]
    fn no_summary(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
