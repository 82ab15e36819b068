//! Tetragon events, as its agent exports them.
//!
//! `GetEventsResponse` of [tetragon.proto](https://github.com/cilium/tetragon/blob/main/api/v1/tetragon/tetragon.proto)
//! in protobuf's JSON with the names of the schema: one member named after the kind of event holds the process, with
//! its pod or at least the id of its container; members without a value are left out. Processes of the host have
//! neither.
//!
//! The first process of a container ends with it: the one with the number 1 in the container. Where a pod's containers
//! share their processes, or those of the node, no process of a container has that number, and nothing is said.
//! `status` is its exit status and left out when zero, as for a process that a signal has ended.
//!
//! Connections are in calls of the kernel that a [tracing policy] watches, with the socket among the arguments: its source
//! is the pod's address, its cookie is the same as long as it lives. A call to send says what it sends, and no sum. Of a
//! socket that closes or sends it is not said who began: one whose own port is the lower has accepted. Old versions have
//! events of their own for connections, with sums at the end.
//!
//! [tracing policy]: https://github.com/cilium/tetragon/blob/main/examples/tracingpolicy/tcp-connect.yaml

use std::sync::LazyLock;

use super::docker::by_id;
use super::keys::{
    TETRAGON_CLOSE, TETRAGON_CLUSTER as CLUSTER, TETRAGON_CONNECT, TETRAGON_EXEC, TETRAGON_EXIT, TETRAGON_KPROBE,
    TETRAGON_LISTEN, TETRAGON_LOADER, TETRAGON_LSM, TETRAGON_NODE as NODE, TETRAGON_TRACEPOINT, TETRAGON_UPROBE, TIME,
};
use super::network::{self, Layout, NOWHERE};
use super::{Digest, Fact, Image, Observation, Observations, Progress, Reader, Source, Workload, address, bare, owner};
use crate::record::{Fields, Key, Shape, keys};
use crate::time::Time;

/// The kinds of events, and what they are called here.
const KINDS: [(Key, &str); 10] = [
    (TETRAGON_EXEC, "process.exec"),
    (TETRAGON_EXIT, "process.exit"),
    (TETRAGON_KPROBE, "process.kprobe"),
    (TETRAGON_TRACEPOINT, "process.tracepoint"),
    (TETRAGON_UPROBE, "process.uprobe"),
    (TETRAGON_LOADER, "process.loader"),
    (TETRAGON_LSM, "process.lsm"),
    (TETRAGON_CONNECT, "flow.begin"),
    (TETRAGON_LISTEN, "network.listen"),
    (TETRAGON_CLOSE, "flow.end"),
];

keys! {
    /// What is read of an event.
    EVENT_KEYS {
        FUNCTION = "/function_name",
        CONTAINER_ID = "/process/docker",
        NAMESPACE = "/process/pod/namespace",
        POD = "/process/pod/name",
        OWNER = "/process/pod/workload",
        OWNER_KIND = "/process/pod/workload_kind",
        CONTAINER = "/process/pod/container/name",
        IMAGE = "/process/pod/container/image/name",
        IMAGE_ID = "/process/pod/container/image/id",
        POD_CONTAINER_ID = "/process/pod/container/id",
        POD_CONTAINER_PID = "/process/pod/container/pid",
        EXIT_STATUS = "/status",
        EXIT_SIGNAL = "/signal",
        SOCKET = "/args/*/sock_arg",
        LENGTH = "/args/*/int_arg",
        SIZE = "/args/*/size_arg",
        OLD_SOURCE = "/source_ip",
        OLD_SOURCE_PORT = "/source_port",
        OLD_DESTINATION = "/destination_ip",
        OLD_DESTINATION_PORT = "/destination_port",
        OLD_PROTOCOL = "/protocol",
        OLD_SENT = "/stats/bytes_sent",
        OLD_RECEIVED = "/stats/bytes_received",
    }
}

keys! {
    /// What is read of a socket.
    SOCKET_KEYS {
        SOCKET_COOKIE = "/cookie",
        SOCKET_SOURCE = "/saddr",
        SOCKET_SOURCE_PORT = "/sport",
        SOCKET_DESTINATION = "/daddr",
        SOCKET_DESTINATION_PORT = "/dport",
        SOCKET_PROTOCOL = "/protocol",
    }
}

static SOCKET_SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(SOCKET_KEYS));

const OF_SOCKET: Layout = Layout {
    id: &[SOCKET_COOKIE],
    source: &[SOCKET_SOURCE],
    source_port: &[SOCKET_SOURCE_PORT],
    destination: &[SOCKET_DESTINATION],
    destination_port: &[SOCKET_DESTINATION_PORT],
    protocol: &[SOCKET_PROTOCOL],
    ..NOWHERE
};

const OF_EVENT: Layout = Layout {
    source: &[OLD_SOURCE],
    source_port: &[OLD_SOURCE_PORT],
    destination: &[OLD_DESTINATION],
    destination_port: &[OLD_DESTINATION_PORT],
    protocol: &[OLD_PROTOCOL],
    sent: &[OLD_SENT],
    received: &[OLD_RECEIVED],
    ..NOWHERE
};

/// The calls of the kernel that say something of a connection.
const CALLS: &[(&str, Progress)] =
    &[("tcp_connect", Progress::Begun), ("tcp_sendmsg", Progress::Established), ("tcp_close", Progress::Ended)];

static EVENT: LazyLock<Shape> = LazyLock::new(|| Shape::new(EVENT_KEYS));

/// Reads an event of a process in a container.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    if !fields.has(NODE) {
        return None;
    }
    let &(key, mut kind) = KINDS.iter().find(|(key, _)| fields.has(*key))?;
    let event = reader.object(&EVENT, fields.get(key)?.raw())?;
    let text = |key| event.text(key).filter(|text| !text.is_empty());
    let pod = text(POD);
    let workload = match (text(OWNER), &pod, text(CONTAINER_ID)) {
        (Some(name), _, _) => {
            Workload { kind: text(OWNER_KIND).unwrap_or_else(|| "-".into()), name, ..Workload::default() }
        }
        (None, Some(pod), _) => {
            let (kind, name) = owner::of_pod(pod);
            Workload { kind, name, ..Workload::default() }
        }
        (None, None, Some(id)) => by_id(&id),
        (None, None, None) => return None,
    };
    let unknown = || "-".into();
    let cluster = fields.text(CLUSTER).filter(|cluster| !cluster.is_empty()).unwrap_or_else(unknown);
    let workload = Workload { cluster, namespace: text(NAMESPACE).unwrap_or_else(unknown), ..workload };
    let digest = text(IMAGE_ID).and_then(|id| Digest::parse(&id));
    let image = text(IMAGE).map(|reference| Image { reference, digest, container: text(CONTAINER) });
    let time = fields.text(TIME).and_then(|time| Time::parse(time.as_bytes()));
    let images = image.into_iter().collect();
    let container = text(POD_CONTAINER_ID).and_then(|id| bare(&id)).or_else(|| text(CONTAINER_ID));
    let is_first = event.get(POD_CONTAINER_PID).is_some_and(|pid| pid.integer() == Some(1));
    let mut facts = if key == TETRAGON_EXIT && is_first && container.is_some() {
        let status = || event.get(EXIT_STATUS).map_or(Some(0), |status| status.integer());
        vec![Fact::Exited { code: if text(EXIT_SIGNAL).is_some() { None } else { status() } }]
    } else {
        Vec::new()
    };
    let call = text(FUNCTION).filter(|_| key == TETRAGON_KPROBE);
    let call = call.and_then(|call| CALLS.iter().find(|(name, _)| call == *name)).map(|(_, progress)| *progress);
    let connection = if let Some(progress) = call {
        let sizes = event.each(LENGTH).chain(event.each(SIZE));
        let sent = sizes.filter_map(|(_, size)| network::amount(size)).next();
        let socket = event.each(SOCKET).next().map(|(_, socket)| socket.raw());
        let socket = socket.and_then(|socket| reader.object(&SOCKET_SHAPE, socket));
        socket.map(|socket| OF_SOCKET.read(&socket)).map(|mut connection| {
            connection.flow.progress = progress;
            connection.flow.sent = sent.filter(|_| progress == Progress::Established).map(|bytes| bytes as u64);
            connection
        })
    } else if key == TETRAGON_CONNECT || key == TETRAGON_CLOSE {
        let mut connection = OF_EVENT.read(&event);
        if key == TETRAGON_CLOSE {
            connection.flow.progress = Progress::Ended;
        }
        Some(connection)
    } else {
        None
    };
    if let Some(progress) = call {
        kind = network::kind(progress);
    }
    let mut address = None;
    if let Some(connection) = connection {
        address = address::own(connection.source);
        let is_ours = connection.flow.progress == Progress::Begun || !connection.is_answer();
        if is_ours && connection.flow.address.is_some() {
            facts.push(Fact::Flow(connection.flow));
        }
    }
    let observation = Observation::new(Source::Tetragon, kind, workload);
    Some(vec![Observation { time, container, address, images, facts, ..observation }])
}

#[cfg(test)]
mod tests {
    use super::super::docker::testing::{addresses, container, observed};
    use super::*;

    fn event(kind: &str, event: &str) -> Option<Vec<String>> {
        let record =
            format!(r#"{{"{kind}":{event},"node_name":"n1","time":"2026-09-21T14:13:20.5Z","cluster_name":"c1"}}"#);
        observed(observe, &record)
    }

    #[rstest::rstest]
    #[case::exec("process_exec", "", "process.exec")]
    #[case::exit("process_exit", "", "process.exit")]
    #[case::kprobe("process_kprobe", r#","function_name":"fd_install""#, "process.kprobe")]
    #[case::connect("process_kprobe", r#","function_name":"tcp_connect""#, "flow.begin")]
    #[case::not_a_kprobe("process_uprobe", r#","function_name":"tcp_connect""#, "process.uprobe")]
    #[case::tracepoint("process_tracepoint", r#","subsys":"raw_syscalls""#, "process.tracepoint")]
    #[case::loader("process_loader", r#","path":"/lib/x.so""#, "process.loader")]
    #[case::lsm("process_lsm", r#","function_name":null"#, "process.lsm")]
    #[case::old_connect("process_connect", r#","destination_port":80"#, "flow.begin")]
    #[case::old_listen("process_listen", "", "network.listen")]
    #[case::old_close("process_close", "", "flow.end")]
    fn kinds(#[case] name: &str, #[case] rest: &str, #[case] kind: &str) {
        let expected = format!("tetragon {kind} 1790000000.500000000 c1/-/container/5f0c2b9e7d1a");
        let body = format!(r#"{{"process":{{"pid":7,"docker":"5f0c2b9e7d1a4c3"}},"parent":{{"docker":"77"}}{rest}}}"#);
        assert_eq!(event(name, &body), Some(vec![expected]));
    }

    #[rstest::rstest]
    #[case::workload(
        r#"{"namespace":"shop","name":"web-6d4cf56db6-x7k2p","container":{"id":"containerd://5f0c","name":"app",
            "image":{"id":"ghcr.io/acme/web@sha256:22","name":"ghcr.io/acme/web:2"}},"workload":"web",
            "workload_kind":"Deployment"}"#,
        "shop/Deployment/web | ghcr.io/acme/web:2 (app) manifest sha256:22"
    )]
    #[case::image_id(
        r#"{"namespace":"shop","container":{"image":{"id":"sha256:33","name":"acme/web"}},"workload":"web",
            "workload_kind":"Pod"}"#,
        "shop/Pod/web | acme/web id sha256:33"
    )]
    #[case::no_kind(r#"{"workload":"web"}"#, "-/-/web")]
    #[case::pod_alone(
        r#"{"namespace":"shop","name":"web-6d4cf56db6-x7k2p","container":{"name":"app","image":{"name":"acme/web"}}}"#,
        "shop/$WEB | acme/web (app)"
    )]
    #[case::no_container(r#"{"namespace":"shop","name":"web-6d4cf56db6-x7k2p"}"#, "shop/$WEB")]
    #[case::escapes(
        r#"{"namespace":"sh\u006fp","workload":"w\"","workload_kind":"Job","container":{"image":{"name":"a\/b"}}}"#,
        "shop/Job/w\" | a/b"
    )]
    #[case::wrong_types(
        r#"{"namespace":1,"name":null,"workload":"web","workload_kind":{},"container":{"name":[],"image":{"id":7,
            "name":"a"}}}"#,
        "-/-/web | a"
    )]
    #[case::image_is_text(r#"{"workload":"web","workload_kind":"Pod","container":{"image":"a"}}"#, "-/Pod/web")]
    #[case::null(r#"null"#, "-/container/5f0c2b9e7d1a")]
    fn pods(#[case] pod: &str, #[case] expected: &str) {
        let (kind, name) = owner::of_pod(&"web-6d4cf56db6-x7k2p".into());
        let expected = expected.replace("$WEB", &format!("{kind}/{name}"));
        let expected = format!("tetragon process.exec 1790000000.500000000 c1/{expected}");
        let body = format!(r#"{{"process":{{"pod":{pod},"docker":"5f0c2b9e7d1a4c3"}}}}"#);
        assert_eq!(event("process_exec", &body), Some(vec![expected]));
    }

    #[rstest::rstest]
    #[case::failed("process_exit", r#"{"id":"containerd://5f0c","pid":1}"#, r#","status":3"#, " | exited 3")]
    #[case::as_text("process_exit", r#"{"id":"containerd://5f0c","pid":"1"}"#, r#","status":"3""#, " | exited 3")]
    #[case::ended("process_exit", r#"{"id":"containerd://5f0c","pid":1}"#, "", " | exited 0")]
    #[case::killed("process_exit", r#"{"id":"containerd://5f0c","pid":1}"#, r#","signal":"SIGKILL""#, " | exited")]
    #[case::absurd("process_exit", r#"{"id":"containerd://5f0c","pid":1}"#, r#","status":1e9"#, " | exited")]
    #[case::another_process("process_exit", r#"{"id":"containerd://5f0c","pid":17}"#, r#","status":3"#, "")]
    #[case::no_number("process_exit", r#"{"id":"containerd://5f0c"}"#, r#","status":3"#, "")]
    #[case::exec("process_exec", r#"{"id":"containerd://5f0c","pid":1}"#, "", "")]
    fn ends_of_containers(#[case] kind: &str, #[case] container: &str, #[case] rest: &str, #[case] expected: &str) {
        let body = format!(
            r#"{{"process":{{"pid":4242,"pod":{{"workload":"web","workload_kind":"Pod","container":{container}}}}}{rest}}}"#
        );
        let line = event(kind, &body).unwrap().remove(0);
        assert_eq!(line.split_once("-/Pod/web").unwrap().1, expected);
    }

    const SOCK: &str = r#"{"sock_arg":{"family":"AF_INET","type":"SOCK_STREAM","protocol":"IPPROTO_TCP","saddr":"10.1.0.60",
        "daddr":"203.0.113.9","sport":49175,"dport":443,"cookie":"18446623362","state":"TCP_SYN_SENT"}}"#;

    #[rstest::rstest]
    #[case::connect("tcp_connect", "", "flow.begin WEB | flow 203.0.113.9:443/tcp Begun id 18446623362")]
    #[case::close("tcp_close", "", "flow.end WEB | flow 203.0.113.9:443/tcp Ended id 18446623362")]
    #[case::send(
        "tcp_sendmsg",
        r#",{"int_arg":517}"#,
        "flow.update WEB | flow 203.0.113.9:443/tcp Established sent 517 id 18446623362"
    )]
    #[case::send_a_size(
        "tcp_sendmsg",
        r#",{"size_arg":"517"}"#,
        "flow.update WEB | flow 203.0.113.9:443/tcp Established sent 517 id 18446623362"
    )]
    #[case::send_less_than_nothing(
        "tcp_sendmsg",
        r#",{"int_arg":-1}"#,
        "flow.update WEB | flow 203.0.113.9:443/tcp Established id 18446623362"
    )]
    #[case::another_call("tcp_v4_rcv", "", "process.kprobe WEB")]
    fn calls(#[case] function: &str, #[case] rest: &str, #[case] expected: &str) {
        let record = format!(
            r#"{{"process_kprobe":{{"process":{{"binary":"/usr/bin/curl","pod":{{"workload":"web","workload_kind":"Pod"}}}},
                "function_name":"{function}","args":[{SOCK}{rest}],"action":"KPROBE_ACTION_POST"}},"node_name":"n1"}}"#
        );
        let line = observed(observe, &record).unwrap().remove(0);
        assert_eq!(line.replace("- -/-/Pod/web", "WEB"), format!("tetragon {expected}"));
        let has_flow = line.contains("flow ");
        assert_eq!(addresses(observe, &record), if has_flow { vec!["10.1.0.60"] } else { vec![] });
    }

    #[test]
    fn a_socket_that_has_accepted() {
        let record = format!(
            r#"{{"process_kprobe":{{"process":{{"docker":"5f0c"}},"function_name":"tcp_close","args":[{SOCK}]}},
                "node_name":"n1"}}"#
        );
        let record = record.replace("49175", "80").replace("443", "55000");
        assert_eq!(observed(observe, &record).unwrap(), ["tetragon flow.end - -/-/container/5f0c"]);
        assert_eq!(addresses(observe, &record), ["10.1.0.60"]);
    }

    #[rstest::rstest]
    #[case::connect("process_connect", "", "flow.begin", " | flow 203.0.113.9:443/tcp Begun")]
    #[case::close(
        "process_close",
        r#","stats":{"bytes_sent":"78","bytes_received":"15221","segs_in":14}"#,
        "flow.end",
        " | flow 203.0.113.9:443/tcp Ended sent 78 received 15221"
    )]
    #[case::no_address("process_connect", r#","destination_ip":"""#, "flow.begin", "")]
    fn old_events(#[case] kind: &str, #[case] rest: &str, #[case] called: &str, #[case] expected: &str) {
        let body = format!(
            r#"{{"process":{{"docker":"5f0c"}},"source_ip":"10.1.0.60","source_port":49175,
                "destination_ip":"203.0.113.9","destination_port":443,"protocol":"TCP"{rest}}}"#
        );
        let expected = format!("tetragon {called} 1790000000.500000000 c1/-/container/5f0c{expected}");
        assert_eq!(event(kind, &body).unwrap(), [expected]);
    }

    #[test]
    fn ids_of_containers() {
        let record = r#"{"process_exec":{"process":{"docker":"5f0c2b9e7d1a4c3","pod":{"name":"p","container":
            {"id":"cri-o://5f0c2b9e7d1a4c3f8b6e"}}}},"node_name":"n1"}"#;
        assert_eq!(container(observe, record).as_deref(), Some("5f0c2b9e7d1a4c3f8b6e"));
        assert_eq!(
            container(observe, &record.replace("cri-o://5f0c2b9e7d1a4c3f8b6e", "")).as_deref(),
            Some("5f0c2b9e7d1a4c3")
        );
    }

    #[test]
    fn no_cluster_and_no_time() {
        let record = r#"{"process_exec":{"process":{"docker":"5f0c"}},"node_name":"n1"}"#;
        assert_eq!(observed(observe, record).unwrap(), ["tetragon process.exec - -/-/container/5f0c"]);
    }

    #[rstest::rstest]
    #[case::host(r#"{"process_exec":{"process":{"pid":7,"binary":"/usr/bin/runc"}},"node_name":"n1"}"#)]
    #[case::parent_only(r#"{"process_exec":{"process":{"pid":7},"parent":{"docker":"5f0c"}},"node_name":"n1"}"#)]
    #[case::no_process(r#"{"process_exec":{},"node_name":"n1"}"#)]
    #[case::not_an_object(r#"{"process_exec":"x","node_name":"n1"}"#)]
    #[case::null(r#"{"process_exec":null,"node_name":"n1"}"#)]
    #[case::no_node(r#"{"process_exec":{"process":{"docker":"5f0c"}}}"#)]
    #[case::flow(r#"{"flow":{"verdict":"FORWARDED"},"node_name":"n1"}"#)]
    fn other_records(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
