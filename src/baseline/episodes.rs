//! Episodes: detections that go on are one alert, not thousands.

use super::snapshot::{Entry, Number, One, Reader, put_seconds, put_text};
use super::{Seed, Table, Worth};
use crate::detect::{self, Episode, Reason, State};
use crate::policy::{Alerts, RuleName};
use crate::time::{DAY, Time};

/// An episode that was quiet for this long, in seconds, is over; or for twice the cool-down, where that is longer.
const QUIET: i64 = DAY;

const HOUR: i64 = 3600;

/// An episode. Times are in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    id: u64,
    last: i64,
    /// [`NEVER`] when it has not alerted.
    alerted: i64,
    count: u32,
    /// Whose it is, and what it is about: for the day on which it ends.
    workload: u64,
    about: Option<About>,
}

/// What an episode is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct About {
    /// The rule.
    pub rule: RuleName,
    /// The reason.
    pub reason: &'static Reason,
}

/// Longer ago than any cool-down.
const NEVER: i64 = -(1 << 40);

impl Worth for Running {
    fn worth(&self) -> i64 {
        self.last
    }
}

impl Entry for Running {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        put_seconds(self.last, out);
        put_seconds(self.alerted, out);
        out.extend_from_slice(&self.count.to_le_bytes());
        self.workload.put(out);
        put_text(self.about.map_or("", |about| about.reason.id).as_bytes(), out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (id, last, alerted, count) = (reader.u64()?, reader.seconds()?, reader.seconds()?, reader.u32()?);
        let (workload, reason) = (reader.u64()?, reader.text()?);
        let about = detect::reason(reason).map(|(rule, reason)| About { rule, reason });
        Some(Self { id, last, alerted, count, workload, about })
    }

    fn merge(&mut self, other: Self) {
        (self.last, self.id) = (self.last, self.id).max((other.last, other.id));
        self.alerted = self.alerted.max(other.alerted);
        self.count = self.count.max(other.count);
    }

    // The cool-down goes on: it is there for the people who get the alerts, and they have seen the gap.
    fn resume(&mut self, gap: i64) {
        self.last = self.last.saturating_add(gap);
    }

    fn name(&self) -> Option<String> {
        Some(format!("{:016x}", self.id))
    }

    fn last(&self) -> Option<i64> {
        Some(self.last)
    }

    fn count(&self) -> Option<u32> {
        Some(self.count)
    }
}

/// How many alerts the hour has had.
#[derive(Debug, Clone, Copy)]
pub struct Hour {
    hour: i64,
    alerts: u32,
    /// How many alerts the cap has suppressed so far.
    overflow: u64,
}

impl Default for Hour {
    fn default() -> Self {
        Self { hour: NEVER, alerts: 0, overflow: 0 }
    }
}

impl Entry for Hour {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        put_seconds(self.hour, out);
        out.extend_from_slice(&self.alerts.to_le_bytes());
        out.extend_from_slice(&self.overflow.to_le_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { hour: reader.seconds()?, alerts: reader.u32()?, overflow: reader.u64()? })
    }

    fn merge(&mut self, other: Self) {
        (self.hour, self.alerts) = (self.hour, self.alerts).max((other.hour, other.alerts));
        self.overflow = self.overflow.max(other.overflow);
    }
}

/// Whether an alert is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is.
    Now,
    /// The episode alerted within the cool-down.
    Cooldown,
    /// The hour has had its alerts.
    RateLimit,
}

/// All running episodes, and how many alerts the hour has had.
#[derive(Debug)]
pub struct Episodes {
    pub(crate) running: Table<Running>,
    pub(crate) hour: One<Hour>,
    /// The subjects of the episodes that have alerted, by workload.
    open: Table<Open>,
    /// The workloads in `open`, one bit for one in 64 of them: most records are of others, and this is cheap to ask.
    bits: u64,
    /// Before this time none of them ends, in seconds.
    next: i64,
}

/// The episodes of a workload that have alerted, by their subjects; 0 for none.
#[derive(Debug, Clone, Copy)]
struct Open {
    subjects: [u64; 4],
    last: i64,
}

impl Worth for Open {
    fn worth(&self) -> i64 {
        self.last
    }
}

/// An episode that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// What it was about.
    pub about: About,
    /// How it ended.
    pub episode: Episode,
    /// When it was seen last, in seconds.
    pub last: i64,
}

impl Episodes {
    /// None yet, and later at most that many at a time.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        let (running, open) = (Table::new(capacity, seed), Table::new(capacity / 4, seed));
        Self { running, hour: One::default(), open, bits: 0, next: i64::MAX }
    }

    /// How many alerts the cap has suppressed so far.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.hour.overflow
    }

    /// Puts a detection into its episode. `subject` is the [id](super::id) of what the episode is about. An excused
    /// detection takes part in its episode without alerting.
    pub fn see(
        &mut self,
        subject: u64,
        (workload, about): (u64, About),
        at: Time,
        alerts: &Alerts,
        excused: bool,
    ) -> (Episode, Due) {
        let cooldown = i64::from(alerts.cooldown);
        let quiet = quiet(alerts);
        let known = self.running.get_mut(subject).filter(|running| at.sec.saturating_sub(running.last) <= quiet);
        if let Some(running) = known {
            running.last = running.last.max(at.sec);
            running.count = running.count.saturating_add(1);
            let episode = Episode { id: running.id, state: State::Ongoing, count: running.count };
            if excused || at.sec.saturating_sub(running.alerted) < cooldown {
                return (episode, Due::Cooldown);
            }
            let due = self.take_alert(at, alerts.per_hour);
            if due == Due::Now
                && let Some(running) = self.running.get_mut(subject)
            {
                running.alerted = at.sec;
                self.open(workload, subject, at.sec);
            }
            return (episode, due);
        }
        let id = mix(subject ^ at.sec as u64);
        let due = if excused { Due::Cooldown } else { self.take_alert(at, alerts.per_hour) };
        // An alert that the cap has swallowed is due again with the next detection.
        let alerted = if due == Due::Now { at.sec } else { NEVER };
        self.running.put(subject, Running { id, last: at.sec, alerted, count: 1, workload, about: Some(about) });
        if due == Due::Now {
            self.open(workload, subject, at.sec);
        }
        (Episode { id, state: State::New, count: 1 }, due)
    }

    /// Whether a workload may have an episode that has ended and was not told to have.
    #[must_use]
    #[inline]
    pub fn may_have_ended(&self, workload: u64, at: Time) -> bool {
        at.sec > self.next && self.bits & bit(workload) != 0
    }

    /// The episodes of a workload that alerted and have been quiet for long enough to be over. Each is told once.
    pub fn end(&mut self, workload: u64, at: Time, alerts: &Alerts) -> Vec<Ended> {
        let mut ended = Vec::new();
        if !self.may_have_ended(workload, at) {
            return ended;
        }
        let quiet = quiet(alerts);
        let Some(place) = self.open.find(workload) else { return ended };
        let Some(mut subjects) = self.open.at(place).map(|open| open.subjects) else { return ended };
        for subject in subjects.iter_mut().filter(|subject| **subject != 0) {
            let Some(running) = self.running.get(*subject).copied() else {
                *subject = 0;
                continue;
            };
            if at.sec.saturating_sub(running.last) > quiet {
                *subject = 0;
                let episode = Episode { id: running.id, state: State::Closed, count: running.count };
                ended.extend(running.about.map(|about| Ended { about, episode, last: running.last }));
            }
        }
        if let Some(open) = self.open.at_mut(place) {
            open.subjects = subjects;
        }
        self.look_ahead(at, quiet);
        ended
    }

    /// Finds out when the next episode may end. There are thousands, so that it is not asked twice in ten minutes.
    fn look_ahead(&mut self, at: Time, quiet: i64) {
        (self.bits, self.next) = (0, i64::MAX);
        for (workload, open) in self.open.iter() {
            for running in open.subjects.iter().filter_map(|subject| self.running.get(*subject)) {
                self.bits |= bit(workload);
                self.next = self.next.min(running.last.saturating_add(quiet)).max(at.sec.saturating_add(600));
            }
        }
    }

    /// Notes that an episode has alerted.
    fn open(&mut self, workload: u64, subject: u64, at: i64) {
        self.bits |= bit(workload);
        self.next = self.next.min(at.saturating_add(QUIET));
        let place = self.open.find(workload);
        let place = place.unwrap_or_else(|| self.open.put(workload, Open { subjects: [0; 4], last: at }));
        if let Some(open) = self.open.at_mut(place) {
            open.last = at;
            if !open.subjects.contains(&subject) {
                open.subjects.rotate_right(1);
                if let Some(first) = open.subjects.first_mut() {
                    *first = subject;
                }
            }
        }
    }

    /// Notes which episodes have alerted, once they have been read back.
    pub fn reopen(&mut self) {
        let running: Vec<_> = self.running.iter().map(|(subject, running)| (subject, *running)).collect();
        for (subject, running) in running {
            if running.alerted != NEVER {
                self.open(running.workload, subject, running.last);
            }
        }
    }

    /// Puts one more detection, that nothing excuses, into an episode that goes on and is in its cool-down, and gives its
    /// number. In all other cases it does nothing: [`see`](Self::see) is to be asked.
    pub fn again(&mut self, key: u64, at: Time, alerts: &Alerts) -> Option<u32> {
        let cooldown = i64::from(alerts.cooldown);
        let running = self.running.get_mut(key)?;
        let since = |time: i64| at.sec.saturating_sub(time);
        if since(running.alerted) >= cooldown || since(running.last) > quiet(alerts) {
            return None;
        }
        running.last = running.last.max(at.sec);
        running.count = running.count.saturating_add(1);
        Some(running.count)
    }

    fn take_alert(&mut self, at: Time, per_hour: u32) -> Due {
        let hour = at.sec.div_euclid(HOUR);
        let so_far = &mut *self.hour;
        // A record from an earlier hour counts into the current one: disorder is no way round the cap.
        if hour > so_far.hour {
            (so_far.hour, so_far.alerts) = (hour, 0);
        }
        if so_far.alerts >= per_hour {
            so_far.overflow = so_far.overflow.saturating_add(1);
            return Due::RateLimit;
        }
        so_far.alerts += 1;
        Due::Now
    }
}

/// For how long nothing has to be seen of an episode that is over, in seconds.
fn quiet(alerts: &Alerts) -> i64 {
    QUIET.max(i64::from(alerts.cooldown) * 2)
}

fn bit(workload: u64) -> u64 {
    1 << (workload % 64)
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): neighbouring seconds get unlike ids.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        let (rule, reason) = detect::reason(b"denied").unwrap();
        About { rule, reason }
    }

    #[test]
    fn the_end_is_told_once() {
        let mut episodes = Episodes::new(8, Seed([1, 2]));
        episodes.see(1, (7, about()), Time::from_sec(0), &alerts(), false);
        episodes.see(1, (7, about()), Time::from_sec(60), &alerts(), false);
        episodes.see(2, (7, about()), Time::from_sec(0), &alerts(), true);
        let end = |episodes: &mut Episodes, workload, sec| {
            let ended = episodes.end(workload, Time::from_sec(sec), &alerts());
            ended.iter().map(|ended| (ended.episode.state, ended.episode.count, ended.last)).collect::<Vec<_>>()
        };
        assert_eq!(end(&mut episodes, 7, DAY + 60), []);
        assert_eq!(end(&mut episodes, 8, DAY + 661), []);
        assert_eq!(
            end(&mut episodes, 7, DAY + 661),
            [(State::Closed, 2, 60)],
            "what was excused has not begun for anybody"
        );
        assert_eq!(end(&mut episodes, 7, DAY + 1300), []);
    }

    fn alerts() -> Alerts {
        Alerts { cooldown: 3600, per_hour: 2 }
    }

    #[test]
    fn an_episode_begins_goes_on_and_ends() {
        let mut episodes = Episodes::new(8, Seed([1, 2]));
        let mut see = |sec| {
            let (episode, due) = episodes.see(1, (7, about()), Time::from_sec(sec), &alerts(), false);
            (episode.state, episode.count, due, episode.id)
        };
        let (state, count, due, id) = see(0);
        assert_eq!((state, count, due), (State::New, 1, Due::Now));
        assert_eq!(see(10), (State::Ongoing, 2, Due::Cooldown, id));
        assert_eq!(see(-5), (State::Ongoing, 3, Due::Cooldown, id));
        assert_eq!(see(3600), (State::Ongoing, 4, Due::Now, id));
        let (state, count, due, later) = see(3600 + DAY + 1);
        assert_eq!((state, count, due), (State::New, 1, Due::Now));
        assert_ne!(id, later);
    }

    #[test]
    fn the_hour_has_a_cap() {
        let mut episodes = Episodes::new(8, Seed([1, 2]));
        let mut due = |key, sec| episodes.see(key, (7, about()), Time::from_sec(sec), &alerts(), false).1;
        assert_eq!([due(1, 0), due(2, 1), due(3, 2)], [Due::Now, Due::Now, Due::RateLimit]);
        assert_eq!(due(3, 3), Due::RateLimit, "what the cap swallowed is still due");
        assert_eq!(due(3, 3600), Due::Now);
        assert_eq!(episodes.overflow(), 2);
    }
}
