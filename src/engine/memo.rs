//! What records got, so that their like need not be judged again.
//!
//! Most records of a container are alike but for their times: events of the same container, lines of the same log. What
//! such a record gets depends on the members that its source reads, on the policy and, for a detection that goes on, on
//! its episode alone.

use crate::baseline::{Readiness, Seed};
use crate::detect::Detection;
use crate::detect::image::reasons;
use crate::image::Reference;
use crate::policy::RuleName;
use crate::record::{Fields, Key, Known};
use crate::source::{Observation, Source, Workload, keys};

/// What a record got.
#[derive(Debug)]
pub struct Answer {
    /// Where the record is from: its time is read by that.
    pub source: Source,
    /// The enrichment of a clean record; of a detection that goes on, what of it stands before the count.
    pub enrichment: Box<[u8]>,
    /// The detection, where there is one.
    pub again: Option<Box<Again>>,
}

/// A detection that goes on: what has to be as it was, and what stands behind the count.
#[derive(Debug)]
pub struct Again {
    pub rule: RuleName,
    pub reason: &'static str,
    pub workload: Workload<'static>,
    pub image: Option<Reference>,
    pub readiness: Readiness,
    /// The key of its episode.
    pub episode: u64,
    pub rest: Box<[u8]>,
}

/// Answers, by the records that got them.
#[derive(Debug)]
pub struct Memo {
    known: Known<Answer>,
    /// How many records were known since all was forgotten last.
    hits: usize,
    /// Of how many records that are not known one is remembered.
    every: u32,
    misses: u32,
}

/// What [`Memo::every`] is where records hardly repeat themselves: to remember one costs a third of judging it.
const SELDOM: u32 = 32;

impl Memo {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let [seed, _] = seed.0;
        Self { known: Known::new(seed), hits: 0, every: 1, misses: 0 }
    }

    /// Forgets all: the policy is another.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// What a record like this one got. Of its fields those that [pass](PASSING) are there.
    pub fn recall<'a>(&mut self, record: &'a [u8]) -> Option<(Fields<'a, '_>, &Answer)> {
        let (fields, answer) = self.known.find(record)?;
        self.hits += 1;
        Some((fields, answer))
    }

    /// Whether a record that is not known should be remembered. It makes room for it.
    pub fn wants(&mut self) -> bool {
        if self.known.is_full() {
            self.every = if self.hits < self.known.len() * 2 { SELDOM } else { 1 };
            self.hits = 0;
            self.known.clear();
        }
        self.misses = self.misses.wrapping_add(1);
        self.misses.is_multiple_of(self.every)
    }

    /// Remembers what a record got.
    pub fn remember(&mut self, fields: &Fields<'_, '_>, answer: Answer) {
        self.known.put(fields, answer);
    }
}

/// Whether another record with the same members would be the same observation and change nothing that is learned: its
/// source reads no times but as times, and nothing inside arrays, and it says nothing that has to be counted.
pub fn repeats(observation: &Observation<'_>, fields: &Fields<'_, '_>) -> bool {
    observation.facts.is_empty()
        && match observation.source {
            // Without its type an event is told by the type of its time.
            Source::Docker => fields.has(keys::DOCKER_TYPE),
            Source::ContainerLog => true,
            _ => false,
        }
}

/// Whether judging the same image again would find the same: not so where the finding itself is learned from.
pub fn lasts(detection: &Detection) -> bool {
    ![reasons::DRIFT.id, reasons::FIRST_SEEN.id].contains(&detection.reason.id)
}

/// The members that are new in every record and say nothing about whose container it is: times, and what a container
/// has logged.
pub const PASSING: [Key; 7] =
    [keys::LOG, keys::MESSAGE, keys::TIME, keys::TIMESTAMP, keys::AT_TIMESTAMP, keys::TS, keys::DOCKER_TIME_NANO];
