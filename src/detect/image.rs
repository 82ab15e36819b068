//! `unauthorized-image`: images from where nobody authorised, and images that pretend to be authorised ones.
//!
//! What depends on the reference alone is worked out once for each text that records spell (parsing, the rules that
//! fit, the JSON that goes out) and remembered; the rest is a few comparisons. The threat is that of registry
//! typosquatting (Liu et al., *Exploring the Unchartered Space of Container Registry Typosquatting*, USENIX Security
//! 2022) and of tags that move under their users.

use std::cmp::Reverse;

use super::{Context, Detection, Reason, Severity, whom};
use crate::baseline::{Digests, Names, Readiness, Seed, Table, Worth, id};
use crate::image::{Fit, Known, Lookalike, Reference, ReferenceError};
use crate::policy::{Action, ImageRule, Mode, Policy, RuleName};
use crate::record::{quote, same};
use crate::source::{Digest, Image, Observation, Source};
use crate::time::Time;

/// The reasons, as `tidewaiter explain unauthorized-image` lists them.
pub mod reasons {
    use crate::detect::reasons;

    reasons! {
        /// A deny rule.
        DENIED = "denied", High, 95, [BOTNET, DEPLOY_CONTAINER, MALICIOUS_IMAGE],
            "The policy denies the image.";
        /// A name that imitates an authorised one.
        LOOKALIKE = "lookalike", High, 90, [BOTNET, MASQUERADING, MALICIOUS_IMAGE],
            "The name imitates an authorised one, or a well-known one.";
        /// A registry that no allow rule names.
        REGISTRY = "registry-not-allowed", High, 90, [BOTNET, DEPLOY_CONTAINER],
            "The registry is in no allow rule.";
        /// A repository that no allow rule names.
        REPOSITORY = "repository-not-allowed", High, 80, [BOTNET, DEPLOY_CONTAINER],
            "The registry is known to the policy, but this repository is in no allow rule.";
        /// A reference that is none.
        UNPARSEABLE = "unparseable", Medium, 60, [BOTNET, DEPLOY_CONTAINER],
            "The text is no image reference, so it cannot be said where the image is from.";
        /// A tag that the policy does not want.
        TAG = "tag-rejected", Medium, 50, [BOTNET, DEPLOY_CONTAINER],
            "The policy does not accept this tag.";
        /// No digest where the policy asks for one.
        DIGEST_REQUIRED = "digest-required", Medium, 45, [BOTNET, DEPLOY_CONTAINER],
            "The policy asks for images to be named by digest.";
        /// Not the digest that the policy pins.
        DIGEST_MISMATCH = "digest-mismatch", High, 95, [BOTNET, IMPLANT_IMAGE],
            "The digest is not the one that the policy pins for this tag.";
        /// A tag that moved.
        DRIFT = "digest-drift", High, 80, [BOTNET, IMPLANT_IMAGE],
            "The tag now stands for another image; low where the tag is one that is meant to move.";
        /// Never seen while learning.
        FIRST_SEEN = "first-seen", High, 70, [BOTNET, DEPLOY_CONTAINER],
            "The registry, or the repository in a known registry (medium), was never seen while learning.";
    }
}

/// How much a tag that is meant to move (`latest`, `stable`, `1.25`) counts when it does.
const MOVING_TAG_SCORE: u8 = 25;
/// How much a new repository in a known registry counts.
const NEW_REPOSITORY_SCORE: u8 = 50;

/// The rule with what it remembers.
#[derive(Debug)]
pub struct UnauthorizedImage {
    seed: Seed,
    known: Known,
    texts: Table<Judged>,
    /// Counts judgements, to tell which texts were used lately.
    clock: i64,
    pub(crate) digests: Digests,
    pub(crate) names: Names,
}

/// What is known of one text that records spell as an image.
#[derive(Debug)]
pub struct Judged {
    text: Box<[u8]>,
    used: i64,
    reference: Result<Named, ReferenceError>,
}

/// A reference with what the policy says of it whatever the workload.
#[derive(Debug)]
struct Named {
    reference: Reference,
    /// The JSON that goes out, but for the digest between the two.
    json: (Vec<u8>, Vec<u8>),
    /// The rules that fit, by their place in the policy: the most specific first, deny before allow.
    rules: Vec<u32>,
    /// The most specific rule that fits the name but not the tag or digest.
    near: Option<u32>,
    /// Whether an allow rule names the registry.
    registry_named: bool,
    /// Whom it imitates; asked for when no rule allows it.
    lookalike: Option<Option<Lookalike>>,
    /// The rejected tag's glob.
    rejected: Option<String>,
    /// The digest that the policy pins.
    pinned: Option<String>,
    /// The hash of the registry, of the name and of the name with its tag.
    registry_key: u64,
    name_key: u64,
    tag_key: u64,
}

impl Worth for Judged {
    fn worth(&self) -> i64 {
        self.used
    }
}

/// The names that a policy allows.
fn known(policy: &Policy) -> Known {
    let mut known = Known::default();
    for rule in policy.images.rules.iter().filter(|rule| rule.action == Action::Allow) {
        known.add_pattern(&rule.pattern);
    }
    known
}

/// Of how many images it is remembered how they were judged. A workload has few, and many have the same.
fn texts(policy: &Policy) -> u32 {
    policy.limits.workloads.min(4096)
}

/// The place of a judged text, for [`UnauthorizedImage::judged`].
pub type Place = u32;

impl UnauthorizedImage {
    /// The rule for a policy, with nothing seen.
    #[must_use]
    pub fn new(policy: &Policy, seed: Seed) -> Self {
        Self {
            seed,
            known: known(policy),
            texts: Table::new(texts(policy), seed),
            clock: 0,
            digests: Digests::new(policy.limits.workloads, seed),
            names: Names::new(policy.limits.workloads, seed),
        }
    }

    /// Judges by another policy from now on; digests and names that were seen stay.
    pub fn set_policy(&mut self, policy: &Policy) {
        self.known = known(policy);
        // The old one goes first: the memory of both would never be given back.
        self.texts = Table::new(0, self.seed);
        self.texts = Table::new(texts(policy), self.seed);
    }

    /// What is known of the text at a place.
    #[must_use]
    pub fn judged(&self, place: Place) -> Option<&Judged> {
        self.texts.at(place)
    }

    /// Judges every image of an observation, and gives the place of the one to show: the first with a detection, else
    /// the first.
    pub fn judge(
        &mut self,
        observation: &Observation<'_>,
        context: Context<'_>,
        found: &mut Vec<Detection>,
    ) -> Option<(Place, usize)> {
        let begin = found.len();
        let mut shown = None;
        let mut shown_is_offender = false;
        for (index, image) in observation.images.iter().enumerate() {
            let place = self.look_up(image.reference.as_bytes(), context.policy);
            let before = found.len();
            self.judge_image(place, image, observation, context, found);
            let offends = found.len() > before;
            found.iter_mut().skip(before).for_each(|detection| detection.image = Some(index));
            if shown.is_none() || (offends && !shown_is_offender) {
                shown = Some((place, index));
                shown_is_offender = offends;
            }
        }
        for detection in found.iter_mut().skip(begin) {
            detection.baseline = context.readiness;
        }
        shown
    }

    /// The place of a text, which is read where it is not known.
    pub fn look_up(&mut self, text: &[u8], policy: &Policy) -> Place {
        self.clock += 1;
        let key = id(&[text]);
        if let Some(place) = self.texts.find(key)
            && let Some(judged) = self.texts.at_mut(place)
            && same(&judged.text, text)
        {
            judged.used = self.clock;
            return place;
        }
        let reference = Reference::parse(text).map(|reference| Named::new(reference, policy));
        self.texts.put(key, Judged { text: text.into(), used: self.clock, reference })
    }

    fn judge_image(
        &mut self,
        place: Place,
        image: &Image<'_>,
        observation: &Observation<'_>,
        context: Context<'_>,
        found: &mut Vec<Detection>,
    ) {
        let Some(judged) = self.texts.at_mut(place) else { return };
        let images = &context.policy.images;
        let named = match &mut judged.reference {
            Ok(named) => named,
            Err(_) if images.mode == Mode::Open => return,
            Err(error) => {
                let text = String::from_utf8_lossy(&judged.text).into_owned();
                let message = format!("{} {text:?}, which is no image reference: {error}", who(observation));
                let mut detection = detection(&reasons::UNPARSEABLE, message, image, text.clone());
                detection.evidence.push(("reference", text.into()));
                found.push(detection);
                return;
            }
        };
        let decision = named.decide(&images.rules, observation, context.at);
        let allowed = decision.is_some_and(|rule| rule.action == Action::Allow);
        let denied = decision.is_some_and(|rule| rule.action == Action::Deny);
        if allowed || (!denied && images.mode == Mode::Open && !images.lookalikes) {
            named.judge_tag(images.require_digest, decision, image, observation, found);
        } else if let (true, Some(rule)) = (denied, decision) {
            let name = named.reference.canonical();
            let message = format!("{} {name}; the policy denies {}", who(observation), rule.pattern);
            let mut detection = named.detection(&reasons::DENIED, message, image);
            detection.evidence.push(("rule", rule.pattern.to_string().into()));
            found.push(detection);
        } else {
            let known = &self.known;
            let lookalike = named
                .lookalike
                .get_or_insert_with(|| if images.lookalikes { known.imitated_by(&named.reference) } else { None });
            if let Some(lookalike) = lookalike {
                let (technique, imitates) = (lookalike.technique, lookalike.imitates.clone());
                let name = named.reference.canonical();
                let message = format!("{} {name}, a name that imitates {imitates} ({technique})", who(observation));
                let mut detection = named.detection(&reasons::LOOKALIKE, message, image);
                detection.evidence.push(("imitates", imitates.into()));
                detection.evidence.push(("technique", technique.into()));
                found.push(detection);
            } else {
                match images.mode {
                    Mode::Enforce => named.unlisted(&images.rules, image, observation, found),
                    Mode::Open => named.judge_tag(images.require_digest, None, image, observation, found),
                    Mode::Learn => {
                        named.learn(&mut self.names, image, observation, context.readiness, found);
                        named.judge_tag(images.require_digest, None, image, observation, found);
                    }
                }
            }
        }
        named.judge_digest(&mut self.digests, image, observation, context, found);
    }
}

impl Judged {
    /// The reference, when the text is one.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref().ok().map(|named| &named.reference)
    }

    /// Writes the image as JSON, with the digest that was observed where the reference has none.
    pub fn write_json(&self, observed: Option<&Digest<'_>>, out: &mut Vec<u8>) {
        match &self.reference {
            Ok(named) => {
                out.extend_from_slice(&named.json.0);
                match (&named.reference.digest, observed) {
                    (Some(digest), _) => quote(digest.as_bytes(), out),
                    (None, Some(Digest::Manifest(digest))) => quote(digest.as_bytes(), out),
                    (None, _) => out.extend_from_slice(b"null"),
                }
                out.extend_from_slice(&named.json.1);
            }
            Err(_) => {
                out.extend_from_slice(
                    br#"{"registry":null,"repository":null,"tag":null,"digest":null,"canonical":null,"#,
                );
                out.extend_from_slice(br#""reference":"#);
                quote(&self.text, out);
                out.push(b'}');
            }
        }
    }
}

impl Named {
    fn new(reference: Reference, policy: &Policy) -> Self {
        let images = &policy.images;
        let mut rules: Vec<u32> = Vec::new();
        let mut near: Option<u32> = None;
        let order = |place: &u32| {
            let rule = images.rules.get(*place as usize);
            let conditions =
                rule.map(|rule| usize::from(!rule.namespaces.is_empty()) + usize::from(!rule.tags.is_empty()));
            Reverse((
                rule.map(|rule| rule.pattern.specificity()),
                conditions,
                rule.map(|rule| rule.action == Action::Deny),
            ))
        };
        for (rule, place) in images.rules.iter().zip(0..) {
            match rule.pattern.fit(&reference) {
                Fit::Yes if tag_fits(&rule.tags, &reference) => {
                    rules.insert(rules.partition_point(|other| order(other) <= order(&place)), place);
                }
                Fit::No => {}
                _ if rule.action == Action::Allow && near.is_none_or(|near| order(&place) < order(&near)) => {
                    near = Some(place);
                }
                _ => {}
            }
        }
        let names = |rule: &ImageRule| rule.action == Action::Allow && rule.pattern.names_registry(&reference.registry);
        let tag = reference.tag.as_deref().unwrap_or_default();
        let rejected =
            images.reject_tags.iter().find(|glob| reference.digest.is_none() && fast_glob::glob_match(glob, tag));
        let name = reference.name();
        let pinned = images.pinned.iter().find(|(key, _)| {
            key.strip_prefix(&*name).and_then(|rest| rest.strip_prefix(':')).is_some_and(|key_tag| key_tag == tag)
        });
        let hash = |parts: &[&str]| id(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
        Self {
            json: json(&reference),
            rules,
            near,
            registry_named: images.rules.iter().any(names),
            lookalike: None,
            rejected: rejected.cloned(),
            pinned: pinned.map(|(_, digest)| digest.clone()),
            registry_key: hash(&[&reference.registry]),
            name_key: hash(&[&name]),
            tag_key: hash(&[&name, tag]),
            reference,
        }
    }

    /// The rule that decides: the first of those that fit which holds in the namespace and at the time.
    fn decide<'r>(&self, rules: &'r [ImageRule], observation: &Observation<'_>, at: Time) -> Option<&'r ImageRule> {
        let mut fitting = self.rules.iter().filter_map(|place| rules.get(*place as usize));
        fitting.find(|rule| {
            let namespace = observation.workload.namespace.as_bytes();
            let holds = |glob: &String| fast_glob::glob_match(glob.as_bytes(), namespace);
            (rule.namespaces.is_empty() || rule.namespaces.iter().any(holds))
                && rule.until.is_none_or(|until| at < until)
        })
    }

    fn detection(&self, reason: &'static Reason, message: String, image: &Image<'_>) -> Detection {
        let mut detection = detection(reason, message, image, self.reference.canonical());
        detection.evidence.push(("image", self.reference.canonical().into()));
        detection.evidence.push(("registry", self.reference.registry.clone().into()));
        detection
    }

    /// Nothing allows the image: says what comes nearest.
    fn unlisted(
        &self,
        rules: &[ImageRule],
        image: &Image<'_>,
        observation: &Observation<'_>,
        found: &mut Vec<Detection>,
    ) {
        let who = who(observation);
        let reference = &self.reference;
        let name = reference.canonical();
        if let Some(near) = self.near.and_then(|place| rules.get(place as usize)) {
            let (reason, what) = match &reference.digest {
                Some(_) if near.pattern.has_digest() => (&reasons::DIGEST_MISMATCH, "another digest"),
                None if near.pattern.has_digest() => (&reasons::DIGEST_REQUIRED, "a digest"),
                _ => (&reasons::TAG, "other tags"),
            };
            let message = format!("{who} {name}; the policy allows {what} of it ({})", near.pattern);
            let mut detection = self.detection(reason, message, image);
            detection.evidence.push(("rule", near.pattern.to_string().into()));
            found.push(detection);
        } else if self.registry_named {
            let message = format!("{who} {name}; {} is in no allow rule", reference.name());
            let mut detection = self.detection(&reasons::REPOSITORY, message, image);
            detection.evidence.push(("repository", reference.repository.clone().into()));
            found.push(detection);
        } else {
            let message = format!("{who} {name}; {} is in no allow rule", reference.registry);
            found.push(self.detection(&reasons::REGISTRY, message, image));
        }
    }

    /// Judges the tag of an image that may run. A rule that names the tag itself has accepted it.
    fn judge_tag(
        &self,
        require_digest: bool,
        decision: Option<&ImageRule>,
        image: &Image<'_>,
        observation: &Observation<'_>,
        found: &mut Vec<Detection>,
    ) {
        let accepted =
            decision.is_some_and(|rule| rule.pattern.has_tag() || rule.pattern.has_digest() || !rule.tags.is_empty());
        if let (Some(glob), false) = (&self.rejected, accepted) {
            let tag = self.reference.tag.as_deref().unwrap_or_default();
            let implicit = if self.reference.implicit_tag { ", which is what no tag means" } else { "" };
            let name = self.reference.canonical();
            let message = format!("{} {name}; the policy rejects the tag {tag}{implicit}", who(observation));
            let mut detection = self.detection(&reasons::TAG, message, image);
            detection.evidence.push(("tag", tag.into()));
            detection.evidence.push(("rule", glob.clone().into()));
            found.push(detection);
        }
        if require_digest && self.reference.digest.is_none() {
            let message = format!("{} {} without a digest", who(observation), self.reference.canonical());
            found.push(self.detection(&reasons::DIGEST_REQUIRED, message, image));
        }
    }

    /// Learns the name, or finds that it was never learned.
    fn learn(
        &self,
        names: &mut Names,
        image: &Image<'_>,
        observation: &Observation<'_>,
        readiness: Readiness,
        found: &mut Vec<Detection>,
    ) {
        if readiness == Readiness::Learning {
            names.learn(self.registry_key);
            names.learn(self.name_key);
            return;
        }
        if names.has(self.name_key) {
            return;
        }
        let (who, name) = (who(observation), self.reference.canonical());
        let new_registry = !names.has(self.registry_key);
        let what = if new_registry { &self.reference.registry } else { &self.reference.repository };
        let message = format!("{who} {name}; {what} was never seen while learning");
        let mut detection = self.detection(&reasons::FIRST_SEEN, message, image);
        if !new_registry {
            detection.severity = Severity::Medium;
            detection.score = NEW_REPOSITORY_SCORE;
        }
        detection.evidence.push(("first", if new_registry { "registry" } else { "repository" }.into()));
        found.push(detection);
    }

    /// Compares the digests with what the policy pins, and with what the tag had before.
    fn judge_digest(
        &self,
        digests: &mut Digests,
        image: &Image<'_>,
        observation: &Observation<'_>,
        context: Context<'_>,
        found: &mut Vec<Detection>,
    ) {
        // Each field is compared with itself alone: an index, a manifest and a configuration have unlike digests.
        let own = self.reference.digest.as_deref().map(|digest| (0, digest.as_bytes()));
        let observed = image.digest.as_ref().map(|digest| match digest {
            Digest::Manifest(digest) => (1, digest.as_bytes()),
            Digest::ImageId(digest) => (2, digest.as_bytes()),
        });
        for (field, digest) in own.into_iter().chain(observed) {
            if let (Some(pinned), 0 | 1) = (&self.pinned, field)
                && pinned.as_bytes() != digest
            {
                let observed = String::from_utf8_lossy(digest).into_owned();
                let message =
                    format!("{} {} as {observed}, not as {pinned}", who(observation), self.reference.canonical());
                let mut detection = self.detection(&reasons::DIGEST_MISMATCH, message, image);
                detection.evidence.push(("expected", pinned.clone().into()));
                detection.evidence.push(("observed", observed.into()));
                found.push(detection);
                continue;
            }
            if !context.policy.images.drift || self.reference.implicit_tag && field == 0 || self.reference.tag.is_none()
            {
                continue;
            }
            let key = self.tag_key ^ id(&[&[field, source_code(observation.source)]]);
            if let Some(drift) = digests.see(key, id(&[digest]), context.at) {
                let observed = String::from_utf8_lossy(digest).into_owned();
                let tag = self.reference.tag.as_deref().unwrap_or_default();
                let fixed = looks_immutable(tag);
                let kind = if fixed { "a tag that should not move" } else { "a moving tag" };
                let name = format!("{}:{tag}", self.reference.name());
                let message = format!("{} {name}, {kind}, which now is {observed}", who(observation));
                let mut detection = self.detection(&reasons::DRIFT, message, image);
                if !fixed {
                    detection.severity = Severity::Low;
                    detection.score = MOVING_TAG_SCORE;
                }
                detection.entity = format!("{name}@{observed}");
                detection.evidence.push(("observed", observed.into()));
                detection.evidence.push(("digests_before", f64::from(drift.before).into()));
                found.push(detection);
            }
        }
    }
}

fn detection(reason: &'static Reason, message: String, image: &Image<'_>, entity: String) -> Detection {
    let mut detection = Detection::new(RuleName::UnauthorizedImage, reason, message);
    detection.entity = entity;
    if let Some(container) = &image.container {
        detection.evidence.push(("container", container.to_str().into_owned().into()));
    }
    detection
}

/// The beginning of a message: who does what.
fn who(observation: &Observation<'_>) -> String {
    let verb = if observation.kind.starts_with("image.") { "pulls" } else { "runs" };
    format!("{} {verb}", whom(&observation.workload))
}

fn tag_fits(globs: &[String], reference: &Reference) -> bool {
    let tag = reference.tag.as_deref().unwrap_or_default();
    globs.is_empty() || globs.iter().any(|glob| fast_glob::glob_match(glob, tag))
}

/// Sources spell digests in ways of their own, so that each has a memory of its own.
fn source_code(source: Source) -> u8 {
    source as u8
}

/// Whether a tag says by its look that it is to stay: a full version, a commit, a date.
fn looks_immutable(tag: &str) -> bool {
    let tag = tag.as_bytes();
    let start = tag.iter().take_while(|byte| **byte == b'v').count();
    let version =
        tag.get(start..).unwrap_or_default().split(|byte| matches!(byte, b'-' | b'+')).next().unwrap_or_default();
    let is_number = |part: &&[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let numbers = version.split(|byte| *byte == b'.').filter(is_number).count();
    let is_hex = |part: &&[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let parts = tag.split(|byte| matches!(byte, b'-' | b'_' | b'.'));
    let longest_hex = parts.filter(is_hex).map(<[u8]>::len).max();
    // Seven digits are git's short commit; eight are a date.
    numbers >= 3 || longest_hex >= Some(7)
}

/// The JSON of an image, before and after its digest.
fn json(reference: &Reference) -> (Vec<u8>, Vec<u8>) {
    let mut head = Vec::new();
    head.extend_from_slice(br#"{"registry":"#);
    quote(reference.registry.as_bytes(), &mut head);
    head.extend_from_slice(br#","repository":"#);
    quote(reference.repository.as_bytes(), &mut head);
    head.extend_from_slice(br#","tag":"#);
    match &reference.tag {
        Some(tag) => quote(tag.as_bytes(), &mut head),
        None => head.extend_from_slice(b"null"),
    }
    head.extend_from_slice(br#","digest":"#);
    let mut tail = br#","canonical":"#.to_vec();
    quote(reference.canonical().as_bytes(), &mut tail);
    tail.push(b'}');
    (head, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("1.25.3", true)]
    #[case("v2.10.0-alpine", true)]
    #[case("4f1c2ab", true)]
    #[case("main-4f1c2ab9", true)]
    #[case("20261124", true)]
    #[case("1.25", false)]
    #[case("latest", false)]
    #[case("3", false)]
    #[case("stable", false)]
    fn immutable_looking_tags(#[case] tag: &str, #[case] expected: bool) {
        assert_eq!(looks_immutable(tag), expected);
    }
}
