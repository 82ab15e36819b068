//! Kubernetes Events, of `core/v1` and of `events.k8s.io/v1`, as the API server gives them and Fluent Bit's
//! `kubernetes_events` input passes them on.
//!
//! The image stands in the message only, as the pod spec has it and quoted as Go's `%q` does; the container in the
//! field path. The messages are those of the kubelet ([`pkg/kubelet/images/image_manager.go`] and
//! `pkg/kubelet/kuberuntime`); the forms of older kubelets differ in their ends.
//!
//! Events that are alike are one, whose `count` grows ([correlator]): it is the restarts that a `Started` Event counts,
//! and the first of them is none. One Event may stand for several that differ in their message, and beyond one in five
//! minutes they are dropped, so that a count may be too small but never too large. An init container that fails keeps
//! its pod in back-off, but to run it again is no restart; that holds also for a sidecar, which is an init container
//! that the Event does not tell from others. `Killing` says nothing: what is stopped does not start again, and what
//! failed its probe is counted when it does.
//!
//! The autoscalers' own Events are about the autoscaler, and none is read: the workload that it scales has its own.
//!
//! [correlator]: https://github.com/kubernetes/client-go/blob/master/tools/record/events_cache.go
//! [`pkg/kubelet/images/image_manager.go`]:
//!     https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/image_manager.go

use std::sync::LazyLock;

use super::object::{Images, Noun, noun};
use super::{Fact, Image, Observation, Observations, Reader, Source, Workload, as_word, keys as record, owner};
use crate::record::{Fields, Shape, Text, Value, keys};
use crate::time::Time;

keys! {
    /// The pointers of the shape of an Event.
    EVENT_KEYS {
        REASON = "/reason",
        MESSAGE = "/message",
        NOTE = "/note",
        INVOLVED_KIND = "/involvedObject/kind",
        INVOLVED_NAMESPACE = "/involvedObject/namespace",
        INVOLVED_NAME = "/involvedObject/name",
        INVOLVED_FIELD = "/involvedObject/fieldPath",
        REGARDING_KIND = "/regarding/kind",
        REGARDING_NAMESPACE = "/regarding/namespace",
        REGARDING_NAME = "/regarding/name",
        REGARDING_FIELD = "/regarding/fieldPath",
        NAMESPACE = "/metadata/namespace",
        UID = "/metadata/uid",
        NAME = "/metadata/name",
        COUNT = "/count",
        SERIES_COUNT = "/series/count",
        DEPRECATED_COUNT = "/deprecatedCount",
        CREATED = "/metadata/creationTimestamp",
        LAST = "/lastTimestamp",
        DEPRECATED_LAST = "/deprecatedLastTimestamp",
        LAST_OBSERVED = "/series/lastObservedTime",
        EVENT_TIME = "/eventTime",
        FIRST = "/firstTimestamp",
        DEPRECATED_FIRST = "/deprecatedFirstTimestamp",
    }
}

static EVENT: LazyLock<Shape> = LazyLock::new(|| Shape::new(EVENT_KEYS));

/// Reads a record that is a Kubernetes Event.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    if !fields.has(record::INVOLVED_OBJECT) && !fields.has(record::REGARDING) {
        return None;
    }
    read(fields.record(), Source::KubernetesEvent, reader).map(|event| Observations::from_iter([event]))
}

/// Reads an Event; none when the text is no Event, or one about an object that runs no containers.
pub fn read<'a>(text: &'a [u8], source: Source, reader: &mut Reader) -> Option<Observation<'a>> {
    let fields = reader.object(&EVENT, text)?;
    let first = |keys: &[_]| keys.iter().find_map(|&key| fields.text(key));
    let time = |keys: &[_]| keys.iter().find_map(|&key| Time::parse(fields.text(key)?.as_bytes()));
    let counts = [COUNT, SERIES_COUNT, DEPRECATED_COUNT];
    let event = Event {
        reason: fields.text(REASON)?,
        message: first(&[MESSAGE, NOTE]).unwrap_or_default(),
        kind: first(&[INVOLVED_KIND, REGARDING_KIND])?,
        namespace: first(&[INVOLVED_NAMESPACE, REGARDING_NAMESPACE, NAMESPACE]),
        name: first(&[INVOLVED_NAME, REGARDING_NAME]),
        field_path: first(&[INVOLVED_FIELD, REGARDING_FIELD]),
        time: time(&[LAST, LAST_OBSERVED, DEPRECATED_LAST, EVENT_TIME, FIRST, DEPRECATED_FIRST, CREATED]),
        // A name is as good in a namespace as long as the Event lives.
        uid: first(&[UID, NAME]),
        count: counts.iter().filter_map(|&key| count(fields.get(key)?)).max(),
        since: time(&[FIRST, DEPRECATED_FIRST, EVENT_TIME, CREATED]),
    };
    event.observation(source)
}

/// What an Event says, by whatever way it comes.
#[derive(Debug)]
pub struct Event<'a> {
    /// Why it was sent, as one word.
    pub reason: Text<'a>,
    /// The sentence in it.
    pub message: Text<'a>,
    /// The kind of the object that it is about.
    pub kind: Text<'a>,
    /// The namespace of that object.
    pub namespace: Option<Text<'a>>,
    /// The name of that object.
    pub name: Option<Text<'a>>,
    /// The part of that object: `spec.containers{web}`.
    pub field_path: Option<Text<'a>>,
    /// When it was seen last.
    pub time: Option<Time>,
    /// Its own uid.
    pub uid: Option<Text<'a>>,
    /// How often it was seen, where it says so.
    pub count: Option<u32>,
    /// When it was seen first.
    pub since: Option<Time>,
}

/// A count of an Event; none for what counts nothing.
pub fn count(value: Value<'_>) -> Option<u32> {
    value.integer().and_then(|count| u32::try_from(count).ok())
}

impl<'a> Event<'a> {
    /// None when the object runs no containers.
    pub fn observation(self, source: Source) -> Option<Observation<'a>> {
        let workload = self.workload()?;
        // Only Events of pods speak of images.
        let about_image = if self.kind == "Pod" { about_image(&self.message) } else { None };
        let (kind, reference) = match about_image {
            Some((kind, reference)) => (kind, Some(reference).filter(|reference| !reference.is_empty())),
            None => (about(self.reason.as_bytes(), self.message.as_bytes()), None),
        };
        let container = self.field_path.as_ref().and_then(container);
        let image = reference.map(|reference| Image { container, ..Image::new(reference) });
        Some(Observation {
            time: self.time,
            images: Images::from_iter(image),
            facts: self.fact(kind).into_iter().collect(),
            ..Observation::new(source, kind, workload)
        })
    }

    fn fact(&self, kind: &str) -> Option<Fact<'a>> {
        let (of, _) = SAYING.iter().find(|(_, kinds)| kinds.contains(&kind))?;
        let is_counted = self.field_path.as_ref().is_none_or(|path| path.as_bytes().starts_with(b"spec.containers{"));
        let (uid, count, since) = (self.uid.clone(), self.count.unwrap_or(1).max(1), self.since);
        match (of, as_word(self.kind.as_bytes())) {
            (Saying::Start, "Pod") if is_counted => Some(Fact::Starts { event: uid?, count, since }),
            (Saying::BackOff, "Pod") if restarts(self.message.as_bytes()) => {
                Some(Fact::BackOff { event: uid.filter(|_| is_counted).map(|uid| (uid, count)), since })
            }
            (Saying::OutOfMemory, "Pod" | "Node") => Some(Fact::OutOfMemory),
            (Saying::Node, "Node") => Some(Fact::NodeChange { node: self.name.clone()? }),
            // A Job makes pods in place of those that fail.
            (Saying::Rollout, kind) if noun(kind.as_bytes()).is_some_and(Noun::rolls_out) => Some(Fact::Rollout),
            _ => None,
        }
    }

    fn workload(&self) -> Option<Workload<'a>> {
        let mut workload = Workload::default();
        let name = self.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| workload.name.clone());
        (workload.kind, workload.name) = match as_word(self.kind.as_bytes()) {
            "Pod" => owner::of_pod(&name),
            "ReplicaSet" | "Job" | "ReplicationController" => owner::of_owner(&self.kind, &name, None),
            "Deployment" | "StatefulSet" | "DaemonSet" | "CronJob" | "DeploymentConfig" | "Node" => {
                (self.kind.clone(), name)
            }
            _ => return None,
        };
        // The Events of nodes are kept in a namespace to which the node does not belong.
        if self.kind != "Node"
            && let Some(namespace) = self.namespace.clone().filter(|namespace| !namespace.is_empty())
        {
            workload.namespace = namespace;
        }
        Some(workload)
    }
}

/// What an Event may say beside its image, as long as it is about the right kind of object.
#[derive(Clone, Copy)]
enum Saying {
    Start,
    BackOff,
    OutOfMemory,
    Node,
    Rollout,
}

/// What is said by which kinds of observations.
const SAYING: &[(Saying, &[&str])] = &[
    (Saying::Start, &["container.start"]),
    (Saying::BackOff, &["container.back-off"]),
    (Saying::OutOfMemory, &["node.oom", "pod.oom"]),
    (Saying::Node, &["node.not-ready", "node.restart", "node.cordon", "node.drain", "node.shutdown", "node.remove"]),
    (Saying::Rollout, &["pod.create", "pod.delete", "deployment.scale"]),
];

/// Whether it is about a container that is to start again, and not about an image that is to be pulled again.
fn restarts(message: &[u8]) -> bool {
    message.strip_prefix(COMBINED).unwrap_or(message).starts_with(b"Back-off restarting failed ")
}

/// The container that a field path names.
fn container<'a>(path: &Text<'a>) -> Option<Text<'a>> {
    let bytes = path.as_bytes();
    let start = bytes.iter().position(|&byte| byte == b'{')? + 1;
    let end = bytes.len().checked_sub(1).filter(|&end| end > start && bytes.get(end) == Some(&b'}'))?;
    Some(path.slice(start, end))
}

/// How messages begin that go on with a quoted image, and what has happened to it.
const MESSAGES: &[(&str, &str)] = &[
    ("Pulling image ", "image.pull"),
    ("pulling image ", "image.pull"),
    ("Successfully pulled image ", "image.pulled"),
    ("Container image ", "image.present"),
    ("Failed to pull image ", "image.pull-failed"),
    ("Back-off pulling image ", "image.back-off"),
    ("Failed to inspect image ", "image.inspect-failed"),
    // The reference is none.
    ("Failed to apply default image tag ", "image.inspect-failed"),
];

/// Reasons, and what has happened.
const REASONS: &[(&str, &str)] = &[
    ("Pulling", "image.pull"),
    ("Pulled", "image.pulled"),
    ("ErrImageNeverPull", "image.pull-failed"),
    ("InspectFailed", "image.inspect-failed"),
    ("Failed", "container.fail"),
    ("BackOff", "container.back-off"),
    ("Created", "container.create"),
    ("Started", "container.start"),
    ("Killing", "container.kill"),
    ("Unhealthy", "container.unhealthy"),
    ("ProbeWarning", "container.unhealthy"),
    ("FailedPostStartHook", "container.fail"),
    ("FailedPreStopHook", "container.fail"),
    ("ContainerGCFailed", "node.fail"),
    ("ImageGCFailed", "node.fail"),
    ("Scheduled", "pod.schedule"),
    ("FailedScheduling", "pod.schedule-failed"),
    ("FailedMount", "pod.mount-failed"),
    ("FailedAttachVolume", "pod.mount-failed"),
    ("FailedCreatePodSandBox", "pod.create-failed"),
    ("SandboxChanged", "pod.restart"),
    ("Preempted", "pod.evict"),
    ("Preempting", "pod.evict"),
    ("Evicted", "pod.evict"),
    ("TaintManagerEviction", "pod.evict"),
    ("SuccessfulCreate", "pod.create"),
    ("FailedCreate", "pod.create-failed"),
    ("SuccessfulDelete", "pod.delete"),
    ("ScalingReplicaSet", "deployment.scale"),
    ("Completed", "job.complete"),
    ("BackoffLimitExceeded", "job.fail"),
    ("DeadlineExceeded", "job.fail"),
    ("SystemOOM", "node.oom"),
    ("OOMKilling", "node.oom"),
    // A generator of Events that the kubelet owes: https://github.com/xing/kubernetes-oom-event-generator
    ("PreviousContainerWasOOMKilled", "pod.oom"),
    ("OOMKilled", "pod.oom"),
    ("NodeNotReady", "node.not-ready"),
    ("NodeReady", "node.ready"),
    ("Rebooted", "node.restart"),
    ("NodeNotSchedulable", "node.cordon"),
    ("Drain", "node.drain"),
    ("Shutdown", "node.shutdown"),
    // The cluster autoscaler, of nodes and of the pods on them.
    ("ScaleDown", "node.remove"),
];

/// Why a container cannot be made: the errors that are its image's.
const IMAGE_ERRORS: &[&str] = &["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"];

/// What has happened to an image, by a message that names it.
fn about_image<'a>(message: &Text<'a>) -> Option<(&'static str, Text<'a>)> {
    let bytes = message.as_bytes();
    let rest = bytes.strip_prefix(COMBINED).unwrap_or(bytes);
    MESSAGES.iter().find_map(|&(beginning, kind)| {
        let quoted = rest.strip_prefix(beginning.as_bytes())?;
        let (reference, end) = unquote(message, bytes.len() - quoted.len())?;
        let refused = bytes.get(end..).is_some_and(|after| after.starts_with(NEVER));
        Some((if refused { "image.pull-failed" } else { kind }, reference))
    })
}

/// What has happened, by the reason of an Event whose message names no image.
fn about(reason: &[u8], message: &[u8]) -> &'static str {
    let error = message.strip_prefix(b"Error: ").unwrap_or_default();
    if reason == b"Failed" && IMAGE_ERRORS.iter().any(|image| error.starts_with(image.as_bytes())) {
        return "image.pull-failed";
    }
    // Everything on a node starts after its kubelet; other programs of it say that they start, too.
    if reason == b"Starting" && message.starts_with(b"Starting kubelet") {
        return "node.restart";
    }
    let known = REASONS.iter().find(|(known, _)| known.as_bytes() == reason);
    known.map_or("event.other", |(_, kind)| kind)
}

/// So many alike came that the sender has put them into one.
const COMBINED: &[u8] = b"(combined from similar events): ";
const NEVER: &[u8] = b" is not present with pull policy of Never";

/// Reads the quoted text that begins at an offset, and gives the offset behind it; none when its end was cut off. The
/// escapes are those of [`strconv.Quote`](https://pkg.go.dev/strconv#Quote).
fn unquote<'a>(text: &Text<'a>, start: usize) -> Option<(Text<'a>, usize)> {
    let inner = text.as_bytes().get(start..)?.strip_prefix(b"\"")?;
    let start = start + 1;
    let stop = inner.iter().position(|&byte| byte == b'"' || byte == b'\\')?;
    if inner.get(stop) == Some(&b'"') {
        return Some((text.slice(start, start + stop), start + stop + 1));
    }
    let mut unquoted = Vec::new();
    let mut rest = inner;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => break,
            b'\\' => rest = unescape(after, &mut unquoted)?,
            _ => unquoted.push(byte),
        }
    }
    Some((Text::from(unquoted), start + inner.len() - rest.len()))
}

/// Appends what an escape stands for, its backslash being read already, and gives what follows it.
fn unescape<'t>(escape: &'t [u8], out: &mut Vec<u8>) -> Option<&'t [u8]> {
    let (&letter, rest) = escape.split_first()?;
    let digits = match letter {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        _ => 0,
    };
    let (hex, rest) = rest.split_at_checked(digits)?;
    match letter {
        b'a' => out.push(7),
        b'b' => out.push(8),
        b't' => out.push(b'\t'),
        b'n' => out.push(b'\n'),
        b'v' => out.push(11),
        b'f' => out.push(12),
        b'r' => out.push(b'\r'),
        b'x' | b'u' | b'U' => {
            let code = u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?;
            // What follows `x` is a byte that is part of no character.
            let character = if letter == b'x' && code > 0x7f { None } else { char::from_u32(code) };
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        other => out.push(other),
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::object::tests::told;

    fn event(reason: &str, message: &str) -> String {
        let message = serde_json::to_string(message).unwrap();
        format!(
            r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"web.17a","namespace":"shop"}},"involvedObject":
            {{"kind":"Pod","namespace":"shop","name":"web-78945dccd8-hvr55","fieldPath":"spec.containers{{web}}"}},
            "reason":"{reason}","message":{message},"lastTimestamp":"2026-03-15T00:06:31Z","count":3}}"#
        )
    }

    #[rstest::rstest]
    #[case::pulling("Pulling", r#"Pulling image "r.io/a:1""#, "image.pull", "r.io/a:1")]
    #[case::pulling_once("Pulling", r#"pulling image "r.io/a:1""#, "image.pull", "r.io/a:1")]
    #[case::pulled("Pulled", r#"Successfully pulled image "r.io/a:1" in 1.2s"#, "image.pulled", "r.io/a:1")]
    #[case::pulled_with_size(
        "Pulled",
        r#"Successfully pulled image "a" in 1.3s (1.3s including waiting). Image size: 597 bytes."#,
        "image.pulled",
        "a"
    )]
    #[case::present("Pulled", r#"Container image "a:2" already present on machine"#, "image.present", "a:2")]
    #[case::present_for_the_pod(
        "Pulled",
        r#"Container image "a:2" already present on machine and can be accessed by the pod"#,
        "image.present",
        "a:2"
    )]
    #[case::never(
        "ErrImageNeverPull",
        r#"Container image "a:2" is not present with pull policy of Never"#,
        "image.pull-failed",
        "a:2"
    )]
    #[case::pull_failed(
        "Failed",
        r#"Failed to pull image "r.io/a": rpc error: failed to resolve reference "r.io/a:latest""#,
        "image.pull-failed",
        "r.io/a"
    )]
    #[case::pulling_backs_off("BackOff", r#"Back-off pulling image "a""#, "image.back-off", "a")]
    #[case::pulling_backs_off_why("BackOff", r#"Back-off pulling image "a": ErrImagePull"#, "image.back-off", "a")]
    #[case::inspect("InspectFailed", r#"Failed to inspect image "a": timeout"#, "image.inspect-failed", "a")]
    #[case::no_reference(
        "InspectFailed",
        r#"Failed to apply default image tag "R.io/A": couldn't parse image name "R.io/A": invalid"#,
        "image.inspect-failed",
        "R.io/A"
    )]
    #[case::combined("Failed", COMBINED_PULL, "image.pull-failed", "a")]
    #[case::reason_unheard_of("Whatever", r#"Pulling image "a""#, "image.pull", "a")]
    #[case::quote("Pulling", r#"Pulling image "a\"b\\c" now"#, "image.pull", r#"a"b\c"#)]
    #[case::controls(
        "Pulling",
        r#"Pulling image "\a\b\t\n\v\f\r\x01\x7f""#,
        "image.pull",
        "\x07\x08\t\n\x0b\x0c\r\x01\x7f"
    )]
    #[case::unicode("Pulling", r#"Pulling image "\u0430\U0001f600\xff/é""#, "image.pull", "а😀\u{fffd}/é")]
    fn images(#[case] reason: &str, #[case] message: &str, #[case] kind: &str, #[case] image: &str) {
        let expected = format!("kubernetes-event {kind} 2026-03-15T00:06:31Z -/shop/Deployment/web | web {image}");
        assert_eq!(told(observe, &event(reason, message)), Some(vec![expected]));
    }

    const COMBINED_PULL: &str = r#"(combined from similar events): Failed to pull image "a": no"#;

    #[rstest::rstest]
    #[case("Pulling", "Pulling", "image.pull")]
    #[case("Pulling", r#"Pulling image """#, "image.pull")]
    #[case("Pulling", r#"Pulling image "cut"#, "image.pull")]
    #[case("Pulling", r#"Pulling image "cut\"#, "image.pull")]
    #[case("Pulling", r#"Pulling image "cut\u00"#, "image.pull")]
    #[case("Pulling", r#"Pulling image "\uzzzz""#, "image.pull")]
    #[case("Pulling", "Pulling image unquoted", "image.pull")]
    #[case("Failed", "Error: ErrImagePull", "image.pull-failed")]
    #[case("Failed", "Error: ImagePullBackOff", "image.pull-failed")]
    #[case("Failed", "Error: ErrImageNeverPull", "image.pull-failed")]
    #[case("Failed", "Error: InvalidImageName", "image.pull-failed")]
    #[case("Failed", r#"Error: secret "Pulling image \"a\"" not found"#, "container.fail")]
    #[case("BackOff", "Back-off restarting failed container", "container.back-off")]
    #[case("BackOff", "Back-off restarting failed container web in pod p_shop(u)", "container.back-off")]
    #[case("Created", "Created container: web", "container.create")]
    #[case("Created", "Container created", "container.create")]
    #[case("Started", "Started container web", "container.start")]
    #[case("Killing", "Stopping container web", "container.kill")]
    #[case("Killing", "Container web failed liveness probe, will be restarted", "container.kill")]
    #[case("Unhealthy", "Readiness probe failed: no", "container.unhealthy")]
    #[case("Scheduled", "Successfully assigned shop/web-78945dccd8-hvr55 to n1", "pod.schedule")]
    #[case("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.", "pod.restart")]
    #[case("NewReason", "Whatever", "event.other")]
    #[case("", "", "event.other")]
    fn no_images(#[case] reason: &str, #[case] message: &str, #[case] kind: &str) {
        let expected = format!("kubernetes-event {kind} 2026-03-15T00:06:31Z -/shop/Deployment/web");
        let told = told(observe, &event(reason, message)).unwrap();
        assert_eq!(told.iter().filter_map(|line| line.split(" | ").next()).collect::<Vec<_>>(), [expected]);
    }

    const FIRST_SEEN: &str = r#""firstTimestamp":"2026-03-15T00:00:00Z","#;

    #[rstest::rstest]
    #[case::started("Started", "Started container web", &[], " | starts u1 3 since 2026-03-15T00:00:00Z")]
    #[case::started_now("Started", "Container started", &[], " | starts u1 3 since 2026-03-15T00:00:00Z")]
    #[case::started_once("Started", "Started container web", &[(r#""count":3"#, r#""count":null"#)],
        " | starts u1 1 since 2026-03-15T00:00:00Z")]
    #[case::count_as_text("Started", "", &[(r#""count":3"#, r#""count":"7""#)], " | starts u1 7 since 2026-03-15T00:00:00Z")]
    #[case::negative("Started", "", &[(r#""count":3"#, r#""count":-3"#)], " | starts u1 1 since 2026-03-15T00:00:00Z")]
    #[case::absurd("Started", "", &[(r#""count":3"#, r#""count":5000000000"#)], " | starts u1 1 since 2026-03-15T00:00:00Z")]
    #[case::zero("Started", "", &[(r#""count":3"#, r#""count":0"#)], " | starts u1 1 since 2026-03-15T00:00:00Z")]
    #[case::no_uid("Started", "", &[(r#""uid":"u1","#, "")], " | starts web.17a 3 since 2026-03-15T00:00:00Z")]
    #[case::no_name("Started", "", &[(r#""uid":"u1","#, ""), (r#""name":"web.17a","#, "")], "")]
    #[case::no_time("Started", "", &[(FIRST_SEEN, "")], " | starts u1 3")]
    #[case::no_field("Started", "", &[("fieldPath", "no")], " | starts u1 3 since 2026-03-15T00:00:00Z")]
    #[case::init_container("Started", "", &[("spec.containers", "spec.initContainers")], "")]
    #[case::ephemeral("Started", "", &[("spec.containers", "spec.ephemeralContainers")], "")]
    #[case::started_something_else("Started", "", &[(r#""Pod""#, r#""Node""#)], "")]
    #[case::combined("Started", "(combined from similar events): Started container web", &[],
        " | starts u1 3 since 2026-03-15T00:00:00Z")]
    #[case::back_off("BackOff", "Back-off restarting failed container", &[],
        " | back-off u1 3 since 2026-03-15T00:00:00Z")]
    #[case::back_off_of_which("BackOff", "Back-off restarting failed container web in pod p_shop(u)", &[],
        " | back-off u1 3 since 2026-03-15T00:00:00Z")]
    #[case::back_offs("BackOff", "(combined from similar events): Back-off restarting failed container web", &[],
        " | back-off u1 3 since 2026-03-15T00:00:00Z")]
    #[case::back_off_of_an_init_container("BackOff", "Back-off restarting failed container", &[("containers", "initContainers")],
        " | back-off since 2026-03-15T00:00:00Z")]
    #[case::back_off_of_a_pull("BackOff", "Back-off pulling image \"a\"", &[], " | web a")]
    #[case::back_off_of_a_pull_of_no_name("BackOff", "Back-off pulling image", &[], "")]
    #[case::killing("Killing", "Stopping container web", &[], "")]
    #[case::probe("Killing", "Container web failed liveness probe, will be restarted", &[], "")]
    #[case::out_of_memory("OOMKilled", "Container was killed", &[], " | out of memory")]
    #[case::node_out_of_memory("SystemOOM", "System OOM encountered, victim process: nginx, pid: 9295", &[(r#""Pod""#, r#""Node""#)],
        " | out of memory")]
    #[case::kernel_monitor("OOMKilling", "Killed process 123 (java) total-vm:1kB", &[(r#""Pod""#, r#""Node""#)], " | out of memory")]
    #[case::scaled("ScalingReplicaSet", "Scaled up replica set web-1 to 3", &[(r#""Pod""#, r#""Deployment""#)], " | rollout")]
    #[case::pod_of_a_set("SuccessfulCreate", "Created pod: web-x", &[(r#""Pod""#, r#""ReplicaSet""#)], " | rollout")]
    #[case::pod_less("SuccessfulDelete", "Deleted pod: web-x", &[(r#""Pod""#, r#""StatefulSet""#)], " | rollout")]
    #[case::pod_of_a_daemon("SuccessfulCreate", "Created pod: web-x", &[(r#""Pod""#, r#""DaemonSet""#)], " | rollout")]
    #[case::pod_of_a_job("SuccessfulCreate", "Created pod: web-x", &[(r#""Pod""#, r#""Job""#)], "")]
    #[case::job("SuccessfulCreate", "Created job web-1", &[(r#""Pod""#, r#""CronJob""#)], "")]
    #[case::not_ready("NodeNotReady", "Node n1 status is now: NodeNotReady", &[(r#""Pod""#, r#""Node""#)], " | node web-78945dccd8-hvr55")]
    #[case::pod_of_a_node("NodeNotReady", "Node is not ready", &[], "")]
    #[case::cordon("NodeNotSchedulable", "", &[(r#""Pod""#, r#""Node""#)], " | node web-78945dccd8-hvr55")]
    #[case::reboot("Rebooted", "Node n1 has been rebooted", &[(r#""Pod""#, r#""Node""#)], " | node web-78945dccd8-hvr55")]
    #[case::shutdown("Shutdown", "Shutdown manager", &[(r#""Pod""#, r#""Node""#)], " | node web-78945dccd8-hvr55")]
    #[case::kubelet("Starting", "Starting kubelet.", &[(r#""Pod""#, r#""Node""#)], " | node web-78945dccd8-hvr55")]
    #[case::kube_proxy("Starting", "", &[(r#""Pod""#, r#""Node""#)], "")]
    #[case::pressure("NodeHasDiskPressure", "", &[(r#""Pod""#, r#""Node""#)], "")]
    fn facts(#[case] reason: &str, #[case] message: &str, #[case] replace: &[(&str, &str)], #[case] expected: &str) {
        let mut record = event(reason, message).replace(r#""namespace":"shop"}"#, r#""namespace":"shop","uid":"u1"}"#);
        record = record.replace(
            r#""name":"web.17a","namespace":"shop","uid":"u1""#,
            r#""uid":"u1","name":"web.17a","namespace":"shop""#,
        );
        record = record.replace(r#""lastTimestamp""#, &format!(r#"{FIRST_SEEN}"lastTimestamp""#));
        for (old, new) in replace {
            assert!(record.contains(old), "{old}");
            record = record.replace(old, new);
        }
        let line = told(observe, &record).unwrap().remove(0);
        let facts = line.find(" | ").map_or("", |at| &line[at..]);
        assert_eq!(facts, expected);
    }

    #[test]
    fn facts_of_the_newer_api() {
        let record = r#"{"kind":"Event","apiVersion":"events.k8s.io/v1","metadata":{"name":"p.1","namespace":"s","uid":"u2",
            "creationTimestamp":"2026-03-15T00:00:00Z"},"regarding":{"kind":"Pod","namespace":"s","name":"p",
            "fieldPath":"spec.containers{web}"},"reason":"BackOff","note":"Back-off restarting failed container web",
            "eventTime":"2026-03-15T00:00:01.5Z","deprecatedCount":1,"deprecatedFirstTimestamp":null,
            "series":{"count":5,"lastObservedTime":"2026-03-15T00:10:00Z"},"reportingController":"kubelet"}"#;
        let expected = "kubernetes-event container.back-off 2026-03-15T00:10:00Z -/s/Pod/p \
            | back-off u2 5 since 2026-03-15T00:00:01Z";
        assert_eq!(told(observe, record).unwrap(), [expected]);
        let deprecated = record.replace(r#""count":5,"#, "").replace("eprecatedCount\":1", "eprecatedCount\":\"9\"");
        let deprecated = deprecated.replace("FirstTimestamp\":null", "FirstTimestamp\":\"2026-03-14T00:00:00Z\"");
        assert!(told(observe, &deprecated).unwrap()[0].ends_with("| back-off u2 9 since 2026-03-14T00:00:00Z"));
    }

    #[rstest::rstest]
    #[case("Pod", "db-0", Some("shop/StatefulSet/db"))]
    #[case("ReplicaSet", "web-78945dccd8", Some("shop/Deployment/web"))]
    #[case("Deployment", "web", Some("shop/Deployment/web"))]
    #[case("StatefulSet", "db", Some("shop/StatefulSet/db"))]
    #[case("DaemonSet", "agent", Some("shop/DaemonSet/agent"))]
    #[case("Job", "backup-28391040", Some("shop/CronJob/backup"))]
    #[case("CronJob", "backup", Some("shop/CronJob/backup"))]
    #[case("ReplicationController", "web-3", Some("shop/DeploymentConfig/web"))]
    #[case("DeploymentConfig", "web", Some("shop/DeploymentConfig/web"))]
    #[case("Node", "n1", Some("-/Node/n1"))]
    #[case("Deployment", "", Some("shop/Deployment/-"))]
    #[case("Service", "web", None)]
    #[case("Ingress", "web", None)]
    #[case("PersistentVolumeClaim", "data", None)]
    #[case("", "", None)]
    fn workloads(#[case] kind: &str, #[case] name: &str, #[case] expected: Option<&str>) {
        let record = format!(
            r#"{{"involvedObject":{{"kind":"{kind}","name":"{name}"}},"reason":"X","metadata":{{"namespace":"shop"}}}}"#
        );
        let expected = expected.map(|workload| vec![format!("kubernetes-event event.other - -/{workload}")]);
        assert_eq!(told(observe, &record), expected);
    }

    #[rstest::rstest]
    #[case::new_api(
        r#"{"regarding":{"kind":"Pod","namespace":"s","name":"p","fieldPath":"spec.initContainers{i}"},"reason":"Pulling",
            "note":"Pulling image \"a\"","eventTime":"2026-03-15T00:00:02.5Z","deprecatedCount":4,
            "deprecatedLastTimestamp":null,"reportingController":"kubelet",
            "series":{"count":2,"lastObservedTime":"2026-03-15T00:00:03Z"}}"#,
        "kubernetes-event image.pull 2026-03-15T00:00:03Z -/s/Pod/p | i a"
    )]
    #[case::event_time(
        r#"{"involvedObject":{"kind":"Pod","name":"p"},"reason":"FailedScheduling","lastTimestamp":null,
            "firstTimestamp":null,"eventTime":"2026-03-15T00:00:02Z","metadata":{"creationTimestamp":"2026-01-01"}}"#,
        "kubernetes-event pod.schedule-failed 2026-03-15T00:00:02Z -/-/Pod/p"
    )]
    #[case::first_time(
        r#"{"involvedObject":{"kind":"Pod","name":"p"},"reason":"Started","lastTimestamp":"never",
            "firstTimestamp":"2026-03-15T00:00:01Z"}"#,
        "kubernetes-event container.start 2026-03-15T00:00:01Z -/-/Pod/p"
    )]
    #[case::time_of_creation(
        r#"{"involvedObject":{"kind":"Pod","name":"p"},"reason":"Started","metadata":
            {"creationTimestamp":"2026-03-15T00:00:00Z"}}"#,
        "kubernetes-event container.start 2026-03-15T00:00:00Z -/-/Pod/p"
    )]
    #[case::node(
        r#"{"involvedObject":{"kind":"Node","name":"n1","namespace":""},"reason":"OOMKilling","metadata":
            {"namespace":"default"},"message":"Pulling image \"a\""}"#,
        "kubernetes-event node.oom - -/-/Node/n1 | out of memory"
    )]
    #[case::no_container(
        r#"{"involvedObject":{"kind":"Pod","name":"p","fieldPath":"spec.containers{}"},"reason":"Pulling",
            "message":"Pulling image \"a\""}"#,
        "kubernetes-event image.pull - -/-/Pod/p | - a"
    )]
    #[case::ephemeral(
        r#"{"involvedObject":{"kind":"Pod","name":"p","fieldPath":"spec.ephemeralContainers{debug-1}"},
            "reason":"Pulling","message":"Pulling image \"a\""}"#,
        "kubernetes-event image.pull - -/-/Pod/p | debug-1 a"
    )]
    #[case::wrong_types(
        r#"{"involvedObject":{"kind":"Pod","name":7,"namespace":null,"fieldPath":{}},"reason":"Pulling","message":[],
            "lastTimestamp":12,"metadata":"m"}"#,
        "kubernetes-event image.pull - -/-/Pod/-"
    )]
    fn shapes(#[case] record: &str, #[case] expected: &str) {
        assert_eq!(told(observe, record), Some(vec![expected.into()]));
    }

    #[rstest::rstest]
    #[case::nothing("{}")]
    #[case::no_reason(r#"{"involvedObject":{"kind":"Pod","name":"p"}}"#)]
    #[case::reason_is_no_text(r#"{"involvedObject":{"kind":"Pod","name":"p"},"reason":7}"#)]
    #[case::no_object(r#"{"involvedObject":"Pod","reason":"Pulling"}"#)]
    #[case::null_object(r#"{"regarding":null,"reason":"Pulling"}"#)]
    #[case::audit(r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1","verb":"create"}"#)]
    fn no_events(#[case] record: &str) {
        assert_eq!(told(observe, record), None);
    }
}
