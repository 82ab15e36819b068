//! Suricata's events (EVE), and those of AWS Network Firewall, which is one.
//!
//! The members are those of [the EVE format]. A `flow` is over, or no longer watched: its sums are whole. A `netflow` is
//! one direction of it, of which the one from the server says nothing more. What was spoken comes in events of its own
//! with the same `flow_id`. Everything has the client first, but for alerts, which have the sender of the packet first
//! and say which direction that was, and for the answers in DNS events of old, which come from the server's port.
//!
//! The answers of DNS have had three layouts: one event for each record; one for all, with `answers` or `grouped` by type;
//! and, from version 8 on, `queries` beside them.
//!
//! [the EVE format]: https://docs.suricata.io/en/latest/output/eve/eve-json-format.html

use std::sync::LazyLock;

use super::keys::{EVENT as FIREWALL_EVENT, EVENT_TYPE, FIREWALL_NAME, SOURCE_IP};
use super::network::{self, Layout};
use super::{Fact, Observations, Progress, Protocol, Reader, Source, address};
use crate::record::{Fields, Key, Shape, keys};

keys! {
    /// What is read of an event.
    EVE_KEYS {
        TIMESTAMP = "/timestamp",
        TYPE = "/event_type",
        ID = "/flow_id",
        SENDER = "/src_ip",
        SENDER_PORT = "/src_port",
        RECEIVER = "/dest_ip",
        RECEIVER_PORT = "/dest_port",
        PROTO = "/proto",
        APP_PROTO = "/app_proto",
        CLIENT = "/flow/src_ip",
        CLIENT_PORT = "/flow/src_port",
        SERVER = "/flow/dest_ip",
        SERVER_PORT = "/flow/dest_port",
        SENT = "/flow/bytes_toserver",
        RECEIVED = "/flow/bytes_toclient",
        START = "/flow/start",
        AGE = "/flow/age",
        STATE = "/flow/state",
        FLAGS_SENT = "/tcp/tcp_flags_ts",
        FLAGS_RECEIVED = "/tcp/tcp_flags_tc",
        NETFLOW_BYTES = "/netflow/bytes",
        NETFLOW_START = "/netflow/start",
        NETFLOW_AGE = "/netflow/age",
        DNS_TYPE = "/dns/type",
        DNS_NAME = "/dns/rrname",
        DNS_RECORD_TYPE = "/dns/rrtype",
        DNS_CODE = "/dns/rcode",
        DNS_DATA = "/dns/rdata",
        QUERY_NAME = "/dns/queries/*/rrname",
        QUERY_RECORD_TYPE = "/dns/queries/*/rrtype",
        ANSWERS = "/dns/answers/*/rdata",
        GROUPED_A = "/dns/grouped/A/*",
        GROUPED_AAAA = "/dns/grouped/AAAA/*",
        TLS_NAME = "/tls/sni",
        QUIC_NAME = "/quic/sni",
        HTTP_HOST = "/http/hostname",
        HTTP_URL = "/http/url",
        HTTP_METHOD = "/http/http_method",
        SIGNATURE = "/alert/signature",
        ACTION = "/alert/action",
        DIRECTION = "/direction",
    }
}

static EVE: LazyLock<Shape> = LazyLock::new(|| Shape::new(EVE_KEYS));

const CONNECTION: Layout = Layout {
    id: &[ID],
    start: &[START, NETFLOW_START],
    source: &[CLIENT, SENDER],
    source_port: &[CLIENT_PORT, SENDER_PORT],
    destination: &[SERVER, RECEIVER],
    destination_port: &[SERVER_PORT, RECEIVER_PORT],
    protocol: &[PROTO],
    service: &[APP_PROTO],
    sent: &[SENT, NETFLOW_BYTES],
    received: &[RECEIVED],
    seconds: &[AGE, NETFLOW_AGE],
};

/// Reads an event about a connection, or about a name that was asked for.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    let event = if fields.has(EVENT_TYPE) && fields.has(SOURCE_IP) {
        fields.record()
    } else if fields.has(FIREWALL_NAME) {
        fields.get(FIREWALL_EVENT)?.raw()
    } else {
        return None;
    };
    let eve = reader.object(&EVE, event)?;
    let time = eve.get(TIMESTAMP).and_then(network::time);
    let is = |key, what| network::is(&eve, key, what);
    let mut connection = CONNECTION.read(&eve);
    match eve.text(TYPE)?.as_bytes() {
        b"flow" => {
            connection.flow.progress = progress(&eve, &connection);
            // Of what was seen from its middle on, whoever sent a packet first is taken for the client.
            if connection.flow.progress == Progress::Established && connection.is_answer() {
                connection.reverse();
            }
        }
        b"netflow" => {
            if connection.is_answer() {
                return None;
            }
            connection.flow.progress = Progress::Ended;
        }
        b"dns" => {
            if connection.is_answer() {
                connection.reverse();
            }
            if !network::asks_servers(connection.flow.port) {
                return None;
            }
            let of_query = |key| eve.each(key).find_map(|(_, value)| value.text());
            let name = eve.text(DNS_NAME).or_else(|| of_query(QUERY_NAME))?;
            let record_type = eve.text(DNS_RECORD_TYPE).or_else(|| of_query(QUERY_RECORD_TYPE));
            let mut lookup = network::lookup(&name, record_type)?;
            if is(DNS_TYPE, "answer") || is(DNS_TYPE, "response") {
                lookup.answers = network::answers(eve.each(ANSWERS));
                if lookup.answers.is_empty() {
                    let grouped = eve.each(GROUPED_A).chain(eve.each(GROUPED_AAAA));
                    lookup.answers = network::answers(grouped.chain(eve.get(DNS_DATA).map(|data| (0, data))));
                }
                lookup.not_found = eve.get(DNS_CODE).and_then(network::word).and_then(|code| network::not_found(&code));
            }
            let kind = network::lookup_kind(&lookup);
            return network::of_address(Source::Suricata, kind, time, connection.source, Fact::Lookup(lookup));
        }
        b"alert" => {
            connection.flow.alert = eve.text(SIGNATURE);
            let is_blocked = is(ACTION, "blocked");
            connection.flow.progress = if is_blocked { Progress::Failed } else { Progress::Established };
            if !eve.has(CLIENT) && is(DIRECTION, "to_client") {
                connection.reverse();
                // The sums are by the ends of the connection already.
                std::mem::swap(&mut connection.flow.sent, &mut connection.flow.received);
            }
            name(&eve, &mut connection);
        }
        b"tls" | b"quic" | b"http" => {
            connection.flow.service = eve.text(TYPE);
            name(&eve, &mut connection);
        }
        _ => return None,
    }
    connection.observed(Source::Suricata, time)
}

/// Names the destination by what was spoken.
fn name<'a>(eve: &Fields<'a, '_>, connection: &mut network::Connection<'a>) {
    let url = eve.text(HTTP_URL).unwrap_or_default();
    let is_connect = network::is(eve, HTTP_METHOD, "CONNECT");
    // Only what is asked of a proxy is a whole URL.
    let is_proxied = is_connect || address::scheme(url.as_bytes()).is_some();
    let name =
        if is_proxied { Some(url) } else { network::first(eve, &[TLS_NAME, QUIC_NAME, HTTP_HOST], network::word) };
    if let Some(name) = name {
        connection.flow.name_by(&name, is_proxied);
    }
}

const SYN: u8 = 2;

/// How far a flow came.
fn progress(eve: &Fields<'_, '_>, connection: &network::Connection<'_>) -> Progress {
    let flags = |key: Key| eve.text(key).and_then(|flags| u8::from_str_radix(&flags.to_str(), 16).ok());
    match (connection.flow.protocol, flags(FLAGS_SENT), flags(FLAGS_RECEIVED)) {
        (Protocol::Tcp, Some(sent), Some(_)) if sent & SYN == 0 => Progress::Established,
        (Protocol::Tcp, Some(_), Some(received)) if received & SYN == 0 => Progress::Failed,
        (Protocol::Tcp, Some(_), Some(_)) => Progress::Ended,
        // New is what has had no answer.
        _ if network::is(eve, STATE, "new") => Progress::Failed,
        _ => Progress::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::{addresses, observed};

    /// An event of the workload at 10.1.0.60 with these members.
    fn event(kind: &str, members: &str) -> String {
        format!(
            r#"{{"timestamp":"2026-09-21T14:13:20.500000+0000","flow_id":1676750115612680,"in_iface":"e0",
                "event_type":"{kind}","src_ip":"10.1.0.60","src_port":49175,"dest_ip":"203.0.113.9","dest_port":443,
                "proto":"TCP"{members}}}"#
        )
    }

    fn told(record: &str) -> Option<String> {
        let line = observed(observe, record)?.remove(0);
        assert_eq!(addresses(observe, record), ["10.1.0.60"]);
        let line = line.replace("1790000000.500000000 -/-/address/10.1.0.60", "HOST");
        Some(line.replace(" id 1676750115612680", " id F"))
    }

    #[rstest::rstest]
    #[case::flow(
        "flow",
        r#","app_proto":"tls","flow":{"pkts_toserver":9,"bytes_toserver":3536,"bytes_toclient":9410,
            "start":"2026-09-21T14:12:40.5+0000","end":"2026-09-21T14:13:20.5+0000","age":40,"state":"closed",
            "reason":"shutdown","alerted":true},"tcp":{"tcp_flags":"1b","tcp_flags_ts":"1b","tcp_flags_tc":"1a"}"#,
        "suricata flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 3536 received 9410 40 s service tls id F \
            from 2026-09-21T14:12:40Z"
    )]
    #[case::no_answer(
        "flow",
        r#","app_proto":"failed","flow":{"bytes_toserver":180,"bytes_toclient":0,"age":3,"state":"new"},
            "tcp":{"tcp_flags_ts":"02","tcp_flags_tc":"00"}"#,
        "suricata flow.fail HOST | flow 203.0.113.9:443/tcp Failed sent 180 received 0 3 s id F"
    )]
    #[case::refused(
        "flow",
        r#","flow":{"bytes_toserver":60,"bytes_toclient":54,"age":0,"state":"closed"},
            "tcp":{"tcp_flags":"16","tcp_flags_ts":"02","tcp_flags_tc":"14"}"#,
        "suricata flow.fail HOST | flow 203.0.113.9:443/tcp Failed sent 60 received 54 0 s id F"
    )]
    #[case::midstream(
        "flow",
        r#","flow":{"bytes_toserver":60,"bytes_toclient":54,"state":"new"},
            "tcp":{"tcp_flags":"00","tcp_flags_ts":"00","tcp_flags_tc":"00"}"#,
        "suricata flow.update HOST | flow 203.0.113.9:443/tcp Established sent 60 received 54 id F"
    )]
    #[case::midstream_from_the_server(
        "flow",
        r#","src_ip":"203.0.113.9","src_port":443,"dest_ip":"10.1.0.60","dest_port":49175,
            "flow":{"bytes_toserver":54,"bytes_toclient":60},"tcp":{"tcp_flags_ts":"18","tcp_flags_tc":"10"}"#,
        "suricata flow.update HOST | flow 203.0.113.9:443/tcp Established sent 60 received 54 id F"
    )]
    #[case::udp(
        "flow",
        r#","proto":"UDP","flow":{"bytes_toserver":90,"bytes_toclient":"90","age":0,"state":"established"}"#,
        "suricata flow.end HOST | flow 203.0.113.9:443/udp Ended sent 90 received 90 0 s id F"
    )]
    #[case::udp_without_an_answer(
        "flow",
        r#","proto":"UDP","flow":{"bytes_toserver":90,"bytes_toclient":0,"state":"new"}"#,
        "suricata flow.fail HOST | flow 203.0.113.9:443/udp Failed sent 90 received 0 id F"
    )]
    #[case::icmp(
        "flow",
        r#","proto":"ICMP","icmp_type":8,"flow":{"bytes_toserver":98,"bytes_toclient":98,"state":"established"}"#,
        "suricata flow.end HOST | flow 203.0.113.9:0/icmp Ended sent 98 received 98 id F"
    )]
    #[case::absurd(
        "flow",
        r#","dest_port":70000,"flow":{"bytes_toserver":-1,"bytes_toclient":"NaN","age":-3},"tcp":7"#,
        "suricata flow.end HOST | flow 203.0.113.9:0/tcp Ended id F"
    )]
    #[case::netflow(
        "netflow",
        r#","netflow":{"pkts":9,"bytes":3536,"start":"2026-09-21T14:12:40.5+0000","age":40,"min_ttl":63}"#,
        "suricata flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 3536 40 s id F from 2026-09-21T14:12:40Z"
    )]
    #[case::query(
        "dns",
        r#","proto":"UDP","dest_port":53,"dns":{"type":"query","id":1,"rrname":"a.example","rrtype":"TXT","tx_id":0}"#,
        "suricata dns.query HOST | lookup a.example TXT"
    )]
    #[case::request(
        "dns",
        r#","dest_port":53,"dns":{"version":3,"type":"request","queries":[{"rrname":"a.example","rrtype":"A"}]}"#,
        "suricata dns.query HOST | lookup a.example A"
    )]
    #[case::old_answer(
        "dns",
        r#","src_ip":"10.0.0.2","src_port":53,"dest_ip":"10.1.0.60","dest_port":49175,"dns":{"type":"answer",
            "rcode":"NOERROR","rrname":"a.example","rrtype":"A","rdata":"198.51.100.7","ttl":9}"#,
        "suricata dns.answer HOST | lookup a.example A found 198.51.100.7"
    )]
    #[case::answer(
        "dns",
        r#","dest_port":53,"dns":{"version":2,"type":"answer","rrname":"a.example","rrtype":"A","rcode":"NOERROR",
            "answers":[{"rrname":"a.example","rrtype":"CNAME","rdata":"b.example"},{"rrname":"b.example","rrtype":"A",
            "rdata":"198.51.100.7"}],"grouped":{"A":["198.51.100.7"],"CNAME":["b.example"]}}"#,
        "suricata dns.answer HOST | lookup a.example A found 198.51.100.7"
    )]
    #[case::grouped_response(
        "dns",
        r#","dest_port":53,"dns":{"version":3,"type":"response","rcode":"NOERROR","queries":[{"rrname":"a.example",
            "rrtype":"AAAA"}],"grouped":{"A":["198.51.100.7"],"AAAA":["2001:0db8:0000:0000:0000:0000:0000:0007"]}}"#,
        "suricata dns.answer HOST | lookup a.example AAAA found 198.51.100.7 2001:db8::7"
    )]
    #[case::no_such_name(
        "dns",
        r#","dest_port":53,"dns":{"version":2,"type":"answer","rcode":"NXDOMAIN","rrname":"a.example","rrtype":"A"}"#,
        "suricata dns.answer HOST | lookup a.example A not found"
    )]
    #[case::tls(
        "tls",
        r#","tls":{"subject":"CN=a","sni":"a.example","version":"TLS 1.2"}"#,
        "suricata flow.begin HOST | flow 203.0.113.9:443/tcp (a.example) Begun service tls id F"
    )]
    #[case::http(
        "http",
        r#","dest_port":80,"tx_id":0,"http":{"hostname":"a.example","url":"/x","http_method":"GET","status":200}"#,
        "suricata flow.begin HOST | flow 203.0.113.9:80/tcp (a.example) Begun service http id F"
    )]
    #[case::connect(
        "http",
        r#","dest_port":3128,"http":{"hostname":"a.example","url":"a.example:8443","http_method":"CONNECT"}"#,
        "suricata flow.begin HOST | flow -:8443/tcp (a.example) Begun service http id F"
    )]
    #[case::alert(
        "alert",
        r#","alert":{"action":"allowed","signature_id":1,"signature":"ET C2","severity":1},"tls":{"sni":"a.example"},
            "app_proto":"tls","flow":{"bytes_toserver":60,"bytes_toclient":54,"start":"2026-09-21T14:13:19+0000"}"#,
        "suricata flow.update HOST | flow 203.0.113.9:443/tcp (a.example) Established sent 60 received 54 \
            service tls id F alert ET C2 from 2026-09-21T14:13:19Z"
    )]
    #[case::blocked(
        "alert",
        r#","alert":{"action":"blocked","signature":"ET C2"}"#,
        "suricata flow.fail HOST | flow 203.0.113.9:443/tcp Failed id F alert ET C2"
    )]
    #[case::alert_about_an_answer(
        "alert",
        r#","src_ip":"203.0.113.9","src_port":443,"dest_ip":"10.1.0.60","dest_port":49175,"direction":"to_client",
            "alert":{"signature":"ET C2"},"flow":{"bytes_toserver":60,"bytes_toclient":54}"#,
        "suricata flow.update HOST | flow 203.0.113.9:443/tcp Established sent 60 received 54 id F alert ET C2"
    )]
    #[case::alert_with_both_ends(
        "alert",
        r#","src_ip":"203.0.113.9","src_port":443,"dest_ip":"10.1.0.60","dest_port":49175,"direction":"to_client",
            "alert":{"signature":"ET C2"},"flow":{"src_ip":"10.1.0.60","src_port":49175,"dest_ip":"203.0.113.9",
            "dest_port":443}"#,
        "suricata flow.update HOST | flow 203.0.113.9:443/tcp Established id F alert ET C2"
    )]
    fn events(#[case] kind: &str, #[case] members: &str, #[case] expected: &str) {
        assert_eq!(told(&event(kind, members)).as_deref(), Some(expected));
        let firewall =
            format!(r#"{{"firewall_name":"f","event_timestamp":"1790000000","event":{}}}"#, event(kind, members));
        assert_eq!(told(&firewall).as_deref(), Some(expected));
    }

    #[rstest::rstest]
    #[case::stats("stats", "")]
    #[case::file("fileinfo", r#","fileinfo":{"filename":"/x"}"#)]
    #[case::the_other_direction("netflow", r#","src_port":443,"dest_port":49175,"netflow":{"bytes":1}"#)]
    #[case::among_neighbours("dns", r#","dest_port":5353,"dns":{"type":"query","rrname":"a.local"}"#)]
    #[case::no_name("dns", r#","dest_port":53,"dns":{"type":"query"}"#)]
    #[case::no_destination("flow", r#","dest_ip":"-""#)]
    fn other_events(#[case] kind: &str, #[case] members: &str) {
        assert_eq!(observed(observe, &event(kind, members)), None);
    }

    #[rstest::rstest]
    #[case::an_event(r#"{"event_type":"click","user":"u"}"#)]
    #[case::no_type(r#"{"src_ip":"10.1.0.60","dest_ip":"203.0.113.9"}"#)]
    #[case::a_firewall(r#"{"firewall_name":"f","event":"x"}"#)]
    fn other_records(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
