//! Whose an address is, and what it is called: learned from records that say both, never resolved.

use std::net::IpAddr;

use super::snapshot::{self, Entry, Number, Reader, put_text};
use super::{Seed, Table, Worth, id};
use crate::record::Text;
use crate::source::{Observation, Workload};

/// An address that was neither named nor used for so many seconds may be somebody else's by now.
const LEASE: i64 = 6 * 3600;

/// A name is good for so many seconds: a workload that goes on asks for it again.
const NAMED: i64 = 86_400;

/// No name is longer (RFC 1035, 2.3.4).
const LONGEST: usize = 253;

/// More answers than this to one question teach nothing.
const ANSWERS: usize = 16;

/// The workload at an address.
#[derive(Clone, PartialEq, Debug)]
pub struct Owner {
    /// Cluster, namespace, kind and name.
    pub(crate) workload: [Box<[u8]>; 4],
    pub(crate) seen: i64,
}

impl Worth for Owner {
    fn worth(&self) -> i64 {
        self.seen
    }
}

impl Entry for Owner {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        self.workload.iter().for_each(|part| put_text(part, out));
        self.seen.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut workload = <[Box<[u8]>; 4]>::default();
        for part in &mut workload {
            *part = reader.text()?.into();
        }
        Some(Self { workload, seen: reader.seconds()? })
    }

    fn merge(&mut self, other: Self) {
        snapshot::keep_later(self, other, |owner| owner.seen);
    }

    fn last(&self) -> Option<i64> {
        Some(self.seen)
    }
}

/// What a workload calls an address.
#[derive(Clone, PartialEq, Debug)]
pub struct Called {
    pub(crate) name: Box<[u8]>,
    pub(crate) seen: i64,
}

impl Worth for Called {
    fn worth(&self) -> i64 {
        self.seen
    }
}

impl Entry for Called {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        put_text(&self.name, out);
        self.seen.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { name: reader.text()?.into(), seen: reader.seconds()? })
    }

    fn merge(&mut self, other: Self) {
        snapshot::keep_later(self, other, |called| called.seen);
    }
}

/// The addresses of workloads, and the names of what they connect to.
#[derive(Debug)]
pub struct Addresses {
    pub(crate) owners: Table<Owner>,
    pub(crate) names: Table<Called>,
}

impl Addresses {
    /// None yet, and later at most so many owners, and as many names.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        Self { owners: Table::new(capacity, seed), names: Table::new(capacity, seed) }
    }

    /// Learns whose the observation's address is, or gives the observation the workload that others have told for it.
    pub fn identify(&mut self, observation: &mut Observation<'_>, at: i64) {
        let Some(address) = observation.address else { return };
        let key = id(&[&bits(address).to_le_bytes()]);
        let Workload { cluster, namespace, kind, name } = &observation.workload;
        if is_named(&observation.workload) {
            let parts = [cluster, namespace, kind, name];
            match self.owners.get_mut(key) {
                Some(owner) if owner.workload.iter().zip(parts).all(|(known, part)| **known == *part.as_bytes()) => {
                    owner.seen = owner.seen.max(at);
                }
                // What a late record says of the past is no news.
                Some(owner) if owner.seen > at => {}
                _ => {
                    let workload = parts.map(|part| part.as_bytes().into());
                    self.owners.put(key, Owner { workload, seen: at });
                }
            }
            return;
        }
        let known = self.owners.get_mut(key).filter(|owner| at.saturating_sub(owner.seen) <= LEASE);
        if let Some(owner) = known {
            owner.seen = owner.seen.max(at);
            let [cluster, namespace, kind, name] = owner.workload.each_ref().map(|part| Text::from(part.to_vec()));
            observation.workload = Workload { cluster, namespace, kind, name };
        }
    }

    /// Learns what a workload calls an address.
    pub fn call(&mut self, workload: u64, address: IpAddr, name: &[u8], at: i64) {
        let key = called(workload, address);
        match self.names.get_mut(key) {
            Some(known) if *known.name == *name => known.seen = known.seen.max(at),
            _ if (1..=LONGEST).contains(&name.len()) => {
                self.names.put(key, Called { name: name.into(), seen: at });
            }
            _ => {}
        }
    }

    /// Learns the answers to a question.
    pub fn answer(&mut self, workload: u64, answers: &[IpAddr], name: &[u8], at: i64) {
        answers.iter().take(ANSWERS).for_each(|address| self.call(workload, *address, name, at));
    }

    /// What a workload calls an address.
    #[must_use]
    pub fn name(&self, workload: u64, address: IpAddr, at: i64) -> Option<&[u8]> {
        let known = self.names.get(called(workload, address))?;
        (at.saturating_sub(known.seen) <= NAMED).then_some(&*known.name)
    }
}

fn called(workload: u64, address: IpAddr) -> u64 {
    id(&[&workload.to_le_bytes(), &bits(address).to_le_bytes()])
}

/// An address as a number, IPv4 in the block that IPv6 has for it: so that `::ffff:192.0.2.1` is `192.0.2.1`.
#[must_use]
pub fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => 0xffff_0000_0000 | u128::from(u32::from(address)),
        IpAddr::V6(address) => address.into(),
    }
}

/// Whether a workload is known by more than its address, which is how sources that know addresses alone name it.
#[must_use]
pub fn is_named(workload: &Workload<'_>) -> bool {
    workload.kind != "address" && workload.name != "-"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    const ADDRESS: &str = "10.244.1.7";

    fn see(addresses: &mut Addresses, name: &'static str, at: i64) -> String {
        let kind = if name == ADDRESS { "address" } else { "Deployment" };
        let workload = Workload { kind: kind.into(), name: name.into(), ..Workload::default() };
        let mut observation = Observation::new(Source::Tetragon, "network.connection", workload);
        observation.address = ADDRESS.parse().ok();
        addresses.identify(&mut observation, at);
        observation.workload.name.to_string()
    }

    #[test]
    fn an_address_is_somebodys_for_a_while() {
        let mut addresses = Addresses::new(16, Seed([1, 2]));
        assert_eq!(see(&mut addresses, "-", 0), "-");
        assert_eq!(see(&mut addresses, "web", 10), "web");
        assert_eq!(see(&mut addresses, ADDRESS, 20), "web");
        assert_eq!(see(&mut addresses, "-", LEASE), "web", "used all the time");
        assert_eq!(see(&mut addresses, "-", 2 * LEASE), "web");
        assert_eq!(see(&mut addresses, "-", 3 * LEASE + 1), "-");
        assert_eq!(see(&mut addresses, "web", 100 * LEASE), "web");
        assert_eq!(see(&mut addresses, "db", 100 * LEASE + 1), "db");
        assert_eq!(see(&mut addresses, "web", 100 * LEASE), "web", "a late record speaks for itself");
        assert_eq!(see(&mut addresses, "-", 100 * LEASE + 2), "db", "but not of now");
    }

    #[test]
    fn names_are_those_of_the_workload() {
        let mut addresses = Addresses::new(16, Seed([1, 2]));
        let address = "203.0.113.7".parse().unwrap();
        addresses.answer(1, &[address], b"example.org", 0);
        assert_eq!(addresses.name(1, address, 10), Some(&b"example.org"[..]));
        assert_eq!(addresses.name(1, "::ffff:203.0.113.7".parse().unwrap(), 10), Some(&b"example.org"[..]));
        assert_eq!(addresses.name(2, address, 10), None);
        assert_eq!(addresses.name(1, address, NAMED + 1), None);
        addresses.call(1, address, &[b'a'; 300], 0);
        assert_eq!(addresses.name(1, address, 10), Some(&b"example.org"[..]));
    }
}
