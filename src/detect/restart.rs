//! `restart-spike`, the part about restarts: a workload restarts more often than it is used to.

use super::{Context, Detection};
use crate::baseline::Seed;
use crate::policy::Policy;
use crate::source::Observation;

/// The rule with what it remembers.
#[derive(Debug)]
pub struct Restarts {}

impl Restarts {
    /// The rule for a policy, with nothing seen.
    #[must_use]
    pub fn new(_policy: &Policy, _seed: Seed) -> Self {
        Self {}
    }

    /// Counts what an observation says of restarts, and judges it.
    pub fn judge(&mut self, _observation: &Observation<'_>, _context: Context<'_>, _found: &mut Vec<Detection>) {}
}
