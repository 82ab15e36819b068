//! How a workload stands to a destination: what makes the one worth to be judged by the other.

use super::destination::Destination;
use crate::baseline::{Destination as Seen, NAMES, Talk};
use crate::detect::{Context, Detection};
use crate::time::DAY;

/// So many workloads that do the same are one matter.
pub const SEVERAL: u32 = 3;

/// A destination of so many workloads is a service.
const POPULAR: u32 = 10;

/// Hardly anybody polls what is outside more often than this, in milliseconds.
const FAST: f64 = 5_000.0;

/// New workloads with a task of every hour are many: so theirs is looked at only where it is of fewer milliseconds.
const SLOW: f64 = 1_800_000.0;

/// What went on for so long has been reported, and looked at, and stayed.
const ACCEPTED: i64 = 30 * DAY;

/// Ports of services that a workload may well use outside.
const USUAL: [u16; 40] = [
    21, 22, 25, 53, 80, 88, 110, 123, 143, 179, 389, 443, 465, 514, 587, 636, 853, 989, 990, 993, 995, 1433, 1521,
    1883, 2379, 3306, 3478, 4317, 4318, 5222, 5432, 5671, 5672, 6379, 6443, 8080, 8443, 8883, 9092, 27017,
];

/// A workload and a destination.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Whether the workload is not known for as long as the policy wants to learn.
    pub is_learning: bool,
    /// Whether that is so though others were known before it began.
    pub is_newcomer: bool,
    /// Whether it has contacted the destination while it was being learned, or for so long that it is accepted.
    pub is_known: bool,
    /// Whether others had contacted it for as long as it takes to learn when this workload began.
    pub is_established: bool,
    /// About how many workloads contact it.
    pub prevalence: u32,
    /// Whether it has no name, though the workload's other destinations have some.
    pub is_bare: bool,
    /// Whether its port is of no usual service.
    pub is_odd: bool,
    /// Whether another rule has found something of the workload lately.
    pub is_suspect: bool,
    /// When the workload was seen first, in seconds.
    first: i64,
}

impl Standing {
    /// What is known before the destination is. A newcomer is a workload that began when others were known.
    pub fn new(
        talk: &Talk,
        destination: &Destination,
        context: Context<'_>,
        is_newcomer: bool,
        is_suspect: bool,
    ) -> Self {
        let is_learning = context.at.sec.saturating_sub(talk.first) < i64::from(context.policy.baseline.learn_for);
        Self {
            is_learning,
            is_newcomer: is_learning && is_newcomer,
            is_known: false,
            is_established: false,
            prevalence: 1,
            is_bare: destination.name.is_none() && talk.flags & NAMES != 0,
            is_odd: destination.port != 0 && !USUAL.contains(&destination.port),
            is_suspect,
            first: talk.first,
        }
    }

    /// What the pair, seen first at a time, and the destination add to that.
    pub fn learn(&mut self, first: i64, seen: Seen, context: Context<'_>) {
        let learn_for = i64::from(context.policy.baseline.learn_for);
        let learned = self.first.saturating_add(learn_for);
        let is_learned = learn_for > 0 && first < learned && !self.is_newcomer;
        self.is_known = is_learned || context.at.sec.saturating_sub(first) >= ACCEPTED;
        self.is_established = learn_for > 0 && seen.first.saturating_add(learn_for) <= first;
        self.prevalence = seen.prevalence();
    }

    /// Whether what the workload does with the destination is judged at all.
    ///
    /// While a workload is being learned everything is new: then it takes a finding of another rule, or an address
    /// without a name at an odd port. Later, what is new to the workload, and not to the others for long.
    pub fn is_open(&self) -> bool {
        if self.is_learning {
            return self.is_suspect || self.is_bare && self.is_odd;
        }
        !self.is_known && (!self.is_established || self.is_bare && self.is_odd)
    }

    /// Whether a clock behind its contacts is judged, too, where nothing else of the two would be.
    ///
    /// A workload that is new where others are known is not new because nobody has looked: what it does by the clock,
    /// with a destination of nobody's, it was perhaps made for. Where nobody is known yet it takes a clock that is faster
    /// than pollers are.
    pub fn is_open_to_clock(&self, period: f64, has_failed: bool) -> bool {
        let is_striking = if self.is_newcomer { !self.is_established && period < SLOW } else { period < FAST };
        let is_rare = self.is_learning && self.prevalence < SEVERAL;
        self.is_open() || is_rare && is_striking || has_failed && self.is_open_to_failures()
    }

    /// Whether attempts that fail are judged: a service at an odd port may be down, but not from the first day on.
    pub fn is_open_to_failures(&self) -> bool {
        self.is_open() || self.is_learning && self.is_odd && self.prevalence < SEVERAL
    }

    /// What this adds to a score, as in RITA: a destination that is new and rare counts more, one that many use less.
    pub fn weight(&self) -> f64 {
        let when = |is: bool, weight: f64| if is { weight } else { 0.0 };
        when(!self.is_known, 0.15) + when(self.prevalence < SEVERAL, 0.15) - when(self.prevalence >= POPULAR, 0.15)
            + when(self.is_odd, 0.05)
            + when(self.is_bare, 0.05)
            + when(self.is_suspect, 0.15)
    }

    /// Says in a detection's evidence what counted.
    pub fn explain(&self, detection: &mut Detection) {
        let said = [
            (!self.is_known, "new_to_workload"),
            (self.is_odd, "odd_port"),
            (self.is_bare, "no_name"),
            (self.is_suspect, "other_findings"),
        ];
        detection.evidence.extend(said.iter().filter(|(is, _)| *is).map(|(_, name)| (*name, 1.0.into())));
    }
}
