//! `restart-spike`, the part about restarts: a workload restarts more often than it is used to.
//!
//! A count alone is no signal: the alerts of kubernetes-mixin that fired on any restart were taken back one after the
//! other ([#348], [#414], [#617]). A restart counts here against the workload's own rate, in several windows with one
//! threshold; where the kubelet says that it waits (`CrashLoopBackOff`), how long it has is what matters, as in today's
//! `KubePodCrashLooping`. Rollouts, jobs that complete and stops that somebody asked for are no restarts, and a node
//! that goes away takes everything on it along.
//!
//! [#348]: https://github.com/kubernetes-monitoring/kubernetes-mixin/issues/348
//! [#414]: https://github.com/kubernetes-monitoring/kubernetes-mixin/issues/414
//! [#617]: https://github.com/kubernetes-monitoring/kubernetes-mixin/issues/617

use std::borrow::Cow;
use std::cell::LazyCell;

use super::{Context, Detection, Severity, whom};
use crate::baseline::{
    Container, Excess, HOUR, Readiness, RestartMemory, Seed, Series, Together, View, id, restarts_in,
};
use crate::policy::{Policy, RuleName};
use crate::source::{Fact, Observation, Source, Workload};
use crate::time::{DAY, Time};

/// The reasons, as `tidewaiter explain restart-spike` lists them.
pub mod reasons {
    use crate::detect::reasons;

    reasons! {
        /// More restarts than usual, in one of the policy's windows.
        RATE = "restart-rate", Medium, 60, [BOTNET, DENIAL_OF_SERVICE],
            "The workload restarts more often than it is used to.";
        /// A container that does not come up.
        CRASH_LOOP = "crash-loop", Medium, 50, [BOTNET, DENIAL_OF_SERVICE],
            "The kubelet has been waiting before each restart for a quarter of an hour or longer.";
        /// Kills for want of memory, one after the other.
        OUT_OF_MEMORY = "oom", Medium, 55, [BOTNET, COMPUTE_HIJACKING],
            "The kernel kills processes of the workload for want of memory, again and again.";
        /// Many workloads at a time.
        MASS = "mass-restart", High, 80, [BOTNET, DENIAL_OF_SERVICE],
            "Several workloads of a namespace restart at a time, and nobody is changing them; low where it is a node.";
        /// A little more often than usual, for days.
        SLOW = "slow-restarts", Low, 40, [BOTNET, DENIAL_OF_SERVICE],
            "The workload has restarted more often than usual for days, too slowly for any window.";
    }
}

/// An excess that is less likely than this is a detection; the probability is that of one look at one window. Of 240
/// simulated workloads with up to five restarts a day, at most 3 had one in 53 days.
const UNLIKELY: f64 = 2.5e-5;

/// The same while somebody changes the workload.
const UNLIKELY_ROLLOUT: f64 = 1e-8;

/// For how long a change of a workload, or of a node, explains restarts, in seconds.
const CHANGING: i64 = 1800;

/// A container that ends so many seconds after somebody asked for it was asked to.
const ASKED: i64 = 15;

/// Two sources that tell the end of a container within so many seconds tell the same one.
const SAME_END: i64 = 30;

/// A container that ended well and starts within so many seconds has restarted.
const STARTS_AGAIN: i64 = 600;

/// For how long the kubelet has to wait again and again, in seconds, as in `KubePodCrashLooping`.
const CRASH_LOOP: i64 = 900;

/// In how many seconds workloads restart together.
const TOGETHER: i64 = 600;

/// Workloads in so many namespaces that restart together are a node's, or a cluster's.
const NAMESPACES_OF_A_NODE: usize = 5;

/// What is older than this, in seconds, is taken to be as old as this.
const LONGEST_AGO: i64 = 366 * DAY;

/// A counter beyond this is no counter of restarts.
const ABSURD: u64 = 1_000_000;

/// The rule with what it remembers.
#[derive(Debug)]
pub struct Restarts {
    pub(crate) memory: RestartMemory,
    windows: Vec<u32>,
    /// The namespaces with restarts, all clusters together.
    namespaces: Option<Together>,
    /// The node that was changed last, and until when that explains restarts.
    node: Option<(String, i64)>,
}

/// What the facts of one observation come to.
#[derive(Default)]
struct Told {
    /// Restarts that nobody has told before.
    restarts: u32,
    /// Since when the kubelet waits, if it does.
    waiting_since: Option<i64>,
    /// Kills for want of memory, and the seconds in which they were, when they are too many.
    kills: Option<(u32, i64)>,
}

impl Restarts {
    /// The rule for a policy, with nothing seen.
    #[must_use]
    pub fn new(policy: &Policy, seed: Seed) -> Self {
        Self {
            memory: RestartMemory::new(policy.limits.workloads, seed),
            windows: policy.restarts.windows.clone(),
            namespaces: None,
            node: None,
        }
    }

    /// Judges by another policy from now on; what was learned stays, and is counted in its windows as they begin anew.
    pub fn set_policy(&mut self, policy: &Policy) {
        self.windows.clone_from(&policy.restarts.windows);
    }

    /// Counts what an observation says of restarts, and judges it. `container` is what is known of its container.
    pub fn judge(
        &mut self,
        observation: &Observation<'_>,
        container: Option<&mut Container>,
        context: Context<'_>,
        found: &mut Vec<Detection>,
    ) {
        let told = self.count(observation, container, context);
        if told.restarts == 0 && told.waiting_since.is_none() && told.kills.is_none() {
            return;
        }
        let workload = &observation.workload;
        let who = LazyCell::new(|| whom(workload));
        let at = context.at.sec;
        let cause = self.node.as_ref().filter(|(_, until)| at <= *until).map(|(name, _)| format!("node: {name}"));
        let Some(series) = self.memory.workload(context.workload, workload, &self.windows, at) else { return };
        let changing = at <= series.changing_until;
        let readiness = readiness(series, context);
        let begin = found.len();

        if told.restarts > 0 {
            let threshold = if changing { UNLIKELY_ROLLOUT } else { UNLIKELY };
            let min = context.policy.restarts.min;
            let rollout = || changing.then(|| series.restarts.excess(at, min, UNLIKELY)).flatten();
            if let Some(excess) = series.restarts.excess(at, min, threshold) {
                found.push(rate(&who, excess));
                series.restarts.alarm(at);
            } else if let Some(excess) = rollout() {
                found.push(suppressed(rate(&who, excess), "rollout"));
            } else if let Some(excess) = series.restarts.slow(at).filter(|_| !changing) {
                found.push(slow(&who, excess));
            }
        }
        if let Some(since) = told.waiting_since.filter(|since| at - since >= CRASH_LOOP) {
            let minutes = (at - since) / 60;
            let message = format!("{} has been crash-looping for {minutes} minutes", *who);
            let detection = detection(&reasons::CRASH_LOOP, message);
            found.push(detection.with("since", Time::from_sec(since).to_string()).with("seconds", (at - since) as f64));
        }
        if let Some((kills, seconds)) = told.kills {
            let message = format!("{} ran out of memory {kills} times within {}", *who, span(seconds));
            let detection = detection(&reasons::OUT_OF_MEMORY, message);
            found.push(detection.with("observed", f64::from(kills)).with("window_seconds", seconds as f64));
        }
        if told.restarts > 0 && !changing && !is_job(workload) {
            self.judge_together(workload, context, found);
        }
        for detection in found.iter_mut().skip(begin) {
            detection.baseline = readiness;
            let explained = detection.scope == super::Scope::Workload && detection.suppressed.is_none();
            if let (Some(cause), true) = (&cause, explained) {
                detection.suppressed = Some(Cow::Owned(cause.clone()));
            }
        }
    }

    /// Notes what the facts say, and gives what is to be judged of it.
    fn count(
        &mut self,
        observation: &Observation<'_>,
        mut container: Option<&mut Container>,
        context: Context<'_>,
    ) -> Told {
        let at = context.at.sec;
        let mut told = Told::default();
        let (memory, windows, workload) = (&mut self.memory, &self.windows, &observation.workload);
        let past = |time: Option<Time>| time.map(|time| time.sec.clamp(at - LONGEST_AGO, at));
        for fact in &observation.facts {
            match fact {
                Fact::Usage(_) | Fact::Flow(_) | Fact::Lookup(_) => {}
                Fact::NodeChange { node } => {
                    self.node = Some((node.to_str().into_owned(), at.saturating_add(CHANGING)))
                }
                Fact::Stopped => {
                    // Docker tells these when the container has ended, a restart even when it runs again; that somebody
                    // has asked for its end it tells before, as a kill.
                    let is_over =
                        matches!(observation.kind, "container.stop" | "container.restart" | "container.destroy");
                    if observation.source == Source::Docker && is_over {
                        if let Some(series) = memory.workloads.get_mut(context.workload) {
                            series.completed = None;
                        }
                    } else if let Some(container) = &mut container {
                        container.stopped = Some(at);
                    }
                }
                Fact::Rollout => {
                    if let Some(series) = memory.workload(context.workload, workload, windows, at) {
                        series.changing_until = at.saturating_add(CHANGING);
                    }
                }
                Fact::Started => {
                    if memory.workloads.get(context.workload).is_none_or(|series| series.completed.is_none()) {
                        continue;
                    }
                    let Some(series) = memory.workloads.get_mut(context.workload) else { continue };
                    let completed = series.completed.take();
                    if completed.is_some_and(|completed| (0..=STARTS_AGAIN).contains(&(at - completed))) {
                        told.restarts += series.tell(View::Runtime, 1, at, at);
                    }
                }
                Fact::Exited { code } => {
                    let within = |time: Option<i64>, seconds| time.is_some_and(|time| (at - time).abs() <= seconds);
                    if let Some(container) = &mut container {
                        let teller = observation.source as u8;
                        let other = container.ended.filter(|(_, other)| *other != teller).map(|(time, _)| time);
                        // Where a stream is delivered at least once, the same end comes again; it is told by its second.
                        let is_repeated = observation.time.is_some() && container.ended == Some((at, teller));
                        if is_repeated || within(other, SAME_END) {
                            continue;
                        }
                        container.ended = Some((at, teller));
                        if within(container.stopped, ASKED) {
                            continue;
                        }
                    }
                    if is_job(&observation.workload) {
                        continue;
                    }
                    let Some(series) = memory.workload(context.workload, workload, windows, at) else { continue };
                    if code.is_none_or(|code| code == 0) {
                        series.completed = Some(at);
                    } else {
                        told.restarts += series.tell(View::Runtime, 1, at, at);
                    }
                }
                Fact::OutOfMemory => {
                    if let Some(series) = memory.workload(context.workload, workload, windows, at) {
                        told.kills = series.kill(at).or(told.kills);
                    }
                }
                Fact::Restarts { pod, container, count, out_of_memory } => {
                    let parts = [&context.workload.to_le_bytes()[..], pod.as_bytes(), container.as_bytes()];
                    let Some(counter) = memory.counter(&parts, at) else { continue };
                    let from = counter.at.min(at);
                    let more = count.filter(|count| *count < ABSURD).map_or(0, |count| {
                        // A first count is a sum since nobody knows when; and nothing restarts more than once a second.
                        let known = counter.count.replace(count as u32).map_or(count, u64::from);
                        counter.at = counter.at.max(at);
                        plausible(count.saturating_sub(known) as u32, from, at)
                    });
                    // The series for the cause comes before the one for the count, or behind it.
                    let was = counter.out_of_memory;
                    counter.out_of_memory = out_of_memory.or(was);
                    let kills = counter.out_of_memory == Some(true) && (more > 0 || was == Some(false));
                    if more == 0 && !kills {
                        continue;
                    }
                    let Some(series) = memory.workload(context.workload, workload, windows, at) else { continue };
                    told.restarts += series.tell(View::Counter, more, from, at);
                    if kills {
                        told.kills = series.kill(at).or(told.kills);
                    }
                }
                Fact::Starts { event, count, since } => {
                    let parts = [b"starts".as_slice(), event.as_bytes()];
                    let Some(counter) = memory.counter(&parts, at) else { continue };
                    let from = if counter.count.is_some() { counter.at } else { past(*since).unwrap_or(at) };
                    // The first start is no restart.
                    let known = counter.count.unwrap_or(1);
                    counter.count = Some(known.max(*count));
                    counter.at = counter.at.max(at);
                    let more = count.saturating_sub(known);
                    let Some(series) = memory.workload(context.workload, workload, windows, at) else { continue };
                    told.restarts += series.tell(View::Started, plausible(more, from, at), from.min(at), at);
                }
                Fact::BackOff { event, since } => {
                    let more = event.as_ref().map_or(Some((0, at)), |(event, count)| {
                        let counter = memory.counter(&[b"back-off", event.as_bytes()], at)?;
                        let first = past(*since).unwrap_or(at).min(counter.at);
                        // The Event is sent many times while the kubelet waits once.
                        let restarts = (1 + restarts_in(at.saturating_sub(first))).min(*count);
                        let from = if counter.count.is_some() { counter.at } else { first };
                        let known = counter.count.unwrap_or(0);
                        counter.count = Some(known.max(restarts));
                        counter.at = counter.at.max(at);
                        let more = restarts.saturating_sub(known);
                        Some((more, from.min(at)))
                    });
                    let Some((more, from)) = more else { continue };
                    let Some(series) = memory.workload(context.workload, workload, windows, at) else { continue };
                    told.restarts += series.tell(View::BackOff, more, from, at);
                    let waiting = series.wait(past(*since), at);
                    told.waiting_since = Some(told.waiting_since.map_or(waiting, |known| known.min(waiting)));
                }
            }
        }
        told
    }

    /// Judges whether several workloads restart together: those of a namespace, or those of a node.
    fn judge_together(&mut self, workload: &Workload<'_>, context: Context<'_>, found: &mut Vec<Detection>) {
        let at = context.at.sec;
        let namespace = id(&[workload.cluster.as_bytes(), workload.namespace.as_bytes()]);
        let namespaces = self.namespaces.get_or_insert_with(|| Together::new(TOGETHER as u32, at));
        let disturbed = namespaces.add(namespace, at, TOGETHER);
        let Some(together) = self.memory.namespace(namespace, TOGETHER as u32, at) else { return };
        let members = together.add(context.workload, at, TOGETHER);
        let node = self.node.as_ref().filter(|(_, until)| at <= *until);
        // One crash beside a change of a node is no more than one crash.
        let is_several = members > 1 || disturbed > 1;
        if disturbed >= NAMESPACES_OF_A_NODE || node.is_some() && is_several {
            let node = node.map_or("-", |(name, _)| name);
            let of = if disturbed == 1 { "a namespace".to_owned() } else { format!("{disturbed} namespaces") };
            let message =
                format!("workloads of {of} restart within {}, as when a node is drained or boots", span(TOGETHER));
            let mut detection = detection(&reasons::MASS, message);
            detection.severity = Severity::Low;
            detection.score = NODE_SCORE;
            detection.scope = super::Scope::Cluster;
            detection.entity = node.to_owned();
            found.push(detection.with("namespaces", disturbed as f64).with("node", node.to_owned()));
            return;
        }
        let min = context.policy.restarts.min.max(3);
        let Some(excess) = together.restarts.excess(at, min, UNLIKELY).filter(|_| members >= min as usize) else {
            return;
        };
        together.restarts.alarm(at);
        let of = if workload.namespace == "-" { String::new() } else { format!(" of {}", workload.namespace) };
        let message = format!("{members} workloads{of} restart within {}; {}", span(TOGETHER), usual(excess));
        let mut detection = measured(&reasons::MASS, message, excess);
        detection.scope = super::Scope::Namespace;
        found.push(detection.with("workloads", members as f64));
    }
}

/// How much a node that goes away counts.
const NODE_SCORE: u8 = 30;

/// A job is meant to end, and a failed one is tried again.
fn is_job(workload: &Workload<'_>) -> bool {
    workload.kind == "Job" || workload.kind == "CronJob"
}

/// No container starts more than once a second.
fn plausible(count: u32, from: i64, at: i64) -> u32 {
    count.min(u32::try_from(at.saturating_sub(from).max(0)).unwrap_or(u32::MAX).saturating_add(1))
}

/// Whether the workload has been known for as long as the policy wants to learn.
fn readiness(series: &Series, context: Context<'_>) -> Readiness {
    let known = context.at.sec.saturating_sub(series.restarts.first);
    match context.readiness {
        _ if known < i64::from(context.policy.baseline.learn_for) => Readiness::Learning,
        Readiness::Learning => Readiness::Ready,
        readiness => readiness,
    }
}

fn detection(reason: &'static super::Reason, message: String) -> Detection {
    Detection::new(RuleName::RestartSpike, reason, message)
}

fn suppressed(mut detection: Detection, cause: &'static str) -> Detection {
    detection.suppressed = Some(Cow::Borrowed(cause));
    detection
}

fn measured(reason: &'static super::Reason, message: String, excess: Excess) -> Detection {
    with_excess(detection(reason, message), excess)
}

/// Adds what is more than usual to the evidence.
pub(super) fn with_excess(detection: Detection, excess: Excess) -> Detection {
    detection
        .with("observed", f64::from(excess.observed))
        .with("expected", excess.expected)
        .with("window_seconds", excess.seconds as f64)
        .with("one_in", one_in(excess))
}

fn rate(who: &str, excess: Excess) -> Detection {
    let Excess { observed, seconds, .. } = excess;
    measured(
        &reasons::RATE,
        format!("{who} restarted {observed} times within {}; {}", span(seconds), usual(excess)),
        excess,
    )
}

fn slow(who: &str, excess: Excess) -> Detection {
    let Excess { observed, seconds, .. } = excess;
    let message = format!("{who} has restarted {observed} times in the last {}; {}", span(seconds), usual(excess));
    measured(&reasons::SLOW, message, excess)
}

/// The end of a message: what would be usual.
pub(super) fn usual(excess: Excess) -> String {
    // In whole numbers: to print any other makes the guest larger by a tenth.
    let hundredths = (excess.expected * 100.0).round() as u64;
    if hundredths == 0 {
        return "usual are less than 0.01".into();
    }
    format!("usual are {}.{:02}", hundredths / 100, hundredths % 100)
}

/// How unlikely an excess is: once in so many looks.
fn one_in(excess: Excess) -> f64 {
    (1.0 / excess.probability.max(1e-15)).round()
}

/// A number of seconds in words.
pub(super) fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..120 => (seconds, "seconds"),
        120..7200 => ((seconds + 30) / 60, "minutes"),
        7200..172_800 => ((seconds + HOUR / 2) / HOUR, "hours"),
        _ => ((seconds + 43_200) / 86_400, "days"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Text;
    use proptest::prelude::*;

    fn judge(rule: &mut Restarts, name: &[u8], facts: Vec<Fact<'_>>, at: i64) -> Vec<&'static str> {
        let policy = Policy::default();
        let workload =
            Workload { namespace: "shop".into(), kind: "Deployment".into(), name: name.into(), ..Workload::default() };
        let observation = Observation { facts, ..Observation::new(Source::Docker, "container.die", workload) };
        let context = Context {
            policy: &policy,
            at: Time::from_sec(at),
            readiness: Readiness::Ready,
            workload: observation.workload.id(),
        };
        let mut found = Vec::new();
        rule.judge(&observation, None, context, &mut found);
        found.iter().map(|detection| detection.reason.id).collect()
    }

    fn rule(workloads: u32) -> Restarts {
        let mut policy = Policy::default();
        policy.limits.workloads = workloads;
        Restarts::new(&policy, Seed([1, 2]))
    }

    const START: i64 = 1_790_000_000;

    #[test]
    fn a_flood_of_names_hides_nobody() {
        let mut rule = rule(1024);
        let crash = || vec![Fact::Exited { code: Some(1) }];
        for day in 0..10 {
            judge(&mut rule, b"slow", crash(), START + day * DAY);
        }
        let now = START + 10 * DAY;
        for name in 0..100_000_u32 {
            judge(&mut rule, &name.to_le_bytes(), crash(), now + i64::from(name) / 1000);
        }
        assert_eq!(rule.memory.workloads.len(), 1024);
        let known = judge(&mut rule, b"slow", crash(), now + 101);
        assert!(!known.contains(&"restart-rate"), "one in a day is usual: {known:?}");
        let spike: Vec<_> = (0..6).map(|n| judge(&mut rule, b"slow", crash(), now + 110 + n * 10)).collect();
        assert!(spike.last().unwrap().contains(&"restart-rate"), "{spike:?}");
    }

    fn fact() -> impl Strategy<Value = Fact<'static>> {
        let text = || prop::sample::select(vec!["", "a", "b"]).prop_map(Text::from);
        let time = || prop::option::of(any::<i64>().prop_map(Time::from_sec));
        prop_oneof![
            Just(Fact::Started),
            Just(Fact::Stopped),
            Just(Fact::OutOfMemory),
            Just(Fact::Rollout),
            any::<Option<i64>>().prop_map(|code| Fact::Exited { code }),
            (text(), text(), any::<Option<u64>>(), any::<Option<bool>>()).prop_map(
                |(pod, container, count, out_of_memory)| Fact::Restarts { pod, container, count, out_of_memory }
            ),
            (text(), any::<u32>(), time()).prop_map(|(event, count, since)| Fact::Starts { event, count, since }),
            (prop::option::of((text(), any::<u32>())), time())
                .prop_map(|(event, since)| Fact::BackOff { event, since }),
            text().prop_map(|node| Fact::NodeChange { node }),
        ]
    }

    proptest! {
        #[test]
        fn any_facts_at_any_time_do_no_harm(
            told in prop::collection::vec((0..3_u8, prop::collection::vec(fact(), 0..4), 0..253_402_300_800_i64), 0..60)
        ) {
            let mut rule = rule(8);
            for (name, facts, at) in told {
                judge(&mut rule, &[name], facts, at);
            }
        }

        /// Counters that jump about make at most as many restarts as there are seconds.
        #[test]
        fn a_wild_counter_is_no_storm(counts in prop::collection::vec(any::<u64>(), 2..50)) {
            let mut rule = rule(8);
            for (second, count) in (0..).zip(counts) {
                let count = Some(count);
                let fact = Fact::Restarts { pod: "p".into(), container: "c".into(), count, out_of_memory: None };
                judge(&mut rule, b"w", vec![fact], START + second);
            }
            let series = rule.memory.workloads.values_mut().next();
            let counted = series.map_or(0, |series| series.restarts.windows[2].count(START + 50));
            prop_assert!(counted <= 100, "{}", counted);
        }
    }
}
