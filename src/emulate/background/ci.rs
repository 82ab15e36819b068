//! Continuous integration: images of all kinds, from wherever, for some minutes each, all day long.

use super::super::shape::{Image, Traffic};
use super::super::world::{World, rhythm};
use super::Scenario;
use crate::emulate::cluster::supplier;

pub const SCENARIO: Scenario = Scenario {
    name: "ci",
    about: "namespaces ci-* that pull new images from anywhere all day, and run them for minutes",
    hostile: false,
    begin,
};

const IMAGES: [&str; 10] = [
    "golangci/golangci-lint:v2.6",
    "cypress/included:15.6",
    "hadolint/hadolint:v2.14",
    "ghcr.io/astral-sh/uv:0.9",
    "quay.io/buildah/stable:v1.42",
    "gcr.io/kaniko-project/executor:v1.24",
    "mcr.microsoft.com/playwright:v1.57",
    "semgrep/semgrep:1.144",
    "node:24-bookworm",
    "ghcr.io/some-dev/scratch-tools:main",
];

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    for namespace in ["ci-frontend", "ci-backend"] {
        let mut chance = world.chance(namespace);
        let first = world.start + chance.part() * 600.0;
        let mut place = None;
        world.act(activity, first, move |world, at| {
            if chance.happens(rhythm(at)) {
                let image = chance.pick(&IMAGES)?;
                let (repository, tag) = image.rsplit_once(':')?;
                let workload = match place {
                    Some(place) => place,
                    None => *place.insert(world.add_workload(&mut chance, namespace, "runner", (repository, tag))),
                };
                let of = world.cluster.workloads.get_mut(workload)?;
                (of.repository, of.tag) = (repository.to_owned(), tag.to_owned());
                let old = world.replace_pod(&mut chance, workload, 0)?;
                world.scales(at, workload, "Scaled up");
                world.comes_up(at + 1.0, (workload, 0), Image::Pulled);
                world.is_stopped(at + 0.5, workload, &old);
                for _ in 0..chance.below(6) {
                    let to = supplier(&mut chance)?;
                    let (later, what) = (at + 20.0 + chance.part() * 200.0, Traffic::request(&mut chance));
                    world.connect(&mut chance, later, (workload, 0), &to, what);
                }
            }
            Some(at + chance.exponential(420.0))
        });
    }
}
