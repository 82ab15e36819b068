//! How well an engine tells adversaries from what is harmless, by the labels of a stream.
//!
//! A *finding* is an episode that was reported at least once: alerts about it that come later are counted apart. It is
//! true when one of its records is an adversary's. A *campaign* is found by a rule when one of its records carries an
//! alert of that rule; how long that took is the time since the campaign's first record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::label::Label;
use crate::policy::RuleName;
use crate::time::Time;

/// A detection that was reported.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The rule.
    pub rule: String,
    /// The reason.
    pub reason: String,
    /// The id of its episode.
    pub episode: String,
    /// The sentence.
    pub message: String,
}

/// The alerts in the enrichment of a record: what is not suppressed, and not the end of something.
#[must_use]
pub fn alerts(enrichment: &Value) -> Vec<Alert> {
    let detections = enrichment.get("detections").and_then(Value::as_array);
    let alert = |detection: &Value| {
        let text = |name| detection.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let counts = text("suppressed").is_none() && text("state").as_deref() != Some("closed");
        counts
            .then(|| {
                Some(Alert {
                    rule: text("rule")?,
                    reason: text("reason")?,
                    episode: text("episode")?,
                    message: text("message")?,
                })
            })
            .flatten()
    };
    detections.into_iter().flatten().filter_map(alert).collect()
}

/// What became of a campaign.
#[derive(Clone, Debug)]
struct Campaign {
    label: Label,
    first: Time,
    records: u64,
    /// When which rule reported it first.
    found: BTreeMap<String, Time>,
}

/// What is known of an episode.
#[derive(Clone, Debug)]
struct Episode {
    rule: String,
    reason: String,
    /// The scenario of its first record.
    scenario: String,
    is_true: bool,
    alerts: u64,
    message: String,
}

/// A score while it is being counted.
#[derive(Debug, Default)]
pub struct Tally {
    records: u64,
    hostile: u64,
    first: Option<Time>,
    last: Time,
    campaigns: BTreeMap<(String, String), Campaign>,
    episodes: BTreeMap<String, Episode>,
}

impl Tally {
    /// Counts a record, with what was reported of it.
    pub fn see(&mut self, at: Time, label: &Label, alerts: Vec<Alert>) {
        self.records += 1;
        self.first.get_or_insert(at);
        self.last = self.last.max(at);
        let mut campaign = None;
        if label.hostile {
            self.hostile += 1;
            let key = (label.scenario.clone(), label.campaign.clone());
            let known = self.campaigns.entry(key).or_insert_with(|| Campaign {
                label: label.clone(),
                first: at,
                records: 0,
                found: BTreeMap::new(),
            });
            known.records += 1;
            campaign = Some(known);
        }
        for alert in alerts {
            if let Some(campaign) = &mut campaign {
                campaign.found.entry(alert.rule.clone()).or_insert(at);
            }
            let episode = self.episodes.entry(alert.episode).or_insert_with(|| Episode {
                rule: alert.rule,
                reason: alert.reason,
                scenario: label.scenario.clone(),
                is_true: false,
                alerts: 0,
                message: alert.message,
            });
            episode.is_true |= label.hostile;
            episode.alerts += 1;
        }
    }

    /// The score so far.
    #[must_use]
    pub fn score(&self) -> Score {
        let days = self.first.map_or(0.0, |first| (self.last.sec - first.sec) as f64 / 86_400.0).max(1.0 / 24.0);
        let row = |name: &str, episodes: &dyn Fn(&Episode) -> bool, campaigns: Vec<Option<f64>>| {
            let mut row = Row { name: name.to_owned(), days, campaigns: campaigns.len(), ..Row::default() };
            row.hours = campaigns.into_iter().flatten().collect();
            row.hours.sort_by(f64::total_cmp);
            for episode in self.episodes.values().filter(|episode| episodes(episode)) {
                *(if episode.is_true { &mut row.true_findings } else { &mut row.false_findings }) += 1;
                row.alerts += episode.alerts;
            }
            row
        };
        let hours = |campaign: &Campaign, at: Option<&Time>| at.map(|at| (at.sec - campaign.first.sec) as f64 / 3600.0);
        let by_any = |campaign: &Campaign| hours(campaign, campaign.found.values().min());
        let rules = RuleName::ALL.map(RuleName::as_str);
        let by_rule = |rule: &str| {
            let expected = self.campaigns.values().filter(|one| one.label.expect.iter().any(|name| name == rule));
            expected.map(|campaign| hours(campaign, campaign.found.get(rule))).collect()
        };
        let names = |of: &dyn Fn(&Episode) -> String| self.episodes.values().map(of).collect::<BTreeSet<_>>();
        let scenarios: BTreeSet<&str> = self.campaigns.keys().map(|(scenario, _)| &**scenario).collect();
        let of_scenario = |name: &str| {
            self.campaigns.values().filter(|one| one.label.scenario == name).map(by_any).collect::<Vec<_>>()
        };
        let reason = |episode: &Episode| format!("{}/{}", episode.rule, episode.reason);
        Score {
            records: self.records,
            hostile: self.hostile,
            days,
            all: row("all", &|_| true, self.campaigns.values().map(by_any).collect()),
            rules: rules.map(|rule| row(rule, &|one| one.rule == rule, by_rule(rule))).to_vec(),
            reasons: names(&reason).iter().map(|name| row(name, &|one| reason(one) == *name, Vec::new())).collect(),
            scenarios: scenarios
                .iter()
                .map(|name| row(name, &|one| one.is_true && one.scenario == *name, of_scenario(name)))
                .collect(),
            harmless: names(&|one| one.scenario.clone())
                .iter()
                .map(|name| row(name, &|one| !one.is_true && one.scenario == *name, Vec::new()))
                .filter(|row| row.false_findings > 0)
                .collect(),
            wrong: self
                .episodes
                .values()
                .filter(|episode| !episode.is_true)
                .map(|episode| format!("{} ({}): {}", reason(episode), episode.scenario, episode.message))
                .collect(),
            missed: self
                .campaigns
                .values()
                .filter(|campaign| campaign.found.is_empty())
                .map(|campaign| format!("{}, {}", campaign.label.scenario, campaign.label.campaign))
                .collect(),
        }
    }
}

/// What was counted of one kind of thing.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Of what.
    pub name: String,
    /// How many campaigns there were.
    pub campaigns: usize,
    /// After how many hours those that were found were, the shortest first.
    pub hours: Vec<f64>,
    /// Findings about adversaries.
    pub true_findings: u64,
    /// Findings about what is harmless.
    pub false_findings: u64,
    /// How often anything was reported.
    pub alerts: u64,
    days: f64,
}

impl Row {
    /// The part of the findings that is true; none where there are none.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        let all = self.true_findings + self.false_findings;
        (all > 0).then(|| self.true_findings as f64 / all as f64)
    }

    /// The part of the campaigns that was found; none where there were none.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        (self.campaigns > 0).then(|| self.hours.len() as f64 / self.campaigns as f64)
    }

    /// After how many hours the one in the middle was found; of two in the middle the later.
    #[must_use]
    pub fn hours_to_detect(&self) -> Option<f64> {
        self.hours.get(self.hours.len() / 2).copied()
    }

    /// Findings a day.
    #[must_use]
    pub fn per_day(&self) -> f64 {
        (self.true_findings + self.false_findings) as f64 / self.days
    }

    /// False findings a day.
    #[must_use]
    pub fn false_per_day(&self) -> f64 {
        self.false_findings as f64 / self.days
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name, "campaigns": self.campaigns, "found": self.hours.len(), "precision": self.precision(),
            "recall": self.recall(), "hours_to_detect": self.hours_to_detect(), "true_findings": self.true_findings,
            "false_findings": self.false_findings, "alerts": self.alerts, "findings_per_day": self.per_day(),
            "false_per_day": self.false_per_day(),
        })
    }
}

/// How well it went.
#[derive(Clone, Debug)]
pub struct Score {
    /// How many records there were.
    pub records: u64,
    /// How many of them were adversaries'.
    pub hostile: u64,
    /// How many days they were of.
    pub days: f64,
    /// Everything.
    pub all: Row,
    /// By rule: the campaigns that the rule is to find.
    pub rules: Vec<Row>,
    /// By reason.
    pub reasons: Vec<Row>,
    /// By the adversaries' scenario, whatever rule found them.
    pub scenarios: Vec<Row>,
    /// False findings by what set them off.
    pub harmless: Vec<Row>,
    /// The campaigns that no rule found.
    pub missed: Vec<String>,
    /// The false findings one by one: why, what set it off, and the sentence.
    pub wrong: Vec<String>,
}

impl Score {
    /// A figure by its name: `recall`, or `anomalous-traffic.recall` for that of a rule. The outer none is for names that
    /// there are not, the inner for what cannot be said.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<Option<f64>> {
        let (row, figure) = match name.rsplit_once('.') {
            Some((rule, figure)) => (self.rules.iter().find(|row| row.name == rule)?, figure),
            None => (&self.all, name),
        };
        Some(match figure {
            "precision" => row.precision(),
            "recall" => row.recall(),
            "hours-to-detect" => row.hours_to_detect(),
            "findings-per-day" => Some(row.per_day()),
            "false-per-day" => Some(row.false_per_day()),
            _ => return None,
        })
    }

    /// All of it as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rows = |rows: &[Row]| rows.iter().map(Row::to_json).collect::<Vec<_>>();
        json!({
            "records": self.records, "hostile_records": self.hostile, "days": self.days, "all": self.all.to_json(),
            "rules": rows(&self.rules), "reasons": rows(&self.reasons), "scenarios": rows(&self.scenarios),
            "harmless": rows(&self.harmless), "missed": self.missed, "wrong": self.wrong,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(campaign: &str) -> Label {
        Label {
            scenario: "c2-beacon".into(),
            campaign: campaign.into(),
            hostile: true,
            expect: vec!["anomalous-traffic".into()],
        }
    }

    fn alert(episode: &str) -> Vec<Alert> {
        let text = |text: &str| text.to_owned();
        vec![Alert {
            rule: text("anomalous-traffic"),
            reason: text("beacon"),
            episode: text(episode),
            message: text(""),
        }]
    }

    #[test]
    fn counts_episodes_and_campaigns() {
        let mut tally = Tally::default();
        let hour = |hour: i64| Time::from_sec(hour * 3600);
        tally.see(hour(0), &Label::usual(), Vec::new());
        tally.see(hour(1), &label("one"), Vec::new());
        tally.see(hour(2), &label("other"), Vec::new());
        tally.see(hour(3), &label("one"), alert("a"));
        tally.see(hour(4), &label("one"), alert("a"));
        tally.see(hour(24), &Label::usual(), alert("b"));
        let score = tally.score();
        let rule = &score.rules[1];
        assert_eq!((rule.recall(), rule.precision(), rule.hours_to_detect()), (Some(0.5), Some(0.5), Some(2.0)));
        assert_eq!((score.all.alerts, score.all.false_per_day()), (3, 1.0));
        assert_eq!(score.missed, ["c2-beacon, other"]);
        assert_eq!(score.figure("anomalous-traffic.recall"), Some(Some(0.5)));
        assert_eq!(score.figure("restart-spike.recall"), Some(None));
        assert_eq!(score.figure("recoil"), None);
        assert_eq!(score.harmless.len(), 1);
    }

    #[test]
    fn what_is_suppressed_or_over_is_no_alert() {
        let detection = |suppressed: Value, state: &str| json!({"rule": "r", "reason": "x", "episode": "e", "message": "m", "suppressed": suppressed, "state": state});
        let enrichment = json!({"detections": [
            detection(Value::Null, "new"), detection("cooldown".into(), "ongoing"), detection(Value::Null, "closed"),
            detection(Value::Null, "ongoing"),
        ]});
        assert_eq!(alerts(&enrichment).len(), 2);
        assert!(alerts(&json!({})).is_empty());
    }
}
