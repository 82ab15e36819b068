//! `tidewaiter.yaml`: what the user allows, expects and excuses. Every default is in `types.rs`, everything that a file
//! may contain in `schema.rs`.

mod check;
mod decode;
pub(crate) mod document;
mod excuse;
#[cfg(not(target_family = "wasm"))]
mod json_schema;
mod letters;
mod lint;
pub(crate) mod scalar;
mod schema;
mod types;

pub use excuse::Excused;
#[cfg(not(target_family = "wasm"))]
pub use json_schema::json_schema;
pub use types::*;

use sha2::{Digest, Sha256};

use crate::time::Time;
use document::Document;

/// A policy with the id that records give it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// `default`, or `sha256:` and the first 16 hexadecimal digits of the SHA-256 of the file.
    pub id: String,
    /// What is allowed but hardly meant.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// The policy that holds without a file.
    #[must_use]
    pub fn builtin() -> Self {
        Self { policy: Policy::default(), id: "default".into(), warnings: Vec::new() }
    }
}

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// How many characters are meant; at least 1.
    pub length: usize,
    /// What is wrong, with the offending value.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// Reads a policy: YAML, and so JSON too. An empty file is a policy that leaves everything at its default.
///
/// ```
/// use tidewaiter::policy::load;
///
/// let loaded = load("images: {allow: [ghcr.io/acme/**]}").map_err(|problems| problems[0].to_string())?;
/// assert_eq!(loaded.policy.images.rules.len(), 1);
///
/// let problems = load("images:\n  alow: [ghcr.io/acme/**]").unwrap_err();
/// assert_eq!(problems[0].to_string(), r#"line 2, column 3: unknown key "alow" in images (did you mean "allow"?)"#);
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// All that is wrong with it, in the order of the file: the first 1,000 problems, or the one for which it is no YAML.
pub fn load(text: &str) -> Result<Loaded, Vec<Problem>> {
    let document = checked(text, None)?;
    let policy = decode::policy(&document);
    // Whoever writes the policy reads warnings, not the shipper: the guests go without.
    let mut warnings = if cfg!(target_family = "wasm") { Vec::new() } else { lint::warnings(&document, &policy) };
    document::settle(text, &mut warnings);
    Ok(Loaded { policy, id: id(text), warnings })
}

/// The places at which a policy has an `until` that is over at a time. None for a text that is no policy.
#[must_use]
pub fn expired(text: &str, now: Time) -> Vec<Problem> {
    match load(text) {
        Ok(_) => checked(text, Some(now)).err().unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// The document of a policy that has no problems. With a time, an `until` that is over is one.
fn checked(text: &str, now: Option<Time>) -> Result<Document<'_>, Vec<Problem>> {
    let (document, mut problems) = match Document::read(text) {
        Ok(document) => {
            let problems = check::problems(&document, now);
            (document, problems)
        }
        Err(problem) => (Document::default(), vec![problem]),
    };
    if problems.is_empty() {
        return Ok(document);
    }
    document::settle(text, &mut problems);
    Err(problems)
}

/// The id of a policy by its text.
fn id(text: &str) -> String {
    let mut id = String::from("sha256:");
    for byte in Sha256::digest(text.as_bytes()).iter().take(8) {
        for digit in [byte >> 4, byte & 15] {
            id.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::Pattern;

    const SAMPLE: &str = r#"version: 1
images:
  mode: enforce                 # unlisted is unauthorised
  allow:
    - registry.corp.example     # a whole registry
    - docker.io/library/*       # one component
    - ghcr.io/acme/**           # any depth
    - nginx                     # docker.io/library/nginx, any tag
    - quay.io/acme/app:v3       # this tag only
  deny: ["**/xmrig*"]
  rules:
    - {match: quay.io/acme/tools, namespaces: [ci-*], tags: ["v*"], action: allow, until: 2027-01-31}
  tags: {reject: [latest], require_digest: false}
  pinned: {"docker.io/library/nginx:1.25": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
  lookalikes: true
  drift: true
traffic:
  internal: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fd00::/8]
  allow: {domains: ["*.corp.example"], networks: [203.0.113.0/24], ports: [123/udp]}
  threats: {networks: [], domains: [], files: [c2.txt]}
  beacon: {min_score: 75}
restarts: {min: 3, windows: [10m, 1h, 6h]}
resources: {ratio: 2.0, for: 5m}
baseline: {learn_for: 7d, state: state}
exceptions:
  - {name: dev namespaces, where: {namespace: ["dev-*", "preview-*"]}, rules: [unauthorized-image], action: downgrade, reason: rapid deployment, until: 2027-06-30}
maintenance:
  - {name: sunday patching, days: [sun], from: "02:00", to: "04:00", offset: "+00:00", rules: [restart-spike, anomalous-traffic]}
alerts: {cooldown: 1h, per_hour: 100}
limits: {workloads: 16384, pairs: 131072}
output: {field: tidewaiter, format: native, enrich: container-events}
"#;

    fn rule(pattern: &str, action: Action) -> ImageRule {
        let pattern = Pattern::parse(pattern).unwrap();
        ImageRule { pattern, action, namespaces: Vec::new(), tags: Vec::new(), until: None }
    }

    fn time(text: &str) -> Option<Time> {
        Some(Time::parse(text.as_bytes()).unwrap())
    }

    fn sample() -> Policy {
        let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let tools = ImageRule {
            namespaces: vec!["ci-*".into()],
            tags: vec!["v*".into()],
            until: time("2027-02-01"),
            ..rule("quay.io/acme/tools", Action::Allow)
        };
        Policy {
            images: Images {
                mode: Mode::Enforce,
                rules: vec![
                    rule("registry.corp.example", Action::Allow),
                    rule("docker.io/library/*", Action::Allow),
                    rule("ghcr.io/acme/**", Action::Allow),
                    rule("nginx", Action::Allow),
                    rule("quay.io/acme/app:v3", Action::Allow),
                    rule("**/xmrig*", Action::Deny),
                    tools,
                ],
                reject_tags: vec!["latest".into()],
                pinned: vec![("docker.io/library/nginx:1.25".into(), digest.into())],
                ..Images::default()
            },
            traffic: Traffic {
                allow_domains: vec!["*.corp.example".into()],
                allow_networks: vec!["203.0.113.0/24".into()],
                allow_ports: vec!["123/udp".into()],
                threat_files: vec!["c2.txt".into()],
                ..Traffic::default()
            },
            exceptions: vec![Exception {
                name: "dev namespaces".into(),
                scope: Where { namespace: vec!["dev-*".into(), "preview-*".into()], ..Where::default() },
                rules: vec![RuleName::UnauthorizedImage],
                reasons: Vec::new(),
                action: Excuse::Downgrade,
                reason: "rapid deployment".into(),
                until: time("2027-07-01"),
            }],
            maintenance: vec![Maintenance {
                name: "sunday patching".into(),
                days: 0b100_0000,
                from: 7200,
                to: 14_400,
                offset: 0,
                scope: Where::default(),
                rules: vec![RuleName::RestartSpike, RuleName::AnomalousTraffic],
                action: Excuse::Suppress,
                until: None,
            }],
            ..Policy::default()
        }
    }

    #[test]
    fn loads_all_there_is() {
        let loaded = load(SAMPLE).unwrap();
        assert_eq!(loaded.policy, sample());
        assert_eq!(loaded.warnings, []);
        assert!(loaded.id.starts_with("sha256:") && loaded.id.len() == 23, "{}", loaded.id);
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let loaded = load("").unwrap();
        assert_eq!(loaded.policy, Policy::default());
        assert_eq!(loaded.id, "sha256:e3b0c44298fc1c14");
    }

    #[rstest::rstest]
    #[case::comments("# nothing yet\n")]
    #[case::start("---\n")]
    #[case::null("null")]
    #[case::json("{}")]
    #[case::empty_sections("images:\ntraffic: ~\nexceptions: null\noutput: {}")]
    #[case::empty_lists("images: {allow: [], deny: }")]
    fn nothing_said_is_the_default(#[case] text: &str) {
        assert_eq!(load(text).unwrap().policy, Policy::default());
    }

    #[rstest::rstest]
    #[case::nothing("images: {deny: [nginx]}", Mode::Learn)]
    #[case::allow("images: {allow: nginx}", Mode::Enforce)]
    #[case::rule("images: {rules: [{match: nginx}]}", Mode::Enforce)]
    #[case::deny_rule("images: {rules: [{match: nginx, action: deny}]}", Mode::Learn)]
    #[case::given("images: {mode: learn, allow: nginx}", Mode::Learn)]
    fn the_mode_follows_the_rules(#[case] text: &str, #[case] mode: Mode) {
        assert_eq!(load(text).unwrap().policy.images.mode, mode);
    }

    #[test]
    fn entries_of_allow_and_deny_may_be_long() {
        let text =
            "images:\n  deny: [{match: b, until: 2027-01-01T00:00:00Z}]\n  allow:\n  - {match: a, tags: v1}\n  - c";
        let deny = ImageRule { until: time("2027-01-01"), ..rule("b", Action::Deny) };
        let allow = ImageRule { tags: vec!["v1".into()], ..rule("a", Action::Allow) };
        assert_eq!(load(text).unwrap().policy.images.rules, [deny, allow, rule("c", Action::Allow)]);
    }

    #[test]
    fn json_is_a_policy() {
        let text = r#"{"images":{"allow":["nginx"],"lookalikes":false},"alerts":{"cooldown":60,"per_hour":5}}"#;
        let policy = load(text).unwrap().policy;
        assert_eq!(policy.images.rules, [rule("nginx", Action::Allow)]);
        assert!(!policy.images.lookalikes);
        assert_eq!(policy.alerts, Alerts { cooldown: 60, per_hour: 5 });
    }

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let text = "exceptions:\n- {name: a, where: &dev {namespace: dev}}\n- {name: b, where: *dev}";
        let exceptions = load(text).unwrap().policy.exceptions;
        assert_eq!(exceptions[0].scope, exceptions[1].scope);
        assert_eq!(exceptions[1].scope.namespace, ["dev"]);
    }

    #[rstest::rstest]
    #[case("2027-01-31T23:59:59Z", &[])]
    #[case("2027-02-01T00:00:00Z", &[(12, 91)])]
    #[case("2027-07-01T00:00:00Z", &[(12, 91), (26, 153)])]
    fn tells_what_is_over(#[case] now: &str, #[case] expected: &[(usize, usize)]) {
        let found = expired(SAMPLE, time(now).unwrap());
        assert_eq!(found.iter().map(|found| (found.line, found.column)).collect::<Vec<_>>(), expected);
        assert!(found.iter().all(|found| found.message.ends_with("is over") && found.length == 10));
    }

    #[test]
    fn nothing_is_over_in_what_is_no_policy() {
        assert_eq!(expired("exceptions: [{until: 2020-01-01}]", time("2026-01-01").unwrap()), []);
    }

    /// Whether all problems lie inside the text.
    fn lie_inside(text: &str, problems: &[Problem]) -> bool {
        let lines: Vec<_> = text.strip_prefix('\u{feff}').unwrap_or(text).split('\n').collect();
        problems.iter().all(|problem| {
            let whole = lines.len() + text.matches('\r').count();
            (1..=whole).contains(&problem.line) && problem.column >= 1 && problem.length >= 1
        })
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            if let Err(problems) = load(&text) {
                prop_assert!(lie_inside(&text, &problems), "{:?}", problems);
            }
        }

        #[test]
        fn any_yaml_is_read(text in "([a-z]{1,3}|images|allow|: |- |\\[|\\]|\\{|\\}|, |\n|  |&a |\\*a|'|\"|#|\\||>|!|%|\t|\\?|~|\r|1|é){0,40}") {
            if let Err(problems) = load(&text) {
                prop_assert!(lie_inside(&text, &problems), "{:?}", problems);
            }
        }

        #[test]
        fn a_changed_policy_is_read(changes in prop::collection::vec((0..SAMPLE.len(), 0..8_usize, "[ -~\n\té]{0,4}"), 1..5)) {
            let mut text = SAMPLE.to_owned();
            for (at, length, new) in changes {
                let start = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap();
                let end = (start + length..).find(|&at| text.is_char_boundary(at) || at >= text.len()).unwrap();
                text.replace_range(start..end.min(text.len()), &new);
            }
            match load(&text) {
                Ok(loaded) => prop_assert!(lie_inside(&text, &loaded.warnings)),
                Err(problems) => {
                    prop_assert!(!problems.is_empty());
                    prop_assert!(lie_inside(&text, &problems), "{:?}", problems);
                }
            }
        }
    }
}
