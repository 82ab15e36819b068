//! Reads a checked document into a [`Policy`]. What the check has let pass has a meaning, so nothing here fails: a
//! value that is not there leaves the default.

use super::document::{Document, NodeId};
use super::scalar;
use super::types::*;

/// The policy of a document without problems.
pub(super) fn policy(document: &Document<'_>) -> Policy {
    let root = Section { document, node: document.root() };
    Policy {
        images: images(&root.section("images")),
        traffic: traffic(&root.section("traffic")),
        restarts: restarts(&root.section("restarts")),
        resources: resources(&root.section("resources")),
        baseline: baseline(&root.section("baseline")),
        exceptions: root.sections("exceptions").iter().map(exception).collect(),
        maintenance: root.sections("maintenance").iter().map(maintenance).collect(),
        alerts: alerts(&root.section("alerts")),
        limits: limits(&root.section("limits")),
        output: output(&root.section("output")),
    }
}

/// A mapping of the document, or the nothing in its place.
#[derive(Clone, Copy)]
struct Section<'d, 'a> {
    document: &'d Document<'a>,
    node: Option<NodeId>,
}

impl<'d, 'a> Section<'d, 'a> {
    fn get(&self, key: &str) -> Option<NodeId> {
        self.document.get(self.node?, key)
    }

    fn section(&self, key: &str) -> Self {
        Self { document: self.document, node: self.get(key) }
    }

    /// The entries of a list.
    fn sections(&self, key: &str) -> Vec<Self> {
        let document = self.document;
        let node = |node| Self { document, node: Some(node) };
        self.get(key).map(|list| document.items(list).map(node).collect()).unwrap_or_default()
    }

    fn text(&self, key: &str) -> Option<&'d str> {
        self.document.text(self.get(key)?)
    }

    /// Reads a value where there is one.
    fn read<T>(&self, key: &str, parse: fn(&str) -> Option<T>, into: &mut T) {
        if let Some(value) = self.text(key).and_then(parse) {
            *into = value;
        }
    }

    /// Reads a list, or its only entry, where there is one.
    fn read_list<T>(&self, key: &str, parse: fn(&str) -> Option<T>, into: &mut Vec<T>) {
        if let Some(list) = self.get(key) {
            let texts = self.document.items(list).filter_map(|entry| self.document.text(entry));
            *into = texts.filter_map(parse).collect();
        }
    }
}

fn owned(text: &str) -> Option<String> {
    Some(text.into())
}

fn images(section: &Section<'_, '_>) -> Images {
    let mut images = Images { rules: image_rules(section), ..Images::default() };
    if images.rules.iter().any(|rule| rule.action == Action::Allow) {
        images.mode = Mode::Enforce;
    }
    section.read("mode", mode, &mut images.mode);
    let tags = section.section("tags");
    tags.read_list("reject", owned, &mut images.reject_tags);
    tags.read("require_digest", scalar::boolean, &mut images.require_digest);
    section.read("lookalikes", scalar::boolean, &mut images.lookalikes);
    section.read("drift", scalar::boolean, &mut images.drift);
    if let Some(pinned) = section.get("pinned") {
        let document = section.document;
        let pin = |(key, value)| Some((scalar::reference(document.text(key)?).ok()?, document.text(value)?.into()));
        images.pinned = document.entries(pinned).filter_map(pin).collect();
    }
    images
}

fn mode(text: &str) -> Option<Mode> {
    match text {
        "enforce" => Some(Mode::Enforce),
        "learn" => Some(Mode::Learn),
        "open" => Some(Mode::Open),
        _ => None,
    }
}

fn image_rules(section: &Section<'_, '_>) -> Vec<ImageRule> {
    let Some(images) = section.node else { return Vec::new() };
    let rule = |(node, action)| image_rule(&Section { document: section.document, node: Some(node) }, action);
    image_rule_nodes(section.document, images).into_iter().filter_map(rule).collect()
}

/// The entries of `allow`, `deny` and `rules` in the order of the file, each with the action that it has if it does
/// not say.
pub(super) fn image_rule_nodes(document: &Document<'_>, images: NodeId) -> Vec<(NodeId, Action)> {
    let mut nodes = Vec::new();
    for (key, list) in document.entries(images) {
        let action = match document.text(key) {
            Some("allow" | "rules") => Action::Allow,
            Some("deny") => Action::Deny,
            _ => continue,
        };
        if !document.is_null(list) {
            nodes.extend(document.items(list).map(|node| (node, action)));
        }
    }
    nodes
}

fn image_rule(entry: &Section<'_, '_>, action: Action) -> Option<ImageRule> {
    let short = entry.node.and_then(|node| entry.document.text(node));
    let pattern = scalar::pattern(short.or_else(|| entry.text("match"))?).ok()?;
    let mut rule = ImageRule { pattern, action, namespaces: Vec::new(), tags: Vec::new(), until: None };
    entry.read_list("namespaces", owned, &mut rule.namespaces);
    entry.read_list("tags", owned, &mut rule.tags);
    entry.read("action", |text| Some(if text == "deny" { Action::Deny } else { Action::Allow }), &mut rule.action);
    rule.until = entry.text("until").and_then(scalar::until);
    Some(rule)
}

fn traffic(section: &Section<'_, '_>) -> Traffic {
    let network = |text: &str| scalar::network(text).ok();
    let mut traffic = Traffic::default();
    section.read_list("internal", network, &mut traffic.internal);
    let allow = section.section("allow");
    allow.read_list("domains", |text| scalar::domain(text, true).ok(), &mut traffic.allow_domains);
    allow.read_list("networks", network, &mut traffic.allow_networks);
    allow.read_list("ports", scalar::port, &mut traffic.allow_ports);
    let threats = section.section("threats");
    threats.read_list("networks", network, &mut traffic.threat_networks);
    threats.read_list("domains", |text| scalar::domain(text, false).ok(), &mut traffic.threat_domains);
    threats.read_list("files", owned, &mut traffic.threat_files);
    let score = |text: &str| scalar::integer(text).and_then(|score| u8::try_from(score).ok());
    section.section("beacon").read("min_score", score, &mut traffic.beacon_min_score);
    traffic
}

fn restarts(section: &Section<'_, '_>) -> Restarts {
    let mut restarts = Restarts::default();
    section.read("min", scalar::integer, &mut restarts.min);
    section.read_list("windows", scalar::duration, &mut restarts.windows);
    restarts
}

fn resources(section: &Section<'_, '_>) -> Resources {
    let mut resources = Resources::default();
    section.read("ratio", scalar::decimal, &mut resources.ratio);
    section.read("for", scalar::duration, &mut resources.seconds);
    resources
}

fn baseline(section: &Section<'_, '_>) -> Baseline {
    let mut baseline = Baseline::default();
    section.read("learn_for", scalar::duration, &mut baseline.learn_for);
    section.read("state", owned, &mut baseline.state);
    baseline
}

fn scope(section: &Section<'_, '_>) -> Where {
    let section = section.section("where");
    let mut scope = Where::default();
    section.read_list("cluster", owned, &mut scope.cluster);
    section.read_list("namespace", owned, &mut scope.namespace);
    section.read_list("kind", owned, &mut scope.kind);
    section.read_list("name", owned, &mut scope.name);
    section.read_list("workload", owned, &mut scope.name);
    section.read_list("image", |text| scalar::pattern(text).ok(), &mut scope.image);
    scope
}

fn excuse(text: &str) -> Option<Excuse> {
    Some(if text == "downgrade" { Excuse::Downgrade } else { Excuse::Suppress })
}

fn exception(section: &Section<'_, '_>) -> Exception {
    let mut exception = Exception {
        name: String::new(),
        scope: scope(section),
        rules: Vec::new(),
        reasons: Vec::new(),
        action: Excuse::Suppress,
        reason: String::new(),
        until: section.text("until").and_then(scalar::until),
    };
    section.read("name", owned, &mut exception.name);
    section.read_list("rules", RuleName::from_name, &mut exception.rules);
    section.read_list("reasons", owned, &mut exception.reasons);
    section.read("action", excuse, &mut exception.action);
    section.read("reason", owned, &mut exception.reason);
    exception
}

fn maintenance(section: &Section<'_, '_>) -> Maintenance {
    let mut days = Vec::new();
    section.read_list("days", scalar::day, &mut days);
    let mut window = Maintenance {
        name: String::new(),
        days: days.iter().fold(0, |days, day| days | 1 << day),
        from: 0,
        to: 86_400,
        offset: 0,
        scope: scope(section),
        rules: Vec::new(),
        action: Excuse::Suppress,
        until: section.text("until").and_then(scalar::until),
    };
    if days.is_empty() {
        window.days = 0b111_1111;
    }
    section.read("name", owned, &mut window.name);
    section.read("from", scalar::clock, &mut window.from);
    section.read("to", scalar::clock, &mut window.to);
    section.read("offset", scalar::offset, &mut window.offset);
    section.read_list("rules", RuleName::from_name, &mut window.rules);
    section.read("action", excuse, &mut window.action);
    window
}

fn alerts(section: &Section<'_, '_>) -> Alerts {
    let mut alerts = Alerts::default();
    section.read("cooldown", scalar::duration, &mut alerts.cooldown);
    section.read("per_hour", scalar::integer, &mut alerts.per_hour);
    alerts
}

fn limits(section: &Section<'_, '_>) -> Limits {
    let mut limits = Limits::default();
    section.read("workloads", scalar::integer, &mut limits.workloads);
    section.read("pairs", scalar::integer, &mut limits.pairs);
    limits
}

fn output(section: &Section<'_, '_>) -> Output {
    let mut output = Output::default();
    section.read("field", owned, &mut output.field);
    section.read("format", format, &mut output.format);
    section.read("enrich", enrich, &mut output.enrich);
    output
}

fn format(text: &str) -> Option<Format> {
    match text {
        "native" => Some(Format::Native),
        "ecs" => Some(Format::Ecs),
        "ocsf" => Some(Format::Ocsf),
        _ => None,
    }
}

fn enrich(text: &str) -> Option<Enrich> {
    match text {
        "findings" => Some(Enrich::Findings),
        "container-events" => Some(Enrich::ContainerEvents),
        "all" => Some(Enrich::All),
        _ => None,
    }
}
