//! What happens, in the very shapes in which sources tell it: each source that is wanted tells what it would see.

mod lifecycle;
mod network;
mod usage;

pub use lifecycle::Image;
pub use network::Traffic;

/// The sources that streams can be of, and which tells what.
pub const SOURCES: [(&str, &str); 10] = [
    ("kubernetes-event", "Events of pods, deployments, jobs and nodes"),
    ("kubernetes-audit", "requests that change workloads and nodes"),
    ("container-log", "lines of containers, with their image and its digest"),
    ("kube-state-metrics", "counters of restarts, and limits"),
    ("cadvisor", "use of processor and memory"),
    ("hubble", "connections as they begin, and names that are asked for"),
    ("zeek", "connections when they end, with bytes, and names that are asked for"),
    ("docker", "containers of Docker Compose"),
    ("docker-stats", "what those use"),
    ("tetragon", "what those connect to"),
];
