//! Checks from outside: a prober that contacts many addresses, each by the clock.

use super::super::shape::{Image, Traffic};
use super::super::world::World;
use super::Scenario;
use crate::emulate::cluster::outside;

pub const SCENARIO: Scenario = Scenario {
    name: "health-checks",
    about: "a prober that contacts twelve suppliers, each every ten minutes",
    hostile: false,
    begin,
};

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    let mut chance = world.chance(SCENARIO.name);
    let image = ("quay.io/prometheus/blackbox-exporter", "v0.27.0");
    let workload = world.add_workload(&mut chance, "monitoring", "blackbox-exporter", image);
    world.act(activity, world.start + 20.0, move |world, at| {
        world.comes_up(at, (workload, 0), Image::Present);
        None
    });
    for target in 0..12 {
        let mut chance = world.chance(&format!("health-checks {target}"));
        let to = outside(&format!("www.site-{target}.example"));
        let first = world.start + 60.0 + chance.part() * 600.0;
        world.act(activity, first, move |world, at| {
            let mut what = Traffic::check_in(&mut chance);
            what.fails = chance.happens(0.005);
            world.connect(&mut chance, at, (workload, 0), &to, what);
            Some(at + 600.0 + chance.part() * 0.2)
        });
    }
}
