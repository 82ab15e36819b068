//! What was found: every episode, with its workload and what was said of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::observe::Observer;

/// More findings than this are counted, and not shown.
const MOST: usize = 400;
/// More alerts of one finding than this are counted, and not drawn.
const MOST_TIMES: usize = 2000;

/// An episode.
#[derive(Debug, Default)]
pub struct Finding {
    pub episode: String,
    pub rule: String,
    pub reason: String,
    pub severity: String,
    pub score: u64,
    pub message: String,
    pub evidence: Map<String, Value>,
    /// Tactics and techniques.
    pub attack: Vec<(String, String)>,
    /// `namespace/name`.
    pub workload: String,
    pub kind: String,
    pub source: String,
    /// The image of the record that the finding was told with.
    pub image: Option<String>,
    pub baseline: String,
    /// When it was told.
    pub times: Vec<i64>,
    pub alerts: u64,
    pub suppressed: u64,
    /// What suppressed it, where that was not its own cool-down.
    pub cause: Option<String>,
    pub is_over: bool,
}

impl Finding {
    pub fn first(&self) -> i64 {
        self.times.first().copied().unwrap_or_default()
    }

    pub fn last(&self) -> i64 {
        self.times.last().copied().unwrap_or_default()
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.evidence.get(name)?.as_f64()
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.evidence.get(name)?.as_str()
    }

    /// 0 for high, and so on.
    pub fn rank(&self) -> usize {
        match &*self.severity {
            "high" => 0,
            "medium" => 1,
            _ => 2,
        }
    }
}

/// All of it.
#[derive(Default)]
pub struct Findings {
    pub list: Vec<Finding>,
    /// Findings that were suppressed each time: what by, and how many.
    pub excused: BTreeMap<(String, String), u64>,
    pub records: u64,
    pub enriched: u64,
    pub workloads: usize,
    pub omitted: u64,
    pub policy: String,
    pub version: String,
    pub from: i64,
    pub until: i64,
    by_episode: BTreeMap<String, Finding>,
    seen: std::collections::BTreeSet<u64>,
    observer: Observer,
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The workload of an enrichment, as people write it.
pub fn workload(own: &Value) -> String {
    let (namespace, name) = (text(own, "/workload/namespace"), text(own, "/workload/name"));
    if namespace == "-" || namespace.is_empty() { name } else { format!("{namespace}/{name}") }
}

impl Findings {
    pub fn see(&mut self, line: &[u8], field: &str) {
        if line.is_empty() {
            return;
        }
        self.records += 1;
        let Some(at) = self.observer.observe(line, |at, _| at.sec) else { return };
        let Some(own) = own(line, field) else { return };
        self.enriched += 1;
        if at > 0 {
            self.from = if self.from == 0 { at } else { self.from.min(at) };
            self.until = self.until.max(at);
        }
        let workload = workload(&own);
        // A hash each: of a million workloads that is eight megabytes.
        self.seen.insert(tidewaiter::baseline::id(&[workload.as_bytes()]));
        self.workloads = self.seen.len();
        for detection in own.get("detections").and_then(Value::as_array).into_iter().flatten() {
            self.policy = text(&own, "/policy");
            self.version = text(&own, "/version");
            self.add(at, &own, &workload, detection);
        }
    }

    fn add(&mut self, at: i64, own: &Value, workload: &str, detection: &Value) {
        let episode = text(detection, "/episode");
        let suppressed = detection.get("suppressed").and_then(Value::as_str);
        let known = self.by_episode.len();
        let finding = match self.by_episode.get_mut(&episode) {
            Some(finding) => finding,
            None if text(detection, "/state") == "closed" => return,
            None if known >= 4 * MOST => {
                self.omitted += 1;
                return;
            }
            None => self.by_episode.entry(episode.clone()).or_default(),
        };
        if text(detection, "/state") == "closed" {
            finding.is_over = true;
            return;
        }
        match suppressed {
            Some("cooldown") => finding.suppressed += 1,
            Some(cause) => {
                finding.suppressed += 1;
                finding.cause = Some(cause.to_owned());
            }
            None => {
                finding.alerts += 1;
                if finding.times.len() < MOST_TIMES {
                    finding.times.push(at);
                }
            }
        }
        let score = detection.get("score").and_then(Value::as_u64).unwrap_or_default();
        // The first that was not suppressed speaks for the episode, or one that weighs more.
        let speaks = finding.rule.is_empty() || suppressed.is_none() && (finding.alerts == 1 || score > finding.score);
        if !speaks {
            return;
        }
        let attack = detection.get("attack").and_then(Value::as_array);
        *finding = Finding {
            rule: text(detection, "/rule"),
            reason: text(detection, "/reason"),
            severity: text(detection, "/severity"),
            score,
            message: text(detection, "/message"),
            evidence: detection.get("evidence").and_then(Value::as_object).cloned().unwrap_or_default(),
            attack: attack
                .into_iter()
                .flatten()
                .map(|entry| (text(entry, "/tactic"), text(entry, "/technique")))
                .collect(),
            workload: workload.to_owned(),
            kind: text(own, "/workload/kind"),
            source: text(own, "/source"),
            image: ["/image/canonical", "/image/reference"]
                .into_iter()
                .map(|pointer| text(own, pointer))
                .find(|image| !image.is_empty()),
            baseline: text(detection, "/baseline"),
            episode,
            ..std::mem::take(finding)
        };
    }

    /// Puts what matters first, and sets apart what was suppressed each time.
    pub fn sort(&mut self) {
        let (mut list, excused): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.by_episode).into_values().partition(|finding| finding.alerts > 0);
        for finding in excused {
            let reason = format!("{}/{}", finding.rule, finding.reason);
            *self.excused.entry((reason, finding.cause.unwrap_or_else(|| "cooldown".into()))).or_default() += 1;
        }
        list.sort_by(|one, other| {
            let order = |finding: &Finding| (finding.rank(), std::cmp::Reverse(finding.score), finding.first());
            order(one).cmp(&order(other))
        });
        self.omitted += list.len().saturating_sub(MOST) as u64;
        list.truncate(MOST);
        self.list = list;
    }
}

/// The enrichment of a record.
pub fn own(line: &[u8], field: &str) -> Option<Value> {
    let Value::Object(mut record) = serde_json::from_slice(line).ok()? else { return None };
    record.remove(field).filter(Value::is_object)
}
