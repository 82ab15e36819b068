//! `anomalous-traffic`: a container talks to the outside as command and control does.
//!
//! Each workload's destinations are remembered with when they were contacted and how much went there. What a workload
//! did while it was being learned is usual of it; what comes later has to explain itself ([`Standing`]): timing, volume
//! or rarity alone are a detection of a destination that is new to the workload, and not one of a destination that it
//! has always had. That gate is what the precision comes from: the best of timing scores finds every harmless poller as
//! well, and RITA's gives one that contacts every 30 s a score of 1.00.
//!
//! Egress is what leaves for somewhere outside the policy's `internal` networks; whoever wants command and control found
//! within private ranges lists there no more than is his. Destinations inside are judged by the threat lists, and by
//! whether a workload scans them.
//!
//! Who asks for a name that is listed is reported as who connects to it; names are learned from answers, TLS and HTTP,
//! and nothing is ever resolved: resolving what malware asks for would itself contact it, and make a detection of its
//! own (falcosecurity/falco #835, #1822, #2504).

mod beacon;
mod destination;
mod dns;
mod fan;
mod listed;
mod standing;
mod volume;

use super::{Context, Detection, whom};
use crate::baseline::{
    Addresses, Connection, Contact, NAMES, Networks, Pairs, Readiness, Seed, Subnames, Table, Talks, Threats, id,
    is_named,
};
use crate::policy::{Policy, RuleName};
use crate::source::{Fact, Flow, Observation, Progress, Protocol};
use crate::time::{DAY, Time};
use destination::{Destination, Side};
use standing::Standing;

/// The reasons, as `tidewaiter explain anomalous-traffic` lists them.
pub mod reasons {
    use crate::detect::reasons;

    reasons! {
        /// A listed destination.
        THREAT = "threat-match", High, 95, [BOTNET, APPLICATION_LAYER],
            "The workload contacts, or asks for, a destination that a threat list or the policy names.";
        /// Contacts by the clock.
        BEACON = "beacon", High, 80, [BOTNET, WEB_PROTOCOLS],
            "The workload contacts a destination that is new to it by the clock.";
        /// Contacts by a slow clock.
        SLOW_BEACON = "slow-beacon", High, 80, [BOTNET, WEB_PROTOCOLS],
            "The workload contacts a destination that is new to it by the clock, once an hour or less.";
        /// A connection that stays.
        LONG = "long-connection", Medium, 55, [BOTNET, APPLICATION_LAYER],
            "The workload has been connected for hours to a destination that is new to it.";
        /// A destination that is contacted without pause.
        STROBE = "strobe", Medium, 60, [BOTNET, NETWORK_FLOOD],
            "The workload contacts one destination about once a second, for an hour, and did not before.";
        /// Many destinations at a time.
        FAN_OUT = "fan-out", Medium, 65, [BOTNET, SERVICE_DISCOVERY],
            "The workload contacts many destinations or ports that are new to it at a time, as a scan does.";
        /// Data that leaves.
        EXFILTRATION = "exfiltration", High, 70, [BOTNET, EXFILTRATION],
            "The workload sends far more than it receives, and than it used to, to one destination.";
        /// A destination that does not answer.
        FAILED = "failed-connects", Medium, 60, [BOTNET, FALLBACK_CHANNELS],
            "The workload tries again and again, by the clock or without pause, a new destination that does not answer.";
        /// A destination nobody has had.
        NEW = "new-destination", Low, 25, [BOTNET, APPLICATION_LAYER],
            "The workload, which hardly ever does, contacts a destination that no workload has contacted before.";
        /// A port that remote control likes.
        ODD_PORT = "odd-port", Medium, 50, [BOTNET, NON_STANDARD_PORT],
            "The workload contacts a new destination at a port that remote-control programs, IRC or Tor use.";
        /// The metadata service of the cloud.
        METADATA = "metadata-access", Medium, 45, [BOTNET, METADATA_API],
            "The workload asks the cloud's metadata service, which has credentials, and did not before.";
        /// A mining pool.
        MINER_POOL = "miner-pool", High, 85, [BOTNET, COMPUTE_HIJACKING],
            "The workload contacts a mining pool, by name or by protocol.";
        /// Data in names.
        DNS_TUNNEL = "dns-tunnel", High, 75, [BOTNET, DNS, PROTOCOL_TUNNELING],
            "The workload asks for many different names below one domain, as a tunnel through DNS does.";
        /// Names that nobody chose.
        DGA = "dga", High, 75, [BOTNET, GENERATED_DOMAINS],
            "The workload asks for many domains that do not exist, as malware does that generates names.";
    }
}

/// Contacts within so many milliseconds are one.
const TOGETHER: i64 = 1000;

/// Attempts within so many milliseconds are one: what fails is tried again at once.
const RETRIES: i64 = 3000;

/// No connection is longer, in seconds.
const LONGEST: i64 = 30 * DAY;

/// Ports of which the traffic is not command and control's, or is judged by what is asked: DNS and the time.
const QUIET: [u16; 4] = [53, 123, 853, 5353];

/// The rule with what it remembers.
#[derive(Debug)]
pub struct Traffic {
    internal: Networks,
    allowed: Networks,
    allowed_ports: Vec<(u16, Protocol)>,
    pub(crate) threats: Threats,
    pub(crate) addresses: Addresses,
    pub(crate) pairs: Pairs,
    pub(crate) talks: Talks,
    pub(crate) subnames: Table<Subnames>,
    /// Since when other workloads are known, in seconds: one that was seen before is not new, only not known yet. It
    /// begins anew with each start, so that nobody is new who was there before.
    learned_since: Option<i64>,
    /// Room to work in.
    codes: Vec<u16>,
}

/// What a flow is judged by.
struct Contacted<'c> {
    context: Context<'c>,
    who: String,
    destination: Destination,
    standing: Standing,
    /// The key of the pair.
    key: u64,
    has_failed: bool,
    contact: Option<Contact>,
    /// In milliseconds.
    at: i64,
}

impl Contacted<'_> {
    /// A detection about the destination.
    fn detection(&self, reason: &'static super::Reason, message: String) -> Detection {
        let destination = &self.destination;
        let mut detection = Detection::new(RuleName::AnomalousTraffic, reason, message)
            .with("destination", destination.shown())
            .with("protocol", destination.protocol.as_str())
            .with("workloads", f64::from(self.standing.prevalence));
        if let (Some(address), true) = (destination.address, destination.name.is_some()) {
            detection.evidence.push(("address", address.to_string().into()));
        }
        detection.entity = match &destination.name {
            Some(name) => destination::registrable(name).to_owned(),
            None => destination.shown(),
        };
        detection.baseline = readiness(self.standing.is_learning, self.context);
        // Where several workloads do the same, one alert stands for all.
        if self.standing.prevalence >= standing::SEVERAL {
            detection.scope = super::Scope::Cluster;
        }
        detection
    }
}

fn readiness(is_learning: bool, context: Context<'_>) -> Readiness {
    match context.readiness {
        _ if is_learning => Readiness::Learning,
        Readiness::Learning => Readiness::Ready,
        readiness => readiness,
    }
}

impl Traffic {
    /// The rule for a policy, with nothing seen.
    #[must_use]
    pub fn new(policy: &Policy, seed: Seed) -> Self {
        let (workloads, pairs) = (policy.limits.workloads, policy.limits.pairs);
        let mut this = Self {
            internal: Networks::default(),
            allowed: Networks::default(),
            allowed_ports: Vec::new(),
            threats: Threats::default(),
            addresses: Addresses::new(workloads, seed),
            pairs: Pairs::new(pairs, seed),
            talks: Talks::new(workloads, seed),
            subnames: Table::new(workloads / 4, seed),
            learned_since: None,
            codes: Vec::new(),
        };
        this.set_policy(policy);
        this
    }

    /// Goes on with another policy; what was learned stays.
    pub fn set_policy(&mut self, policy: &Policy) {
        let traffic = &policy.traffic;
        self.internal = Networks::new(&traffic.internal);
        self.allowed = Networks::new(&traffic.allow_networks);
        self.allowed_ports = traffic.allow_ports.iter().filter_map(|text| port(text)).collect();
        self.threats.set_policy(&traffic.threat_networks, &traffic.threat_domains, &traffic.threat_files);
    }

    /// Judges what an observation says of the network. `is_suspect` says that another rule has found something of the
    /// workload lately.
    pub fn judge(
        &mut self,
        observation: &Observation<'_>,
        context: Context<'_>,
        is_suspect: bool,
        found: &mut Vec<Detection>,
    ) {
        for fact in &observation.facts {
            match fact {
                Fact::Flow(flow) => self.flow(flow, observation, context, is_suspect, found),
                Fact::Lookup(lookup) => self.lookup(lookup, observation, context, found),
                _ => {}
            }
        }
    }

    fn flow(
        &mut self,
        flow: &Flow<'_>,
        observation: &Observation<'_>,
        context: Context<'_>,
        is_suspect: bool,
        found: &mut Vec<Detection>,
    ) {
        // What comes from outside is nobody's egress.
        let is_foreign = |address| !self.internal.have(address) && !is_named(&observation.workload);
        if observation.address.is_some_and(is_foreign) {
            return;
        }
        let (workload, now) = (context.workload, context.at.sec);
        let destination = self.destination(flow, workload, now);
        if matches!(destination.side, Side::Nowhere) {
            return;
        }
        // Of what began long ago, or is to begin, the record is as good a time.
        let is_one = |start: &Time| (0..LONGEST).contains(&now.saturating_sub(start.sec));
        let at = flow.start.filter(is_one).unwrap_or(context.at);
        let at = at.sec.saturating_mul(1000).saturating_add(i64::from(at.nanos / 1_000_000));
        let who = whom(&observation.workload);
        let Some(talk) = self.talks.workload(workload, now) else { return };
        if destination.name.is_some() {
            talk.flags |= NAMES;
        }
        let is_one_of_many = now <= talk.roams_until;
        if context.readiness != Readiness::Learning {
            self.learned_since.get_or_insert(now);
        }
        let is_newcomer = self.learned_since.is_some_and(|since| talk.first >= since);
        let mut standing = Standing::new(talk, &destination, context, is_newcomer, is_suspect);
        let has_failed = flow.progress == Progress::Failed;
        let key = id(&[&workload.to_le_bytes(), &destination.key().to_le_bytes(), &[has_failed.into()]]);
        let mut told = Contacted { context, who, destination, standing, key, has_failed, contact: None, at };
        self.listed(&told, flow, found);
        if told.destination.side == Side::Metadata {
            return self.metadata(&told, found);
        }
        let is_allowed = self.allows(&told.destination, context.policy);
        if is_allowed || told.destination.side == Side::Inside && !has_failed {
            return;
        }

        let transfer = self.connection(flow, &told);
        if transfer.is_new || has_failed {
            let together = if has_failed { RETRIES } else { TOGETHER };
            told.contact = Some(self.pairs.contact(key, at, together, is_one_of_many));
        }
        if told.destination.side == Side::Inside {
            return self.fan(&told, found);
        }
        let seen = self.pairs.destination(told.destination.key(), workload, now, is_one_of_many);
        standing.learn(self.pairs.first(key).map_or(now, |first| first / 1000), seen, context);
        told.standing = standing;
        self.fan(&told, found);
        self.volume(&told, flow, transfer, found);
        self.beacon(&told, found);
    }

    /// Where a flow goes, with the name by which the workload knows the address.
    fn destination(&mut self, flow: &Flow<'_>, workload: u64, now: i64) -> Destination {
        let name = flow.name.as_ref().and_then(|name| destination::normal(name.as_bytes()));
        let written = name.as_ref().and_then(|name| name.parse().ok());
        let address = flow.address.or(written);
        let name = match (name.filter(|_| written.is_none()), address) {
            (Some(name), Some(address)) => {
                self.addresses.call(workload, address, name.as_bytes(), now);
                Some(name)
            }
            (None, Some(address)) => {
                let known = self.addresses.name(workload, address, now);
                known.and_then(|name| String::from_utf8(name.to_vec()).ok())
            }
            (name, None) => name,
        };
        Destination::new(name, address, flow.port, flow.protocol, &self.internal)
    }

    /// Compares the record with what was told of the same connection before.
    fn connection(&mut self, flow: &Flow<'_>, told: &Contacted<'_>) -> crate::baseline::Told {
        let is_over = matches!(flow.progress, Progress::Ended | Progress::Failed);
        let now = Connection {
            start: told.at,
            sent: flow.sent.unwrap_or(0),
            received: flow.received.unwrap_or(0),
            seconds: flow.seconds.unwrap_or(0.0).clamp(0.0, 1e7) as f32,
            is_over,
        };
        let key = match &flow.id {
            Some(name) => id(&[b"id", name.as_bytes()]),
            None => id(&[&told.key.to_le_bytes(), &flow.local_port.to_le_bytes()]),
        };
        let goes_on = flow.progress != Progress::Begun && flow.local_port != 0;
        self.talks.connection(key, now, flow.id.is_some(), goes_on)
    }

    fn allows(&self, destination: &Destination, policy: &Policy) -> bool {
        self.allowed_ports.contains(&(destination.port, destination.protocol))
            || destination.address.is_some_and(|address| self.allowed.have(address))
            || destination.name.as_deref().is_some_and(|name| allows_name(name, policy))
    }

    /// Judges the timing of a pair.
    fn beacon(&mut self, told: &Contacted<'_>, found: &mut Vec<Detection>) {
        let (standing, now) = (&told.standing, told.context.at.sec);
        let Some(Contact::Pair(true)) = told.contact else { return };
        // What a workload knows is not looked at any closer.
        if QUIET.contains(&told.destination.port) || !standing.is_learning && !standing.is_open() {
            return;
        }
        let Some(pair) = self.pairs.pairs.get_mut(told.key) else { return };
        if !beacon::is_due(pair) {
            return;
        }
        let Some(timing) = beacon::timing(pair, &mut self.codes) else { return };
        if !standing.is_open_to_clock(timing.period, told.has_failed) {
            return;
        }
        let size = if told.has_failed { 0.5 } else { beacon::same_size(pair) };
        let hours = f64::from(pair.hours.count_ones());
        let days = f64::from(pair.days.count_ones());
        let lasting = (hours / 12.0).max(days / 5.0).min(1.0);
        let parts = 0.5 * timing.strength() + 0.2 * size + 0.2 * lasting + standing.weight();
        let score = (parts * 100.0).round().clamp(0.0, 100.0) as u8;
        let min_score = told.context.policy.traffic.beacon_min_score;
        let what = if told.has_failed { volume::TOLD_FAILED } else { volume::TOLD_BEACON };
        if score < min_score || !pair.tell(what, now) {
            return;
        }
        let seconds = (timing.period / 1000.0).round();
        let (reason, does) = match () {
            () if told.has_failed => (&reasons::FAILED, "tries in vain to reach"),
            () if seconds >= 3600.0 => (&reasons::SLOW_BEACON, "contacts"),
            () => (&reasons::BEACON, "contacts"),
        };
        let message = format!(
            "{} {does} {} every {}; {} of {} gaps are within {} % of that",
            told.who,
            told.destination.shown(),
            super::restart::span(seconds as i64),
            timing.within,
            timing.of,
            timing.share as u32
        );
        let mut detection = told
            .detection(reason, message)
            .with("period_seconds", seconds)
            .with("gaps", f64::from(timing.of))
            .with("gaps_within", f64::from(timing.within))
            .with("one_in", (1.0 / timing.probability.max(1e-15)).round())
            .with("same_size_percent", (size * 100.0).round())
            .with("hours", hours)
            .with("days", days)
            .with("contacts", f64::from(pair.contacts));
        standing.explain(&mut detection);
        detection.score = score;
        // Of a workload that is new itself less is known.
        if score < 85 || told.has_failed || standing.is_newcomer {
            detection.severity = super::Severity::Medium;
        }
        found.push(detection);
    }
}

/// Whether the policy expects a name.
fn allows_name(name: &str, policy: &Policy) -> bool {
    policy.traffic.allow_domains.iter().any(|glob| fast_glob::glob_match(glob, name))
}

/// A port of the policy, as `123/udp`.
fn port(text: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => Protocol::Other,
    };
    Some((port.parse().ok()?, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Text;
    use crate::source::{Lookup, Source, Workload};
    use proptest::prelude::*;

    const START: i64 = 1_790_000_000;

    fn rule(pairs: u32) -> (Traffic, Policy) {
        let mut policy = Policy::default();
        (policy.limits.workloads, policy.limits.pairs) = (64, pairs);
        policy.baseline.learn_for = 86_400;
        (Traffic::new(&policy, Seed([1, 2])), policy)
    }

    fn judge(rule: &mut Traffic, policy: &Policy, name: &[u8], facts: Vec<Fact<'_>>, at: i64) -> Vec<&'static str> {
        let workload = Workload { kind: "Deployment".into(), name: name.into(), ..Workload::default() };
        let observation = Observation { facts, ..Observation::new(Source::Zeek, "network.connection", workload) };
        let workload = observation.workload.id();
        let context = Context { policy, at: Time::from_sec(at), readiness: Readiness::Ready, workload };
        let mut found = Vec::new();
        rule.judge(&observation, context, false, &mut found);
        found.iter().map(|detection| detection.reason.id).collect()
    }

    fn to(address: u32, progress: Progress) -> Vec<Fact<'static>> {
        vec![Fact::Flow(Flow::new(Some(std::net::Ipv4Addr::from(address).into()), 443, Protocol::Tcp, progress))]
    }

    /// Once a day to somewhere new, beside a scan of a million addresses by another workload and one by itself.
    #[test]
    fn a_scan_hides_no_slow_beacon() {
        let (mut rule, policy) = rule(4096);
        judge(&mut rule, &policy, b"slow", to(0x0102_0304, Progress::Ended), START);
        let mut found = Vec::new();
        for day in 2..12 {
            let now = START + day * DAY;
            found.extend(judge(&mut rule, &policy, b"slow", to(0x0808_0808, Progress::Ended), now));
            for scanned in 0..50_000 {
                let (name, progress) =
                    if scanned % 2 == 0 { (b"slow", Progress::Ended) } else { (b"scan", Progress::Failed) };
                let address = 0x2000_0000 + day as u32 * 100_000 + scanned;
                judge(&mut rule, &policy, name, to(address, progress), now + 1 + i64::from(scanned) / 100);
            }
        }
        assert!(found.contains(&"slow-beacon"), "{found:?}");
        assert!(rule.pairs.candidates.len() <= 4096 && rule.pairs.destinations.len() <= 4096);
        assert!(rule.pairs.pairs.len() < 10);
    }

    fn text() -> impl Strategy<Value = Text<'static>> {
        let texts = [
            "",
            "a",
            ".",
            "..",
            "x.co.uk",
            "10.0.0.1",
            "[::1]:443",
            "pool.nanopool.org",
            "a.local",
            "metadata.google.internal",
        ];
        prop_oneof![
            prop::sample::select(texts.to_vec()).prop_map(Text::from),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Text::from),
        ]
    }

    fn address() -> impl Strategy<Value = std::net::IpAddr> {
        prop_oneof![
            any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from(bits).into()),
            any::<u128>().prop_map(|bits| std::net::Ipv6Addr::from(bits).into()),
            Just([203, 0, 113, 7].into()),
        ]
    }

    fn flow() -> impl Strategy<Value = Fact<'static>> {
        let progress =
            prop::sample::select(vec![Progress::Begun, Progress::Established, Progress::Ended, Progress::Failed]);
        let sums = (any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<f64>>());
        let names = (prop::option::of(text()), prop::option::of(text()), prop::option::of(text()));
        let ends = (prop::option::of(address()), any::<u16>(), any::<u16>(), any::<Option<i64>>());
        (progress, sums, names, ends).prop_map(
            |(progress, (sent, received, seconds), (id, name, service), (address, port, local_port, start))| {
                let start = start.map(Time::from_sec);
                Fact::Flow(Flow {
                    id,
                    name,
                    service,
                    start,
                    local_port,
                    sent,
                    received,
                    seconds,
                    ..Flow::new(address, port, Protocol::Tcp, progress)
                })
            },
        )
    }

    fn lookup() -> impl Strategy<Value = Fact<'static>> {
        (text(), prop::option::of(text()), prop::collection::vec(address(), 0..20), any::<Option<bool>>())
            .prop_map(|(name, kind, answers, not_found)| Fact::Lookup(Lookup { name, kind, answers, not_found }))
    }

    proptest! {
        #[test]
        fn any_facts_at_any_time_do_no_harm(
            told in prop::collection::vec((0..3_u8, prop::collection::vec(prop_oneof![flow(), lookup()], 0..4), 0..253_402_300_800_i64), 0..60)
        ) {
            let (mut rule, policy) = rule(8);
            for (name, facts, at) in told {
                judge(&mut rule, &policy, &[b'a' + name], facts, at);
            }
            prop_assert!(rule.pairs.pairs.len() <= 8 && rule.subnames.len() <= 64);
        }
    }

    #[test]
    fn how_much_a_pair_takes() {
        use crate::baseline::{Subnames, Talk};
        // Of 64 MiB, with the limits as they are by default: more than there is room for, each of 131,072 pairs with a
        // candidate and a destination of its own, each of 16,384 workloads with domains and a connection.
        let pairs = size_of::<crate::baseline::Pair>() + 24 + 24 + 3 * (8 + 10);
        let workloads = size_of::<Talk>() + 64 + size_of::<Subnames>() + size_of::<Connection>() + 2 * 100;
        let bytes = 131_072 * pairs + 16_384 * workloads;
        assert!(bytes < 56 << 20, "{bytes}");
    }
}
