//! What looks like command and control and is none: agents and controllers that ask by the clock. One of them is
//! installed when all else has been learned, and one comes with a version of a workload that has long been known.

use super::super::shape::{Image, Traffic};
use super::super::world::World;
use super::Scenario;
use crate::emulate::cluster::outside;

pub const SCENARIO: Scenario = Scenario {
    name: "pollers",
    about: "agents and controllers that contact a supplier by the clock; two of them are new after days",
    hostile: false,
    begin,
};

/// Namespace, name, destination, period, jitter, and after how many days it is installed.
const POLLERS: [(&str, &str, &str, f64, f64, f64); 6] = [
    ("flux-system", "source-controller", "api.git-host.example", 60.0, 0.05, 0.0),
    ("monitoring", "metrics-agent", "metrics.watchtower.example", 120.0, 0.01, 0.0),
    ("platform", "token-refresher", "login.identity.example", 3000.0, 0.1, 0.0),
    ("platform", "feature-flags", "flags.toggle-it.example", 180.0, 0.02, 0.0),
    ("auth", "revocation-list", "crl.trust-anchor.example", 3600.0, 0.02, 0.0),
    ("monitoring", "uptime-agent", "beat.status-board.example", 180.0, 0.02, 4.0),
];

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    for (namespace, name, destination, period, jitter, days) in POLLERS {
        let mut chance = world.chance(name);
        let image = format!("registry.corp.example/{namespace}/{name}");
        let workload = world.add_workload(&mut chance, namespace, name, (&image, "2.0.1"));
        let to = outside(destination);
        let first = world.start + days * 86_400.0 + 90.0 + chance.part() * period;
        let mut is_first = true;
        world.act(activity, first, move |world, at| {
            if std::mem::take(&mut is_first) {
                world.comes_up(at, (workload, 0), Image::Pulled);
                return Some(at + 30.0);
            }
            let what = Traffic::check_in(&mut chance);
            world.connect(&mut chance, at, (workload, 0), &to, what);
            Some(at + chance.jitter(period, jitter))
        });
    }
    // Nothing in the records tells this one from an implant.
    let mut chance = world.chance("new version");
    let workload = world.cluster.workloads.len() / 2;
    let to = outside("sdk.feature-lab.example");
    world.act(activity, world.start + 5.4 * 86_400.0, move |world, at| {
        let what = Traffic::check_in(&mut chance);
        world.connect(&mut chance, at, (workload, 0), &to, what);
        Some(at + chance.jitter(300.0, 0.05))
    });
}
