//! What several rules find of one workload within an hour is one matter, and a grave one: an image that nobody
//! authorised, a destination that nobody knew, a process that does not run as it did.

use super::{Context, Detection, Severity};
use crate::baseline::{Seed, Table, Worth};
use crate::policy::RuleName;
use crate::source::Workload;
use crate::time::DAY;

/// The reason, which each of the rules may give.
pub mod reasons {
    use crate::detect::reasons;

    reasons! {
        /// Several rules at a time.
        CORRELATED = "correlated", High, 90, [BOTNET],
            "Several rules have found something of the workload within an hour.";
    }
}

/// Findings within so many seconds belong together.
const TOGETHER: i64 = 3600;

/// What a rule found of a workload last.
#[derive(Clone, Copy, Debug)]
struct Lately {
    found: [Option<(i64, &'static str)>; RuleName::ALL.len()],
    /// When it was last said that they belong together.
    told: Option<i64>,
}

impl Worth for Lately {
    fn worth(&self) -> i64 {
        self.found.iter().flatten().map(|(at, _)| *at).max().unwrap_or(i64::MIN)
    }
}

/// By rule, the reason of what belongs together with a finding of another one.
pub type Company = [Option<&'static str>; RuleName::ALL.len()];

/// What the rules have found of the workloads.
#[derive(Debug)]
pub struct Correlated {
    lately: Table<Lately>,
}

impl Correlated {
    /// Nothing yet, and later of at most so many workloads.
    #[must_use]
    pub fn new(workloads: u32, seed: Seed) -> Self {
        Self { lately: Table::new(workloads / 4, seed) }
    }

    /// Whether a rule other than the one for traffic has found something of the workload within a day.
    #[must_use]
    pub fn is_suspect(&self, workload: u64, at: i64) -> bool {
        let Some(lately) = self.lately.get(workload) else { return false };
        let recent = |found: &Option<(i64, _)>| found.is_some_and(|(time, _)| (at - time).abs() <= DAY);
        [RuleName::UnauthorizedImage, RuleName::RestartSpike]
            .iter()
            .any(|rule| lately.found.get(*rule as usize).is_some_and(recent))
    }

    /// The reasons of other rules that belong together with what one finds of the workload now; none when it is time to
    /// say so.
    #[must_use]
    pub fn company(&self, workload: u64, rule: RuleName, at: i64) -> Option<Company> {
        let Some(lately) = self.lately.get(workload) else { return Some(Company::default()) };
        let mut company = lately.found.map(|found| found.filter(|(time, _)| (at - time).abs() <= TOGETHER));
        *company.get_mut(rule as usize)? = None;
        let is_told = lately.told.is_some_and(|told| (at - told).abs() < DAY);
        (is_told || company.iter().all(Option::is_none)).then(|| company.map(|found| Some(found?.1)))
    }

    /// Takes up that a rule has found the same again.
    pub fn again(&mut self, workload: u64, rule: RuleName, reason: &'static str, at: i64) {
        let found = self.lately.get_mut(workload).and_then(|lately| lately.found.get_mut(rule as usize));
        if let Some(found) = found {
            *found = Some((at, reason));
        }
    }

    /// Takes up what was just found of a workload. What is low, or explained, counts for nothing: a rollout alone makes
    /// a new image, new destinations and restarts. Where it comes together with what another rule has found, it is high,
    /// and once a day something says so.
    pub fn see(&mut self, workload: &Workload<'_>, context: Context<'_>, from: usize, found: &mut Vec<Detection>) {
        let at = context.at.sec;
        let mut together = None;
        for detection in found.iter_mut().skip(from) {
            let counts = detection.severity > Severity::Low
                && detection.suppressed.is_none()
                && detection.scope == super::Scope::Workload;
            if !counts {
                continue;
            }
            let key = context.workload;
            let place = self
                .lately
                .find(key)
                .unwrap_or_else(|| self.lately.put(key, Lately { found: Default::default(), told: None }));
            let Some(lately) = self.lately.at_mut(place) else { continue };
            if let Some(place) = lately.found.get_mut(detection.rule as usize) {
                *place = Some((at, detection.reason.id));
            }
            let recent = |found: &&(i64, &'static str)| (at - found.0).abs() <= TOGETHER;
            let parts: Vec<_> = lately.found.iter().flatten().filter(recent).map(|(_, reason)| *reason).collect();
            if parts.len() > 1 {
                detection.severity = Severity::High;
                detection.evidence.push(("correlated", parts.join(", ").into()));
                if lately.told.is_none_or(|told| (at - told).abs() >= DAY) {
                    lately.told = Some(at);
                    together = Some((detection.rule, detection.baseline, parts));
                }
            }
        }
        if let Some((rule, baseline, parts)) = together {
            let parts = parts.join(", ");
            let message = format!("{}: {parts} within an hour", super::whom(workload));
            let mut detection = Detection::new(rule, &reasons::CORRELATED, message).with("reasons", parts);
            detection.baseline = baseline;
            found.push(detection);
        }
    }
}
