//! containerd: its events, as `ctr events` and `nerdctl events` print them, and its log.
//!
//! - `ctr events` prints time, namespace, topic and the event as JSON
//!   ([events.go](https://github.com/containerd/containerd/blob/main/cmd/ctr/commands/events/events.go)):
//!   `2026-09-21 14:13:20.5 +0000 UTC k8s.io /tasks/oom {"container_id":"5f0c…"}`;
//!   `nerdctl events --format '{{json .}}'` prints the same as an object, with the event as text.
//! - The log tells what the kubelet asks for
//!   ([instrumented_service.go](https://github.com/containerd/containerd/blob/main/internal/cri/instrument/instrumented_service.go)):
//!   `PullImage "REF"`, then `Pulled image "REF" with image id …` and `PullImage "REF" returns image reference "ID"`;
//!   and of events it has received
//!   ([events.go](https://github.com/containerd/containerd/blob/main/internal/cri/server/events/events.go)), in
//!   protobuf's text or, before containerd 2, as Go prints it:
//!   `received container exit event container_id:"ID" id:"ID" exit_status:1`, `TaskOOM event &TaskOOM{ContainerID:ID,}`.
//!
//! The kubelet stops a container also to start it again, when it fails its probe: to the runtime that is no restart, and
//! only Kubernetes can tell.
//!
//! The namespace is one of containerd's clients (`k8s.io`, `moby`), none of Kubernetes: it says nothing of the
//! workload. An image that is pulled gets three names, hence three events: with its tag, with its digest, and its ID
//! alone. The last is no reference.

use std::sync::LazyLock;

use super::docker::{by_id, fact_of, is_image_id, unnamed};
use super::envelope::string_end;
use super::keys::{
    LOG_MSG as MSG, NERDCTL_EVENT as EVENT, NERDCTL_TIMESTAMP as TIMESTAMP, NERDCTL_TOPIC as TOPIC, TIME,
};
use super::{Digest, Fact, Image, Named, Observation, Observations, Reader, Source, as_word, filled, named};
use crate::record::{Fields, Shape, Text, keys, unescape};
use crate::time::Time;

keys! {
    /// What the events name.
    SUBJECT_KEYS {
        ID = "/id",
        CONTAINER_ID = "/container_id",
        NAME = "/name",
        IMAGE = "/image",
        EXIT_STATUS = "/exit_status",
    }
}

static SUBJECT: LazyLock<Shape> = LazyLock::new(|| Shape::new(SUBJECT_KEYS));

/// Reads an event of nerdctl, or a decoded line of the log.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    if fields.has(TOPIC) {
        let topic = fields.text(TOPIC)?;
        let kind = kind(topic.as_bytes())?;
        let event = fields.get(EVENT)?;
        let subject = match event.text() {
            Some(text) => Subject::read(text.as_bytes(), reader)?.into_owned(),
            None => Subject::read(event.raw(), reader)?,
        };
        return Some(subject.observe(kind, time_of(fields.text(TIMESTAMP))));
    }
    if !fields.has(MSG) {
        return None;
    }
    let msg = fields.get(MSG)?;
    let begins = |start: &&[u8]| msg.raw().get(1..).is_some_and(|message| message.starts_with(start));
    if ![&b"Pull"[..], b"StopC", b"StartC", b"received c", b"TaskE", b"TaskO"].iter().any(begins) {
        return None;
    }
    message(&msg.text()?, time_of(fields.text(TIME)))
}

/// Reads a line of `ctr events` or of the log.
pub fn observe_line<'a>(line: &'a [u8], reader: &mut Reader) -> Option<Observations<'a>> {
    if let Some(line) = EventLine::split(line) {
        let kind = kind(line.topic)?;
        return Some(Subject::read(line.event, reader)?.observe(kind, Time::parse(line.time)));
    }
    if !line.starts_with(b"time=") {
        return None;
    }
    message(&logfmt(line, b"msg")?, time_of(logfmt(line, b"time")))
}

/// The parts of a line of `ctr events`.
pub(super) struct EventLine<'a> {
    time: &'a [u8],
    topic: &'a [u8],
    event: &'a [u8],
}

impl<'a> EventLine<'a> {
    /// Splits a line; none when it is another. The event itself is not looked into, hence a line within a JSON string
    /// splits as well.
    pub fn split(line: &'a [u8]) -> Option<Self> {
        if line.get(4) != Some(&b'-') || line.get(10) != Some(&b' ') {
            return None;
        }
        let (_date, rest) = word(line)?;
        let (_clock, rest) = word(rest)?;
        let (_offset, rest) = word(rest)?;
        let time = line.get(..line.len() - rest.len() - 1)?;
        let (_zone, rest) = word(rest)?;
        let (_namespace, rest) = word(rest)?;
        let (topic, event) = word(rest)?;
        (topic.starts_with(b"/") && event.starts_with(b"{")).then_some(Self { time, topic, event })
    }
}

/// What stands before the first space, and what behind it.
pub(super) fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (word, rest) = text.split_at_checked(text.iter().position(|&byte| byte == b' ')?)?;
    Some((word, rest.get(1..)?))
}

/// The value of a member of a [logfmt](https://pkg.go.dev/github.com/sirupsen/logrus#TextFormatter) line.
pub(super) fn logfmt<'a>(line: &'a [u8], name: &[u8]) -> Option<Text<'a>> {
    let text = Text::from(line);
    let mut at = 0;
    loop {
        let rest = line.get(at..)?;
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b' '))?;
        let (key, value) = rest.split_at_checked(end)?;
        at += end + 1;
        if value.starts_with(b" ") {
            continue;
        }
        let (value, end) = if line.get(at) == Some(&b'"') {
            unquoted(&text, at + 1)?
        } else {
            let end = line.get(at..)?.iter().position(|&byte| byte == b' ').map_or(line.len(), |length| at + length);
            (text.slice(at, end), end)
        };
        if key == name {
            return Some(value);
        }
        at = end;
    }
}

/// The string that Go quoted (`%q`) and whose first character is at `start`, and the offset behind its quote.
pub(super) fn unquoted<'a>(text: &Text<'a>, start: usize) -> Option<(Text<'a>, usize)> {
    let body = text.as_bytes().get(start..)?;
    let inner = body.get(..string_end(body)?)?;
    let end = start + inner.len();
    if !inner.contains(&b'\\') {
        return Some((text.slice(start, end), end + 1));
    }
    let mut decoded = Vec::with_capacity(inner.len());
    unescape(inner, &mut decoded);
    Some((Text::from(decoded), end + 1))
}

pub(super) fn time_of(text: Option<Text<'_>>) -> Option<Time> {
    Time::parse(text?.as_bytes())
}

/// Which container or image an event is about.
struct Subject<'a> {
    id: Option<Text<'a>>,
    /// The init process's container, where `id` is that of a process.
    container: Option<Text<'a>>,
    name: Option<Text<'a>>,
    image: Option<Text<'a>>,
    /// How it ended. A status of zero is left out.
    exit: Option<i64>,
}

impl<'a> Subject<'a> {
    fn read(event: &'a [u8], reader: &mut Reader) -> Option<Self> {
        let fields = reader.object(&SUBJECT, event)?;
        let text = |key| filled(&fields, key);
        let exit = fields.get(EXIT_STATUS).map_or(Some(0), |status| status.integer());
        Some(Self { id: text(ID), container: text(CONTAINER_ID), name: text(NAME), image: text(IMAGE), exit })
    }

    fn into_owned(self) -> Subject<'static> {
        let own = |text: Option<Text<'a>>| text.map(Text::into_owned);
        let Self { id, container, name, image, exit } = self;
        Subject { id: own(id), container: own(container), name: own(name), image: own(image), exit }
    }

    fn observe(self, mut kind: &'static str, time: Option<Time>) -> Observations<'a> {
        let is_image = kind.starts_with("image.");
        let reference = match kind {
            "image.create" | "image.update" => self.name,
            "container.create" | "container.update" => self.image,
            _ => None,
        };
        // A process that was executed in a container ends by itself.
        if kind == "container.die" && self.container.is_some() && self.id.is_some() && self.id != self.container {
            kind = "container.exec-die";
        }
        let id = self.container.or(self.id).filter(|id| !is_image && !id.is_empty());
        let workload = id.as_ref().map_or_else(unnamed, by_id);
        let images = reference.filter(is_reference).map(Image::new).into_iter().collect();
        let fact = match fact_of(kind) {
            Some(Fact::Exited { .. }) => Some(Fact::Exited { code: self.exit }),
            fact => fact,
        };
        let facts = fact.filter(|_| id.is_some()).into_iter().collect();
        vec![Observation { time, container: id, images, facts, ..Observation::new(Source::Containerd, kind, workload) }]
    }
}

/// Whether a name of an image says where it is from. Docker calls an image without a name `moby-dangling@sha256:…`.
fn is_reference(name: &Text<'_>) -> bool {
    !is_image_id(name.as_bytes()) && !name.as_bytes().starts_with(b"moby-dangling@")
}

/// The topics, and what is made of them.
const KINDS: &[Named] = &[
    (b"/containers/create", "container.create"),
    (b"/containers/update", "container.update"),
    (b"/containers/delete", "container.delete"),
    (b"/tasks/start", "container.start"),
    (b"/tasks/exit", "container.die"),
    (b"/tasks/oom", "container.oom"),
    (b"/tasks/paused", "container.pause"),
    (b"/tasks/resumed", "container.unpause"),
    (b"/tasks/exec-added", "container.exec"),
    (b"/tasks/exec-started", "container.exec"),
    (b"/images/create", "image.create"),
    (b"/images/update", "image.update"),
    (b"/images/delete", "image.delete"),
];

fn kind(topic: &[u8]) -> Option<&'static str> {
    let other = || {
        let is_container = topic.starts_with(b"/containers/") || topic.starts_with(b"/tasks/");
        let is_image = topic.starts_with(b"/images/");
        if is_container { Some("container.other") } else { is_image.then_some("image.other") }
    };
    named(KINDS, topic).or_else(other)
}

/// How messages of the log begin that are about a container, how they go on behind its quoted id, and what they say.
const ABOUT_CONTAINERS: &[(&[u8], &[u8], &str)] = &[
    (b"StopContainer for \"", b" with timeout ", "container.stop"),
    (b"StartContainer for \"", b" returns successfully", "container.start"),
];

/// How messages of the log begin that have an event in them. Those that a sandbox's handler has received are the same
/// again.
const EVENTS: &[(&[u8], &str)] = &[
    (b"received container exit event ", "container.die"),
    (b"TaskExit event &", "container.die"),
    (b"TaskExit event container_id:", "container.die"),
    (b"TaskOOM event ", "container.oom"),
];

/// Reads a message of the log that has an event in it: its members are words like `name:value`, the value perhaps in
/// quotes.
fn event<'a>(msg: &Text<'a>) -> Option<(&'static str, Subject<'a>)> {
    let text = msg.as_bytes();
    let (_, kind) = EVENTS.iter().find(|(start, _)| text.starts_with(start))?;
    let mut subject = Subject { id: None, container: None, name: None, image: None, exit: Some(0) };
    let mut at = 0;
    for word in text.split(|byte| matches!(byte, b' ' | b',' | b'{' | b'}')) {
        let start = at;
        at += word.len() + 1;
        let Some(colon) = word.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = word.split_at_checked(colon)?;
        let is_quoted = value.len() > 2 && value.starts_with(b":\"") && value.ends_with(b"\"");
        let quote = usize::from(is_quoted);
        let value = msg.slice(start + colon + 1 + quote, start + word.len() - quote);
        match as_word(name) {
            "container_id" | "ContainerID" => subject.container = Some(value),
            "id" | "ID" => subject.id = Some(value),
            "exit_status" | "ExitStatus" => subject.exit = value.to_str().parse::<i32>().ok().map(i64::from),
            _ => {}
        }
    }
    subject.container.as_ref().filter(|id| !id.is_empty())?;
    Some((*kind, subject))
}

/// Reads a message of the log that is about a container.
fn request<'a>(msg: &Text<'a>) -> Option<(&'static str, Subject<'a>)> {
    let text = msg.as_bytes();
    let (start, behind, kind) = ABOUT_CONTAINERS.iter().find(|(start, ..)| text.starts_with(start))?;
    let (id, end) = unquoted(msg, start.len())?;
    let subject = Subject { id: Some(id), container: None, name: None, image: None, exit: None };
    text.get(end..)?.starts_with(behind).then_some((*kind, subject))
}

/// Reads a message of the log.
fn message<'a>(msg: &Text<'a>, time: Option<Time>) -> Option<Observations<'a>> {
    match event(msg).or_else(|| request(msg)) {
        Some((kind, subject)) => Some(subject.observe(kind, time)),
        None => image(msg, time),
    }
}

/// Reads a message of the log that is about an image.
fn image<'a>(msg: &Text<'a>, time: Option<Time>) -> Option<Observations<'a>> {
    const ASKED: &[u8] = b"PullImage \"";
    const PULLED: &[u8] = b"Pulled image \"";
    let text = msg.as_bytes();
    let start = [ASKED, PULLED].into_iter().find(|start| text.starts_with(start))?.len();
    let (reference, end) = unquoted(msg, start)?;
    let digest = [&b" returns image reference \""[..], b", repo digest \""].into_iter().find_map(|before| {
        let rest = text.get(end..)?;
        let at = rest.windows(before.len()).position(|window| window == before)?;
        let (digest, _) = unquoted(msg, end + at + before.len())?;
        Digest::parse(&digest)
    });
    let named = Some(reference).filter(|reference| !reference.is_empty() && is_reference(reference));
    let images = named.map(|reference| Image { digest, ..Image::new(reference) }).into_iter().collect();
    let observation = Observation { time, images, ..Observation::new(Source::Containerd, "image.pull", unnamed()) };
    Some(vec![observation])
}

#[cfg(test)]
mod tests {
    use super::super::docker::testing::{container, observed, show};
    use super::*;

    const HEX: &str = "5f0c2b9e7d1a4c3f8b6e9d0a1c2b3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e";

    fn line(text: &str) -> Option<String> {
        let text = text.replace("$HEX", HEX);
        let observations = observe_line(text.as_bytes(), &mut Reader::default())?;
        Some(show(&observations).remove(0).replace(HEX, "$HEX"))
    }

    #[rstest::rstest]
    #[case::image("/images/create", r#"{"name":"docker.io/acme/web:1"}"#, "image.create", "- | docker.io/acme/web:1")]
    #[case::image_by_digest("/images/update", r#"{"name":"a/b@sha256:$HEX"}"#, "image.update", "- | a/b@sha256:$HEX")]
    #[case::image_by_id("/images/create", r#"{"name":"sha256:$HEX"}"#, "image.create", "-")]
    #[case::dangling("/images/create", r#"{"name":"moby-dangling@sha256:$HEX"}"#, "image.create", "-")]
    #[case::image_delete("/images/delete", r#"{"name":"docker.io/acme/web:1"}"#, "image.delete", "-")]
    #[case::image_other("/images/sign", r#"{"name":"a"}"#, "image.other", "-")]
    #[case::create(
        "/containers/create",
        r#"{"id":"$HEX","image":"docker.io/acme/web:1","runtime":{"name":"runc"}}"#,
        "container.create",
        "5f0c2b9e7d1a | docker.io/acme/web:1"
    )]
    #[case::create_by_id("/containers/create", r#"{"id":"$HEX","image":"$HEX"}"#, "container.create", "5f0c2b9e7d1a")]
    #[case::create_no_image("/containers/create", r#"{"id":"web","image":""}"#, "container.create", "web")]
    #[case::start("/tasks/start", r#"{"container_id":"$HEX","pid":4242}"#, "container.start", "5f0c2b9e7d1a | started")]
    #[case::exit(
        "/tasks/exit",
        r#"{"container_id":"$HEX","id":"$HEX","exit_status":137}"#,
        "container.die",
        "5f0c2b9e7d1a | exited 137"
    )]
    #[case::exit_of_zero("/tasks/exit", r#"{"container_id":"a","id":"a"}"#, "container.die", "a | exited 0")]
    #[case::exit_as_text("/tasks/exit", r#"{"container_id":"a","exit_status":"2"}"#, "container.die", "a | exited 2")]
    #[case::absurd_exit("/tasks/exit", r#"{"container_id":"a","exit_status":[1]}"#, "container.die", "a | exited")]
    #[case::pause("/tasks/paused", r#"{"container_id":"a"}"#, "container.pause", "a | stopped")]
    #[case::task_delete("/tasks/delete", r#"{"container_id":"a","exit_status":1}"#, "container.other", "a")]
    #[case::exec_exit("/tasks/exit", r#"{"container_id":"$HEX","id":"probe"}"#, "container.exec-die", "5f0c2b9e7d1a")]
    #[case::oom("/tasks/oom", r#"{"container_id":"$HEX"}"#, "container.oom", "5f0c2b9e7d1a | out of memory")]
    #[case::exec(
        "/tasks/exec-started",
        r#"{"container_id":"$HEX","exec_id":"probe"}"#,
        "container.exec",
        "5f0c2b9e7d1a"
    )]
    #[case::other("/tasks/checkpointed", r#"{"container_id":"$HEX"}"#, "container.other", "5f0c2b9e7d1a")]
    #[case::nothing("/tasks/start", "{}", "container.start", "-")]
    #[case::wrong_types("/containers/create", r#"{"id":7,"image":{}}"#, "container.create", "-")]
    #[case::escapes("/images/create", r#"{"name":"a\/b\u003a1"}"#, "image.create", "- | a/b:1")]
    fn events(#[case] topic: &str, #[case] event: &str, #[case] kind: &str, #[case] expected: &str) {
        let expected = |time: &str| format!("containerd {kind} {time} -/-/container/{expected}");
        let text = format!("2026-09-21 14:13:20.5 +0000 UTC k8s.io {topic} {event}");
        assert_eq!(line(&text), Some(expected("1790000000.500000000")));
        let text = format!("2026-09-21 16:13:20 +0200 CEST moby {topic} {event}");
        assert_eq!(line(&text), Some(expected("1790000000.000000000")));

        let event = event.replace("$HEX", HEX);
        let nerdctl = |event: &str| {
            let record = format!(
                r#"{{"Timestamp":"2026-09-21T14:13:20Z","ID":"","Namespace":"default",
                    "Topic":"{topic}","Status":"start","Event":{event}}}"#
            );
            observed(observe, &record).map(|mut lines| lines.remove(0).replace(HEX, "$HEX"))
        };
        assert_eq!(nerdctl(&serde_json::to_string(&event).unwrap()), Some(expected("1790000000.000000000")));
        assert_eq!(nerdctl(&event), Some(expected("1790000000.000000000")));
    }

    #[rstest::rstest]
    #[case::asked(r#"PullImage "acme/web:1""#, " | acme/web:1")]
    #[case::returned(r#"PullImage "acme/web:1" returns image reference "sha256:$HEX""#, " | acme/web:1 id sha256:$HEX")]
    #[case::pulled(
        r#"Pulled image "acme/web:1" with image id "sha256:11", repo tag "a:1", repo digest "a@sha256:22", size "7""#,
        " | acme/web:1 manifest sha256:22"
    )]
    #[case::pulled_without_digest(
        r#"Pulled image "acme/web:1" with image id "sha256:11", repo tag "", repo digest "", size "7" in 1s"#,
        " | acme/web:1"
    )]
    #[case::failed(r#"PullImage "acme/web:1" failed"#, " | acme/web:1")]
    #[case::by_id(r#"PullImage "sha256:$HEX""#, "")]
    #[case::quotes(r#"PullImage "a\" returns image reference \"b""#, r#" | a" returns image reference "b"#)]
    fn log(#[case] msg: &str, #[case] expected: &str) {
        let expected = Some(format!("containerd image.pull 1790000000.500000000 -/-/container/-{expected}"));
        let quoted = serde_json::to_string(msg).unwrap();
        let text = format!(r#"time="2026-09-21T14:13:20.500000000Z" level=info msg={quoted}"#);
        assert_eq!(line(&text), expected);
        let text = format!(r#"time=2026-09-21T14:13:20.5Z level=error msg={quoted} error="rpc error: x=\"y\"""#);
        assert_eq!(line(&text), expected);

        let record = format!(r#"{{"level":"info","msg":{quoted},"time":"2026-09-21T14:13:20.5Z"}}"#);
        let decoded = observed(observe, &record.replace("$HEX", HEX));
        assert_eq!(decoded.map(|mut lines| lines.remove(0).replace(HEX, "$HEX")), expected);
    }

    #[rstest::rstest]
    #[case::stop(r#"StopContainer for "$HEX" with timeout 30 (s)"#, "container.stop", "5f0c2b9e7d1a | stopped")]
    #[case::stop_of_none(r#"StopContainer for "" with timeout 30 (s)"#, "container.stop", "-")]
    #[case::start(r#"StartContainer for "$HEX" returns successfully"#, "container.start", "5f0c2b9e7d1a | started")]
    #[case::exit(
        r#"received container exit event container_id:"$HEX"  id:"$HEX"  pid:7  exit_status:143  exited_at:{seconds:1}"#,
        "container.die",
        "5f0c2b9e7d1a | exited 143"
    )]
    #[case::exit_of_zero(
        r#"received container exit event container_id:"$HEX" id:"$HEX" pid:7 exited_at:{seconds:1 nanos:2}"#,
        "container.die",
        "5f0c2b9e7d1a | exited 0"
    )]
    #[case::exit_of_go(
        "TaskExit event &TaskExit{ContainerID:$HEX,ID:$HEX,Pid:7,ExitStatus:1,ExitedAt:2026-03-15 00:00:00 +0000 UTC,}",
        "container.die",
        "5f0c2b9e7d1a | exited 1"
    )]
    #[case::exit_of_a_process(
        r#"TaskExit event container_id:"$HEX" id:"probe" pid:7 exit_status:1"#,
        "container.exec-die",
        "5f0c2b9e7d1a"
    )]
    #[case::absurd_exit(
        r#"received container exit event container_id:"a" id:"a" exit_status:99999999999999999999"#,
        "container.die",
        "a | exited"
    )]
    #[case::oom(r#"TaskOOM event container_id:"$HEX""#, "container.oom", "5f0c2b9e7d1a | out of memory")]
    #[case::oom_of_go(
        "TaskOOM event &TaskOOM{ContainerID:$HEX,XXX_unrecognized:[],}",
        "container.oom",
        "5f0c2b9e7d1a | out of memory"
    )]
    fn log_of_containers(#[case] msg: &str, #[case] kind: &str, #[case] expected: &str) {
        let expected = format!("containerd {kind} 1790000000.500000000 -/-/container/{expected}");
        let quoted = serde_json::to_string(msg).unwrap();
        let text = format!(r#"time="2026-09-21T14:13:20.500000000Z" level=info msg={quoted}"#);
        assert_eq!(line(&text).as_deref(), Some(&*expected));
        let record = format!(r#"{{"level":"info","msg":{quoted},"time":"2026-09-21T14:13:20.5Z"}}"#);
        assert_eq!(observed(observe, &record.replace("$HEX", HEX)).unwrap(), [expected]);
    }

    #[rstest::rstest]
    #[case::stopped(r#"StopContainer for "$HEX" returns successfully"#)]
    #[case::to_start(r#"StartContainer for "$HEX""#)]
    #[case::failed(r#"StartContainer for "$HEX" failed"#)]
    #[case::of_a_sandbox(r#"TaskExit event in podsandbox handler container_id:"$HEX" id:"$HEX" exit_status:1"#)]
    #[case::no_id("received container exit event exit_status:1")]
    #[case::open_quote(r#"StopContainer for "5f0c"#)]
    #[case::an_application("received container exit event")]
    fn other_messages(#[case] msg: &str) {
        let record = format!(r#"{{"msg":{}}}"#, serde_json::to_string(msg).unwrap());
        assert_eq!(observed(observe, &record), None);
    }

    #[test]
    fn ids_of_containers() {
        let record = |topic: &str, event: &str| format!(r#"{{"Topic":"{topic}","Event":{event}}}"#);
        let id = |topic: &str, event: &str| container(observe, &record(topic, event));
        assert_eq!(id("/tasks/oom", r#"{"container_id":"5f0c2b9e7d1a4c3f"}"#).as_deref(), Some("5f0c2b9e7d1a4c3f"));
        assert_eq!(id("/containers/create", r#"{"id":"5f0c"}"#).as_deref(), Some("5f0c"));
        assert_eq!(id("/images/create", r#"{"name":"a"}"#), None);
    }

    #[rstest::rstest]
    #[case::empty("")]
    #[case::snapshot(r#"2026-09-21 14:13:20.5 +0000 UTC k8s.io /snapshot/prepare {"key":"k"}"#)]
    #[case::not_json("2026-09-21 14:13:20.5 +0000 UTC k8s.io /tasks/start {")]
    #[case::cut("2026-09-21 14:13:20.5 +0000 UTC k8s.io /tasks/start")]
    #[case::log_line("2026-09-21 14:13:20.5 INFO a b c /tasks/start done")]
    #[case::other_message(r#"time="2026-09-21T14:13:20Z" level=info msg="StopContainer for \"5f0c\"""#)]
    #[case::no_message(r#"time="2026-09-21T14:13:20Z" level=info"#)]
    #[case::open_quote(r#"time="2026-09-21T14:13:20Z" msg="PullImage \"acme/web"#)]
    #[case::open_inner_quote(r#"time="2026-09-21T14:13:20Z" msg="PullImage \"acme/web""#)]
    #[case::other_start(r#"ts=1 msg="PullImage \"acme/web\"""#)]
    fn other_lines(#[case] text: &str) {
        assert_eq!(line(text), None);
    }

    #[rstest::rstest]
    #[case::no_event(r#"{"Topic":"/tasks/start"}"#)]
    #[case::topic_is_a_number(r#"{"Topic":1,"Event":"{}"}"#)]
    #[case::event_is_no_object(r#"{"Topic":"/tasks/start","Event":"start"}"#)]
    #[case::kafka(r#"{"Topic":"orders","Event":"{}"}"#)]
    #[case::other_message(r#"{"msg":"Pulling image: acme/web"}"#)]
    #[case::null(r#"{"msg":null}"#)]
    fn other_records(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
