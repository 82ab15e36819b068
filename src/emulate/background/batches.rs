//! Work that comes in batches: some workloads compute for half an hour now and then, some of them at their limit.

use super::super::world::World;
use super::Scenario;

pub const SCENARIO: Scenario = Scenario {
    name: "batches",
    about: "one workload in ten computes at several times its usual for half an hour, twice a day, at no fixed hour",
    hostile: false,
    begin,
};

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    for workload in (3..world.cluster.workloads.len()).step_by(10) {
        let mut chance = world.chance(&format!("batches {workload}"));
        let mut busy = false;
        let first = world.start + chance.exponential(43_200.0);
        world.act(activity, first, move |world, at| {
            let of = world.cluster.workloads.get_mut(workload)?;
            // A miner does not give way.
            if of.hot.is_none_or(|(_, of)| of == activity) {
                busy = !busy;
                of.hot = busy.then(|| (of.limit * (0.3 + 0.6 * chance.part()), activity));
            }
            Some(at + if busy { chance.around(1800.0, 0.5) } else { chance.exponential(43_200.0) })
        });
    }
}
