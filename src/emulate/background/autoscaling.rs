//! More pods in the morning, fewer in the evening.

use super::super::shape::Image;
use super::super::world::{World, rhythm};
use super::Scenario;

pub const SCENARIO: Scenario = Scenario {
    name: "autoscaling",
    about: "one workload in eight gets pods in the morning and loses them in the evening",
    hostile: false,
    begin,
};

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    for workload in (0..world.cluster.workloads.len()).step_by(8) {
        let mut chance = world.chance(&format!("autoscaling {workload}"));
        let first = world.start + chance.part() * 1800.0;
        world.act(activity, first, move |world, at| {
            let of = world.cluster.workloads.get(workload)?.clone();
            let wanted = 1 + (4.0 * rhythm(at)) as usize;
            if wanted > of.pods.len() {
                let pod = world.cluster.pod(&mut chance, &of, of.pods.len());
                world.cluster.workloads.get_mut(workload)?.pods.push(pod);
                world.scales(at, workload, "Scaled up");
                world.comes_up(at, (workload, of.pods.len()), Image::Present);
            } else if wanted < of.pods.len() && of.pods.len() > 1 {
                let gone = world.cluster.workloads.get_mut(workload)?.pods.pop()?;
                world.scales(at, workload, "Scaled down");
                world.is_stopped(at + 1.0, workload, &gone);
            }
            Some(at + chance.jitter(900.0, 0.2))
        });
    }
}
