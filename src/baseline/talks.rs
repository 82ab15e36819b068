//! What is usual of a workload's connections, all destinations together, and which connections are going on.

use super::snapshot::{self, Entry, Number, Reader};
use super::{HOUR, Occurrences, Seed, Table, Window, Worth, id, lasting};

/// In how many seconds new destinations are counted together.
pub const TOGETHER: u32 = 600;

/// In how many seconds the ports of one address are.
const PORTS: i64 = 60;

/// The workload has been at the metadata service.
pub const METADATA: u8 = 1;
/// Names are seen of what the workload connects to.
pub const NAMES: u8 = 2;

/// The connections of one workload. Times are in seconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Talk {
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Destinations that it had never contacted before.
    pub(crate) new: Occurrences,
    /// Those of them that did not answer: outside, and inside.
    pub(crate) failed: [Window; 2],
    /// The ports of the address that was contacted at a new port last, each one bit of 64, and since when.
    pub(crate) address: u64,
    pub(crate) ports: u64,
    pub(crate) since: i64,
    /// The domains that were asked for and are none, each one bit of 128, and since when.
    pub(crate) missing: u128,
    pub(crate) missing_since: i64,
    /// How many letters the names of those domains have, and how many of them come as they seldom do in words.
    pub(crate) letters: u32,
    pub(crate) odd_letters: u32,
    pub(crate) flags: u8,
    /// Until when it is one that contacts very many.
    pub(crate) roams_until: i64,
}

impl Worth for Talk {
    fn worth(&self) -> i64 {
        lasting(self.first, self.last)
    }
}

impl Entry for Talk {
    const VERSION: u8 = 1;

    // What was counted within minutes is not kept: those minutes are over.
    fn write(&self, out: &mut Vec<u8>) {
        [self.first, self.last].put(out);
        self.flags.put(out);
        self.new.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [first, last] = <[i64; 2] as Number>::read(reader)?;
        let flags = reader.u8()?;
        Some(Self { first, flags, new: Occurrences::read(reader)?, ..Self::new(last) })
    }

    fn merge(&mut self, other: Self) {
        let (first, flags) = (self.first.min(other.first), self.flags | other.flags);
        snapshot::keep_later(self, other, |talk| (talk.new.experience(), talk.last));
        (self.first, self.flags) = (first, flags);
    }

    fn resume(&mut self, gap: i64) {
        self.first = self.first.saturating_add(gap);
        self.new.skip(gap);
    }

    fn last(&self) -> Option<i64> {
        Some(self.last)
    }
}

impl Talk {
    fn new(at: i64) -> Self {
        Self {
            first: at,
            last: at,
            new: Occurrences::new(&[TOGETHER], at),
            failed: [Window::new(TOGETHER), Window::new(TOGETHER)],
            address: 0,
            ports: 0,
            since: at,
            missing: 0,
            missing_since: at,
            letters: 0,
            odd_letters: 0,
            flags: 0,
            roams_until: i64::MIN,
        }
    }

    /// Notes a new port of an address, and gives how many there were within a minute.
    pub fn port(&mut self, address: u64, port: u16, at: i64) -> u32 {
        if self.address != address || (at - self.since).abs() > PORTS {
            let is_over = (at - self.since).abs() > PORTS;
            if !is_over && self.ports.count_ones() > 3 {
                return 0;
            }
            (self.address, self.ports, self.since) = (address, 0, at);
        }
        self.ports |= 1 << (id(&[&port.to_le_bytes()]) % 64);
        self.ports.count_ones()
    }
}

/// A connection, as the last record of it told. Start is in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Connection {
    pub(crate) start: i64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) seconds: f32,
    pub(crate) is_over: bool,
}

impl Worth for Connection {
    fn worth(&self) -> i64 {
        self.start
    }
}

/// What a record says of a connection that the records before it did not.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Told {
    /// Whether it is the first record.
    pub is_new: bool,
    /// What has come since.
    pub sent: u64,
    /// Likewise.
    pub received: u64,
    /// Likewise.
    pub seconds: f64,
}

/// A connection without an id is the same within so many milliseconds of its start ...
const SAME: i64 = 1000;
/// ... and while it goes on, for so many.
const LONGEST: i64 = 24 * HOUR * 1000;

/// The workloads' connections.
#[derive(Debug)]
pub struct Talks {
    pub(crate) talks: Table<Talk>,
    pub(crate) connections: Table<Connection>,
}

impl Talks {
    /// None yet, and later at most those of so many workloads.
    #[must_use]
    pub fn new(workloads: u32, seed: Seed) -> Self {
        Self { talks: Table::new(workloads / 2, seed), connections: Table::new(workloads / 2, seed) }
    }

    /// What is known of a workload.
    pub fn workload(&mut self, workload: u64, at: i64) -> Option<&mut Talk> {
        let place = self.talks.find(workload).unwrap_or_else(|| self.talks.put(workload, Talk::new(at)));
        let talk = self.talks.at_mut(place)?;
        talk.last = talk.last.max(at);
        Some(talk)
    }

    /// Compares a record of a connection with those before. `goes_on` says that it is not the first by its own account,
    /// `has_id` that the key is of nothing else.
    pub fn connection(&mut self, key: u64, now: Connection, has_id: bool, goes_on: bool) -> Told {
        let Some(known) = self.connections.get_mut(key) else {
            self.connections.put(key, now);
            return Told { is_new: true, sent: now.sent, received: now.received, seconds: now.seconds.into() };
        };
        let apart = now.start.saturating_sub(known.start).saturating_abs();
        if !has_id && apart > SAME && !(goes_on && !known.is_over && apart <= LONGEST) {
            *known = now;
            return Told { is_new: true, sent: now.sent, received: now.received, seconds: now.seconds.into() };
        }
        let told = Told {
            is_new: false,
            sent: now.sent.saturating_sub(known.sent),
            received: now.received.saturating_sub(known.received),
            seconds: f64::from(now.seconds - known.seconds).max(0.0),
        };
        known.sent = known.sent.max(now.sent);
        known.received = known.received.max(now.received);
        known.seconds = known.seconds.max(now.seconds);
        known.is_over |= now.is_over;
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(start: i64, sent: u64, is_over: bool) -> Connection {
        Connection { start, sent, received: 0, seconds: 0.0, is_over }
    }

    #[test]
    fn a_connection_counts_once() {
        let mut talks = Talks::new(16, Seed([1, 2]));
        let mut see = |key, connection, has_id, goes_on| {
            let told = talks.connection(key, connection, has_id, goes_on);
            (told.is_new, told.sent)
        };
        assert_eq!(see(1, record(0, 0, false), true, false), (true, 0));
        assert_eq!(see(1, record(900_000, 10, false), true, true), (false, 10));
        assert_eq!(see(1, record(0, 25, true), true, true), (false, 15));
        assert_eq!(see(1, record(0, 25, true), true, true), (false, 0));
        assert_eq!(see(2, record(0, 0, false), false, false), (true, 0));
        assert_eq!(see(2, record(500, 0, false), false, false), (false, 0));
        assert_eq!(see(2, record(60_000, 5, true), false, true), (false, 5));
        assert_eq!(see(2, record(70_000, 5, true), false, true), (true, 5), "the port is used again");
        assert_eq!(see(2, record(80_000, 0, false), false, false), (true, 0));
    }

    #[test]
    fn ports_of_an_address_are_counted() {
        let mut talks = Talks::new(16, Seed([1, 2]));
        let talk = talks.workload(1, 0).unwrap();
        let most = (0..40_u16).map(|port| talk.port(9, port, 10)).max();
        assert!((15..=40).contains(&most.unwrap()), "{most:?}");
        assert_eq!(talk.port(8, 1, 20), 0, "another address in the meantime");
        assert_eq!(talk.port(8, 1, 100), 1);
    }
}
