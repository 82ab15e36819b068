//! Every night some workloads send far more than they receive.

use super::super::shape::Traffic;
use super::super::world::World;
use super::Scenario;
use crate::emulate::cluster::{Kind, outside};

pub const SCENARIO: Scenario = Scenario {
    name: "backups",
    about: "stateful workloads send some hundred megabytes to an object store every night",
    hostile: false,
    begin,
};

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    let stateful: Vec<usize> = world
        .cluster
        .workloads
        .iter()
        .enumerate()
        .filter(|(_, workload)| workload.kind == Kind::StatefulSet)
        .map(|(place, _)| place)
        .collect();
    for workload in stateful {
        let mut chance = world.chance(&format!("backups {workload}"));
        let to = outside("corp-backups.object-store.example");
        let day = 86_400.0;
        let first = (world.start / day).ceil() * day + 3600.0 + chance.part() * 3600.0;
        let size = chance.around(3e8, 0.7);
        world.act(activity, first, move |world, at| {
            let mut later = at;
            for _ in 0..8 {
                let sent = (size / 8.0 * chance.jitter(1.0, 0.1)) as u64;
                let what = Traffic { sent, received: 20_000, seconds: sent as f64 / 2e7, fails: false };
                world.connect(&mut chance, later, (workload, 0), &to, what);
                later += what.seconds + chance.exponential(5.0);
            }
            Some(at + day + chance.jitter(0.0, 1.0) + 300.0 * (chance.part() - 0.5))
        });
    }
}
