//! What the status of a pod says of restarts: how often the kubelet has restarted each container, how it ended the last
//! time, and whether the kubelet waits before it starts it again.
//!
//! The members are those of [`ContainerStatus`]. The counter begins anew with every pod. A container that has ended has
//! its end in `state`; once it waits or runs again, in `lastState`. Init containers are not counted: they run once, and
//! those that fail keep their pod in back-off, which is said. Ephemeral ones never restart.
//!
//! [`ContainerStatus`]:
//!     https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#ContainerStatus

use super::object::{
    MOST_STATUSES, STATUS_CONTAINER as NAME, STATUS_ENDED as ENDED, STATUS_ENDED_BEFORE as ENDED_BEFORE,
    STATUS_INIT_WAITING as INIT_WAITING, STATUS_RESTARTS as RESTARTS, STATUS_WAITING as WAITING,
};
use super::owner::beside;
use super::{Fact, Fields, Text};
use crate::record::Value;

/// Why a container waits that has failed before.
pub const BACK_OFF: &str = "CrashLoopBackOff";

/// How the runtime calls the end of a container for want of memory.
pub const OUT_OF_MEMORY: &str = "OOMKilled";

/// What a pod's status says.
#[derive(Debug, Default)]
pub struct Status<'a> {
    containers: Vec<Container<'a>>,
    is_backing_off: bool,
}

#[derive(Debug)]
struct Container<'a> {
    name: Text<'a>,
    count: Option<u64>,
    out_of_memory: Option<bool>,
}

/// A counter of restarts: an `int32` of Kubernetes, as a number or as text.
pub fn count(value: Value<'_>) -> Option<u64> {
    let count = value.number().filter(|count| (0.0..=f64::from(i32::MAX)).contains(count) && count.trunc() == *count);
    count.map(|count| count as u64)
}

impl<'a> Status<'a> {
    /// Reads the status of an object.
    pub fn read(fields: &Fields<'a, '_>) -> Self {
        let is = |key, reason: &str| fields.each(key).any(|(_, is)| is.text().is_some_and(|is| is == *reason));
        let mut counts = fields.each(RESTARTS).peekable();
        let mut ends = fields.each(ENDED).peekable();
        let mut ends_before = fields.each(ENDED_BEFORE).peekable();
        let mut containers = Vec::new();
        for (element, name) in fields.each(NAME).take(MOST_STATUSES) {
            let count = beside(&mut counts, element).and_then(count);
            let before = beside(&mut ends_before, element);
            let end = beside(&mut ends, element).or(before).and_then(|end| end.text());
            let out_of_memory = end.map(|end| end == OUT_OF_MEMORY);
            let says = count.is_some() || out_of_memory.is_some();
            containers.extend(name.text().filter(|_| says).map(|name| Container { name, count, out_of_memory }));
        }
        Self { containers, is_backing_off: is(WAITING, BACK_OFF) || is(INIT_WAITING, BACK_OFF) }
    }

    /// Whether it says nothing of restarts.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && !self.is_backing_off
    }

    /// What it says of a pod, by its uid or else by its name. Since when a container fails no status tells: the end that
    /// it has is the last one.
    pub fn facts(self, pod: Option<&Text<'a>>) -> Vec<Fact<'a>> {
        let mut facts = Vec::new();
        if let Some(pod) = pod {
            for Container { name: container, count, out_of_memory } in self.containers {
                facts.push(Fact::Restarts { pod: pod.clone(), container, count, out_of_memory });
            }
        }
        if self.is_backing_off {
            facts.push(Fact::BackOff { event: None, since: None });
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use crate::source::docker::testing::tell;
    use crate::source::{Reader, object};

    #[rstest::rstest]
    #[case::running(
        r#""restartCount":0,"state":{"running":{"startedAt":"2026-03-15T00:00:00Z"}},"lastState":{}"#,
        " 0"
    )]
    #[case::restarted(
        r#""restartCount":3,"state":{"running":{}},"lastState":{"terminated":{"exitCode":1,"reason":"Error"}}"#,
        " 3 (another end)"
    )]
    #[case::out_of_memory(
        r#""restartCount":4,"state":{"running":{}},"lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}"#,
        " 4 (out of memory)"
    )]
    #[case::just_ended(
        r#""restartCount":4,"state":{"terminated":{"reason":"OOMKilled"}},"lastState":{"terminated":{"reason":"Error"}}"#,
        " 4 (out of memory)"
    )]
    #[case::completed(
        r#""restartCount":0,"state":{"terminated":{"exitCode":0,"reason":"Completed"}}"#,
        " 0 (another end)"
    )]
    #[case::waiting(r#""restartCount":0,"state":{"waiting":{"reason":"ContainerCreating"}}"#, " 0")]
    #[case::as_text(r#""restartCount":"12""#, " 12")]
    #[case::with_a_fraction(r#""restartCount":5.0"#, " 5")]
    #[case::end_alone(r#""restartCount":null,"lastState":{"terminated":{"reason":"OOMKilled"}}"#, " - (out of memory)")]
    fn counters(#[case] status: &str, #[case] expected: &str) {
        assert_eq!(
            facts(&format!(r#""containerStatuses":[{{"name":"a",{status}}}]"#)),
            [format!("restarts u1/a{expected}")]
        );
    }

    #[rstest::rstest]
    #[case::negative(r#""restartCount":-1"#)]
    #[case::in_part(r#""restartCount":1.5"#)]
    #[case::beyond_integers(r#""restartCount":2147483648"#)]
    #[case::huge(r#""restartCount":1e300"#)]
    #[case::no_number(r#""restartCount":"NaN""#)]
    #[case::wrong_types(r#""restartCount":{},"state":"running","lastState":{"terminated":{"reason":7}}"#)]
    #[case::nothing(r#""ready":true"#)]
    fn no_counters(#[case] status: &str) {
        let none: [&str; 0] = [];
        assert_eq!(facts(&format!(r#""containerStatuses":[{{"name":"a",{status}}}]"#)), none);
    }

    #[test]
    fn each_container_is_counted() {
        let status = r#""containerStatuses":[{"name":"b","restartCount":2},{"restartCount":9},
            {"restartCount":1,"name":"a","lastState":{"terminated":{"reason":"OOMKilled"}}},
            {"name":"c","state":{"waiting":{"reason":"CrashLoopBackOff"}},"restartCount":5,
            "lastState":{"terminated":{"reason":"Error","finishedAt":"2026-03-15T00:00:00Z"}}}],
            "initContainerStatuses":[{"name":"i","restartCount":7}],
            "ephemeralContainerStatuses":[{"name":"e","restartCount":7}]"#;
        let expected =
            ["restarts u1/b 2", "restarts u1/a 1 (out of memory)", "restarts u1/c 5 (another end)", "back-off"];
        assert_eq!(facts(status), expected);
    }

    #[test]
    fn an_init_container_keeps_its_pod_waiting() {
        let status = r#""initContainerStatuses":[{"name":"i","restartCount":7,
            "state":{"waiting":{"reason":"CrashLoopBackOff"}}}]"#;
        assert_eq!(facts(status), ["back-off"]);
    }

    #[test]
    fn a_pod_without_a_uid_goes_by_its_name() {
        let pod = |metadata: &str| {
            let text = format!(
                r#"{{"metadata":{metadata},"status":{{"containerStatuses":[{{"name":"a","restartCount":1}}]}}}}"#
            );
            told(&text)
        };
        assert_eq!(pod(r#"{"name":"p"}"#), ["restarts p/a 1"]);
        assert_eq!(pod(r#"{"name":"p","uid":""}"#), ["restarts p/a 1"]);
        assert!(pod("{}").is_empty());
    }

    fn facts(status: &str) -> Vec<String> {
        told(&format!(r#"{{"metadata":{{"name":"p","uid":"u1"}},"status":{{{status}}}}}"#))
    }

    fn told(object: &str) -> Vec<String> {
        let mut reader = Reader::default();
        object::read(object.as_bytes(), &mut reader).unwrap().pod_facts().iter().map(tell).collect()
    }
}
