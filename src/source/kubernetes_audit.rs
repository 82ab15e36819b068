//! The Kubernetes audit log, `audit.k8s.io/v1` ([types]), and how the managed clouds pass it on: GKE as a log entry of
//! its own form, AKS and EKS as text, one request in a record or a batch of them.
//!
//! A request has up to four events, one for each stage; it counts once, when it is complete and has changed something:
//! refused requests, reads and dry runs say nothing. What was asked for stands in the request object, which a patch has
//! in part only; the response object has the whole of it, where the audit level is `RequestResponse`.
//!
//! Somebody changes a workload who writes its spec or scales it. Controllers and deployment tools write much that
//! changes nothing: where the response is there, it tells by the generation that the API server gives each spec; else a
//! patch without a spec is none. An eviction counts as a change of the pod's workload, since its pods move; a binding
//! does not, as every pod gets one. Who marks a node as unschedulable is about to drain it; a node is left alone
//! otherwise, since kubelets write to theirs all the time.
//!
//! AKS logs into two categories, `kube-audit` and `kube-audit-admin`, of which the first holds the second: a pipeline
//! that takes both sees requests twice.
//!
//! [types]: https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apiserver/pkg/apis/audit/v1/types.go

use std::sync::LazyLock;

use super::object::{self, Images, MOST, OTHER, Object, Verb};
use super::owner::beside;
use super::{
    Digest, Fact, Image, Observation, Observations, Reader, Source, Workload, as_word, filled, keys as record,
};
use crate::record::{Fields, Shape, Text, keys};
use crate::time::Time;

keys! {
    /// The pointers of the shape of an audit event.
    AUDIT_KEYS {
        AUDIT_ID = "/auditID",
        STAGE = "/stage",
        VERB = "/verb",
        REQUEST_URI = "/requestURI",
        RESOURCE = "/objectRef/resource",
        SUBRESOURCE = "/objectRef/subresource",
        NAMESPACE = "/objectRef/namespace",
        NAME = "/objectRef/name",
        CODE = "/responseStatus/code",
        RECEIVED = "/requestReceivedTimestamp",
        STAGED = "/stageTimestamp",
        RESPONSE = "/responseObject",
        REQUEST = "/requestObject",
        // A JSON patch is an array.
        PATCH_OP = "/requestObject/*/op",
        PATCH_PATH = "/requestObject/*/path",
        PATCH_VALUE = "/requestObject/*/value",
        PATCH_CONTAINER = "/requestObject/*/value/*/name",
        PATCH_IMAGE = "/requestObject/*/value/*/image",
    }
}

static AUDIT: LazyLock<Shape> = LazyLock::new(|| Shape::new(AUDIT_KEYS));

keys! {
    /// The pointers of the shape of a batch.
    BATCH_KEYS {
        BATCH_ITEM = "/items/*",
    }
}

static BATCH: LazyLock<Shape> = LazyLock::new(|| Shape::new(BATCH_KEYS));

keys! {
    /// The pointers of the shape of a log entry of GKE.
    GKE_KEYS {
        GKE_METHOD = "/protoPayload/methodName",
        GKE_RESOURCE = "/protoPayload/resourceName",
        GKE_STATUS = "/protoPayload/status/code",
        GKE_REQUEST = "/protoPayload/request",
        GKE_RESPONSE = "/protoPayload/response",
        GKE_CLUSTER = "/resource/labels/cluster_name",
        GKE_TIME = "/timestamp",
    }
}

static GKE: LazyLock<Shape> = LazyLock::new(|| Shape::new(GKE_KEYS));

keys! {
    /// The pointers of the shape of a container that a JSON patch adds.
    CONTAINER_KEYS {
        CONTAINER_NAME = "/name",
        CONTAINER_IMAGE = "/image",
    }
}

static CONTAINER: LazyLock<Shape> = LazyLock::new(|| Shape::new(CONTAINER_KEYS));

/// Reads a record of the audit log; none also for one that says nothing of containers.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    let mut found = Observations::new();
    if fields.has(record::AUDIT_ID) {
        found.extend(event(fields.record(), reader));
    } else if fields.has(record::GKE_METHOD) {
        found.extend(gke(fields.record(), reader));
    } else if fields.has(record::AKS_LOG) && fields.text(record::AKS_CATEGORY).is_some_and(|name| is_audit(&name)) {
        found.extend(text(&fields.text(record::AKS_LOG)?, None, reader));
    } else if fields.text(record::EKS_LOG_GROUP).is_some() {
        let cluster = cluster_of_eks(&fields.text(record::EKS_LOG_GROUP)?)?;
        for (_, message) in fields.each(record::EKS_BATCH).take(MOST) {
            found.extend(message.text().and_then(|message| text(&message, Some(&cluster), reader)));
        }
    } else if fields.has_each(record::AKS_BATCH) {
        for (_, log) in fields.each(record::AKS_BATCH).take(MOST) {
            found.extend(log.text().and_then(|log| text(&log, None, reader)));
        }
    } else if is_batch(fields) {
        let batch = reader.object(&BATCH, fields.record())?;
        let items: Vec<_> = batch.each(BATCH_ITEM).map(|(_, item)| item.raw()).take(MOST).collect();
        found.extend(items.into_iter().filter_map(|item| event(item, reader)));
    }
    if found.is_empty() { None } else { Some(found) }
}

/// Whether it is what a webhook of an API server is sent.
fn is_batch(fields: &Fields<'_, '_>) -> bool {
    fields.text(record::KIND).is_some_and(|kind| kind == "EventList")
        && fields.text(record::API_VERSION).is_some_and(|version| version.as_bytes().starts_with(b"audit.k8s.io/"))
}

/// Whether a category of an AKS cluster's log is its audit log.
fn is_audit(category: &Text<'_>) -> bool {
    category.as_bytes().starts_with(b"kube-audit")
}

/// The cluster that an EKS cluster's log group is named after: `/aws/eks/NAME/cluster`.
fn cluster_of_eks<'a>(group: &Text<'a>) -> Option<Text<'a>> {
    let prefix = b"/aws/eks/";
    let name = group.as_bytes().strip_prefix(prefix)?.strip_suffix(b"/cluster")?;
    Some(group.slice(prefix.len(), prefix.len() + name.len()))
}

/// Reads an audit event that a record carries as text.
fn text<'a>(text: &Text<'a>, cluster: Option<&Text<'a>>, reader: &mut Reader) -> Option<Observation<'a>> {
    let mut found = owned(event(text.as_bytes(), reader)?);
    if let Some(cluster) = cluster {
        found.workload.cluster = cluster.clone();
    }
    Some(found)
}

/// A request that has changed something.
struct Request<'a> {
    verb: Text<'a>,
    resource: Text<'a>,
    subresource: Text<'a>,
    namespace: Option<Text<'a>>,
    name: Option<Text<'a>>,
    /// The images that a JSON patch sets.
    patched: Images<'a>,
    /// The containers that a JSON patch adds.
    added: Vec<&'a [u8]>,
    request: Option<&'a [u8]>,
    response: Option<&'a [u8]>,
    time: Option<Time>,
}

/// Reads an audit event.
fn event<'a>(event: &'a [u8], reader: &mut Reader) -> Option<Observation<'a>> {
    let fields = reader.object(&AUDIT, event)?;
    if !fields.has(AUDIT_ID) || fields.text(STAGE).is_some_and(|stage| stage != "ResponseComplete") {
        return None;
    }
    if fields.get(CODE).and_then(|code| code.integer()).is_some_and(|code| code >= 300) {
        return None;
    }
    let uri = fields.text(REQUEST_URI).unwrap_or_default();
    let mut parameters = uri.as_bytes().split(|&byte| byte == b'?' || byte == b'&').skip(1);
    if parameters.any(|parameter| parameter.starts_with(b"dryRun=")) {
        return None;
    }
    let (patched, added) = patch(&fields);
    let object = |key| fields.get(key).filter(|value| value.is_object()).map(|value| value.raw());
    let request = Request {
        verb: fields.text(VERB)?,
        resource: fields.text(RESOURCE)?,
        subresource: fields.text(SUBRESOURCE).unwrap_or_default(),
        namespace: fields.text(NAMESPACE),
        name: fields.text(NAME),
        patched,
        added,
        request: object(REQUEST),
        response: object(RESPONSE),
        time: [STAGED, RECEIVED].iter().find_map(|&key| Time::parse(fields.text(key)?.as_bytes())),
    };
    request.observation(reader)
}

/// The images that a JSON patch sets ([RFC 6902](https://www.rfc-editor.org/rfc/rfc6902)), and the containers that it
/// adds.
fn patch<'a>(fields: &Fields<'a, '_>) -> (Images<'a>, Vec<&'a [u8]>) {
    let (mut images, mut containers) = (Images::new(), Vec::new());
    let mut ops = fields.each(PATCH_OP).peekable();
    let mut values = fields.each(PATCH_VALUE).peekable();
    for (element, path) in fields.each(PATCH_PATH).take(MOST) {
        let op = beside(&mut ops, element).and_then(|op| op.text()).unwrap_or_default();
        let (Some(path), Some(value)) = (path.text(), beside(&mut values, element)) else { continue };
        if op != "add" && op != "replace" {
            continue;
        }
        let path = path.as_bytes();
        let is_image = path.ends_with(b"/image") || path.ends_with(b"/image/reference");
        if let Some(reference) = value.text().filter(|_| is_image) {
            images.push(Image::new(reference));
        } else if value.is_object() && is_element_of_containers(path) {
            containers.push(value.raw());
        }
    }
    let mut names = fields.each(PATCH_CONTAINER).peekable();
    for (element, image) in fields.each(PATCH_IMAGE).take(MOST) {
        let container = beside(&mut names, element).and_then(|name| name.text());
        images.extend(image.text().map(|reference| Image { container, ..Image::new(reference) }));
    }
    images.retain(|image| !image.reference.is_empty());
    (images, containers)
}

/// Whether a path ends like `/spec/containers/-`.
fn is_element_of_containers(path: &[u8]) -> bool {
    path.rsplit(|&byte| byte == b'/').nth(1).is_some_and(|array| array.ends_with(b"ontainers"))
}

/// Reads a log entry of GKE.
fn gke<'a>(entry: &'a [u8], reader: &mut Reader) -> Option<Observation<'a>> {
    let fields = reader.object(&GKE, entry)?;
    // `io.k8s.core.v1.pods.create`; the code is one of gRPC.
    let method = fields.text(GKE_METHOD)?;
    let verb = method.as_bytes().strip_prefix(b"io.k8s.")?.iter().rposition(|&byte| byte == b'.')? + b"io.k8s.".len();
    if fields.get(GKE_STATUS).and_then(|code| code.integer()).is_some_and(|code| code != 0) {
        return None;
    }
    // `apps/v1/namespaces/shop/deployments/web/scale`
    let path = fields.text(GKE_RESOURCE)?;
    let mut at = 0;
    let mut parts = path.as_bytes().split(|&byte| byte == b'/').map(|part| {
        let start = at;
        at += part.len() + 1;
        path.slice(start, start + part.len())
    });
    parts.find(|part| *part == "namespaces")?;
    let mut part = || parts.next().filter(|part| !part.is_empty());
    let (namespace, resource, name, subresource) = (part(), part()?, part(), part().unwrap_or_default());
    let object = |key| fields.get(key).filter(|value| value.is_object()).map(|value| value.raw());
    let request = Request {
        verb: method.slice(verb + 1, method.as_bytes().len()),
        resource,
        subresource,
        namespace,
        name,
        patched: Images::new(),
        added: Vec::new(),
        request: object(GKE_REQUEST),
        response: object(GKE_RESPONSE),
        time: fields.text(GKE_TIME).and_then(|time| Time::parse(time.as_bytes())),
    };
    let cluster = fields.text(GKE_CLUSTER);
    let mut found = request.observation(reader)?;
    if let Some(cluster) = cluster {
        found.workload.cluster = cluster;
    }
    Some(found)
}

/// What is done to pods by other means than their object.
const ACTS: &[(&str, &str)] = &[
    ("exec", "pod.exec"),
    ("attach", "pod.attach"),
    ("portforward", "pod.port-forward"),
    ("binding", "pod.schedule"),
    ("eviction", "pod.evict"),
];

impl<'a> Request<'a> {
    fn observation(self, reader: &mut Reader) -> Option<Observation<'a>> {
        if self.resource == "nodes" {
            return self.cordon(reader);
        }
        let noun = object::NOUNS.iter().find(|noun| noun.resource.as_bytes() == self.resource.as_bytes());
        let is_pod = self.resource == "pods";
        let mut object = Object::default();
        let subresource = as_word(self.subresource.as_bytes());
        let act = ACTS.iter().find(|(act, _)| is_pod && *act == subresource);
        let kind = match (act, as_word(self.verb.as_bytes()), subresource) {
            // A client that speaks over a web socket asks for these with GET.
            (Some((_, kind)), "create" | "get", _) => kind,
            (None, "create" | "update" | "patch" | "apply", "scale") => noun?.verb(Verb::Scale),
            (None, verb, subresource) => {
                let verb = match (verb, subresource) {
                    ("update" | "patch" | "apply", "status") => Verb::Status,
                    ("create", "") => Verb::Create,
                    ("update", "" | "ephemeralcontainers" | "resize") => Verb::Update,
                    ("patch" | "apply", "" | "ephemeralcontainers" | "resize") => Verb::Patch,
                    _ => return None,
                };
                self.read(&mut object, is_pod, verb, reader);
                if noun.is_none() && object.images.is_empty() {
                    return None;
                }
                noun.map_or(OTHER, |noun| noun.verb(verb))
            }
            _ => return None,
        };
        // The URI of a request names its object better than the object does itself.
        let is_whole = self.verb == "create" && act.is_none();
        let known = |text: Option<Text<'a>>| text.filter(|text| !text.is_empty());
        object.name = known(self.name.clone()).or(object.name);
        object.namespace = known(self.namespace.clone()).or(object.namespace);
        object.kind = match noun {
            Some(noun) => Some(noun.kind.into()),
            None => object.kind.or(Some(self.resource.clone())),
        };
        let workload = object.workload(is_whole);
        let facts = match (noun, subresource) {
            (_, "eviction") if is_pod => vec![Fact::Rollout],
            (Some(noun), _) if noun.rolls_out() && subresource != "status" && self.changes(reader) => {
                vec![Fact::Rollout]
            }
            _ if is_pod => object.pod_facts(),
            _ => Vec::new(),
        };
        Some(Observation {
            time: self.time,
            address: object.address.filter(|_| is_pod),
            images: object.images,
            facts,
            ..Observation::new(Source::KubernetesAudit, kind, workload)
        })
    }

    /// Whether it changes the spec of the object. What was not logged is taken for a change.
    fn changes(&self, reader: &mut Reader) -> bool {
        let mut read = |account: Option<&'a [u8]>| object::read(account?, reader);
        match read(self.response).and_then(|response| response.is_settled) {
            Some(is_settled) => !is_settled,
            None => read(self.request).is_none_or(|request| request.has_spec),
        }
    }

    /// That a node takes no more pods.
    fn cordon(self, reader: &mut Reader) -> Option<Observation<'a>> {
        let is_change =
            self.subresource.is_empty() && (self.verb == "update" || self.verb == "patch" || self.verb == "apply");
        if !is_change || !object::read(self.request?, reader)?.is_cordoned {
            return None;
        }
        let name = self.name.filter(|name| !name.is_empty())?;
        let workload = Workload { kind: "Node".into(), name: name.clone(), ..Workload::default() };
        Some(Observation {
            time: self.time,
            facts: vec![Fact::NodeChange { node: name }],
            ..Observation::new(Source::KubernetesAudit, "node.cordon", workload)
        })
    }

    /// Puts together what request and response say of the object.
    fn read(&self, object: &mut Object<'a>, is_pod: bool, verb: Verb, reader: &mut Reader) {
        object.images = self.patched.clone();
        for container in &self.added {
            let Some(fields) = reader.object(&CONTAINER, container) else { continue };
            let image = filled(&fields, CONTAINER_IMAGE);
            let container = fields.text(CONTAINER_NAME);
            object.images.extend(image.map(|reference| Image { container, ..Image::new(reference) }));
        }
        let mut accounts = [self.request, self.response];
        if verb == Verb::Status {
            // A kubelet writes the status only; the response shows it beside the pod spec.
            accounts.reverse();
        }
        for account in accounts.into_iter().flatten() {
            if let Some(read) = object::read(account, reader) {
                object.complete(read);
            }
            let is_named = object.name.is_some() || object.controller.is_some();
            let is_whole = verb == Verb::Create || object.controller.is_some() || !is_pod;
            if !object.images.is_empty() && is_named && is_whole {
                break;
            }
        }
    }
}

/// The observation with texts of its own.
fn owned<'b>(found: Observation<'_>) -> Observation<'b> {
    let Observation { source, kind, time, workload, container, address, images, facts } = found;
    let Workload { cluster, namespace, kind: of, name } = workload;
    let workload = Workload {
        cluster: cluster.into_owned(),
        namespace: namespace.into_owned(),
        kind: of.into_owned(),
        name: name.into_owned(),
    };
    let image = |image: Image<'_>| Image {
        reference: image.reference.into_owned(),
        digest: image.digest.map(|digest| match digest {
            Digest::Manifest(digest) => Digest::Manifest(digest.into_owned()),
            Digest::ImageId(id) => Digest::ImageId(id.into_owned()),
        }),
        container: image.container.map(Text::into_owned),
    };
    Observation {
        source,
        kind,
        time,
        workload,
        container: container.map(Text::into_owned),
        address,
        images: images.into_iter().map(image).collect(),
        facts: facts.into_iter().map(Fact::into_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::object::tests::told;

    /// A request to create a pod that a ReplicaSet owns, with some of its members replaced.
    fn created(replace: &[(&str, &str)]) -> String {
        let mut record = String::from(
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a1",
            "stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/pods","verb":"create",
            "objectRef":{"resource":"pods","namespace":"shop","apiVersion":"v1"},"responseStatus":{"code":201},
            "requestObject":{"kind":"Pod","metadata":{"generateName":"web-78945dccd8-","ownerReferences":
            [{"kind":"ReplicaSet","name":"web-78945dccd8","controller":true}]},"spec":{"containers":
            [{"name":"a","image":"ai"},{"name":"b","image":"Bad Image"}],"initContainers":[{"name":"i","image":"ii"}]}},
            "requestReceivedTimestamp":"2026-03-15T00:06:31Z","stageTimestamp":"2026-03-15T00:06:32.5Z"}"#,
        );
        for (old, new) in replace {
            assert!(record.contains(old), "{old}");
            record = record.replace(old, new);
        }
        record
    }

    const CREATED: &str = "kubernetes-audit pod.create 2026-03-15T00:06:32Z -/shop/Deployment/web \
        | a ai | b Bad Image | i ii";

    #[rstest::rstest]
    #[case::whole(&[])]
    #[case::item_of_a_batch(&[(r#""kind":"Event","apiVersion":"audit.k8s.io/v1","#, "")])]
    #[case::no_stage(&[(r#""stage":"ResponseComplete","#, "")])]
    #[case::no_code(&[(r#"{"code":201}"#, "{}")])]
    #[case::parameters(&[("shop/pods", "shop/pods?fieldManager=kubectl&dryRunning=All")])]
    #[case::named_after_a_dry_run(&[("shop/pods", "dryRun=All/pods")])]
    fn counts(#[case] replace: &[(&str, &str)]) {
        assert_eq!(told(observe, &created(replace)).unwrap(), [CREATED]);
    }

    #[rstest::rstest]
    #[case::received(&[("ResponseComplete", "RequestReceived")])]
    #[case::panicked(&[("ResponseComplete", "Panic")])]
    #[case::forbidden(&[("201", "403")])]
    #[case::conflict(&[("201", "\"409\"")])]
    #[case::get(&[(r#""create""#, r#""get""#)])]
    #[case::watch(&[(r#""create""#, r#""watch""#)])]
    #[case::delete(&[(r#""create""#, r#""delete""#)])]
    #[case::dry_run(&[("shop/pods", "shop/pods?pretty=true&dryRun=All")])]
    #[case::no_verb(&[(r#""create""#, "null")])]
    #[case::no_object(&[("objectRef", "no")])]
    #[case::other_object(&[(r#""pods""#, r#""configmaps""#), (r#""spec""#, r#""data""#)])]
    #[case::token(&[(r#""pods""#, r#""pods","subresource":"log""#)])]
    #[case::no_id(&[("auditID", "no")])]
    fn does_not_count(#[case] replace: &[(&str, &str)]) {
        assert_eq!(told(observe, &created(replace)), None);
    }

    /// An event with the given members beside those that it needs.
    fn request(verb: &str, path: &str, rest: &str) -> String {
        let mut parts = path.split('/');
        let (resource, name) = (parts.next().unwrap(), parts.next().unwrap_or_default());
        let subresource = parts.next().map_or(String::new(), |part| format!(r#","subresource":"{part}""#));
        let object = format!(r#"{{"resource":"{resource}","namespace":"s","name":"{name}"{subresource}}}"#);
        format!(
            r#"{{"auditID":"a","stage":"ResponseComplete","verb":"{verb}","objectRef":{object},
            "responseStatus":{{"code":200}},"requestReceivedTimestamp":"2026-03-15T00:00:00Z"{rest}}}"#
        )
    }

    const SPEC: &str = r#""spec":{"containers":[{"name":"c","image":"i:1"}]}"#;
    const OWNED: &str = r#""metadata":{"name":"p","ownerReferences":[{"kind":"DaemonSet","name":"agent"}]}"#;

    #[rstest::rstest]
    #[case::bare_pod(
        "create",
        "pods/tool-x7k2p",
        r#"{"metadata":{"name":"x"},SPEC}"#,
        "",
        "pod.create",
        "Pod/tool-x7k2p | c i:1"
    )]
    #[case::named_by_the_response(
        "create",
        "pods/",
        "{SPEC}",
        r#"{"metadata":{"name":"p"},SPEC}"#,
        "pod.create",
        "Pod/p | c i:1"
    )]
    #[case::deployment(
        "create",
        "deployments/",
        r#"{"metadata":{"name":"web"},"spec":{"template":{SPEC}}}"#,
        "",
        "deployment.create",
        "Deployment/web | c i:1 | rollout"
    )]
    #[case::cron_job(
        "update",
        "cronjobs/b",
        r#"{"spec":{"jobTemplate":{"spec":{"template":{SPEC}}}}}"#,
        "",
        "cronjob.update",
        "CronJob/b | c i:1"
    )]
    #[case::job_of_a_cron_job(
        "create",
        "jobs/b-28391040",
        r#"{"spec":{"template":{SPEC}}}"#,
        "",
        "job.create",
        "CronJob/b | c i:1"
    )]
    #[case::replica_set(
        "update",
        "replicasets/web-78945dccd8",
        r#"{"spec":{"template":{SPEC}}}"#,
        "",
        "replicaset.update",
        "Deployment/web | c i:1 | rollout"
    )]
    #[case::stateful_set(
        "patch",
        "statefulsets/db",
        r#"{"spec":{"template":{SPEC}}}"#,
        "",
        "statefulset.patch",
        "StatefulSet/db | c i:1 | rollout"
    )]
    #[case::daemon_set(
        "apply",
        "daemonsets/a",
        r#"{"spec":{"template":{SPEC}}}"#,
        "",
        "daemonset.patch",
        "DaemonSet/a | c i:1 | rollout"
    )]
    #[case::custom(
        "create",
        "rollouts/r",
        r#"{"kind":"Rollout","spec":{"template":{SPEC}}}"#,
        "",
        "object.other",
        "Rollout/r | c i:1"
    )]
    #[case::custom_of_no_kind(
        "create",
        "rollouts/r",
        r#"{"spec":{"template":{SPEC}}}"#,
        "",
        "object.other",
        "rollouts/r | c i:1"
    )]
    #[case::patch_in_part("patch", "pods/agent-x7k2p", "{SPEC}", "", "pod.patch", "DaemonSet/agent | c i:1")]
    #[case::owner_of_the_response(
        "patch",
        "pods/p",
        "{SPEC}",
        r#"{OWNED,"spec":{"containers":[{"image":"no"}]}}"#,
        "pod.patch",
        "DaemonSet/agent | c i:1"
    )]
    #[case::images_of_the_response(
        "patch",
        "deployments/web",
        r#"{"metadata":{"labels":{}}}"#,
        r#"{"spec":{"template":{SPEC}}}"#,
        "deployment.patch",
        "Deployment/web | c i:1"
    )]
    #[case::ephemeral(
        "update",
        "pods/p/ephemeralcontainers",
        r#"{"spec":{"ephemeralContainers":[{"name":"d","image":"busy"}]}}"#,
        "",
        "pod.update",
        "Pod/p | d busy"
    )]
    #[case::resize("patch", "pods/p/resize", r#"{"spec":{"containers":[{"name":"c"}]}}"#, "", "pod.patch", "Pod/p")]
    #[case::status(
        "patch",
        "pods/p/status",
        r#"{"status":{"containerStatuses":[{"name":"c","image":"r.io/i:1","imageID":"r.io/i@sha256:aa"}]}}"#,
        "",
        "pod.status",
        "Pod/p | c r.io/i:1 manifest sha256:aa"
    )]
    #[case::status_of_the_response(
        "patch",
        "pods/p/status",
        r#"{"status":{"containerStatuses":[{"name":"c","image":"x"}]}}"#,
        r#"{OWNED,SPEC,"status":{"containerStatuses":[{"name":"c","imageID":"sha256:bb"}]}}"#,
        "pod.status",
        "DaemonSet/agent | c i:1 id sha256:bb"
    )]
    #[case::scale(
        "patch",
        "deployments/web/scale",
        r#"{"kind":"Scale","spec":{"replicas":3}}"#,
        "",
        "deployment.scale",
        "Deployment/web | rollout"
    )]
    #[case::metadata_alone(
        "create",
        "deployments/web",
        "null",
        "null",
        "deployment.create",
        "Deployment/web | rollout"
    )]
    #[case::exec(
        "create",
        "pods/web-78945dccd8-hvr55/exec",
        r#"{"kind":"PodExecOptions"}"#,
        "",
        "pod.exec",
        "Deployment/web"
    )]
    #[case::exec_by_web_socket("get", "pods/db-0/exec", "null", "", "pod.exec", "StatefulSet/db")]
    #[case::attach("create", "pods/db-0/attach", "null", "", "pod.attach", "StatefulSet/db")]
    #[case::port_forward("create", "pods/db-0/portforward", "null", "", "pod.port-forward", "StatefulSet/db")]
    #[case::binding("create", "pods/db-0/binding", r#"{"kind":"Binding"}"#, "", "pod.schedule", "StatefulSet/db")]
    #[case::eviction(
        "create",
        "pods/db-0/eviction",
        r#"{"kind":"Eviction"}"#,
        "",
        "pod.evict",
        "StatefulSet/db | rollout"
    )]
    #[case::json_patch(
        "patch",
        "deployments/web",
        r#"[{"op":"test","path":"/spec/template/spec/containers/0/image","value":"old"},
            {"op":"replace","path":"/spec/template/spec/containers/0/image","value":"new"},{"op":"remove","path":"/x/image"},
            {"op":"add","path":"/spec/template/spec/initContainers/-","value":{"name":"j","image":"ji"}},
            {"op":"add","path":"/spec/template/spec/volumes/0/image/reference","value":"vi"},
            {"op":"add","path":"/metadata/annotations/image","value":""},{"op":"replace","value":7,"path":"/a/image"},7,
            {"op":"replace","path":"/spec/template/spec/containers","value":[{"name":"k","image":"ki"},{"image":7},8]}]"#,
        r#"{"spec":{"template":{SPEC}}}"#,
        "deployment.patch",
        "Deployment/web | - new | - vi | k ki | j ji | rollout"
    )]
    #[case::json_patch_of_no_image(
        "patch",
        "deployments/web",
        r#"[{"op":"add","path":"/metadata/labels/a","value":"b"}]"#,
        r#"{"spec":{"template":{SPEC}}}"#,
        "deployment.patch",
        "Deployment/web | c i:1 | rollout"
    )]
    #[case::wrong_types("create", "pods/p", r#""text""#, "[7]", "pod.create", "Pod/p")]
    fn requests(
        #[case] verb: &str,
        #[case] path: &str,
        #[case] object: &str,
        #[case] response: &str,
        #[case] kind: &str,
        #[case] workload: &str,
    ) {
        let mut rest = format!(r#","requestObject":{object}"#);
        if !response.is_empty() {
            rest += &format!(r#","responseObject":{response}"#);
        }
        let record = request(verb, path, &rest.replace("SPEC", SPEC).replace("OWNED", OWNED));
        let expected = format!("kubernetes-audit {kind} 2026-03-15T00:00:00Z -/s/{workload}");
        assert_eq!(told(observe, &record).unwrap(), [expected]);
    }

    const SETTLED: &str = r#"{"metadata":{"generation":4},"status":{"observedGeneration":4}}"#;
    const CHANGED: &str = r#"{"metadata":{"generation":5},"status":{"observedGeneration":4}}"#;
    const RESTART: &str =
        r#"{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"x"}}}}}"#;
    const COUNTERS: &str = r#"{"metadata":{"uid":"u1"},"status":{"containerStatuses":[{"name":"a","restartCount":3,
        "lastState":{"terminated":{"reason":"OOMKilled"}},"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}"#;

    #[rstest::rstest]
    #[case::of_controller("update", "deployments/web", r#"{"metadata":{},"spec":{}}"#, SETTLED, &[])]
    #[case::of_user("update", "deployments/web", r#"{"metadata":{},"spec":{}}"#, CHANGED, &["rollout"])]
    #[case::restart("patch", "deployments/web", RESTART, "null", &["rollout"])]
    #[case::annotation("patch", "deployments/web", r#"{"metadata":{"annotations":{"a":"b"}}}"#, "null", &[])]
    #[case::unknown("patch", "deployments/web", "null", "null", &["rollout"])]
    #[case::applied("apply", "daemonsets/web", r#"{"spec":{}}"#, SETTLED, &[])]
    #[case::made("create", "statefulsets/web", r#"{"spec":{}}"#, r#"{"metadata":{"generation":1}}"#, &["rollout"])]
    #[case::scaled("update", "statefulsets/web/scale", r#"{"spec":{"replicas":3}}"#, r#"{"spec":{}}"#, &["rollout"])]
    #[case::status("patch", "deployments/web/status", r#"{"status":{}}"#, CHANGED, &[])]
    #[case::job("create", "jobs/web", r#"{"spec":{}}"#, r#"{"metadata":{"generation":1}}"#, &[])]
    #[case::counters(
        "patch",
        "pods/p/status",
        COUNTERS,
        "null",
        &["restarts u1/a 3 (out of memory)", "back-off"]
    )]
    #[case::counters_of_the_response(
        "patch",
        "pods/p/status",
        r#"{"status":{"conditions":[]}}"#,
        COUNTERS,
        &["restarts u1/a 3 (out of memory)", "back-off"]
    )]
    #[case::counters_by_name(
        "patch",
        "pods/p/status",
        r#"{"status":{"containerStatuses":[{"name":"a","restartCount":3}]}}"#,
        "null",
        &["restarts p/a 3"]
    )]
    #[case::cordon("patch", "nodes/n1", r#"{"spec":{"unschedulable":true}}"#, "null", &["node n1"])]
    fn facts(
        #[case] verb: &str,
        #[case] path: &str,
        #[case] object: &str,
        #[case] response: &str,
        #[case] expected: &[&str],
    ) {
        let record = request(verb, path, &format!(r#","requestObject":{object},"responseObject":{response}"#));
        let line = told(observe, &record).unwrap().remove(0);
        assert_eq!(line.split(" | ").skip(1).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_node_belongs_to_no_namespace() {
        let cordoned = request("patch", "nodes/n1", r#","requestObject":{"spec":{"unschedulable":true}}"#);
        let expected = "kubernetes-audit node.cordon 2026-03-15T00:00:00Z -/-/Node/n1 | node n1";
        assert_eq!(told(observe, &cordoned).unwrap(), [expected]);
        assert_eq!(told(observe, &cordoned.replace("true", "null")), None);
        assert_eq!(told(observe, &cordoned.replace("true", "\"true\"")), None);
        assert_eq!(told(observe, &request("patch", "nodes/n1/status", r#","requestObject":{"status":{}}"#)), None);
        assert_eq!(told(observe, &request("update", "nodes/n1", "")), None);
    }

    #[rstest::rstest]
    #[case("delete", "pods/p")]
    #[case("deletecollection", "pods")]
    #[case("list", "pods")]
    #[case("get", "pods/p/log")]
    #[case("create", "pods/p/unheard-of")]
    #[case("create", "events/e")]
    #[case("patch", "leases/l")]
    #[case("update", "services/s/scale")]
    fn requests_of_no_interest(#[case] verb: &str, #[case] path: &str) {
        assert_eq!(told(observe, &request(verb, path, r#","requestObject":{"kind":"X"}"#)), None);
    }

    #[test]
    fn a_batch_gives_each_of_its_requests() {
        let item = created(&[(r#""kind":"Event","apiVersion":"audit.k8s.io/v1","#, "")]);
        let read = request("get", "pods/p", "");
        let batch = format!(
            r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{item},{read},null,{{}},{item}]}}"#
        );
        assert_eq!(told(observe, &batch).unwrap(), [CREATED, CREATED]);
        assert_eq!(told(observe, r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]}"#), None);
        assert_eq!(told(observe, &batch.replace("audit.k8s.io/v1", "v1")), None);
    }

    #[test]
    fn clouds_wrap_events_as_text() {
        let event = serde_json::to_string(&(created(&[]) + "\n")).unwrap();
        let aks = format!(r#"{{"category":"kube-audit-admin","properties":{{"log":{event},"stream":"stdout"}}}}"#);
        assert_eq!(told(observe, &aks).unwrap(), [CREATED]);
        assert_eq!(told(observe, &aks.replace("kube-audit-admin", "guard")), None);
        let batch = format!(r#"{{"records":[{aks},{{}},{{"properties":{{"log":"x"}}}},{aks}]}}"#);
        assert_eq!(told(observe, &batch).unwrap(), [CREATED, CREATED]);
        let eks = format!(
            r#"{{"messageType":"DATA_MESSAGE","logGroup":"/aws/eks/prod-1/cluster","logStream":"kube-apiserver-audit-1",
            "logEvents":[{{"id":"1","timestamp":1,"message":{event}}},{{"id":"2","message":"I0315 no JSON"}}]}}"#
        );
        assert_eq!(told(observe, &eks).unwrap(), [CREATED.replace("-/shop", "prod-1/shop")]);
        assert_eq!(told(observe, &eks.replace("/aws/eks/", "/aws/lambda/")), None);
    }

    #[rstest::rstest]
    #[case::create(
        "core.v1.pods.create",
        "core/v1/namespaces/s/pods/p",
        "{}",
        Some("pod.create {TIME} c1/s/Pod/p | c i:1")
    )]
    #[case::patch(
        "apps.v1.deployments.patch",
        "apps/v1/namespaces/s/deployments/web",
        r#"{"code":0}"#,
        Some("deployment.patch {TIME} c1/s/Deployment/web | c i:1 | rollout")
    )]
    #[case::exec(
        "core.v1.pods.exec.create",
        "core/v1/namespaces/s/pods/db-0/exec",
        "{}",
        Some("pod.exec {TIME} c1/s/StatefulSet/db")
    )]
    #[case::scale(
        "apps.v1.deployments.scale.update",
        "apps/v1/namespaces/s/deployments/web/scale",
        "{}",
        Some("deployment.scale {TIME} c1/s/Deployment/web | rollout")
    )]
    #[case::denied("core.v1.pods.create", "core/v1/namespaces/s/pods/p", r#"{"code":7}"#, None)]
    #[case::read("core.v1.pods.get", "core/v1/namespaces/s/pods/p", "{}", None)]
    #[case::cluster_wide("core.v1.nodes.patch", "core/v1/nodes/n", "{}", None)]
    #[case::no_path("core.v1.pods.create", "", "{}", None)]
    fn gke_entries(#[case] method: &str, #[case] path: &str, #[case] status: &str, #[case] expected: Option<&str>) {
        let spec = if method.contains("apps") { format!(r#""spec":{{"template":{{{SPEC}}}}}"#) } else { SPEC.into() };
        let record = format!(
            r#"{{"protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"k8s.io",
            "methodName":"io.k8s.{method}","resourceName":"{path}","status":{status},
            "request":{{"@type":"core.k8s.io/v1.Pod","metadata":{{}},{spec}}}}},"timestamp":"2026-03-15T00:00:00Z",
            "resource":{{"type":"k8s_cluster","labels":{{"cluster_name":"c1","location":"europe-west1"}}}}}}"#
        );
        let expected = expected.map(|line| line.replace("{TIME}", "2026-03-15T00:00:00Z"));
        assert_eq!(told(observe, &record), expected.map(|line| vec![format!("kubernetes-audit {line}")]));
        assert_eq!(told(observe, &record.replace("io.k8s.", "google.container.v1.")), None);
    }
}
