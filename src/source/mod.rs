//! Sources: the kinds of systems that records come from, each recognised by its keys and read into observations.

mod address;
mod cadvisor;
mod conntrack;
mod container_log;
mod containerd;
mod crio;
mod docker;
mod docker_stats;
pub(crate) mod envelope;
mod fact;
mod falco;
mod flow;
mod hubble;
pub(crate) mod keys;
mod kube_state_metrics;
mod kubelet;
mod kubernetes_audit;
mod kubernetes_event;
mod kubernetes_object;
mod network;
mod object;
mod opentelemetry;
mod owner;
mod status;
mod suricata;
mod swarm;
mod tetragon;
mod vpc_flow;
mod zeek;

use std::net::IpAddr;
use std::sync::LazyLock;

use crate::record::{Fields, Key, Scanner, Shape, Text};
use crate::time::Time;

pub use fact::{Amount, Fact, Metric, Usage};
pub use flow::{Flow, Lookup, Progress, Protocol};

/// What a record says: mostly one thing.
pub type Observations<'a> = Vec<Observation<'a>>;

/// The JSON Pointers of all that is read of a record, whatever its source.
pub const POINTERS: &[&str] = keys::RECORD_KEYS;

/// Reads a record; none when no source knows it.
///
/// The order matters where an application can write into its own record: a container's log line stays one, whatever
/// it says, so that nobody can print an event of somebody else.
pub fn observe<'a>(fields: &Fields<'a, '_>, reader: &mut Reader) -> Option<Observations<'a>> {
    container_log::observe(fields, reader)
        .or_else(|| docker::observe(fields, reader))
        .or_else(|| swarm::observe(fields, reader))
        .or_else(|| kubernetes_audit::observe(fields, reader))
        .or_else(|| kubernetes_event::observe(fields, reader))
        .or_else(|| cadvisor::observe(fields, reader))
        .or_else(|| kube_state_metrics::observe(fields, reader))
        .or_else(|| falco::observe(fields, reader))
        .or_else(|| tetragon::observe(fields, reader))
        .or_else(|| containerd::observe(fields, reader))
        .or_else(|| crio::observe(fields, reader))
        .or_else(|| opentelemetry::observe(fields, reader))
        .or_else(|| kubernetes_object::observe(fields, reader))
        .or_else(|| docker_stats::observe(fields, reader))
        .or_else(|| kubelet::observe(fields, reader))
        .or_else(|| hubble::observe(fields, reader))
        .or_else(|| zeek::observe(fields, reader))
        .or_else(|| suricata::observe(fields, reader))
        .or_else(|| vpc_flow::observe(fields, reader))
        .or_else(|| conntrack::observe(fields, reader))
}

/// The time that a record itself carries, whatever it is a record of: what a host without a clock takes for the
/// shipper's.
pub fn time(fields: &Fields<'_, '_>) -> Option<Time> {
    [keys::TIME, keys::TIMESTAMP, keys::AT_TIMESTAMP, keys::TS].into_iter().find_map(|key| {
        let value = fields.get(key)?;
        match value.text() {
            Some(text) => Time::parse(text.as_bytes()),
            None => value
                .number()
                .filter(|number| (0.0..4e9).contains(number))
                .map(|seconds| Time::from_sec(seconds as i64)),
        }
    })
}

/// The time of a record as its source reads it, for the sources whose records repeat themselves.
pub(crate) fn own_time(source: Source, fields: &Fields<'_, '_>) -> Option<Time> {
    if source == Source::Docker { docker::time(fields) } else { None }
}

/// A word of a source's, and the kind of observation that it stands for.
type Named = (&'static [u8], &'static str);

/// The kind that a word stands for. A table and a loop: the compiler makes kilobytes of a match.
fn named(table: &[Named], word: &[u8]) -> Option<&'static str> {
    table.iter().find(|(name, _)| crate::record::same(name, word)).map(|(_, kind)| *kind)
}

/// A word of a record, to match on. Of a match on texts the compiler makes comparisons, one after the other; of one on
/// bytes a tree, byte by byte, which takes kilobytes.
fn as_word(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("\u{fffd}")
}

/// A text of a record that has something in it.
fn filled<'a>(fields: &Fields<'a, '_>, key: Key) -> Option<Text<'a>> {
    fields.text(key).filter(|text| !text.is_empty())
}

/// A container's id without the name of its runtime, which Kubernetes writes before it: `containerd://5f0c…`.
fn bare<'a>(id: &Text<'a>) -> Option<Text<'a>> {
    let bytes = id.as_bytes();
    let scheme = bytes
        .iter()
        .take(16)
        .position(|&byte| byte == b':')
        .filter(|&at| bytes.get(at..at + 3).is_some_and(|mark| mark == b"://"));
    let bare = scheme.map_or_else(|| id.clone(), |at| id.slice(at + 3, bytes.len()));
    (!bare.is_empty()).then_some(bare)
}

/// Reads a line of text that is no JSON; none when no source knows it.
pub fn observe_line<'a>(line: &'a [u8], reader: &mut Reader) -> Option<Observations<'a>> {
    containerd::observe_line(line, reader).or_else(|| crio::observe_line(line, reader))
}

/// What sources share to read a value of a record more closely.
#[derive(Debug, Default)]
pub struct Reader {
    scanner: Scanner,
}

impl Reader {
    /// Scans an object within a record, or within text that a record carries.
    ///
    /// The shapes are in cells of the standard library: with those of once_cell, which queue threads, the guests are 3 kB
    /// larger.
    pub fn object<'a>(&mut self, shape: &LazyLock<Shape>, value: &'a [u8]) -> Option<Fields<'a, '_>> {
        self.scanner.scan(shape, value).ok()
    }
}

/// The kind of system that a record came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Source {
    /// Docker Engine events.
    Docker,
    /// Docker Swarm service and node events.
    Swarm,
    /// Kubernetes Events, of `core/v1` or `events.k8s.io/v1`.
    KubernetesEvent,
    /// The Kubernetes audit log.
    KubernetesAudit,
    /// Kubernetes objects as they are (pods, deployments …).
    KubernetesObject,
    /// Container logs with the Kubernetes metadata of Fluent Bit or Vector.
    ContainerLog,
    /// Series of kube-state-metrics as logs.
    KubeStateMetrics,
    /// containerd's events and log.
    Containerd,
    /// CRI-O's log.
    Crio,
    /// Falco alerts.
    Falco,
    /// Tetragon events.
    Tetragon,
    /// Kubernetes events by OpenTelemetry.
    OpenTelemetry,
    /// What containers of Docker use.
    DockerStats,
    /// What pods use, by the kubelet.
    Kubelet,
    /// Series of cAdvisor as logs.
    Cadvisor,
    /// Flows of Cilium, by Hubble.
    Hubble,
    /// Zeek's logs.
    Zeek,
    /// Suricata's events, and those of AWS Network Firewall.
    Suricata,
    /// Flow logs of AWS VPCs.
    VpcFlow,
    /// Connections that Netfilter tracks, by ulogd.
    Conntrack,
}

impl Source {
    /// The name that goes into the enrichment.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Swarm => "swarm",
            Self::KubernetesEvent => "kubernetes-event",
            Self::KubernetesAudit => "kubernetes-audit",
            Self::KubernetesObject => "kubernetes-object",
            Self::ContainerLog => "container-log",
            Self::KubeStateMetrics => "kube-state-metrics",
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Falco => "falco",
            Self::Tetragon => "tetragon",
            Self::OpenTelemetry => "opentelemetry",
            Self::DockerStats => "docker-stats",
            Self::Kubelet => "kubelet",
            Self::Cadvisor => "cadvisor",
            Self::Hubble => "hubble",
            Self::Zeek => "zeek",
            Self::Suricata => "suricata",
            Self::VpcFlow => "vpc-flow",
            Self::Conntrack => "conntrack",
        }
    }
}

/// What one record says about one workload, in the same terms for every source.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// Where it is from.
    pub source: Source,
    /// What happened, as noun and verb: `container.start`, `image.pull`.
    pub kind: &'static str,
    /// When, by the record itself.
    pub time: Option<Time>,
    /// To whom.
    pub workload: Workload<'a>,
    /// The runtime's id of the one container that it is about: 64 hexadecimal digits or the first 12 of them, or how
    /// many more a source has. Two are of the same container when their first 12 are the same.
    pub container: Option<Text<'a>>,
    /// The address of the workload, where the record has it: sources that know addresses alone learn from those that
    /// know whose they are as well.
    pub address: Option<IpAddr>,
    /// The images that it names.
    pub images: Vec<Image<'a>>,
    /// What else it says.
    pub facts: Vec<Fact<'a>>,
}

impl<'a> Observation<'a> {
    /// An observation that says nothing yet but what happened to whom.
    #[must_use]
    pub fn new(source: Source, kind: &'static str, workload: Workload<'a>) -> Self {
        Self {
            source,
            kind,
            time: None,
            workload,
            container: None,
            address: None,
            images: Vec::new(),
            facts: Vec::new(),
        }
    }
}

/// The owner of containers: never a pod or a container, which come and go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Workload<'a> {
    /// The cluster's name, or `-`.
    pub cluster: Text<'a>,
    /// The Kubernetes namespace or the compose project, or `-`.
    pub namespace: Text<'a>,
    /// The kind of owner: `Deployment`, `StatefulSet`, `Pod`, `compose`, `service`, `container` …, or `address` where
    /// that is all that is known.
    pub kind: Text<'a>,
    /// Its name, or `-`.
    pub name: Text<'a>,
}

impl Workload<'_> {
    /// The [id](crate::baseline::id) of the workload.
    #[must_use]
    pub fn id(&self) -> u64 {
        let Self { cluster, namespace, kind, name } = self;
        crate::baseline::id(&[cluster.as_bytes(), namespace.as_bytes(), kind.as_bytes(), name.as_bytes()])
    }

    /// The same workload with a life of its own.
    #[must_use]
    pub fn into_owned(self) -> Workload<'static> {
        let Self { cluster, namespace, kind, name } = self;
        let [cluster, namespace, kind, name] = [cluster, namespace, kind, name].map(Text::into_owned);
        Workload { cluster, namespace, kind, name }
    }
}

impl Default for Workload<'_> {
    fn default() -> Self {
        let unknown = || Text::from("-");
        Self { cluster: unknown(), namespace: unknown(), kind: unknown(), name: unknown() }
    }
}

/// An image that an observation names.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// The reference as the record spells it.
    pub reference: Text<'a>,
    /// The digest that the runtime reports for it, beside the one that the reference may hold itself.
    pub digest: Option<Digest<'a>>,
    /// The container that uses it.
    pub container: Option<Text<'a>>,
}

impl<'a> Image<'a> {
    /// An image of which only the reference is known.
    #[must_use]
    pub fn new(reference: Text<'a>) -> Self {
        Self { reference, digest: None, container: None }
    }
}

/// A digest that a runtime reports. The two kinds are of different things and are never compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Digest<'a> {
    /// That of the manifest in the registry, `sha256:…`: what `repository@sha256:…` holds.
    Manifest(Text<'a>),
    /// That of the image's configuration, `sha256:…`: the image ID of Docker and containerd.
    ImageId(Text<'a>),
}

impl<'a> Digest<'a> {
    /// Reads the forms in which runtimes report a digest: `docker-pullable://repository@sha256:…`,
    /// `repository@sha256:…`, `docker://sha256:…`, `sha256:…`.
    #[must_use]
    pub fn parse(text: &Text<'a>) -> Option<Self> {
        let bytes = text.as_bytes();
        let end = bytes.len();
        if let Some(at) = bytes.iter().rposition(|&byte| byte == b'@') {
            return Some(Self::Manifest(text.slice(at + 1, end)));
        }
        let start = bytes.windows(3).position(|scheme| scheme == b"://").map_or(0, |at| at + 3);
        bytes.get(start..)?.starts_with(b"sha256:").then(|| Self::ImageId(text.slice(start, end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shippers that do not decode what they read put it under one name; those that do put members of their own beside.
    #[rstest::rstest]
    #[case::hubble(
        r#"{"flow":{"verdict":"FORWARDED","IP":{"source":"10.1.0.60","destination":"203.0.113.9"},"l4":{"TCP":
            {"source_port":5,"destination_port":443,"flags":{"SYN":true}}},"source":{"pod_name":"p"},
            "traffic_direction":"EGRESS"},"node_name":"n1","time":"2026-09-21T14:13:20.5Z"}"#,
        Source::Hubble
    )]
    #[case::zeek(
        r#"{"ts":1790000000.5,"uid":"C1","id.orig_h":"10.1.0.60","id.orig_p":5,"id.resp_h":"203.0.113.9",
            "id.resp_p":443,"proto":"tcp","conn_state":"SF"}"#,
        Source::Zeek
    )]
    #[case::suricata(
        r#"{"timestamp":"2026-09-21T14:13:20.500000+0000","flow_id":1,"event_type":"tls","src_ip":"10.1.0.60",
            "src_port":5,"dest_ip":"203.0.113.9","dest_port":443,"proto":"TCP","tls":{"sni":"a.example"}}"#,
        Source::Suricata
    )]
    #[case::vpc(
        r#"{"version":2,"srcaddr":"10.1.0.60","dstaddr":"203.0.113.9","srcport":49175,"dstport":443,"protocol":6,
            "start":1789999940,"end":1790000000,"action":"ACCEPT"}"#,
        Source::VpcFlow
    )]
    #[case::conntrack(
        r#"{"timestamp":"2026-09-21T14:13:20.500000","src_ip":"10.1.0.60","dest_ip":"203.0.113.9",
            "orig.ip.protocol":6,"orig.l4.sport":5,"orig.l4.dport":443,"ct.event":1}"#,
        Source::Conntrack
    )]
    #[case::tetragon(
        r#"{"process_connect":{"process":{"docker":"5f0c"},"source_ip":"10.1.0.60","source_port":5,
            "destination_ip":"203.0.113.9","destination_port":443},"node_name":"n1"}"#,
        Source::Tetragon
    )]
    fn network_records_of_shippers(#[case] event: &str, #[case] source: Source) {
        let event = event.replace('\n', "");
        let decoded = event.replacen('{', r#"{"source_type":"file","host":"n1","file":"/x","stream":"stdout","#, 1);
        let texts = [event.clone(), format!("2026-09-21T14:13:20.5Z stdout F {event}\n")];
        let wrapped =
            texts.iter().flat_map(|text| ["log", "message"].map(|key| serde_json::json!({ key: text }).to_string()));
        for record in wrapped {
            let mut scanner = Scanner::default();
            let fields = scanner.scan(&keys::RECORD, record.as_bytes()).unwrap();
            let text = envelope::open(&fields).unwrap();
            let lines: Vec<_> = envelope::lines(text.as_bytes()).collect();
            assert_eq!(lines, [envelope::Line::Json(event.as_bytes())]);
        }
        for record in [event, decoded] {
            let mut scanner = Scanner::default();
            let fields = scanner.scan(&keys::RECORD, record.as_bytes()).unwrap();
            let observations = observe(&fields, &mut Reader::default()).unwrap();
            assert_eq!(observations[0].source, source);
            assert_eq!(observations[0].address, Some(IpAddr::from([10, 1, 0, 60])));
            assert!(matches!(&observations[0].facts[..], [Fact::Flow(flow)] if flow.port == 443));
        }
    }

    #[rstest::rstest]
    #[case("containerd://5f0c", Some("5f0c"))]
    #[case("docker://5f0c", Some("5f0c"))]
    #[case("cri-o://5f0c", Some("5f0c"))]
    #[case("5f0c2b9e7d1a", Some("5f0c2b9e7d1a"))]
    #[case("a:b", Some("a:b"))]
    #[case("docker://", None)]
    #[case("", None)]
    fn ids_without_a_runtime(#[case] id: &str, #[case] expected: Option<&str>) {
        assert_eq!(bare(&Text::from(id)), expected.map(Text::from));
    }

    #[rstest::rstest]
    #[case("docker-pullable://nginx@sha256:ab", Some(Digest::Manifest("sha256:ab".into())))]
    #[case("ghcr.io/a/b@sha256:ab", Some(Digest::Manifest("sha256:ab".into())))]
    #[case("docker://sha256:ab", Some(Digest::ImageId("sha256:ab".into())))]
    #[case("sha256:ab", Some(Digest::ImageId("sha256:ab".into())))]
    #[case("nginx:1.25", None)]
    #[case("", None)]
    fn digests(#[case] text: &str, #[case] expected: Option<Digest<'_>>) {
        assert_eq!(Digest::parse(&Text::from(text)), expected);
    }
}
