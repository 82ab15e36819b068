//! `restart-spike`, the part about resources: a workload uses more than it is used to.
//!
//! What is usual is for [`Gauge`] to say. Beside it stands the sign of a miner: processors used evenly, at the limit or
//! a whole core, soon after something new came to the workload. Even use is what tells it from a busy service (Tahir et
//! al., *MineGuard*, RAID 2017); a workload that always computes is not above its usual use, and is none.

use super::{Context, Detection, Reason, Severity};
use crate::baseline::snapshot::{self, Entry, Reader, numbers};
use crate::baseline::{Change, Gauge, HOUR, Instance, Kind, Readiness, Seed, Table, Terms, Unit, WARM_UP, Worth, id};
use crate::number::spell;
use crate::policy::{Policy, RuleName};
use crate::source::{Amount, Fact, Metric, Observation, Usage, Workload};
use crate::time::Time;

/// The reasons, as `tidewaiter explain restart-spike` lists them.
pub mod reasons {
    use crate::detect::reasons;

    reasons! {
        /// Much more than usual.
        SPIKE = "resource-spike", Medium, 60, [BOTNET, RESOURCE_HIJACKING],
            "The workload uses a multiple of what is usual for it at this time of the day, for a while.";
        /// More, day by day.
        DRIFT = "resource-drift", Low, 40, [BOTNET, RESOURCE_HIJACKING],
            "For two days the workload has used a multiple of what it used a week before.";
        /// Much less than usual.
        DROP = "resource-drop", Low, 25, [BOTNET, SERVICE_STOP],
            "For an hour the workload has used a fraction of what is usual for it at this time of the day.";
        /// Even use of the processor after something new.
        MINER = "miner", High, 85, [BOTNET, COMPUTE_HIJACKING],
            "The processor is used evenly and to the limit since an image or a destination is new to the workload.";
    }
}

/// After a rollout, what is new is expected for so many seconds.
const GRACE: i64 = 1800;
/// Something new counts for a miner that begins so many seconds after it.
const NOVEL: i64 = 3600;
/// A miner computes evenly for so many minutes.
const EVEN: u32 = 30;
/// Before anything is known, coming near the limit counts after so many minutes.
const NEAR: u32 = 15;
/// How many images a workload may have, counted back, before one that comes again is new.
const IMAGES: usize = 6;

/// What does not matter of each metric: a fifth of a core, 64 MiB, 1 MiB a minute.
const fn floor(metric: Metric) -> f64 {
    match metric {
        Metric::Cpu => 0.2,
        Metric::Memory => 67_108_864.0,
        Metric::NetworkOut => 17_476.0,
    }
}

/// What is remembered of a workload or a container beside its gauges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// The ids of its images, the newest last.
    pub(crate) images: [u32; IMAGES],
    /// When something new came to it, when it was changed, and when it was seen last: in seconds since 1970.
    pub(crate) novelty: i64,
    pub(crate) rollout: i64,
    pub(crate) seen: i64,
}

impl Entry for Known {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        numbers!(write self, out, images, novelty, rollout, seen);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        numbers!(read reader, images: [u32; IMAGES], novelty: i64, rollout: i64, seen: i64)
    }

    fn merge(&mut self, other: Self) {
        snapshot::keep_later(self, other, |known| known.seen);
    }
}

impl Worth for Known {
    fn worth(&self) -> i64 {
        self.seen
    }
}

const NEVER: i64 = -(1 << 40);

/// The rule with what it remembers.
#[derive(Debug)]
pub struct Resources {
    pub(crate) known: Table<Known>,
    pub(crate) gauges: Table<Gauge>,
    instances: Table<Instance>,
    pub(crate) unit: Unit,
}

impl Resources {
    /// The rule for a policy, with nothing seen.
    #[must_use]
    pub fn new(policy: &Policy, seed: Seed) -> Self {
        let workloads = policy.limits.workloads;
        Self {
            known: Table::new(workloads, seed),
            gauges: Table::new(workloads.saturating_mul(3), seed),
            instances: Table::new(workloads.saturating_mul(2), seed),
            unit: Unit::default(),
        }
    }

    /// Notes that something is new to the workload, or to the container of that [id](crate::baseline::id): an image, a
    /// destination.
    pub fn note_novelty(&mut self, of: u64, at: Time) {
        self.know(of, at, |known| known.novelty = at.sec);
    }

    /// Notes the images of an observation. The first image of a workload is new when most workloads are known.
    pub fn see_images(&mut self, observation: &Observation<'_>, context: Context<'_>) {
        for image in &observation.images {
            let image = id(&[image.reference.as_bytes()]) as u32;
            let known = self.known.get(context.workload);
            if known.is_some_and(|known| known.images.contains(&image) && context.at.sec - known.seen < HOUR) {
                continue;
            }
            let mut is_new = false;
            self.know(context.workload, context.at, |known| {
                if known.images.contains(&image) {
                    return;
                }
                is_new = known.images != [0; IMAGES] || context.readiness != Readiness::Learning;
                known.images.rotate_left(1);
                if let Some(last) = known.images.last_mut() {
                    *last = image;
                }
                if is_new {
                    known.novelty = context.at.sec;
                }
            });
            // The records that measure a container may know no more of it than its id.
            if let (true, Some(container)) = (is_new, &observation.container) {
                self.note_novelty(of_container(container.as_bytes()), context.at);
            }
        }
    }

    /// Judges what an observation says of the use of resources.
    pub fn judge(&mut self, observation: &Observation<'_>, context: Context<'_>, found: &mut Vec<Detection>) {
        for fact in &observation.facts {
            match fact {
                Fact::Rollout => self.know(context.workload, context.at, |known| known.rollout = context.at.sec),
                Fact::Usage(usage) => found.extend(self.judge_usage(usage, &observation.workload, context)),
                _ => {}
            }
        }
    }

    /// Changes what is known of a workload or a container.
    fn know(&mut self, of: u64, at: Time, change: impl FnOnce(&mut Known)) {
        let place = self.known.find(of).unwrap_or_else(|| {
            self.known.put(of, Known { images: [0; IMAGES], novelty: NEVER, rollout: NEVER, seen: at.sec })
        });
        if let Some(known) = self.known.at_mut(place) {
            known.seen = known.seen.max(at.sec);
            change(known);
        }
    }

    fn judge_usage(&mut self, usage: &Usage<'_>, workload: &Workload<'_>, context: Context<'_>) -> Option<Detection> {
        let metric = usage.metric;
        let key = context.workload.to_le_bytes();
        let instance = id(&[&key, usage.instance.as_bytes(), usage.part.as_bytes(), metric.as_str().as_bytes()]);
        let place = self.instances.find(instance);
        let place = place.unwrap_or_else(|| self.instances.put(instance, Instance::default()));
        let instance = self.instances.at_mut(place)?;
        if let Some(limit) = usage.limit {
            instance.limit = limit as f32;
        }
        let amount = usage.amount?;
        let value = instance.read(amount, context.at, &mut self.unit)?;
        let minute = u32::try_from(context.at.sec.div_euclid(60)).ok()?;

        // What was learned while the unit was another is kept apart.
        let unit: &[u8] = if matches!(amount, Amount::Ticks(_)) && self.unit == Unit::Nanos { b"nanos" } else { b"" };
        let gauge = id(&[&key, metric.as_str().as_bytes(), unit]);
        let place = self.gauges.find(gauge);
        let place = place.unwrap_or_else(|| self.gauges.put(gauge, Gauge::new(minute)));
        let gauge = self.gauges.at_mut(place)?;
        let within = |at: i64, seconds: i64| (0..=seconds).contains(&context.at.sec.saturating_sub(at));
        let known = self.known.get(context.workload);
        let policy = context.policy;
        let terms = Terms {
            ratio: policy.resources.ratio,
            minutes: policy.resources.seconds / 60,
            floor: floor(metric),
            warm_up: (policy.baseline.learn_for / 3600).min(u32::from(WARM_UP)) as u16,
            rollout: known.is_some_and(|known| within(known.rollout, GRACE)),
        };
        let was_high = gauge.is_high(value, &terms);
        let change = gauge.see(minute, value, &terms);
        let warm = gauge.is_warm(&terms);
        let limit = instance.limit;
        let subject = Subject { workload, metric, limit };
        let near = instance.comes_near(minute, value, NEAR);
        let mut detection = None;

        if metric == Metric::Cpu {
            let even = instance.flat(minute, value);
            let enough = value >= 1.0 || (limit > 0.0 && value >= 0.8 * f64::from(limit));
            if enough && even >= EVEN && (was_high || !warm) {
                let container = self.known.get(of_container(usage.instance.as_bytes()));
                let mut novelties = [known, container].into_iter().flatten().map(|known| known.novelty);
                let longest = NOVEL + i64::from(even) * 60;
                if novelties.any(|novelty| within(novelty, longest)) {
                    let expected = warm.then(|| gauge.expected(terms.floor));
                    detection = Some(subject.mines(value, expected, even));
                }
            }
        }
        let detection = match (detection, change) {
            (Some(detection), _) => Some(detection),
            (None, Some(change)) => Some(subject.changed(&change)),
            (None, None) if near && !warm => Some(subject.comes_near(value)),
            (None, None) => None,
        };
        detection.map(|detection| Detection {
            baseline: if warm { Readiness::Ready } else { Readiness::Learning },
            entity: metric.as_str().into(),
            ..detection
        })
    }
}

/// The id of a container by the first digits of the runtime's.
fn of_container(container: &[u8]) -> u64 {
    id(&[b"container", container.get(..12).unwrap_or(container)])
}

/// Of what is told.
struct Subject<'a> {
    workload: &'a Workload<'a>,
    metric: Metric,
    limit: f32,
}

impl Subject<'_> {
    /// `shop/web uses 3.1 cores`.
    fn uses(&self, value: f64) -> String {
        let Workload { namespace, name, .. } = self.workload;
        let verb = if self.metric == Metric::NetworkOut { "sends" } else { "uses" };
        let amount = amount(self.metric, value);
        if *namespace == "-" {
            format!("{name} {verb} {amount}")
        } else {
            format!("{namespace}/{name} {verb} {amount}")
        }
    }

    fn detection(&self, reason: &'static Reason, message: String, observed: f64, minutes: u32) -> Detection {
        let detection = Detection::new(RuleName::RestartSpike, reason, message)
            .with("metric", self.metric.as_str())
            .with("observed", rounded(observed))
            .with("seconds", f64::from(minutes) * 60.0);
        if self.limit > 0.0 { detection.with("limit", rounded(f64::from(self.limit))) } else { detection }
    }

    fn changed(&self, change: &Change) -> Detection {
        let Change { kind, observed, expected, usual: whole, crest, minutes, rollout, accepted } = *change;
        let mut usual = format!("{} are usual at this hour", amount(self.metric, expected));
        if !(0.9..1.1).contains(&(whole / expected)) {
            usual = format!("{usual}, {} on the whole", amount(self.metric, whole));
        }
        let ratio = observed / expected.max(floor(self.metric) / 100.0);
        let (reason, what) = match kind {
            Kind::Spike => (&reasons::SPIKE, format!("for {minutes} minutes; {usual}")),
            Kind::Drop => (&reasons::DROP, format!("over an hour; {usual}")),
            Kind::Drift => {
                (&reasons::DRIFT, format!("for two days; a week ago it was {}", amount(self.metric, expected)))
            }
        };
        let accepted_note = if accepted { ", and from now on it is what is usual" } else { "" };
        let message = format!("{} {what}{accepted_note}", self.uses(observed));
        let mut detection = self
            .detection(reason, message, observed, minutes)
            .with("expected", rounded(expected))
            .with("usual", rounded(whole))
            .with("ratio", rounded(ratio))
            .with("highest_lately", rounded(crest));
        if accepted {
            detection = detection.with("accepted", "the new level");
        }
        if rollout {
            detection.suppressed = Some("rollout".into());
        }
        if kind == Kind::Drift && ratio >= 4.0 {
            (detection.severity, detection.score) = (Severity::Medium, 50);
        }
        if kind == Kind::Spike && minutes >= 60 {
            detection.score = 65;
        }
        detection
    }

    fn comes_near(&self, value: f64) -> Detection {
        let limit = amount(self.metric, f64::from(self.limit));
        let message = format!("{} of {limit} for {NEAR} minutes, and has not before", self.uses(value));
        let mut detection = self.detection(&reasons::SPIKE, message, value, NEAR);
        detection.score = 55;
        detection
    }

    fn mines(&self, value: f64, expected: Option<f64>, minutes: u32) -> Detection {
        let message =
            format!("{} evenly for {minutes} minutes since something in it is new, as a miner does", self.uses(value));
        let detection = self.detection(&reasons::MINER, message, value, minutes);
        match expected {
            Some(expected) => detection.with("expected", rounded(expected)),
            None => detection,
        }
    }
}

/// An amount for people.
fn amount(metric: Metric, value: f64) -> String {
    const MIB: f64 = 1_048_576.0;
    match metric {
        Metric::Cpu => format!("{} cores", spell(rounded(value))),
        Metric::Memory => format!("{} MiB", spell((value / MIB).round_ties_even())),
        Metric::NetworkOut => format!("{} MiB a minute", spell(rounded(value * 60.0 / MIB))),
    }
}

/// With two digits after the point: more is noise.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Text;
    use crate::source::Source;

    /// Tells the rule what a workload uses of the processor, and gives what it finds.
    fn uses(rule: &mut Resources, policy: &Policy, name: &str, minute: i64, fact: Fact<'_>) -> Vec<Detection> {
        let workload = Workload { name: Text::from(name), ..Workload::default() };
        let mut observation = Observation::new(Source::DockerStats, "container.usage", workload);
        observation.facts.push(fact);
        let at = Time::from_sec(1_772_323_200 + minute * 60);
        let context = Context { policy, at, readiness: Readiness::Ready, workload: observation.workload.id() };
        let mut found = Vec::new();
        rule.judge(&observation, context, &mut found);
        found
    }

    fn cores(instance: &str, cores: f64) -> Fact<'_> {
        let (instance, amount) = (Text::from(instance), Some(Amount::Level(cores)));
        Fact::Usage(Usage { instance, part: Text::default(), metric: Metric::Cpu, amount, limit: None })
    }

    #[test]
    fn a_rollout_excuses_what_begins_with_it() {
        let policy = Policy::default();
        let mut rule = Resources::new(&policy, Seed([1, 2]));
        for minute in 0..8 * 1440 {
            assert_eq!(uses(&mut rule, &policy, "web", minute, cores("a", 0.5)), []);
        }
        let now = 8 * 1440;
        uses(&mut rule, &policy, "web", now, Fact::Rollout);
        let found: Vec<_> =
            (0..120).flat_map(|minute| uses(&mut rule, &policy, "web", now + minute, cores("a", 3.0))).collect();
        assert!(!found.is_empty());
        assert!(found.iter().all(|detection| detection.suppressed.as_deref() == Some("rollout")));
        assert_eq!(found[0].message, "web uses 3 cores for 5 minutes; 0.5 cores are usual at this hour");
    }

    #[test]
    fn one_hot_replica_is_enough() {
        let policy = Policy::default();
        let mut rule = Resources::new(&policy, Seed([1, 2]));
        let mut told = 0;
        for minute in 0..8 * 1440 + 10 {
            for replica in ["a", "b", "c"] {
                let hot = replica == "b" && minute >= 8 * 1440;
                told += uses(&mut rule, &policy, "web", minute, cores(replica, if hot { 3.0 } else { 0.5 })).len();
            }
        }
        assert_eq!(told, 5);
    }

    #[test]
    fn any_number_of_names_stays_within_the_limits() {
        let mut policy = Policy::default();
        policy.limits.workloads = 64;
        let mut rule = Resources::new(&policy, Seed([1, 2]));
        for name in 0..20_000_i64 {
            let text = format!("w{name}");
            assert_eq!(uses(&mut rule, &policy, &text, name % 7, cores(&text, 1e9)), []);
            rule.note_novelty(name as u64, Time::from_sec(name));
        }
        assert_eq!((rule.known.len(), rule.gauges.len(), rule.instances.len()), (64, 192, 128));
    }
}
