//! New versions, in office hours: new pods, under new names, from images with new tags.

use super::super::shape::Image;
use super::super::world::{World, rhythm};
use super::Scenario;

pub const SCENARIO: Scenario = Scenario {
    name: "rollouts",
    about: "a new version of a workload every other day, with new pods, image tags and addresses",
    hostile: false,
    begin,
};

const EVERY: f64 = 2.0 * 86_400.0;

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    for workload in 0..world.cluster.workloads.len() {
        let mut chance = world.chance(&format!("rollouts {workload}"));
        let mut version = 100;
        let first = world.start + chance.exponential(EVERY / 2.0);
        world.act(activity, first, move |world, at| {
            if chance.happens(rhythm(at).powi(2)) {
                version += 1;
                let of = world.cluster.workloads.get_mut(workload)?;
                of.tag = format!("{}-{version}", of.tag.split('-').next().unwrap_or_default());
                let pods = of.pods.len();
                world.is_deployed(at, workload, "patch", "system:serviceaccount:flux-system:kustomize-controller");
                for pod in 0..pods {
                    let later = at + 20.0 * pod as f64;
                    world.scales(later, workload, "Scaled up");
                    let old = world.replace_pod(&mut chance, workload, pod)?;
                    world.comes_up(later, (workload, pod), Image::Pulled);
                    world.is_stopped(later + 12.0, workload, &old);
                }
            }
            Some(at + chance.exponential(EVERY / 2.0))
        });
    }
}
