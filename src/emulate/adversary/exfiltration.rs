//! Data leaves: at once, or in pieces (T1041).

use super::super::shape::Traffic;
use super::super::world::World;
use super::{Scenario, TRAFFIC, campaign, hideout, victim};

pub const SCENARIO: Scenario = Scenario {
    name: "exfiltration",
    about: "a gigabyte within an hour, and forty megabytes a night, to a destination that is new",
    hostile: true,
    begin,
};

fn begin(world: &mut World) {
    let plans = [("a gigabyte at once", 5e7, 180.0, 20), ("forty megabytes a night", 1e7, 7200.0, 16)];
    for (number, (name, size, gap, count)) in (0_u8..).zip(plans) {
        let workload = victim(world, name);
        let activity = campaign(world, SCENARIO.name, format!("{}: {name}", world.whom(workload)), &[TRAFFIC]);
        let to = hideout(&format!("drop{number}.file-bin.example"), 140 + number, 443);
        let mut chance = world.chance(name);
        let from = world.learned + 3600.0 * (23.0 + 25.0 * f64::from(number));
        let mut sent = 0;
        world.act(activity, from, move |world, at| {
            let bytes = chance.jitter(size, 0.2);
            let what = Traffic { sent: bytes as u64, received: 9000, seconds: bytes / 1e7, fails: false };
            world.connect(&mut chance, at, (workload, 0), &to, what);
            sent += 1;
            // Pieces of a night come one after the other, then there is a pause until the next.
            let pause = if number == 1 && sent % 4 == 0 { 57_600.0 } else { 0.0 };
            (sent < count).then(|| at + chance.exponential(gap) + pause)
        });
    }
}
