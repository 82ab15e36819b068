//! The cluster that streams are of: workloads of all kinds on nodes, with what they usually do.

use super::Chance;

/// What runs a workload's containers, and what a pod of it is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    /// A service of Docker Compose.
    Compose,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Compose => "compose",
        }
    }

    /// The resource of the Kubernetes API.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            _ => "deployments",
        }
    }
}

/// A pod, or a container of Compose.
#[derive(Clone, Debug)]
pub struct Pod {
    pub name: String,
    pub uid: String,
    pub address: String,
    pub node: String,
    /// The runtime's id of its container.
    pub container: String,
    pub restarts: u32,
    pub processor_seconds: f64,
    /// The digest of its image, where that is another than the image's own.
    pub digest: Option<String>,
}

/// Somewhere outside.
#[derive(Clone, Debug)]
pub struct Destination {
    pub name: String,
    pub address: String,
    pub port: u16,
}

/// A workload.
#[derive(Clone, Debug)]
pub struct Workload {
    pub namespace: String,
    pub name: String,
    pub kind: Kind,
    /// As the records spell it, without the tag.
    pub repository: String,
    pub tag: String,
    pub pods: Vec<Pod>,
    /// Connections an hour at the busiest time.
    pub busy: f64,
    pub destinations: Vec<Destination>,
    /// The cores that it uses on the average.
    pub cores: f64,
    /// The cores that it may use.
    pub limit: f64,
    /// Cores that something uses beside it, and the activity that this is of.
    pub hot: Option<(f64, usize)>,
    /// The campaign that has brought it, if it is an adversary's.
    pub of: Option<usize>,
}

impl Workload {
    pub fn image(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }
}

/// All of it.
#[derive(Debug, Default)]
pub struct Cluster {
    pub workloads: Vec<Workload>,
    pub nodes: Vec<String>,
    addresses: u32,
}

const TEAMS: [&str; 10] =
    ["shop", "payments", "search", "media", "data", "auth", "mail", "billing", "reports", "platform"];
const SERVICES: [&str; 24] = [
    "cart",
    "catalog",
    "checkout",
    "orders",
    "ledger",
    "invoices",
    "accounts",
    "sessions",
    "profiles",
    "images",
    "uploads",
    "indexer",
    "ranking",
    "suggest",
    "templates",
    "outbox",
    "campaigns",
    "exports",
    "stock",
    "prices",
    "shipping",
    "reviews",
    "coupons",
    "audit",
];
const ROLES: [&str; 5] = ["api", "worker", "web", "cache", "store"];
/// Suppliers of services that many workloads use; the first ones are the most popular.
const SUPPLIERS: [&str; 32] = [
    "api.git-host",
    "metrics.watchtower",
    "api.pay-gateway",
    "mail.postmaster",
    "maps.geo-tiles",
    "push.notify-hub",
    "cdn.asset-store",
    "login.identity",
    "api.ticket-desk",
    "sms.text-relay",
    "geo.ip-atlas",
    "api.currency-feed",
    "tax.vat-check",
    "fonts.type-foundry",
    "search.index-cloud",
    "api.crm-suite",
    "docs.sign-flow",
    "ads.campaigner",
    "api.weather-map",
    "video.stream-box",
    "api.chat-room",
    "feeds.news-wire",
    "api.parcel-track",
    "fraud.risk-score",
    "api.translate-it",
    "hooks.automate",
    "api.survey-kit",
    "logs.paper-trail",
    "bank.open-ledger",
    "api.hr-portal",
    "img.thumb-nail",
    "stat.count-it",
];

/// The pod suffix of a template: the same for all pods of a version.
fn template(of: &str) -> String {
    Chance::new(7, of).suffix(10)
}

/// A digest that is always the same for a text.
pub fn digest(of: &str) -> String {
    format!("sha256:{}", Chance::new(11, of).hex(64))
}

impl Cluster {
    /// A cluster with so many workloads, of which some run on hosts with Docker Compose.
    pub fn new(seed: u64, workloads: usize, compose: f64) -> Self {
        let mut chance = Chance::new(seed, "cluster");
        let mut this = Self {
            nodes: (1..=workloads.div_ceil(12) + 2).map(|node| format!("node-{node}")).collect(),
            ..Self::default()
        };
        for number in 0..workloads {
            let namespace = TEAMS.get(number % TEAMS.len()).copied().unwrap_or_default();
            let service = SERVICES.get(number / TEAMS.len() % SERVICES.len()).copied().unwrap_or_default();
            let role = ROLES.get(number / 3 % ROLES.len()).copied().unwrap_or_default();
            let name = format!("{service}-{role}");
            let is_compose = chance.happens(compose);
            let kind = match chance.below(20) {
                _ if is_compose => Kind::Compose,
                0..3 => Kind::StatefulSet,
                3 => Kind::DaemonSet,
                _ => Kind::Deployment,
            };
            let (repository, tag) = image(&mut chance, namespace, &name);
            let busy = chance.around(8.0, 1.0).clamp(0.5, 120.0);
            let destinations = (0..2 + chance.below(4)).filter_map(|_| supplier(&mut chance)).collect();
            let cores = chance.around(0.3, 0.8).clamp(0.02, 3.0);
            let limit = (cores * 3.0).ceil().max(1.0);
            let mut workload = Workload {
                namespace: namespace.into(),
                name,
                kind,
                repository,
                tag,
                pods: Vec::new(),
                busy,
                destinations,
                cores,
                limit,
                hot: None,
                of: None,
            };
            let replicas = if kind == Kind::Compose { 1 } else { 1 + chance.below(3) };
            for ordinal in 0..replicas {
                let pod = this.pod(&mut chance, &workload, ordinal);
                workload.pods.push(pod);
            }
            this.workloads.push(workload);
        }
        this
    }

    /// A new pod of a workload.
    pub fn pod(&mut self, chance: &mut Chance, of: &Workload, ordinal: usize) -> Pod {
        self.addresses += 1;
        let (high, low) = (self.addresses / 240 % 250, self.addresses % 240 + 4);
        let (name, address) = match of.kind {
            Kind::Deployment => {
                let template = template(&format!("{}/{}/{}", of.namespace, of.name, of.image()));
                (format!("{}-{template}-{}", of.name, chance.suffix(5)), format!("10.244.{high}.{low}"))
            }
            Kind::StatefulSet => (format!("{}-{ordinal}", of.name), format!("10.244.{high}.{low}")),
            Kind::DaemonSet => (format!("{}-{}", of.name, chance.suffix(5)), format!("10.244.{high}.{low}")),
            Kind::Compose => (format!("{}-{}-{}", of.namespace, of.name, ordinal + 1), format!("172.18.{high}.{low}")),
        };
        let hex = chance.hex(32);
        let uid = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default()).join("-");
        Pod {
            name,
            uid,
            address,
            node: chance.pick(&self.nodes).cloned().unwrap_or_default(),
            container: chance.hex(64),
            restarts: chance.below(3) as u32,
            processor_seconds: 0.0,
            digest: None,
        }
    }
}

/// One of the suppliers.
pub fn supplier(chance: &mut Chance) -> Option<Destination> {
    let name = chance.pick_popular(&SUPPLIERS)?;
    Some(outside(&format!("{name}.example")))
}

/// A service outside by its name; its address is always the same.
pub fn outside(name: &str) -> Destination {
    let number = crate::baseline::id(&[name.as_bytes()]);
    let address = format!("198.{}.{}.{}", 18 + number % 2, number >> 8 & 0xff, 1 + (number >> 16) % 254);
    Destination { name: name.into(), address, port: 443 }
}

fn image(chance: &mut Chance, namespace: &str, name: &str) -> (String, String) {
    const COMMON: [(&str, &str); 6] = [
        ("nginx", "1.27.3"),
        ("redis", "7.4.1"),
        ("postgres", "16.6"),
        ("rabbitmq", "4.0.4"),
        ("memcached", "1.6.32"),
        ("docker.io/library/haproxy", "3.1.0"),
    ];
    let version = format!("{}.{}.{}", 1 + chance.below(4), chance.below(30), chance.below(10));
    match chance.below(10) {
        0 | 1 => chance.pick(&COMMON).map(|(name, tag)| ((*name).into(), (*tag).into())).unwrap_or_default(),
        2 => (format!("ghcr.io/acme/{name}"), format!("v{version}")),
        _ => (format!("registry.corp.example/{namespace}/{name}"), version),
    }
}
