//! An implant looks for its master under names that it makes up by the date; most do not exist (T1568.002).

use super::super::world::World;
use super::{Scenario, TRAFFIC, campaign, victim};

pub const SCENARIO: Scenario = Scenario {
    name: "dga",
    about: "names that nobody chose: two hundred a day of letters by chance, and as many made of syllables",
    hostile: true,
    begin,
};

const SYLLABLES: [&str; 16] =
    ["ba", "cor", "den", "fi", "gra", "hel", "jo", "ka", "lum", "mer", "no", "pol", "ri", "sta", "tu", "ver"];

fn begin(world: &mut World) {
    for (number, how) in (0_u8..).zip(["letters", "syllables"]) {
        let workload = victim(world, &format!("dga {number}"));
        let activity = campaign(world, SCENARIO.name, format!("{}: {how}", world.whom(workload)), &[TRAFFIC]);
        let mut chance = world.chance(&format!("dga {number}"));
        let from = world.learned + 3600.0 * (9.0 + 24.0 * f64::from(number));
        let mut asked = 0;
        world.act(activity, from, move |world, at| {
            let label = if number == 0 {
                let length = 9 + chance.below(6);
                chance.letters("abcdefghijklmnopqrstuvwxyz", length)
            } else {
                (0..3 + chance.below(2)).filter_map(|_| chance.pick(&SYLLABLES).copied()).collect()
            };
            let top = chance.pick(&["com", "net", "info", "biz"])?;
            world.look_up(&mut chance, at, (workload, 0), &format!("{label}.{top}"), "A", None);
            asked += 1;
            // A burst of fifty, four times a day, for two days.
            let next = if asked % 50 == 0 { at + 21_600.0 } else { at + chance.exponential(1.5) };
            (asked < 400).then_some(next)
        });
    }
}
