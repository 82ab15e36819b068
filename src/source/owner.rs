//! From a pod to the workload that owns it.
//!
//! A pod's name is its owner's, lengthened: a ReplicaSet's by the template hash of its Deployment, a Job's by the
//! schedule of its CronJob (minutes since 1970; seconds before Kubernetes 1.21) or by an index, a StatefulSet's by an
//! ordinal; all but the last end in five random characters. Random parts use an alphabet without vowels and without
//! `0`, `1` and `3` ([`k8s.io/apimachinery/pkg/util/rand`]). A generated name is 63 characters long at most: a longer
//! base is cut before its random part.
//!
//! Only owner references tell the owner for sure. From the name alone, a DaemonSet's pod looks like that of a Job or of
//! a ReplicaSet without a Deployment, and is taken for a DaemonSet's; a pod that was named by hand `test-1` looks like
//! a StatefulSet's. What matters is that all pods of an owner get the same answer.
//!
//! [`k8s.io/apimachinery/pkg/util/rand`]: https://pkg.go.dev/k8s.io/apimachinery/pkg/util/rand

use super::as_word;
use crate::record::{Fields, Key, Text};

/// How long the random end of a pod's name is.
const RANDOM: usize = 5;

/// How long a generated name can be.
const LONGEST: usize = 63;

/// The kind and name of the workload that a pod of that name belongs to.
pub fn of_pod<'a>(pod: &Text<'a>) -> (Text<'a>, Text<'a>) {
    let name = pod.as_bytes();
    match cut(name) {
        // A base that ends in a hash or a schedule says enough, whatever has drawn the rest.
        Some((base, end)) if end.len() == RANDOM && (is_random(end) || is_telling(base)) => {
            of_generated(pod, base.len())
        }
        Some((base, end)) if end.len() <= 4 && is_number(end) => ("StatefulSet".into(), pod.slice(0, base.len())),
        _ => of_cut(pod).unwrap_or_else(|| ("Pod".into(), pod.clone())),
    }
}

/// Whether it is the name of a ReplicaSet of a Deployment, or of a Job of a CronJob.
fn is_telling(base: &[u8]) -> bool {
    cut(base).is_some_and(|(_, end)| is_hash(end) || is_schedule(end))
}

/// The workload of a pod that is given the beginning of its name only, the `generateName` of its metadata.
pub fn of_generate_name<'a>(prefix: &Text<'a>) -> (Text<'a>, Text<'a>) {
    let name = prefix.as_bytes();
    of_generated(prefix, name.strip_suffix(b"-").unwrap_or(name).len())
}

/// The workload behind the controller of a pod: the Deployment behind a ReplicaSet, the CronJob behind a Job, and so
/// on. `hash` is the label `pod-template-hash` of the pod or of the ReplicaSet.
pub fn of_owner<'a>(kind: &Text<'a>, name: &Text<'a>, hash: Option<&Text<'a>>) -> (Text<'a>, Text<'a>) {
    let above = match (as_word(kind.as_bytes()), cut(name.as_bytes())) {
        ("ReplicaSet", Some((base, end))) if is_hash(end) || hash.is_some_and(|hash| hash.as_bytes() == end) => {
            Some(("Deployment", base))
        }
        ("Job", Some((base, end))) if is_schedule(end) => Some(("CronJob", base)),
        // OpenShift numbers the rollouts of a DeploymentConfig.
        ("ReplicationController", Some((base, end))) if is_number(end) => Some(("DeploymentConfig", base)),
        _ => None,
    };
    match above {
        Some((kind, base)) => (kind.into(), name.slice(0, base.len())),
        None => (kind.clone(), name.clone()),
    }
}

/// The workload of a pod whose controller is known. The pods that a node's kubelet runs by itself stay themselves.
pub fn of_controlled_pod<'a>(
    pod: Option<&Text<'a>>,
    (kind, name): (&Text<'a>, &Text<'a>),
    hash: Option<&Text<'a>>,
) -> (Text<'a>, Text<'a>) {
    match pod {
        Some(pod) if *kind == "Node" => ("Pod".into(), pod.clone()),
        _ => of_owner(kind, name, hash),
    }
}

/// The controller among the owner references of an object, by the keys of their `kind`, `name` and `controller`.
pub fn controller<'a>(fields: &Fields<'a, '_>, kind: Key, name: Key, controller: Key) -> Option<(Text<'a>, Text<'a>)> {
    let mut names = fields.each(name).peekable();
    let mut controllers = fields.each(controller).peekable();
    fields.each(kind).find_map(|(element, kind)| {
        let name = beside(&mut names, element);
        // One that does not say is taken for the controller, since most objects have one owner.
        let is_controller = beside(&mut controllers, element).is_none_or(|value| value.raw() != b"false");
        if is_controller { Some((kind.text()?, name?.text()?)) } else { None }
    })
}

/// The value in an element of an array, out of one value for each in the order of the text.
pub fn beside<V>(values: &mut std::iter::Peekable<impl Iterator<Item = (u32, V)>>, element: u32) -> Option<V> {
    while values.next_if(|(at, _)| *at < element).is_some() {}
    values.next_if(|(at, _)| *at == element).map(|(_, value)| value)
}

/// The workload of a pod whose name goes on after `end` with a random part.
fn of_generated<'a>(pod: &Text<'a>, end: usize) -> (Text<'a>, Text<'a>) {
    let base = pod.as_bytes().get(..end).unwrap_or_default();
    let (kind, owner) = match cut(base) {
        Some((owner, part)) if is_hash(part) => ("Deployment", owner),
        Some((owner, part)) if is_schedule(part) => ("CronJob", owner),
        // The index of a pod in an indexed Job.
        Some((job, part)) if is_number(part) => match cut(job) {
            Some((owner, part)) if is_schedule(part) => ("CronJob", owner),
            _ => ("Job", job),
        },
        _ => ("DaemonSet", base),
    };
    (kind.into(), pod.slice(0, owner.len()))
}

/// The workload of a pod whose name was too long, so that its random part follows on a cut word.
fn of_cut<'a>(pod: &Text<'a>) -> Option<(Text<'a>, Text<'a>)> {
    let (base, end) = pod.as_bytes().split_at_checked(LONGEST - RANDOM)?;
    if end.len() != RANDOM || !is_random(end) {
        return None;
    }
    let (kind, owner) = match cut(base) {
        Some((owner, hash)) if hash.len() <= 10 && is_random(hash) => ("Deployment", owner),
        _ => ("DaemonSet", base),
    };
    Some((kind.into(), pod.slice(0, owner.len())))
}

/// What stands before the last `-` and after it, both not empty.
fn cut(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = name.iter().rposition(|&byte| byte == b'-')?;
    let (base, end) = (name.get(..at)?, name.get(at + 1..)?);
    if base.is_empty() || end.is_empty() { None } else { Some((base, end)) }
}

/// Whether Kubernetes could have drawn it: characters of its alphabet for names.
fn is_random(part: &[u8]) -> bool {
    part.iter().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(byte))
}

/// Whether it looks like a template hash. Those are decimal numbers in disguise, of the digits `456789bcdf`: one
/// without any letter has no `2`, which every schedule of these decades begins with.
fn is_hash(part: &[u8]) -> bool {
    (6..=10).contains(&part.len())
        && is_random(part)
        && (part.iter().any(u8::is_ascii_alphabetic) || !part.contains(&b'2'))
}

/// Whether it looks like the time for which a CronJob made a Job.
fn is_schedule(part: &[u8]) -> bool {
    part.len() >= 8 && part.iter().all(u8::is_ascii_digit)
}

/// Whether it is a small number, as Kubernetes would write it.
fn is_number(part: &[u8]) -> bool {
    part.len() <= 6 && part.iter().all(u8::is_ascii_digit) && (part == b"0" || part.first() != Some(&b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::deployment("web-78945dccd8-hvr55", "Deployment", "web")]
    #[case::deployment_with_dashes("shop-api-v2-6d65456dc7-9d2qx", "Deployment", "shop-api-v2")]
    #[case::hash_of_digits("web-5478964599-hvr55", "Deployment", "web")]
    #[case::short_hash("web-8d486c-hvr55", "Deployment", "web")]
    #[case::too_short_a_hash("web-8d486-hvr55", "DaemonSet", "web-8d486")]
    #[case::stateful("db-0", "StatefulSet", "db")]
    #[case::stateful_with_dashes("prometheus-k8s-12", "StatefulSet", "prometheus-k8s")]
    #[case::no_ordinal("db-007", "Pod", "db-007")]
    #[case::date("backup-20260315", "Pod", "backup-20260315")]
    #[case::daemon("agent-x7k2p", "DaemonSet", "agent")]
    #[case::daemon_with_dashes("node-exporter-zzzzz", "DaemonSet", "node-exporter")]
    #[case::cron("backup-28391040-bcdfg", "CronJob", "backup")]
    #[case::cron_of_hash_digits("backup-29567894-bcdfg", "CronJob", "backup")]
    #[case::cron_in_seconds("backup-1633036800-bcdfg", "CronJob", "backup")]
    #[case::indexed("train-3-x7k2p", "Job", "train")]
    #[case::indexed_cron("train-28391040-0-x7k2p", "CronJob", "train")]
    #[case::cron_of_another_drawer("backup-28391040-abcde", "CronJob", "backup")]
    #[case::deployment_of_another_drawer("web-78945dccd8-abcde", "Deployment", "web")]
    #[case::vowel_in_suffix("agent-abcde", "Pod", "agent-abcde")]
    #[case::static_pod("etcd-master-a.example.org", "Pod", "etcd-master-a.example.org")]
    #[case::bare("toolbox", "Pod", "toolbox")]
    #[case::only_suffix("-x7k2p", "Pod", "-x7k2p")]
    #[case::only_dash("-", "Pod", "-")]
    #[case::trailing_dash("web-", "Pod", "web-")]
    #[case::hash_alone("-78945dccd8-hvr55", "DaemonSet", "-78945dccd8")]
    #[case::empty("", "Pod", "")]
    #[case::cut_in_hash(
        "a-rather-long-name-of-a-deployment-with-many-words-547b57cc5g8x",
        "Deployment",
        "a-rather-long-name-of-a-deployment-with-many-words"
    )]
    #[case::cut_hash(
        "a-rather-long-name-of-a-deployment-with-many-wor-547b57cc5fvmg8",
        "Deployment",
        "a-rather-long-name-of-a-deployment-with-many-wor"
    )]
    #[case::cut_name(
        "a-rather-long-name-of-an-agent-that-does-a-lot-of-many-thifvmg8",
        "DaemonSet",
        "a-rather-long-name-of-an-agent-that-does-a-lot-of-many-thi"
    )]
    fn pods(#[case] pod: &str, #[case] kind: &str, #[case] name: &str) {
        let (is_kind, is_name) = of_pod(&Text::from(pod));
        assert_eq!((is_kind.to_str().as_ref(), is_name.to_str().as_ref()), (kind, name));
    }

    #[rstest::rstest]
    #[case::deployment("ReplicaSet", "web-78945dccd8", None, "Deployment", "web")]
    #[case::label("ReplicaSet", "web-7d4b9", Some("7d4b9"), "Deployment", "web")]
    #[case::other_label("ReplicaSet", "web-7d4b9", Some("5d4b9"), "ReplicaSet", "web-7d4b9")]
    #[case::hash_beside_other_label("ReplicaSet", "web-78945dccd8", Some("x"), "Deployment", "web")]
    #[case::bare_replica_set("ReplicaSet", "frontend", None, "ReplicaSet", "frontend")]
    #[case::cron("Job", "backup-28391040", None, "CronJob", "backup")]
    #[case::job("Job", "backup-1", None, "Job", "backup-1")]
    #[case::deployment_config("ReplicationController", "web-3", None, "DeploymentConfig", "web")]
    #[case::replication_controller("ReplicationController", "web", None, "ReplicationController", "web")]
    #[case::stateful("StatefulSet", "db-78945dccd8", None, "StatefulSet", "db-78945dccd8")]
    #[case::custom("Workflow", "build-28391040", None, "Workflow", "build-28391040")]
    #[case::empty("ReplicaSet", "", Some(""), "ReplicaSet", "")]
    fn owners(
        #[case] of_kind: &str,
        #[case] of_name: &str,
        #[case] hash: Option<&str>,
        #[case] kind: &str,
        #[case] name: &str,
    ) {
        let hash = hash.map(Text::from);
        let (is_kind, is_name) = of_owner(&of_kind.into(), &of_name.into(), hash.as_ref());
        assert_eq!((is_kind.to_str().as_ref(), is_name.to_str().as_ref()), (kind, name));
    }

    #[rstest::rstest]
    #[case("web-78945dccd8-", "Deployment", "web")]
    #[case("runner-", "DaemonSet", "runner")]
    #[case("runner", "DaemonSet", "runner")]
    #[case("backup-28391040-", "CronJob", "backup")]
    #[case("", "DaemonSet", "")]
    fn generate_names(#[case] prefix: &str, #[case] kind: &str, #[case] name: &str) {
        let (is_kind, is_name) = of_generate_name(&Text::from(prefix));
        assert_eq!((is_kind.to_str().as_ref(), is_name.to_str().as_ref()), (kind, name));
    }

    #[test]
    fn pods_of_a_node_stay_themselves() {
        let pod = Text::from("etcd-node-1");
        let owner = (&Text::from("Node"), &Text::from("node-1"));
        assert_eq!(of_controlled_pod(Some(&pod), owner, None), ("Pod".into(), "etcd-node-1".into()));
        let owner = (&Text::from("ReplicaSet"), &Text::from("web-78945dccd8"));
        assert_eq!(of_controlled_pod(Some(&pod), owner, None), ("Deployment".into(), "web".into()));
    }

    proptest::proptest! {
        #[test]
        fn a_rollout_stays_the_workload(
            name in "[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,2}",
            hash in "[456789bcdf]{8,10}",
            random in "[bcdfghjklmnpqrstvwxz2456789]{5}",
        ) {
            let pod = format!("{name}-{hash}-{random}");
            let set = format!("{name}-{hash}");
            let expected = (Text::from("Deployment"), Text::from(name.as_str()));
            proptest::prop_assert_eq!(of_pod(&Text::from(pod.as_str())), expected.clone());
            proptest::prop_assert_eq!(of_owner(&"ReplicaSet".into(), &Text::from(set.as_str()), None), expected);
        }

        #[test]
        fn the_name_is_a_beginning_of_the_pods(pod in "[a-z0-9.-]{0,70}") {
            let (_, name) = of_pod(&Text::from(pod.as_str()));
            proptest::prop_assert!(pod.as_bytes().starts_with(name.as_bytes()));
        }
    }
}
