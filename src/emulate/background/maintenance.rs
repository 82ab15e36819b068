//! Sunday night: databases are restarted one after the other, and everything that hangs on them crashes for a moment.

use super::super::world::World;
use super::Scenario;

pub const SCENARIO: Scenario = Scenario {
    name: "maintenance",
    about: "on Sundays from 02:00 to 04:00 UTC workloads are restarted, some of them several times",
    hostile: false,
    begin,
};

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    let mut chance = world.chance("maintenance");
    // 1970 began on a Thursday, three days before a Sunday.
    let week = 7.0 * 86_400.0;
    let sunday = 3.0 * 86_400.0;
    let first = ((world.start - sunday) / week).ceil() * week + sunday + 2.2 * 3600.0;
    world.act(activity, first, move |world, at| {
        for workload in (0..world.cluster.workloads.len()).step_by(3) {
            let mut later = at + chance.part() * 4800.0;
            for _ in 0..1 + chance.below(4) {
                world.crashes(later, (workload, 0), 1);
                later += chance.around(60.0, 0.5);
            }
        }
        Some(at + week)
    });
}
