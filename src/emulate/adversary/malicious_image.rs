//! Somebody with stolen credentials deploys an image that nobody authorised (T1610).

use super::super::shape::Image;
use super::super::world::World;
use super::{IMAGE, Scenario, campaign};

pub const SCENARIO: Scenario = Scenario {
    name: "malicious-image",
    about: "deployments from an unknown registry, from a stranger's repository, and of known miners by their names",
    hostile: true,
    begin,
};

const IMAGES: [(&str, &str, &str, &str); 4] = [
    ("payments", "log-helper", "registry.free-hosting.example/tools/agent", "v1"),
    ("shop", "cache-warmer", "docker.io/someb0dy/worker", "latest"),
    ("search", "reindex", "ghcr.io/acme/xmrig", "6.24.0"),
    ("media", "thumbs", "kinsing/kdevtmpfsi", "1"),
];

fn begin(world: &mut World) {
    let mut chance = world.chance(SCENARIO.name);
    for (number, (namespace, name, repository, tag)) in (1..).zip(IMAGES) {
        let activity = campaign(world, SCENARIO.name, format!("{namespace}/{name}"), &[IMAGE]);
        let at = world.learned + f64::from(number) * 5.3 * 3600.0;
        let mut own = world.chance(name);
        let workload = world.add_workload(&mut chance, namespace, name, (repository, tag));
        if let Some(added) = world.cluster.workloads.get_mut(workload) {
            added.of = Some(activity);
        }
        let mut deployed = false;
        world.act(activity, at, move |world, at| {
            if !std::mem::replace(&mut deployed, true) {
                world.is_deployed(at, workload, "create", "system:serviceaccount:ci-backend:default");
                world.comes_up(at + 1.5, (workload, 0), Image::Pulled);
            }
            world.logs(at + 30.0, (workload, 0), "started");
            Some(at + own.jitter(3600.0, 0.1))
        });
    }
}
