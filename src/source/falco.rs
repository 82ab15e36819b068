//! Falco alerts.
//!
//! The members are those of
//! [formats.cpp](https://github.com/falcosecurity/falco/blob/master/userspace/engine/formats.cpp); `output_fields` has
//! the fields that the rule's output names, under their dotted names, each of which may be missing, `null` or `<NA>`.
//! The id of a container is `host` for what runs outside of any. An alert says what its rule's author makes of an event,
//! nothing of restarts.
//!
//! An alert about a system call that connects or sends says where to, in `fd.name` as `client:port->server:port`, and
//! in parts where the rule names those.

use std::sync::LazyLock;

use super::docker::{by_id, is_image_id, unnamed};
use super::keys::{FALCO_FIELDS as OUTPUT_FIELDS, FALCO_PRIORITY as PRIORITY, FALCO_RULE as RULE, TIME};
use super::network::{self, Connection, Layout};
use super::{Digest, Fact, Image, Observation, Observations, Reader, Source, Workload, address, owner};
use crate::record::{Fields, Shape, Text, keys};
use crate::time::Time;

keys! {
    /// The output fields that tell the container.
    OUTPUT_KEYS {
        ID = "/container.id",
        NAME = "/container.name",
        REPOSITORY = "/container.image.repository",
        TAG = "/container.image.tag",
        DIGEST = "/container.image.digest",
        IMAGE = "/container.image",
        NAMESPACE = "/k8s.ns.name",
        POD = "/k8s.pod.name",
        EVENT_TIME = "/evt.time",
        EVENT_TYPE = "/evt.type",
        CONTAINER_IP = "/container.ip",
        POD_IP = "/k8s.pod.ip",
        ENDS = "/fd.name",
        LOCAL = "/fd.lip",
        CLIENT = "/fd.cip",
        LOCAL_PORT = "/fd.lport",
        CLIENT_PORT = "/fd.cport",
        REMOTE = "/fd.rip",
        SERVER = "/fd.sip",
        REMOTE_PORT = "/fd.rport",
        SERVER_PORT = "/fd.sport",
        PROTOCOL = "/fd.l4proto",
    }
}

static OUTPUT: LazyLock<Shape> = LazyLock::new(|| Shape::new(OUTPUT_KEYS));

const CONNECTION: Layout = Layout {
    source: &[LOCAL, CLIENT],
    source_port: &[LOCAL_PORT, CLIENT_PORT],
    destination: &[REMOTE, SERVER],
    destination_port: &[REMOTE_PORT, SERVER_PORT],
    protocol: &[PROTOCOL],
    ..network::NOWHERE
};

/// The system calls that begin a connection, or may.
const CALLS: [&str; 4] = ["connect", "sendto", "sendmsg", "sendmmsg"];

/// Reads an alert about a container; none when it is about the host.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    if !fields.has(OUTPUT_FIELDS) || !fields.has(RULE) || !fields.has(PRIORITY) {
        return None;
    }
    let output = reader.object(&OUTPUT, fields.get(OUTPUT_FIELDS)?.raw())?;
    let field = |key| output.text(key).filter(|text| !text.is_empty() && *text != "<NA>");
    let id = field(ID);
    if id.as_ref().is_some_and(|id| *id == "host") {
        return None;
    }
    let (name, pod, reference) = (field(NAME), field(POD), reference(field(REPOSITORY), field(TAG), field(IMAGE)));
    if id.is_none() && name.is_none() && pod.is_none() && reference.is_none() {
        return None;
    }
    let namespace = field(NAMESPACE).unwrap_or_else(|| "-".into());
    let container = id.clone();
    let workload = match (pod, &name, id) {
        (Some(pod), _, _) => {
            let (kind, name) = owner::of_pod(&pod);
            Workload { namespace, kind, name, ..Workload::default() }
        }
        (None, Some(name), _) => Workload { namespace, name: name.clone(), ..unnamed() },
        (None, None, Some(id)) => Workload { namespace, ..by_id(&id) },
        (None, None, None) => Workload { namespace, ..unnamed() },
    };
    let digest = field(DIGEST).filter(|digest| digest.as_bytes().starts_with(b"sha256:")).map(Digest::Manifest);
    let images = reference.map(|reference| Image { reference, digest, container: name }).into_iter().collect();
    let time = fields.text(TIME).and_then(|time| Time::parse(time.as_bytes()));
    let time = time.or_else(|| output.get(EVENT_TIME)?.integer().map(Time::from_nanos));
    let connection = connection(&output).map(|mut connection| {
        connection.flow.alert = fields.text(RULE);
        connection
    });
    let own = network::first(&output, &[CONTAINER_IP, POD_IP], network::ip);
    let address = address::own(own.or_else(|| connection.as_ref().and_then(|connection| connection.source)));
    let facts = connection.map(|connection| Fact::Flow(connection.flow)).into_iter().collect();
    let observation = Observation::new(Source::Falco, "alert", workload);
    Some(vec![Observation { time, container, address, images, facts, ..observation }])
}

/// The connection that an alert is about, where the container began it.
fn connection<'a>(output: &Fields<'a, '_>) -> Option<Connection<'a>> {
    if output.text(EVENT_TYPE).is_some_and(|call| !CALLS.iter().any(|known| call == *known)) {
        return None;
    }
    let mut connection = CONNECTION.read(output);
    if let Some(ends) = output.text(ENDS)
        && let Some(arrow) = ends.as_bytes().windows(2).position(|pair| pair == b"->")
    {
        let (client, server) = ends.as_bytes().split_at_checked(arrow)?;
        if let (Some(client), Some(server)) = (end(client), end(server.get(2..)?)) {
            (connection.source, connection.flow.local_port) = (Some(client.0), client.1);
            (connection.flow.address, connection.flow.port) = (Some(server.0), server.1);
        }
    }
    // Servers send as well.
    let is_known = output.text(EVENT_TYPE).is_some_and(|call| call == "connect");
    (connection.flow.address.is_some() && (is_known || !connection.is_answer())).then_some(connection)
}

/// An address and a port behind a colon, in IPv6 as well.
fn end(text: &[u8]) -> Option<(std::net::IpAddr, u16)> {
    let (address, port) = text.split_at_checked(text.iter().rposition(|&byte| byte == b':')?)?;
    Some((address::parse(address)?, std::str::from_utf8(port.get(1..)?).ok()?.parse().ok()?))
}

/// The image as repository and tag, else as it was given when the container was made.
fn reference<'a>(repository: Option<Text<'a>>, tag: Option<Text<'a>>, image: Option<Text<'a>>) -> Option<Text<'a>> {
    let reference = match (repository, tag) {
        (Some(repository), Some(tag)) => Text::from([repository.as_bytes(), b":", tag.as_bytes()].concat()),
        (Some(repository), None) => repository,
        (None, _) => image?,
    };
    (!is_image_id(reference.as_bytes())).then_some(reference)
}

#[cfg(test)]
mod tests {
    use super::super::docker::testing::{addresses, container, observed};
    use super::*;

    const HEX: &str = "5f0c2b9e7d1a4c3f8b6e9d0a1c2b3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e";

    fn alert(output_fields: &str) -> Option<Vec<String>> {
        let output_fields = output_fields.replace("$HEX", HEX);
        let record = format!(
            r#"{{"hostname":"n1","output":"x","priority":"Notice","rule":"Shell","source":"syscall","tags":["a"],
                "output_fields":{output_fields},"time":"2026-09-21T14:13:20.5Z"}}"#
        );
        observed(observe, &record)
    }

    /// The kind and name of the owner of the pod in the cases.
    fn web() -> String {
        let (kind, name) = owner::of_pod(&"web-6d4cf56db6-x7k2p".into());
        format!("{kind}/{name}")
    }

    #[rstest::rstest]
    #[case::pod(
        r#"{"container.id":"5f0c2b9e7d1a","container.name":"app","container.image.repository":"ghcr.io/acme/web",
            "container.image.tag":"2","container.image.digest":"sha256:22","k8s.ns.name":"shop",
            "k8s.pod.name":"web-6d4cf56db6-x7k2p","evt.time":5}"#,
        "shop/$WEB | ghcr.io/acme/web:2 (app) manifest sha256:22"
    )]
    #[case::docker(
        r#"{"container.id":"5f0c2b9e7d1a","container.name":"app","container.image.repository":"acme/web",
            "container.image.tag":null,"container.image.digest":"<NA>","k8s.ns.name":"<NA>","k8s.pod.name":null}"#,
        "-/container/app | acme/web (app)"
    )]
    #[case::unknown(
        r#"{"container.id":"5f0c2b9e7d1a","container.name":"<NA>","container.image.repository":"<NA>",
            "container.image.tag":"<NA>"}"#,
        "-/container/5f0c2b9e7d1a"
    )]
    #[case::long_id(r#"{"container.id":"$HEX"}"#, "-/container/5f0c2b9e7d1a")]
    #[case::full_image(r#"{"container.image":"acme/web:1"}"#, "-/container/- | acme/web:1")]
    #[case::by_id(
        r#"{"container.id":"a","container.image.repository":"sha256","container.image.tag":"$HEX"}"#,
        "-/container/a"
    )]
    #[case::port(
        r#"{"container.name":"app","container.image.repository":"r.example:5000/web","container.image.tag":"1"}"#,
        "-/container/app | r.example:5000/web:1 (app)"
    )]
    #[case::escapes(
        r#"{"container.name":"a\"\u00e9","container.image.repository":"x\/y"}"#,
        "-/container/a\"é | x/y (a\"é)"
    )]
    #[case::wrong_types(
        r#"{"container.id":7,"container.name":"app","container.image.repository":["a"],"k8s.pod.name":{}}"#,
        "-/container/app"
    )]
    fn alerts(#[case] output_fields: &str, #[case] expected: &str) {
        let expected = format!("falco alert 1790000000.500000000 -/{}", expected.replace("$WEB", &web()));
        assert_eq!(alert(output_fields), Some(vec![expected]));
    }

    #[test]
    fn ids_of_containers() {
        let alert = |id: &str| {
            format!(r#"{{"priority":"Notice","rule":"Shell","output_fields":{{"container.name":"app"{id}}}}}"#)
        };
        assert_eq!(container(observe, &alert(r#","container.id":"5f0c2b9e7d1a""#)).as_deref(), Some("5f0c2b9e7d1a"));
        assert_eq!(container(observe, &alert(r#","container.id":"<NA>""#)), None);
        assert_eq!(container(observe, &alert("")), None);
    }

    #[rstest::rstest]
    #[case::ends(
        r#""evt.type":"connect","fd.name":"10.1.0.60:41554->203.0.113.9:443","fd.l4proto":"tcp","fd.rport":443"#,
        &["10.1.0.60"],
        " | flow 203.0.113.9:443/tcp Begun alert Shell"
    )]
    #[case::ends_of_ipv6(
        r#""evt.type":"connect","fd.name":"2001:db8::60:41554->2001:db8::9:443","fd.l4proto":"tcp""#,
        &["2001:db8::60"],
        " | flow 2001:db8::9:443/tcp Begun alert Shell"
    )]
    #[case::parts(
        r#""evt.type":"sendto","fd.rip":"203.0.113.9","fd.rport":"123","fd.lip":"10.1.0.60","fd.lport":5000,
            "fd.l4proto":"udp","fd.name":"<NA>""#,
        &["10.1.0.60"],
        " | flow 203.0.113.9:123/udp Begun alert Shell"
    )]
    #[case::server(
        r#""evt.type":"connect","fd.sip":"203.0.113.9","fd.sport":443,"fd.l4proto":"tcp","container.ip":"10.1.0.61""#,
        &["10.1.0.61"],
        " | flow 203.0.113.9:443/tcp Begun alert Shell"
    )]
    #[case::no_call(
        r#""fd.name":"10.1.0.60:41554->203.0.113.9:443""#,
        &["10.1.0.60"],
        " | flow 203.0.113.9:443/other Begun alert Shell"
    )]
    #[case::server_sends(r#""evt.type":"sendto","fd.name":"10.1.0.60:53->203.0.113.9:4000","fd.l4proto":"udp""#, &[], "")]
    #[case::accepted(r#""evt.type":"accept4","fd.name":"203.0.113.9:4000->10.1.0.60:80","fd.l4proto":"tcp""#, &[], "")]
    #[case::file(r#""evt.type":"openat","fd.name":"/etc/passwd","k8s.pod.ip":"10.1.0.60""#, &["10.1.0.60"], "")]
    #[case::absurd(r#""evt.type":"connect","fd.name":"a->b:99999->:","fd.rip":7,"fd.sport":-1"#, &[], "")]
    fn connections(#[case] output_fields: &str, #[case] own: &[&str], #[case] expected: &str) {
        let output_fields = format!(r#"{{"container.id":"5f0c2b9e7d1a",{output_fields}}}"#);
        let expected = format!("falco alert 1790000000.500000000 -/-/container/5f0c2b9e7d1a{expected}");
        assert_eq!(alert(&output_fields).unwrap(), [expected]);
        let record = format!(r#"{{"priority":"Notice","rule":"Shell","output_fields":{output_fields}}}"#);
        assert_eq!(addresses(observe, &record), own);
    }

    #[test]
    fn time_of_the_event() {
        let record = r#"{"priority":"Notice","rule":"Shell","output_fields":{"container.id":"a",
            "evt.time":1790000000000000007}}"#;
        assert_eq!(observed(observe, record).unwrap(), ["falco alert 1790000000.000000007 -/-/container/a"]);
    }

    #[rstest::rstest]
    #[case::host(r#"{"container.id":"host","container.name":"host","container.image.repository":null}"#)]
    #[case::empty(r#"{"container.id":"","container.name":null}"#)]
    #[case::none(r#"{"proc.name":"sh"}"#)]
    #[case::not_an_object(r#""container.id""#)]
    fn alerts_about_the_host(#[case] output_fields: &str) {
        assert_eq!(alert(output_fields), None);
    }

    #[rstest::rstest]
    #[case::no_rule(r#"{"priority":"Notice","output_fields":{"container.id":"a"}}"#)]
    #[case::no_priority(r#"{"rule":"Shell","output_fields":{"container.id":"a"}}"#)]
    #[case::no_fields(r#"{"rule":"Shell","priority":"Notice","container.id":"a"}"#)]
    fn other_records(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
