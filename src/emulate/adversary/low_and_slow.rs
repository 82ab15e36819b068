//! Patience: two calls a day for weeks, a megabyte at a time, and a process that is replaced every other day.

use super::super::shape::Traffic;
use super::super::world::World;
use super::{Clock, Scenario, TRAFFIC, calls_home, campaign, hideout, victim};

pub const SCENARIO: Scenario = Scenario {
    name: "low-and-slow",
    about: "a call every twelve hours for weeks, and eight megabytes a day that leave by and by",
    hostile: true,
    begin,
};

fn begin(world: &mut World) {
    let workload = victim(world, "a call every twelve hours");
    let campaign_name = format!("{}: every 12 h", world.whom(workload));
    let activity = campaign(world, SCENARIO.name, campaign_name, &[TRAFFIC]);
    let from = world.learned + 3600.0 * 8.0;
    let clock = Clock { period: 43_200.0, jitter: 0.1, loss: 0.0, hours: None };
    let to = hideout("img.photo-album.example", 120, 443);
    calls_home(world, activity, (workload, 0), to, clock, (from, from + 30.0 * 86_400.0));

    let workload = victim(world, "eight megabytes a day");
    let campaign_name = format!("{}: 8 MB a day", world.whom(workload));
    let activity = campaign(world, SCENARIO.name, campaign_name, &[TRAFFIC]);
    let to = hideout("share.paste-board.example", 121, 443);
    let mut chance = world.chance("eight megabytes a day");
    world.act(activity, from, move |world, at| {
        let sent = chance.jitter(2e6, 0.3) as u64;
        let what = Traffic { sent, received: 1500, seconds: 2.0, fails: false };
        world.connect(&mut chance, at, (workload, 0), &to, what);
        (at < from + 30.0 * 86_400.0).then(|| at + chance.exponential(21_600.0))
    });
}
