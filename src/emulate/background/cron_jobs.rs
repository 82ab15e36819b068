//! Jobs by the clock: a pod that comes, contacts somebody, and ends.

use super::super::shape::{Image, Traffic};
use super::super::world::World;
use super::Scenario;
use crate::emulate::cluster::outside;

pub const SCENARIO: Scenario = Scenario {
    name: "cron-jobs",
    about: "jobs every five minutes, every hour, every night, each with its own supplier",
    hostile: false,
    begin,
};

const JOBS: [(&str, &str, f64); 6] = [
    ("billing", "fx-rates", 300.0),
    ("mail", "bounce-sync", 900.0),
    ("reports", "kpi-export", 3600.0),
    ("data", "feed-import", 3600.0),
    ("payments", "settlement", 21_600.0),
    ("platform", "licence-check", 86_400.0),
];

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    for (namespace, name, period) in JOBS {
        let mut chance = world.chance(name);
        let image = (format!("registry.corp.example/{namespace}/{name}"), "1.4.2");
        let workload = world.add_workload(&mut chance, namespace, name, (&image.0, image.1));
        let to = outside(&format!("{name}.partner-{}.example", chance.suffix(3)));
        let first = (world.start / period).ceil() * period + chance.part() * 20.0;
        let mut is_first = true;
        world.act(activity, first, move |world, at| {
            if std::mem::take(&mut is_first) {
                world.comes_up(at, (workload, 0), Image::Present);
            }
            world.runs_job(&mut chance, at, namespace, name, &format!("{}:{}", image.0, image.1));
            let what = Traffic::request(&mut chance);
            world.look_up(&mut chance, at + 2.0, (workload, 0), &to.name, "A", Some(&to.address));
            world.connect(&mut chance, at + 2.1, (workload, 0), &to, what);
            // The scheduler is late by a few seconds.
            Some((at / period).round() * period + period + chance.part() * 20.0)
        });
    }
}
