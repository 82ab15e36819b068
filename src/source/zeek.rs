//! Zeek's logs of connections, and of what was spoken over them, as JSON.
//!
//! The members of the [conn], [dns], [http] and [ssl] logs, each the one way or another: `id.orig_h` becomes `id_orig_h`
//! where a store knows no dots, or an object; times are seconds since 1970, or ISO 8601. A record says which log it is
//! from (`_path`) where Zeek was told to; else its members tell.
//!
//! A connection is in `conn` when it is over, with its sums, hence late and out of order; what was spoken has records of
//! its own, with the same `uid`, which say the name and nothing of sums. Other logs have connections as well, and say
//! nothing more of them.
//!
//! [conn]: https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html
//! [dns]: https://docs.zeek.org/en/master/scripts/base/protocols/dns/main.zeek.html
//! [http]: https://docs.zeek.org/en/master/scripts/base/protocols/http/main.zeek.html
//! [ssl]: https://docs.zeek.org/en/master/scripts/base/protocols/ssl/main.zeek.html

use std::sync::LazyLock;

use super::keys::{DOCKER_ID, TS as RECORD_TS, ZEEK_ORIGINATOR, ZEEK_ORIGINATOR_UNDERSCORE};
use super::network::{self, Layout, NOWHERE};
use super::{Fact, Observations, Progress, Protocol, Reader, Source, address};
use crate::record::{Fields, Key, Shape, Text, keys};

keys! {
    /// What is read of a record.
    ZEEK_KEYS {
        PATH = "/_path",
        TS = "/ts",
        UID = "/uid",
        ORIGINATOR = "/id.orig_h",
        ORIGINATOR_UNDERSCORE = "/id_orig_h",
        ORIGINATOR_OBJECT = "/id/orig_h",
        ORIGINATOR_PORT = "/id.orig_p",
        ORIGINATOR_PORT_UNDERSCORE = "/id_orig_p",
        ORIGINATOR_PORT_OBJECT = "/id/orig_p",
        RESPONDER = "/id.resp_h",
        RESPONDER_UNDERSCORE = "/id_resp_h",
        RESPONDER_OBJECT = "/id/resp_h",
        RESPONDER_PORT = "/id.resp_p",
        RESPONDER_PORT_UNDERSCORE = "/id_resp_p",
        RESPONDER_PORT_OBJECT = "/id/resp_p",
        PROTO = "/proto",
        SERVICE = "/service",
        DURATION = "/duration",
        ORIGINATOR_BYTES = "/orig_bytes",
        RESPONDER_BYTES = "/resp_bytes",
        STATE = "/conn_state",
        QUERY = "/query",
        QUERY_TYPE = "/qtype_name",
        CODE = "/rcode",
        CODE_NAME = "/rcode_name",
        ANSWERS = "/answers/*",
        DEPTH = "/trans_depth",
        TAGS = "/tags",
        METHOD = "/method",
        HOST = "/host",
        URI = "/uri",
        PROXIED = "/proxied/*",
        SERVER_NAME = "/server_name",
        VERSION = "/version",
        CIPHER = "/cipher",
        RESUMED = "/resumed",
        ESTABLISHED = "/established",
    }
}

static ZEEK: LazyLock<Shape> = LazyLock::new(|| Shape::new(ZEEK_KEYS));

const CONNECTION: Layout = Layout {
    id: &[UID],
    source: &[ORIGINATOR, ORIGINATOR_UNDERSCORE, ORIGINATOR_OBJECT],
    source_port: &[ORIGINATOR_PORT, ORIGINATOR_PORT_UNDERSCORE, ORIGINATOR_PORT_OBJECT],
    destination: &[RESPONDER, RESPONDER_UNDERSCORE, RESPONDER_OBJECT],
    destination_port: &[RESPONDER_PORT, RESPONDER_PORT_UNDERSCORE, RESPONDER_PORT_OBJECT],
    protocol: &[PROTO],
    service: &[SERVICE],
    sent: &[ORIGINATOR_BYTES],
    received: &[RESPONDER_BYTES],
    seconds: &[DURATION],
    ..NOWHERE
};

#[derive(Clone, Copy, PartialEq)]
enum Log {
    Conn,
    Dns,
    Http,
    Ssl,
}

/// What the logs are called, and members that a record of each has, and of no other before it.
const LOGS: &[(&str, Log, [Key; 2])] = &[
    ("conn", Log::Conn, [PROTO, STATE]),
    ("conn", Log::Conn, [PROTO, ORIGINATOR_BYTES]),
    // Connections that still go on, by a package of that name.
    ("conn_long", Log::Conn, [PROTO, DURATION]),
    ("dns", Log::Dns, [PROTO, QUERY]),
    // SIP and SMTP have the depth, too, and shippers may put their own host beside it.
    ("http", Log::Http, [DEPTH, TAGS]),
    ("ssl", Log::Ssl, [RESUMED, ESTABLISHED]),
    // As it was before Zeek had its name.
    ("ssl", Log::Ssl, [VERSION, CIPHER]),
];

/// The states of connections that nobody answered, or that were refused or reset at once.
const FAILED: [&str; 6] = ["S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR"];

/// Reads a record of one of the logs.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    let is_flat = fields.has(ZEEK_ORIGINATOR) || fields.has(ZEEK_ORIGINATOR_UNDERSCORE);
    let is_nested = || fields.has(RECORD_TS) && fields.get(DOCKER_ID).is_some_and(|id| id.is_object());
    if !is_flat && !is_nested() {
        return None;
    }
    let zeek = reader.object(&ZEEK, fields.record())?;
    let path = zeek.text(PATH);
    let &(name, log, _) = LOGS.iter().find(|(name, _, members)| match &path {
        Some(path) => *path == *name,
        None => members.iter().all(|key| zeek.has(*key)),
    })?;
    let begun = zeek.get(TS).and_then(network::time);
    let mut connection = CONNECTION.read(&zeek);
    let mut time = begun;
    match log {
        Log::Conn => {
            connection.flow.progress = match zeek.text(STATE) {
                Some(state) if FAILED.iter().any(|failed| state == *failed) => Progress::Failed,
                // What was seen neither beginning nor ending; all else than TCP has no beginning to be seen.
                Some(state) if state == "OTH" && connection.flow.protocol == Protocol::Tcp => Progress::Established,
                _ if name == "conn_long" => Progress::Established,
                _ => Progress::Ended,
            };
            // Of what was seen from its middle on, whoever sent a packet first is taken for the originator.
            if connection.flow.progress == Progress::Established && connection.is_answer() {
                connection.reverse();
            }
            connection.flow.start = begun;
            time = begun.map(|begun| network::after(begun, connection.flow.seconds.unwrap_or(0.0)));
        }
        Log::Dns => {
            if !network::asks_servers(connection.flow.port) {
                return None;
            }
            let mut lookup = network::lookup(&zeek.text(QUERY)?, zeek.text(QUERY_TYPE))?;
            lookup.answers = network::answers(zeek.each(ANSWERS));
            let code = network::first(&zeek, &[CODE, CODE_NAME], network::word);
            lookup.not_found = code.and_then(|code| network::not_found(&code));
            let kind = network::lookup_kind(&lookup);
            return network::of_address(Source::Zeek, kind, time, connection.source, Fact::Lookup(lookup));
        }
        Log::Http => {
            connection.flow.protocol = Protocol::Tcp;
            connection.flow.service = Some("http".into());
            let (host, uri) = (zeek.text(HOST), zeek.text(URI).unwrap_or_default());
            let is_connect = network::is(&zeek, METHOD, "CONNECT");
            let is_whole = address::scheme(uri.as_bytes()).is_some();
            // Of the headers that make Zeek call a request proxied, this one alone is for a proxy and not from one.
            let is_for_proxy = |header: Text<'_>| header.as_bytes().starts_with(b"PROXY-CONNECTION");
            let is_proxied =
                is_connect || is_whole || zeek.each(PROXIED).filter_map(|(_, header)| header.text()).any(is_for_proxy);
            let named = if is_connect || is_whole { Some(uri) } else { host };
            if let Some(named) = named {
                connection.flow.name_by(&named, is_proxied);
            }
        }
        Log::Ssl => {
            let version = zeek.text(VERSION).unwrap_or_default();
            connection.flow.protocol = match version.as_bytes().first() {
                None => Protocol::Other,
                Some(b'D') => Protocol::Udp,
                Some(_) => Protocol::Tcp,
            };
            connection.flow.service = Some("tls".into());
            if let Some(name) = zeek.text(SERVER_NAME) {
                connection.flow.name_by(&name, false);
            }
        }
    }
    connection.observed(Source::Zeek, time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::{addresses, observed};

    /// A record of the workload at 10.1.0.60 with these members.
    fn record(members: &str) -> String {
        format!(
            r#"{{"ts":1790000000.5,"uid":"C1","id.orig_h":"10.1.0.60","id.orig_p":51000,"id.resp_h":"203.0.113.9",
                "id.resp_p":443{members}}}"#
        )
    }

    fn told(record: &str) -> Option<String> {
        let line = observed(observe, record)?.remove(0);
        assert_eq!(addresses(observe, record), ["10.1.0.60"]);
        Some(line.replace("1790000000.500000000 -/-/address/10.1.0.60", "HOST"))
    }

    #[rstest::rstest]
    #[case::conn(
        r#","proto":"tcp","service":"ssl","duration":3.25,"orig_bytes":320,"resp_bytes":4100,"conn_state":"SF",
            "local_orig":true,"missed_bytes":0,"history":"ShADadFf","orig_pkts":6,"orig_ip_bytes":640"#,
        "zeek flow.end 1790000003.750000000 -/-/address/10.1.0.60 | flow 203.0.113.9:443/tcp Ended sent 320 \
            received 4100 3.25 s service tls id C1 from 2026-09-21T14:13:20Z"
    )]
    #[case::no_answer(
        r#","proto":"tcp","conn_state":"S0","history":"S","orig_pkts":3"#,
        "zeek flow.fail HOST | flow 203.0.113.9:443/tcp Failed id C1 from 2026-09-21T14:13:20Z"
    )]
    #[case::refused(
        r#","proto":"tcp","duration":0.0,"orig_bytes":0,"resp_bytes":0,"conn_state":"REJ""#,
        "zeek flow.fail HOST | flow 203.0.113.9:443/tcp Failed sent 0 received 0 0 s id C1 from 2026-09-21T14:13:20Z"
    )]
    #[case::reset_later(
        r#","proto":"tcp","conn_state":"RSTO","orig_bytes":7"#,
        "zeek flow.end HOST | flow 203.0.113.9:443/tcp Ended sent 7 id C1 from 2026-09-21T14:13:20Z"
    )]
    #[case::midstream(
        r#","proto":"tcp","conn_state":"OTH""#,
        "zeek flow.update HOST | flow 203.0.113.9:443/tcp Established id C1 from 2026-09-21T14:13:20Z"
    )]
    #[case::midstream_from_the_server(
        r#","proto":"tcp","conn_state":"OTH","orig_bytes":7,"resp_bytes":9,"id.orig_h":"203.0.113.9","id.orig_p":443,
            "id.resp_h":"10.1.0.60","id.resp_p":51000"#,
        "zeek flow.update HOST | flow 203.0.113.9:443/tcp Established sent 9 received 7 id C1 \
            from 2026-09-21T14:13:20Z"
    )]
    #[case::no_state(
        r#","proto":"udp","orig_bytes":"12","resp_bytes":"-""#,
        "zeek flow.end HOST | flow 203.0.113.9:443/udp Ended sent 12 id C1 from 2026-09-21T14:13:20Z"
    )]
    #[case::still_going_on(
        r#","_path":"conn_long","proto":"tcp","conn_state":"S1","duration":600.0"#,
        "zeek flow.update 1790000600.500000000 -/-/address/10.1.0.60 | flow 203.0.113.9:443/tcp Established 600 s \
            id C1 from 2026-09-21T14:13:20Z"
    )]
    #[case::no_ports(
        r#","proto":"icmp","conn_state":"OTH""#,
        "zeek flow.end HOST | flow 203.0.113.9:0/icmp Ended id C1 from 2026-09-21T14:13:20Z"
    )]
    #[case::absurd(
        r#","proto":"tcp","conn_state":"SF","duration":-1,"orig_bytes":-5,"resp_bytes":"NaN""#,
        "zeek flow.end HOST | flow 203.0.113.9:443/tcp Ended id C1 from 2026-09-21T14:13:20Z"
    )]
    #[case::query(
        r#","proto":"udp","trans_id":6,"query":"x1.c2.example","qtype_name":"TXT""#,
        "zeek dns.query HOST | lookup x1.c2.example TXT"
    )]
    #[case::answer(
        r#","proto":"udp","query":"a.example","qtype_name":"A","rcode":0,"rcode_name":"NOERROR",
            "answers":["b.example","198.51.100.7","2001:db8::7","TXT 3 a b"],"TTLs":[30.0]"#,
        "zeek dns.answer HOST | lookup a.example A found 198.51.100.7 2001:db8::7"
    )]
    #[case::no_such_name(
        r#","proto":"udp","query":"a.example","rcode_name":"NXDOMAIN""#,
        "zeek dns.answer HOST | lookup a.example not found"
    )]
    #[case::server_failed(
        r#","proto":"udp","query":"a.example","rcode":2,"rcode_name":"SERVFAIL""#,
        "zeek dns.query HOST | lookup a.example"
    )]
    #[case::http(
        r#","trans_depth":1,"method":"GET","host":"a.example:443","uri":"/x","status_code":200,"tags":[]"#,
        "zeek flow.begin HOST | flow 203.0.113.9:443/tcp (a.example) Begun service http id C1"
    )]
    #[case::http_from_a_proxy(
        r#","trans_depth":1,"method":"GET","host":"a.example","uri":"/x","tags":[],"proxied":["VIA -> 1.1 proxy"]"#,
        "zeek flow.begin HOST | flow 203.0.113.9:443/tcp (a.example) Begun service http id C1"
    )]
    #[case::http_to_an_address(
        r#","trans_depth":1,"method":"GET","host":"203.0.113.9","uri":"/x","tags":[]"#,
        "zeek flow.begin HOST | flow 203.0.113.9:443/tcp Begun service http id C1"
    )]
    #[case::connect(
        r#","trans_depth":1,"method":"CONNECT","host":"a.example","uri":"b.example:8443","tags":[]
            ,"proxied":["PROXY-CONNECTION -> Keep-Alive"]"#,
        "zeek flow.begin HOST | flow -:8443/tcp (b.example) Begun service http id C1"
    )]
    #[case::connect_to_an_address(
        r#","trans_depth":1,"method":"CONNECT","host":"-","uri":"198.51.100.7:443","tags":["HTTP::X"]"#,
        "zeek flow.begin HOST | flow 198.51.100.7:443/tcp Begun service http id C1"
    )]
    #[case::whole_url(
        r#","trans_depth":1,"method":"GET","host":"a.example","uri":"http://b.example/x","tags":[]"#,
        "zeek flow.begin HOST | flow -:80/tcp (b.example) Begun service http id C1"
    )]
    #[case::ssl(
        r#","version":"TLSv12","cipher":"X","server_name":"a.example","resumed":false,"established":true"#,
        "zeek flow.begin HOST | flow 203.0.113.9:443/tcp (a.example) Begun service tls id C1"
    )]
    #[case::ssl_without_a_name(
        r#","version":"TLSv13","resumed":false,"established":false"#,
        "zeek flow.begin HOST | flow 203.0.113.9:443/tcp Begun service tls id C1"
    )]
    #[case::ssl_of_datagrams(
        r#","version":"DTLSv12","cipher":"X","server_name":"a.example""#,
        "zeek flow.begin HOST | flow 203.0.113.9:443/udp (a.example) Begun service tls id C1"
    )]
    #[case::ssl_that_failed(
        r#","resumed":false,"established":false"#,
        "zeek flow.begin HOST | flow 203.0.113.9:443/other Begun service tls id C1"
    )]
    fn logs(#[case] members: &str, #[case] expected: &str) {
        assert_eq!(told(&record(members)).as_deref(), Some(expected));
    }

    #[rstest::rstest]
    #[case::underscores(
        r#"{"ts":1790000000.5,"uid":"C1","id_orig_h":"10.1.0.60","id_orig_p":51000,"id_resp_h":"203.0.113.9",
            "id_resp_p":443,"version":"TLSv12","cipher":"X"}"#
    )]
    #[case::nested(
        r#"{"ts":1790000000.5,"uid":"C1","id":{"orig_h":"10.1.0.60","orig_p":51000,"resp_h":"203.0.113.9",
            "resp_p":443},"version":"TLSv12","cipher":"X"}"#
    )]
    #[case::of_path(
        r#"{"_path":"ssl","ts":"2026-09-21T14:13:20.500000Z","uid":"C1","id.orig_h":"10.1.0.60","id.orig_p":"51000",
            "id.resp_h":"203.0.113.9","id.resp_p":"443","version":"SSLv3"}"#
    )]
    #[case::millis(
        r#"{"ts":1790000000500,"uid":"C1","id.orig_h":"10.1.0.60","id.orig_p":51000,
            "id.resp_h":"::ffff:203.0.113.9","id.resp_p":443,"version":"TLSv12","cipher":"X"}"#
    )]
    fn spellings(#[case] record: &str) {
        let expected = "zeek flow.begin HOST | flow 203.0.113.9:443/tcp Begun service tls id C1";
        assert_eq!(told(record).as_deref(), Some(expected));
    }

    #[rstest::rstest]
    #[case::weird(r#","name":"unknown_dce_rpc_auth_type","notice":false,"peer":"zeek""#)]
    #[case::kerberos(r#","request_type":"AS","cipher":"aes256-cts-hmac-sha1-96","success":true"#)]
    #[case::sip(r#","trans_depth":0,"method":"REGISTER","uri":"sip:a.example","request_body_len":0,"host":"n1""#)]
    #[case::another_log(r#","_path":"rdp","proto":"tcp","conn_state":"SF""#)]
    #[case::among_neighbours(r#","id.resp_p":5353,"proto":"udp","query":"_a._tcp.local""#)]
    #[case::root(r#","proto":"udp","query":".""#)]
    fn other_logs(#[case] members: &str) {
        assert_eq!(observed(observe, &record(members)), None);
    }

    #[rstest::rstest]
    #[case::files(r#"{"ts":1790000000.5,"fuid":"F1","tx_hosts":["10.1.0.60"],"source":"HTTP","duration":0.0}"#)]
    #[case::stats(r#"{"ts":1790000000.5,"peer":"zeek","mem":74,"pkts_proc":26}"#)]
    #[case::no_responder(r#"{"ts":1790000000.5,"id.orig_h":"10.1.0.60","proto":"tcp","conn_state":"SF"}"#)]
    #[case::no_originator(r#"{"ts":1790000000.5,"id.orig_h":"-","proto":"tcp","conn_state":"SF"}"#)]
    #[case::from_a_group(r#"{"ts":1790000000.5,"id.orig_h":"224.0.0.1","proto":"tcp","conn_state":"SF"}"#)]
    #[case::an_id(r#"{"ts":1790000000.5,"id":{"$oid":"5f0c"},"proto":"tcp"}"#)]
    fn other_records(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
