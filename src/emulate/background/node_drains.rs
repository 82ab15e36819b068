//! Nodes are drained for a new kernel, and their pods come up elsewhere.

use serde_json::json;

use super::super::shape::Image;
use super::super::world::World;
use super::Scenario;

pub const SCENARIO: Scenario = Scenario {
    name: "node-drains",
    about: "every other day a node is drained: its pods are evicted and come up on others",
    hostile: false,
    begin,
};

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    let mut chance = world.chance("node-drains");
    let first = world.start + 86_400.0 + 10.0 * 3600.0;
    world.act(activity, first, move |world, at| {
        let node = chance.pick(&world.cluster.nodes)?.clone();
        world.drains(at, &node);
        let mut moving = Vec::new();
        for (place, workload) in world.cluster.workloads.iter().enumerate() {
            let here = workload.pods.iter().enumerate().filter(|(_, pod)| pod.node == node);
            moving.extend(here.map(|(pod, _)| (place, pod)));
        }
        for (place, (workload, pod)) in moving.into_iter().enumerate() {
            let later = at + 5.0 + 3.0 * place as f64;
            let of = world.cluster.workloads.get(workload)?;
            let (name, campaign) = (of.pods.get(pod)?.name.clone(), of.of.unwrap_or(activity));
            let of = json!({"resource": "pods", "subresource": "eviction", "namespace": of.namespace, "name": name});
            world.audit(later, "create", "admin@corp.example", &of, &json!({"kind": "Eviction"}), 201);
            let old = world.replace_pod(&mut chance, workload, pod)?;
            world.on_behalf(campaign, |world| {
                world.is_stopped(later + 0.2, workload, &old);
                world.comes_up(later + 2.0, (workload, pod), Image::Pulled);
            });
        }
        Some(at + chance.jitter(2.0 * 86_400.0, 0.3))
    });
}
