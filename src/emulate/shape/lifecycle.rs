//! Containers come and go: by the API server, the kubelet, Docker and the containers' logs.

use serde_json::{Value, json};

use crate::emulate::Chance;
use crate::emulate::cluster::{Kind, Pod, Workload, digest};
use crate::emulate::world::{World, time};

/// How an image gets to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Image {
    /// It is there.
    Present,
    /// It is pulled.
    Pulled,
}

/// An Event of Kubernetes.
struct Event<'e> {
    kind: &'e str,
    namespace: &'e str,
    name: &'e str,
    field: String,
    reason: &'e str,
    message: String,
    component: &'e str,
    host: &'e str,
    first: f64,
    count: u32,
    /// What tells it from others that are alike.
    id: String,
}

impl Default for Event<'_> {
    fn default() -> Self {
        Self {
            kind: "Pod",
            namespace: "",
            name: "",
            field: String::new(),
            reason: "",
            message: String::new(),
            component: "kubelet",
            host: "",
            first: 0.0,
            count: 1,
            id: String::new(),
        }
    }
}

impl World {
    fn event(&mut self, at: f64, event: &Event<'_>) {
        if !self.tells("kubernetes-event") {
            return;
        }
        let first = time(if event.first > 0.0 { event.first } else { at });
        let id = crate::baseline::id(&[event.id.as_bytes(), event.name.as_bytes(), event.reason.as_bytes()]);
        let kind = if matches!(event.reason, "BackOff" | "NodeNotReady" | "OOMKilling") { "Warning" } else { "Normal" };
        let first = format!("{}Z", first.to_string().split(['.', 'Z']).next().unwrap_or_default());
        let last = format!("{}Z", time(at).to_string().split(['.', 'Z']).next().unwrap_or_default());
        self.emit(
            at,
            &json!({
                "kind": "Event", "apiVersion": "v1",
                "metadata": {"name": format!("{}.{id:016x}", event.name), "namespace": event.namespace,
                    "uid": format!("{id:016x}"), "creationTimestamp": first},
                "involvedObject": {"kind": event.kind, "namespace": event.namespace, "name": event.name,
                    "uid": event.id, "fieldPath": event.field},
                "reason": event.reason, "message": event.message,
                "source": {"component": event.component, "host": event.host},
                "firstTimestamp": first, "lastTimestamp": last, "count": event.count, "type": kind,
            }),
        );
    }

    /// An Event of the pod's kubelet.
    fn told_by_kubelet(&mut self, at: f64, workload: &Workload, pod: &Pod, reason: &str, message: String) {
        let host = pod.node.clone();
        self.event(
            at,
            &Event {
                namespace: &workload.namespace,
                name: &pod.name,
                field: format!("spec.containers{{{}}}", workload.name),
                reason,
                message,
                host: &host,
                id: format!("{}/{reason}", pod.uid),
                ..Event::default()
            },
        );
    }

    /// A record of Docker's events.
    fn docker(&mut self, at: f64, workload: &Workload, pod: &Pod, action: &str, more: &[(&str, &str)]) {
        if !self.tells("docker") {
            return;
        }
        let mut attributes = json!({
            "com.docker.compose.project": workload.namespace, "com.docker.compose.service": workload.name,
            "com.docker.compose.container-number": "1", "image": workload.image(), "name": pod.name,
        });
        if let Some(members) = attributes.as_object_mut() {
            members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        }
        let when = time(at);
        self.emit(
            at,
            &json!({
                "status": action, "id": pod.container, "from": workload.image(), "Type": "container", "Action": action,
                "Actor": {"ID": pod.container, "Attributes": attributes}, "scope": "local",
                "time": when.sec, "timeNano": when.sec * 1_000_000_000 + i64::from(when.nanos),
            }),
        );
    }

    /// A pod comes up.
    pub fn comes_up(&mut self, at: f64, who: (usize, usize), image: Image) {
        let Some((workload, pod)) = self.pod(who.0, who.1) else { return };
        let (workload, pod) = (workload.clone(), pod.clone());
        let (name, reference) = (&workload.name, workload.image());
        if workload.kind == Kind::Compose {
            if image == Image::Pulled && self.tells("docker") {
                let when = time(at);
                self.emit(
                    at,
                    &json!({
                        "status": "pull", "id": reference, "Type": "image", "Action": "pull",
                        "Actor": {"ID": reference, "Attributes": {"name": workload.repository}}, "scope": "local",
                        "time": when.sec, "timeNano": when.sec * 1_000_000_000 + i64::from(when.nanos),
                    }),
                );
            }
            for (action, later) in [("create", 0.0), ("start", 0.4)] {
                self.docker(at + later, &workload, &pod, action, &[]);
            }
            return;
        }
        let assigned = format!("Successfully assigned {}/{} to {}", workload.namespace, pod.name, pod.node);
        self.told_by_kubelet(at, &workload, &pod, "Scheduled", assigned);
        let mut later = at + 1.0;
        if image == Image::Pulled {
            self.told_by_kubelet(later, &workload, &pod, "Pulling", format!("Pulling image {reference:?}"));
            later += 3.0;
            let pulled = format!("Successfully pulled image {reference:?} in 2.718s (2.718s including waiting)");
            self.told_by_kubelet(later, &workload, &pod, "Pulled", pulled);
        } else {
            let present = format!("Container image {reference:?} already present on machine");
            self.told_by_kubelet(later, &workload, &pod, "Pulled", present);
        }
        self.told_by_kubelet(later + 0.2, &workload, &pod, "Created", format!("Created container: {name}"));
        self.told_by_kubelet(later + 0.4, &workload, &pod, "Started", format!("Started container {name}"));
        self.logs(later + 2.0, who, "ready");
    }

    /// A pod, which is there no more, was stopped.
    pub fn is_stopped(&mut self, at: f64, workload: usize, pod: &Pod) {
        let Some(workload) = self.cluster.workloads.get(workload).cloned() else { return };
        if workload.kind == Kind::Compose {
            self.docker(at, &workload, pod, "kill", &[("signal", "15")]);
            self.docker(at + 0.4, &workload, pod, "die", &[("exitCode", "0")]);
            self.docker(at + 0.5, &workload, pod, "stop", &[]);
            self.docker(at + 0.6, &workload, pod, "destroy", &[]);
            return;
        }
        self.told_by_kubelet(at, &workload, pod, "Killing", format!("Stopping container {}", workload.name));
    }

    /// The container of a pod ends and is started again.
    pub fn crashes(&mut self, at: f64, who: (usize, usize), code: u8) {
        let Some(pod) = self.cluster.workloads.get_mut(who.0).and_then(|of| of.pods.get_mut(who.1)) else { return };
        pod.restarts += 1;
        let Some((workload, pod)) = self.pod(who.0, who.1) else { return };
        let (workload, pod) = (workload.clone(), pod.clone());
        if workload.kind == Kind::Compose {
            self.docker(at, &workload, &pod, "die", &[("exitCode", &code.to_string())]);
            self.docker(at + 1.0, &workload, &pod, "start", &[]);
        }
        self.counts_restarts(at + 5.0, who);
    }

    /// The kubelet waits before it starts a container again: since a time, so many times by now.
    pub fn backs_off(&mut self, at: f64, who: (usize, usize), since: f64, count: u32) {
        let Some((workload, pod)) = self.pod(who.0, who.1) else { return };
        let (workload, pod) = (workload.clone(), pod.clone());
        let Workload { namespace, name, .. } = &workload;
        self.event(
            at,
            &Event {
                namespace,
                name: &pod.name,
                field: format!("spec.containers{{{name}}}"),
                reason: "BackOff",
                message: format!(
                    "Back-off restarting failed container {name} in pod {}_{namespace}({})",
                    pod.name, pod.uid
                ),
                host: &pod.node,
                first: since,
                count,
                id: format!("{}/BackOff", pod.uid),
                ..Event::default()
            },
        );
    }

    /// The deployment, or whatever it is, scales its pods, and says so.
    pub fn scales(&mut self, at: f64, workload: usize, what: &str) {
        let Some(workload) = self.cluster.workloads.get(workload).cloned() else { return };
        let Workload { namespace, name, .. } = &workload;
        let (reason, message) = match workload.kind {
            Kind::Deployment => ("ScalingReplicaSet", format!("{what} replica set {name}-5d8f7b6c9d")),
            Kind::StatefulSet => ("SuccessfulCreate", format!("create Pod {name}-0 in StatefulSet {name} successful")),
            _ => ("SuccessfulCreate", format!("Created pod: {name}-x2v4b")),
        };
        if workload.kind != Kind::Compose {
            self.event(
                at,
                &Event {
                    kind: workload.kind.as_str(),
                    namespace,
                    name,
                    reason,
                    message,
                    component: "deployment-controller",
                    id: format!("{namespace}/{name}/{at}"),
                    ..Event::default()
                },
            );
        }
    }

    /// Somebody writes a workload's spec.
    pub fn is_deployed(&mut self, at: f64, workload: usize, verb: &str, user: &str) {
        let Some(workload) = self.cluster.workloads.get(workload).cloned() else { return };
        let (name, kind) = (&workload.name, workload.kind);
        if kind == Kind::Compose {
            return;
        }
        let spec = json!({
            "replicas": workload.pods.len(), "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": workload.image()}]}},
        });
        let object = json!({
            "kind": kind.as_str(), "apiVersion": "apps/v1",
            "metadata": {"name": name, "namespace": workload.namespace, "generation": 2}, "spec": spec,
        });
        let resource = json!({"resource": kind.resource(), "namespace": workload.namespace, "name": name,
            "apiGroup": "apps", "apiVersion": "v1"});
        let code = if verb == "create" { 201 } else { 200 };
        self.audit(at, verb, user, &resource, &object, code);
    }

    /// A request that the API server has answered.
    pub fn audit(&mut self, at: f64, verb: &str, user: &str, of: &Value, request: &Value, code: u16) {
        if !self.tells("kubernetes-audit") {
            return;
        }
        let id = crate::baseline::id(&[verb.as_bytes(), of.to_string().as_bytes(), &at.to_le_bytes()]);
        let text = |name| of.get(name).and_then(Value::as_str).unwrap_or_default();
        self.emit(
            at,
            &json!({
                "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request",
                "auditID": format!("{id:08x}-7a1c-4d6e-9b2f-{:012x}", id >> 16), "stage": "ResponseComplete",
                "requestURI": format!("/apis/apps/v1/namespaces/{}/{}", text("namespace"), text("resource")),
                "verb": verb, "user": {"username": user, "groups": ["system:authenticated"]},
                "sourceIPs": ["10.0.0.11"], "userAgent": "kubectl/v1.34.1", "objectRef": of,
                "responseStatus": {"metadata": {}, "code": code}, "requestObject": request,
                "requestReceivedTimestamp": time(at - 0.02).to_string(), "stageTimestamp": time(at).to_string(),
            }),
        );
    }

    /// A job's pod runs to its end.
    pub fn runs_job(&mut self, chance: &mut Chance, at: f64, namespace: &str, name: &str, image: &str) {
        let minute = (at / 60.0) as i64;
        let pod = Pod {
            name: format!("{name}-{minute}-{}", chance.suffix(5)),
            uid: chance.hex(32),
            address: "10.244.249.9".into(),
            node: chance.pick(&self.cluster.nodes).cloned().unwrap_or_default(),
            container: chance.hex(64),
            restarts: 0,
            processor_seconds: 0.0,
            digest: None,
        };
        let (repository, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let job = Workload {
            namespace: namespace.into(),
            name: name.into(),
            kind: Kind::Deployment,
            repository: repository.into(),
            tag: tag.into(),
            pods: Vec::new(),
            busy: 0.0,
            destinations: Vec::new(),
            cores: 0.1,
            limit: 1.0,
            hot: None,
            of: None,
        };
        let pulled = format!("Successfully pulled image {image:?} in 1.4s (1.4s including waiting)");
        self.told_by_kubelet(at + 1.0, &job, &pod, "Pulled", pulled);
        self.told_by_kubelet(at + 1.2, &job, &pod, "Created", format!("Created container: {name}"));
        self.told_by_kubelet(at + 1.4, &job, &pod, "Started", format!("Started container {name}"));
        let ended = at + chance.around(40.0, 0.6);
        self.event(
            ended,
            &Event {
                kind: "Job",
                namespace,
                name: &format!("{name}-{minute}"),
                reason: "Completed",
                message: "Job completed".into(),
                component: "job-controller",
                id: pod.uid.clone(),
                ..Event::default()
            },
        );
    }

    /// A node is drained.
    pub fn drains(&mut self, at: f64, node: &str) {
        self.audit(
            at,
            "patch",
            "admin@corp.example",
            &json!({"resource": "nodes", "name": node, "apiVersion": "v1"}),
            &json!({"spec": {"unschedulable": true}}),
            200,
        );
        self.event(
            at + 0.5,
            &Event {
                kind: "Node",
                name: node,
                reason: "NodeNotSchedulable",
                host: node,
                message: format!("Node {node} status is now: NodeNotSchedulable"),
                id: format!("{node}/{at}"),
                ..Event::default()
            },
        );
    }

    /// A container prints a line.
    pub fn logs(&mut self, at: f64, who: (usize, usize), line: &str) {
        let Some((workload, pod)) = self.pod(who.0, who.1) else { return };
        if workload.kind == Kind::Compose || !self.tells("container-log") {
            return;
        }
        let image = workload.image();
        let digest = pod.digest.clone().unwrap_or_else(|| digest(&image));
        let record = json!({
            "time": time(at).to_string(), "stream": "stdout", "log": line,
            "kubernetes": {
                "pod_name": pod.name, "namespace_name": workload.namespace, "pod_id": pod.uid, "host": pod.node,
                "labels": {"app": workload.name}, "container_name": workload.name,
                "docker_id": pod.container, "container_image": image,
                "container_hash": format!("{}@{digest}", workload.repository),
            },
        });
        self.emit(at, &record);
    }
}
