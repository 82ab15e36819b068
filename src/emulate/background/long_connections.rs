//! Connections that stay: queues and streams of suppliers, opened again after hours.

use super::super::shape::Traffic;
use super::super::world::World;
use super::Scenario;
use crate::emulate::cluster::outside;

pub const SCENARIO: Scenario = Scenario {
    name: "long-connections",
    about: "one workload in twelve holds a connection to a message broker for hours, and opens it again",
    hostile: false,
    begin,
};

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    for workload in (5..world.cluster.workloads.len()).step_by(12) {
        let mut chance = world.chance(&format!("long-connections {workload}"));
        let mut to = outside("mq.cloud-broker.example");
        to.port = 5671;
        let first = world.start + 120.0 + chance.part() * 3600.0;
        world.act(activity, first, move |world, at| {
            let seconds = chance.around(14_400.0, 0.6);
            let bytes = (seconds * 400.0) as u64;
            let what = Traffic { sent: bytes, received: 3 * bytes, seconds, fails: false };
            world.connect(&mut chance, at, (workload, 0), &to, what);
            Some(at + seconds + chance.exponential(20.0))
        });
    }
}
