//! The engine: one policy, one state; records go in one by one and come out enriched.

mod clock;
mod memo;
mod state;

use crate::baseline::snapshot::One;
use crate::baseline::{About, Containers, Due, Ended, Episodes, Learning, Readiness, Seed, Taken, id};
use crate::detect::correlated::Correlated;
use crate::detect::image::{Place, UnauthorizedImage};
use crate::detect::resource::Resources;
use crate::detect::restart::Restarts;
use crate::detect::traffic::Traffic;
use crate::detect::{Context, Detection, Scope, State, whom};
use crate::enrich::{self, Verdict};
use crate::image::Reference;
use crate::policy::{Enrich, Excuse, Loaded, Policy};
use crate::record::{Fields, Invalid, Key, Scanner, Shape, Text, splice};
use crate::source::envelope::{self, Line};
use crate::source::{self, Observation, Observations, Reader, Workload, keys};
use crate::time::Time;
use clock::Clock;
use memo::{Again, Answer, Memo, Said};

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is no container event: it came out as it went in, unless the policy says `output.enrich: all`.
    Passed,
    /// A container event without a detection.
    Clean,
    /// A container event with a detection that counts.
    Match,
    /// A container event whose detections are all suppressed.
    Suppressed,
    /// A container event that could not be judged.
    Skipped,
    /// No JSON object: it came out as it went in.
    Invalid(Invalid),
}

/// What suppresses a detection whose episode has alerted lately.
const COOLDOWN: &str = "cooldown";

/// Judges records, one after the other.
///
/// ```
/// use tidewaiter::{Engine, Outcome, policy};
///
/// let policy = policy::load("images: {allow: [registry.corp.example]}").map_err(|problems| problems[0].to_string())?;
/// let mut engine = Engine::new(policy, [1, 2]);
/// let mut out = Vec::new();
///
/// let event = br#"{"Type":"container","Action":"start","Actor":{"ID":"f0","Attributes":{"image":"evil/miner","name":"web"}}}"#;
/// assert_eq!(engine.inspect(event, None, &mut out), Outcome::Match);
///
/// let enriched: serde_json::Value = serde_json::from_slice(&out).unwrap();
/// assert_eq!(enriched["tidewaiter"]["tags"][0], "unauthorized-image");
/// assert_eq!(enriched["tidewaiter"]["detections"][0]["reason"], "registry-not-allowed");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    loaded: Loaded,
    /// The members that sources read, and the one that the enrichment stands under.
    shape: Shape,
    own: Key,
    scanners: Option<Box<[Scanner; 2]>>,
    reader: Reader,
    images: UnauthorizedImage,
    containers: Containers,
    restarts: Restarts,
    resources: Resources,
    traffic: Traffic,
    correlated: Correlated,
    memo: Memo,
    learning: One<Learning>,
    episodes: Episodes,
    /// The enrichment of the last record that was judged.
    written: Vec<u8>,
    clock: Clock,
    /// The time of the last event before a restart, until the first one after it.
    left_at: Option<i64>,
}

/// What the observations of one record come to.
#[derive(Debug, Default)]
struct Judgement<'a> {
    observations: Observations<'a>,
    detections: Vec<Detection>,
    /// The id of the last observation's workload.
    workload: u64,
    /// The observation to show, and in it the image.
    shown: Option<(usize, Option<(Place, usize)>)>,
    error: Option<String>,
    at: Time,
    /// Whether memory has given a workload another name than the record.
    is_renamed: bool,
    /// Whether something was found in an image.
    has_image: bool,
}

impl Engine {
    /// An engine with nothing learned. `seed` keys its hash tables: whoever can foresee it can make them slow, so a
    /// host that has random numbers gives two.
    #[must_use]
    pub fn new(loaded: Loaded, seed: [u64; 2]) -> Self {
        let seed = Seed(seed);
        let (shape, own) = shape(&loaded);
        Self {
            images: UnauthorizedImage::new(&loaded.policy, seed),
            containers: Containers::new(loaded.policy.limits.workloads, seed),
            restarts: Restarts::new(&loaded.policy, seed),
            resources: Resources::new(&loaded.policy, seed),
            traffic: Traffic::new(&loaded.policy, seed),
            correlated: Correlated::new(loaded.policy.limits.workloads, seed),
            episodes: Episodes::new(loaded.policy.limits.workloads, seed),
            memo: Memo::new(seed),
            loaded,
            shape,
            own,
            scanners: None,
            reader: Reader::default(),
            learning: One::default(),
            written: Vec::new(),
            clock: Clock::default(),
            left_at: None,
        }
    }

    /// Goes on with another policy; what was learned stays. Its `limits` hold from the next start on.
    pub fn set_policy(&mut self, loaded: Loaded) {
        (self.shape, self.own) = shape(&loaded);
        self.images.set_policy(&loaded.policy);
        self.restarts.set_policy(&loaded.policy);
        self.traffic.set_policy(&loaded.policy);
        self.memo.clear();
        self.loaded = loaded;
    }

    /// Goes on with the policy there is, and says in every enriched record that a newer one does not parse.
    pub fn keep_policy(&mut self, problem: &str) {
        let id = self.loaded.id.split(' ').next().unwrap_or_default();
        self.loaded.id = format!("{id} (a newer one does not parse: {problem})");
        self.memo.clear();
    }

    /// Takes the text of a file of `traffic.threats.files`, in the place of what the file had before; says what became
    /// of its lines. A policy that no longer names the file forgets it.
    pub fn set_threats(&mut self, name: &str, text: &[u8]) -> Taken {
        let read = self.read_threats(name, |take| {
            text.split(|&byte| byte == b'\n').for_each(take);
            Ok::<_, std::convert::Infallible>(())
        });
        read.unwrap_or_default()
    }

    /// The same with a list that `read` gives line by line: it need not be in memory as a whole.
    ///
    /// # Errors
    /// Those of `read`; the list then stays as it was.
    pub fn read_threats<E>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<Taken, E> {
        self.traffic.threats.read_list(name, read)
    }

    /// Takes records with this number for no JSON, as [`Scanner::refuse`] does.
    pub fn refuse(&mut self, number: &'static [u8]) {
        let [scanner, _] = &mut **self.scanners.get_or_insert_default();
        scanner.refuse(number);
        self.memo.refuse(number);
    }

    /// The id of the policy as the records give it.
    #[must_use]
    pub fn policy_id(&self) -> &str {
        &self.loaded.id
    }

    /// The policy that holds.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.loaded.policy
    }

    /// How many alerts `alerts.per_hour` has suppressed.
    #[must_use]
    pub fn rate_limited(&self) -> u64 {
        self.episodes.overflow()
    }

    /// Judges one record and appends it to `out`, enriched where there is something to say. `time` is the shipper's
    /// time of the record; the record's own counts first.
    ///
    /// Whatever the record is, `out` gets at least its bytes.
    pub fn inspect(&mut self, record: &[u8], time: Option<Time>, out: &mut Vec<u8>) -> Outcome {
        self.clock.trust(time.is_some());
        if let Some(outcome) = self.recall(record, time, out) {
            return outcome;
        }
        // The scanners leave their places, so that what they found can be read while the rest of the engine works.
        let mut scanners = self.scanners.take().unwrap_or_default();
        let [scanner, inner] = &mut *scanners;
        let outcome = match scanner.scan(&self.shape, record) {
            Ok(fields) => self.inspect_fields(&fields, inner, time, out),
            Err(invalid) => {
                out.extend_from_slice(record);
                Outcome::Invalid(invalid)
            }
        };
        self.scanners = Some(scanners);
        outcome
    }

    fn inspect_fields(
        &mut self,
        fields: &Fields<'_, '_>,
        inner: &mut Scanner,
        time: Option<Time>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let time = time.or_else(|| source::time(fields));
        if let Some(observations) = source::observe(fields, &mut self.reader) {
            let judgement = self.judge(observations, time, None, None);
            let outcome = self.answer(fields, &judgement, out);
            self.remember(fields, &judgement, outcome);
            return outcome;
        }
        // A container's log line was observed above: what it says is the application's, not an event.
        if let Some(text) = envelope::open(fields) {
            let (observations, error) = self.read_through(text.as_bytes(), inner);
            if !observations.is_empty() || error.is_some() {
                let judgement = self.judge(observations, time, error, None);
                return self.answer(fields, &judgement, out);
            }
        }
        if self.loaded.policy.output.enrich == Enrich::All {
            let judgement = self.judge(Observations::new(), time, None, None);
            self.answer(fields, &judgement, out);
        } else {
            out.extend_from_slice(fields.record());
        }
        Outcome::Passed
    }

    /// Answers a record that is like one before it. Whatever is not as it was then is left to the full judgement.
    fn recall(&mut self, record: &[u8], time: Option<Time>, out: &mut Vec<u8>) -> Option<Outcome> {
        let (fields, answer) = self.memo.recall(record)?;
        let time = time.or_else(|| source::time(&fields));
        let own = source::own_time(answer.source, &fields);
        if let Some(said) = answer.said.take() {
            let (fields, is_written) = (fields.without_values(), !answer.enrichment.is_empty());
            let outcome = said.again(own).map(|observation| {
                let clean = is_written.then_some(said.workload);
                let judgement = self.judge(vec![observation], time, None, clean);
                let is_clean = judgement.detections.is_empty() && judgement.workload == said.workload;
                self.answer_again(&fields, &judgement, is_clean, out)
            });
            if let Some(answer) = self.memo.last() {
                answer.said = Some(said);
            }
            return outcome;
        }
        let mut clock = self.clock;
        let at = clock.see(own, time);
        let mut learning = *self.learning;
        learning.see(at);
        if answer.again.is_none() && self.episodes.may_have_ended(answer.workload, at) {
            return None;
        }
        let mut outcome = Outcome::Clean;
        let mut count = None;
        if let Some(again) = &answer.again {
            let Again { rule, reason, workload, image, readiness, company, episode, rest } = &**again;
            let policy = &self.loaded.policy;
            if learning.readiness(policy.baseline.learn_for) != *readiness
                || policy.excuse(workload, image.as_ref(), *rule, reason, at).is_some()
                || self.correlated.company(answer.workload, *rule, at.sec).as_ref() != Some(company)
            {
                return None;
            }
            count = Some((self.episodes.again(*episode, at, &policy.alerts)?, rest));
            self.correlated.again(answer.workload, *rule, reason, at.sec);
            outcome = Outcome::Suppressed;
        }
        (self.clock, *self.learning) = (clock, learning);
        if answer.enrichment.is_empty() {
            out.extend_from_slice(record);
            return Some(outcome);
        }
        out.extend_from_slice(record.get(..fields.close())?);
        out.extend_from_slice(&answer.enrichment);
        if let Some((count, rest)) = count {
            enrich::write_count(count, out);
            out.extend_from_slice(rest);
        }
        Some(outcome)
    }

    /// Answers a record that had to be counted. What a clean one gets is remembered.
    fn answer_again(
        &mut self,
        fields: &Fields<'_, '_>,
        judgement: &Judgement<'_>,
        is_clean: bool,
        out: &mut Vec<u8>,
    ) -> Outcome {
        if let Some(answer) = self.memo.last().filter(|answer| is_clean && !answer.enrichment.is_empty()) {
            out.extend_from_slice(fields.record().get(..fields.close()).unwrap_or_default());
            out.extend_from_slice(&answer.enrichment);
            return Outcome::Clean;
        }
        let outcome = self.answer(fields, judgement, out);
        if let Some(answer) = self.memo.last().filter(|_| is_clean) {
            answer.enrichment = memo::end(b",", &self.written, fields);
        }
        outcome
    }

    /// Remembers what a record got, if another like it will get the same.
    fn remember(&mut self, fields: &Fields<'_, '_>, judgement: &Judgement<'_>, outcome: Outcome) {
        let (policy, [observation]) = (&self.loaded.policy, &*judgement.observations) else { return };
        if policy.ends() || !memo::repeats(observation, fields) || !self.memo.wants() {
            return;
        }
        let (source, workload) = (observation.source, judgement.workload);
        let clean = || memo::end(b",", if judgement.detections.is_empty() { &self.written } else { &[] }, fields);
        let answer = match (outcome, &*judgement.detections) {
            _ if !observation.facts.is_empty() => {
                let said = Said::new(observation, judgement.workload);
                if judgement.is_renamed || judgement.has_image || said.is_none() {
                    return;
                }
                Answer { source, workload, enrichment: clean(), again: None, said }
            }
            (Outcome::Clean, []) => Answer { source, workload, enrichment: clean(), again: None, said: None },
            (Outcome::Suppressed, [detection])
                if memo::lasts(detection) && detection.suppressed.as_deref() == Some(COOLDOWN) =>
            {
                let Some(company) = self.correlated.company(workload, detection.rule, judgement.at.sec) else { return };
                let Some(around) = enrich::around_count(policy.output.format, &self.written) else { return };
                let place = judgement.shown.and_then(|(_, image)| image);
                let image = place.and_then(|(place, _)| self.images.judged(place)?.reference().cloned());
                let (rule, reason, workload) = (detection.rule, detection.reason.id, &observation.workload);
                let excused = policy.excuse(workload, image.as_ref(), rule, reason, judgement.at);
                if excused.is_some() {
                    return;
                }
                let again = Again {
                    rule,
                    reason,
                    workload: workload.clone().into_owned(),
                    image,
                    readiness: self.learning.readiness(policy.baseline.learn_for),
                    company,
                    episode: episode(detection, workload),
                    rest: memo::end(b"", around.1, fields),
                };
                let enrichment = [b",", around.0].concat().into();
                Answer { source, workload: judgement.workload, enrichment, again: Some(Box::new(again)), said: None }
            }
            _ => return,
        };
        self.memo.remember(fields, answer);
    }

    /// Reads the events in a text that a record carries, and says what of it was cut.
    fn read_through<'t>(&mut self, text: &'t [u8], inner: &mut Scanner) -> (Observations<'t>, Option<String>) {
        let mut observations = Observations::new();
        let mut cut = 0;
        for line in envelope::lines(text) {
            match line {
                Line::Json(json) => {
                    if let Ok(fields) = inner.scan(&keys::RECORD, json) {
                        observations.extend(source::observe(&fields, &mut self.reader).unwrap_or_default());
                    }
                }
                Line::Text(line) => {
                    observations.extend(source::observe_line(line, &mut self.reader).unwrap_or_default())
                }
                Line::Cut(part) => cut += part.len(),
            }
        }
        let error = (cut > 0).then(|| format!("{cut} bytes of an event that was cut are not judged"));
        (observations, error)
    }

    /// Judges what a record says. Of an observation of the workload `clean` it is known that its images are.
    fn judge<'a>(
        &mut self,
        mut observations: Observations<'a>,
        time: Option<Time>,
        error: Option<String>,
        clean: Option<u64>,
    ) -> Judgement<'a> {
        let mut judgement = Judgement { at: time.unwrap_or(self.clock.now()), error, ..Judgement::default() };
        for (index, observation) in observations.iter_mut().enumerate() {
            let at = self.clock.see(observation.time, time);
            if index == 0 {
                judgement.at = at;
            }
            self.see(at);
            let (container, is_renamed) = self.containers.identify(observation, at.sec);
            judgement.is_renamed |= is_renamed;
            self.traffic.addresses.identify(observation, at.sec);
            let policy = &self.loaded.policy;
            let readiness = self.learning.readiness(policy.baseline.learn_for);
            let before = judgement.detections.len();
            let context = Context { policy, at, readiness, workload: observation.workload.id() };
            judgement.workload = context.workload;
            let is_clean = clean == Some(context.workload);
            let mut image = None;
            if !is_clean {
                image = self.images.judge(observation, context, &mut judgement.detections);
                judgement.has_image |= judgement.detections.len() > before;
                if !observation.images.is_empty() {
                    self.resources.see_images(observation, context);
                }
            }
            if !observation.facts.is_empty() && !self.clock.is_doubted() {
                self.restarts.judge(observation, container, context, &mut judgement.detections);
                self.resources.judge(observation, context, &mut judgement.detections);
                let is_suspect = self.correlated.is_suspect(context.workload, at.sec);
                let others = judgement.detections.len();
                self.traffic.judge(observation, context, is_suspect, &mut judgement.detections);
                // A destination that stands out is news for whoever looks at the use of resources, as an image is.
                if judgement.detections.len() > others {
                    self.resources.note_novelty(context.workload, at);
                }
            }
            if judgement.detections.len() > before {
                self.correlated.see(&observation.workload, context, before, &mut judgement.detections);
            }
            let found = judgement.detections.len() > before;
            let may_end = self.episodes.may_have_ended(context.workload, at);
            // Clean or not, the image is shown where something else is found.
            if is_clean && (found || may_end) {
                image = self.images.judge(observation, context, &mut judgement.detections);
            }
            if judgement.shown.is_none() || (found && before == 0) {
                judgement.shown = Some((index, image));
            }
            if found {
                for detection in judgement.detections.iter_mut().skip(before) {
                    // Its own image; where it is about none, the one that is shown.
                    let own = detection.image.and_then(|index| observation.images.get(index));
                    let place = match own {
                        Some(image) => Some(self.images.look_up(image.reference.as_bytes(), &self.loaded.policy)),
                        None => image.map(|(place, _)| place),
                    };
                    let reference = place.and_then(|place| self.images.judged(place)?.reference());
                    settle(detection, observation, reference, context, &self.loaded, &mut self.episodes);
                }
            }
            if may_end {
                let ended = self.episodes.end(context.workload, at, &self.loaded.policy.alerts).into_iter();
                judgement.detections.extend(ended.map(|ended| closed(ended, observation, readiness)));
            }
        }
        judgement.observations = observations;
        judgement
    }

    /// Writes the record with the verdict.
    fn answer(&mut self, fields: &Fields<'_, '_>, judgement: &Judgement<'_>, out: &mut Vec<u8>) -> Outcome {
        let detections = &judgement.detections;
        let (outcome, name) = if judgement.observations.is_empty() && judgement.error.is_some() {
            (Outcome::Skipped, "skipped")
        } else if detections.iter().any(Detection::counts) {
            (Outcome::Match, "match")
        } else if detections.iter().all(|detection| detection.episode.state == State::Closed) {
            (Outcome::Clean, "clean")
        } else {
            (Outcome::Suppressed, "suppressed")
        };
        let output = &self.loaded.policy.output;
        self.written.clear();
        if output.enrich == Enrich::Findings && detections.is_empty() {
            out.extend_from_slice(fields.record());
            return outcome;
        }
        let shown = judgement.shown.and_then(|(index, image)| Some((judgement.observations.get(index)?, image)));
        let image = shown.and_then(|(subject, image)| {
            let (place, index) = image?;
            let digest = subject.images.get(index).and_then(|image| image.digest.as_ref());
            Some((self.images.judged(place)?, digest))
        });
        let verdict = Verdict {
            name,
            subject: shown.map(|(subject, _)| subject),
            image,
            detections,
            policy: &self.loaded.id,
            error: judgement.error.as_deref(),
            at: judgement.at,
        };
        enrich::write(output.format, output.field.as_bytes(), &verdict, &mut self.written);
        let member = |out: &mut Vec<u8>| out.extend_from_slice(&self.written);
        splice(fields.record(), fields.close(), fields.members(self.own), member, out);
        outcome
    }
}

/// The shape of a record under a policy.
fn shape(loaded: &Loaded) -> (Shape, Key) {
    let own = format!("/{}", loaded.policy.output.field.replace('~', "~0").replace('/', "~1"));
    let pointers: Vec<&str> = keys::RECORD_KEYS.iter().copied().chain([&*own]).collect();
    let mut shape = Shape::new(&pointers);
    let own = Key(keys::RECORD_KEYS.len() as u16);
    shape.keep_all(own);
    memo::PASSING.into_iter().for_each(|key| shape.pass(key));
    (shape, own)
}

/// The id of what a detection's episode is about.
fn episode(detection: &Detection, workload: &Workload<'_>) -> u64 {
    let none = Text::default();
    let (namespace, kind, name) = match detection.scope {
        Scope::Workload => (&workload.namespace, &workload.kind, &workload.name),
        Scope::Namespace => (&workload.namespace, &none, &none),
        Scope::Cluster => (&none, &none, &none),
    };
    id(&[
        detection.rule.as_str().as_bytes(),
        detection.reason.id.as_bytes(),
        workload.cluster.as_bytes(),
        namespace.as_bytes(),
        kind.as_bytes(),
        name.as_bytes(),
        detection.entity.as_bytes(),
    ])
}

/// The detection that tells the end of an episode.
fn closed(ended: Ended, observation: &Observation<'_>, readiness: Readiness) -> Detection {
    let Ended { about: About { rule, reason }, episode, last } = ended;
    let last = Time::from_sec(last).to_string();
    let message =
        format!("{}: {} is over; it was seen {} times", whom(&observation.workload), reason.id, episode.count);
    let mut detection = Detection::new(rule, reason, message).with("last_seen", last);
    (detection.episode, detection.baseline) = (episode, readiness);
    detection
}

/// Decides whether a detection counts: excuses first, then its episode.
fn settle(
    detection: &mut Detection,
    observation: &Observation<'_>,
    image: Option<&Reference>,
    context: Context<'_>,
    loaded: &Loaded,
    episodes: &mut Episodes,
) {
    let (workload, at) = (&observation.workload, context.at);
    let excused = loaded.policy.excuse(workload, image, detection.rule, detection.reason.id, at);
    if let Some(excused) = &excused
        && excused.action == Excuse::Downgrade
    {
        detection.evidence.push(("severity_before", detection.severity.as_str().into()));
        detection.evidence.push(("downgraded_by", excused.cause.clone().into()));
        detection.severity = detection.severity.downgraded();
    }
    let suppresses = |excused: &crate::policy::Excused| excused.action == Excuse::Suppress;
    if let Some(excused) = excused.filter(suppresses) {
        detection.suppressed = Some(excused.cause.into());
    }
    let subject = episode(detection, workload);
    let about = About { rule: detection.rule, reason: detection.reason };
    let whose = (context.workload, about);
    let (episode, due) = episodes.see(subject, whose, at, &loaded.policy.alerts, detection.suppressed.is_some());
    detection.episode = episode;
    if detection.suppressed.is_none() {
        detection.suppressed = match due {
            Due::Now => None,
            Due::Cooldown => Some(COOLDOWN.into()),
            Due::RateLimit => Some("rate-limit".into()),
        };
    }
}
