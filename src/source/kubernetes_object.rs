//! Kubernetes objects as records: what `kubectl get -o json` prints, what a watch of the API server tells
//! (`{"type":"ADDED","object":{…}}`), lists of objects. Programs that read objects of one kind write them without the
//! kind: pods are known all the same.
//!
//! A Deployment and its like are being changed as long as their controller has not seen their latest generation: what
//! their spec holds says nothing of that.

use std::sync::LazyLock;

use super::object::{self, Images, MOST, Noun, OTHER, Verb, noun};
use super::{Fact, Observation, Observations, Reader, Source, as_word, keys as record, kubernetes_event};
use crate::record::{Fields, Shape, Text, keys};

keys! {
    /// The pointers of the shape of what holds an object.
    DOCUMENT_KEYS {
        KIND = "/kind",
        API_VERSION = "/apiVersion",
        TYPE = "/type",
        OBJECT = "/object",
        ITEMS = "/items/*",
        METADATA = "/metadata",
        CONTAINERS = "/spec/containers",
    }
}

static DOCUMENT: LazyLock<Shape> = LazyLock::new(|| Shape::new(DOCUMENT_KEYS));

/// Reads a record that is a Kubernetes object, a list of them, or a watch's account of one.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    let is_object = fields.has(record::KIND) && fields.has(record::API_VERSION);
    let is_watched = fields.has(record::WATCH_OBJECT) && fields.has(record::WATCH_TYPE);
    let is_pod = fields.has(record::POD_CONTAINERS) && fields.has(record::POD_METADATA);
    if is_object || is_watched || is_pod { read(fields.record(), Source::KubernetesObject, reader) } else { None }
}

/// Reads a text that is one of these; none when no object in it runs containers.
pub fn read<'a>(text: &'a [u8], source: Source, reader: &mut Reader) -> Option<Observations<'a>> {
    let mut object = text;
    let mut fields = reader.object(&DOCUMENT, text)?;
    let mut verb = Verb::Get;
    if let (Some(change), Some(watched)) = (fields.text(TYPE), fields.get(OBJECT))
        && watched.is_object()
    {
        verb = match as_word(change.as_bytes()) {
            "ADDED" => Verb::Add,
            "MODIFIED" => Verb::Modify,
            "DELETED" => Verb::Delete,
            _ => return None,
        };
        object = watched.raw();
        fields = reader.object(&DOCUMENT, object)?;
    }
    let kind = match fields.text(KIND) {
        Some(kind) if fields.has(API_VERSION) => kind,
        None if fields.has(METADATA) && fields.has(CONTAINERS) => Text::from("Pod"),
        _ => return None,
    };
    let observations: Observations<'a> = match kind.as_bytes().strip_suffix(b"List") {
        Some(of) => {
            // The items of a PodList do not say that they are pods; those of a List do.
            let of = kind.slice(0, of.len());
            let items: Vec<_> = fields.each(ITEMS).map(|(_, item)| item.raw()).take(MOST).collect();
            items.into_iter().filter_map(|item| one(item, &of, verb, source, reader)).collect()
        }
        None => one(object, &kind, verb, source, reader).into_iter().collect(),
    };
    if observations.is_empty() { None } else { Some(observations) }
}

/// Reads one object. `kind` is what it is when it does not say.
fn one<'a>(
    text: &'a [u8],
    kind: &Text<'a>,
    verb: Verb,
    source: Source,
    reader: &mut Reader,
) -> Option<Observation<'a>> {
    let mut object = object::read(text, reader)?;
    let kind = &*object.kind.get_or_insert_with(|| kind.clone());
    if *kind == "Event" {
        let source = if source == Source::KubernetesObject { Source::KubernetesEvent } else { source };
        return if verb == Verb::Delete { None } else { kubernetes_event::read(text, source, reader) };
    }
    let noun = noun(kind.as_bytes());
    if noun.is_none() && object.images.is_empty() {
        return None;
    }
    let workload = object.workload(true);
    // What is gone runs nothing.
    let address = object.address.filter(|_| verb != Verb::Delete);
    let (images, facts) = match verb {
        Verb::Delete => (Images::new(), Vec::new()),
        _ if object.is_pod() => (std::mem::take(&mut object.images), object.pod_facts()),
        _ if object.is_settled == Some(false) && noun.is_some_and(Noun::rolls_out) => {
            (object.images, vec![Fact::Rollout])
        }
        _ => (object.images, Vec::new()),
    };
    Some(Observation {
        address,
        images,
        facts,
        ..Observation::new(source, noun.map_or(OTHER, |noun| noun.verb(verb)), workload)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::testing::addresses;
    use crate::source::object::tests::told;

    const POD: &str = r#""metadata":{"name":"web-78945dccd8-hvr55","namespace":"shop","creationTimestamp":"2020-01-01",
        "ownerReferences":[{"kind":"ReplicaSet","name":"web-78945dccd8","controller":true}]},
        "spec":{"containers":[{"name":"a","image":"ai"}]},
        "status":{"containerStatuses":[{"name":"a","imageID":"ai@sha256:aa"}]}"#;
    const EVENT: &str = r#""involvedObject":{"kind":"Pod","name":"db-0"},"reason":"Pulling",
        "message":"Pulling image \"bi\"""#;

    #[rstest::rstest]
    #[case::pod(
        r#"{"kind":"Pod","apiVersion":"v1",POD}"#,
        &["kubernetes-object pod.get - -/shop/Deployment/web | a ai manifest sha256:aa"]
    )]
    #[case::added(
        r#"{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1",POD}}"#,
        &["kubernetes-object pod.add - -/shop/Deployment/web | a ai manifest sha256:aa"]
    )]
    #[case::modified(
        r#"{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1",POD}}"#,
        &["kubernetes-object pod.modify - -/shop/Deployment/web | a ai manifest sha256:aa"]
    )]
    #[case::deleted(
        r#"{"type":"DELETED","object":{"kind":"Pod","apiVersion":"v1",POD}}"#,
        &["kubernetes-object pod.delete - -/shop/Deployment/web"]
    )]
    #[case::pod_of_no_kind(
        r#"{POD}"#,
        &["kubernetes-object pod.get - -/shop/Deployment/web | a ai manifest sha256:aa"]
    )]
    #[case::cron_job(
        r#"{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"b","namespace":"n"},"spec":{"jobTemplate":
            {"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}}}}}"#,
        &["kubernetes-object cronjob.get - -/n/CronJob/b | c i"]
    )]
    #[case::custom(
        r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","metadata":{"name":"r"},
            "spec":{"template":{"spec":{"containers":[{"image":"i"}]}}}}"#,
        &["kubernetes-object object.other - -/-/Rollout/r | - i"]
    )]
    #[case::counters(
        r#"{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"db-0","uid":"u1"},
            "status":{"phase":"Running","containerStatuses":[{"name":"a","image":"ai","restartCount":3,
            "lastState":{"terminated":{"reason":"OOMKilled"}},"state":{"waiting":{"reason":"CrashLoopBackOff"}}},
            {"name":"b","image":"bi","restartCount":0,"state":{"running":{}}}]}}}"#,
        &["kubernetes-object pod.modify - -/-/Pod/db-0 | a ai | b bi \
            | restarts u1/a 3 (out of memory) | restarts u1/b 0 | back-off"]
    )]
    #[case::counters_of_the_deleted(
        r#"{"type":"DELETED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"db-0","uid":"u1"},
            "status":{"containerStatuses":[{"name":"a","restartCount":3}]}}}"#,
        &["kubernetes-object pod.delete - -/-/Pod/db-0"]
    )]
    #[case::rolls_out(
        r#"{"type":"MODIFIED","object":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","generation":4},
            "status":{"observedGeneration":3}}}"#,
        &["kubernetes-object deployment.modify - -/-/Deployment/d | rollout"]
    )]
    #[case::settled(
        r#"{"type":"MODIFIED","object":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","generation":4},
            "status":{"observedGeneration":4}}}"#,
        &["kubernetes-object deployment.modify - -/-/Deployment/d"]
    )]
    #[case::job(
        r#"{"type":"ADDED","object":{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j","generation":1}}}"#,
        &["kubernetes-object job.add - -/-/Job/j"]
    )]
    #[case::without_images(
        r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"}}"#,
        &["kubernetes-object deployment.get - -/-/Deployment/d"]
    )]
    #[case::list(
        r#"{"apiVersion":"v1","kind":"List","items":[{"kind":"Pod","apiVersion":"v1",POD},null,7,"x",[],{},
            {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"}},{"kind":"Event","apiVersion":"v1",EVENT},
            {"kind":"Deployment","metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"image":"i"}]}}}}]}"#,
        &[
            "kubernetes-object pod.get - -/shop/Deployment/web | a ai manifest sha256:aa",
            "kubernetes-event image.pull - -/-/StatefulSet/db | - bi",
            "kubernetes-object deployment.get - -/-/Deployment/d | - i",
        ]
    )]
    #[case::pod_list(
        r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[{POD},{POD}]}"#,
        &[
            "kubernetes-object pod.get - -/shop/Deployment/web | a ai manifest sha256:aa",
            "kubernetes-object pod.get - -/shop/Deployment/web | a ai manifest sha256:aa",
        ]
    )]
    #[case::event_list(
        r#"{"kind":"EventList","apiVersion":"v1","items":[{EVENT}]}"#,
        &["kubernetes-event image.pull - -/-/StatefulSet/db | - bi"]
    )]
    #[case::watched_event(
        r#"{"type":"ADDED","object":{"kind":"Event","apiVersion":"v1",EVENT}}"#,
        &["kubernetes-event image.pull - -/-/StatefulSet/db | - bi"]
    )]
    fn objects(#[case] record: &str, #[case] expected: &[&str]) {
        let record = record.replace("POD", POD).replace("EVENT", EVENT);
        assert_eq!(told(observe, &record).unwrap(), expected);
    }

    #[rstest::rstest]
    #[case::pod("ADDED", r#""podIP":"10.1.0.60","podIPs":[{"ip":"10.1.0.60"},{"ip":"2001:db8::60"}]"#, "", &["10.1.0.60"])]
    #[case::list_alone("MODIFIED", r#""podIPs":[{},{"ip":"2001:db8::60"}]"#, "", &["2001:db8::60"])]
    #[case::pending("ADDED", r#""phase":"Pending""#, "", &[])]
    #[case::gone("DELETED", r#""podIP":"10.1.0.60""#, "", &[])]
    #[case::of_the_node("ADDED", r#""podIP":"10.0.0.4","hostIP":"10.0.0.4""#, r#""hostNetwork":true,"#, &[])]
    #[case::wrong_types("ADDED", r#""podIP":7,"podIPs":{}"#, "", &[])]
    fn addresses_of_pods(#[case] change: &str, #[case] status: &str, #[case] spec: &str, #[case] expected: &[&str]) {
        let record = format!(
            r#"{{"type":"{change}","object":{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"p"}},
                "spec":{{{spec}"containers":[]}},"status":{{{status}}}}}}}"#
        );
        assert_eq!(addresses(observe, &record), expected);
    }

    #[rstest::rstest]
    #[case::nothing("{}")]
    #[case::no_version(r#"{"kind":"Pod","metadata":{"name":"p"}}"#)]
    #[case::no_pod(r#"{"metadata":{},"spec":{"template":{"spec":{"containers":[{"image":"i"}]}}}}"#)]
    #[case::service(r#"{"kind":"Service","apiVersion":"v1","metadata":{"name":"s"}}"#)]
    #[case::empty_list(r#"{"kind":"PodList","apiVersion":"v1","items":[]}"#)]
    #[case::no_list(r#"{"kind":"PodList","apiVersion":"v1","items":{"kind":"Pod"}}"#)]
    #[case::audit(r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1"}"#)]
    #[case::audits(r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"1"}]}"#)]
    #[case::bookmark(r#"{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{}}}"#)]
    #[case::other_change(r#"{"type":"click","object":{"kind":"button","apiVersion":"1"}}"#)]
    #[case::object_is_text(r#"{"type":"ADDED","object":"pod"}"#)]
    #[case::event_gone(r#"{"type":"DELETED","object":{"kind":"Event","apiVersion":"v1","involvedObject":{"kind":"Pod"},"reason":"X"}}"#)]
    #[case::wrong_types(r#"{"kind":["Pod"],"apiVersion":1}"#)]
    fn no_objects(#[case] record: &str) {
        assert_eq!(told(observe, record), None);
    }
}
