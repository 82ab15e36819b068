//! Flows of Cilium, as Hubble exports them.
//!
//! The members are those of [flow.proto] in protobuf's JSON with the names of the schema: numbers of 64 bits are text,
//! members without a value are left out. The [exporter] and `hubble observe --output jsonpb` write the flow under `flow`,
//! `--output json` once wrote it bare.
//!
//! A flow is one packet, seen at one point, and has neither bytes nor a duration. A connection begins with the packet that
//! has SYN and no ACK; of UDP and ICMP each packet is a flow until Cilium says that it knows the connection, so that the
//! flows of one five-tuple are one connection, as are the several points that see a packet. The `id` of a connection
//! here is that five-tuple: it comes again when its port is used again. Every other packet says whose address it has, and
//! nothing else.
//!
//! What the proxy of Cilium sees is said as well: names that are asked for, and the host of HTTP requests. Of answers the
//! pod is the destination. Hubble looks names up itself in what pods have asked for (`destination_names`).
//!
//! [flow.proto]: https://github.com/cilium/cilium/blob/main/api/v1/flow/flow.proto
//! [exporter]: https://docs.cilium.io/en/stable/observability/hubble/configuration/export/

use std::net::IpAddr;
use std::sync::LazyLock;

use super::keys::{FLOW, HUBBLE_ADDRESSES, HUBBLE_VERDICT};
use super::network::{self, Layout, NOWHERE};
use super::{Fact, Observation, Observations, Progress, Protocol, Reader, Source, Workload, address, owner};
use crate::record::{Fields, Key, Shape, Text, Value, keys};

keys! {
    /// What is read of a flow.
    FLOW_KEYS {
        TIME = "/time",
        VERDICT = "/verdict",
        SOURCE_ADDRESS = "/IP/source",
        DESTINATION_ADDRESS = "/IP/destination",
        TCP = "/l4/TCP",
        TCP_SOURCE = "/l4/TCP/source_port",
        TCP_DESTINATION = "/l4/TCP/destination_port",
        SYN = "/l4/TCP/flags/SYN",
        ACK = "/l4/TCP/flags/ACK",
        UDP = "/l4/UDP",
        UDP_SOURCE = "/l4/UDP/source_port",
        UDP_DESTINATION = "/l4/UDP/destination_port",
        ICMP4 = "/l4/ICMPv4",
        ICMP6 = "/l4/ICMPv6",
        DIRECTION = "/traffic_direction",
        IS_REPLY = "/is_reply",
        TRACE_REASON = "/trace_reason",
        NAMES = "/destination_names/*",
        SOURCE_CLUSTER = "/source/cluster_name",
        SOURCE_NAMESPACE = "/source/namespace",
        SOURCE_POD = "/source/pod_name",
        SOURCE_LABELS = "/source/labels/*",
        SOURCE_OWNER = "/source/workloads/*/name",
        SOURCE_OWNER_KIND = "/source/workloads/*/kind",
        DESTINATION_CLUSTER = "/destination/cluster_name",
        DESTINATION_NAMESPACE = "/destination/namespace",
        DESTINATION_POD = "/destination/pod_name",
        DESTINATION_LABELS = "/destination/labels/*",
        DESTINATION_OWNER = "/destination/workloads/*/name",
        DESTINATION_OWNER_KIND = "/destination/workloads/*/kind",
        L7_TYPE = "/l7/type",
        QUERY = "/l7/dns/query",
        QUERY_TYPE = "/l7/dns/qtypes/*",
        ANSWERS = "/l7/dns/ips/*",
        CODE = "/l7/dns/rcode",
        HTTP = "/l7/http",
        URL = "/l7/http/url",
        HEADER = "/l7/http/headers/*/key",
        HEADER_VALUE = "/l7/http/headers/*/value",
    }
}

static SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(FLOW_KEYS));

const CONNECTION: Layout = Layout {
    source: &[SOURCE_ADDRESS],
    source_port: &[TCP_SOURCE, UDP_SOURCE],
    destination: &[DESTINATION_ADDRESS],
    destination_port: &[TCP_DESTINATION, UDP_DESTINATION],
    ..NOWHERE
};

/// Where an end of a flow says whose it is.
struct End {
    cluster: Key,
    namespace: Key,
    pod: Key,
    labels: Key,
    owner: Key,
    owner_kind: Key,
}

const SOURCE: End = End {
    cluster: SOURCE_CLUSTER,
    namespace: SOURCE_NAMESPACE,
    pod: SOURCE_POD,
    labels: SOURCE_LABELS,
    owner: SOURCE_OWNER,
    owner_kind: SOURCE_OWNER_KIND,
};

const DESTINATION: End = End {
    cluster: DESTINATION_CLUSTER,
    namespace: DESTINATION_NAMESPACE,
    pod: DESTINATION_POD,
    labels: DESTINATION_LABELS,
    owner: DESTINATION_OWNER,
    owner_kind: DESTINATION_OWNER_KIND,
};

/// Reads a flow from a pod.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    let text = match fields.get(FLOW) {
        Some(flow) => flow.raw(),
        None if fields.has(HUBBLE_VERDICT) && fields.has(HUBBLE_ADDRESSES) => fields.record(),
        None => return None,
    };
    let flow = reader.object(&SHAPE, text)?;
    let verdict = flow.text(VERDICT)?;
    let mut connection = CONNECTION.read(&flow);
    connection.flow.protocol = protocol(&flow);
    let is = |key, what| network::is(&flow, key, what);
    let is_answer = is(L7_TYPE, "RESPONSE");
    let query = flow.text(QUERY);
    // An answer comes from the port of the server, whichever end Cilium takes for its source.
    let is_reversed = query.is_some() && is_answer && connection.flow.port != 53;
    let (whose, end) = if is_reversed { (connection.flow.address, DESTINATION) } else { (connection.source, SOURCE) };
    let address = address::own(whose);
    let workload = workload(&flow, &end, address)?;
    let (kind, fact) = if let Some(query) = query {
        let mut lookup = network::lookup(&query, flow.each(QUERY_TYPE).find_map(|(_, kind)| kind.text()))?;
        if is_answer {
            lookup.answers = network::answers(flow.each(ANSWERS));
            // No error is a number without a value.
            let code = flow.get(CODE).map_or(Some(Text::from("0")), network::word);
            lookup.not_found = code.and_then(|code| network::not_found(&code));
        }
        (network::lookup_kind(&lookup), Some(Fact::Lookup(lookup)))
    } else {
        let is_request = is(L7_TYPE, "REQUEST") && flow.has(HTTP);
        let begins = is_request || (!is_true(&flow, IS_REPLY) && begins(&flow, connection.flow.protocol));
        if begins && is(DIRECTION, "EGRESS") {
            if matches!(verdict.as_bytes(), b"DROPPED" | b"ERROR") {
                connection.flow.progress = Progress::Failed;
            }
            connection.flow.id = five_tuple(connection.source, &connection.flow);
            let looked_up = flow.each(NAMES).find_map(|(_, name)| name.text());
            for name in looked_up.into_iter().chain(host(&flow)) {
                connection.flow.name_by(&name, false);
            }
            connection.flow.service = is_request.then(|| "http".into());
            (network::kind(connection.flow.progress), Some(Fact::Flow(connection.flow)))
        } else {
            (network::kind(Progress::Established), None)
        }
    };
    let facts = fact.into_iter().collect();
    let time = flow.get(TIME).and_then(network::time);
    Some(vec![Observation { time, address, facts, ..Observation::new(Source::Hubble, kind, workload) }])
}

/// The protocol is the name of the object that holds its ports.
fn protocol(flow: &Fields<'_, '_>) -> Protocol {
    const PROTOCOLS: [(Key, Protocol); 4] =
        [(TCP, Protocol::Tcp), (UDP, Protocol::Udp), (ICMP4, Protocol::Icmp), (ICMP6, Protocol::Icmp)];
    PROTOCOLS.iter().find(|(key, _)| flow.has(*key)).map_or(Protocol::Other, |(_, protocol)| *protocol)
}

fn is_true(flow: &Fields<'_, '_>, key: Key) -> bool {
    flow.get(key).is_some_and(|value| value.raw() == b"true")
}

/// Whether the packet begins a connection.
fn begins(flow: &Fields<'_, '_>, protocol: Protocol) -> bool {
    match protocol {
        Protocol::Tcp => is_true(flow, SYN) && !is_true(flow, ACK),
        Protocol::Udp | Protocol::Icmp => {
            // What Cilium makes of the packet where it was traced: of packets that it drops there is nothing.
            flow.text(TRACE_REASON).is_none_or(|reason| matches!(reason.as_bytes(), b"NEW" | b"TRACE_REASON_UNKNOWN"))
        }
        Protocol::Other => false,
    }
}

/// Whose an end of the flow is; none when it is no pod's: the node's own, or something outside.
fn workload<'a>(flow: &Fields<'a, '_>, end: &End, address: Option<IpAddr>) -> Option<Workload<'a>> {
    let text = |key| flow.text(key).filter(|text| !text.is_empty());
    let mut workload = Workload::default();
    let owner = flow.each(end.owner).find_map(|(_, name)| name.text()).filter(|name| !name.is_empty());
    if let Some(name) = owner {
        workload.kind = flow.each(end.owner_kind).find_map(|(_, kind)| kind.text()).unwrap_or(workload.kind);
        workload.name = name;
    } else if let Some(pod) = text(end.pod) {
        (workload.kind, workload.name) = owner::of_pod(&pod);
    } else {
        // A pod from before Cilium, or one that it does not know yet, has an address and nothing else.
        let is_pod = |label: Value<'_>| label.text().is_some_and(|label| POD_LABELS.contains(&label.as_bytes()));
        if !flow.each(end.labels).all(|(_, label)| is_pod(label)) {
            return None;
        }
        (workload.kind, workload.name) = ("address".into(), address?.to_string().into());
    }
    workload.cluster = text(end.cluster).unwrap_or(workload.cluster);
    workload.namespace = text(end.namespace).unwrap_or(workload.namespace);
    Some(workload)
}

/// The [identities](https://docs.cilium.io/en/stable/gettingstarted/terminology/#special-identities) of pods that have
/// none of their own.
const POD_LABELS: [&[u8]; 2] = [b"reserved:unmanaged", b"reserved:init"];

fn five_tuple<'a>(source: Option<IpAddr>, flow: &super::Flow<'_>) -> Option<Text<'a>> {
    let (source, address, protocol) = (source?, flow.address?, flow.protocol.as_str());
    let id = format!("{source} {} {address} {} {protocol}", flow.local_port, flow.port);
    Some(id.into())
}

/// The host of an HTTP request: of its URL, or of its header.
fn host<'a>(flow: &Fields<'a, '_>) -> Option<Text<'a>> {
    let url = flow.text(URL).filter(|url| address::scheme(url.as_bytes()).is_some());
    url.or_else(|| {
        let mut values = flow.each(HEADER_VALUE).peekable();
        flow.each(HEADER).find_map(|(element, key)| {
            let value = owner::beside(&mut values, element);
            let is_host =
                key.text()?.as_bytes().eq_ignore_ascii_case(b"host") || key.text()?.as_bytes() == b":authority";
            if is_host { value?.text() } else { None }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::{addresses, observed};

    const WEB: &str = r#""cluster_name":"c1","namespace":"shop","labels":["k8s:app=web"],"pod_name":"web-6d4cf56db6-x7k2p",
        "workloads":[{"name":"web","kind":"Deployment"}]"#;

    /// A flow of the workload with these members beside the ends of it.
    fn flow(members: &str) -> String {
        format!(
            r#"{{"time":"2026-09-21T14:13:20.5Z","uuid":"u","IP":{{"source":"10.0.1.13","destination":"203.0.113.9"}},
                "source":{{"ID":1501,"identity":39459,{WEB}}},"destination":{{"identity":2,"labels":["reserved:world"]}},
                "Type":"L3_L4","node_name":"n1",{members}}}"#
        )
    }

    fn told(members: &str) -> String {
        let record = format!(r#"{{"flow":{},"node_name":"n1","time":"2026-09-21T14:13:21Z"}}"#, flow(members));
        let line = observed(observe, &record).unwrap().remove(0);
        line.replace("1790000000.500000000 c1/shop/Deployment/web", "WEB")
    }

    #[rstest::rstest]
    #[case::syn(
        r#""verdict":"FORWARDED","l4":{"TCP":{"source_port":44916,"destination_port":443,"flags":{"SYN":true}}},
            "traffic_direction":"EGRESS","is_reply":false,"destination_names":["c2.example."]"#,
        "hubble flow.begin WEB | flow 203.0.113.9:443/tcp (c2.example) Begun id 10.0.1.13 44916 203.0.113.9 443 tcp"
    )]
    #[case::ports_as_text(
        r#""verdict":"AUDIT","l4":{"TCP":{"source_port":"44916","destination_port":"443","flags":{"SYN":true}}},
            "traffic_direction":"EGRESS""#,
        "hubble flow.begin WEB | flow 203.0.113.9:443/tcp Begun id 10.0.1.13 44916 203.0.113.9 443 tcp"
    )]
    #[case::dropped(
        r#""verdict":"DROPPED","drop_reason_desc":"POLICY_DENIED","l4":{"TCP":{"source_port":1,"destination_port":443,
            "flags":{"SYN":true}}},"traffic_direction":"EGRESS""#,
        "hubble flow.fail WEB | flow 203.0.113.9:443/tcp Failed id 10.0.1.13 1 203.0.113.9 443 tcp"
    )]
    #[case::syn_ack(
        r#""verdict":"FORWARDED","l4":{"TCP":{"source_port":443,"destination_port":5,"flags":{"SYN":true,"ACK":true}}},
            "traffic_direction":"EGRESS""#,
        "hubble flow.update WEB"
    )]
    #[case::fin(
        r#""verdict":"FORWARDED","l4":{"TCP":{"source_port":5,"destination_port":443,"flags":{"FIN":true,"ACK":true}}},
            "traffic_direction":"EGRESS","is_reply":false"#,
        "hubble flow.update WEB"
    )]
    #[case::rst(
        r#""verdict":"FORWARDED","l4":{"TCP":{"source_port":5,"destination_port":443,"flags":{"RST":true}}},
            "traffic_direction":"EGRESS","is_reply":false"#,
        "hubble flow.update WEB"
    )]
    #[case::ingress(
        r#""verdict":"FORWARDED","l4":{"TCP":{"source_port":5,"destination_port":443,"flags":{"SYN":true}}},
            "traffic_direction":"INGRESS","is_reply":false"#,
        "hubble flow.update WEB"
    )]
    #[case::udp(
        r#""verdict":"FORWARDED","l4":{"UDP":{"source_port":5,"destination_port":123}},"traffic_direction":"EGRESS",
            "trace_reason":"NEW","is_reply":false"#,
        "hubble flow.begin WEB | flow 203.0.113.9:123/udp Begun id 10.0.1.13 5 203.0.113.9 123 udp"
    )]
    #[case::udp_of_a_known_connection(
        r#""verdict":"FORWARDED","l4":{"UDP":{"source_port":5,"destination_port":123}},"traffic_direction":"EGRESS",
            "trace_reason":"ESTABLISHED","is_reply":false"#,
        "hubble flow.update WEB"
    )]
    #[case::udp_answer(
        r#""verdict":"FORWARDED","l4":{"UDP":{"source_port":5,"destination_port":123}},"traffic_direction":"EGRESS",
            "is_reply":true"#,
        "hubble flow.update WEB"
    )]
    #[case::icmp(
        r#""verdict":"ERROR","l4":{"ICMPv4":{"type":8}},"traffic_direction":"EGRESS""#,
        "hubble flow.fail WEB | flow 203.0.113.9:0/icmp Failed id 10.0.1.13 0 203.0.113.9 0 icmp"
    )]
    #[case::socket(
        r#""verdict":"TRANSLATED","l4":{"TCP":{"destination_port":443}},"traffic_direction":"EGRESS""#,
        "hubble flow.update WEB"
    )]
    #[case::query(
        r#""verdict":"FORWARDED","l4":{"UDP":{"source_port":5,"destination_port":53}},"traffic_direction":"EGRESS",
            "l7":{"type":"REQUEST","dns":{"query":"a.b.example.","qtypes":["TXT"],"observation_source":"proxy"}}"#,
        "hubble dns.query WEB | lookup a.b.example TXT"
    )]
    #[case::answer_to_the_source(
        r#""verdict":"FORWARDED","l4":{"UDP":{"source_port":5,"destination_port":53}},
            "l7":{"type":"RESPONSE","latency_ns":"1517","dns":{"query":"a.example.","ips":["198.51.100.7","x"],
            "qtypes":["A"],"ttl":4}}"#,
        "hubble dns.answer WEB | lookup a.example A found 198.51.100.7"
    )]
    #[case::no_such_name(
        r#""verdict":"FORWARDED","l4":{"UDP":{"source_port":5,"destination_port":53}},
            "l7":{"type":"RESPONSE","dns":{"query":"a.example.","rcode":3}}"#,
        "hubble dns.answer WEB | lookup a.example not found"
    )]
    #[case::server_failed(
        r#""verdict":"FORWARDED","l4":{"UDP":{"source_port":5,"destination_port":53}},
            "l7":{"type":"RESPONSE","dns":{"query":"a.example.","rcode":2}}"#,
        "hubble dns.query WEB | lookup a.example"
    )]
    #[case::http(
        r#""verdict":"FORWARDED","l4":{"TCP":{"source_port":5,"destination_port":80}},"traffic_direction":"EGRESS",
            "l7":{"type":"REQUEST","http":{"method":"GET","url":"http://a.example/x","protocol":"HTTP/1.1"}},
            "destination_names":["b.example"]"#,
        "hubble flow.begin WEB | flow 203.0.113.9:80/tcp (a.example) Begun service http \
            id 10.0.1.13 5 203.0.113.9 80 tcp"
    )]
    #[case::http_header(
        r#""verdict":"DROPPED","l4":{"TCP":{"source_port":5,"destination_port":80}},"traffic_direction":"EGRESS",
            "l7":{"type":"REQUEST","http":{"url":"/x","headers":[{"key":"Accept","value":"*"},
            {"key":"Host","value":"a.example:80"}]}}"#,
        "hubble flow.fail WEB | flow 203.0.113.9:80/tcp (a.example) Failed service http \
            id 10.0.1.13 5 203.0.113.9 80 tcp"
    )]
    #[case::http_answer(
        r#""verdict":"FORWARDED","l4":{"TCP":{"source_port":5,"destination_port":80}},"traffic_direction":"EGRESS",
            "l7":{"type":"RESPONSE","http":{"code":200,"url":"http://a.example/x"}}"#,
        "hubble flow.update WEB"
    )]
    #[case::wrong_types(
        r#""verdict":"FORWARDED","l4":{"TCP":{"source_port":70000,"destination_port":-1,"flags":{"SYN":true}}},
            "traffic_direction":"EGRESS","is_reply":"x","destination_names":[7],"l7":[]"#,
        "hubble flow.begin WEB | flow 203.0.113.9:0/tcp Begun id 10.0.1.13 0 203.0.113.9 0 tcp"
    )]
    fn flows(#[case] members: &str, #[case] expected: &str) {
        assert_eq!(told(members), expected);
    }

    const SYN_TO: &str = r#""verdict":"FORWARDED","l4":{"TCP":{"source_port":5,"destination_port":443,"flags":{"SYN":true}}},
        "traffic_direction":"EGRESS""#;

    #[test]
    fn bare_flows() {
        assert_eq!(
            observed(observe, &flow(SYN_TO))
                .unwrap()
                .remove(0)
                .replace("1790000000.500000000 c1/shop/Deployment/web", "WEB"),
            told(SYN_TO)
        );
    }

    #[test]
    fn an_answer_from_the_server_is_the_destinations() {
        let record = format!(
            r#"{{"flow":{{"verdict":"FORWARDED","IP":{{"source":"10.0.0.10","destination":"10.0.1.13"}},
                "l4":{{"UDP":{{"source_port":53,"destination_port":5}}}},"source":{{"namespace":"kube-system",
                "pod_name":"coredns-0"}},"destination":{{{WEB}}},"is_reply":true,
                "l7":{{"type":"RESPONSE","dns":{{"query":"a.example.","ips":["198.51.100.7"]}}}}}}}}"#
        );
        let expected = ["hubble dns.answer - c1/shop/Deployment/web | lookup a.example found 198.51.100.7"];
        assert_eq!(observed(observe, &record).unwrap(), expected);
        assert_eq!(addresses(observe, &record), ["10.0.1.13"]);
    }

    #[rstest::rstest]
    #[case::pod(r#""namespace":"shop","pod_name":"web-6d4cf56db6-x7k2p""#, Some("-/shop/Deployment/web"))]
    #[case::unmanaged(r#""identity":3,"labels":["reserved:unmanaged"]"#, Some("-/-/address/10.0.1.13"))]
    #[case::unknown(r#""identity":9"#, Some("-/-/address/10.0.1.13"))]
    #[case::node(r#""identity":1,"labels":["reserved:host"]"#, None)]
    #[case::outside(r#""identity":2,"labels":["reserved:world"]"#, None)]
    #[case::api_server(r#""labels":["reserved:kube-apiserver","reserved:remote-node"]"#, None)]
    fn sources(#[case] source: &str, #[case] expected: Option<&str>) {
        let record = format!(
            r#"{{"flow":{{"IP":{{"source":"10.0.1.13","destination":"203.0.113.9"}},"source":{{{source}}},{SYN_TO}}}}}"#
        );
        let lines = observed(observe, &record);
        let workload = lines.as_ref().and_then(|lines| lines[0].split(' ').nth(3));
        assert_eq!(workload, expected);
        assert_eq!(addresses(observe, &record).len(), usize::from(expected.is_some()));
    }

    #[rstest::rstest]
    #[case::lost(r#"{"lost_events":{"source":"PERF_EVENT_RING_BUFFER"},"node_name":"n1"}"#)]
    #[case::another_flow(r#"{"flow":{"pkts_toserver":1}}"#)]
    #[case::text(r#"{"flow":"x"}"#)]
    #[case::cut(r#"{"flow":{"verdict":"FORWARDED"}}"#)]
    #[case::a_verdict(r#"{"verdict":"guilty"}"#)]
    fn other_records(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
