//! What containers use, by cAdvisor, kube-state-metrics and Docker.

use serde_json::{Value, json};

use crate::emulate::Chance;
use crate::emulate::cluster::Kind;
use crate::emulate::world::{World, time};

impl World {
    /// A series' sample as Vector's `metric_to_log` writes it.
    fn sample(&mut self, at: f64, name: &str, kind: &str, value: f64, tags: &Value) {
        let mut record = json!({"name": name, "timestamp": time(at).to_string(), "kind": "absolute", "tags": tags});
        if let Some(members) = record.as_object_mut() {
            members.insert(kind.into(), json!({"value": value}));
        }
        self.emit(at, &record);
    }

    /// The use of a pod since so many seconds ago, in cores and bytes.
    pub fn uses(&mut self, at: f64, who: (usize, usize), seconds: f64, cores: f64, bytes: f64) {
        let Some(pod) = self.cluster.workloads.get_mut(who.0).and_then(|of| of.pods.get_mut(who.1)) else { return };
        pod.processor_seconds += cores * seconds;
        let total = (pod.processor_seconds * 1000.0).round() / 1000.0;
        let Some((workload, pod)) = self.pod(who.0, who.1) else { return };
        if workload.kind == Kind::Compose {
            if self.tells("docker-stats") {
                let record = json!({
                    "timestamp": time(at).to_string(), "BlockIO": "0B / 0B", "CPUPerc": format!("{:.2}%", cores * 100.0), "Container": pod.container.get(..12),
                    "ID": pod.container.get(..12), "MemPerc": "5.00%",
                    "MemUsage": format!("{:.1}MiB / 2GiB", bytes / 1_048_576.0), "Name": pod.name,
                    "NetIO": "0B / 0B", "PIDs": "9",
                });
                self.emit(at, &record);
            }
            return;
        }
        let tags = json!({"namespace": workload.namespace, "pod": pod.name, "container": workload.name,
            "node": pod.node});
        if self.tells("cadvisor") {
            self.sample(at, "container_cpu_usage_seconds_total", "counter", total, &tags);
            self.sample(at, "container_memory_working_set_bytes", "gauge", bytes.round(), &tags);
        }
    }

    /// The limits of a workload, as kube-state-metrics has them.
    pub fn states_limits(&mut self, at: f64, who: (usize, usize)) {
        let Some((workload, pod)) = self.pod(who.0, who.1) else { return };
        if workload.kind == Kind::Compose || !self.tells("kube-state-metrics") {
            return;
        }
        let tags = json!({"namespace": workload.namespace, "pod": pod.name, "container": workload.name,
            "resource": "cpu", "unit": "core"});
        let limit = workload.limit;
        self.sample(at, "kube_pod_container_resource_limits", "gauge", limit, &tags);
    }

    /// The counter of a pod's restarts.
    pub fn counts_restarts(&mut self, at: f64, who: (usize, usize)) {
        let Some((workload, pod)) = self.pod(who.0, who.1) else { return };
        if workload.kind == Kind::Compose || !self.tells("kube-state-metrics") {
            return;
        }
        let tags = json!({"namespace": workload.namespace, "pod": pod.name, "uid": pod.uid,
            "container": workload.name});
        let restarts = f64::from(pod.restarts);
        self.sample(at, "kube_pod_container_status_restarts_total", "counter", restarts, &tags);
    }

    /// What a workload uses at a time, in cores and bytes: by the hour, with some noise.
    pub fn usual_use(&self, chance: &mut Chance, workload: usize, at: f64) -> (f64, f64) {
        let Some(workload) = self.cluster.workloads.get(workload) else { return (0.0, 0.0) };
        let cores = workload.cores * (0.4 + super::super::world::rhythm(at)) * chance.around(1.0, 0.15);
        (cores.min(workload.limit), chance.jitter(1.5e8 + 2e8 * workload.cores, 0.05))
    }
}
