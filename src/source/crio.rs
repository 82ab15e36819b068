//! CRI-O's log.
//!
//! CRI-O logs the requests of the kubelet through [logrus](https://github.com/sirupsen/logrus): images by reference
//! ([image_pull.go](https://github.com/cri-o/cri-o/blob/main/server/image_pull.go)), containers as
//! NAMESPACE/POD/CONTAINER
//! ([container_create.go](https://github.com/cri-o/cri-o/blob/main/server/container_create.go)). Each line has the `id`
//! and the `name` of the request:
//! `time="…" level=info msg="Pulled image: quay.io/acme/web@sha256:…" id=9fd4… name=/runtime.v1.ImageService/PullImage`.
//! Only the line of a start names the container in members of its own, `containerID` and `description`; none tells how a
//! container ended.
//! A short name is looked up in the node's `registries.conf`: only the line after the pull says where it was found.

use super::containerd::{logfmt, time_of};
use super::docker::{fact_of, is_image_id, unnamed};
use super::keys::{
    CRIO_CONTAINER as CONTAINER, CRIO_DESCRIPTION as DESCRIPTION, DOCKER_ID as REQUEST, LOG_MSG as MSG, TIME,
};
use super::{Image, Observation, Observations, Reader, Source, Workload, owner};
use crate::record::{Fields, Text};
use crate::time::Time;

/// Reads a decoded line of the log.
pub fn observe<'a>(fields: &Fields<'a, '_>, _reader: &mut Reader) -> Option<Observations<'a>> {
    // The wording of the messages is common; the number of the request is not.
    if !fields.has(MSG) || !fields.has(REQUEST) {
        return None;
    }
    let started = || Some((fields.text(CONTAINER), fields.text(DESCRIPTION)?));
    message(&fields.text(MSG)?, started, || time_of(fields.text(TIME)))
}

/// Reads a line of the log.
pub fn observe_line<'a>(line: &'a [u8], _reader: &mut Reader) -> Option<Observations<'a>> {
    if !line.starts_with(b"time=") {
        return None;
    }
    let started = || Some((logfmt(line, b"containerID"), logfmt(line, b"description")?));
    message(&logfmt(line, b"msg")?, started, || time_of(logfmt(line, b"time")))
}

fn message<'a>(
    msg: &Text<'a>,
    started: impl FnOnce() -> Option<(Option<Text<'a>>, Text<'a>)>,
    time: impl FnOnce() -> Option<Time>,
) -> Option<Observations<'a>> {
    let text = msg.as_bytes();
    let end = text.len();
    let after = |start: &[u8]| text.starts_with(start).then(|| msg.slice(start.len(), end));
    // `ID: DESCRIPTION` follows.
    let described = |start: &[u8]| {
        let rest = text.strip_prefix(start)?;
        let colon = rest.windows(2).position(|window| window == b": ")?;
        Some((Some(msg.slice(start.len(), start.len() + colon)), msg.slice(start.len() + colon + 2, end)))
    };
    if let Some(reference) = after(b"Pulling image: ").or_else(|| after(b"Pulled image: ")) {
        let named = Some(reference).filter(|name| !name.is_empty() && !is_image_id(name.as_bytes()));
        let images = named.map(Image::new).into_iter().collect();
        let workload = unnamed();
        return Some(vec![Observation {
            time: time(),
            images,
            ..Observation::new(Source::Crio, "image.pull", workload)
        }]);
    }
    let (kind, (id, container)) = if let Some(container) = after(b"Creating container: ") {
        ("container.create", (None, container))
    } else if let Some(created) = described(b"Created container ") {
        ("container.create", created)
    } else if let Some(stopped) = described(b"Stopped container ") {
        ("container.stop", stopped)
    } else if let Some(removed) = described(b"Removed container ") {
        ("container.remove", removed)
    } else if text == b"Started container" {
        ("container.start", started()?)
    } else {
        return None;
    };
    let workload = workload(&container)?;
    let container = id.filter(|id| !id.is_empty());
    let facts = fact_of(kind).filter(|_| container.is_some()).into_iter().collect();
    Some(vec![Observation { time: time(), container, facts, ..Observation::new(Source::Crio, kind, workload) }])
}

/// The owner of NAMESPACE/POD/CONTAINER; containers that no kubelet made have empty names there.
fn workload<'a>(container: &Text<'a>) -> Option<Workload<'a>> {
    let mut slashes = container.as_bytes().iter().zip(0..).filter(|(byte, _)| **byte == b'/').map(|(_, at)| at);
    let (first, second) = (slashes.next()?, slashes.next()?);
    let end = container.as_bytes().len();
    if slashes.next().is_some() || second + 1 == end {
        return None;
    }
    let pod = container.slice(first + 1, second);
    if pod.is_empty() {
        return Some(Workload { name: container.slice(second + 1, end), ..unnamed() });
    }
    let (kind, name) = owner::of_pod(&pod);
    let namespace = Some(container.slice(0, first)).filter(|namespace| !namespace.is_empty());
    Some(Workload { namespace: namespace.unwrap_or_else(|| "-".into()), kind, name, ..Workload::default() })
}

#[cfg(test)]
mod tests {
    use super::super::docker::testing::{container, observed, show};
    use super::*;

    const HEX: &str = "5f0c2b9e7d1a4c3f8b6e9d0a1c2b3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e";

    /// The kind and name of the owner of the pod in the cases.
    fn web() -> String {
        let (kind, name) = owner::of_pod(&"web-6d4cf56db6-x7k2p".into());
        format!("{kind}/{name}")
    }

    #[rstest::rstest]
    #[case::pulling("Pulling image: quay.io/acme/web:1", "image.pull", "-/container/- | quay.io/acme/web:1")]
    #[case::pulled(
        "Pulled image: quay.io/acme/web@sha256:22",
        "image.pull",
        "-/container/- | quay.io/acme/web@sha256:22"
    )]
    #[case::pulled_id("Pulled image: $HEX", "image.pull", "-/container/-")]
    #[case::quotes("Pulling image: a\" id=7 msg=\"b", "image.pull", "-/container/- | a\" id=7 msg=\"b")]
    #[case::creating("Creating container: shop/web-6d4cf56db6-x7k2p/app", "container.create", "shop/$WEB")]
    #[case::created("Created container $HEX: shop/web-6d4cf56db6-x7k2p/app", "container.create", "shop/$WEB")]
    #[case::stopped("Stopped container $HEX: shop/web-6d4cf56db6-x7k2p/app", "container.stop", "shop/$WEB | stopped")]
    #[case::removed("Removed container $HEX: shop/web-6d4cf56db6-x7k2p/app", "container.remove", "shop/$WEB")]
    #[case::started("Started container", "container.start", "ops/$WEB | started")]
    #[case::crictl("Creating container: //app", "container.create", "-/container/app")]
    #[case::no_namespace("Creating container: /web-6d4cf56db6-x7k2p/app", "container.create", "-/$WEB")]
    fn log(#[case] msg: &str, #[case] kind: &str, #[case] expected: &str) {
        let msg = msg.replace("$HEX", HEX);
        let expected = expected.replace("$WEB", &web());
        let expected = Some(vec![format!("cri-o {kind} 1790000000.500000000 -/{expected}")]);
        let quoted = serde_json::to_string(&msg).unwrap();
        let rest = r#"containerID=5f0c description=ops/web-6d4cf56db6-x7k2p/app id=9fd4db69 name=/runtime.v1.RuntimeService/X"#;
        let text = format!(r#"time="2026-09-21 14:13:20.5Z" level=info msg={quoted} {rest}"#);
        let observations = observe_line(text.as_bytes(), &mut Reader::default());
        assert_eq!(observations.map(|observations| show(&observations)), expected);

        let record = format!(
            r#"{{"time":"2026-09-21T14:13:20.5Z","msg":{quoted},"containerID":"5f0c","description":"ops/web-6d4cf56db6-x7k2p/app",
            "id":"9fd4db69"}}"#
        );
        assert_eq!(observed(observe, &record), expected);
        assert_eq!(observed(observe, &record.replace("\"id\"", "\"request\"")), None);
    }

    #[rstest::rstest]
    #[case::created("Created container 5f0c: shop/web/app", Some("5f0c"))]
    #[case::stopped("Stopped container 5f0c: shop/web/app", Some("5f0c"))]
    #[case::removed("Removed container 5f0c: shop/web/app", Some("5f0c"))]
    #[case::started("Started container", Some("77"))]
    #[case::creating("Creating container: shop/web/app", None)]
    #[case::no_id("Stopped container : shop/web/app", None)]
    fn ids_of_containers(#[case] msg: &str, #[case] expected: Option<&str>) {
        let record = format!(r#"{{"msg":"{msg}","id":"9fd4","containerID":"77","description":"shop/web/app"}}"#);
        assert_eq!(container(observe, &record).as_deref(), expected);
    }

    #[rstest::rstest]
    #[case::empty("")]
    #[case::containerd(r#"time="2026-09-21T14:13:20Z" level=info msg="PullImage \"acme/web\"""#)]
    #[case::two_parts(r#"time="2026-09-21T14:13:20Z" msg="Creating container: shop/app""#)]
    #[case::four_parts(r#"time="2026-09-21T14:13:20Z" msg="Creating container: a/b/c/d""#)]
    #[case::no_container(r#"time="2026-09-21T14:13:20Z" msg="Creating container: a/b/""#)]
    #[case::no_description(r#"time="2026-09-21T14:13:20Z" msg="Started container" PID=7"#)]
    #[case::cut(r#"time="2026-09-21T14:13:20Z" msg="Created container 5f0c"#)]
    #[case::no_id(r#"time="2026-09-21T14:13:20Z" msg="Created container 5f0c""#)]
    #[case::other_start(r#"level=info msg="Pulling image: acme/web""#)]
    fn other_lines(#[case] text: &str) {
        assert!(observe_line(text.as_bytes(), &mut Reader::default()).is_none());
    }
}
