//! What records got, so that their like need not be judged again.
//!
//! Most records of a container are alike but for their times: events of the same container, lines of the same log. What
//! such a record gets depends on the members that its source reads, on the policy and, for a detection that goes on, on
//! its episode alone.

use crate::baseline::{Readiness, Seed};
use crate::detect::Detection;
use crate::detect::correlated::Company;
use crate::detect::image::reasons;
use crate::image::Reference;
use crate::policy::RuleName;
use crate::record::{Fields, Key, Known, Text};
use crate::source::{Fact, Image, Observation, Source, Workload, keys};
use crate::time::Time;

/// What a record got.
#[derive(Debug)]
pub struct Answer {
    /// Where the record is from: its time is read by that.
    pub source: Source,
    /// The id of the workload: one whose episode may have ended is judged.
    pub workload: u64,
    /// What a clean record ends with, as [`end`] gives it; of a detection that goes on, what of that stands before the
    /// count.
    pub enrichment: Box<[u8]>,
    /// The detection, where there is one.
    pub again: Option<Box<Again>>,
    /// What the record says, where that has to be counted each time.
    pub said: Option<Box<Said>>,
}

/// What a record ends with from its last brace on when something is written there; nothing when nothing is. The end of
/// a record is the same in all that are like it. One that has an answer has members, and none of its own name: this is
/// what `splice` would do.
pub fn end(comma: &[u8], written: &[u8], fields: &Fields<'_, '_>) -> Box<[u8]> {
    if written.is_empty() {
        return Box::default();
    }
    [comma, written, fields.record().get(fields.close()..).unwrap_or_default()].concat().into()
}

/// A detection that goes on: what has to be as it was, and what stands behind the count.
#[derive(Debug)]
pub struct Again {
    pub rule: RuleName,
    pub reason: &'static str,
    pub workload: Workload<'static>,
    pub image: Option<Reference>,
    pub readiness: Readiness,
    /// What other rules have found with it.
    pub company: Company,
    /// The key of its episode.
    pub episode: u64,
    pub rest: Box<[u8]>,
}

/// What a record says, in whose image nothing was found. To scan, read and judge the image of another one like it would
/// take ten times as long as to count what it says.
#[derive(Debug)]
pub struct Said {
    pub observation: Observation<'static>,
    /// The id of the workload that it was judged for.
    pub workload: u64,
}

impl Said {
    /// None when the observation says what is not counted, or more than is kept here.
    pub fn new(observation: &Observation<'_>, workload: u64) -> Option<Box<Self>> {
        let observation = with_texts(observation, |text| text.clone().into_owned())?;
        Some(Box::new(Self { observation, workload }))
    }

    /// The same, said again.
    pub fn again(&self, time: Option<Time>) -> Option<Observation<'_>> {
        let observation = with_texts(&self.observation, |text| Text::from(text.as_bytes()))?;
        Some(Observation { time, ..observation })
    }
}

/// An observation with other texts in place of its own; none when it has digests, or facts with texts.
fn with_texts<'o, 'r>(observation: &'o Observation<'_>, text: fn(&'o Text<'_>) -> Text<'r>) -> Option<Observation<'r>> {
    let Workload { cluster, namespace, kind, name } = &observation.workload;
    let [cluster, namespace, kind, name] = [cluster, namespace, kind, name].map(text);
    let mut other = Observation::new(observation.source, observation.kind, Workload { cluster, namespace, kind, name });
    other.container = observation.container.as_ref().map(text);
    for Image { reference, digest, container } in &observation.images {
        if digest.is_some() {
            return None;
        }
        let container = container.as_ref().map(text);
        other.images.push(Image { container, ..Image::new(text(reference)) });
    }
    for fact in &observation.facts {
        other.facts.push(match fact {
            Fact::Started => Fact::Started,
            Fact::Stopped => Fact::Stopped,
            Fact::Exited { code } => Fact::Exited { code: *code },
            Fact::OutOfMemory => Fact::OutOfMemory,
            _ => return None,
        });
    }
    Some(other)
}

/// Answers, by the records that got them.
#[derive(Debug)]
pub struct Memo {
    known: Known<Answer>,
    /// How many records were known since all was forgotten last.
    hits: usize,
    /// Of how many records that are not known one is remembered.
    every: u32,
    misses: u32,
}

/// What [`Memo::every`] is where records hardly repeat themselves: to remember one costs a third of judging it.
const SELDOM: u32 = 32;

impl Memo {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let [seed, _] = seed.0;
        Self { known: Known::new(seed), hits: 0, every: 1, misses: 0 }
    }

    /// Recalls no record with this number, as [`Scanner::refuse`](crate::record::Scanner::refuse).
    pub fn refuse(&mut self, number: &'static [u8]) {
        self.known.refuse(number);
    }

    /// Forgets all: the policy is another.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// What a record like this one got. Of its fields those that [pass](PASSING) are there.
    pub fn recall<'a>(&mut self, record: &'a [u8]) -> Option<(Fields<'a, '_>, &mut Answer)> {
        let (fields, answer) = self.known.find(record)?;
        self.hits += 1;
        Some((fields, answer))
    }

    /// The answer of the record that was recalled last.
    pub fn last(&mut self) -> Option<&mut Answer> {
        self.known.last()
    }

    /// Whether a record that is not known should be remembered. It makes room for it.
    pub fn wants(&mut self) -> bool {
        if self.known.is_full() {
            self.every = if self.hits < self.known.len() * 2 { SELDOM } else { 1 };
            self.hits = 0;
            self.known.clear();
        }
        self.misses = self.misses.wrapping_add(1);
        self.misses.is_multiple_of(self.every)
    }

    /// Remembers what a record got.
    pub fn remember(&mut self, fields: &Fields<'_, '_>, answer: Answer) {
        self.known.put(fields, answer);
    }
}

/// Whether another record with the same members would be the same observation and, but for its facts, change nothing
/// that is learned: its source reads no times but as times, and nothing inside arrays.
pub fn repeats(observation: &Observation<'_>, fields: &Fields<'_, '_>) -> bool {
    match observation.source {
        // Without its type an event is told by the type of its time.
        Source::Docker => fields.has(keys::DOCKER_TYPE),
        Source::ContainerLog => true,
        _ => false,
    }
}

/// Whether judging the same image again would find the same: not so where the finding itself is learned from.
pub fn lasts(detection: &Detection) -> bool {
    ![reasons::DRIFT.id, reasons::FIRST_SEEN.id].contains(&detection.reason.id)
}

/// The members that are new in every record and say nothing about whose container it is: times, and what a container
/// has logged.
pub const PASSING: [Key; 7] =
    [keys::LOG, keys::MESSAGE, keys::TIME, keys::TIMESTAMP, keys::AT_TIMESTAMP, keys::TS, keys::DOCKER_TIME_NANO];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::policy::load;
    use crate::time::Time;
    use crate::{Engine, Outcome};

    const POLICIES: [&str; 5] = [
        "images: {mode: enforce, allow: [good.example]}",
        "images: {mode: learn, deny: [bad.example], tags: {reject: [latest]}}\nbaseline: {learn_for: 1h}",
        "images: {allow: [good.example]}\nalerts: {cooldown: 10m, per_hour: 2}\noutput: {enrich: findings}",
        "images: {allow: [good.example]}\n\
         exceptions: [{name: x, where: {namespace: shop}, action: suppress, reason: r, until: 2026-01-02}]\n\
         maintenance: [{name: m, days: [thu], from: '00:20', to: '00:40'}]",
        "images: {allow: [good.example]}\noutput: {format: ocsf, field: a}",
    ];

    /// A record of one of a few containers, at a second of 2026-01-01 and two hours more.
    fn record(kind: u8, container: u8, second: i64) -> String {
        let image = ["good.example/web:1", "bad.example/web:1", "good.example/web:latest"][usize::from(container % 3)];
        let (time, project) = (1_767_225_600 + second * 60, ["shop", "media"][usize::from(container / 3 % 2)]);
        let digest = second % 2;
        match kind {
            0 | 1 | 6 | 7 => format!(
                r#"{{"Type":"container","Action":"{}","Actor":{{"ID":"{container:012x}","Attributes":{{"image":"{image}","name":"n{container}","com.docker.compose.project":"{project}","com.docker.compose.service":"s","exitCode":"1","execID":"{second}"}}}},"time":{time},"timeNano":{time}000000000}}"#,
                ["exec_start: sh", "die", "", "", "", "", "start", "kill"][usize::from(kind)],
            ),
            2 => format!(r#"{{"status":"start","id":"{container:012x}","from":"{image}","time":{time}}}"#),
            3 => format!(
                r#"{{"time":"x","log":"line {second}\n","kubernetes":{{"pod_name":"p{container}","namespace_name":"{project}","container_image":"{image}","container_hash":"{image}@sha256:{digest}"}}}}"#
            ),
            4 => format!(
                r#"{{"ts":{time},"log":"{second}","kubernetes":{{"pod_name":"p{container}","container_image":"{image}"}}}}"#
            ),
            _ => format!(r#"{{"status":"start","id":"f{container}","from":"{image}","time":"soon {second}"}}"#),
        }
    }

    proptest! {
        #[test]
        fn memory_changes_nothing(
            policy in prop::sample::select(&POLICIES[..]),
            records in prop::collection::vec((0..8_u8, 0..6_u8, 0..180_i64, any::<bool>()), 1..120),
        ) {
            let engine = || Engine::new(load(policy).unwrap(), [1, 2]);
            let (mut with, mut without) = (engine(), engine());
            let (mut answer, mut expected) = (Vec::new(), Vec::new());
            for (kind, container, second, has_time) in records {
                let record = record(kind, container, second);
                let time = has_time.then(|| Time::from_sec(1_767_225_600 + second * 60));
                without.memo.clear();
                let outcomes = [with.inspect(record.as_bytes(), time, &mut answer), without.inspect(record.as_bytes(), time, &mut expected)];
                prop_assert_eq!(outcomes[0], outcomes[1]);
                prop_assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(&expected));
                answer.clear();
                expected.clear();
            }
        }
    }

    #[test]
    fn what_repeats_itself_is_remembered() {
        let mut engine = Engine::new(load(POLICIES[0]).unwrap(), [1, 2]);
        let mut out = Vec::new();
        let mut outcomes = Vec::new();
        for second in 0..4 {
            for container in 0..2 {
                outcomes.push(engine.inspect(record(0, container, second).as_bytes(), None, &mut out));
            }
        }
        assert_eq!(outcomes[..2], [Outcome::Clean, Outcome::Match]);
        assert!(outcomes[2..].chunks(2).all(|pair| pair == [Outcome::Clean, Outcome::Suppressed]));
        assert_eq!(engine.memo.hits, 3 + 2);
    }

    #[test]
    fn what_is_counted_is_remembered() {
        let mut engine = Engine::new(load(POLICIES[0]).unwrap(), [1, 2]);
        let (mut out, mut counted) = (Vec::new(), Vec::new());
        for second in 0..4 {
            out.clear();
            engine.inspect(record(1, 0, second).as_bytes(), None, &mut out);
            counted.push(String::from_utf8_lossy(&out).contains("restart-rate"));
        }
        assert_eq!(engine.memo.hits, 3);
        assert_eq!(counted, [false, false, true, true]);
    }

    #[test]
    fn what_does_not_repeat_itself_is_hardly_remembered() {
        let mut engine = Engine::new(load(POLICIES[0]).unwrap(), [1, 2]);
        let mut out = Vec::new();
        for name in 0..20_000 {
            out.clear();
            let record =
                format!(r#"{{"time":0,"kubernetes":{{"pod_name":"{name:08}","container_image":"good.example/a"}}}}"#);
            engine.inspect(record.as_bytes(), None, &mut out);
        }
        assert_eq!(engine.memo.every, super::SELDOM);
    }
}
