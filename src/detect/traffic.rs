//! `anomalous-traffic`: a container talks to the outside as command and control does.

use super::{Context, Detection};
use crate::baseline::Seed;
use crate::policy::Policy;
use crate::source::Observation;

/// The reasons, as `tidewaiter explain anomalous-traffic` lists them.
pub mod reasons {
    /// All of them.
    pub const ALL: &[&crate::detect::Reason] = &[];
}

/// The rule with what it remembers.
#[derive(Debug)]
pub struct Traffic {}

impl Traffic {
    /// The rule for a policy, with nothing seen.
    #[must_use]
    pub fn new(_policy: &Policy, _seed: Seed) -> Self {
        Self {}
    }

    /// Goes on with another policy; what was learned stays.
    pub fn set_policy(&mut self, _policy: &Policy) {}

    /// Judges what an observation says of the network.
    pub fn judge(&mut self, _observation: &Observation<'_>, _context: Context<'_>, _found: &mut Vec<Detection>) {}
}
