//! What a record costs, natively: the scanner alone, and the whole engine, by kind of record; and in the component, by how
//! many records come at once.
//!
//! `cargo bench --bench engine`. The figures of one run compare with each other, hardly with those of another machine.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use serde_json::json;
use tidewaiter::record::{Scanner, Shape};
use tidewaiter::{Engine, policy};

fn main() {
    divan::main();
}

const POLICY: &str = "
images:
  mode: enforce
  allow: [registry.corp.example, docker.io/library/*, 'ghcr.io/acme/**']
  deny: ['**/xmrig*']
  tags: {reject: [latest]}
";

/// Records of one kind, unlike in their names.
fn records(kind: &str) -> Vec<String> {
    let record = |number: usize| {
        let image = format!("registry.corp.example/team-{}/service-{}:1.{}.0", number % 7, number % 30, number % 4);
        let name = format!("service-{}-1", number % 50);
        match kind {
            "docker" => json!({
                "Type": "container", "Action": "start", "scope": "local", "time": 1_773_533_191 + number,
                "timeNano": (1_773_533_191 + number as u64) * 1_000_000_000,
                "Actor": {"ID": format!("{number:064x}"), "Attributes": {
                    "image": image, "name": name, "com.docker.compose.project": "shop",
                    "com.docker.compose.service": format!("service-{}", number % 50),
                    "com.docker.compose.config-hash": "5c2f1f0cbe2c4a8fb3a1f0cbe2c4a8fb3a1f0cbe2c4a8fb3a1f0cbe2c4a8fb3a",
                    "maintainer": "platform team <platform@corp.example>",
                }},
            }),
            "container log" => json!({
                "time": "2026-03-15T00:06:31.8Z", "stream": "stdout", "log": "GET /healthz 200 in 3 ms",
                "kubernetes": {
                    "pod_name": format!("service-{}-78945dccd8-hvr55", number % 50), "namespace_name": "shop",
                    "pod_id": "e9f2963f-55f2-11e9-84c5-02e422b8a84a", "host": "node-1",
                    "labels": {"app": "service", "pod-template-hash": "78945dccd8"},
                    "container_name": "service", "container_image": image,
                    "container_hash": format!("registry.corp.example/team@sha256:{:064x}", number % 30),
                },
            }),
            "docker die" => json!({
                "Type": "container", "Action": "die", "time": 1_773_533_191 + number * 60,
                "Actor": {"ID": format!("{number:064x}"), "Attributes": {
                    "exitCode": "1", "image": image, "name": name, "com.docker.compose.project": "shop",
                    "com.docker.compose.service": format!("service-{}", number % 50),
                }},
            }),
            "restart counter" => json!({
                "name": "kube_pod_container_status_restarts_total", "timestamp": "2026-03-15T00:06:31Z", "kind": "absolute",
                "counter": {"value": number / 50},
                "tags": {"namespace": "shop", "pod": format!("service-{}-78945dccd8-hvr55", number % 50),
                    "uid": format!("u{}", number % 50), "container": "service"},
            }),
            "docker stats" => json!({
                "id": format!("{:012x}", number % 50), "name": name, "cpu_used": number * 1_000_000,
                "mem_used": 5_000_000 + number, "mem_limit": 4_294_963_200_u64,
            }),
            "zeek conn" => json!({
                "_path": "conn", "ts": 1_773_533_191.5 + number as f64, "uid": format!("C{number}"),
                "id.orig_h": format!("10.1.0.{}", number % 50), "id.orig_p": 30_000 + number,
                "id.resp_h": format!("93.184.{}.{}", number % 50, number % 11), "id.resp_p": 443, "proto": "tcp",
                "service": "ssl", "duration": 0.52, "orig_bytes": 731, "resp_bytes": 5120 + number, "conn_state": "SF",
                "local_orig": true, "local_resp": false, "missed_bytes": 0, "history": "ShADadFf", "orig_pkts": 9,
                "orig_ip_bytes": 1211, "resp_pkts": 11, "resp_ip_bytes": 5692,
            }),
            "zeek dns" => json!({
                "_path": "dns", "ts": 1_773_533_191.5 + number as f64, "uid": format!("D{number}"),
                "id.orig_h": format!("10.1.0.{}", number % 50), "id.orig_p": 30_000 + number, "id.resp_h": "10.0.0.10",
                "id.resp_p": 53, "proto": "udp", "query": format!("api-{}.example.org", number % 11),
                "qtype_name": "A", "rcode_name": "NOERROR", "answers": [format!("93.184.0.{}", number % 11)],
            }),
            "hubble flow" => json!({
                "flow": {
                    "time": format!("2026-03-15T00:{:02}:{:02}.517Z", number / 60 % 60, number % 60),
                    "verdict": "FORWARDED", "traffic_direction": "EGRESS", "is_reply": false, "Type": "L3_L4",
                    "IP": {"source": format!("10.1.0.{}", number % 50), "destination": format!("93.184.0.{}", number % 11),
                        "ipVersion": "IPv4"},
                    "l4": {"TCP": {"source_port": 30_000 + number, "destination_port": 443, "flags": {"SYN": true}}},
                    "source": {"ID": 1234, "identity": 5678, "cluster_name": "default", "namespace": "shop",
                        "labels": ["k8s:app=service", "k8s:io.kubernetes.pod.namespace=shop"],
                        "pod_name": format!("service-{}-78945dccd8-hvr55", number % 50),
                        "workloads": [{"name": format!("service-{}", number % 50), "kind": "Deployment"}]},
                    "destination": {"identity": 2, "labels": ["reserved:world"]},
                    "destination_names": [format!("api-{}.example.org", number % 11)],
                    "event_type": {"type": 4, "sub_type": 3}, "node_name": "node-1",
                },
                "node_name": "node-1", "time": format!("2026-03-15T00:{:02}:{:02}.517Z", number / 60 % 60, number % 60),
            }),
            "plain log" => json!({
                "level": "info", "msg": "GET /healthz 200", "duration_ms": 3, "path": "/healthz", "number": number,
                "user_agent": "kube-probe/1.31", "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
            }),
            _ => json!({
                "Type": "container", "Action": "start", "Actor": {"ID": format!("{number:064x}"), "Attributes": {
                    "image": format!("ghst.io/evil-{}/worker:1.0", number % 30), "name": name,
                }}, "time": 1_773_533_191, "timeNano": 1_773_533_191_000_000_000_u64,
            }),
        }
    };
    (0..1000).map(|number| record(number).to_string()).collect()
}

#[divan::bench(args = ["docker", "container log", "plain log"])]
fn scan(bencher: Bencher, kind: &str) {
    let records = records(kind);
    let shape = Shape::new(tidewaiter::source::POINTERS);
    let mut scanner = Scanner::default();
    bencher.counter(BytesCount::new(records.iter().map(String::len).sum::<usize>())).bench_local(|| {
        for record in &records {
            let _ = black_box(scanner.scan(&shape, record.as_bytes()));
        }
    });
}

#[divan::bench(args = ["docker", "container log", "plain log"])]
fn serde_json_value(bencher: Bencher, kind: &str) {
    let records = records(kind);
    bencher.counter(BytesCount::new(records.iter().map(String::len).sum::<usize>())).bench_local(|| {
        for record in &records {
            let _ = black_box(serde_json::from_str::<serde_json::Value>(record));
        }
    });
}

#[divan::bench(args = [
    "docker", "docker die", "restart counter", "docker stats", "zeek conn", "zeek dns", "hubble flow", "container log",
    "plain log", "finding",
])]
fn inspect(bencher: Bencher, kind: &str) {
    let records = records(kind);
    let Ok(loaded) = policy::load(POLICY) else { return };
    let mut engine = Engine::new(loaded, [1, 2]);
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        for record in &records {
            out.clear();
            black_box(engine.inspect(record.as_bytes(), None, &mut out));
        }
    });
}

#[cfg(feature = "cli")]
#[divan::bench(args = [1, 10, 1000])]
fn component(bencher: Bencher, records_a_call: usize) {
    use tidewaiter::host::{Host, component::Component};

    let records = records("docker");
    let batches: Vec<_> = records.chunks(records_a_call).map(|batch| batch.join("\n")).collect();
    let Ok(mut component) = Component::new(Some(POLICY), [1, 2]) else { return };
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        for batch in &batches {
            let _ = black_box(component.inspect(batch.as_bytes(), None));
        }
    });
}
