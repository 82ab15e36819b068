//! The learned policy over the history once more: what it would still find.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use tidewaiter::host::{Host, Verdict};
use tidewaiter::time::DAY;

use super::super::findings;
use super::super::observe::Observer;

/// A detection that is left.
#[derive(Clone, Debug)]
pub struct Leftover {
    pub rule: String,
    pub reason: String,
    pub namespace: String,
    pub name: String,
    pub alerts: u64,
    pub message: String,
    /// When it was found first, in seconds since 1970.
    pub first: i64,
}

/// Collects what a guest finds.
#[derive(Default)]
pub struct Trial {
    found: BTreeMap<(String, String, String, String), Leftover>,
    observer: Observer,
}

/// More than this nobody reads.
const MOST: usize = 500;

impl Trial {
    /// Judges some lines.
    pub fn judge(&mut self, lines: &[u8], guest: &mut dyn Host) -> Result<()> {
        let batch = guest.inspect(lines, None)?;
        for (answer, _) in batch.answers().filter(|(_, verdict)| *verdict == Verdict::Match) {
            let record: Value = serde_json::from_slice(answer).context("an answer of the guest is no JSON")?;
            if let Some(own) = findings::enrichment(&record, "tidewaiter") {
                let at = self.observer.observe(answer, |at, _| at.sec).unwrap_or_default();
                self.add(own, at);
            }
        }
        Ok(())
    }

    fn add(&mut self, own: &Value, first: i64) {
        let text = |value: &Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for detection in own.get("detections").and_then(Value::as_array).into_iter().flatten() {
            if !detection.get("suppressed").is_none_or(Value::is_null) || text(detection, "/state") == "closed" {
                continue;
            }
            let (rule, reason) = (text(detection, "/rule"), text(detection, "/reason"));
            let (namespace, name) = (text(own, "/workload/namespace"), text(own, "/workload/name"));
            let key = (rule.clone(), reason.clone(), namespace.clone(), name.clone());
            if self.found.len() >= MOST && !self.found.contains_key(&key) {
                continue;
            }
            let message = text(detection, "/message");
            let new = Leftover { rule, reason, namespace, name, alerts: 0, message, first };
            self.found.entry(key).or_insert(new).alerts += 1;
        }
    }

    pub fn finish(self) -> Vec<Leftover> {
        self.found.into_values().collect()
    }
}

/// A weekly time in which restarts of several workloads lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub day: &'static str,
    /// Hours of the day (UTC): from the first, until the second.
    pub hours: (i64, i64),
    pub workloads: usize,
}

/// Days as policies have them. 1970 began on a Thursday.
const WEEK: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
/// So many workloads that restart within so many hours are somebody's work.
const SEVERAL: usize = 4;
const HOURS: i64 = 4;

/// The times at which somebody maintains what is there, as the restarts suggest.
pub fn windows(leftovers: &[Leftover]) -> Vec<Window> {
    let restarts = leftovers.iter().filter(|one| one.rule == "restart-spike" && one.reason != "slow-restarts");
    let mut hours: Vec<i64> = restarts.map(|one| one.first.div_euclid(3600)).collect();
    hours.sort_unstable();
    let mut windows: Vec<Window> = Vec::new();
    while let Some(first) = hours.first().copied() {
        let (near, rest): (Vec<i64>, Vec<i64>) = hours.iter().partition(|hour| *hour - first < HOURS);
        let last = near.last().copied().unwrap_or(first);
        if near.len() >= SEVERAL {
            let day = (first * 3600).div_euclid(DAY).rem_euclid(7);
            let day = WEEK.get(day as usize).copied().unwrap_or("sun");
            let window =
                Window { day, hours: (first.rem_euclid(24), (last + 1).rem_euclid(24)), workloads: near.len() };
            if !windows.iter().any(|known| known.day == day && known.hours == window.hours) {
                windows.push(window);
            }
        }
        hours = rest;
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_of_a_night_suggest_a_window() {
        // Sunday, 8 March 2026, 02:00 and on.
        let restart = |minute: i64| Leftover {
            rule: "restart-spike".into(),
            reason: "restart-rate".into(),
            namespace: "shop".into(),
            name: format!("web-{minute}"),
            alerts: 1,
            message: String::new(),
            first: 1_772_935_200 + minute * 60,
        };
        let mut restarts: Vec<Leftover> = [5, 17, 40, 80].into_iter().map(restart).collect();
        assert_eq!(windows(&restarts), [Window { day: "sun", hours: (2, 4), workloads: 4 }]);
        restarts.pop();
        assert_eq!(windows(&restarts), []);
    }
}
