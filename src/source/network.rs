//! What the sources of network records share: each is a table of where its format has the parts of a connection.
//!
//! Most of them know addresses and nothing of containers. Their workload is of the kind `address` and has the address
//! of whoever began the connection for a name, until somebody who knows whose address that is puts another in its place.

use std::mem::swap;
use std::net::IpAddr;

use super::{Fact, Flow, Lookup, Observation, Observations, Progress, Protocol, Source, Workload, address};
use crate::record::{Fields, Key, Text, Value};
use crate::time::Time;

/// The members that may have a part of a connection: the first that does counts.
pub type Keys = &'static [Key];

/// Where a format has the parts of a connection; nowhere, where the list is empty.
pub struct Layout {
    /// What the connection is called.
    pub id: Keys,
    /// When it began.
    pub start: Keys,
    /// The address of whoever began it.
    pub source: Keys,
    /// Their port.
    pub source_port: Keys,
    /// The address of the other end.
    pub destination: Keys,
    /// Its port.
    pub destination_port: Keys,
    /// The protocol, by name or by number.
    pub protocol: Keys,
    /// What is spoken.
    pub service: Keys,
    /// The bytes that went to the destination.
    pub sent: Keys,
    /// The bytes that came from there.
    pub received: Keys,
    /// How long it lasted, in seconds.
    pub seconds: Keys,
}

/// A layout of nothing, to build others on.
pub const NOWHERE: Layout = Layout {
    id: &[],
    start: &[],
    source: &[],
    source_port: &[],
    destination: &[],
    destination_port: &[],
    protocol: &[],
    service: &[],
    sent: &[],
    received: &[],
    seconds: &[],
};

/// A connection, and the address of whoever began it.
#[derive(Debug)]
pub struct Connection<'a> {
    pub source: Option<IpAddr>,
    pub flow: Flow<'a>,
}

impl Layout {
    /// Reads a connection, as one that was begun.
    pub fn read<'a>(&self, fields: &Fields<'a, '_>) -> Connection<'a> {
        let number = |keys| first(fields, keys, amount);
        let mut flow = Flow::new(
            first(fields, self.destination, ip),
            0,
            first(fields, self.protocol, protocol).unwrap_or(Protocol::Other),
            Progress::Begun,
        );
        // ICMP has types and codes, which some formats write in the place of ports.
        if flow.protocol != Protocol::Icmp {
            flow.port = first(fields, self.destination_port, port).unwrap_or(0);
            flow.local_port = first(fields, self.source_port, port).unwrap_or(0);
        }
        flow.id = first(fields, self.id, word);
        flow.start = first(fields, self.start, time);
        flow.service = first(fields, self.service, word).and_then(service);
        flow.sent = number(self.sent).map(|bytes| bytes as u64);
        flow.received = number(self.received).map(|bytes| bytes as u64);
        flow.seconds = number(self.seconds);
        Connection { source: first(fields, self.source, ip), flow }
    }
}

impl<'a> Connection<'a> {
    /// Lets it have begun from the other end.
    pub fn reverse(&mut self) {
        swap(&mut self.source, &mut self.flow.address);
        swap(&mut self.flow.local_port, &mut self.flow.port);
        swap(&mut self.flow.sent, &mut self.flow.received);
    }

    /// Whether the ports say that what is taken for the answering end began it: servers have the lower port.
    pub fn is_answer(&self) -> bool {
        self.flow.local_port != 0 && self.flow.local_port < self.flow.port
    }

    /// What a source that knows addresses alone says of it; nothing where it does not know the one that began it.
    pub fn observed(self, source: Source, time: Option<Time>) -> Option<Observations<'a>> {
        if self.flow.address.is_none() && self.flow.name.is_none() {
            return None;
        }
        let kind = kind(self.flow.progress);
        of_address(source, kind, time, self.source, Fact::Flow(self.flow))
    }
}

/// What a source that knows addresses alone says of whatever is there.
pub fn of_address<'a>(
    source: Source,
    kind: &'static str,
    time: Option<Time>,
    whose: Option<IpAddr>,
    fact: Fact<'a>,
) -> Option<Observations<'a>> {
    let address = address::own(whose)?;
    let workload = Workload { kind: "address".into(), name: address.to_string().into(), ..Workload::default() };
    let address = Some(address);
    Some(vec![Observation { time, address, facts: vec![fact], ..Observation::new(source, kind, workload) }])
}

/// What an observation of a connection is called.
pub fn kind(progress: Progress) -> &'static str {
    match progress {
        Progress::Begun => "flow.begin",
        Progress::Established => "flow.update",
        Progress::Ended => "flow.end",
        Progress::Failed => "flow.fail",
    }
}

/// The ports where names are asked for among neighbours (mDNS, LLMNR, NetBIOS): no server knows those.
const NEIGHBOURS: [u16; 3] = [5353, 5355, 137];

/// Whether a port is that of the domain name system.
pub fn asks_servers(port: u16) -> bool {
    !NEIGHBOURS.contains(&port)
}

/// A question for a name, which has no dot at its end here; none for the root.
pub fn lookup<'a>(name: &Text<'a>, kind: Option<Text<'a>>) -> Option<Lookup<'a>> {
    let bytes = name.as_bytes();
    let name = name.slice(0, bytes.strip_suffix(b".").unwrap_or(bytes).len());
    (!name.is_empty()).then_some(Lookup { name, kind, answers: Vec::new(), not_found: None })
}

/// What an observation of a question is called.
pub fn lookup_kind(lookup: &Lookup<'_>) -> &'static str {
    if lookup.not_found.is_some() || !lookup.answers.is_empty() { "dns.answer" } else { "dns.query" }
}

/// How many answers to a question are read: no message of 512 bytes, as most are, has more addresses.
const MOST_ANSWERS: usize = 32;

/// The addresses among the answers to a question.
pub fn answers<'a>(values: impl Iterator<Item = (u32, Value<'a>)>) -> Vec<IpAddr> {
    values.filter_map(|(_, value)| ip(value)).take(MOST_ANSWERS).collect()
}

/// What the answer's [code](https://www.iana.org/assignments/dns-parameters) says of the name: that it is there, that
/// it is not, or, where the server failed or refused, nothing.
pub fn not_found(code: &Text<'_>) -> Option<bool> {
    const CODES: [(&[u8], bool); 4] = [(b"0", false), (b"NOERROR", false), (b"3", true), (b"NXDOMAIN", true)];
    CODES.iter().find(|(name, _)| *name == code.as_bytes()).map(|(_, is)| *is)
}

impl<'a> Flow<'a> {
    /// Names the destination by what the workload has asked for: a host, an authority, or a URL. Behind a proxy that is
    /// all that is known of it: the address is the proxy's.
    pub(super) fn name_by(&mut self, host: &Text<'a>, is_proxied: bool) {
        let bytes = host.as_bytes();
        let Some((range, port)) = address::authority(bytes) else { return };
        let address = bytes.get(range.clone()).and_then(address::parse);
        if address.is_none() {
            self.name = Some(host.slice(range.start, range.end));
        }
        if is_proxied {
            self.address = address;
            let is_plain = address::scheme(bytes).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http"));
            self.port = port.unwrap_or(if is_plain { 80 } else { 443 });
        }
    }
}

/// Whether a member is that text.
pub fn is(fields: &Fields<'_, '_>, key: Key, what: &str) -> bool {
    fields.text(key).is_some_and(|text| text == *what)
}

/// The first of the members that can be read so.
pub fn first<'a, T>(fields: &Fields<'a, '_>, keys: Keys, read: impl Fn(Value<'a>) -> Option<T>) -> Option<T> {
    keys.iter().find_map(|key| fields.get(*key).and_then(&read))
}

/// An address.
pub fn ip(value: Value<'_>) -> Option<IpAddr> {
    address::parse(value.text()?.as_bytes())
}

/// A text, or a number as it is written; none when it is empty or the `-` of formats that leave nothing out.
pub fn word<'a>(value: Value<'a>) -> Option<Text<'a>> {
    let text = value.text().or_else(|| value.number().map(|_| Text::from(value.raw())))?;
    (!text.is_empty() && text != "-").then_some(text)
}

/// A number that is not negative.
pub fn amount(value: Value<'_>) -> Option<f64> {
    value.number().filter(|number| *number >= 0.0)
}

/// A port.
pub fn port(value: Value<'_>) -> Option<u16> {
    amount(value).filter(|port| *port <= f64::from(u16::MAX)).map(|port| port as u16)
}

/// What protocols are called, and their [numbers](https://www.iana.org/assignments/protocol-numbers).
const PROTOCOLS: &[(&str, Protocol)] = &[
    ("tcp", Protocol::Tcp),
    ("6", Protocol::Tcp),
    ("udp", Protocol::Udp),
    ("17", Protocol::Udp),
    ("icmp", Protocol::Icmp),
    ("1", Protocol::Icmp),
    ("ipv6-icmp", Protocol::Icmp),
    ("icmpv6", Protocol::Icmp),
    ("icmp6", Protocol::Icmp),
    ("58", Protocol::Icmp),
];

/// A protocol by its name, which may have the prefix of the kernel's constants, or its number.
pub fn protocol(value: Value<'_>) -> Option<Protocol> {
    let word = word(value)?;
    let name = word.as_bytes();
    let name = name.strip_prefix(b"IPPROTO_").unwrap_or(name);
    PROTOCOLS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, protocol)| *protocol)
}

/// What is spoken: what was TLS's name before is TLS, and to have failed to find out is nothing.
fn service(name: Text<'_>) -> Option<Text<'_>> {
    match name.as_bytes() {
        b"ssl" => Some("tls".into()),
        b"failed" | b"unknown" => None,
        _ => Some(name),
    }
}

/// A time: RFC 3339, or a number of seconds since 1970, of thousandths, millionths or billionths of them.
pub fn time(value: Value<'_>) -> Option<Time> {
    if let Some(time) = value.text().and_then(|text| Time::parse(text.as_bytes())) {
        return Some(time);
    }
    let mut seconds = amount(value).filter(|number| *number < 1e19)?;
    // Seconds reach this in the year 5138, thousandths of them have since 1973.
    while seconds >= 1e11 {
        seconds /= 1000.0;
    }
    // A double has the seconds of our days to a millionth.
    let micros = ((seconds - seconds.trunc()) * 1e6 + 0.5) as u32;
    let (sec, micros) = (seconds as i64 + i64::from(micros / 1_000_000), micros % 1_000_000);
    Some(Time { sec, nanos: micros * 1000 })
}

/// A time so many seconds later.
pub fn after(time: Time, seconds: f64) -> Time {
    let nanos = f64::from(time.nanos) + (seconds - seconds.trunc()) * 1e9;
    let carry = (nanos / 1e9) as i64;
    Time {
        sec: time.sec.saturating_add(seconds as i64).saturating_add(carry),
        nanos: (nanos - carry as f64 * 1e9) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Scanner, Shape};

    fn read<T>(value: &str, read: impl Fn(Value<'_>) -> Option<T>) -> Option<T> {
        let text = format!(r#"{{"a":{value}}}"#);
        let mut scanner = Scanner::default();
        let fields = scanner.scan(&Shape::new(&["/a"]), text.as_bytes()).unwrap();
        first(&fields, &[Key(0)], read)
    }

    #[rstest::rstest]
    #[case("443", Some(443))]
    #[case(r#""443""#, Some(443))]
    #[case("443.0", Some(443))]
    #[case("65535", Some(65535))]
    #[case("65536", None)]
    #[case("-1", None)]
    #[case(r#""-""#, None)]
    #[case(r#""NaN""#, None)]
    #[case("1e300", None)]
    #[case("null", None)]
    fn ports(#[case] value: &str, #[case] expected: Option<u16>) {
        assert_eq!(read(value, port), expected);
    }

    #[rstest::rstest]
    #[case("1721000000.25", Some((1_721_000_000, 250_000_000)))]
    #[case(r#""1721000000.25""#, Some((1_721_000_000, 250_000_000)))]
    #[case("1721000000", Some((1_721_000_000, 0)))]
    #[case("1721000000250", Some((1_721_000_000, 250_000_000)))]
    #[case("1721000000250000", Some((1_721_000_000, 250_000_000)))]
    #[case("1721000000.9999999", Some((1_721_000_001, 0)))]
    #[case(r#""2024-07-14T23:33:20.250000Z""#, Some((1_721_000_000, 250_000_000)))]
    #[case(r#""2024-07-14T23:33:20.250000+0000""#, Some((1_721_000_000, 250_000_000)))]
    #[case("-5", None)]
    #[case("1e300", None)]
    #[case(r#""-""#, None)]
    #[case("true", None)]
    fn times(#[case] value: &str, #[case] expected: Option<(i64, u32)>) {
        assert_eq!(read(value, time).map(|time| (time.sec, time.nanos)), expected);
    }

    #[rstest::rstest]
    #[case(r#""tcp""#, Some(Protocol::Tcp))]
    #[case(r#""UDP""#, Some(Protocol::Udp))]
    #[case(r#""IPPROTO_TCP""#, Some(Protocol::Tcp))]
    #[case(r#""IPv6-ICMP""#, Some(Protocol::Icmp))]
    #[case(r#""17""#, Some(Protocol::Udp))]
    #[case("6", Some(Protocol::Tcp))]
    #[case("132", None)]
    #[case("{}", None)]
    fn protocols(#[case] value: &str, #[case] expected: Option<Protocol>) {
        assert_eq!(read(value, protocol), expected);
    }

    #[rstest::rstest]
    #[case(0.0, (10, 900_000_000))]
    #[case(0.25, (11, 150_000_000))]
    #[case(3.5, (14, 400_000_000))]
    #[case(1e300, (i64::MAX, 900_000_000))]
    fn later(#[case] seconds: f64, #[case] expected: (i64, u32)) {
        let time = after(Time { sec: 10, nanos: 900_000_000 }, seconds);
        assert_eq!((time.sec, time.nanos), expected);
    }
}
