//! Requests by the hour of the day, use of resources, log lines.

use super::super::shape::{Image, Traffic};
use super::super::world::{World, rhythm};
use super::Scenario;
use crate::emulate::cluster::{Destination, outside, supplier};

pub const SCENARIO: Scenario = Scenario {
    name: "traffic",
    about: "hundreds of workloads that serve, by the rhythm of the day and the week",
    hostile: false,
    begin,
};

const USAGE_EVERY: f64 = 300.0;
/// A workload's developers add a supplier about so seldom.
const NEW_SUPPLIER: f64 = 20.0 * 86_400.0;

fn begin(world: &mut World) {
    let activity = world.harmless(SCENARIO.name);
    let usual = world.cluster.workloads.len();
    world.act(activity, world.start + 1800.0, move |world, at| {
        // What other scenarios have added prints lines as well; an adversary's does that itself.
        for workload in usual..world.cluster.workloads.len() {
            if world.cluster.workloads.get(workload)?.of.is_none() {
                world.logs(at, (workload, 0), "GET /healthz 200");
            }
        }
        Some(at + 3600.0)
    });
    for workload in 0..world.cluster.workloads.len() {
        let mut chance = world.chance(&format!("traffic {workload}"));
        let start = world.start + chance.part() * 60.0;
        let mut requests = world.chance(&format!("requests {workload}"));
        let first = start + 60.0 + 600.0 * requests.part();
        world.act(activity, start, move |world, at| {
            // All that runs already, as the collector finds it when it begins.
            let pods = world.cluster.workloads.get(workload)?.pods.len();
            (0..pods).for_each(|pod| world.comes_up(at, (workload, pod), Image::Present));
            None
        });
        world.act(activity, first, move |world, at| {
            let of = world.cluster.workloads.get(workload)?;
            let mean = 3600.0 / of.busy;
            // Thinned, so that the rate follows the hour.
            if requests.happens(rhythm(at)) {
                let to = requests.pick_popular(&of.destinations)?.clone();
                request(world, &mut requests, at, workload, &to);
            }
            Some(at + requests.exponential(mean))
        });
        let mut news = world.chance(&format!("news {workload}"));
        let first = start + news.exponential(NEW_SUPPLIER);
        world.act(activity, first, move |world, at| {
            // Every other one is new to everybody.
            let to = match news.happens(0.5) {
                true => outside(&format!("api.{}-{}.example", news.letters("abdeiklmnorstu", 6), news.below(90))),
                false => supplier(&mut news)?,
            };
            world.cluster.workloads.get_mut(workload)?.destinations.push(to);
            Some(at + news.exponential(NEW_SUPPLIER))
        });
        world.act(activity, start + 30.0, move |world, at| {
            let hot = world.cluster.workloads.get(workload)?.hot;
            let (cores, bytes) = world.usual_use(&mut chance, workload, at);
            match hot {
                Some((more, activity)) => world.on_behalf(activity, |world| {
                    world.uses(at, (workload, 0), USAGE_EVERY, more * chance.jitter(1.0, 0.01), bytes);
                }),
                None => world.uses(at, (workload, 0), USAGE_EVERY, cores, bytes),
            }
            Some(at + USAGE_EVERY)
        });
        world.act(activity, start + 45.0, move |world, at| {
            let pods = world.cluster.workloads.get(workload)?.pods.len();
            world.states_limits(at, (workload, 0));
            for pod in 0..pods {
                world.counts_restarts(at, (workload, pod));
                world.logs(at + 1.0, (workload, pod), "GET /healthz 200");
            }
            Some(at + 3600.0)
        });
    }
}

fn request(world: &mut World, chance: &mut crate::emulate::Chance, at: f64, workload: usize, to: &Destination) {
    let pod = chance.below(4);
    if chance.happens(0.25) {
        world.look_up(chance, at, (workload, pod), &to.name, "A", Some(&to.address));
    }
    let what = Traffic::request(chance);
    world.connect(chance, at + 0.02, (workload, pod), to, what);
}
