//! What the pictures show: contacts of a destination, restarts, use of a resource, as the records tell them.

use std::collections::HashMap;

use tidewaiter::source::{Amount, Fact, Flow, Observation};

use super::super::observe::Observer;
use super::collect::{Finding, Findings, own, workload};

/// More points than this are not drawn.
const MOST: usize = 3000;

/// The points of a picture: seconds since 1970, and a value.
pub type Points = Vec<(f64, f64)>;

/// What a finding is about.
enum Subject {
    /// Contacts of a destination, by its name and its address with port.
    Contacts(String, String),
    Restarts,
    Usage(String),
}

impl Subject {
    fn of(finding: &Finding) -> Option<Self> {
        match (&*finding.rule, finding.text("destination"), finding.text("metric")) {
            ("anomalous-traffic", Some(destination), _) => {
                let port = destination.rsplit_once(':').map_or("", |(_, port)| port);
                let address = finding.text("address").map_or_else(String::new, |address| format!("{address}:{port}"));
                Some(Self::Contacts(destination.to_owned(), address))
            }
            ("restart-spike", _, Some(metric)) => Some(Self::Usage(metric.to_owned())),
            ("restart-spike", _, None) => Some(Self::Restarts),
            _ => None,
        }
    }
}

/// Counters by what they count: the last value, and when that was.
type Counters = HashMap<String, (f64, f64)>;

struct Wanted {
    subject: Subject,
    points: Points,
    counters: Counters,
    /// Restarts by who tells them: the one that tells the most is drawn.
    tellers: [Points; 3],
}

/// Collects the points for all findings.
pub struct Collector {
    observer: Observer,
    /// The places of the findings of each workload.
    by_workload: HashMap<String, Vec<usize>>,
    wanted: Vec<Option<Wanted>>,
}

impl Collector {
    pub fn new(findings: &Findings) -> Self {
        let mut by_workload: HashMap<String, Vec<usize>> = HashMap::new();
        let mut wanted = Vec::new();
        for (place, finding) in findings.list.iter().enumerate() {
            by_workload.entry(finding.workload.clone()).or_default().push(place);
            wanted.push(Subject::of(finding).map(|subject| Wanted {
                subject,
                points: Vec::new(),
                counters: HashMap::new(),
                tellers: [Vec::new(), Vec::new(), Vec::new()],
            }));
        }
        Self { observer: Observer::default(), by_workload, wanted }
    }

    pub fn see(&mut self, line: &[u8], field: &str) {
        let Self { observer, by_workload, wanted } = self;
        // Enrichments of harmless workloads need not be read: their names are not in the line.
        let Some(own) = own(line, field) else { return };
        let Some(places) = by_workload.get(&workload(&own)) else { return };
        observer.observe(line, |at, observations| {
            let at = at.sec as f64 + f64::from(at.nanos) / 1e9;
            for place in places {
                if let Some(Some(wanted)) = wanted.get_mut(*place) {
                    observations.iter().for_each(|observation| wanted.see(at, observation));
                }
            }
        });
    }

    /// The points for each finding, in the order of time.
    pub fn finish(self) -> Vec<Points> {
        let points = |wanted: Option<Wanted>| {
            let Some(Wanted { mut points, tellers, subject, .. }) = wanted else { return Points::new() };
            if matches!(subject, Subject::Restarts) {
                points = tellers.into_iter().max_by_key(Vec::len).unwrap_or_default();
            }
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            if matches!(subject, Subject::Contacts(..)) {
                // Two records may tell the same contact.
                points.dedup_by(|later, earlier| later.0 - earlier.0 < 1.0);
            }
            points
        };
        self.wanted.into_iter().map(points).collect()
    }
}

impl Wanted {
    fn see(&mut self, at: f64, observation: &Observation<'_>) {
        for fact in &observation.facts {
            match (&self.subject, fact) {
                (Subject::Contacts(name, address), Fact::Flow(flow)) if goes_to(flow, name, address) => {
                    let start = flow.start.map_or(at, |start| start.sec as f64 + f64::from(start.nanos) / 1e9);
                    add(&mut self.points, start, flow.sent.unwrap_or(0) as f64);
                }
                (Subject::Usage(metric), Fact::Usage(usage)) if usage.metric.as_str() == metric => {
                    let key = format!("{}/{}", usage.instance.to_str(), usage.part.to_str());
                    let value = match usage.amount {
                        Some(Amount::Level(level)) => Some(level),
                        Some(Amount::Total(total) | Amount::Rounded { total, .. }) => {
                            let before = self.counters.insert(key, (total, at));
                            before
                                .filter(|(sum, _)| *sum <= total)
                                .and_then(|(sum, then)| (at > then).then(|| (total - sum) / (at - then)))
                        }
                        _ => None,
                    };
                    if let Some(value) = value {
                        add(&mut self.points, at, value);
                    }
                }
                (Subject::Restarts, fact) => self.restarts(at, observation, fact),
                _ => {}
            }
        }
    }

    fn restarts(&mut self, at: f64, observation: &Observation<'_>, fact: &Fact<'_>) {
        let (teller, key, count) = match fact {
            Fact::Restarts { pod, container, count: Some(count), .. } => {
                (0, format!("{}/{}", pod.to_str(), container.to_str()), *count as f64)
            }
            Fact::Starts { event, count, .. } => (1, event.to_str().into_owned(), f64::from(*count)),
            Fact::BackOff { event: Some((event, count)), .. } => (1, event.to_str().into_owned(), f64::from(*count)),
            Fact::Exited { code } if code.is_some_and(|code| !matches!(code, 0 | 143)) => {
                let container = observation.container.as_ref().map_or_else(String::new, |id| id.to_str().into_owned());
                let known = self.counters.get(&container).map_or(0.0, |(count, _)| *count);
                (2, container, known + 1.0)
            }
            Fact::OutOfMemory => (2, String::new(), self.counters.get("").map_or(1.0, |(count, _)| count + 1.0)),
            _ => return,
        };
        let before = self.counters.insert(key, (count, at));
        // The first value of a counter says nothing of now.
        let known = before.map_or(if teller == 2 { 0.0 } else { count }, |(count, _)| count);
        if let (true, Some(points)) = (count > known, self.tellers.get_mut(teller)) {
            add(points, at, count - known);
        }
    }
}

fn add(points: &mut Points, at: f64, value: f64) {
    if points.len() < MOST {
        points.push((at, value));
    }
}

fn goes_to(flow: &Flow<'_>, name: &str, address: &str) -> bool {
    let to_name = flow.name.as_ref().map(|to| format!("{}:{}", to.to_str().trim_end_matches('.'), flow.port));
    let to_address = flow
        .address
        .map(|to| if to.is_ipv6() { format!("[{to}]:{}", flow.port) } else { format!("{to}:{}", flow.port) });
    to_name.as_deref() == Some(name) || to_address.is_some_and(|to| to == address || to == name)
}
