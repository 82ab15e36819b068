//! Episodes: detections that go on are one alert, not thousands.

use super::snapshot::{Entry, One, Reader, put_seconds};
use super::{Seed, Table, Worth};
use crate::detect::{Episode, State};
use crate::policy::Alerts;
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
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { id: reader.u64()?, last: reader.seconds()?, alerted: reader.seconds()?, count: reader.u32()? })
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
}

impl Episodes {
    /// None yet, and later at most that many at a time.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        Self { running: Table::new(capacity, seed), hour: One::default() }
    }

    /// How many alerts the cap has suppressed so far.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.hour.overflow
    }

    /// Puts a detection into its episode. `subject` is the [id](super::id) of what the episode is about. An excused
    /// detection takes part in its episode without alerting.
    pub fn see(&mut self, subject: u64, at: Time, alerts: &Alerts, excused: bool) -> (Episode, Due) {
        let cooldown = i64::from(alerts.cooldown);
        let quiet = QUIET.max(cooldown * 2);
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
            }
            return (episode, due);
        }
        let id = mix(subject ^ at.sec as u64);
        let due = if excused { Due::Cooldown } else { self.take_alert(at, alerts.per_hour) };
        // An alert that the cap has swallowed is due again with the next detection.
        let alerted = if due == Due::Now { at.sec } else { NEVER };
        self.running.put(subject, Running { id, last: at.sec, alerted, count: 1 });
        (Episode { id, state: State::New, count: 1 }, due)
    }

    /// Puts one more detection, that nothing excuses, into an episode that goes on and is in its cool-down, and gives its
    /// number. In all other cases it does nothing: [`see`](Self::see) is to be asked.
    pub fn again(&mut self, key: u64, at: Time, alerts: &Alerts) -> Option<u32> {
        let cooldown = i64::from(alerts.cooldown);
        let running = self.running.get_mut(key)?;
        let since = |time: i64| at.sec.saturating_sub(time);
        if since(running.alerted) >= cooldown || since(running.last) > QUIET.max(cooldown * 2) {
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

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): neighbouring seconds get unlike ids.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alerts() -> Alerts {
        Alerts { cooldown: 3600, per_hour: 2 }
    }

    #[test]
    fn an_episode_begins_goes_on_and_ends() {
        let mut episodes = Episodes::new(8, Seed([1, 2]));
        let mut see = |sec| {
            let (episode, due) = episodes.see(1, Time::from_sec(sec), &alerts(), false);
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
        let mut due = |key, sec| episodes.see(key, Time::from_sec(sec), &alerts(), false).1;
        assert_eq!([due(1, 0), due(2, 1), due(3, 2)], [Due::Now, Due::Now, Due::RateLimit]);
        assert_eq!(due(3, 3), Due::RateLimit, "what the cap swallowed is still due");
        assert_eq!(due(3, 3600), Due::Now);
        assert_eq!(episodes.overflow(), 2);
    }
}
