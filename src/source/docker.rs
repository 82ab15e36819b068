//! Docker Engine events.
//!
//! The fields are those of [`events.Message`](https://pkg.go.dev/github.com/moby/moby/api/types/events#Message). Up to
//! API 1.21 an event has `status`, `id` and `from`; from 1.22 on `Type`, `Action` and `Actor` beside them; from 1.52 on
//! only these.
//!
//! `Actor.Attributes` mixes what the engine says with the labels of the container, which are also those of its image:
//! whoever built the image chose them. The engine writes `image` and `name` over the labels, hence these two are sure.
//! A label that names the workload counts only as far as the container's name bears it out, where such a name has a
//! rule (Swarm, Kubernetes); Compose lets users name containers freely, so its labels are taken as they are. The exit
//! code and the signal are the engine's, but a label of the same name goes over them
//! ([monitor.go](https://github.com/moby/moby/blob/master/daemon/monitor.go)): no more than a hint.
//!
//! A restart by policy is a `die` and then a `start`; `restart` is what a user asks for, and comes last. Who asks a
//! container to end makes `kill` before its `die` and `stop` behind it. Swarm restarts no container: it makes another,
//! so that the creation of one is no sign of a rollout there, as it is with Compose.

use super::keys::{
    DOCKER_ACTION as ACTION, DOCKER_ACTOR_ID as ACTOR_ID, DOCKER_COMPOSE_PROJECT as COMPOSE_PROJECT,
    DOCKER_COMPOSE_SERVICE as COMPOSE_SERVICE, DOCKER_EXIT_CODE as EXIT_CODE, DOCKER_FROM as FROM, DOCKER_ID as ID,
    DOCKER_IMAGE as IMAGE, DOCKER_NAME as NAME, DOCKER_SIGNAL as SIGNAL, DOCKER_STACK as STACK,
    DOCKER_STATUS as STATUS, DOCKER_SWARM_SERVICE as SWARM_SERVICE, DOCKER_TIME_NANO as TIME_NANO, DOCKER_TYPE as TYPE,
    TIME,
};
use super::{Digest, Fact, Image, Named, Observation, Observations, Reader, Source, Workload, filled, named, owner};
use crate::record::{Fields, Text, same};
use crate::time::Time;

const OTHER_CONTAINER: &str = "container.other";
const OTHER_IMAGE: &str = "image.other";

/// What the engine calls an action of a container, and what is made of it.
const CONTAINER_KINDS: &[Named] = &[
    (b"create", "container.create"),
    (b"start", "container.start"),
    (b"restart", "container.restart"),
    (b"stop", "container.stop"),
    (b"pause", "container.pause"),
    (b"unpause", "container.unpause"),
    (b"kill", "container.kill"),
    (b"die", "container.die"),
    (b"oom", "container.oom"),
    (b"destroy", "container.destroy"),
    (b"exec_create", "container.exec"),
    (b"exec_start", "container.exec"),
    (b"exec_die", "container.exec-die"),
    (b"exec_detach", "container.exec-detach"),
    (b"health_status", "container.health"),
    (b"attach", "container.attach"),
    (b"detach", "container.detach"),
    (b"commit", "container.commit"),
    (b"copy", "container.copy"),
    (b"archive-path", "container.archive-path"),
    (b"extract-to-dir", "container.extract-to-dir"),
    (b"export", "container.export"),
    (b"rename", "container.rename"),
    (b"resize", "container.resize"),
    (b"top", "container.top"),
    (b"update", "container.update"),
    (b"prune", "container.prune"),
];

/// What the engine calls an action of an image, and what is made of it.
const IMAGE_KINDS: &[Named] = &[
    (b"pull", "image.pull"),
    (b"push", "image.push"),
    (b"tag", "image.tag"),
    (b"untag", "image.untag"),
    (b"load", "image.load"),
    (b"import", "image.import"),
    (b"save", "image.save"),
    (b"delete", "image.delete"),
    (b"create", "image.create"),
    (b"prune", "image.prune"),
];

/// Reads a container or image event; those of networks, volumes and the engine itself are none of a container.
pub fn observe<'a>(fields: &Fields<'a, '_>, _reader: &mut Reader) -> Option<Observations<'a>> {
    let (is_image, kind) = match fields.get(TYPE) {
        Some(of) => match of.text()?.as_bytes() {
            b"container" => (false, container_kind(fields.text(ACTION)?.as_bytes())),
            b"image" => (true, image_kind(fields.text(ACTION)?.as_bytes())),
            _ => return None,
        },
        None => old_kind(fields)?,
    };
    let id = fields.text(ACTOR_ID).or_else(|| fields.text(ID))?;
    let observation = if is_image {
        Observation {
            images: images(fields, kind, id).into_iter().collect(),
            ..Observation::new(Source::Docker, kind, unnamed())
        }
    } else {
        let (workload, images) = container(fields, &id);
        let facts = fact(fields, kind, &workload).into_iter().collect();
        let container = Some(id).filter(|id| !id.is_empty());
        Observation { container, images, facts, ..Observation::new(Source::Docker, kind, workload) }
    };
    Some(vec![Observation { time: time(fields), ..observation }])
}

/// The kinds of observations that say something of the container that they are about: that it starts, ends, lacks
/// memory, and, from there on, that somebody stops it.
const SAYING: [&[u8]; 8] = [
    b"container.start",
    b"container.die",
    b"container.oom",
    b"container.stop",
    b"container.kill",
    b"container.pause",
    b"container.restart",
    b"container.destroy",
];

/// What a kind of observation says of the container that it is about, whatever runs it.
pub(super) fn fact_of(kind: &str) -> Option<Fact<'static>> {
    Some(match SAYING.iter().position(|known| same(known, kind.as_bytes()))? {
        0 => Fact::Started,
        1 => Fact::Exited { code: None },
        2 => Fact::OutOfMemory,
        _ => Fact::Stopped,
    })
}

fn fact(fields: &Fields<'_, '_>, kind: &str, workload: &Workload<'_>) -> Option<Fact<'static>> {
    if kind == "container.create" {
        return (workload.kind == "compose").then_some(Fact::Rollout);
    }
    match fact_of(kind)? {
        Fact::Exited { .. } => Some(Fact::Exited { code: fields.get(EXIT_CODE).and_then(|code| code.integer()) }),
        fact => (kind != "container.kill" || ends(fields)).then_some(fact),
    }
}

/// The signals that end a process which does not handle them, and that nobody sends for any other reason.
const ENDING: [&[u8]; 10] = [b"15", b"9", b"2", b"3", b"6", b"TERM", b"KILL", b"INT", b"QUIT", b"ABRT"];

/// Whether a `kill` is to end the container.
fn ends(fields: &Fields<'_, '_>) -> bool {
    fields.get(SIGNAL).is_none_or(|signal| {
        let name = signal.text().unwrap_or_else(|| Text::from(signal.raw()));
        let name = name.as_bytes();
        ENDING.contains(&name.strip_prefix(b"SIG").unwrap_or(name))
    })
}

/// The time of the event: nanoseconds, else seconds, else what a shipper made of them.
pub(super) fn time(fields: &Fields<'_, '_>) -> Option<Time> {
    if let Some(nanos) = fields.get(TIME_NANO).and_then(|value| value.integer()) {
        return Some(Time::from_nanos(nanos));
    }
    let time = fields.get(TIME)?;
    time.integer().map(Time::from_sec).or_else(|| Time::parse(time.text()?.as_bytes()))
}

/// The workload of what has no name, such as an image that is pulled.
pub(super) fn unnamed<'a>() -> Workload<'a> {
    Workload { kind: "container".into(), ..Workload::default() }
}

/// The workload of a container of which only the id is known: the short id, as `docker ps` prints it.
pub(super) fn by_id<'a>(id: &Text<'a>) -> Workload<'a> {
    if id.is_empty() {
        return unnamed();
    }
    Workload { name: id.slice(0, id.as_bytes().len().min(12)), ..unnamed() }
}

/// Whether a runtime names an image by its ID, `sha256:…` or the digits alone, and not by a reference.
pub(super) fn is_image_id(image: &[u8]) -> bool {
    let digits = image.strip_prefix(b"sha256:").unwrap_or(image);
    digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit)
}

/// An event without `Type`. The three names are common, so the action has to be one that the engine had then.
fn old_kind(fields: &Fields<'_, '_>) -> Option<(bool, &'static str)> {
    if !fields.has(STATUS) || !fields.has(ID) {
        return None;
    }
    let status = fields.text(STATUS)?;
    let is_image = !fields.has(FROM);
    let kind = if is_image { image_kind(status.as_bytes()) } else { container_kind(status.as_bytes()) };
    let known = kind != OTHER_CONTAINER && kind != OTHER_IMAGE && fields.get(TIME)?.integer().is_some();
    known.then_some((is_image, kind))
}

fn container<'a>(fields: &Fields<'a, '_>, id: &Text<'a>) -> (Workload<'a>, Vec<Image<'a>>) {
    let name = filled(fields, NAME);
    let (workload, container) = match name {
        None => (by_id(id), None),
        Some(name) => match of_kubernetes(&name) {
            Some((workload, container)) => (workload, Some(container)),
            None => (of_labels(fields, &name), Some(name)),
        },
    };
    let image = fields.text(IMAGE).or_else(|| fields.text(FROM)).filter(|image| !image.is_empty());
    // Builds and kubelets start containers by ID. The digits alone are no habit of any tool, and read as a reference
    // they are invalid.
    let named = image.filter(|image| !(image.as_bytes().starts_with(b"sha256:") && is_image_id(image.as_bytes())));
    (workload, named.map(|image| Image { container, ..Image::new(image) }).into_iter().collect())
}

/// The pod of a container that the kubelet named: `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`, by dockershim and
/// cri-dockerd. They set the labels `io.kubernetes.…` too, but an image can bring these.
pub(super) fn of_kubernetes<'a>(name: &Text<'a>) -> Option<(Workload<'a>, Text<'a>)> {
    let bytes = name.as_bytes();
    let rest = bytes.strip_prefix(b"k8s_")?;
    let mut ends = rest.iter().zip(4..).filter(|(byte, _)| **byte == b'_').map(|(_, at)| at);
    let (container, pod, namespace) = (ends.next()?, ends.next()?, ends.next()?);
    let (kind, owner) = owner::of_pod(&name.slice(container + 1, pod));
    let namespace = name.slice(pod + 1, namespace);
    Some((Workload { namespace, kind, name: owner, ..Workload::default() }, name.slice(4, container)))
}

fn of_labels<'a>(fields: &Fields<'a, '_>, name: &Text<'a>) -> Workload<'a> {
    // Swarm names its containers SERVICE.SLOT.TASK.
    let service = fields.text(SWARM_SERVICE).filter(|service| {
        !service.is_empty()
            && name.as_bytes().strip_prefix(service.as_bytes()).is_some_and(|task| task.starts_with(b"."))
    });
    if let Some(service) = service {
        let stack = filled(fields, STACK);
        let namespace = stack.unwrap_or_else(|| "-".into());
        return Workload { namespace, kind: "service".into(), name: service, ..Workload::default() };
    }
    let project = filled(fields, COMPOSE_PROJECT);
    let service = filled(fields, COMPOSE_SERVICE);
    match (project, service) {
        (Some(namespace), Some(name)) => Workload { namespace, kind: "compose".into(), name, ..Workload::default() },
        _ => Workload { name: name.clone(), ..unnamed() },
    }
}

/// The image that an image event brings to the host, or sends from it.
fn images<'a>(fields: &Fields<'a, '_>, kind: &str, id: Text<'a>) -> Option<Image<'a>> {
    let name = || fields.text(NAME).filter(|name| !name.is_empty() && !is_image_id(name.as_bytes()));
    match kind {
        // The id is the reference; the name is the same without its tag.
        "image.pull" | "image.push" => if id.is_empty() { name() } else { Some(id) }.map(Image::new),
        // The id is that of the configuration, or of the manifest where containerd stores the images: nothing tells.
        "image.tag" | "image.load" | "image.import" => {
            let digest = is_image_id(id.as_bytes()).then_some(Digest::ImageId(id));
            Some(Image { digest, ..Image::new(name()?) })
        }
        _ => None,
    }
}

fn container_kind(action: &[u8]) -> &'static str {
    // What was executed, or the state of health, follows a colon.
    let action = action.split(|&byte| byte == b':').next().unwrap_or_default();
    named(CONTAINER_KINDS, action).unwrap_or(OTHER_CONTAINER)
}

fn image_kind(action: &[u8]) -> &'static str {
    named(IMAGE_KINDS, action).unwrap_or(OTHER_IMAGE)
}

/// What the tests of all sources share.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::record::Scanner;
    use crate::source::keys::RECORD;
    use crate::source::{Flow, Lookup, Usage};

    /// Everything in the observations, one line each: source, kind, time, workload, and each image as `reference`,
    /// `(container)` and digest.
    pub fn show(observations: &[Observation<'_>]) -> Vec<String> {
        observations.iter().map(line).collect()
    }

    fn line(observation: &Observation<'_>) -> String {
        let Observation { source, kind, time, workload, images, facts, container: _, address: _ } = observation;
        let Workload { cluster, namespace, kind: owner, name } = workload;
        let time = time.map_or("-".to_owned(), |time| format!("{}.{:09}", time.sec, time.nanos));
        let mut line = format!("{} {kind} {time} {cluster}/{namespace}/{owner}/{name}", source.as_str());
        for Image { reference, digest, container } in images {
            let container = container.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            let digest = match digest {
                Some(Digest::Manifest(digest)) => format!(" manifest {digest}"),
                Some(Digest::ImageId(digest)) => format!(" id {digest}"),
                None => String::new(),
            };
            line += &format!(" | {reference}{container}{digest}");
        }
        for fact in facts {
            line += &format!(" | {}", tell(fact));
        }
        line
    }

    /// A fact as its name and what it holds.
    pub fn tell(fact: &Fact<'_>) -> String {
        match fact {
            Fact::Started => "started".into(),
            Fact::Stopped => "stopped".into(),
            Fact::Exited { code: None } => "exited".into(),
            Fact::Exited { code: Some(code) } => format!("exited {code}"),
            Fact::OutOfMemory => "out of memory".into(),
            Fact::Restarts { pod, container, count, out_of_memory } => {
                let count = count.map_or("-".into(), |count| count.to_string());
                let end = out_of_memory.map_or("", |is| if is { " (out of memory)" } else { " (another end)" });
                format!("restarts {pod}/{container} {count}{end}")
            }
            Fact::Starts { event, count, since } => {
                format!("starts {event} {count}{}", since.map_or(String::new(), |since| format!(" since {since}")))
            }
            Fact::BackOff { event, since } => {
                let event = event.as_ref().map_or(String::new(), |(event, count)| format!(" {event} {count}"));
                format!("back-off{event}{}", since.map_or(String::new(), |since| format!(" since {since}")))
            }
            Fact::Rollout => "rollout".into(),
            Fact::NodeChange { node } => format!("node {node}"),
            Fact::Usage(Usage { instance, part, metric, amount, limit }) => {
                let amount = amount.map_or(String::new(), |amount| format!(" {amount:?}"));
                let limit = limit.map_or(String::new(), |limit| format!(" of {limit}"));
                format!("{} {instance}/{part}{amount}{limit}", metric.as_str())
            }
            Fact::Flow(flow) => {
                let Flow { name, address, port, protocol, progress, sent, received, seconds, .. } = flow;
                let name = name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
                let address = address.map_or("-".into(), |address| address.to_string());
                let mut line = format!("flow {address}:{port}/{}{name} {progress:?}", protocol.as_str());
                for (what, number) in [("sent", *sent), ("received", *received)] {
                    line += &number.map_or(String::new(), |number| format!(" {what} {number}"));
                }
                line += &seconds.map_or(String::new(), |seconds| format!(" {seconds} s"));
                for (what, text) in [("service", &flow.service), ("id", &flow.id), ("alert", &flow.alert)] {
                    line += &text.as_ref().map_or(String::new(), |text| format!(" {what} {text}"));
                }
                line + &flow.start.map_or(String::new(), |start| format!(" from {start}"))
            }
            Fact::Lookup(Lookup { name, kind, answers, not_found }) => {
                let kind = kind.as_ref().map_or(String::new(), |kind| format!(" {kind}"));
                let found = not_found.map_or("", |not| if not { " not found" } else { " found" });
                let answers: String = answers.iter().map(|answer| format!(" {answer}")).collect();
                format!("lookup {name}{kind}{found}{answers}")
            }
        }
    }

    /// What a source sees in a record.
    pub fn observed(
        observe: for<'a> fn(&Fields<'a, '_>, &mut Reader) -> Option<Observations<'a>>,
        record: &str,
    ) -> Option<Vec<String>> {
        let mut scanner = Scanner::default();
        let fields = scanner.scan(&RECORD, record.as_bytes()).unwrap();
        observe(&fields, &mut Reader::default()).map(|observations| show(&observations))
    }

    /// The addresses of the workloads in what a source sees in a record.
    pub fn addresses(
        observe: for<'a> fn(&Fields<'a, '_>, &mut Reader) -> Option<Observations<'a>>,
        record: &str,
    ) -> Vec<String> {
        let mut scanner = Scanner::default();
        let fields = scanner.scan(&RECORD, record.as_bytes()).unwrap();
        let observations = observe(&fields, &mut Reader::default()).unwrap_or_default();
        observations.iter().filter_map(|observation| Some(observation.address?.to_string())).collect()
    }

    /// The id of the container that the first observation of a record is about.
    pub fn container(
        observe: for<'a> fn(&Fields<'a, '_>, &mut Reader) -> Option<Observations<'a>>,
        record: &str,
    ) -> Option<String> {
        let mut scanner = Scanner::default();
        let fields = scanner.scan(&RECORD, record.as_bytes()).unwrap();
        observe(&fields, &mut Reader::default())?.remove(0).container.map(|id| id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{container, observed};
    use super::*;

    const ID: &str = "5f0c2b9e7d1a4c3f8b6e9d0a1c2b3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e";

    fn event(text: &str) -> Option<Vec<String>> {
        observed(observe, &text.replace("$ID", ID))
    }

    /// A container's start with the attributes; that it says so is left out.
    fn started(attributes: &str) -> String {
        let record =
            format!(r#"{{"Type":"container","Action":"start","Actor":{{"ID":"$ID","Attributes":{attributes}}}}}"#);
        event(&record).unwrap().remove(0).strip_suffix(" | started").unwrap().to_owned()
    }

    #[rstest::rstest]
    #[case::new(
        r#"{"Type":"container","Action":"create","Actor":{"ID":"$ID","Attributes":{"image":"ghcr.io/acme/web:2",
            "name":"w"}},
            "scope":"local","time":1790000000,"timeNano":1790000000123456789}"#,
        "docker container.create 1790000000.123456789 -/-/container/w | ghcr.io/acme/web:2 (w)"
    )]
    #[case::both(
        r#"{"status":"oom","id":"$ID","from":"old:1","Type":"container","Action":"die",
            "Actor":{"ID":"$ID","Attributes":{"exitCode":"137","image":"new:1","name":"w"}},"time":1790000000}"#,
        "docker container.die 1790000000.000000000 -/-/container/w | new:1 (w) | exited 137"
    )]
    #[case::old(
        r#"{"status":"start","id":"$ID","from":"redis:7","time":1790000000,"timeNano":1790000000000000001}"#,
        "docker container.start 1790000000.000000001 -/-/container/5f0c2b9e7d1a | redis:7 | started"
    )]
    #[case::old_pull(
        r#"{"status":"pull","id":"redis:7","time":1790000000}"#,
        "docker image.pull 1790000000.000000000 -/-/container/- | redis:7"
    )]
    #[case::exec(
        r#"{"Type":"container","Action":"exec_create: sh -c 'echo a: b'","Actor":{"ID":"$ID",
            "Attributes":{"name":"w"}}}"#,
        "docker container.exec - -/-/container/w"
    )]
    #[case::health(
        r#"{"Type":"container","Action":"health_status: unhealthy","Actor":{"ID":"$ID","Attributes":{"name":"w"}}}"#,
        "docker container.health - -/-/container/w"
    )]
    #[case::unknown_action(
        r#"{"Type":"container","Action":"teleport","Actor":{"ID":"$ID","Attributes":{"image":"a","name":"w"}}}"#,
        "docker container.other - -/-/container/w | a (w)"
    )]
    #[case::bare(
        r#"{"Type":"container","Action":"start","Actor":{"ID":"abc"}}"#,
        "docker container.start - -/-/container/abc | started"
    )]
    #[case::prune(
        r#"{"Type":"container","Action":"prune","Actor":{"ID":"","Attributes":{"reclaimed":"0"}},"time":1790000000}"#,
        "docker container.prune 1790000000.000000000 -/-/container/-"
    )]
    #[case::escapes(
        r#"{"\u0054ype":"container","Action":"st\u0061rt","Actor":{"ID":"$ID","Attributes":{"image":"a\/b",
            "name":"w\"\u00e9"}}}"#,
        "docker container.start - -/-/container/w\"é | a/b (w\"é) | started"
    )]
    #[case::time_as_text(
        r#"{"Type":"image","Action":"pull","Actor":{"ID":"a"},"time":"2026-09-21T14:13:20Z","timeNano":null}"#,
        "docker image.pull 1790000000.000000000 -/-/container/- | a"
    )]
    #[case::wrong_types(
        r#"{"Type":"container","Action":"start","Actor":{"ID":"$ID","Attributes":{"image":7,"name":["w"]}},
            "time":true}"#,
        "docker container.start - -/-/container/5f0c2b9e7d1a | started"
    )]
    #[case::wrong_attributes(
        r#"{"Type":"container","Action":"start","Actor":{"ID":"$ID","Attributes":"image"},"from":"a"}"#,
        "docker container.start - -/-/container/5f0c2b9e7d1a | a | started"
    )]
    #[case::pull(
        r#"{"Type":"image","Action":"pull","Actor":{"ID":"ghcr.io/acme/web:2",
            "Attributes":{"name":"ghcr.io/acme/web"}}}"#,
        "docker image.pull - -/-/container/- | ghcr.io/acme/web:2"
    )]
    #[case::push(
        r#"{"Type":"image","Action":"push","Actor":{"ID":"","Attributes":{"name":"ghcr.io/acme/web"}}}"#,
        "docker image.push - -/-/container/- | ghcr.io/acme/web"
    )]
    #[case::tag(
        r#"{"Type":"image","Action":"tag","Actor":{"ID":"sha256:$ID","Attributes":{"name":"acme/web:2"}}}"#,
        "docker image.tag - -/-/container/- | acme/web:2 id sha256:$ID"
    )]
    #[case::load(
        r#"{"Type":"image","Action":"load","Actor":{"ID":"sha256:$ID","Attributes":{"name":"sha256:$ID"}}}"#,
        "docker image.load - -/-/container/-"
    )]
    #[case::untag(
        r#"{"Type":"image","Action":"untag","Actor":{"ID":"sha256:$ID","Attributes":{"name":"acme/web:2"}}}"#,
        "docker image.untag - -/-/container/-"
    )]
    #[case::delete(
        r#"{"Type":"image","Action":"delete","Actor":{"ID":"sha256:$ID","Attributes":{"name":"acme/web:2"}}}"#,
        "docker image.delete - -/-/container/-"
    )]
    fn events(#[case] record: &str, #[case] expected: &str) {
        assert_eq!(event(record), Some(vec![expected.replace("$ID", ID)]));
    }

    #[rstest::rstest]
    #[case::plain(r#"{"image":"a","name":"w"}"#, "-/-/container/w | a (w)")]
    #[case::compose(
        r#"{"image":"a","name":"Shop-Web","com.docker.compose.project":"shop","com.docker.compose.service":"web"}"#,
        "-/shop/compose/web | a (Shop-Web)"
    )]
    #[case::compose_half(r#"{"image":"a","name":"w","com.docker.compose.project":"shop"}"#, "-/-/container/w | a (w)")]
    #[case::compose_null(
        r#"{"image":"a","name":"w","com.docker.compose.project":null,"com.docker.compose.service":""}"#,
        "-/-/container/w | a (w)"
    )]
    #[case::swarm(
        r#"{"image":"a@sha256:0","name":"shop_web.1.k3v9","com.docker.swarm.service.name":"shop_web",
            "com.docker.stack.namespace":"shop"}"#,
        "-/shop/service/shop_web | a@sha256:0 (shop_web.1.k3v9)"
    )]
    #[case::swarm_no_stack(
        r#"{"image":"a","name":"web.1.k3v9","com.docker.swarm.service.name":"web"}"#,
        "-/-/service/web | a (web.1.k3v9)"
    )]
    #[case::swarm_label_of_an_image(
        r#"{"image":"a","name":"miner","com.docker.swarm.service.name":"web","com.docker.stack.namespace":"shop"}"#,
        "-/-/container/miner | a (miner)"
    )]
    #[case::swarm_label_over_compose(
        r#"{"image":"a","name":"shop-web-1","com.docker.swarm.service.name":"shop","com.docker.compose.project":"shop",
            "com.docker.compose.service":"web"}"#,
        "-/shop/compose/web | a (shop-web-1)"
    )]
    #[case::kubernetes_label_of_an_image(
        r#"{"image":"a","name":"miner","io.kubernetes.pod.namespace":"kube-system","io.kubernetes.pod.name":"dns"}"#,
        "-/-/container/miner | a (miner)"
    )]
    #[case::kubernetes_name_cut(r#"{"image":"a","name":"k8s_web_pod"}"#, "-/-/container/k8s_web_pod | a (k8s_web_pod)")]
    #[case::label_repeats_a_name(
        r#"{"image":"nginx","name":"w","name":"miner","image":"evil"}"#,
        "-/-/container/miner | evil (miner)"
    )]
    #[case::by_id(r#"{"image":"sha256:$ID","name":"w"}"#, "-/-/container/w")]
    #[case::by_digits(
        r#"{"image":"$ID","name":"w"}"#,
        "-/-/container/w | 5f0c2b9e7d1a4c3f8b6e9d0a1c2b3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e (w)"
    )]
    #[case::no_image(r#"{"image":"","name":"w"}"#, "-/-/container/w")]
    fn workloads(#[case] attributes: &str, #[case] expected: &str) {
        assert_eq!(started(attributes), format!("docker container.start - {expected}"));
    }

    #[test]
    fn kubelet_names_its_containers() {
        let attributes = r#"{"image":"sha256:$ID","name":"k8s_web_shop-6d4cf56db6-x7k2p_prod_0b9f-11_3",
            "io.kubernetes.pod.namespace":"elsewhere"}"#;
        let (kind, name) = owner::of_pod(&"shop-6d4cf56db6-x7k2p".into());
        assert_eq!(started(attributes), format!("docker container.start - -/prod/{kind}/{name}"));
        let named = attributes.replace("sha256:$ID", "pause:3");
        assert_eq!(started(&named), format!("docker container.start - -/prod/{kind}/{name} | pause:3 (web)"));
    }

    #[rstest::rstest]
    #[case::start("start", "{}", " | started")]
    #[case::exit("die", r#"{"execDuration":"42","exitCode":"137"}"#, " | exited 137")]
    #[case::exit_as_number("die", r#"{"exitCode":0}"#, " | exited 0")]
    #[case::exit_of_a_label("die", r#"{"exitCode":"fine"}"#, " | exited")]
    #[case::exit_beyond_numbers("die", r#"{"exitCode":"99999999999999999999"}"#, " | exited")]
    #[case::exit_unknown("die", "{}", " | exited")]
    #[case::out_of_memory("oom", "{}", " | out of memory")]
    #[case::kill("kill", "{}", " | stopped")]
    #[case::terminate("kill", r#"{"signal":"15"}"#, " | stopped")]
    #[case::kill_by_number("kill", r#"{"signal":9}"#, " | stopped")]
    #[case::kill_by_name("kill", r#"{"signal":"SIGKILL"}"#, " | stopped")]
    #[case::interrupt("kill", r#"{"signal":"INT"}"#, " | stopped")]
    #[case::hang_up("kill", r#"{"signal":"1"}"#, "")]
    #[case::user_signal("kill", r#"{"signal":"SIGUSR1"}"#, "")]
    #[case::window_change("kill", r#"{"signal":"28"}"#, "")]
    #[case::signal_of_a_label("kill", r#"{"signal":{"a":9}}"#, "")]
    #[case::stop("stop", "{}", " | stopped")]
    #[case::pause("pause", "{}", " | stopped")]
    #[case::unpause("unpause", "{}", "")]
    #[case::destroy("destroy", "{}", " | stopped")]
    #[case::restart("restart", "{}", " | stopped")]
    #[case::create("create", "{}", "")]
    #[case::rename("rename", r#"{"oldName":"v"}"#, "")]
    #[case::health("health_status: healthy", "{}", "")]
    #[case::exec("exec_die", r#"{"exitCode":"1"}"#, "")]
    fn facts(#[case] action: &str, #[case] attributes: &str, #[case] expected: &str) {
        let record = |attributes: &str| {
            format!(r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"$ID","Attributes":{attributes}}}}}"#)
        };
        let line = event(&record(attributes)).unwrap().remove(0);
        assert_eq!(line.split_once("5f0c2b9e7d1a").unwrap().1, expected);
        assert_eq!(container(observe, &record(attributes)).as_deref(), Some("$ID"));
    }

    #[rstest::rstest]
    #[case::compose(
        r#"{"name":"w","com.docker.compose.project":"shop","com.docker.compose.service":"web"}"#,
        "docker container.create - -/shop/compose/web | rollout"
    )]
    #[case::swarm(
        r#"{"name":"web.1.k3v9","com.docker.swarm.service.name":"web"}"#,
        "docker container.create - -/-/service/web"
    )]
    fn creations(#[case] attributes: &str, #[case] expected: &str) {
        let record =
            format!(r#"{{"Type":"container","Action":"create","Actor":{{"ID":"$ID","Attributes":{attributes}}}}}"#);
        assert_eq!(event(&record).unwrap(), [expected]);
    }

    #[test]
    fn ids_of_containers() {
        let old = r#"{"status":"start","id":"5f0c2b9e7d1a","from":"redis:7","time":1790000000}"#;
        assert_eq!(container(observe, old).as_deref(), Some("5f0c2b9e7d1a"));
        let pull = r#"{"Type":"image","Action":"pull","Actor":{"ID":"acme/web:2"}}"#;
        assert_eq!(container(observe, pull), None);
        let prune = r#"{"Type":"container","Action":"prune","Actor":{"ID":""}}"#;
        assert_eq!(container(observe, prune), None);
    }

    #[rstest::rstest]
    #[case::network(r#"{"Type":"network","Action":"connect","Actor":{"ID":"$ID","Attributes":{"container":"$ID"}}}"#)]
    #[case::volume(r#"{"Type":"volume","Action":"mount","Actor":{"ID":"v"}}"#)]
    #[case::daemon(r#"{"Type":"daemon","Action":"reload","Actor":{"ID":"d"}}"#)]
    #[case::swarm(r#"{"Type":"service","Action":"update","Actor":{"ID":"s"},"scope":"swarm"}"#)]
    #[case::no_action(r#"{"Type":"container","Actor":{"ID":"$ID"}}"#)]
    #[case::no_id(r#"{"Type":"container","Action":"start"}"#)]
    #[case::type_is_a_number(r#"{"Type":1,"status":"start","id":"$ID","from":"a","time":1}"#)]
    #[case::a_status(r#"{"status":"ok","id":"7","from":"me","time":1}"#)]
    #[case::a_mail(r#"{"status":"copy","id":"7","from":"a@b.example"}"#)]
    #[case::status_of_an_object(r#"{"status":{"phase":"Running"},"id":"7"}"#)]
    #[case::empty("{}")]
    fn other_records(#[case] record: &str) {
        assert_eq!(event(record), None);
    }

    #[rstest::rstest]
    #[case("sha256:$ID", true)]
    #[case("$ID", true)]
    #[case("sha256:abc", false)]
    #[case("sha512:$ID", false)]
    #[case("nginx", false)]
    #[case("", false)]
    fn ids(#[case] image: &str, #[case] expected: bool) {
        assert_eq!(is_image_id(image.replace("$ID", ID).as_bytes()), expected);
    }
}
