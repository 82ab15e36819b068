//! An implant in a container that has served for long calls home by a clock (T1071.001).

use super::super::world::World;
use super::{Clock, Scenario, TRAFFIC, calls_home, campaign, hideout, victim};

pub const SCENARIO: Scenario = Scenario {
    name: "c2-beacon",
    about: "implants in four workloads call home: every minute, every five, in working hours, with much jitter and loss",
    hostile: true,
    begin,
};

const CLOCKS: [(&str, Clock); 4] = [
    ("60 s, jitter 20 %, loss 5 %", Clock { period: 60.0, jitter: 0.2, loss: 0.05, hours: None }),
    ("5 min, jitter 30 %, loss 10 %", Clock { period: 300.0, jitter: 0.3, loss: 0.1, hours: None }),
    ("2 min, 8 to 18 h", Clock { period: 120.0, jitter: 0.1, loss: 0.0, hours: Some((8, 18)) }),
    ("60 s, jitter 50 %, loss 40 %", Clock { period: 60.0, jitter: 0.5, loss: 0.4, hours: None }),
];

fn begin(world: &mut World) {
    for (number, (name, clock)) in (0_u8..).zip(CLOCKS) {
        let workload = victim(world, name);
        let told = world.options.clock.map_or_else(|| name.to_owned(), |clock| clock.to_string());
        let activity = campaign(world, SCENARIO.name, format!("{}: {told}", world.whom(workload)), &[TRAFFIC]);
        let to = hideout(&format!("cdn{number}.update-check.example"), 10 + number, 443);
        let from = world.learned + 3600.0 * (6.0 + 7.0 * f64::from(number));
        calls_home(world, activity, (workload, 0), to, clock, (from, from + 3.0 * 86_400.0));
    }
}
