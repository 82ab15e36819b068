//! Data in names: each question carries some bytes to whoever answers for the domain (T1071.004).

use super::super::world::World;
use super::{Scenario, TRAFFIC, campaign, victim};

pub const SCENARIO: Scenario = Scenario {
    name: "dns-tunnel",
    about: "a tunnel through DNS that is busy for two hours, and one that carries a name a minute",
    hostile: true,
    begin,
};

fn begin(world: &mut World) {
    for (number, (name, gap, hours)) in (0_u8..).zip([("busy", 2.0, 2.0), ("a name a minute", 60.0, 48.0)]) {
        let workload = victim(world, &format!("tunnel {number}"));
        let activity = campaign(world, SCENARIO.name, format!("{}: {name}", world.whom(workload)), &[TRAFFIC]);
        let mut chance = world.chance(&format!("tunnel {number}"));
        let from = world.learned + 3600.0 * (12.0 + 30.0 * f64::from(number));
        world.act(activity, from, move |world, at| {
            let data = chance.letters("abcdefghijklmnopqrstuvwxyz234567", 52);
            let name = format!("{data}.t{number}.relay-node.example");
            let kind = if chance.happens(0.5) { "TXT" } else { "A" };
            world.look_up(&mut chance, at, (workload, 0), &name, kind, Some("203.0.113.53"));
            (at < from + hours * 3600.0).then(|| at + chance.exponential(gap))
        });
    }
}
