//! What goes on in the cluster, in the order of time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::cluster::{Cluster, Destination, Kind, Pod, Workload};
use super::{Chance, Options};
use crate::time::Time;

/// What a record belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The scenario.
    pub scenario: &'static str,
    /// Which of the scenario's: `payments/ledger-api`.
    pub campaign: String,
    /// Whether it is an adversary's.
    pub hostile: bool,
    /// The rules that are to find it.
    pub expect: &'static [&'static str],
}

/// What is to happen: a step of somebody's, or a record that is ready.
enum What {
    Step(usize),
    Record(String, usize),
}

struct Due {
    /// In nanoseconds since 1970.
    at: i64,
    /// What is due at the same time comes in the order in which it was planned.
    serial: u64,
    what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

/// Somebody who does something at a time, and says when the next time is, in seconds since 1970.
type Actor = Box<dyn FnMut(&mut World, f64) -> Option<f64> + Send>;

/// The cluster, and who does what in it.
pub struct World {
    pub cluster: Cluster,
    pub options: Options,
    /// When the stream begins, and when the adversaries may, in seconds since 1970.
    pub start: f64,
    pub learned: f64,
    pub activities: Vec<Activity>,
    /// The workloads that an adversary has.
    pub taken: Vec<usize>,
    /// That of the step at hand.
    activity: usize,
    actors: Vec<(Option<Actor>, usize)>,
    due: BinaryHeap<Reverse<Due>>,
    serial: u64,
}

/// A time in seconds as one in a record.
pub fn time(at: f64) -> Time {
    Time::from_nanos(nanos(at))
}

/// To the microsecond: a `f64` holds no more of a time since 1970.
fn nanos(at: f64) -> i64 {
    (at * 1e6).round() as i64 * 1000
}

impl World {
    pub fn new(options: Options) -> Self {
        let has = |name: &str| options.sources.iter().any(|source| source == name);
        let (docker, kubernetes) = (has("docker"), has("kubernetes-event") || has("kubernetes-audit"));
        let compose = match (docker, kubernetes) {
            (true, true) => 0.15,
            (true, false) => 1.0,
            _ => 0.0,
        };
        let start = options.start as f64;
        Self {
            cluster: Cluster::new(options.seed, options.workloads, compose),
            start,
            learned: start + options.learn,
            activities: Vec::new(),
            taken: Vec::new(),
            activity: 0,
            actors: Vec::new(),
            due: BinaryHeap::new(),
            serial: 0,
            options,
        }
    }

    /// Whether records of a source are wanted.
    pub fn tells(&self, source: &str) -> bool {
        self.options.sources.iter().any(|wanted| wanted == source)
    }

    /// Begins an activity, and gives its place.
    pub fn begin(&mut self, activity: Activity) -> usize {
        self.activities.push(activity);
        self.activities.len() - 1
    }

    /// Begins a harmless activity.
    pub fn harmless(&mut self, scenario: &'static str) -> usize {
        self.begin(Activity { scenario, campaign: String::new(), hostile: false, expect: &[] })
    }

    /// A source of chance for a part of the stream.
    pub fn chance(&self, of: &str) -> Chance {
        Chance::new(self.options.seed, of)
    }

    /// Lets somebody act from a time on.
    pub fn act(&mut self, activity: usize, at: f64, actor: impl FnMut(&mut Self, f64) -> Option<f64> + Send + 'static) {
        self.actors.push((Some(Box::new(actor)), activity));
        self.plan(at, What::Step(self.actors.len() - 1));
    }

    /// Emits a record at a time that may be a little ahead.
    pub fn emit(&mut self, at: f64, record: &serde_json::Value) {
        self.plan(at, What::Record(record.to_string(), self.activity));
    }

    /// Does something on behalf of another activity.
    pub fn on_behalf(&mut self, activity: usize, does: impl FnOnce(&mut Self)) {
        let own = std::mem::replace(&mut self.activity, activity);
        does(self);
        self.activity = own;
    }

    fn plan(&mut self, at: f64, what: What) {
        self.serial += 1;
        self.due.push(Reverse(Due { at: nanos(at), serial: self.serial, what }));
    }

    /// The next record, with its time and the place of its activity.
    pub fn next(&mut self) -> Option<(Time, String, usize)> {
        loop {
            let Reverse(Due { at, what, .. }) = self.due.pop()?;
            let place = match what {
                What::Record(record, activity) => return Some((Time::from_nanos(at), record, activity)),
                What::Step(place) => place,
            };
            // An actor is away while it acts: it may change everything but itself.
            let Some((Some(mut actor), activity)) =
                self.actors.get_mut(place).map(|(actor, activity)| (actor.take(), *activity))
            else {
                continue;
            };
            self.activity = activity;
            let now = at as f64 / 1e9;
            if let Some(next) = actor(self, now) {
                if let Some((slot, _)) = self.actors.get_mut(place) {
                    *slot = Some(actor);
                }
                self.plan(next.max(now + 0.001), What::Step(place));
            }
        }
    }

    /// A workload, and one of its pods.
    pub fn pod(&self, workload: usize, pod: usize) -> Option<(&Workload, &Pod)> {
        let workload = self.cluster.workloads.get(workload)?;
        let pod = workload.pods.get(pod % workload.pods.len().max(1))?;
        Some((workload, pod))
    }

    /// `namespace/name` of a workload.
    pub fn whom(&self, workload: usize) -> String {
        self.cluster.workloads.get(workload).map_or_else(String::new, |one| format!("{}/{}", one.namespace, one.name))
    }

    /// Replaces a pod of a workload by a new one, and gives the old one.
    pub fn replace_pod(&mut self, chance: &mut Chance, workload: usize, pod: usize) -> Option<Pod> {
        let of = self.cluster.workloads.get(workload)?.clone();
        let new = self.cluster.pod(chance, &of, pod);
        let place = self.cluster.workloads.get_mut(workload)?.pods.get_mut(pod)?;
        Some(std::mem::replace(place, new))
    }

    /// Adds a workload, with one pod, and gives its place.
    pub fn add_workload(&mut self, chance: &mut Chance, namespace: &str, name: &str, image: (&str, &str)) -> usize {
        let mut workload = Workload {
            namespace: namespace.into(),
            name: name.into(),
            kind: if self.tells("kubernetes-event") || self.tells("kubernetes-audit") || !self.tells("docker") {
                Kind::Deployment
            } else {
                Kind::Compose
            },
            repository: image.0.into(),
            tag: image.1.into(),
            pods: Vec::new(),
            busy: 0.0,
            destinations: Vec::<Destination>::new(),
            cores: 0.05,
            limit: 2.0,
            hot: None,
            of: None,
        };
        let pod = self.cluster.pod(chance, &workload, 0);
        workload.pods.push(pod);
        self.cluster.workloads.push(workload);
        self.cluster.workloads.len() - 1
    }
}

/// How busy people are at a time: by the hour of the day, and half as much at weekends. The middle of the night is 0.2,
/// the early afternoon 1.
pub fn rhythm(at: f64) -> f64 {
    let hour = at / 3600.0 % 24.0;
    // 1970 began on a Thursday.
    let day = (at / 86_400.0).floor() as i64 + 3;
    let week = if day.rem_euclid(7) >= 5 { 0.5 } else { 1.0 };
    week * (0.6 + 0.4 * ((hour - 14.0) / 24.0 * std::f64::consts::TAU).cos())
}
