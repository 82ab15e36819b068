//! Flow logs of AWS VPCs, as JSON.
//!
//! The members are the [fields] of a flow log, with hyphens as AWS writes them, with underscores as its tables have them,
//! or in camel case. A field without a value is `-`, as all are where nothing was seen or something was skipped.
//!
//! A record is what went one way between two ends within a minute or ten, so that a connection has records of both ways,
//! and may have several of each: the sums are of a record alone. What came back says nothing more. Whoever began it is
//! told by the flags of TCP that the record may have, which hold what was seen of SYN, FIN, RST and of SYN with ACK; else
//! by the ports. A record whose flags lack SYN goes on with a connection.
//!
//! Behind a NAT, the addresses of a packet are not those of the interface: `pkt-srcaddr` is the pod's.
//!
//! [fields]: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html

use std::sync::LazyLock;

use super::keys::{VPC_DESTINATION, VPC_SOURCE};
use super::network::{self, Layout, NOWHERE};
use super::{Observations, Progress, Reader, Source};
use crate::record::{Fields, Shape, keys};

keys! {
    /// What is read of a record.
    VPC_KEYS {
        SOURCE = "/srcaddr",
        SOURCE_PORT = "/srcport",
        PACKET_SOURCE = "/pkt-srcaddr",
        PACKET_SOURCE_UNDERSCORE = "/pkt_srcaddr",
        PACKET_SOURCE_CAMEL = "/pktSrcAddr",
        DESTINATION = "/dstaddr",
        DESTINATION_PORT = "/dstport",
        PACKET_DESTINATION = "/pkt-dstaddr",
        PACKET_DESTINATION_UNDERSCORE = "/pkt_dstaddr",
        PACKET_DESTINATION_CAMEL = "/pktDstAddr",
        PROTOCOL = "/protocol",
        BYTES = "/bytes",
        START = "/start",
        END = "/end",
        ACTION = "/action",
        FLAGS = "/tcp-flags",
        FLAGS_UNDERSCORE = "/tcp_flags",
        FLAGS_CAMEL = "/tcpFlags",
    }
}

static VPC: LazyLock<Shape> = LazyLock::new(|| Shape::new(VPC_KEYS));

const CONNECTION: Layout = Layout {
    start: &[START],
    source: &[PACKET_SOURCE, PACKET_SOURCE_UNDERSCORE, PACKET_SOURCE_CAMEL, SOURCE],
    source_port: &[SOURCE_PORT],
    destination: &[PACKET_DESTINATION, PACKET_DESTINATION_UNDERSCORE, PACKET_DESTINATION_CAMEL, DESTINATION],
    destination_port: &[DESTINATION_PORT],
    protocol: &[PROTOCOL],
    sent: &[BYTES],
    ..NOWHERE
};

const FIN: u16 = 1;
const SYN: u16 = 2;
const RST: u16 = 4;
const ACK: u16 = 16;

/// Reads a record of traffic from whoever began it.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    if !fields.has(VPC_SOURCE) || !fields.has(VPC_DESTINATION) {
        return None;
    }
    let vpc = reader.object(&VPC, fields.record())?;
    let mut connection = CONNECTION.read(&vpc);
    // The flags are a small number, as ports are.
    let flags = network::first(&vpc, &[FLAGS, FLAGS_UNDERSCORE, FLAGS_CAMEL], network::port);
    let has = |flag: u16| flags.is_some_and(|flags| flags & flag != 0);
    if has(ACK) || (!has(SYN) && connection.is_answer()) {
        return None;
    }
    let flow = &mut connection.flow;
    let goes_on = flow.protocol == super::Protocol::Tcp && flags.is_some() && !has(SYN | FIN | RST);
    flow.progress = if network::is(&vpc, ACTION, "REJECT") {
        Progress::Failed
    } else if goes_on {
        Progress::Established
    } else {
        Progress::Ended
    };
    let end = vpc.get(END).and_then(network::time);
    if let (Some(start), Some(end)) = (flow.start, end) {
        flow.seconds = Some(end.since(start) as f64).filter(|seconds| *seconds >= 0.0);
    }
    let time = end.or(flow.start);
    connection.observed(Source::VpcFlow, time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::{addresses, observed};

    /// A record of the workload at 10.1.0.60 with these members.
    fn record(members: &str) -> String {
        format!(
            r#"{{"version":"2","account-id":"123456789010","interface-id":"eni-1","srcaddr":"10.1.0.60",
                "dstaddr":"203.0.113.9","srcport":"49175","dstport":"443","protocol":"6","packets":"20","bytes":"4249",
                "start":"1789999940","end":"1790000000","action":"ACCEPT","log-status":"OK"{members}}}"#
        )
    }

    #[rstest::rstest]
    #[case::default_fields("", "flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 4249 60 s")]
    #[case::rejected(r#","action":"REJECT""#, "flow.fail HOST | flow 203.0.113.9:443/tcp Failed sent 4249 60 s")]
    #[case::numbers(
        r#","srcport":49175,"dstport":53,"protocol":17,"bytes":70,"start":1789999999"#,
        "flow.end HOST | flow 203.0.113.9:53/udp Ended sent 70 1 s"
    )]
    #[case::begun_here(
        r#","srcport":"22","tcp-flags":"2""#,
        "flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 4249 60 s"
    )]
    #[case::begun_and_ended(r#","tcp_flags":3"#, "flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 4249 60 s")]
    #[case::goes_on(r#","tcpFlags":0"#, "flow.update HOST | flow 203.0.113.9:443/tcp Established sent 4249 60 s")]
    #[case::ends(r#","tcp-flags":"1""#, "flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 4249 60 s")]
    #[case::no_flags(r#","tcp-flags":"-""#, "flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 4249 60 s")]
    #[case::behind_a_nat(
        r#","srcaddr":"10.9.0.1","pkt-srcaddr":"10.1.0.60","dstaddr":"10.9.0.2","pkt-dstaddr":"203.0.113.9""#,
        "flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 4249 60 s"
    )]
    #[case::icmp(
        r#","protocol":"1","srcport":"0","dstport":"0""#,
        "flow.end HOST | flow 203.0.113.9:0/icmp Ended sent 4249 60 s"
    )]
    #[case::absurd(
        r#","bytes":"-","dstport":"70000","srcport":"","end":"1789999000""#,
        "flow.end 1789999000.000000000 -/-/address/10.1.0.60 | flow 203.0.113.9:0/tcp Ended"
    )]
    fn records(#[case] members: &str, #[case] expected: &str) {
        let record = record(members);
        let line = observed(observe, &record).unwrap().remove(0);
        let line = line.replace("1790000000.000000000 -/-/address/10.1.0.60", "HOST");
        let (line, _) = line.split_once(" from ").unwrap();
        assert_eq!(line, format!("vpc-flow {expected}"));
        assert_eq!(addresses(observe, &record), ["10.1.0.60"]);
    }

    #[rstest::rstest]
    #[case::answer(r#","srcport":"443","dstport":"49175""#)]
    #[case::answer_by_flags(r#","tcp-flags":"18""#)]
    #[case::answer_that_ends(r#","tcp-flags":"19""#)]
    #[case::no_data(r#","srcaddr":"-","dstaddr":"-","srcport":"-","dstport":"-","log-status":"NODATA""#)]
    #[case::no_destination(r#","dstaddr":"-""#)]
    fn nothing_to_say(#[case] members: &str) {
        assert_eq!(observed(observe, &record(members)), None);
    }

    #[test]
    fn other_records() {
        assert_eq!(observed(observe, r#"{"srcaddr":"10.1.0.60","dst":"203.0.113.9"}"#), None);
    }
}
