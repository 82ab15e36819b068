//! Container logs with what the shipper knows of the container beside the line: the `kubernetes` object of
//! [Fluent Bit] (and Fluentd) or [Vector], or the container's own members of Vector's `docker_logs` and of Docker's
//! `fluentd` log driver.
//!
//! Every line of every container passes here: it reads what it needs and nothing twice. The line itself is not read,
//! and no time is taken from the record: the members of a line that is JSON may stand among those of the shipper, so
//! that whoever writes the line could set it.
//!
//! [Fluent Bit]: https://docs.fluentbit.io/manual/pipeline/filters/kubernetes
//! [Vector]: https://vector.dev/docs/reference/configuration/sources/kubernetes_logs/

use super::docker::is_image_id;
use super::object::Images;
use super::{Digest, Image, Observation, Observations, Reader, Source, Workload, address, bare, filled, keys, owner};
use crate::record::{Fields, Key, Text};

/// What an observation of a line is called.
pub const KIND: &str = "container.log";

/// Reads a record that is a line of a container's log.
pub fn observe<'a>(fields: &Fields<'a, '_>, _: &mut Reader) -> Option<Observations<'a>> {
    let ((workload, images), ids) = if fields.has(keys::KUBERNETES) {
        (kubernetes(fields)?, [keys::KUBERNETES_DOCKER_ID, keys::KUBERNETES_CONTAINER_ID])
    } else if fields.has(keys::CONTAINER_ID) && fields.has(keys::CONTAINER_NAME) {
        (docker(fields)?, [keys::CONTAINER_ID; 2])
    } else {
        return None;
    };
    let container = first(fields, ids).and_then(|id| bare(&id));
    let address = address::own(fields.text(keys::KUBERNETES_POD_IP).and_then(|ip| address::parse(ip.as_bytes())));
    Some(Observations::from_iter([Observation { container, address, ..observation(workload, images) }]))
}

/// The observation of a line. A runtime that has forgotten an image's name gives its ID instead, which names nothing.
pub fn observation<'a>(workload: Workload<'a>, image: Option<Image<'a>>) -> Observation<'a> {
    let images = Images::from_iter(image.filter(|image| !is_image_id(image.reference.as_bytes())));
    Observation { images, ..Observation::new(Source::ContainerLog, KIND, workload) }
}

/// The value of the first of the keys that has one.
fn first<'a>(fields: &Fields<'a, '_>, keys: [Key; 2]) -> Option<Text<'a>> {
    keys.into_iter().find_map(|key| filled(fields, key))
}

/// Reads the `kubernetes` object.
fn kubernetes<'a>(fields: &Fields<'a, '_>) -> Option<(Workload<'a>, Option<Image<'a>>)> {
    let pod = filled(fields, keys::KUBERNETES_POD)?;
    let mut workload = Workload::default();
    if let Some(cluster) = filled(fields, keys::KUBERNETES_CLUSTER) {
        workload.cluster = cluster;
    }
    if let Some(namespace) = first(fields, [keys::KUBERNETES_NAMESPACE, keys::KUBERNETES_POD_NAMESPACE]) {
        workload.namespace = namespace;
    }
    let controller = match filled(fields, keys::KUBERNETES_POD_OWNER).and_then(|owner| split(&owner)) {
        Some(owner) => Some(owner),
        None => owner::controller(
            fields,
            keys::KUBERNETES_OWNER_KIND,
            keys::KUBERNETES_OWNER_NAME,
            keys::KUBERNETES_OWNER_CONTROLLER,
        ),
    };
    (workload.kind, workload.name) = match &controller {
        Some((kind, name)) => owner::of_controlled_pod(Some(&pod), (kind, name), None),
        None => owner::of_pod(&pod),
    };
    let image = filled(fields, keys::KUBERNETES_IMAGE).map(|reference| Image {
        reference,
        digest: first(fields, [keys::KUBERNETES_IMAGE_HASH, keys::KUBERNETES_IMAGE_ID])
            .and_then(|digest| Digest::parse(&digest)),
        container: filled(fields, keys::KUBERNETES_CONTAINER),
    });
    Some((workload, image))
}

/// The two halves of `ReplicaSet/web-78945dccd8`.
fn split<'a>(owner: &Text<'a>) -> Option<(Text<'a>, Text<'a>)> {
    let bytes = owner.as_bytes();
    let at = bytes.iter().position(|&byte| byte == b'/').filter(|&at| at > 0 && at + 1 < bytes.len())?;
    Some((owner.slice(0, at), owner.slice(at + 1, bytes.len())))
}

/// Reads the members of a container of Docker.
fn docker<'a>(fields: &Fields<'a, '_>) -> Option<(Workload<'a>, Option<Image<'a>>)> {
    let name = filled(fields, keys::CONTAINER_NAME)?;
    // Docker's own driver has the slash of its API before the name.
    let start = usize::from(name.as_bytes().starts_with(b"/"));
    let name = name.slice(start, name.as_bytes().len());
    let mut workload = Workload::default();
    let (project, compose) = (filled(fields, keys::LABEL_COMPOSE_PROJECT), filled(fields, keys::LABEL_COMPOSE_SERVICE));
    (workload.kind, workload.name) = if let Some(service) = filled(fields, keys::LABEL_SWARM_SERVICE)
        // Swarm names its containers SERVICE.SLOT.TASK.
        && name.as_bytes().strip_prefix(service.as_bytes()).is_some_and(|task| task.starts_with(b"."))
    {
        workload.namespace = filled(fields, keys::LABEL_STACK).unwrap_or(workload.namespace);
        ("service".into(), service)
    } else if let (Some(project), Some(service)) = (project, compose) {
        workload.namespace = project;
        ("compose".into(), service)
    } else {
        ("container".into(), name.clone())
    };
    let image = filled(fields, keys::IMAGE).map(|reference| Image { container: Some(name), ..Image::new(reference) });
    Some((workload, image))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::{addresses, container};
    use crate::source::object::tests::told;

    #[rstest::rstest]
    #[case::fluent_bit(
        r#"{"time":"2026-03-15T00:06:31.8Z","stream":"stdout","logtag":"F","log":"hello","kubernetes":
            {"pod_name":"web-78945dccd8-hvr55","namespace_name":"s","pod_id":"u","labels":{"app":"web"},"host":"n1",
            "container_name":"a","docker_id":"c989","container_hash":"r.io/ai@sha256:aa","container_image":"r.io/ai:1"},
            "kubernetes_namespace":{"name":"s","labels":{"env":"dev"}}}"#,
        "-/s/Deployment/web | a r.io/ai:1 manifest sha256:aa"
    )]
    #[case::owner_references(
        r#"{"kubernetes":{"pod_name":"x","namespace_name":"s","ownerReferences":[{"apiVersion":"apps/v1",
            "kind":"ReplicaSet","name":"web-78945dccd8","uid":"u","controller":true}],"container_image":"ai"}}"#,
        "-/s/Deployment/web | - ai"
    )]
    #[case::of_a_node(
        r#"{"kubernetes":{"pod_name":"etcd-n-1","ownerReferences":[{"kind":"Node","name":"n-1"}]}}"#,
        "-/-/Pod/etcd-n-1"
    )]
    #[case::before_the_api_answers(r#"{"kubernetes":{"pod_name":"db-0","namespace_name":"s"}}"#, "-/s/StatefulSet/db")]
    #[case::vector(
        r#"{"message":"hello","timestamp":"2026-03-15T00:06:31Z","source_type":"kubernetes_logs","stream":"stderr",
            "kubernetes":{"pod_name":"x-x7k2p","pod_namespace":"s","pod_owner":"ReplicaSet/web-78945dccd8",
            "pod_labels":{"app":"web"},"pod_node_name":"n1","container_name":"a","container_id":"containerd://c9",
            "container_image":"ai:1","container_image_id":"docker.io/library/ai@sha256:aa"}}"#,
        "-/s/Deployment/web | a ai:1 manifest sha256:aa"
    )]
    #[case::vector_daemon_set(
        r#"{"kubernetes":{"pod_name":"x","pod_owner":"DaemonSet/agent"}}"#,
        "-/-/DaemonSet/agent"
    )]
    #[case::malformed_owner(r#"{"kubernetes":{"pod_name":"db-0","pod_owner":"DaemonSet/"}}"#, "-/-/StatefulSet/db")]
    #[case::cluster(r#"{"kubernetes":{"pod_name":"p","cluster_name":"c1"}}"#, "c1/-/Pod/p")]
    #[case::image_id(
        r#"{"kubernetes":{"pod_name":"p","container_image":"ai","container_hash":"sha256:aa"}}"#,
        "-/-/Pod/p | - ai id sha256:aa"
    )]
    #[case::hash_of_another_form(
        r#"{"kubernetes":{"pod_name":"p","container_image":"ai","container_hash":"aabb","container_image_id":""}}"#,
        "-/-/Pod/p | - ai"
    )]
    #[case::image_without_a_name(
        r#"{"kubernetes":{"pod_name":"p",
            "container_image":"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}"#,
        "-/-/Pod/p"
    )]
    #[case::wrong_types(
        r#"{"kubernetes":{"pod_name":"p","namespace_name":7,"pod_owner":{},"ownerReferences":"x","container_name":[],
            "container_image":"ai","container_hash":{"a":1}}}"#,
        "-/-/Pod/p | - ai"
    )]
    #[case::docker(
        r#"{"container_id":"9b6","container_name":"web-1","image":"ai:1","stream":"stdout","message":"hello",
            "label":{"maintainer":"x"},"container_created_at":"2026-03-15T00:06:31Z","source_type":"docker_logs"}"#,
        "-/-/container/web-1 | web-1 ai:1"
    )]
    #[case::compose(
        r#"{"container_id":"9b6","container_name":"shop-web-1","image":"ai","label":{"com.docker.compose.project":"shop",
            "com.docker.compose.service":"web"}}"#,
        "-/shop/compose/web | shop-web-1 ai"
    )]
    #[case::half_a_compose_service(
        r#"{"container_id":"9b6","container_name":"c","label":{"com.docker.compose.service":"web"}}"#,
        "-/-/container/c"
    )]
    #[case::swarm(
        r#"{"container_id":"9b6","container_name":"shop_web.1.x9","image":"ai","label":{
            "com.docker.stack.namespace":"shop","com.docker.swarm.service.name":"shop_web"}}"#,
        "-/shop/service/shop_web | shop_web.1.x9 ai"
    )]
    #[case::label_of_another_service(
        r#"{"container_id":"9b6","container_name":"c","label":{"com.docker.swarm.service.name":"shop_web"}}"#,
        "-/-/container/c"
    )]
    #[case::docker_driver(
        r#"{"container_id":"9b6","container_name":"/web-1","source":"stdout","log":"hello"}"#,
        "-/-/container/web-1"
    )]
    fn lines(#[case] record: &str, #[case] expected: &str) {
        assert_eq!(told(observe, record).unwrap(), [format!("container-log container.log - {expected}")]);
    }

    #[rstest::rstest]
    #[case::fluent_bit(r#"{"kubernetes":{"pod_name":"p","docker_id":"c989"}}"#, Some("c989"))]
    #[case::vector(r#"{"kubernetes":{"pod_name":"p","container_id":"containerd://c9"}}"#, Some("c9"))]
    #[case::docker(r#"{"container_id":"9b6","container_name":"web-1"}"#, Some("9b6"))]
    #[case::unknown(r#"{"kubernetes":{"pod_name":"p"},"container_id":"9b6"}"#, None)]
    #[case::empty(r#"{"kubernetes":{"pod_name":"p","docker_id":"","container_id":"docker://"}}"#, None)]
    #[case::wrong_types(r#"{"kubernetes":{"pod_name":"p","docker_id":7,"container_id":[]}}"#, None)]
    fn ids_of_containers(#[case] record: &str, #[case] expected: Option<&str>) {
        assert_eq!(container(observe, record).as_deref(), expected);
    }

    #[rstest::rstest]
    #[case::pod_ip(r#"{"kubernetes":{"pod_name":"p","pod_ip":"10.1.0.60","pod_ips":["10.1.0.60"]}}"#, &["10.1.0.60"])]
    #[case::none_yet(r#"{"kubernetes":{"pod_name":"p","pod_ip":""}}"#, &[])]
    #[case::wrong_type(r#"{"kubernetes":{"pod_name":"p","pod_ip":{"a":1}}}"#, &[])]
    fn addresses_of_pods(#[case] record: &str, #[case] expected: &[&str]) {
        assert_eq!(addresses(observe, record), expected);
    }

    #[rstest::rstest]
    #[case::nothing(r#"{"log":"hello"}"#)]
    #[case::no_pod(r#"{"kubernetes":{"namespace_name":"s"}}"#)]
    #[case::pod_of_another_kind(r#"{"kubernetes":{"pod_name":["p"]}}"#)]
    #[case::empty(r#"{"kubernetes":{}}"#)]
    #[case::text(r#"{"kubernetes":"pod"}"#)]
    #[case::no_container_name(r#"{"container_id":"9b6","image":"ai"}"#)]
    #[case::no_container_id(r#"{"container_name":"web","image":"ai"}"#)]
    fn no_lines(#[case] record: &str) {
        assert_eq!(told(observe, record), None);
    }
}
