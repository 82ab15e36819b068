//! What an observation says of the network: connections, and questions for names.

use std::net::IpAddr;

use crate::record::Text;
use crate::time::Time;

/// A connection, by whoever began it. What came in from outside is no flow of the workload's.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow<'a> {
    /// What the source calls the connection, where it does: two records of one connection have the same.
    pub id: Option<Text<'a>>,
    /// When it began, where that is not the time of the record.
    pub start: Option<Time>,
    /// Where it went.
    pub address: Option<IpAddr>,
    /// The name of that, as the workload used it: from TLS (SNI), HTTP (Host), or a proxy's request. Never resolved.
    pub name: Option<Text<'a>>,
    /// The port; 0 where the protocol has none.
    pub port: u16,
    /// The port from which it came; 0 where that is not known.
    pub local_port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// What is spoken over it (`http`, `tls`, `dns`, `stratum` …), where the source knows.
    pub service: Option<Text<'a>>,
    /// How far it came.
    pub progress: Progress,
    /// Bytes that were sent; none where the source does not count. Tetragon has those of one call, and VPC flow logs
    /// those of a minute or ten.
    pub sent: Option<u64>,
    /// Bytes that came back.
    pub received: Option<u64>,
    /// How long it has lasted, in seconds.
    pub seconds: Option<f64>,
    /// What a source that judges itself says of it: the name of its rule (Falco, Suricata), as evidence.
    pub alert: Option<Text<'a>>,
}

impl Flow<'_> {
    /// A flow of which nothing is known but where it went and how far it came.
    #[must_use]
    pub fn new(address: Option<IpAddr>, port: u16, protocol: Protocol, progress: Progress) -> Self {
        Self {
            id: None,
            start: None,
            address,
            name: None,
            port,
            local_port: 0,
            protocol,
            service: None,
            progress,
            sent: None,
            received: None,
            seconds: None,
            alert: None,
        }
    }

    /// The same flow with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Flow<'static> {
        Flow {
            id: self.id.map(Text::into_owned),
            name: self.name.map(Text::into_owned),
            service: self.service.map(Text::into_owned),
            alert: self.alert.map(Text::into_owned),
            ..self
        }
    }
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, of either version.
    Icmp,
    /// Another one.
    Other,
}

impl Protocol {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Other => "other",
        }
    }
}

/// How far a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It was begun; more of it may come in other records.
    Begun,
    /// It goes on: the sums so far.
    Established,
    /// It is over: the sums are whole.
    Ended,
    /// Nobody answered, or it was refused or reset at once.
    Failed,
}

/// A question for a name, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup<'a> {
    /// The name, as it was asked for.
    pub name: Text<'a>,
    /// The type of the record asked for (`A`, `TXT` …), where it is known.
    pub kind: Option<Text<'a>>,
    /// The addresses that came back.
    pub answers: Vec<IpAddr>,
    /// Whether there is no such name; none where nobody has answered yet.
    pub not_found: Option<bool>,
}

impl Lookup<'_> {
    /// The same question with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Lookup<'static> {
        Lookup { name: self.name.into_owned(), kind: self.kind.map(Text::into_owned), ..self }
    }
}
