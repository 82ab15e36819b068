//! Kubernetes objects: the workload that an object is or belongs to, and the images it names.
//!
//! One shape finds the pod spec of a Pod (`/spec`), of what has a pod template (`/spec/template/spec`: Deployment,
//! StatefulSet, DaemonSet, ReplicaSet, Job and many a custom resource) and of a CronJob
//! (`/spec/jobTemplate/spec/template/spec`). An object may be incomplete, as patches are.
//! Field names as in the [Kubernetes API](https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/).

use std::net::IpAddr;
use std::sync::LazyLock;

use super::docker::is_image_id;
use super::owner::{self, beside};
use super::status::Status;
use super::{Digest, Fact, Image, Reader, Workload, address, filled, network};
use crate::record::{Fields, Key, Shape, Text, keys};

/// The images of one thing that is observed.
pub type Images<'a> = Vec<Image<'a>>;

/// How many images of an object, or objects of a list, are read. An object that an API server takes is too small to
/// hold more containers.
pub const MOST: usize = 65_536;

/// The most statuses that are put in order, which takes the square of their number: no pod has as many containers.
pub const MOST_STATUSES: usize = 1000;

keys! {
    /// The pointers of the shape of an object.
    OBJECT_KEYS {
        KIND = "/kind",
        NAME = "/metadata/name",
        GENERATE_NAME = "/metadata/generateName",
        NAMESPACE = "/metadata/namespace",
        UID = "/metadata/uid",
        GENERATION = "/metadata/generation",
        OBSERVED_GENERATION = "/status/observedGeneration",
        SPEC = "/spec",
        UNSCHEDULABLE = "/spec/unschedulable",
        TEMPLATE_HASH = "/metadata/labels/pod-template-hash",
        OWNER_KIND = "/metadata/ownerReferences/*/kind",
        OWNER_NAME = "/metadata/ownerReferences/*/name",
        OWNER_CONTROLLER = "/metadata/ownerReferences/*/controller",
        POD_CONTAINER = "/spec/containers/*/name",
        POD_IMAGE = "/spec/containers/*/image",
        POD_INIT_CONTAINER = "/spec/initContainers/*/name",
        POD_INIT_IMAGE = "/spec/initContainers/*/image",
        POD_EPHEMERAL_CONTAINER = "/spec/ephemeralContainers/*/name",
        POD_EPHEMERAL_IMAGE = "/spec/ephemeralContainers/*/image",
        POD_VOLUME = "/spec/volumes/*/image/reference",
        TEMPLATE_CONTAINER = "/spec/template/spec/containers/*/name",
        TEMPLATE_IMAGE = "/spec/template/spec/containers/*/image",
        TEMPLATE_INIT_CONTAINER = "/spec/template/spec/initContainers/*/name",
        TEMPLATE_INIT_IMAGE = "/spec/template/spec/initContainers/*/image",
        TEMPLATE_EPHEMERAL_CONTAINER = "/spec/template/spec/ephemeralContainers/*/name",
        TEMPLATE_EPHEMERAL_IMAGE = "/spec/template/spec/ephemeralContainers/*/image",
        TEMPLATE_VOLUME = "/spec/template/spec/volumes/*/image/reference",
        JOB_CONTAINER = "/spec/jobTemplate/spec/template/spec/containers/*/name",
        JOB_IMAGE = "/spec/jobTemplate/spec/template/spec/containers/*/image",
        JOB_INIT_CONTAINER = "/spec/jobTemplate/spec/template/spec/initContainers/*/name",
        JOB_INIT_IMAGE = "/spec/jobTemplate/spec/template/spec/initContainers/*/image",
        JOB_EPHEMERAL_CONTAINER = "/spec/jobTemplate/spec/template/spec/ephemeralContainers/*/name",
        JOB_EPHEMERAL_IMAGE = "/spec/jobTemplate/spec/template/spec/ephemeralContainers/*/image",
        JOB_VOLUME = "/spec/jobTemplate/spec/template/spec/volumes/*/image/reference",
        HOST_NETWORK = "/spec/hostNetwork",
        POD_IP = "/status/podIP",
        POD_IPS = "/status/podIPs/*/ip",
        STATUS_CONTAINER = "/status/containerStatuses/*/name",
        STATUS_IMAGE = "/status/containerStatuses/*/image",
        STATUS_IMAGE_ID = "/status/containerStatuses/*/imageID",
        STATUS_RESTARTS = "/status/containerStatuses/*/restartCount",
        STATUS_WAITING = "/status/containerStatuses/*/state/waiting/reason",
        STATUS_ENDED = "/status/containerStatuses/*/state/terminated/reason",
        STATUS_ENDED_BEFORE = "/status/containerStatuses/*/lastState/terminated/reason",
        STATUS_INIT_CONTAINER = "/status/initContainerStatuses/*/name",
        STATUS_INIT_IMAGE = "/status/initContainerStatuses/*/image",
        STATUS_INIT_IMAGE_ID = "/status/initContainerStatuses/*/imageID",
        STATUS_INIT_WAITING = "/status/initContainerStatuses/*/state/waiting/reason",
        STATUS_EPHEMERAL_CONTAINER = "/status/ephemeralContainerStatuses/*/name",
        STATUS_EPHEMERAL_IMAGE = "/status/ephemeralContainerStatuses/*/image",
        STATUS_EPHEMERAL_IMAGE_ID = "/status/ephemeralContainerStatuses/*/imageID",
    }
}

static OBJECT: LazyLock<Shape> = LazyLock::new(|| Shape::new(OBJECT_KEYS));

/// Where a pod spec names images, and where the names of their containers stand beside them.
const IMAGES: &[(Key, Option<Key>)] = &[
    (POD_IMAGE, Some(POD_CONTAINER)),
    (POD_INIT_IMAGE, Some(POD_INIT_CONTAINER)),
    (POD_EPHEMERAL_IMAGE, Some(POD_EPHEMERAL_CONTAINER)),
    (POD_VOLUME, None),
    (TEMPLATE_IMAGE, Some(TEMPLATE_CONTAINER)),
    (TEMPLATE_INIT_IMAGE, Some(TEMPLATE_INIT_CONTAINER)),
    (TEMPLATE_EPHEMERAL_IMAGE, Some(TEMPLATE_EPHEMERAL_CONTAINER)),
    (TEMPLATE_VOLUME, None),
    (JOB_IMAGE, Some(JOB_CONTAINER)),
    (JOB_INIT_IMAGE, Some(JOB_INIT_CONTAINER)),
    (JOB_EPHEMERAL_IMAGE, Some(JOB_EPHEMERAL_CONTAINER)),
    (JOB_VOLUME, None),
];

/// Where a pod's status names containers, and beside them what they run.
const STATUSES: &[(Key, Key, Key)] = &[
    (STATUS_CONTAINER, STATUS_IMAGE, STATUS_IMAGE_ID),
    (STATUS_INIT_CONTAINER, STATUS_INIT_IMAGE, STATUS_INIT_IMAGE_ID),
    (STATUS_EPHEMERAL_CONTAINER, STATUS_EPHEMERAL_IMAGE, STATUS_EPHEMERAL_IMAGE_ID),
];

/// What an object says, as far as it does.
#[derive(Debug, Default)]
pub struct Object<'a> {
    /// Its kind.
    pub kind: Option<Text<'a>>,
    /// Its name.
    pub name: Option<Text<'a>>,
    /// What its name is to be made from.
    pub generate_name: Option<Text<'a>>,
    /// Its namespace.
    pub namespace: Option<Text<'a>>,
    /// Its label `pod-template-hash`.
    pub template_hash: Option<Text<'a>>,
    /// Kind and name of its controller.
    pub controller: Option<(Text<'a>, Text<'a>)>,
    /// Its uid.
    pub uid: Option<Text<'a>>,
    /// Whether its controller knows all of its spec: it does not for a moment after a change. The API server counts
    /// the specs, and the controller writes down which it has seen.
    pub is_settled: Option<bool>,
    /// Whether it has a spec, which a part of an object may lack.
    pub has_spec: bool,
    /// Whether it is a node that takes no more pods.
    pub is_cordoned: bool,
    /// The address of a pod that has one of its own.
    pub address: Option<IpAddr>,
    /// The images that it names.
    pub images: Images<'a>,
    /// What its status says of restarts, when it is a pod.
    pub status: Status<'a>,
}

/// Reads an object; none when the text is not one JSON object.
pub fn read<'a>(text: &'a [u8], reader: &mut Reader) -> Option<Object<'a>> {
    let fields = reader.object(&OBJECT, text)?;
    let named = |key| filled(&fields, key);
    let integer = |key| fields.get(key).and_then(|value| value.integer());
    Some(Object {
        kind: named(KIND),
        name: named(NAME),
        generate_name: named(GENERATE_NAME),
        namespace: named(NAMESPACE),
        template_hash: named(TEMPLATE_HASH),
        controller: owner::controller(&fields, OWNER_KIND, OWNER_NAME, OWNER_CONTROLLER),
        uid: named(UID),
        is_settled: integer(GENERATION).map(|generation| integer(OBSERVED_GENERATION) == Some(generation)),
        has_spec: fields.has(SPEC),
        is_cordoned: fields.get(UNSCHEDULABLE).is_some_and(|value| value.raw() == b"true"),
        address: address(&fields),
        images: images(&fields),
        status: Status::read(&fields),
    })
}

impl<'a> Object<'a> {
    /// Takes what is missing from another account of the same object.
    pub fn complete(&mut self, other: Self) {
        self.kind = self.kind.take().or(other.kind);
        self.name = self.name.take().or(other.name);
        self.generate_name = self.generate_name.take().or(other.generate_name);
        self.namespace = self.namespace.take().or(other.namespace);
        self.template_hash = self.template_hash.take().or(other.template_hash);
        self.controller = self.controller.take().or(other.controller);
        if self.images.is_empty() {
            self.images = other.images;
        }
        self.uid = self.uid.take().or(other.uid);
        self.address = self.address.or(other.address);
        if self.status.is_empty() {
            self.status = other.status;
        }
    }

    /// What it says as a pod, which it is then done with.
    pub fn pod_facts(&mut self) -> Vec<Fact<'a>> {
        let pod = self.uid.as_ref().or(self.name.as_ref());
        std::mem::take(&mut self.status).facts(pod)
    }

    /// The workload that it is or belongs to. `is_whole` says that an object without a controller has none, and not
    /// that the controller was left out.
    pub fn workload(&self, is_whole: bool) -> Workload<'a> {
        let mut workload = Workload::default();
        if let Some(namespace) = &self.namespace {
            workload.namespace = namespace.clone();
        }
        let (kind, hash) = (self.kind.as_ref(), self.template_hash.as_ref());
        let owner = match (&self.controller, &self.name, &self.generate_name) {
            (Some((kind, name)), pod, _) if self.is_pod() => {
                Some(owner::of_controlled_pod(pod.as_ref(), (kind, name), hash))
            }
            (None, None, Some(prefix)) if self.is_pod() => Some(owner::of_generate_name(prefix)),
            (None, Some(name), generated) if self.is_pod() && (generated.is_some() || !is_whole) => {
                Some(owner::of_pod(name))
            }
            (_, Some(name), _) => kind.map(|kind| owner::of_owner(kind, name, hash)),
            (_, None, Some(prefix)) => kind.map(|kind| (kind.clone(), prefix.clone())),
            (_, None, None) => kind.map(|kind| (kind.clone(), workload.name.clone())),
        };
        if let Some((kind, name)) = owner {
            workload.kind = kind;
            workload.name = name;
        }
        workload
    }

    /// Whether it is a pod.
    pub fn is_pod(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| *kind == "Pod")
    }
}

/// The address of a pod: the first of those that its status has. On the network of its node it has that node's.
fn address(fields: &Fields<'_, '_>) -> Option<IpAddr> {
    if fields.get(HOST_NETWORK).is_some_and(|value| value.raw() == b"true") {
        return None;
    }
    address::own(
        network::first(fields, &[POD_IP], network::ip)
            .or_else(|| fields.each(POD_IPS).find_map(|(_, ip)| network::ip(ip))),
    )
}

/// Every image of an object: those of its pod spec, with the digests of its status; without a pod spec, those of its
/// status.
fn images<'a>(fields: &Fields<'a, '_>) -> Images<'a> {
    let statuses = statuses(fields);
    let mut images = Images::new();
    for &(image, container) in IMAGES {
        let mut names = container.map(|container| fields.each(container).peekable());
        for (element, value) in fields.each(image).take(MOST) {
            let Some(reference) = value.text().filter(|text| !text.is_empty()) else { continue };
            let name = names.as_mut().and_then(|names| beside(names, element));
            let container = name.and_then(|name| name.text());
            let status = container.as_ref().and_then(|container| {
                let at = statuses.binary_search_by(|status| status.container.as_bytes().cmp(container.as_bytes()));
                statuses.get(at.ok()?)
            });
            let digest = status.filter(|status| status.is_of(&reference)).and_then(|status| status.digest.clone());
            images.push(Image { reference, digest, container });
        }
    }
    if images.is_empty() {
        images.extend(statuses.into_iter().filter_map(Running::image));
    }
    images
}

/// What a pod's status says about a container's image.
struct Running<'a> {
    container: Text<'a>,
    image: Option<Text<'a>>,
    digest: Option<Digest<'a>>,
}

/// The statuses of an object, in the order of their containers' names.
fn statuses<'a>(fields: &Fields<'a, '_>) -> Vec<Running<'a>> {
    let mut statuses: Vec<Running<'a>> = Vec::new();
    for &(container, image, image_id) in STATUSES {
        let mut images = fields.each(image).peekable();
        let mut image_ids = fields.each(image_id).peekable();
        for (element, value) in fields.each(container).take(MOST_STATUSES) {
            let image = beside(&mut images, element).and_then(|value| value.text());
            let image_id = beside(&mut image_ids, element).and_then(|value| value.text());
            let Some(container) = value.text() else { continue };
            let digest = image_id.and_then(|id| Digest::parse(&id));
            let before = |status: &Running<'_>| status.container.as_bytes() <= container.as_bytes();
            let place = statuses.partition_point(before);
            statuses.insert(place, Running { container, image: image.filter(|image| !image.is_empty()), digest });
        }
    }
    statuses
}

impl<'a> Running<'a> {
    /// Whether the container can be running that image already: while a pod changes, its status is behind. The
    /// runtime spells out the registry and may give an image ID in place of a name, so that repository name and tag
    /// are all there is to compare.
    fn is_of(&self, reference: &Text<'_>) -> bool {
        self.image.as_ref().is_none_or(|image| {
            let image = image.as_bytes();
            image.starts_with(b"sha256:") || name_and_tag(image) == name_and_tag(reference.as_bytes())
        })
    }

    /// The image, when the runtime gives it a name.
    fn image(self) -> Option<Image<'a>> {
        let reference = self.image.filter(|image| !is_image_id(image.as_bytes()))?;
        Some(Image { reference, digest: self.digest, container: Some(self.container) })
    }
}

/// The last component of a reference's repository, and its tag.
fn name_and_tag(reference: &[u8]) -> (&[u8], &[u8]) {
    let named = reference.split(|&byte| byte == b'@').next().unwrap_or_default();
    let last = named.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let mut parts = last.splitn(2, |&byte| byte == b':');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or(b"latest"))
}

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is made.
    Create,
    /// It is replaced.
    Update,
    /// It is changed in part, or applied.
    Patch,
    /// Its status is written.
    Status,
    /// Its number of pods is set.
    Scale,
    /// A watch tells of it first, or it is made while one goes on.
    Add,
    /// A watch tells of a change.
    Modify,
    /// It is gone.
    Delete,
    /// It was read.
    Get,
}

/// A kind of object that runs containers.
#[derive(Debug)]
pub struct Noun {
    /// Its kind.
    pub kind: &'static str,
    /// How paths of the API name it.
    pub resource: &'static str,
    /// What observations call what is done with it, in the order of [`Verb`].
    verbs: [&'static str; 9],
}

impl Noun {
    /// Whether it has pods that a change of it replaces. A Job's pods stay, and a CronJob has none yet.
    pub fn rolls_out(&self) -> bool {
        !matches!(self.kind, "Pod" | "Job" | "CronJob")
    }

    /// What an observation calls it.
    pub fn verb(&self, verb: Verb) -> &'static str {
        self.verbs.get(verb as usize).copied().unwrap_or(OTHER)
    }
}

/// What an observation calls anything that is done with an object of another kind.
pub const OTHER: &str = "object.other";

macro_rules! nouns {
    ($($kind:literal $resource:literal $noun:literal,)*) => {
        &[$(Noun {
            kind: $kind,
            resource: $resource,
            verbs: [
                concat!($noun, ".create"),
                concat!($noun, ".update"),
                concat!($noun, ".patch"),
                concat!($noun, ".status"),
                concat!($noun, ".scale"),
                concat!($noun, ".add"),
                concat!($noun, ".modify"),
                concat!($noun, ".delete"),
                concat!($noun, ".get"),
            ],
        }),*]
    };
}

/// The kinds of objects that run containers.
pub const NOUNS: &[Noun] = nouns! {
    "Pod" "pods" "pod",
    "Deployment" "deployments" "deployment",
    "ReplicaSet" "replicasets" "replicaset",
    "StatefulSet" "statefulsets" "statefulset",
    "DaemonSet" "daemonsets" "daemonset",
    "Job" "jobs" "job",
    "CronJob" "cronjobs" "cronjob",
    "ReplicationController" "replicationcontrollers" "replicationcontroller",
    "DeploymentConfig" "deploymentconfigs" "deploymentconfig",
};

/// The noun for a kind.
pub fn noun(kind: &[u8]) -> Option<&'static Noun> {
    NOUNS.iter().find(|noun| noun.kind.as_bytes() == kind)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::Scanner;
    use crate::source::docker::testing::tell;
    use crate::source::{Observation, Observations, keys};

    /// What a source makes of a record, in one line for each observation:
    /// `source kind time cluster/namespace/kind/name`, then `| container reference digest` for each image and `| fact`
    /// for each fact.
    pub fn told(
        observe: impl for<'a> Fn(&Fields<'a, '_>, &mut Reader) -> Option<Observations<'a>>,
        record: &str,
    ) -> Option<Vec<String>> {
        let mut scanner = Scanner::default();
        let fields = scanner.scan(&keys::RECORD, record.as_bytes()).unwrap();
        Some(observe(&fields, &mut Reader::default())?.iter().map(line).collect())
    }

    fn line(observation: &Observation<'_>) -> String {
        let Workload { cluster, namespace, kind, name } = &observation.workload;
        let time = observation.time.map_or("-".into(), |time| time.to_string());
        let source = observation.source.as_str();
        let facts: String = observation.facts.iter().map(|fact| format!(" | {}", tell(fact))).collect();
        let images = list(&observation.images);
        format!("{source} {} {time} {cluster}/{namespace}/{kind}/{name}{images}{facts}", observation.kind)
    }

    fn list(images: &Images<'_>) -> String {
        let line = |image: &Image<'_>| {
            let container = image.container.as_ref().map_or("-".into(), Text::to_str);
            let digest = match &image.digest {
                None => String::new(),
                Some(Digest::Manifest(digest)) => format!(" manifest {digest}"),
                Some(Digest::ImageId(id)) => format!(" id {id}"),
            };
            format!(" | {container} {}{digest}", image.reference)
        };
        images.iter().map(line).collect()
    }

    #[rstest::rstest]
    #[case::pod(r#"{"spec":{"containers":[{"name":"a","image":"i"}]}}"#, " | a i")]
    #[case::every_kind_of_container(
        r#"{"spec":{"ephemeralContainers":[{"name":"e","image":"ei"}],"initContainers":[{"name":"i","image":"ii"}],
            "containers":[{"name":"a","image":"ai"},{"image":"bi","name":"b"}],
            "volumes":[{"name":"v","image":{"reference":"vi"}},{"name":"w","emptyDir":{}}]}}"#,
        " | a ai | b bi | i ii | e ei | - vi"
    )]
    #[case::template(
        r#"{"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"a","image":"ai"}],
            "initContainers":[{"name":"i","image":"ii"}],"ephemeralContainers":[{"name":"e","image":"ei"}],
            "volumes":[{"image":{"reference":"vi"}}]}}}}"#,
        " | a ai | i ii | e ei | - vi"
    )]
    #[case::job_template(
        r#"{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"ai"}],
            "initContainers":[{"name":"i","image":"ii"}],"ephemeralContainers":[{"name":"e","image":"ei"}],
            "volumes":[{"image":{"reference":"vi"}}]}}}}}}"#,
        " | a ai | i ii | e ei | - vi"
    )]
    #[case::bad_containers_hide_none(
        r#"{"spec":{"containers":[{"name":"none"},{"name":"null","image":null},{"name":"number","image":7},
            {"name":"object","image":{"a":"b"}},{"name":"empty","image":""},"text",null,[{"image":"nested"}],
            {"image":"nameless"},{"name":["x"],"image":"misnamed"},{"name":"bad","image":"Not A Reference"},
            {"name":"good","image":"g:1"}]}}"#,
        " | - nameless | - misnamed | bad Not A Reference | good g:1"
    )]
    #[case::wrong_types(r#"{"spec":{"containers":{"image":"i"},"initContainers":"i"},"status":[],"metadata":7}"#, "")]
    #[case::repeated_name(r#"{"spec":{"containers":[{"name":"a","image":"no","image":"yes"}]}}"#, " | a yes")]
    #[case::escapes(r#"{"spec":{"containers":[{"name":"a","image":"ghcr.io\/x"}]}}"#, " | a ghcr.io/x")]
    #[case::digests_by_container(
        r#"{"spec":{"containers":[{"name":"b","image":"bi:1"},{"name":"a","image":"ai"},{"name":"c","image":"ci"}],
            "initContainers":[{"name":"i","image":"ii"}],"ephemeralContainers":[{"name":"e","image":"ei"}]},
            "status":{"containerStatuses":[
            {"name":"a","image":"docker.io/library/ai:latest","imageID":"docker.io/library/ai@sha256:aa"},
            {"name":"b","image":"docker.io/library/bi:1","imageID":"sha256:bb"},{"imageID":"sha256:xx"},
            {"name":"c","image":"docker.io/library/ci:latest","imageID":""}],
            "initContainerStatuses":[{"name":"i","imageID":"docker-pullable://ii@sha256:cc"}],
            "ephemeralContainerStatuses":[{"name":"e","image":"sha256:e","imageID":"docker://sha256:ee"}]}}"#,
        " | b bi:1 id sha256:bb | a ai manifest sha256:aa | c ci | i ii manifest sha256:cc | e ei id sha256:ee"
    )]
    #[case::status_of_the_image_before(
        r#"{"spec":{"containers":[{"name":"a","image":"ai:2"}]},
            "status":{"containerStatuses":[{"name":"a","image":"ai:1","imageID":"ai@sha256:aa"}]}}"#,
        " | a ai:2"
    )]
    #[case::status_alone(
        r#"{"status":{"containerStatuses":[{"name":"b","image":"bi","imageID":"bi@sha256:bb"},
            {"name":"a","image":"ai","imageID":null},{"name":"c"}]}}"#,
        " | a ai | b bi manifest sha256:bb"
    )]
    fn names_images(#[case] object: &str, #[case] expected: &str) {
        assert_eq!(list(&read(object.as_bytes(), &mut Reader::default()).unwrap().images), expected);
    }

    const SET: &str = r#""ownerReferences":[{"kind":"ReplicaSet","name":"web-78945dccd8","controller":true}]"#;

    #[rstest::rstest]
    #[case::owned(r#"{"kind":"Pod","metadata":{"name":"x","namespace":"shop",SET}}"#, "shop/Deployment/web")]
    #[case::owned_without_a_name(r#"{"kind":"Pod","metadata":{"generateName":"y-",SET}}"#, "-/Deployment/web")]
    #[case::label(
        r#"{"kind":"Pod","metadata":{"name":"x","labels":{"pod-template-hash":"7d4b"},
            "ownerReferences":[{"kind":"ReplicaSet","name":"web-7d4b"}]}}"#,
        "-/Deployment/web"
    )]
    #[case::controller_among_owners(
        r#"{"kind":"Pod","metadata":{"name":"x","ownerReferences":[{"kind":"A","name":"a","controller":false},
            {"controller":true,"name":"backup-28391040","kind":"Job"}]}}"#,
        "-/CronJob/backup"
    )]
    #[case::malformed_owner(
        r#"{"kind":"Pod","metadata":{"name":"x","ownerReferences":[{"kind":"A"},{"name":"n"},7,{"kind":1,"name":"n"},
            {"kind":"DaemonSet","name":"agent"}]}}"#,
        "-/DaemonSet/agent"
    )]
    #[case::of_a_node(
        r#"{"kind":"Pod","metadata":{"name":"etcd-n-1","ownerReferences":[{"kind":"Node","name":"n-1"}]}}"#,
        "-/Pod/etcd-n-1"
    )]
    #[case::bare(r#"{"kind":"Pod","metadata":{"name":"web-x7k2p"}}"#, "-/Pod/web-x7k2p")]
    #[case::bare_generated(
        r#"{"kind":"Pod","metadata":{"name":"web-x7k2p","generateName":"web-"}}"#,
        "-/DaemonSet/web"
    )]
    #[case::bare_to_be_named(r#"{"kind":"Pod","metadata":{"generateName":"web-"}}"#, "-/DaemonSet/web")]
    #[case::deployment(r#"{"kind":"Deployment","metadata":{"name":"web","namespace":"s"}}"#, "s/Deployment/web")]
    #[case::owner_of_a_workload(r#"{"kind":"ReplicaSet","metadata":{"name":"web-78945dccd8"}}"#, "-/Deployment/web")]
    #[case::owned_workload(
        r#"{"kind":"StatefulSet","metadata":{"name":"p","ownerReferences":[{"kind":"Prometheus","name":"q"}]}}"#,
        "-/StatefulSet/p"
    )]
    #[case::workload_to_be_named(r#"{"kind":"Job","metadata":{"generateName":"run-"}}"#, "-/Job/run-")]
    #[case::nameless(r#"{"kind":"Pod"}"#, "-/Pod/-")]
    #[case::empty_names(r#"{"kind":"Pod","metadata":{"name":"","namespace":"","generateName":""}}"#, "-/Pod/-")]
    #[case::wrong_types(r#"{"kind":7,"metadata":{"name":{},"namespace":[]}}"#, "-/-/-")]
    fn belongs_to(#[case] object: &str, #[case] expected: &str) {
        let object = object.replace("SET", SET);
        let Workload { cluster, namespace, kind, name } =
            read(object.as_bytes(), &mut Reader::default()).unwrap().workload(true);
        assert_eq!(format!("{namespace}/{kind}/{name}"), expected);
        assert_eq!(cluster, "-");
    }

    #[test]
    fn a_part_of_a_pod_leaves_the_owner_to_its_name() {
        let pod = r#"{"kind":"Pod","metadata":{"name":"web-78945dccd8-hvr55"}}"#;
        let workload = read(pod.as_bytes(), &mut Reader::default()).unwrap().workload(false);
        assert_eq!((workload.kind, workload.name), ("Deployment".into(), "web".into()));
    }

    #[test]
    fn many_containers_take_time_in_proportion() {
        let each = |part: &dyn Fn(usize) -> String| (0..50_000).map(part).collect::<Vec<_>>().join(",");
        let containers = each(&|i| format!(r#"{{"name":"c{i}","image":"i{i}"}}"#));
        let statuses = each(&|i| format!(r#"{{"name":"c{i}","imageID":"sha256:{i}"}}"#));
        let pod =
            format!(r#"{{"spec":{{"containers":[{containers}]}},"status":{{"containerStatuses":[{statuses}]}}}}"#);
        let images = read(pod.as_bytes(), &mut Reader::default()).unwrap().images;
        assert_eq!(images.len(), 50_000);
        assert_eq!(images[999].digest, Some(Digest::ImageId("sha256:999".into())));
    }
}
