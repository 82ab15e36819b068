//! `restart-spike`, the part about resources: a workload uses more than it is used to.

use super::{Context, Detection};
use crate::baseline::Seed;
use crate::policy::Policy;
use crate::source::Observation;

/// The reasons, as `tidewaiter explain restart-spike` lists them.
pub mod reasons {
    /// All of them.
    pub const ALL: &[&crate::detect::Reason] = &[];
}

/// The rule with what it remembers.
#[derive(Debug)]
pub struct Resources {}

impl Resources {
    /// The rule for a policy, with nothing seen.
    #[must_use]
    pub fn new(_policy: &Policy, _seed: Seed) -> Self {
        Self {}
    }

    /// Judges what an observation says of the use of resources.
    pub fn judge(&mut self, _observation: &Observation<'_>, _context: Context<'_>, _found: &mut Vec<Detection>) {}
}
