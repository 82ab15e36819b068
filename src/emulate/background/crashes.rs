//! Programs have faults: now and then one crashes, once or a few times.

use super::super::world::World;
use super::Scenario;

pub const SCENARIO: Scenario = Scenario {
    name: "crashes",
    about: "a crash in a hundred days for most workloads, one a day for some, with a few retries at times",
    hostile: false,
    begin,
};

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    for workload in 0..world.cluster.workloads.len() {
        let mut chance = world.chance(&format!("crashes {workload}"));
        let every = if chance.happens(0.08) { 1.0 } else { 100.0 } * 86_400.0;
        let first = world.start + chance.exponential(every);
        world.act(activity, first, move |world, at| {
            world.crashes(at, (workload, 0), 1);
            if chance.happens(0.1) {
                world.crashes(at + chance.around(30.0, 0.5), (workload, 0), 1);
            }
            Some(at + chance.exponential(every))
        });
    }
}
