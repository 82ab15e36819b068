//! The three rules, and what they say when they fire. A rule is one file.

pub mod ads;
pub mod correlated;
pub mod image;
pub mod resource;
pub mod restart;
pub mod traffic;

use std::borrow::Cow;

use crate::baseline::Readiness;
use crate::policy::{Policy, RuleName};
use crate::source::Workload;
use crate::time::Time;

/// What the rules need to know beside the observation.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// The policy.
    pub policy: &'c Policy,
    /// The time of the observation.
    pub at: Time,
    /// How far learning has come, all workloads together.
    pub readiness: Readiness,
    /// The [id](crate::baseline::id) of the observation's workload.
    pub workload: u64,
}

/// How much a detection matters, as the report and most SIEMs grade it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Worth a look when something else points there too.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
}

impl Severity {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// One step down; the lowest stays.
    #[must_use]
    pub const fn downgraded(self) -> Self {
        match self {
            Self::High => Self::Medium,
            Self::Medium | Self::Low => Self::Low,
        }
    }
}

/// A technique of [MITRE ATT&CK](https://attack.mitre.org/) under one of its tactics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Technique {
    /// The tactic's id.
    pub tactic: &'static str,
    /// The tactic's name.
    pub tactic_name: &'static str,
    /// The technique's id, with that of the sub-technique.
    pub id: &'static str,
    /// The name of the technique.
    pub name: &'static str,
    /// The name of the sub-technique, where there is one.
    pub sub_name: Option<&'static str>,
}

/// The techniques that the rules name; names and tactics are those of ATT&CK 18.
pub mod attack {
    use super::Technique;

    const fn technique(
        (tactic, tactic_name): (&'static str, &'static str),
        id: &'static str,
        name: &'static str,
        sub_name: Option<&'static str>,
    ) -> Technique {
        Technique { tactic, tactic_name, id, name, sub_name }
    }

    const RESOURCE_DEVELOPMENT: (&str, &str) = ("TA0042", "Resource Development");
    const EXECUTION: (&str, &str) = ("TA0002", "Execution");
    const PERSISTENCE: (&str, &str) = ("TA0003", "Persistence");
    const IMPACT: (&str, &str) = ("TA0040", "Impact");
    const DEFENSE_EVASION: (&str, &str) = ("TA0005", "Defense Evasion");
    const COMMAND_AND_CONTROL: (&str, &str) = ("TA0011", "Command and Control");
    const EXFILTRATES: (&str, &str) = ("TA0010", "Exfiltration");
    const DISCOVERY: (&str, &str) = ("TA0007", "Discovery");
    const CREDENTIAL_ACCESS: (&str, &str) = ("TA0006", "Credential Access");

    /// What the report is about: it comes first in every detection.
    pub const BOTNET: Technique =
        technique(RESOURCE_DEVELOPMENT, "T1584.005", "Compromise Infrastructure", Some("Botnet"));
    /// A container is brought up to run something.
    pub const DEPLOY_CONTAINER: Technique = technique(EXECUTION, "T1610", "Deploy Container", None);
    /// An image that carries something malicious.
    pub const MALICIOUS_IMAGE: Technique = technique(EXECUTION, "T1204.003", "User Execution", Some("Malicious Image"));
    /// A name that imitates another.
    pub const MASQUERADING: Technique =
        technique(DEFENSE_EVASION, "T1036.005", "Masquerading", Some("Match Legitimate Resource Name or Location"));
    /// Somebody else's processors at work.
    pub const COMPUTE_HIJACKING: Technique =
        technique(IMPACT, "T1496.001", "Resource Hijacking", Some("Compute Hijacking"));
    /// A service that is kept from serving.
    pub const DENIAL_OF_SERVICE: Technique = technique(IMPACT, "T1499", "Endpoint Denial of Service", None);
    /// An image in one's own registry that was changed.
    pub const IMPLANT_IMAGE: Technique = technique(PERSISTENCE, "T1525", "Implant Internal Image", None);
    /// What others pay for is used.
    pub const RESOURCE_HIJACKING: Technique = technique(IMPACT, "T1496", "Resource Hijacking", None);
    /// Command and control over what others speak as well.
    pub const APPLICATION_LAYER: Technique =
        technique(COMMAND_AND_CONTROL, "T1071", "Application Layer Protocol", None);
    /// Command and control over HTTP and its like.
    pub const WEB_PROTOCOLS: Technique =
        technique(COMMAND_AND_CONTROL, "T1071.001", "Application Layer Protocol", Some("Web Protocols"));
    /// Command and control in questions for names.
    pub const DNS: Technique = technique(COMMAND_AND_CONTROL, "T1071.004", "Application Layer Protocol", Some("DNS"));
    /// A port that the protocol does not have.
    pub const NON_STANDARD_PORT: Technique = technique(COMMAND_AND_CONTROL, "T1571", "Non-Standard Port", None);
    /// One protocol within another.
    pub const PROTOCOL_TUNNELING: Technique = technique(COMMAND_AND_CONTROL, "T1572", "Protocol Tunneling", None);
    /// Other ways, where one does not answer.
    pub const FALLBACK_CHANNELS: Technique = technique(COMMAND_AND_CONTROL, "T1008", "Fallback Channels", None);
    /// Names that a program makes up.
    pub const GENERATED_DOMAINS: Technique =
        technique(COMMAND_AND_CONTROL, "T1568.002", "Dynamic Resolution", Some("Domain Generation Algorithms"));
    /// Data leaves the way the commands come.
    pub const EXFILTRATION: Technique = technique(EXFILTRATES, "T1041", "Exfiltration Over C2 Channel", None);
    /// A look around for services.
    pub const SERVICE_DISCOVERY: Technique = technique(DISCOVERY, "T1046", "Network Service Discovery", None);
    /// More than a network can carry.
    pub const NETWORK_FLOOD: Technique = technique(IMPACT, "T1498", "Network Denial of Service", None);
    /// Credentials from the cloud's metadata.
    pub const METADATA_API: Technique =
        technique(CREDENTIAL_ACCESS, "T1552.005", "Unsecured Credentials", Some("Cloud Instance Metadata API"));
    /// A service is ended.
    pub const SERVICE_STOP: Technique = technique(IMPACT, "T1489", "Service Stop", None);
}

/// Why a rule fires: what is the same for every detection of one reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The stable id, kebab-case.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// How sure and how bad, 0–100: detections of one rule are comparable by it.
    pub score: u8,
    /// The techniques, the report's first.
    pub attack: &'static [Technique],
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

/// The reason of that id, and its rule.
#[must_use]
pub fn reason(id: &[u8]) -> Option<(RuleName, &'static Reason)> {
    let lists = [
        (RuleName::UnauthorizedImage, image::reasons::ALL),
        (RuleName::RestartSpike, restart::reasons::ALL),
        (RuleName::RestartSpike, resource::reasons::ALL),
        (RuleName::AnomalousTraffic, traffic::reasons::ALL),
    ];
    lists.iter().find_map(|(rule, reasons)| {
        let reason = reasons.iter().find(|reason| reason.id.as_bytes() == id)?;
        Some((*rule, *reason))
    })
}

/// Declares the reasons of a rule, and the list of them: id, severity, score, techniques, meaning.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $severity:ident, $score:literal, [$($attack:ident),*], $meaning:literal;)*) => {
        $($(#[$doc])* pub const $name: $crate::detect::Reason = $crate::detect::Reason {
            id: $id,
            severity: $crate::detect::Severity::$severity,
            score: $score,
            attack: &[$($crate::detect::attack::$attack),*],
            meaning: $meaning,
        };)*
        /// All of them.
        pub const ALL: &[&$crate::detect::Reason] = &[$(&$name),*];
    };
}
pub(crate) use reasons;

/// Whom a detection is about, as its message names it.
pub(crate) fn whom(workload: &Workload<'_>) -> String {
    match (workload.namespace == "-", workload.name == "-") {
        (_, true) => "the host".into(),
        (true, false) => workload.name.to_str().into(),
        (false, false) => format!("{}/{}", workload.namespace, workload.name),
    }
}

/// A piece of evidence.
#[derive(Clone, PartialEq, Debug)]
pub enum Datum {
    /// A name, a digest, a pattern.
    Text(String),
    /// A count or a measure.
    Number(f64),
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Datum {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// What a rule found in one record.
#[derive(Clone, PartialEq, Debug)]
pub struct Detection {
    /// The rule that fired.
    pub rule: RuleName,
    /// Why.
    pub reason: &'static Reason,
    /// How much it matters here: the reason's, or less.
    pub severity: Severity,
    /// How sure and how bad, 0–100.
    pub score: u8,
    /// One sentence.
    pub message: String,
    /// The facts behind the sentence.
    pub evidence: Vec<(&'static str, Datum)>,
    /// What the episode is about, beside the rule, the reason and its scope.
    pub entity: String,
    /// Whose episode it is.
    pub scope: Scope,
    /// Which of the observation's images it is about; none where it is about none.
    pub image: Option<usize>,
    /// Whether there is a baseline to judge by.
    pub baseline: Readiness,
    /// The episode, once it has one.
    pub episode: Episode,
    /// The cause, when the detection does not count.
    pub suppressed: Option<Cow<'static, str>>,
}

impl Detection {
    /// What a reason says of a workload by itself, without evidence.
    #[must_use]
    pub fn new(rule: RuleName, reason: &'static Reason, message: String) -> Self {
        Self {
            rule,
            reason,
            severity: reason.severity,
            score: reason.score,
            message,
            evidence: Vec::new(),
            entity: String::new(),
            scope: Scope::Workload,
            image: None,
            baseline: Readiness::Learning,
            episode: Episode::default(),
            suppressed: None,
        }
    }

    /// Whether it makes the record a match: nothing suppresses it, and it is not only told to be over.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.suppressed.is_none() && self.episode.state != State::Closed
    }

    /// Adds a piece of evidence.
    #[must_use]
    pub fn with(mut self, name: &'static str, datum: impl Into<Datum>) -> Self {
        self.evidence.push((name, datum.into()));
        self
    }
}

/// Whose an episode is: detections in many records are one episode when they are about the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Scope {
    /// The workload's.
    #[default]
    Workload,
    /// That of all workloads of the namespace together.
    Namespace,
    /// That of all workloads of the cluster together.
    Cluster,
}

/// Where a detection stands in a series of equal ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Episode {
    /// Its id: the same for the same rule, reason, workload, entity and beginning, on every instance.
    pub id: u64,
    /// Whether the series begins, goes on or has ended.
    pub state: State,
    /// How many detections it has, this one included.
    pub count: u32,
}

/// The state of an episode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// This detection is the first.
    #[default]
    New,
    /// There were others before.
    Ongoing,
    /// There have been none for a while.
    Closed,
}

impl State {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ongoing => "ongoing",
            Self::Closed => "closed",
        }
    }
}
