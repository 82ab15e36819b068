//! What goes on in a cluster anyway.

mod autoscaling;
mod backups;
mod batches;
mod ci;
mod crashes;
mod cron_jobs;
mod health_checks;
mod long_connections;
mod maintenance;
mod node_drains;
mod outages;
mod package_updates;
mod pollers;
mod rollouts;
mod traffic;

use super::Scenario;

/// The scenario without which there is no cluster.
pub const ALWAYS: &str = traffic::SCENARIO.name;

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    traffic::SCENARIO,
    rollouts::SCENARIO,
    autoscaling::SCENARIO,
    cron_jobs::SCENARIO,
    pollers::SCENARIO,
    package_updates::SCENARIO,
    node_drains::SCENARIO,
    maintenance::SCENARIO,
    ci::SCENARIO,
    health_checks::SCENARIO,
    backups::SCENARIO,
    crashes::SCENARIO,
    outages::SCENARIO,
    batches::SCENARIO,
    long_connections::SCENARIO,
];
