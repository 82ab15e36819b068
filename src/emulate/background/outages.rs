//! Suppliers are down now and then: what depends on them tries again, with back-off, until they are up.

use super::super::shape::Traffic;
use super::super::world::World;
use super::Scenario;

pub const SCENARIO: Scenario = Scenario {
    name: "outages",
    about: "a supplier is down for some minutes, twice a week, and eight workloads try again and again",
    hostile: false,
    begin,
};

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    let mut chance = world.chance(SCENARIO.name);
    let first = world.start + chance.exponential(3.5 * 86_400.0);
    world.act(activity, first, move |world, at| {
        let seconds = chance.around(900.0, 0.8);
        for _ in 0..8 {
            let workload = chance.below(world.cluster.workloads.len());
            let Some(to) = world.cluster.workloads.get(workload)?.destinations.first().cloned() else { continue };
            let (mut later, mut wait) = (at + chance.part() * 30.0, 1.0);
            while later < at + seconds {
                let what = Traffic { sent: 0, received: 0, seconds: 3.0, fails: true };
                world.connect(&mut chance, later, (workload, 0), &to, what);
                later += chance.jitter(wait, 0.5);
                wait = f64::min(wait * 2.0, 30.0);
            }
        }
        Some(at + chance.exponential(3.5 * 86_400.0))
    });
}
