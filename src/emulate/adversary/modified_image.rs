//! A legitimate image with a slight modification: pushed over its own tag, or under a name that reads like it (T1525,
//! T1036.005).

use super::super::shape::Image;
use super::super::world::World;
use super::{IMAGE, Scenario, campaign, victim};
use crate::emulate::cluster::digest;

pub const SCENARIO: Scenario = Scenario {
    name: "modified-image",
    about: "another digest under a known tag, on one node alone; and names that imitate known ones",
    hostile: true,
    begin,
};

fn begin(world: &mut World) {
    let workload = victim(world, "another digest");
    let campaign_name = format!("{}: another digest on one node", world.whom(workload));
    let activity = campaign(world, SCENARIO.name, campaign_name, &[IMAGE]);
    let mut chance = world.chance("another digest");
    let at = world.learned + 3600.0 * 16.0;
    world.act(activity, at, move |world, at| {
        let image = world.cluster.workloads.get(workload)?.image();
        let old = world.replace_pod(&mut chance, workload, 0)?;
        world.cluster.workloads.get_mut(workload)?.pods.first_mut()?.digest =
            Some(digest(&format!("{image}, changed")));
        world.is_stopped(at, workload, &old);
        world.comes_up(at + 1.0, (workload, 0), Image::Pulled);
        None
    });
    let names = [
        ("auth", "sso-proxy", "registry.c0rp.example/auth/sso-proxy", "2.1.0"),
        ("mail", "relay", "ghcr.io/acrne/relay", "v3.1.0"),
    ];
    for (number, (namespace, name, repository, tag)) in (1..).zip(names) {
        let activity = campaign(world, SCENARIO.name, format!("{namespace}/{name}: {repository}"), &[IMAGE]);
        let mut chance = world.chance(repository);
        let workload = world.add_workload(&mut chance, namespace, name, (repository, tag));
        if let Some(added) = world.cluster.workloads.get_mut(workload) {
            added.of = Some(activity);
        }
        world.act(activity, at + f64::from(number) * 8000.0, move |world, at| {
            world.is_deployed(at, workload, "create", "system:serviceaccount:flux-system:kustomize-controller");
            world.comes_up(at + 1.5, (workload, 0), Image::Pulled);
            None
        });
    }
}
