//! What adversaries do, as far as records show it.

mod botnet;
mod c2_beacon;
mod crash_loop;
mod cryptominer;
mod dga;
mod dns_tunnel;
mod exfiltration;
mod low_and_slow;
mod malicious_image;
mod modified_image;

use super::cluster::{Destination, Kind, Workload};
use super::shape::Traffic;
use super::world::{Activity, World};
use super::{Clock, Scenario};

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    malicious_image::SCENARIO,
    c2_beacon::SCENARIO,
    botnet::SCENARIO,
    cryptominer::SCENARIO,
    dns_tunnel::SCENARIO,
    dga::SCENARIO,
    low_and_slow::SCENARIO,
    modified_image::SCENARIO,
    exfiltration::SCENARIO,
    crash_loop::SCENARIO,
];

const IMAGE: &str = "unauthorized-image";
const TRAFFIC: &str = "anomalous-traffic";
const RESTARTS: &str = "restart-spike";

/// Begins a campaign.
fn campaign(world: &mut World, scenario: &'static str, campaign: String, expect: &'static [&'static str]) -> usize {
    world.begin(Activity { scenario, campaign, hostile: true, expect })
}

/// Somewhere that an adversary has.
fn hideout(name: &str, last: u8, port: u16) -> Destination {
    Destination { name: name.into(), address: format!("203.0.113.{last}"), port }
}

/// An implant calls home from a pod, from a time on and until another.
fn calls_home(
    world: &mut World,
    activity: usize,
    who: (usize, usize),
    to: Destination,
    clock: Clock,
    (from, until): (f64, f64),
) {
    let clock = world.options.clock.unwrap_or(clock);
    let mut chance = world.chance(&format!("implant {activity}"));
    let first = from + chance.part() * clock.period;
    world.act(activity, first, move |world, at| {
        let hour = (at / 3600.0) % 24.0;
        let works = clock.hours.is_none_or(|(begin, end)| (f64::from(begin)..f64::from(end)).contains(&hour));
        if works && !chance.happens(clock.loss) {
            let what = Traffic::check_in(&mut chance);
            world.connect(&mut chance, at, who, &to, what);
        }
        let next = at + chance.jitter(clock.period, clock.jitter);
        (next < until).then_some(next)
    });
}

/// A workload of Kubernetes that has run for long, and that no adversary has, as long as there is one.
fn victim(world: &mut World, of: &str) -> usize {
    let mut chance = world.chance(&format!("victim of {of}"));
    let fits = |workload: &Workload| {
        workload.busy >= 2.0
            && !workload.namespace.starts_with("ci-")
            && !workload.destinations.is_empty()
            && workload.kind != Kind::Compose
    };
    let fitting = world.cluster.workloads.iter().enumerate().filter(|(_, workload)| fits(workload));
    let fitting: Vec<usize> = fitting.map(|(place, _)| place).collect();
    let free: Vec<usize> = fitting.iter().copied().filter(|place| !world.taken.contains(place)).collect();
    let victim = chance.pick(&free).or_else(|| chance.pick(&fitting)).copied().unwrap_or(0);
    world.taken.push(victim);
    victim
}
