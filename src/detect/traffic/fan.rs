//! Destinations that are new to a workload: one that is remarkable, and many at a time.

use super::destination::Side;
use super::{Contacted, QUIET, Traffic, reasons};
use crate::baseline::{Contact, HOUR, TOGETHER, id};
use crate::detect::Detection;

/// An excess of new destinations less likely than this is a fan-out ...
const UNLIKELY: f64 = 1e-6;
/// ... if there are so many within ten minutes. One page has thirty destinations that answer: with thirty as the least,
/// each of ten browsing hosts had findings on its first day.
const MANY: u32 = 100;

/// So many new destinations that do not answer are one by themselves: outside, and inside, where a service that is
/// scaled down leaves addresses behind.
const FAILED: [u32; 2] = [10, 30];

/// Of all new destinations, one in so many has to fail for that: a page with dead advertisements is no scan.
const SHARE: u32 = 4;

/// Whoever has so many new ones within ten minutes, answering or not, roams: the next are not worth to be remembered.
const ROAMS: u32 = 60;

/// So many new ports of one address within a minute are a scan of it.
const PORTS: u32 = 15;

/// A workload that has more new destinations than this in a day has one that is new without notice.
const SELDOM: f64 = 0.25;
/// Of the new ones of a day so many are told: more are a new version.
const FEW: u16 = 3;

impl Traffic {
    /// Counts a destination that the workload has never contacted, and judges what that comes to.
    pub(super) fn fan(&mut self, told: &Contacted<'_>, found: &mut Vec<Detection>) {
        if told.contact != Some(Contact::First) {
            return;
        }
        let (now, who, standing) = (told.context.at.sec, &told.who, &told.standing);
        let Some(talk) = self.talks.workload(told.context.workload, now) else { return };
        let is_outside = told.destination.side == Side::Outside;
        let begin = found.len();
        // What a workload begins with says nothing of what it comes to later.
        let learn_for = i64::from(told.context.policy.baseline.learn_for);
        let begins = now.saturating_sub(talk.first) < learn_for.min(HOUR);
        if is_outside && !told.has_failed && !begins {
            talk.new.add(now);
        }
        let windows = talk.new.windows.iter().chain(&talk.failed);
        if windows.map(|window| window.count(now)).sum::<u32>() >= ROAMS {
            talk.roams_until = now.saturating_add(i64::from(TOGETHER));
        }
        let (usual, lately) =
            (talk.new.rate.per_hour(), talk.new.hours.iter().fold(0, |sum: u16, count| sum.saturating_add(*count)));
        if let Some(window) = talk.failed.get_mut(usize::from(!is_outside)).filter(|_| told.has_failed) {
            window.add(now);
            let failed = window.count(now);
            let answered = talk.new.windows.first().map_or(0, |window| window.count(now));
            let least = if is_outside { FAILED[0] } else { FAILED[1] };
            if failed >= least && failed.saturating_mul(SHARE) >= answered {
                let message = format!("{who} tries {failed} new destinations within ten minutes that do not answer");
                found.push(
                    told.detection(&reasons::FAN_OUT, message)
                        .with("failed", f64::from(failed))
                        .with("answered", f64::from(answered)),
                );
            }
        }
        if let Some(address) = told.destination.address.filter(|_| is_outside || told.has_failed) {
            let address_id = id(&[&crate::baseline::bits(address).to_le_bytes()]);
            let ports = talk.port(address_id, told.destination.port, now);
            if ports >= PORTS {
                let message = format!("{who} contacts about {ports} new ports of {address} within a minute");
                found.push(told.detection(&reasons::FAN_OUT, message).with("ports", f64::from(ports)));
            }
        }
        if found.len() == begin
            && is_outside
            && !told.has_failed
            && !standing.is_learning
            && let Some(excess) = talk.new.excess(now, MANY, UNLIKELY)
        {
            talk.new.alarm(now);
            let message = format!(
                "{who} contacts {} new destinations within ten minutes; {}",
                excess.observed,
                crate::detect::restart::usual(excess)
            );
            let detection = told.detection(&reasons::FAN_OUT, message);
            found.push(crate::detect::restart::with_excess(detection, excess));
        }
        for detection in found.iter_mut().skip(begin) {
            // Whoever scans does so whatever he contacts.
            detection.entity.clear();
            detection.scope = crate::detect::Scope::Workload;
            detection.evidence.push(("window_seconds", f64::from(TOGETHER).into()));
        }
        if found.len() > begin || !is_outside {
            return;
        }
        self.port(told, found);
        let is_news = !standing.is_learning && standing.prevalence == 1 && usual * 24.0 < SELDOM && lately <= FEW;
        if found.len() == begin && is_news && !told.has_failed && !QUIET.contains(&told.destination.port) {
            let message = format!("{who} contacts {}, which nobody has contacted before", told.destination.shown());
            let mut detection =
                told.detection(&reasons::NEW, message).with("usual_in_a_day", (usual * 2400.0).round() / 100.0);
            standing.explain(&mut detection);
            found.push(detection);
        }
    }
}
