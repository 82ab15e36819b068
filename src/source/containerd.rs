//! containerd: its events, as `ctr events` and `nerdctl events` print them, and its log.
//!
//! - `ctr events` prints time, namespace, topic and the event as JSON
//!   ([events.go](https://github.com/containerd/containerd/blob/main/cmd/ctr/commands/events/events.go)):
//!   `2026-09-21 14:13:20.5 +0000 UTC k8s.io /tasks/oom {"container_id":"5f0c…"}`;
//!   `nerdctl events --format '{{json .}}'` prints the same as an object, with the event as text.
//! - The log tells what the kubelet asks for
//!   ([instrumented_service.go](https://github.com/containerd/containerd/blob/main/internal/cri/instrument/instrumented_service.go)):
//!   `PullImage "REF"`, then `Pulled image "REF" with image id …` and `PullImage "REF" returns image reference "ID"`.
//!
//! The namespace is one of containerd's clients (`k8s.io`, `moby`), none of Kubernetes: it says nothing of the
//! workload. An image that is pulled gets three names, hence three events: with its tag, with its digest, and its ID
//! alone. The last is no reference.

use std::sync::LazyLock;

use super::docker::{by_id, is_image_id, unnamed};
use super::envelope::string_end;
use super::keys::{
    LOG_MSG as MSG, NERDCTL_EVENT as EVENT, NERDCTL_TIMESTAMP as TIMESTAMP, NERDCTL_TOPIC as TOPIC, TIME,
};
use super::{Digest, Image, Named, Observation, Observations, Reader, Source, named};
use crate::record::{Fields, Shape, Text, keys, unescape};
use crate::time::Time;

keys! {
    /// What the events name.
    SUBJECT_KEYS {
        ID = "/id",
        CONTAINER_ID = "/container_id",
        NAME = "/name",
        IMAGE = "/image",
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
    if !msg.raw().starts_with(b"\"Pull") {
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
}

impl<'a> Subject<'a> {
    fn read(event: &'a [u8], reader: &mut Reader) -> Option<Self> {
        let fields = reader.object(&SUBJECT, event)?;
        let text = |key| fields.text(key).filter(|text| !text.is_empty());
        Some(Self { id: text(ID), container: text(CONTAINER_ID), name: text(NAME), image: text(IMAGE) })
    }

    fn into_owned(self) -> Subject<'static> {
        let own = |text: Option<Text<'a>>| text.map(Text::into_owned);
        Subject { id: own(self.id), container: own(self.container), name: own(self.name), image: own(self.image) }
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
        let id = self.container.or(self.id).filter(|_| !is_image);
        let workload = id.map_or_else(unnamed, |id| by_id(&id));
        let images = reference.filter(is_reference).map(Image::new).into_iter().collect();
        vec![Observation { source: Source::Containerd, kind, time, workload, images }]
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

/// Reads a message of the log.
fn message<'a>(msg: &Text<'a>, time: Option<Time>) -> Option<Observations<'a>> {
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
    let observation = Observation { source: Source::Containerd, kind: "image.pull", time, workload: unnamed(), images };
    Some(vec![observation])
}

#[cfg(test)]
mod tests {
    use super::super::docker::testing::{observed, show};
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
    #[case::start("/tasks/start", r#"{"container_id":"$HEX","pid":4242}"#, "container.start", "5f0c2b9e7d1a")]
    #[case::exit(
        "/tasks/exit",
        r#"{"container_id":"$HEX","id":"$HEX","exit_status":137}"#,
        "container.die",
        "5f0c2b9e7d1a"
    )]
    #[case::exec_exit("/tasks/exit", r#"{"container_id":"$HEX","id":"probe"}"#, "container.exec-die", "5f0c2b9e7d1a")]
    #[case::oom("/tasks/oom", r#"{"container_id":"$HEX"}"#, "container.oom", "5f0c2b9e7d1a")]
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
