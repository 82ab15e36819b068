//! Connections that Netfilter tracks, as ulogd writes them with its [JSON output].
//!
//! The members are the keys of ulogd's plugins: [NFCT] for connections, whose addresses the JSON output calls `src_ip` and
//! `dest_ip`; NFLOG for packets that a rule of the firewall logs, which has ports and flags and no sums. `ct.event` says
//! whether a connection is new (1), changed (2) or gone (4): it is gone when the kernel forgets it, two minutes after the
//! end of TCP, and these are part of its duration. Sums are zero where the kernel does not count.
//!
//! Programs that read `conntrack --event` themselves make `{"event":"NEW","orig":{"src":…}}` of it, with the names that
//! it prints.
//!
//! The destination is the one that the workload has asked for: the address of a service, and not of the pod behind it.
//!
//! [JSON output]: https://git.netfilter.org/ulogd2/tree/output/ulogd_output_JSON.c
//! [NFCT]: https://git.netfilter.org/ulogd2/tree/input/flow/ulogd_inpflow_NFCT.c

use std::sync::LazyLock;

use super::keys::{CONNTRACK_ORIGINAL, CONNTRACK_SOURCE, CONNTRACK_SOURCE_TEXT, DESTINATION_IP, EVENT_TYPE, SOURCE_IP};
use super::network::{self, Layout, NOWHERE};
use super::{Observations, Progress, Protocol, Reader, Source};
use crate::record::{Fields, Shape, Text, keys};

keys! {
    /// What is read of a record.
    CONNTRACK_KEYS {
        TIMESTAMP = "/timestamp",
        ID = "/ct.id",
        EVENT = "/ct.event",
        EVENT_NAME = "/event",
        SOURCE = "/src_ip",
        SOURCE_TEXT = "/orig.ip.saddr.str",
        SOURCE_DOTS = "/orig.ip.saddr",
        SOURCE_OBJECT = "/orig/src",
        SOURCE_PORT = "/src_port",
        SOURCE_PORT_DOTS = "/orig.l4.sport",
        SOURCE_PORT_OBJECT = "/orig/sport",
        DESTINATION = "/dest_ip",
        DESTINATION_TEXT = "/orig.ip.daddr.str",
        DESTINATION_DOTS = "/orig.ip.daddr",
        DESTINATION_OBJECT = "/orig/dst",
        DESTINATION_PORT = "/dest_port",
        DESTINATION_PORT_DOTS = "/orig.l4.dport",
        DESTINATION_PORT_OBJECT = "/orig/dport",
        PROTOCOL = "/orig.ip.protocol",
        PROTOCOL_OF_PACKET = "/ip.protocol",
        PROTOCOL_NAME = "/proto",
        PROTOCOL_OBJECT = "/orig/proto",
        SENT = "/orig.raw.pktlen",
        SENT_OBJECT = "/orig/bytes",
        RECEIVED = "/reply.raw.pktlen",
        RECEIVED_OBJECT = "/reply/bytes",
        START = "/flow.start.sec",
        START_MICROS = "/flow.start.usec",
        END = "/flow.end.sec",
        END_MICROS = "/flow.end.usec",
        HOOK = "/oob.hook",
        SYN = "/tcp.syn",
        ACK = "/tcp.ack",
        ACTION = "/action",
    }
}

static CONNTRACK: LazyLock<Shape> = LazyLock::new(|| Shape::new(CONNTRACK_KEYS));

const CONNECTION: Layout = Layout {
    id: &[ID],
    source: &[SOURCE, SOURCE_TEXT, SOURCE_DOTS, SOURCE_OBJECT],
    source_port: &[SOURCE_PORT, SOURCE_PORT_DOTS, SOURCE_PORT_OBJECT],
    destination: &[DESTINATION, DESTINATION_TEXT, DESTINATION_DOTS, DESTINATION_OBJECT],
    destination_port: &[DESTINATION_PORT, DESTINATION_PORT_DOTS, DESTINATION_PORT_OBJECT],
    protocol: &[PROTOCOL, PROTOCOL_OF_PACKET, PROTOCOL_NAME, PROTOCOL_OBJECT],
    sent: &[SENT, SENT_OBJECT],
    received: &[RECEIVED, RECEIVED_OBJECT],
    ..NOWHERE
};

/// What becomes of connections, by number and by name.
const EVENTS: [(&str, Progress); 6] = [
    ("1", Progress::Begun),
    ("NEW", Progress::Begun),
    ("2", Progress::Established),
    ("UPDATE", Progress::Established),
    ("4", Progress::Ended),
    ("DESTROY", Progress::Ended),
];

/// Reads a record about a connection, or about a packet that begins one.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    let of_output = fields.has(SOURCE_IP) && fields.has(DESTINATION_IP) && !fields.has(EVENT_TYPE);
    let of_plugin = [CONNTRACK_SOURCE, CONNTRACK_SOURCE_TEXT, CONNTRACK_ORIGINAL].iter().any(|key| fields.has(*key));
    if !of_output && !of_plugin {
        return None;
    }
    let record = reader.object(&CONNTRACK, fields.record())?;
    let mut connection = CONNECTION.read(&record);
    let flow = &mut connection.flow;
    let is_set = |key| record.get(key).is_some_and(|value| matches!(value.raw(), b"true" | b"1"));
    let is_blocked = network::is(&record, ACTION, "blocked");
    let event = network::first(&record, &[EVENT, EVENT_NAME], network::word);
    flow.progress = match event {
        Some(event) => EVENTS.iter().find(|(name, _)| event == *name)?.1,
        // Every packet may be logged: those that answer or go on are not told from those that begin but by SYN.
        None if !record.has(HOOK) || (flow.protocol == Protocol::Tcp && (!is_set(SYN) || is_set(ACK))) => return None,
        None if is_blocked => Progress::Failed,
        None => Progress::Begun,
    };
    if flow.sent == Some(0) {
        (flow.sent, flow.received) = (None, None);
    }
    if flow.progress == Progress::Ended && flow.sent.is_some() && flow.received == Some(0) {
        flow.progress = Progress::Failed;
    }
    let time = |sec, micros| {
        let time = record.get(sec).and_then(network::time)?;
        let micros = record.get(micros).and_then(network::amount).unwrap_or(0.0);
        Some(network::after(time, micros / 1e6))
    };
    flow.start = time(START, START_MICROS);
    let end = time(END, END_MICROS);
    if let (Some(start), Some(end)) = (flow.start, end) {
        let seconds = end.since(start) as f64 + (f64::from(end.nanos) - f64::from(start.nanos)) / 1e9;
        flow.seconds = Some(seconds).filter(|seconds| *seconds >= 0.0);
    }
    let time = record.text(TIMESTAMP).and_then(|text: Text<'_>| crate::time::Time::parse(text.as_bytes()));
    let time = time.or(end).or(flow.start);
    connection.observed(Source::Conntrack, time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::{addresses, observed};

    const FLOW: &str = r#""timestamp":"2026-09-21T14:13:20.500000+0000","dvc":"Netfilter","src_ip":"10.1.0.60",
        "dest_ip":"203.0.113.9","orig.ip.protocol":6,"orig.l4.sport":49175,"orig.l4.dport":443,
        "reply.ip.saddr.str":"203.0.113.9","reply.l4.sport":443,"ct.id":77,"ct.mark":0,"oob.family":2"#;

    const PACKET: &str = r#""timestamp":"2026-09-21T14:13:20.500000","dvc":"Netfilter","raw.pktlen":60,"oob.prefix":"x",
        "oob.hook":2,"oob.in":"eth0","ip.protocol":6,"src_ip":"10.1.0.60","dest_ip":"203.0.113.9","src_port":49175,
        "dest_port":443"#;

    fn told(record: &str) -> Option<String> {
        let line = observed(observe, record)?.remove(0);
        assert_eq!(addresses(observe, record), ["10.1.0.60"]);
        Some(line.replace("1790000000.500000000 -/-/address/10.1.0.60", "HOST"))
    }

    #[rstest::rstest]
    #[case::new(FLOW, r#""ct.event":1"#, "conntrack flow.begin HOST | flow 203.0.113.9:443/tcp Begun id 77")]
    #[case::update(FLOW, r#""ct.event":2"#, "conntrack flow.update HOST | flow 203.0.113.9:443/tcp Established id 77")]
    #[case::destroy(
        FLOW,
        r#""ct.event":4,"orig.raw.pktlen":402,"reply.raw.pktlen":734,"flow.start.sec":1789999880,
            "flow.start.usec":250000,"flow.end.sec":1790000000,"flow.end.usec":500000"#,
        "conntrack flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 402 received 734 120.25 s id 77 \
            from 2026-09-21T14:11:20Z"
    )]
    #[case::no_answer(
        FLOW,
        r#""ct.event":4,"orig.raw.pktlen":402,"reply.raw.pktlen":0"#,
        "conntrack flow.fail HOST | flow 203.0.113.9:443/tcp Failed sent 402 received 0 id 77"
    )]
    #[case::not_counted(
        FLOW,
        r#""ct.event":4,"orig.raw.pktlen":0,"reply.raw.pktlen":0,"flow.start.sec":9,"flow.end.sec":8"#,
        "conntrack flow.end HOST | flow 203.0.113.9:443/tcp Ended id 77 from 1970-01-01T00:00:09Z"
    )]
    #[case::syn(
        PACKET,
        r#""tcp.syn":true,"tcp.ack":false"#,
        "conntrack flow.begin HOST | flow 203.0.113.9:443/tcp Begun"
    )]
    #[case::blocked(
        PACKET,
        r#""tcp.syn":1,"action":"blocked""#,
        "conntrack flow.fail HOST | flow 203.0.113.9:443/tcp Failed"
    )]
    #[case::udp(PACKET, r#""ip.protocol":17"#, "conntrack flow.begin HOST | flow 203.0.113.9:443/udp Begun")]
    fn records(#[case] record: &str, #[case] members: &str, #[case] expected: &str) {
        assert_eq!(told(&format!("{{{record},{members}}}")).as_deref(), Some(expected));
    }

    #[rstest::rstest]
    #[case::plugin_keys(
        r#"{"orig.ip.saddr":"10.1.0.60","orig.ip.daddr":"203.0.113.9","orig.ip.protocol":6,"orig.l4.sport":"49175",
            "orig.l4.dport":"443","ct.event":1}"#
    )]
    #[case::plugin_texts(
        r#"{"orig.ip.saddr.str":"10.1.0.60","orig.ip.daddr.str":"203.0.113.9","orig.ip.protocol":6,
            "orig.l4.sport":49175,"orig.l4.dport":443,"ct.event":1}"#
    )]
    #[case::of_the_command(
        r#"{"event":"NEW","proto":"tcp","orig":{"src":"10.1.0.60","dst":"203.0.113.9","sport":49175,"dport":443}}"#
    )]
    fn spellings(#[case] record: &str) {
        let expected = "conntrack flow.begin - -/-/address/10.1.0.60 | flow 203.0.113.9:443/tcp Begun";
        assert_eq!(told(record).as_deref(), Some(expected));
    }

    #[rstest::rstest]
    #[case::answer(r#""tcp.syn":true,"tcp.ack":true"#)]
    #[case::midstream(r#""tcp.syn":false"#)]
    #[case::another_event(r#""ct.event":9"#)]
    #[case::no_destination(r#""tcp.syn":true,"dest_ip":"x""#)]
    fn nothing_to_say(#[case] members: &str) {
        assert_eq!(observed(observe, &format!("{{{PACKET},{members}}}")), None);
    }

    #[rstest::rstest]
    #[case::a_firewall(r#"{"src_ip":"10.1.0.60","dest_ip":"203.0.113.9","action":"allow"}"#)]
    #[case::an_order(r#"{"event":"NEW","orig":{"id":7}}"#)]
    #[case::address_as_a_number(r#"{"orig.ip.saddr":1006699786,"orig.ip.daddr":1,"ct.event":1}"#)]
    fn other_records(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
