//! What a policy says, and every default.

use crate::time::Time;

/// A policy. [`Policy::default`] is what holds without a file.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Policy {
    /// What `unauthorized-image` judges by.
    pub images: Images,
    /// What `anomalous-traffic` judges by.
    pub traffic: Traffic,
    /// What `restart-spike` judges restarts by.
    pub restarts: Restarts,
    /// What `restart-spike` judges resource use by.
    pub resources: Resources,
    /// How long to learn, and where to keep what was learned.
    pub baseline: Baseline,
    /// Detections that are known and excused.
    pub exceptions: Vec<Exception>,
    /// Times at which detections are expected.
    pub maintenance: Vec<Maintenance>,
    /// How often to alert.
    pub alerts: Alerts,
    /// What bounds the memory.
    pub limits: Limits,
    /// What comes out.
    pub output: Output,
}

impl Policy {
    /// Whether an image rule has an end, so that what it allows now it may not allow later.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.images.rules.iter().any(|rule| rule.until.is_some())
    }
}

/// What to make of an image that no rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is unauthorised.
    Enforce,
    /// It is unauthorised when it is seen first after the learning period.
    Learn,
    /// It passes.
    Open,
}

/// The policy's `images`.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// What to make of an image that no rule names. Without the key: `enforce` where anything is allowed by name,
    /// `learn` otherwise.
    pub mode: Mode,
    /// `allow`, `deny` and `rules`, in the order of the file.
    pub rules: Vec<ImageRule>,
    /// Tags that are unwanted on any image (globs).
    pub reject_tags: Vec<String>,
    /// Whether an image has to be named by digest.
    pub require_digest: bool,
    /// Which digest a canonical `registry/repository:tag` has to have.
    pub pinned: Vec<(String, String)>,
    /// Whether to look for names that imitate authorised ones.
    pub lookalikes: bool,
    /// Whether to watch for tags that move.
    pub drift: bool,
}

impl Default for Images {
    fn default() -> Self {
        Self {
            mode: Mode::Learn,
            rules: Vec::new(),
            reject_tags: Vec::new(),
            require_digest: false,
            pinned: Vec::new(),
            lookalikes: true,
            drift: true,
        }
    }
}

/// What a rule does with the images that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// They are authorised.
    Allow,
    /// They are not.
    Deny,
}

/// One rule about images; an entry of `allow` or `deny` is the short form of one.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRule {
    /// The pattern as the policy spells it: see [`image::Pattern`](crate::image::Pattern).
    pub pattern: crate::image::Pattern,
    /// What it does.
    pub action: Action,
    /// The namespaces that it holds in (globs); empty for all.
    pub namespaces: Vec<String>,
    /// The tags that it holds for (globs); empty for all.
    pub tags: Vec<String>,
    /// When it ends.
    pub until: Option<Time>,
}

/// The policy's `traffic`.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// Networks that are ours, in CIDR.
    pub internal: Vec<String>,
    /// Destinations that are expected: domains (globs).
    pub allow_domains: Vec<String>,
    /// Destinations that are expected: networks in CIDR.
    pub allow_networks: Vec<String>,
    /// Destinations that are expected: ports, as `123/udp`.
    pub allow_ports: Vec<String>,
    /// Destinations that are known to be hostile: networks in CIDR.
    pub threat_networks: Vec<String>,
    /// Destinations that are known to be hostile: domains, with all below them.
    pub threat_domains: Vec<String>,
    /// Lists of hostile destinations, files beside the policy.
    pub threat_files: Vec<String>,
    /// The score from which on a beacon is a detection, 0–100.
    pub beacon_min_score: u8,
}

impl Default for Traffic {
    fn default() -> Self {
        let internal = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"];
        Self {
            internal: internal.map(String::from).to_vec(),
            allow_domains: Vec::new(),
            allow_networks: Vec::new(),
            allow_ports: Vec::new(),
            threat_networks: Vec::new(),
            threat_domains: Vec::new(),
            threat_files: Vec::new(),
            beacon_min_score: 75,
        }
    }
}

/// The policy's `restarts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restarts {
    /// Fewer restarts in a window are never a detection.
    pub min: u32,
    /// The windows, in seconds.
    pub windows: Vec<u32>,
}

impl Default for Restarts {
    fn default() -> Self {
        Self { min: 3, windows: vec![600, 3600, 21_600] }
    }
}

/// The policy's `resources`.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// How many times the expected use is a spike.
    pub ratio: f64,
    /// For how long it has to last, in seconds.
    pub seconds: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self { ratio: 2.0, seconds: 300 }
    }
}

/// The policy's `baseline`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// How long to learn, in seconds of record time.
    pub learn_for: u32,
    /// The folder for what was learned, beside the policy.
    pub state: String,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { learn_for: 7 * 86_400, state: "state".into() }
    }
}

/// One of the three rules, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleName {
    /// `unauthorized-image`.
    UnauthorizedImage,
    /// `anomalous-traffic`.
    AnomalousTraffic,
    /// `restart-spike`.
    RestartSpike,
}

impl RuleName {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 3] = [Self::UnauthorizedImage, Self::AnomalousTraffic, Self::RestartSpike];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnauthorizedImage => "unauthorized-image",
            Self::AnomalousTraffic => "anomalous-traffic",
            Self::RestartSpike => "restart-spike",
        }
    }

    /// The rule of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }
}

/// What an exception does with a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// It no longer counts as a match.
    Suppress,
    /// Its severity goes down by one.
    Downgrade,
}

/// What an exception asks of a workload and its image; all of it has to hold. Globs; an empty list asks nothing.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Where {
    /// The cluster.
    pub cluster: Vec<String>,
    /// The namespace.
    pub namespace: Vec<String>,
    /// The workload's kind.
    pub kind: Vec<String>,
    /// The workload's name.
    pub name: Vec<String>,
    /// The image, as patterns of `images.allow`.
    pub image: Vec<crate::image::Pattern>,
}

/// A known and excused detection.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// Its name, which suppressed detections give as their cause.
    pub name: String,
    /// Whom it excuses.
    pub scope: Where,
    /// The rules that it holds for; empty for all.
    pub rules: Vec<RuleName>,
    /// The reasons that it holds for; empty for all.
    pub reasons: Vec<String>,
    /// What it does.
    pub action: Excuse,
    /// Why.
    pub reason: String,
    /// When it ends.
    pub until: Option<Time>,
}

/// A weekly time at which detections are expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Maintenance {
    /// Its name, which suppressed detections give as their cause.
    pub name: String,
    /// Bit 0 is Monday; a window over midnight belongs to the day on which it begins.
    pub days: u8,
    /// When it begins, in seconds after midnight at `offset`.
    pub from: u32,
    /// When it ends, likewise; not later than `from` means the next day.
    pub to: u32,
    /// Seconds east of UTC.
    pub offset: i32,
    /// Whom it excuses.
    pub scope: Where,
    /// The rules that it holds for; empty for all.
    pub rules: Vec<RuleName>,
    /// What it does.
    pub action: Excuse,
    /// When the series ends.
    pub until: Option<Time>,
}

/// The policy's `alerts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerts {
    /// For how long an episode stays quiet after an alert, in seconds.
    pub cooldown: u32,
    /// More alerts in an hour are suppressed, and counted.
    pub per_hour: u32,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { cooldown: 3600, per_hour: 100 }
    }
}

/// The policy's `limits`: how many things are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Workloads, and what is kept once for each.
    pub workloads: u32,
    /// Pairs of workload and destination.
    pub pairs: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { workloads: 16_384, pairs: 131_072 }
    }
}

/// In which form findings come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// One object under `output.field`.
    #[default]
    Native,
    /// Elastic Common Schema.
    Ecs,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
}

/// Which records are enriched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Enrich {
    /// Those with a detection.
    Findings,
    /// Those that a source recognises.
    #[default]
    ContainerEvents,
    /// Every JSON object.
    All,
}

/// The policy's `output`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The key that the enrichment stands under.
    pub field: String,
    /// Its form.
    pub format: Format,
    /// Which records get it.
    pub enrich: Enrich,
}

impl Default for Output {
    fn default() -> Self {
        Self { field: "tidewaiter".into(), format: Format::Native, enrich: Enrich::ContainerEvents }
    }
}
