//! Docker Swarm events: services and nodes, in the stream of a manager's engine.
//!
//! The fields are those of Docker Engine events, with `scope` `swarm`
//! ([moby/daemon/events.go](https://github.com/moby/moby/blob/master/daemon/events.go)). Attributes that an update
//! changes are there twice, as `….old` and `….new`. A service's creation names no image; its tasks do, as containers.
//! An update of what its tasks do not notice, such as its labels, has none of the attributes that are read here.

use super::keys::{
    DOCKER_ACTION as ACTION, DOCKER_ACTOR_ID as ACTOR_ID, DOCKER_NAME as NAME, DOCKER_SCOPE as SCOPE,
    DOCKER_TYPE as TYPE, SWARM_AVAILABILITY_NEW as AVAILABILITY_NEW, SWARM_IMAGE_NEW as IMAGE_NEW,
    SWARM_REPLICAS_NEW as REPLICAS_NEW, SWARM_STATE_NEW as STATE_NEW, SWARM_UPDATE_NEW as UPDATE_NEW,
};
use super::{Fact, Image, Observation, Observations, Reader, Source, Workload, as_word, docker, filled};
use crate::record::{Fields, Key};

/// Reads an event of a service or a node; those of secrets, configurations and networks are none of a container.
pub fn observe<'a>(fields: &Fields<'a, '_>, _reader: &mut Reader) -> Option<Observations<'a>> {
    if !fields.has(SCOPE) || fields.text(SCOPE)? != "swarm" {
        return None;
    }
    let of = fields.text(TYPE)?;
    let action = fields.text(ACTION)?;
    let (owner, kind) = match (as_word(of.as_bytes()), as_word(action.as_bytes())) {
        ("service", "create") => ("service", "service.create"),
        ("service", "update") => ("service", "service.update"),
        ("service", "remove") => ("service", "service.remove"),
        ("service", _) => ("service", "service.other"),
        ("node", "create") => ("node", "node.create"),
        ("node", "update") => ("node", "node.update"),
        ("node", "remove") => ("node", "node.remove"),
        ("node", _) => ("node", "node.other"),
        _ => return None,
    };
    let id = fields.text(ACTOR_ID)?;
    let name = filled(fields, NAME).unwrap_or_else(|| docker::by_id(&id).name);
    let workload = Workload { kind: owner.into(), name, ..Workload::default() };
    // Swarm pins what it deploys: the reference has its digest behind the tag.
    let image = filled(fields, IMAGE_NEW).filter(|_| owner == "service");
    let images = image.map(Image::new).into_iter().collect();
    let facts = fact(fields, kind, &workload).into_iter().collect();
    let time = docker::time(fields);
    Some(vec![Observation { time, images, facts, ..Observation::new(Source::Swarm, kind, workload) }])
}

fn fact<'a>(fields: &Fields<'a, '_>, kind: &str, workload: &Workload<'a>) -> Option<Fact<'a>> {
    let becomes =
        |key, states: [&str; 2]| fields.text(key).is_some_and(|state| states.iter().any(|name| state == *name));
    match kind {
        "service.create" | "service.remove" => Some(Fact::Rollout),
        "service.update" => {
            let is_new = |key: &Key| fields.get(*key).is_some_and(|value| value.raw() != b"null");
            [UPDATE_NEW, IMAGE_NEW, REPLICAS_NEW].iter().any(is_new).then_some(Fact::Rollout)
        }
        "node.update" => {
            let leaves = becomes(AVAILABILITY_NEW, ["drain", "pause"]) || becomes(STATE_NEW, ["down", "disconnected"]);
            leaves.then(|| Fact::NodeChange { node: workload.name.clone() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::docker::testing::observed;
    use super::*;

    #[rstest::rstest]
    #[case::update(
        r#"{"Type":"service","Action":"update","Actor":{"ID":"s1","Attributes":{"name":"shop_web","replicas.new":"6",
            "image.old":"acme/web:1@sha256:aa","image.new":"acme/web:2@sha256:bb"}},
            "scope":"swarm","time":1790000000,"timeNano":1790000000000000005}"#,
        "swarm service.update 1790000000.000000005 -/-/service/shop_web | acme/web:2@sha256:bb | rollout"
    )]
    #[case::create(
        r#"{"Type":"service","Action":"create","Actor":{"ID":"s1","Attributes":{"name":"shop_web"}},"scope":"swarm",
            "time":5}"#,
        "swarm service.create 5.000000000 -/-/service/shop_web | rollout"
    )]
    #[case::no_name(
        r#"{"Type":"service","Action":"remove","Actor":{"ID":"k3v9k3v9k3v9k3v9"},"scope":"swarm"}"#,
        "swarm service.remove - -/-/service/k3v9k3v9k3v9 | rollout"
    )]
    #[case::node(
        r#"{"Type":"node","Action":"update","Actor":{"ID":"n1","Attributes":{"name":"node-2","availability.new":"drain",
            "image.new":"a"}},"scope":"swarm"}"#,
        "swarm node.update - -/-/node/node-2 | node node-2"
    )]
    #[case::unknown_action(
        r#"{"Type":"node","Action":"sing","Actor":{"ID":"n1","Attributes":{"name":null}},"scope":"swarm"}"#,
        "swarm node.other - -/-/node/n1"
    )]
    #[case::wrong_types(
        r#"{"Type":"service","Action":"update","Actor":{"ID":"s1","Attributes":{"name":"w","image.new":null}},
            "scope":"swarm"}"#,
        "swarm service.update - -/-/service/w"
    )]
    #[case::progress(
        r#"{"Type":"service","Action":"update","Actor":{"ID":"s1","Attributes":{"name":"w","updatestate.old":"updating",
            "updatestate.new":"completed"}},"scope":"swarm"}"#,
        "swarm service.update - -/-/service/w | rollout"
    )]
    #[case::labels(
        r#"{"Type":"service","Action":"update","Actor":{"ID":"s1","Attributes":{"name":"w"}},"scope":"swarm"}"#,
        "swarm service.update - -/-/service/w"
    )]
    #[case::node_down(
        r#"{"Type":"node","Action":"update","Actor":{"ID":"n1","Attributes":{"name":"n","state.old":"ready",
            "state.new":"down"}},"scope":"swarm"}"#,
        "swarm node.update - -/-/node/n | node n"
    )]
    #[case::node_back(
        r#"{"Type":"node","Action":"update","Actor":{"ID":"n1","Attributes":{"name":"n","state.new":"ready",
            "availability.new":"active"}},"scope":"swarm"}"#,
        "swarm node.update - -/-/node/n"
    )]
    #[case::node_gone(
        r#"{"Type":"node","Action":"remove","Actor":{"ID":"n1","Attributes":{"name":"n"}},"scope":"swarm"}"#,
        "swarm node.remove - -/-/node/n"
    )]
    fn events(#[case] record: &str, #[case] expected: &str) {
        assert_eq!(observed(observe, record), Some(vec![expected.to_owned()]));
    }

    #[rstest::rstest]
    #[case::local(r#"{"Type":"service","Action":"update","Actor":{"ID":"s1"},"scope":"local"}"#)]
    #[case::no_scope(r#"{"Type":"service","Action":"update","Actor":{"ID":"s1"}}"#)]
    #[case::secret(r#"{"Type":"secret","Action":"create","Actor":{"ID":"s1"},"scope":"swarm"}"#)]
    #[case::container(r#"{"Type":"container","Action":"start","Actor":{"ID":"s1"},"scope":"swarm"}"#)]
    #[case::scope_is_a_number(r#"{"Type":"service","Action":"update","Actor":{"ID":"s1"},"scope":5}"#)]
    #[case::no_id(r#"{"Type":"service","Action":"update","scope":"swarm"}"#)]
    fn other_records(#[case] record: &str) {
        assert_eq!(observed(observe, record), None);
    }
}
