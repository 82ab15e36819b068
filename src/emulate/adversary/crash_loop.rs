//! An implant that does not run well: the container it has taken over ends again and again.

use super::super::world::World;
use super::{RESTARTS, Scenario, campaign, victim};

pub const SCENARIO: Scenario = Scenario {
    name: "crash-loop",
    about: "a container that crashes every minute and waits ever longer, and one that crashes eight times a day",
    hostile: true,
    begin,
};

fn begin(world: &mut World) {
    let workload = victim(world, "fast loop");
    let activity = campaign(world, SCENARIO.name, format!("{}: at once", world.whom(workload)), &[RESTARTS]);
    let from = world.learned + 3600.0 * 14.0;
    let (mut wait, mut count) = (10.0, 0);
    world.act(activity, from, move |world, at| {
        world.crashes(at, (workload, 0), 139);
        count += 1;
        world.backs_off(at + 2.0, (workload, 0), from + 2.0, count);
        wait = f64::min(wait * 2.0, 300.0);
        (count < 30).then_some(at + wait + 5.0)
    });

    let workload = victim(world, "slow loop");
    let activity = campaign(world, SCENARIO.name, format!("{}: eight a day", world.whom(workload)), &[RESTARTS]);
    let mut chance = world.chance("slow loop");
    world.act(activity, from + 86_400.0, move |world, at| {
        world.crashes(at, (workload, 0), 137);
        (at < from + 6.0 * 86_400.0).then(|| at + chance.exponential(10_800.0))
    });
}
