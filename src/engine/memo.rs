//! What clean records got, so that their like need not be judged again.
//!
//! Most records of a container are alike but for their times: events of the same container, lines of the same log. What
//! such a record gets depends on the members that its source reads and on the policy; a clean one touches no state
//! that could make the next one anything but clean.

use crate::baseline::{Seed, Table, Worth};
use crate::record::{Fields, Key};
use crate::source::{Observation, Source, keys};

/// Longer members than this, in all, are not worth their memory.
const LONGEST: usize = 768;

/// How many clean records are remembered.
const CAPACITY: u32 = 2048;

/// The enrichments of clean records, by the hash of their members.
#[derive(Debug)]
pub struct Memo {
    seed: Seed,
    clean: Table<Clean>,
    clock: i64,
    /// The members of the record at hand, one after the other.
    members: Vec<u8>,
}

#[derive(Debug)]
struct Clean {
    members: Box<[u8]>,
    source: Source,
    enrichment: Box<[u8]>,
    used: i64,
}

impl Worth for Clean {
    fn worth(&self) -> i64 {
        self.used
    }
}

impl Memo {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { seed, clean: Table::new(CAPACITY, seed), clock: 0, members: Vec::new() }
    }

    /// Forgets all: the policy is another.
    pub fn clear(&mut self) {
        self.clean = Table::new(CAPACITY, self.seed);
    }

    /// The place that the record has here; none when it is not of a kind that repeats itself.
    pub fn place(&mut self, fields: &Fields<'_, '_>) -> Option<u64> {
        self.members.clear();
        if fields.has_elements() {
            return None;
        }
        self.members.reserve(LONGEST);
        for &key in fields.found() {
            let value = fields.get(key)?.raw();
            if self.members.len() + value.len() > LONGEST {
                return None;
            }
            // There are fewer keys than a byte has values.
            self.members.push(key.0 as u8);
            self.members.extend_from_slice(value);
        }
        Some(self.seed.quick(&self.members))
    }

    /// The source of the record whose place was just asked for, and what it gets, when it is known to be clean.
    pub fn get(&mut self, place: u64) -> Option<(Source, &[u8])> {
        self.clock += 1;
        let clean = self.clean.get_mut(place).filter(|clean| crate::record::same(&clean.members, &self.members))?;
        clean.used = self.clock;
        Some((clean.source, &clean.enrichment))
    }

    /// Remembers what a clean record got, if its source reads nothing but what makes the place, and if it says nothing
    /// that has to be counted.
    pub fn put(&mut self, place: u64, observation: &Observation<'_>, enrichment: &[u8]) {
        if matches!(observation.source, Source::Docker | Source::ContainerLog) && observation.facts.is_empty() {
            let members = self.members.as_slice().into();
            self.clean.put(
                place,
                Clean { members, source: observation.source, enrichment: enrichment.into(), used: self.clock },
            );
        }
    }
}

/// The members that are new in every record and say nothing about whose container it is: times, and what a container
/// has logged.
pub const PASSING: [Key; 7] =
    [keys::LOG, keys::MESSAGE, keys::TIME, keys::TIMESTAMP, keys::AT_TIMESTAMP, keys::TS, keys::DOCKER_TIME_NANO];

const _: () = assert!(keys::RECORD_KEYS.len() < 256);
