//! Labelled streams of records: adversaries in a busy cluster, in the very shapes of the sources.
//!
//! A stream is the same for the same seed. Labels stand beside the records, never in them: an engine cannot read what it
//! is never given. What is emulated are the records that a behaviour leaves, and nothing of the behaviour itself.
//!
//! The harmless is the larger part, and the harder one: hundreds of workloads with the rhythm of the day, rollouts, jobs,
//! pollers, drains, backups, and continuous integration that pulls whatever it likes. Each workload contacts suppliers
//! that others have as well, some more than others; connections come independently, at a rate that follows the hour.

mod adversary;
mod background;
mod chance;
mod cluster;
pub mod label;
pub mod score;
mod shape;
mod world;

use crate::time::{DAY, Time};
pub use chance::Chance;
pub use shape::SOURCES;
pub use world::Activity;
use world::World;

/// Something that goes on, an adversary's or not.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What goes on.
    pub about: &'static str,
    /// Whether it is an adversary's.
    pub hostile: bool,
    begin: fn(&mut World),
}

/// All scenarios, those of adversaries first.
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    adversary::SCENARIOS.iter().chain(background::SCENARIOS)
}

/// The policy of the emulated cluster.
pub const POLICY: &str = include_str!("tidewaiter.yaml");

/// How an implant calls home.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// Seconds from one call to the next.
    pub period: f64,
    /// By how large a part of that it is more or less.
    pub jitter: f64,
    /// How large a part of the calls is not seen.
    pub loss: f64,
    /// The hours of the day (UTC) in which it calls: from the first, until the second.
    pub hours: Option<(u8, u8)>,
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} s, jitter {:.0} %, loss {:.0} %", self.period, self.jitter * 100.0, self.loss * 100.0)?;
        self.hours.map_or(Ok(()), |(begin, end)| write!(f, ", {begin} to {end} h"))
    }
}

/// What stream is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// What chance begins with.
    pub seed: u64,
    /// The first second, since 1970.
    pub start: i64,
    /// For how many seconds nothing hostile happens.
    pub learn: f64,
    /// How many workloads the cluster has.
    pub workloads: usize,
    /// The sources whose records are wanted.
    pub sources: Vec<String>,
    /// Only what was asked for, without the cluster's own business.
    pub alone: bool,
    /// How implants call home, where it is not each its own way.
    pub clock: Option<Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            // A Monday.
            start: 1_772_409_600,
            learn: 2.0 * DAY as f64,
            workloads: 200,
            sources: SOURCES.map(|(name, _)| name.to_owned()).to_vec(),
            alone: false,
            clock: None,
        }
    }
}

/// A record with what it belongs to.
#[derive(Clone, Debug)]
pub struct Labelled<'s> {
    /// When a shipper would read it.
    pub at: Time,
    /// The record.
    pub record: String,
    /// What it belongs to.
    pub activity: &'s Activity,
}

/// A stream without an end.
pub struct Stream {
    world: World,
}

impl Stream {
    /// A stream of some scenarios, within the cluster's own business.
    #[must_use]
    pub fn new(wanted: &[&'static Scenario], options: Options) -> Self {
        let alone = options.alone;
        let hostile = wanted.iter().any(|scenario| scenario.hostile);
        let mut world = World::new(options);
        // Adversaries act within all of it, a harmless scenario within the traffic that is always there.
        let is_wanted = |scenario: &Scenario| wanted.iter().any(|wanted| wanted.name == scenario.name);
        for scenario in background::SCENARIOS {
            if is_wanted(scenario) || !alone && (hostile || wanted.is_empty() || scenario.name == background::ALWAYS) {
                (scenario.begin)(&mut world);
            }
        }
        for scenario in adversary::SCENARIOS.iter().filter(|scenario| is_wanted(scenario)) {
            (scenario.begin)(&mut world);
        }
        Self { world }
    }

    /// The next record. None when nothing goes on any more, which is so in streams of adversaries alone.
    pub fn next_record(&mut self) -> Option<Labelled<'_>> {
        let (at, record, activity) = self.world.next()?;
        Some(Labelled { at, record, activity: self.world.activities.get(activity)? })
    }

    /// All campaigns and harmless activities that there are by now.
    #[must_use]
    pub fn activities(&self) -> &[Activity] {
        &self.world.activities
    }
}

/// The seconds of a duration that is written as policies write them: `90s`, `2d`.
#[must_use]
pub fn duration(text: &str) -> Option<f64> {
    crate::policy::scalar::duration(text).map(f64::from)
}
