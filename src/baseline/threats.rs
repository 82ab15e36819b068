//! Networks, and lists of destinations that are known to be hostile.
//!
//! An indicator is kept as 64 bits and no text: a list of 200,000 takes 1.6 MB. What an address or a name may be called
//! in a list is looked for: the address under each length of prefix that the list has, the name and what it is below.

use std::net::IpAddr;

use super::{bits, id};

/// A network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    first: u128,
    length: u8,
}

impl Network {
    /// Reads CIDR, or an address. Bits beyond the prefix do not count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Some(most), |length| length.parse().ok()).filter(|length| *length <= most)?;
        let length = 128 - most + length;
        Some(Self { first: masked(bits(address), length), length })
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn has(self, address: u128) -> bool {
        masked(address, self.length) == self.first
    }

    /// Whether an address or a network lies where nobody is on the Internet, as far as it matters here.
    fn is_private(self) -> bool {
        PRIVATE.iter().any(|(first, length)| {
            let shorter = self.length.min(*length);
            masked(self.first, shorter) == masked(*first, shorter)
        })
    }
}

const fn v4(first: u32, length: u8) -> (u128, u8) {
    (0xffff_0000_0000 | first as u128, 96 + length)
}

/// Networks that the lists of bogons have: no threat, but where we are.
const PRIVATE: [(u128, u8); 11] = [
    v4(0, 8),
    v4(0x0a00_0000, 8),
    v4(0x6440_0000, 10),
    v4(0x7f00_0000, 8),
    v4(0xa9fe_0000, 16),
    v4(0xac10_0000, 12),
    v4(0xc0a8_0000, 16),
    v4(0xe000_0000, 3),
    (0, 96),
    (0xfc00 << 112, 7),
    (0xfe80 << 112, 9),
];

const fn masked(bits: u128, length: u8) -> u128 {
    if length == 0 { 0 } else { bits & (u128::MAX << (128 - length)) }
}

/// Some networks.
#[derive(Clone, Debug, Default)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Those of a policy, which has checked them.
    #[must_use]
    pub fn new(texts: &[String]) -> Self {
        Self(texts.iter().filter_map(|text| Network::parse(text)).collect())
    }

    /// Whether an address is in one of them.
    #[must_use]
    pub fn have(&self, address: IpAddr) -> bool {
        let address = bits(address);
        self.0.iter().any(|network| network.has(address))
    }
}

/// More indicators than this are not kept.
pub const MOST: usize = 200_000;

/// What became of the lines of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Indicators that were taken.
    pub taken: u32,
    /// Lines that have none.
    pub bad: u32,
    /// Indicators for which there was no room.
    pub over: u32,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, bad, over } = self;
        write!(f, "indicators: {taken}, lines without one: {bad}, no room for: {over}")
    }
}

/// A list of indicators.
#[derive(Clone, Debug, Default)]
struct List {
    name: String,
    ids: Vec<u64>,
    /// The lengths of its prefixes.
    lengths: Vec<u8>,
    /// Whether an indicator is for a port alone.
    has_ports: bool,
}

impl List {
    fn has(&self, id: u64) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// Adds an indicator, if the text is one.
    fn add(&mut self, indicator: Indicator) {
        let id = match indicator {
            Indicator::Network(network, port) => {
                self.has_ports |= port != 0;
                if !self.lengths.contains(&network.length) {
                    self.lengths.push(network.length);
                }
                network_id(network.first, network.length, port)
            }
            Indicator::Domain(id) => id,
        };
        self.ids.push(id);
    }

    fn sort(&mut self) {
        self.ids.sort_unstable();
        self.ids.dedup();
        self.ids.shrink_to_fit();
        self.lengths.sort_unstable_by(|one, other| other.cmp(one));
    }
}

enum Indicator {
    Network(Network, u16),
    Domain(u64),
}

/// A match.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Threat {
    /// The list's name; empty for the policy's own.
    pub list: String,
    /// What is listed.
    pub indicator: String,
}

/// All lists: the policy's own first, then its files.
#[derive(Clone, Debug, Default)]
pub struct Threats {
    lists: Vec<List>,
}

impl Threats {
    /// Takes the policy's own indicators for those from before, and forgets the files that it no longer names.
    pub fn set_policy(&mut self, networks: &[String], domains: &[String], files: &[String]) {
        let mut own = List::default();
        let networks = networks.iter().filter_map(|text| Some(Indicator::Network(Network::parse(text)?, 0)));
        let domains = domains.iter().map(|name| Indicator::Domain(domain_id(name.as_bytes())));
        networks.chain(domains).take(MOST).for_each(|indicator| own.add(indicator));
        own.sort();
        self.lists.retain(|list| files.contains(&list.name));
        self.lists.insert(0, own);
    }

    /// Takes the lines of a file, as `read` gives them, for what it had before.
    ///
    /// # Errors
    /// Those of `read`; what the file had before stays.
    pub fn read_list<E>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<Taken, E> {
        let others = self.lists.iter().filter(|list| list.name != name || name.is_empty());
        let room = MOST.saturating_sub(others.map(|list| list.ids.len()).sum());
        let mut list = List { name: name.into(), ..List::default() };
        let mut taken = Taken::default();
        let mut is_full = false;
        read(&mut |line| {
            let Some(line) = content(line) else { return };
            let Some(indicator) = indicator(line) else {
                taken.bad = taken.bad.saturating_add(1);
                return;
            };
            if list.ids.len() >= room && !is_full {
                // What is there twice leaves room.
                list.sort();
                is_full = list.ids.len() >= room;
            }
            if is_full {
                taken.over = taken.over.saturating_add(1);
            } else {
                list.add(indicator);
            }
        })?;
        list.sort();
        taken.taken = list.ids.len() as u32;
        self.lists.retain(|list| list.name != name || name.is_empty());
        self.lists.push(list);
        Ok(taken)
    }

    /// What is listed of an address, as a destination with a port.
    #[must_use]
    pub fn of_address(&self, address: IpAddr, port: u16) -> Option<Threat> {
        let bits = bits(address);
        self.lists.iter().find_map(|list| {
            list.lengths.iter().find_map(|&length| {
                let first = masked(bits, length);
                let any = list.has(network_id(first, length, 0));
                let of_port = list.has_ports && port != 0 && list.has(network_id(first, length, port));
                if !any && !of_port {
                    return None;
                }
                let first = std::net::Ipv6Addr::from(first);
                let first = first.to_ipv4_mapped().filter(|_| length >= 96).map_or(IpAddr::V6(first), IpAddr::V4);
                let own = if first.is_ipv4() { length - 96 } else { length };
                let mut indicator = if length == 128 { first.to_string() } else { format!("{first}/{own}") };
                if !any {
                    indicator =
                        if first.is_ipv6() { format!("[{indicator}]:{port}") } else { format!("{indicator}:{port}") };
                }
                Some(Threat { list: list.name.clone(), indicator })
            })
        })
    }

    /// What is listed of a name, in lower case, or of what it is below.
    #[must_use]
    pub fn of_name(&self, name: &[u8]) -> Option<Threat> {
        let mut rest = name;
        loop {
            let id = domain_id(rest);
            if let Some(list) = self.lists.iter().find(|list| list.has(id)) {
                let indicator = String::from_utf8_lossy(rest).into_owned();
                return Some(Threat { list: list.name.clone(), indicator });
            }
            let dot = rest.iter().position(|&byte| byte == b'.')?;
            rest = rest.get(dot + 1..)?;
        }
    }
}

fn domain_id(name: &[u8]) -> u64 {
    id(&[b"domain", name])
}

fn network_id(first: u128, length: u8, port: u16) -> u64 {
    id(&[&first.to_le_bytes(), &[length], &port.to_le_bytes()])
}

/// What a line has beside its comment; none when that is nothing.
fn content(line: &[u8]) -> Option<&[u8]> {
    let end = line.iter().position(|&byte| byte == b'#').unwrap_or(line.len());
    let line = line.get(..end)?.trim_ascii();
    // `;` of Spamhaus, `!` and `[Adblock Plus 2.0]` of adblock lists, `//` of others.
    let is_comment = matches!(line, [] | [b';' | b'!', ..] | [b'/', b'/', ..] | [b'[', b'A', ..]);
    (!is_comment).then_some(line)
}

/// How many columns of a line are looked at.
const COLUMNS: usize = 4;

/// The first indicator among the columns of a line.
fn indicator(line: &[u8]) -> Option<Indicator> {
    let line = std::str::from_utf8(line).ok()?;
    if let Some(rule) = line.strip_prefix("||") {
        return domain(rule.split(['^', '$']).next()?);
    }
    line.split([',', ';', '\t', '|']).take(COLUMNS).find_map(|column| {
        let mut words = column.trim_matches(|quote: char| quote == '"' || quote == '\'' || quote == ' ').split(' ');
        let first = words.next()?;
        // The form of a hosts file.
        let is_sink = matches!(first, "0.0.0.0" | "127.0.0.1" | "::" | "::1");
        if is_sink { domain(words.find(|word| !word.is_empty())?) } else { network(first).or_else(|| domain(first)) }
    })
}

fn network(text: &str) -> Option<Indicator> {
    let (network, port) = match Network::parse(text) {
        Some(network) => (network, 0),
        None => {
            let (address, port) = text.rsplit_once(':')?;
            let address = address.trim_start_matches('[').trim_end_matches(']');
            (Network::parse(address)?, port.parse().ok().filter(|port| *port != 0)?)
        }
    };
    // A whole private network comes from a list of bogons, and one of half the Internet from nowhere. The policy itself
    // may name either.
    let is_v4 = network.first >> 32 == 0xffff;
    let is_wide = network.length < if is_v4 { 104 } else { 19 };
    let is_bogon = network.is_private() && (network.length < 128 || network.first & 0xffff_ffff == 0);
    (!is_wide && !is_bogon).then_some(Indicator::Network(network, port))
}

fn domain(text: &str) -> Option<Indicator> {
    let name = text.trim_start_matches("*.").trim_end_matches('.');
    let (_, top) = name.rsplit_once('.')?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(letter);
    let is_top = top.len() >= 2 && top.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    (is_top && name.len() <= 253 && name.split('.').all(label))
        .then(|| Indicator::Domain(domain_id(name.to_ascii_lowercase().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(threats: &mut Threats, text: &[u8]) -> Taken {
        let lines = |take: &mut dyn FnMut(&[u8])| {
            text.split(|&byte| byte == b'\n').for_each(take);
            Ok::<_, std::convert::Infallible>(())
        };
        threats.read_list("c2.txt", lines).unwrap()
    }

    fn list(text: &str) -> (Threats, Taken) {
        let mut threats = Threats::default();
        threats.set_policy(&[], &[], &["c2.txt".into()]);
        let taken = read(&mut threats, text.as_bytes());
        (threats, taken)
    }

    #[rstest::rstest]
    #[case("203.0.113.7", Some("203.0.113.7"), None)]
    #[case("203.0.113.0/24 ; SBL1", Some("203.0.113.0/24"), None)]
    #[case("203.0.113.7:443", Some("203.0.113.7:443"), None)]
    #[case("203.0.113.7:80", None, None)]
    #[case(r#""2021-05-16 19:49:33","203.0.113.7","443","online","2023-11-16","QakBot""#, Some("203.0.113.7"), None)]
    #[case(r#""2026-01-01 00:00:00", "12345", "203.0.113.7:443", "ip:port""#, Some("203.0.113.7:443"), None)]
    #[case("0.0.0.0 evil.example", None, Some("evil.example"))]
    #[case("127.0.0.1  evil.example # sink", None, Some("evil.example"))]
    #[case("||evil.example^$third-party", None, Some("evil.example"))]
    #[case("*.EVIL.example.", None, Some("evil.example"))]
    #[case("example,", None, None)]
    #[case("::ffff:203.0.113.7", Some("203.0.113.7"), None)]
    #[case("10.0.0.0/8", None, None)]
    #[case("0.0.0.0/0", None, None)]
    #[case("::/0", None, None)]
    #[case("# 203.0.113.7", None, None)]
    #[case("see evil.example for more", None, None)]
    #[case("2026-01-01T00:00:00Z,1.5,x", None, None)]
    fn lines(#[case] line: &str, #[case] address: Option<&str>, #[case] name: Option<&str>) {
        let (threats, _) = list(line);
        let threat = |threat: Option<Threat>| threat.map(|threat| threat.indicator);
        let at = threats.of_address("203.0.113.7".parse().unwrap(), 443);
        assert_eq!(threat(at).as_deref(), address);
        assert_eq!(threat(threats.of_name(b"a.b.evil.example")).as_deref(), name);
        assert_eq!(threats.of_name(b"devil.example"), None);
    }

    #[test]
    fn ipv6() {
        let (threats, _) = list("2001:db8:bad::/48\n[2001:db8::1]:443\n");
        let indicator =
            |address: &str, port| threats.of_address(address.parse().unwrap(), port).map(|threat| threat.indicator);
        assert_eq!(indicator("2001:db8:bad::7", 1).as_deref(), Some("2001:db8:bad::/48"));
        assert_eq!(indicator("2001:db8::1", 443).as_deref(), Some("[2001:db8::1]:443"));
        assert_eq!(indicator("2001:db8::1", 80), None);
    }

    #[test]
    fn the_policy_goes_first_and_drops_files() {
        let (mut threats, _) = list("203.0.113.7");
        let address = "203.0.113.7".parse().unwrap();
        assert_eq!(threats.of_address(address, 1).unwrap().list, "c2.txt");
        threats.set_policy(&["203.0.113.0/24".into()], &[], &[]);
        assert_eq!(
            threats.of_address(address, 1).unwrap(),
            Threat { list: String::new(), indicator: "203.0.113.0/24".into() }
        );
        threats.set_policy(&[], &[], &[]);
        assert_eq!(threats.of_address(address, 1), None);
    }

    #[test]
    fn a_list_has_an_end() {
        let mut text: String = (0..1_000_000).map(|_| "no indicator\n").collect();
        assert_eq!(list(&text).1, Taken { taken: 0, bad: 1_000_000, over: 0 });
        text = (0..250_000_u32).map(|n| format!("{}\n", std::net::Ipv4Addr::from(0x0800_0000 + n))).collect();
        let (threats, taken) = list(&text);
        assert_eq!(taken, Taken { taken: 200_000, bad: 0, over: 50_000 });
        assert!(threats.lists[1].ids.capacity() <= 262_144);
        assert!(threats.of_address("8.0.0.9".parse().unwrap(), 1).is_some());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_list(text: Vec<u8>, address: u128, port: u16, name: Vec<u8>) {
            let mut threats = Threats::default();
            read(&mut threats, &text);
            let _ = threats.of_address(std::net::Ipv6Addr::from(address).into(), port);
            let _ = threats.of_name(&name);
        }
    }
}
