//! How well `anomalous-traffic` tells command and control from what only looks like it: generated streams, each the only
//! one of its workload, with a day to learn before. `cargo test --test traffic_quality -- --nocapture` prints the tables.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use tidewaiter::baseline::{Readiness, Seed};
use tidewaiter::detect::Context;
use tidewaiter::detect::traffic::Traffic;
use tidewaiter::policy::{self, Policy};
use tidewaiter::source::{Fact, Flow, Observation, Progress, Protocol, Source, Workload};
use tidewaiter::time::{DAY, Time};

const START: i64 = 1_790_000_000;
const HOUR: f64 = 3600.0;
/// When the streams begin: what they do is new to workloads that were learned.
const LEARNED: f64 = 1.5 * DAY as f64;
const SERIES: u32 = 20;

/// Numbers that are the same each time: SplitMix64.
struct Chance(u64);

impl Chance {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// From none to one.
    fn part(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.part()).ln()
    }

    fn gamma(&mut self, shape: u32) -> f64 {
        (0..shape).map(|_| self.exponential()).sum::<f64>() / f64::from(shape)
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.part()).sum::<f64>() - 6.0
    }
}

/// One contact.
#[derive(Clone, Copy)]
struct Contact {
    /// Seconds after the beginning.
    at: f64,
    /// Which of the destinations.
    destination: u32,
    port: u16,
    sent: u64,
    failed: bool,
}

impl Contact {
    fn new(at: f64) -> Self {
        Self { at, destination: 0, port: 443, sent: 600, failed: false }
    }
}

struct World {
    rule: Traffic,
    policy: Policy,
    serial: u64,
}

impl World {
    fn new() -> Self {
        let mut policy = policy::load("baseline: {learn_for: 1d}").unwrap().policy;
        policy.limits.workloads = 4096;
        policy.limits.pairs = 16_384;
        Self { rule: Traffic::new(&policy, Seed([1, 2])), policy, serial: 0 }
    }

    /// The reasons of what is found, each as often as it is.
    fn see(&mut self, workload: u32, stream: &str, contact: Contact) -> Vec<&'static str> {
        self.serial += 1;
        let name = format!("{stream}-{workload}");
        let workload = Workload {
            namespace: "shop".into(),
            kind: "Deployment".into(),
            name: name.as_bytes().into(),
            ..Workload::default()
        };
        let progress = if contact.failed { Progress::Failed } else { Progress::Ended };
        let mut flow = Flow::new(None, contact.port, Protocol::Tcp, progress);
        let (id, host) = (format!("C{}", self.serial), format!("{name}-{}.example", contact.destination));
        flow.id = Some(id.as_str().into());
        flow.name = Some(host.as_str().into());
        (flow.sent, flow.received) = (Some(contact.sent), Some(4000));
        let mut observation = Observation::new(Source::Tetragon, "network.connection", workload);
        let id = observation.workload.id();
        observation.facts.push(Fact::Flow(flow));
        let nanos = (contact.at.fract() * 1e9) as u32;
        let at = Time { sec: START + contact.at.floor() as i64, nanos };
        // The collector learns for as long as its workloads.
        let readiness = if contact.at < DAY as f64 { Readiness::Learning } else { Readiness::Ready };
        let context = Context { policy: &self.policy, at, readiness, workload: id };
        let mut found = Vec::new();
        self.rule.judge(&observation, context, false, &mut found);
        found.iter().map(|detection| detection.reason.id).collect()
    }

    /// A workload is seen long before it does what it does.
    fn learn(&mut self, workload: u32, stream: &str) {
        for hour in 0..25 {
            let contact =
                Contact { destination: 1, ..Contact::new(f64::from(hour) * HOUR + f64::from(hour % 7) * 60.0) };
            assert_eq!(self.see(workload, stream, contact), [""; 0]);
        }
    }
}

/// Times by a clock, each with a jitter of so much of the period, of which some are lost.
fn beacon(chance: &mut Chance, period: f64, jitter: f64, loss: f64, span: f64) -> Vec<Contact> {
    let mut at = LEARNED + chance.part() * period;
    let mut contacts = Vec::new();
    while at < LEARNED + span {
        if chance.part() >= loss {
            contacts.push(Contact::new(at));
        }
        at += period * (1.0 + jitter * (2.0 * chance.part() - 1.0));
    }
    contacts
}

/// How many of the series are found as beacons, and after how many hours in the middle.
fn recall(name: &str, seed: u64, make: impl Fn(&mut Chance) -> Vec<Contact>) -> (u32, f64) {
    let mut chance = Chance(seed);
    let mut world = World::new();
    let mut times = Vec::new();
    for series in 0..SERIES {
        world.learn(series, name);
        for contact in make(&mut chance) {
            let found = world.see(series, name, contact);
            if found.iter().any(|reason| reason.ends_with("beacon")) {
                times.push((contact.at - LEARNED) / HOUR);
                break;
            }
        }
    }
    times.sort_by(f64::total_cmp);
    (times.len() as u32, times.get(times.len() / 2).copied().unwrap_or(f64::NAN))
}

#[test]
fn beacons_are_found() {
    println!("period  jitter  loss   found of {SERIES}   hours to find");
    let day = DAY as f64;
    let mut failures = Vec::new();
    #[rustfmt::skip]
    let cases = [
        // period, jitter, loss, days, how many have to be found
        (2.0, 0.0, 0.0, 0.1, 20), (2.0, 0.2, 0.0, 0.1, 20), (10.0, 0.2, 0.1, 0.5, 20),
        (60.0, 0.0, 0.0, 1.0, 20), (60.0, 0.1, 0.0, 1.0, 20), (60.0, 0.3, 0.0, 1.0, 20), (60.0, 0.5, 0.0, 1.0, 20), (60.0, 0.7, 0.0, 1.0, 18),
        (60.0, 0.0, 0.1, 1.0, 20), (60.0, 0.0, 0.3, 1.0, 20), (60.0, 0.0, 0.5, 1.0, 20), (60.0, 0.1, 0.3, 1.0, 20), (60.0, 0.1, 0.5, 1.0, 18),
        (60.0, 0.2, 0.3, 1.0, 18), (60.0, 0.3, 0.3, 1.0, 18), (60.0, 0.5, 0.3, 1.0, 8), (60.0, 0.3, 0.5, 1.0, 1),
        (300.0, 0.2, 0.3, 1.0, 18), (300.0, 0.2, 0.5, 1.0, 1), (900.0, 0.3, 0.1, 2.0, 16),
        (3600.0, 0.1, 0.0, 2.0, 20), (3600.0, 0.3, 0.0, 3.0, 18), (3600.0, 0.5, 0.0, 7.0, 18),
        (21_600.0, 0.1, 0.0, 5.0, 20), (21_600.0, 0.3, 0.0, 14.0, 18), (86_400.0, 0.1, 0.0, 14.0, 18), (86_400.0, 0.3, 0.0, 29.0, 10),
    ];
    for (seed, (period, jitter, loss, days, least)) in (1..).zip(cases) {
        let (found, hours) = recall("beacon", seed, |chance| beacon(chance, period, jitter, loss, days * day));
        println!("{period:6} {:6} % {:4} % {found:10} {hours:15.2}", jitter * 100.0, loss * 100.0);
        if found < least {
            failures.push(format!("{period} s, jitter {jitter}, loss {loss}: {found} of {SERIES}, at least {least}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is harmless: times for a number of days, and the most findings per workload and day.
type Harmless = (&'static str, f64, f64, fn(&mut Chance, f64) -> Vec<Contact>);

fn process(chance: &mut Chance, from: f64, span: f64, mut gap: impl FnMut(&mut Chance, f64) -> f64) -> Vec<Contact> {
    let mut at = from + gap(chance, from) * chance.part();
    let mut contacts = Vec::new();
    while at < from + span {
        contacts.push(Contact { sent: 200 + chance.word() % 4000, ..Contact::new(at) });
        at += gap(chance, at).max(0.01);
    }
    contacts
}

const HARMLESS: [Harmless; 18] = [
    ("poller known since learning, 30 s", 1.0, 0.0, |chance, span| {
        let mut contacts = beacon(chance, 30.0, 0.02, 0.0, span);
        contacts.iter_mut().for_each(|contact| contact.at -= LEARNED - HOUR);
        contacts
    }),
    ("poller known since learning, 1 h", 20.0, 0.0, |chance, span| {
        let mut contacts = beacon(chance, 3600.0, 0.02, 0.0, span);
        contacts.iter_mut().for_each(|contact| contact.at -= LEARNED - HOUR);
        contacts
    }),
    // Nothing tells it from command and control: one episode, told each 22 hours, and the policy can allow it.
    ("poller that is new, 30 s", 2.0, 1.51, |chance, span| beacon(chance, 30.0, 0.02, 0.0, span)),
    // Nor this, of a workload that is itself new.
    ("poller of a new workload, 30 s", 2.0, 1.51, |chance, span| {
        let mut contacts = beacon(chance, 30.0, 0.02, 0.0, span);
        contacts.iter_mut().for_each(|contact| contact.at -= HOUR);
        contacts
    }),
    ("Poisson, 6 an hour", 10.0, 0.0, |chance, span| {
        process(chance, LEARNED, span, |chance, _| 600.0 * chance.exponential())
    }),
    ("Poisson, 60 an hour", 2.0, 0.01, |chance, span| {
        process(chance, LEARNED, span, |chance, _| 60.0 * chance.exponential())
    }),
    ("Poisson, 600 an hour", 0.5, 0.02, |chance, span| {
        process(chance, LEARNED, span, |chance, _| 6.0 * chance.exponential())
    }),
    ("Poisson, 60 an hour, one size", 2.0, 0.06, |chance, span| {
        let mut contacts = process(chance, LEARNED, span, |chance, _| 60.0 * chance.exponential());
        contacts.iter_mut().for_each(|contact| contact.sent = 600);
        contacts
    }),
    ("by the time of day", 2.0, 0.01, |chance, span| {
        process(chance, LEARNED, span, |chance, at| {
            let hour = (at / HOUR) % 24.0;
            120.0 * chance.exponential() / (1.1 + ((hour - 14.0) / 24.0 * std::f64::consts::TAU).cos())
        })
    }),
    ("bursts of a person", 2.0, 0.0, |chance, span| {
        process(chance, LEARNED, span, |chance, _| {
            if chance.part() < 0.85 { 3.0 * chance.exponential() } else { 900.0 * chance.exponential() }
        })
    }),
    ("lognormal, 5 minutes", 4.0, 0.0, |chance, span| {
        process(chance, LEARNED, span, |chance, _| 300.0 * (1.0 * chance.normal()).exp())
    }),
    ("Gamma, k = 2, 1 minute", 2.0, 0.1, |chance, span| {
        process(chance, LEARNED, span, |chance, _| 60.0 * chance.gamma(2))
    }),
    ("Gamma, k = 4, 1 minute", 2.0, 0.5, |chance, span| {
        process(chance, LEARNED, span, |chance, _| 60.0 * chance.gamma(4))
    }),
    ("Gamma, k = 4, 1 hour", 20.0, 0.05, |chance, span| {
        process(chance, LEARNED, span, |chance, _| 3600.0 * chance.gamma(4))
    }),
    ("Gamma, k = 4, known", 1.0, 0.0, |chance, span| {
        process(chance, HOUR, span + LEARNED, |chance, _| 60.0 * chance.gamma(4))
    }),
    // A dependency that goes down for ten minutes now and then, tried with back-off.
    ("retries", 2.0, 0.0, |chance, span| {
        let mut contacts = process(chance, HOUR, LEARNED + span, |chance, _| 60.0 * chance.exponential());
        for outage in 0..6 {
            let (mut at, mut wait) = (LEARNED + span * f64::from(outage) / 6.0, 1.0);
            let end = at + 600.0;
            while at < end {
                contacts.push(Contact { failed: true, sent: 0, ..Contact::new(at) });
                at += wait * (0.5 + chance.part());
                wait = f64::min(wait * 2.0, 30.0);
            }
        }
        contacts.sort_by(|one, other| one.at.total_cmp(&other.at));
        contacts
    }),
    ("cron since learning, 3 jobs", 10.0, 0.0, |chance, span| {
        let mut contacts = Vec::new();
        for (job, period) in [(2, 3600.0), (3, 6.0 * HOUR), (4, 12.0 * HOUR)] {
            let mut at = HOUR;
            while at < LEARNED + span {
                let sent = 1000 + chance.word() % 100;
                contacts.push(Contact { destination: job, sent, ..Contact::new(at + 5.0 * chance.part()) });
                at += period;
            }
        }
        contacts.sort_by(|one, other| one.at.total_cmp(&other.at));
        contacts
    }),
    // A version with twelve new destinations, used as the requests come, half of which others have had for long.
    ("deployment, 12 new destinations", 4.0, 0.3, |chance, span| {
        let mut contacts = process(chance, LEARNED, span, |chance, _| 120.0 * chance.exponential());
        contacts.iter_mut().for_each(|contact| contact.destination = 100 + (chance.word() % 12) as u32);
        contacts
    }),
];

#[test]
fn the_harmless_is_left_alone() {
    println!("{:<36} findings per workload and day", "harmless");
    let mut failures = Vec::new();
    for (seed, (name, days, most, make)) in (100..).zip(HARMLESS) {
        let mut chance = Chance(seed);
        let mut world = World::new();
        let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
        for series in 0..SERIES {
            let contacts = make(&mut chance, days * DAY as f64);
            // Those that begin while the workload is learned are learned with it.
            if contacts.first().is_some_and(|contact| contact.at >= LEARNED) {
                world.learn(series, "harmless");
            }
            for contact in contacts {
                for reason in world.see(series, "harmless", contact) {
                    *reasons.entry(reason).or_default() += 1;
                }
            }
        }
        // A new destination is low, and told once for each.
        let told = reasons.remove("new-destination").unwrap_or(0);
        let rate = f64::from(reasons.values().sum::<u32>()) / (days * f64::from(SERIES));
        println!("{name:<36} {rate:8.3}   {reasons:?}, new destinations {told}");
        if rate > most {
            failures.push(format!("{name}: {rate:.3} a day, at most {most}; {reasons:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
