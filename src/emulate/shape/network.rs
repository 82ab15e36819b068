//! Connections and questions for names, by Hubble, Zeek and Tetragon.

use serde_json::json;

use crate::emulate::Chance;
use crate::emulate::cluster::{Destination, Kind};
use crate::emulate::world::{World, time};

/// What goes over a connection.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    pub sent: u64,
    pub received: u64,
    pub seconds: f64,
    /// Whether nobody answers.
    pub fails: bool,
}

impl Traffic {
    /// A request and its answer.
    pub fn request(chance: &mut Chance) -> Self {
        let (sent, received) = (chance.around(900.0, 0.8), chance.around(6000.0, 1.2));
        Self { sent: sent as u64, received: received as u64, seconds: chance.around(0.4, 0.8), fails: false }
    }

    /// What is always of the same size, but for a little.
    pub fn check_in(chance: &mut Chance) -> Self {
        let (sent, received) = (chance.jitter(620.0, 0.03), chance.jitter(240.0, 0.05));
        Self { sent: sent as u64, received: received as u64, seconds: chance.around(0.3, 0.4), fails: false }
    }
}

impl World {
    /// A pod connects to somewhere.
    pub fn connect(&mut self, chance: &mut Chance, at: f64, who: (usize, usize), to: &Destination, what: Traffic) {
        let Some((workload, pod)) = self.pod(who.0, who.1) else { return };
        let (compose, owner) = (workload.kind == Kind::Compose, (workload.name.clone(), workload.kind.as_str()));
        let (namespace, pod) = (workload.namespace.clone(), pod.clone());
        let port = 32_768 + chance.below(28_000);
        let Destination { name, address, port: to_port } = to;
        if self.tells("hubble") && !compose {
            let when = time(at).to_string();
            let verdict = if what.fails { "DROPPED" } else { "FORWARDED" };
            let names = if name.is_empty() { json!([]) } else { json!([name]) };
            self.emit(at, &json!({
                "flow": {
                    "time": when, "verdict": verdict, "uuid": chance.hex(32),
                    "IP": {"source": pod.address, "destination": address, "ipVersion": "IPv4"},
                    "l4": {"TCP": {"source_port": port, "destination_port": to_port, "flags": {"SYN": true}}},
                    "source": {"namespace": namespace, "pod_name": pod.name, "labels": [format!("k8s:app={}", owner.0)],
                        "workloads": [{"name": owner.0, "kind": owner.1}]},
                    "destination": {"identity": 2, "labels": ["reserved:world"]},
                    "Type": "L3_L4", "node_name": pod.node, "destination_names": names,
                    "traffic_direction": "EGRESS", "trace_observation_point": "TO_STACK", "is_reply": false,
                },
                "node_name": pod.node, "time": when,
            }));
        }
        if self.tells("tetragon") && compose {
            self.emit(
                at,
                &json!({
                    "process_kprobe": {
                        "process": {"pid": 4000 + port, "binary": "/usr/bin/app", "docker": pod.container.get(..15),
                            "start_time": time(self.start).to_string()},
                        "function_name": "tcp_connect", "action": "KPROBE_ACTION_POST",
                        "args": [{"sock_arg": {"family": "AF_INET", "type": "SOCK_STREAM", "protocol": "IPPROTO_TCP",
                            "saddr": pod.address, "daddr": address, "sport": port, "dport": to_port,
                            "cookie": chance.hex(16), "state": "TCP_SYN_SENT"}}],
                    },
                    "node_name": pod.node, "time": time(at).to_string(),
                }),
            );
        }
        if self.tells("zeek") && !compose {
            let state = if what.fails { "S0" } else { "SF" };
            let mut record = json!({
                "_path": "conn", "ts": at, "uid": format!("C{}", chance.suffix(16)),
                "id.orig_h": pod.address, "id.orig_p": port, "id.resp_h": address, "id.resp_p": to_port,
                "proto": "tcp", "conn_state": state, "local_orig": true, "local_resp": false, "missed_bytes": 0,
            });
            if let (false, Some(members)) = (what.fails, record.as_object_mut()) {
                members.insert("service".into(), "ssl".into());
                members.insert("duration".into(), what.seconds.into());
                members.insert("orig_bytes".into(), what.sent.into());
                members.insert("resp_bytes".into(), what.received.into());
            }
            self.emit(at + what.seconds, &record);
        }
    }

    /// A pod asks for a name; none of the answers is one where there is no such name.
    pub fn look_up(
        &mut self,
        chance: &mut Chance,
        at: f64,
        who: (usize, usize),
        name: &str,
        kind: &str,
        answer: Option<&str>,
    ) {
        let Some((workload, pod)) = self.pod(who.0, who.1) else { return };
        if workload.kind == Kind::Compose {
            return;
        }
        let (namespace, owner, pod) = (workload.namespace.clone(), workload.name.clone(), pod.clone());
        let owner_kind = workload.kind.as_str();
        let port = 32_768 + chance.below(28_000);
        if self.tells("hubble") {
            let when = time(at).to_string();
            // The answer says all that the question does.
            self.emit(at, &json!({
                "flow": {
                    "time": when, "verdict": "FORWARDED", "uuid": chance.hex(32),
                    "IP": {"source": "10.96.0.10", "destination": pod.address, "ipVersion": "IPv4"},
                    "l4": {"UDP": {"source_port": 53, "destination_port": port}},
                    "source": {"namespace": "kube-system", "pod_name": "coredns-668d6bf9bc-8xk2z"},
                    "destination": {"namespace": namespace, "pod_name": pod.name,
                        "workloads": [{"name": owner, "kind": owner_kind}]},
                    "Type": "L7", "node_name": pod.node, "traffic_direction": "INGRESS", "is_reply": true,
                    "l7": {"type": "RESPONSE", "latency_ns": "812000", "dns": {
                        "query": format!("{name}."), "qtypes": [kind], "rcode": if answer.is_some() { 0 } else { 3 },
                        "ips": answer.into_iter().filter(|_| kind == "A").collect::<Vec<_>>(), "ttl": 60}},
                },
                "node_name": pod.node, "time": when,
            }));
        } else if self.tells("zeek") {
            self.emit(
                at,
                &json!({
                    "_path": "dns", "ts": at, "uid": format!("C{}", chance.suffix(16)),
                    "id.orig_h": pod.address, "id.orig_p": port, "id.resp_h": "10.96.0.10", "id.resp_p": 53,
                    "proto": "udp", "trans_id": chance.below(65_536), "query": name, "qclass_name": "C_INTERNET",
                    "qtype_name": kind, "rcode_name": if answer.is_some() { "NOERROR" } else { "NXDOMAIN" },
                    "answers": answer.into_iter().collect::<Vec<_>>(),
                }),
            );
        }
    }
}
