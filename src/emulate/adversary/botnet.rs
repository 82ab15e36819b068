//! Many containers on many nodes call the same place, each so seldom that no node sees much (T1584.005).

use super::super::world::World;
use super::{Clock, Scenario, TRAFFIC, calls_home, campaign, hideout, victim};

pub const SCENARIO: Scenario = Scenario {
    name: "botnet",
    about: "twelve workloads on different nodes call the same host twice an hour, at an odd port and without a name",
    hostile: true,
    begin,
};

fn begin(world: &mut World) {
    let activity = campaign(world, SCENARIO.name, "twelve workloads".into(), &[TRAFFIC]);
    let clock = Clock { period: 1800.0, jitter: 0.25, loss: 0.1, hours: None };
    for bot in 0..12 {
        let workload = victim(world, &format!("bot {bot}"));
        let from = world.learned + 3600.0 * 30.0 + 1200.0 * f64::from(bot);
        let to = hideout("", 66, 8331);
        calls_home(world, activity, (workload, 0), to, clock, (from, from + 4.0 * 86_400.0));
    }
}
