//! Questions for names: listed ones, a tunnel below one domain, domains that do not exist.

use super::destination::{is_local, is_metadata, normal, registrable};
use super::{Traffic, allows_name, listed, readiness, reasons};
use crate::baseline::{METADATA, NAMES, Subnames, id};
use crate::detect::{Context, Detection, Severity, whom};
use crate::policy::RuleName;
use crate::source::{Lookup, Observation};

/// So many different names below one domain in a day are a tunnel (RITA's thresholds) where they carry something:
/// with letters that would be 4 kB of data, the bound of Paxson et al. (*Practical comprehensive bounds on surreptitious
/// communication over DNS*, USENIX Security 2013), or in questions for types that carry data.
const NAMES_LOW: u32 = 100;
const CARRIED: u32 = 4096;
/// So many are one whatever they carry.
const NAMES_HIGH: u32 = 800;
/// And no day had half as many.
const TIMES: u32 = 2;

/// Types of records that carry data.
const CARRYING: [&[u8]; 4] = [b"TXT", b"NULL", b"CNAME", b"PRIVATE"];

/// So many domains that do not exist, within so many seconds, are generated ...
const MISSING: u32 = 20;
const MISSING_WITHIN: i64 = 600;
/// ... if of so many letters one comes as it seldom does in words. Of the registered parts of a thousand popular names
/// one in ten does, and of 10,000 samples of twenty of them none had a quarter; of random letters more than two in five.
const ODD_LETTERS: u32 = 4;

impl Traffic {
    /// Learns from a question and its answers, and judges it.
    pub(super) fn lookup(
        &mut self,
        lookup: &Lookup<'_>,
        observation: &Observation<'_>,
        context: Context<'_>,
        found: &mut Vec<Detection>,
    ) {
        let (workload, now) = (context.workload, context.at.sec);
        let Some(name) = normal(lookup.name.as_bytes()) else { return };
        let Some(talk) = self.talks.workload(workload, now) else { return };
        if !lookup.answers.is_empty() {
            talk.flags |= NAMES;
            self.addresses.answer(workload, &lookup.answers, name.as_bytes(), now);
        }
        let is_learning = now.saturating_sub(talk.first) < i64::from(context.policy.baseline.learn_for);
        let begin = found.len();
        let who = whom(&observation.workload);
        let domain = registrable(&name);
        let report = |reason, message: String| {
            let mut detection = Detection::new(RuleName::AnomalousTraffic, reason, message).with("domain", domain);
            detection.entity = domain.to_owned();
            detection
        };
        if let Some(threat) = self.threats.of_name(name.as_bytes()) {
            found.push(listed::asked(&who, &name, threat));
        }
        if listed::is_pool(&name) {
            found.push(report(&reasons::MINER_POOL, format!("{who} asks for the mining pool {name}")));
        }
        if is_metadata(Some(&name), None) {
            if talk.flags & METADATA == 0 && !is_learning {
                found.push(report(&reasons::METADATA, format!("{who} asks for the metadata service {name}")));
            }
            talk.flags |= METADATA;
        } else if !is_local(&name) && !allows_name(&name, context.policy) {
            if lookup.not_found == Some(true) {
                if now.saturating_sub(talk.missing_since).saturating_abs() > MISSING_WITHIN {
                    (talk.missing, talk.missing_since, talk.letters, talk.odd_letters) = (0, now, 0, 0);
                }
                let bit = 1 << (id(&[domain.as_bytes()]) % 128);
                if talk.missing & bit == 0 {
                    talk.missing |= bit;
                    let (letters, odd) = letters(domain);
                    talk.letters = talk.letters.saturating_add(letters);
                    talk.odd_letters = talk.odd_letters.saturating_add(odd);
                    let missing = talk.missing.count_ones();
                    if missing >= MISSING && talk.odd_letters * ODD_LETTERS >= talk.letters {
                        let message = format!(
                            "{who} has asked for {missing} domains within ten minutes that do not exist, {domain} the last"
                        );
                        let share = f64::from(talk.odd_letters * 100 / talk.letters.max(1));
                        let mut detection = report(&reasons::DGA, message)
                            .with("missing", f64::from(missing))
                            .with("odd_letters_percent", share);
                        detection.entity.clear();
                        found.push(detection);
                    }
                }
            }
            if name.len() > domain.len() {
                found.extend(self.tunnel(&name, domain, lookup, &who, context));
            }
        }
        let baseline = readiness(is_learning, context);
        found.iter_mut().skip(begin).for_each(|detection| detection.baseline = baseline);
    }

    /// Counts a name below a domain, and judges how many there are.
    fn tunnel(
        &mut self,
        name: &str,
        domain: &str,
        lookup: &Lookup<'_>,
        who: &str,
        context: Context<'_>,
    ) -> Option<Detection> {
        let now = context.at.sec;
        let key = id(&[&context.workload.to_le_bytes(), domain.as_bytes()]);
        let place = self.subnames.find(key).unwrap_or_else(|| self.subnames.put(key, Subnames::new(now)));
        let subnames = self.subnames.at_mut(place)?;
        let carries = lookup.kind.as_ref().is_some_and(|kind| CARRYING.contains(&kind.as_bytes()));
        let letters = name.len() - domain.len() - 1;
        let is_new = subnames.add(id(&[name.as_bytes()]), letters, carries, now);
        // A name that changes the count.
        if !is_new {
            return None;
        }
        let names = subnames.count();
        let mean = subnames.letters / subnames.questions.max(1);
        let carrying = u64::from(subnames.carrying) * 2 > u64::from(subnames.questions);
        let is_tunnel =
            names >= NAMES_LOW && (names.saturating_mul(mean) >= CARRIED || carrying) || names >= NAMES_HIGH;
        if !is_tunnel || names < subnames.usual.saturating_mul(TIMES) {
            return None;
        }
        let message = format!("{who} has asked for about {names} different names below {domain} within a day");
        let mut detection = Detection::new(RuleName::AnomalousTraffic, &reasons::DNS_TUNNEL, message)
            .with("domain", domain)
            .with("names", f64::from(names))
            .with("mean_letters", f64::from(mean))
            .with("data_types_percent", f64::from(subnames.carrying) * 100.0 / f64::from(subnames.questions.max(1)))
            .with("usual_names", f64::from(subnames.usual));
        if names < NAMES_HIGH && !carrying {
            detection.severity = Severity::Medium;
        }
        detection.entity = domain.to_owned();
        Some(detection)
    }
}

/// How many letters the registered label of a domain has, and how many of them come as they seldom do in words: digits
/// between letters, a fourth consonant in a row, letters that words hardly have.
fn letters(domain: &str) -> (u32, u32) {
    let label = domain.split('.').next().unwrap_or_default();
    let (mut odd, mut consonants) = (0, 0);
    for byte in label.bytes() {
        consonants = if byte.is_ascii_alphabetic() && !b"aeiouy".contains(&byte) { consonants + 1 } else { 0 };
        let is_odd = byte.is_ascii_digit() || b"qxzjkvw".contains(&byte) || consonants > 3;
        odd += u32::from(is_odd);
    }
    (label.len() as u32, odd)
}
