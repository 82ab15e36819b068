//! Where a flow goes: outside, inside, or nowhere; and under which name it is remembered.

use std::net::IpAddr;

use crate::baseline::{Networks, bits, id};
use crate::source::Protocol;

/// Where something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Outside: a flow there is egress.
    Outside,
    /// In the policy's `internal` networks.
    Inside,
    /// The metadata service of a cloud.
    Metadata,
    /// Loopback, link-local, multicast, broadcast.
    Nowhere,
}

/// Where a flow goes.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The name, in lower case, as the workload calls it.
    pub name: Option<String>,
    /// The address.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Where it is.
    pub side: Side,
}

/// Where proxies listen: what goes through one goes to the name that it was asked for.
const PROXIES: [u16; 5] = [1080, 3128, 8080, 8118, 8888];

/// The metadata service, in addresses and names (AWS, Azure and others; AWS by IPv6; Alibaba; Google).
const METADATA: [&str; 4] = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "metadata.google.internal"];

/// What is no name of the Internet ends in this.
const LOCAL: [&str; 6] = ["internal", "local", "localdomain", "lan", "svc", "arpa"];

impl Destination {
    /// Where a flow to a name and an address goes.
    pub fn new(
        name: Option<String>,
        address: Option<IpAddr>,
        port: u16,
        protocol: Protocol,
        internal: &Networks,
    ) -> Self {
        let address = address.map(|address| address.to_canonical());
        let mut this = Self { name, address, port, protocol, side: Side::Outside };
        this.side = this.side_in(internal);
        this
    }

    fn side_in(&self, internal: &Networks) -> Side {
        if is_metadata(self.name.as_deref(), self.address) {
            return Side::Metadata;
        }
        let is_local = self.name.as_deref().is_none_or(is_local);
        match self.address {
            Some(address) if is_nowhere(address) => Side::Nowhere,
            Some(address) if internal.have(address) => {
                let is_proxied = !is_local && PROXIES.contains(&self.port);
                if is_proxied { Side::Outside } else { Side::Inside }
            }
            Some(_) => Side::Outside,
            None if is_local => Side::Inside,
            None => Side::Outside,
        }
    }

    /// What it is remembered by: its domain, or else its address (a /64 of IPv6), with port and protocol.
    pub fn key(&self) -> u64 {
        let address = self.address.map_or(0, |address| match address {
            IpAddr::V4(_) => bits(address),
            IpAddr::V6(_) => bits(address) & (u128::MAX << 64),
        });
        let place = match &self.name {
            Some(name) => id(&[registrable(name).as_bytes()]),
            None => id(&[&address.to_le_bytes()]),
        };
        id(&[&place.to_le_bytes(), &self.port.to_le_bytes(), &[self.protocol as u8]])
    }

    /// As people write it.
    pub fn shown(&self) -> String {
        let place = match (&self.name, self.address) {
            (Some(name), _) => name.clone(),
            (None, Some(address)) if address.is_ipv6() && self.port != 0 => format!("[{address}]"),
            (None, Some(address)) => address.to_string(),
            (None, None) => "-".into(),
        };
        if self.port == 0 { place } else { format!("{place}:{}", self.port) }
    }
}

/// Whether it is the metadata service.
pub fn is_metadata(name: Option<&str>, address: Option<IpAddr>) -> bool {
    let is = |text: &&str| {
        name == Some(text) || address.is_some_and(|address| text.parse().is_ok_and(|known: IpAddr| known == address))
    };
    METADATA.iter().any(is)
}

/// Whether an address is of no other machine.
fn is_nowhere(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => bits(address.into()) >> 118 == 0xfe80 >> 6,
    };
    is_link_local || address.is_loopback() || address.is_unspecified() || address.is_multicast()
}

/// A name as it is looked for: in lower case, without the root's dot and the port. None when it is none.
pub fn normal(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?.trim_end_matches('.');
    let name = match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => name,
    };
    (!name.is_empty() && name.len() <= 253).then(|| name.to_ascii_lowercase())
}

/// Whether a name is none of the Internet's.
pub fn is_local(name: &str) -> bool {
    let top = name.rsplit('.').next().unwrap_or_default();
    top.len() == name.len() || LOCAL.contains(&top)
}

/// Second labels below a country under which others register.
const SECOND: [&str; 10] = ["ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"];

/// Where customers choose the name before it: another customer's is another destination. They matter because command
/// and control likes them.
const SHARED: [&str; 24] = [
    "amazonaws.com",
    "appspot.com",
    "azureedge.net",
    "azurewebsites.net",
    "blogspot.com",
    "cloudfront.net",
    "ddns.net",
    "duckdns.org",
    "github.io",
    "herokuapp.com",
    "hopto.org",
    "netlify.app",
    "ngrok-free.app",
    "ngrok.io",
    "no-ip.org",
    "onrender.com",
    "pages.dev",
    "run.app",
    "trycloudflare.com",
    "vercel.app",
    "web.app",
    "windows.net",
    "workers.dev",
    "zapto.org",
];

/// The part of a name that somebody has registered: the last two labels, or three where two are a suffix that many
/// share. It need not be right, only the same each time; the list of all public suffixes is as large as the rest of the
/// module.
pub fn registrable(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (Some(top), Some(second)) = (dots.next(), dots.next()) else { return name };
    let after = |at: usize| name.get(at + 1..).unwrap_or(name);
    let two = after(second);
    let is_country = name.len() - top == 3;
    let label = name.get(second + 1..top).unwrap_or_default();
    if !(SHARED.contains(&two) || is_country && SECOND.contains(&label)) {
        return two;
    }
    dots.next().map_or(name, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("example.org", "example.org")]
    #[case("a.b.example.org", "example.org")]
    #[case("a.b.example.co.uk", "example.co.uk")]
    #[case("example.co.uk", "example.co.uk")]
    #[case("a.evil.duckdns.org", "evil.duckdns.org")]
    #[case("duckdns.org", "duckdns.org")]
    #[case("localhost", "localhost")]
    #[case("", "")]
    #[case(".", ".")]
    #[case("..a", ".a")]
    fn domains(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(registrable(name), expected);
    }

    #[rstest::rstest]
    #[case(None, Some("203.0.113.7"), 443, Side::Outside)]
    #[case(None, Some("10.1.2.3"), 443, Side::Inside)]
    #[case(None, Some("::ffff:10.1.2.3"), 443, Side::Inside)]
    #[case(Some("api.example.org"), Some("10.1.2.3"), 443, Side::Inside)]
    #[case(Some("api.example.org"), Some("10.1.2.3"), 3128, Side::Outside)]
    #[case(Some("api.shop.svc.cluster.local"), Some("10.1.2.3"), 8080, Side::Inside)]
    #[case(Some("api.example.org"), None, 443, Side::Outside)]
    #[case(Some("api.svc"), None, 443, Side::Inside)]
    #[case(None, None, 443, Side::Inside)]
    #[case(None, Some("127.0.0.1"), 443, Side::Nowhere)]
    #[case(None, Some("169.254.1.1"), 80, Side::Nowhere)]
    #[case(None, Some("fe80::1"), 80, Side::Nowhere)]
    #[case(None, Some("224.0.0.252"), 5355, Side::Nowhere)]
    #[case(None, Some("255.255.255.255"), 67, Side::Nowhere)]
    #[case(None, Some("169.254.169.254"), 80, Side::Metadata)]
    #[case(None, Some("fd00:ec2::254"), 80, Side::Metadata)]
    #[case(Some("metadata.google.internal"), None, 80, Side::Metadata)]
    fn sides(#[case] name: Option<&str>, #[case] address: Option<&str>, #[case] port: u16, #[case] expected: Side) {
        let internal = Networks::new(&["10.0.0.0/8".into(), "fd00::/8".into()]);
        let address = address.map(|text| text.parse().unwrap());
        let destination = Destination::new(name.map(String::from), address, port, Protocol::Tcp, &internal);
        assert_eq!(destination.side, expected);
    }

    #[rstest::rstest]
    #[case("Example.ORG.", Some("example.org"))]
    #[case("example.org:8080", Some("example.org"))]
    #[case("2001:db8::1", Some("2001:db8::1"))]
    #[case("", None)]
    fn names(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(normal(text.as_bytes()).as_deref(), expected);
    }
}
