//! A container mines: the processor is used evenly, and a connection to a pool stays (T1496.001).

use super::super::shape::{Image, Traffic};
use super::super::world::World;
use super::{RESTARTS, Scenario, TRAFFIC, campaign, hideout, victim};

pub const SCENARIO: Scenario = Scenario {
    name: "cryptominer",
    about: "a miner that names its pool, and one with a proxy of its own in an image of an allowed registry",
    hostile: true,
    begin,
};

fn begin(world: &mut World) {
    for (number, pool) in (0_u8..).zip(["xmr-eu1.nanopool.org", ""]) {
        let workload = victim(world, &format!("miner {number}"));
        let expect: &[&str] = if pool.is_empty() { &[RESTARTS] } else { &[TRAFFIC, RESTARTS] };
        let how = if pool.is_empty() { "by a proxy" } else { "in a pool" };
        let activity = campaign(world, SCENARIO.name, format!("{} {how}", world.whom(workload)), expect);
        let to = if pool.is_empty() { hideout("", 90, 443) } else { hideout(pool, 80, 14_433) };
        let mut chance = world.chance(&format!("miner {number}"));
        let from = world.learned + 3600.0 * (20.0 + 26.0 * f64::from(number));
        let mut deployed = false;
        world.act(activity, from, move |world, at| {
            if !std::mem::replace(&mut deployed, true) {
                // The miner comes with a version of the workload's own image.
                let of = world.cluster.workloads.get_mut(workload)?;
                of.tag = format!("{}-hotfix", of.tag);
                of.hot = Some((of.limit * 0.97, activity));
                let old = world.replace_pod(&mut chance, workload, 0)?;
                world.comes_up(at, (workload, 0), Image::Pulled);
                world.is_stopped(at + 4.0, workload, &old);
            }
            let seconds = chance.jitter(1500.0, 0.3);
            let what = Traffic { sent: 90_000, received: 160_000, seconds, fails: false };
            world.connect(&mut chance, at + 10.0, (workload, 0), &to, what);
            if at > from + 86_400.0 {
                world.cluster.workloads.get_mut(workload)?.hot = None;
                return None;
            }
            Some(at + seconds + 20.0)
        });
    }
}
