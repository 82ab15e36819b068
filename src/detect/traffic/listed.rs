//! What a destination is by itself: listed as hostile, a mining pool, the metadata service, a port of remote control.

use super::destination::Side;
use super::{Contacted, RuleName, Traffic, reasons};
use crate::baseline::{METADATA, Threat};
use crate::detect::Detection;
use crate::source::Flow;

/// Domains of mining pools, and of what sells hash power: the registered part without its top.
const POOLS: [&str; 34] = [
    "2miners",
    "antpool",
    "bohemianpool",
    "c3pool",
    "crypto-pool",
    "cryptonight",
    "dwarfpool",
    "ethermine",
    "ezil",
    "f2pool",
    "flypool",
    "gntl",
    "hashvault",
    "herominers",
    "kryptex",
    "luckpool",
    "miningocean",
    "minergate",
    "minexmr",
    "miningpoolhub",
    "monerohash",
    "moneroocean",
    "monerop",
    "nanopool",
    "nicehash",
    "p2pool",
    "poolin",
    "prohashing",
    "slushpool",
    "supportxmr",
    "unmineable",
    "viabtc",
    "woolypooly",
    "xmrpool",
];

/// Ports of pools. They say something only of a destination that is new and has no usual name: others use them as well
/// (falcosecurity/rules #62).
const POOL_PORTS: [u16; 12] = [3333, 3334, 5555, 5588, 6099, 7777, 9999, 14433, 14444, 20_580, 45_560, 45_700];

/// Ports that remote-control programs have by default, with IRC's and Tor's.
const CONTROL_PORTS: [u16; 20] = [
    1177, 1337, 1604, 3460, 4444, 4782, 5552, 5554, 6660, 6666, 6667, 6668, 6669, 6697, 9001, 9030, 9050, 9150, 31_337,
    50_050,
];

/// Whether a name is a pool's.
pub fn is_pool(name: &str) -> bool {
    let domain = super::destination::registrable(name);
    let label = domain.split('.').next().unwrap_or_default();
    POOLS.contains(&label)
}

impl Traffic {
    /// Judges what lists say of the destination, wherever it is; and mining by name and protocol.
    pub(super) fn listed(&self, told: &Contacted<'_>, flow: &Flow<'_>, found: &mut Vec<Detection>) {
        let destination = &told.destination;
        let name = destination.name.as_deref();
        let by_address = || self.threats.of_address(destination.address?, destination.port);
        let threat = name.and_then(|name| self.threats.of_name(name.as_bytes())).or_else(by_address);
        if let Some(threat) = threat {
            let does = if told.has_failed { "tries to reach" } else { "contacts" };
            let detection =
                told.detection(&reasons::THREAT, threat_message(&told.who, does, &destination.shown(), &threat));
            found.push(with_threat(detection, threat, flow));
        }
        let speaks = flow.service.as_ref().is_some_and(|service| service.as_bytes().starts_with(b"stratum"));
        if destination.side == Side::Outside && (speaks || name.is_some_and(is_pool)) {
            let message = format!("{} contacts the mining pool {}", told.who, destination.shown());
            found.push(told.detection(&reasons::MINER_POOL, message));
        }
    }

    /// Judges that a workload asks the cloud's metadata service.
    pub(super) fn metadata(&mut self, told: &Contacted<'_>, found: &mut Vec<Detection>) {
        let Some(talk) = self.talks.workload(told.context.workload, told.context.at.sec) else { return };
        let is_known = talk.flags & METADATA != 0;
        talk.flags |= METADATA;
        if !is_known && !told.standing.is_learning {
            let message = format!("{} asks the metadata service {}", told.who, told.destination.shown());
            let mut detection = told.detection(&reasons::METADATA, message);
            told.standing.explain(&mut detection);
            found.push(detection);
        }
    }

    /// Judges the port of a destination that is new to the workload.
    pub(super) fn port(&self, told: &Contacted<'_>, found: &mut Vec<Detection>) {
        let port = told.destination.port;
        if !told.standing.is_open() {
            return;
        }
        let detection = if CONTROL_PORTS.contains(&port) {
            let message = format!(
                "{} contacts {} for the first time, at a port of remote control",
                told.who,
                told.destination.shown()
            );
            told.detection(&reasons::ODD_PORT, message)
        } else if POOL_PORTS.contains(&port) && told.destination.name.is_none() {
            let message = format!(
                "{} contacts {} for the first time, at a port of mining pools",
                told.who,
                told.destination.shown()
            );
            let mut detection = told.detection(&reasons::MINER_POOL, message);
            (detection.severity, detection.score) = (crate::detect::Severity::Medium, 50);
            detection
        } else {
            return;
        };
        let mut detection = detection.with("port", f64::from(port));
        told.standing.explain(&mut detection);
        found.push(detection);
    }
}

/// The sentence about a listed destination.
pub fn threat_message(who: &str, does: &str, what: &str, threat: &Threat) -> String {
    let list = if threat.list.is_empty() { "the policy" } else { &threat.list };
    format!("{who} {does} {what}: {} is in {list}", threat.indicator)
}

fn with_threat(detection: Detection, threat: Threat, flow: &Flow<'_>) -> Detection {
    let mut detection = detection.with("indicator", threat.indicator).with("list", threat.list);
    let numbers = [("bytes_out", flow.sent.map(|bytes| bytes as f64)), ("seconds", flow.seconds.map(f64::round))];
    detection.evidence.extend(numbers.into_iter().filter_map(|(name, number)| Some((name, number?.into()))));
    if let Some(alert) = &flow.alert {
        detection.evidence.push(("alert", alert.to_string().into()));
    }
    detection
}

/// A detection about a name that was asked for.
pub fn asked(who: &str, name: &str, threat: Threat) -> Detection {
    let message = threat_message(who, "asks for", name, &threat);
    let mut detection = Detection::new(RuleName::AnomalousTraffic, &reasons::THREAT, message)
        .with("name", name)
        .with("indicator", threat.indicator)
        .with("list", threat.list);
    detection.entity = super::destination::registrable(name).to_owned();
    detection
}

#[cfg(test)]
mod tests {
    #[rstest::rstest]
    #[case("pool.supportxmr.com", true)]
    #[case("xmr-eu1.nanopool.org", true)]
    #[case("supportxmr.com.example.org", false)]
    #[case("nanopool", true)]
    #[case("example.org", false)]
    fn pools(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(super::is_pool(name), expected);
    }
}
