//! Packages that containers fetch: many files from few mirrors, at once, and where nothing of the kind was before.

use super::super::shape::Traffic;
use super::super::world::World;
use super::Scenario;
use crate::emulate::cluster::outside;

pub const SCENARIO: Scenario = Scenario {
    name: "package-updates",
    about: "once a week each, some workloads fetch packages from mirrors: a burst of downloads",
    hostile: false,
    begin,
};

const MIRRORS: [&str; 4] = [
    "deb.mirror-one.example",
    "security.mirror-one.example",
    "files.py-packages.example",
    "registry.js-packages.example",
];
const EVERY: f64 = 7.0 * 86_400.0;

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    for workload in (0..world.cluster.workloads.len()).step_by(4) {
        let mut chance = world.chance(&format!("packages {workload}"));
        let first = world.start + chance.part() * EVERY;
        world.act(activity, first, move |world, at| {
            let mut later = at;
            for _ in 0..10 + chance.below(60) {
                let to = outside(chance.pick_popular(&MIRRORS)?);
                let received = chance.around(400_000.0, 1.5) as u64;
                let what = Traffic { sent: 700, received, seconds: chance.around(0.6, 0.7), fails: false };
                world.connect(&mut chance, later, (workload, 0), &to, what);
                later += chance.exponential(1.5);
            }
            Some(at + chance.jitter(EVERY, 0.2))
        });
    }
}
