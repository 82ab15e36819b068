//! What a workload usually uses of one resource, by the hour of the day.
//!
//! Uses differ in proportion, so they are compared as `ln(use + floor)`, the floor being what does not matter. A minute
//! counts with the highest of the workload's instances in it: an average over replicas would hide the one that mines.
//!
//! For each hour of the day there is what is usual then, in a band from the hour before to the hour after, so that a job
//! which begins a little earlier is no news (the seasonal part of Brutlag, *Aberrant behavior detection in time series
//! for network monitoring*, LISA 2000). Above the band stands the *crest*: how far the use has gone lately for as long as
//! counts, fading by half in three weeks. A spike has to go well beyond it. It is there in place of a standard deviation,
//! which says little of bursts: the largest of the past is what the next one is compared with.
//!
//! Measured on 200 generated series of a kind over 28 days, the first six to learn: false spikes in those 5,000 days (one
//! a day counts), and how many of 50 spikes of an hour, ×3 and ×8, were found after ten days. Beside it the same without
//! the crest, and without the hours of the day.
//!
//! | series | false | ×3 | ×8 | without crest: false | without hours: false, ×3 |
//! |---|---|---|---|---|---|
//! | daily rhythm ±50 % | 1 | 50 | 50 | 1 | 98, 25 |
//! | the same, weekends at half | 55 | 38 | 50 | 426 | 45, 15 |
//! | the same, ten bursts a day of up to 4 minutes | 67 | 45 | 50 | 92 | 119, 29 |
//! | the same, ten bursts a day of up to 15 minutes, ×2 to ×6 | 28 | 9 | 44 | 260 | 124, 6 |
//! | noise of 30 % that wanders | 53 | 31 | 50 | 1027 | 52, 30 |
//!
//! Ramps to ×3 in five days: 33 to 40 of 40 are a drift, a few more a spike, and no drift is false.

use super::snapshot::{self, Entry, Reader, numbers};
use crate::number;

/// Values and differences are kept in this many steps of the natural logarithm.
const STEPS: f64 = 256.0;
const UNKNOWN: i16 = i16::MIN;
/// A spike goes beyond the crest by half as much again, and by a quarter of the crest: what is wild stays so.
const MARGIN: i16 = 104;
/// Every day an hour's usual moves by one in so many of the way; in the first days it is the mean.
const PACE: i16 = 8;
/// The crest loses one in so many an hour.
const FADE: i16 = 672;
/// A change that goes on for so many minutes is the new usual.
const ACCEPT: u32 = 360;
/// After so many minutes without a use nothing goes on.
const GAP: u32 = 15;
/// A use that is further back than this, in minutes, says that the clock was wrong before.
const BACK: u32 = 60;
/// Nothing can be above the usual before each hour of the day was seen.
const DAY: u16 = 24;
/// Before a weekend was seen, Monday is no spike, and no Saturday a drop.
const WEEK: u16 = 168;
/// When spikes are told, in hours seen: six days have all kinds of days in them, whichever they begin with.
pub const WARM_UP: u16 = 144;

/// What is asked of a change before it is told.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How many times the usual it has to be.
    pub ratio: f64,
    /// For how many minutes.
    pub minutes: u32,
    /// A difference below this does not matter.
    pub floor: f64,
    /// How many hours have to be seen before.
    pub warm_up: u16,
    /// Whether the workload is being changed, so that what begins now is expected.
    pub rollout: bool,
}

/// In which way a use has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Above the usual: every minute for a while, or an hour on the whole.
    Spike,
    /// An hour below the usual.
    Drop,
    /// Two days above those of the week before.
    Drift,
}

/// How a use has changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// In which way.
    pub kind: Kind,
    /// The use.
    pub observed: f64,
    /// What is usual at that time of the day; of a drift, what was.
    pub expected: f64,
    /// What is usual on the whole.
    pub usual: f64,
    /// How high it usually is on the highest occasions of the last weeks.
    pub crest: f64,
    /// For how many minutes.
    pub minutes: u32,
    /// Whether it began while the workload was being changed.
    pub rollout: bool,
    /// Whether it counts as usual from now on.
    pub accepted: bool,
}

/// The use of one resource by one workload.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    /// What is usual in each hour of the day (UTC).
    pub(crate) hours: [i16; 24],
    /// The last days, each as the mean of its hours; the newest is last.
    pub(crate) days: [i16; 7],
    /// How far above the usual the minutes and the hours go, and how far below the hours.
    pub(crate) crest: i16,
    pub(crate) hour_crest: i16,
    pub(crate) trough: i16,
    /// How many hours were seen.
    pub(crate) learned: u16,
    /// The minute at hand, and the highest use in it.
    pub(crate) minute: u32,
    pub(crate) highest: f32,
    /// The minutes of the hour at hand.
    pub(crate) hour_sum: f32,
    pub(crate) hour_count: u8,
    /// The hours of the day at hand.
    pub(crate) day_count: u8,
    pub(crate) day_sum: i32,
    /// Since which minute the use is too high, 0 for none; for how many, and by how much at least.
    pub(crate) since: u32,
    pub(crate) lasted: u8,
    pub(crate) low: i16,
    pub(crate) flags: u8,
}

/// This minute is too high.
const OVER: u8 = 1;
/// This minute was told.
const TOLD: u8 = 2;
/// A spike was told in this hour, which teaches nothing.
const ALARMED: u8 = 4;
/// The drift was told.
const DRIFTED: u8 = 8;
/// What goes on began while the workload was being changed.
const ROLLOUT: u8 = 16;

impl Entry for Gauge {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        numbers!(write self, out, hours, days, crest, hour_crest, trough, learned, minute, highest, hour_sum, hour_count, day_count, day_sum, since, lasted, low, flags);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        numbers!(read reader, hours: [i16; 24], days: [i16; 7], crest: i16, hour_crest: i16, trough: i16, learned: u16, minute: u32, highest: f32, hour_sum: f32, hour_count: u8, day_count: u8, day_sum: i32, since: u32, lasted: u8, low: i16, flags: u8)
    }

    fn merge(&mut self, other: Self) {
        snapshot::keep_later(self, other, |gauge| (gauge.learned, gauge.minute));
    }

    fn last(&self) -> Option<i64> {
        Some(i64::from(self.minute) * 60)
    }
}

impl super::Worth for Gauge {
    fn worth(&self) -> i64 {
        // A day more or less outweighs what was learned.
        i64::from(self.minute / 1440) * 1000 + i64::from(self.learned.min(999))
    }
}

impl Gauge {
    /// A gauge with nothing seen.
    #[must_use]
    pub fn new(minute: u32) -> Self {
        Self {
            hours: [UNKNOWN; 24],
            days: [UNKNOWN; 7],
            crest: 0,
            hour_crest: 0,
            trough: 0,
            learned: 0,
            minute,
            highest: 0.0,
            hour_sum: 0.0,
            hour_count: 0,
            day_count: 0,
            day_sum: 0,
            since: 0,
            lasted: 0,
            low: 0,
            flags: 0,
        }
    }

    /// Whether it knows what is usual.
    #[must_use]
    pub fn is_warm(&self, terms: &Terms) -> bool {
        self.learned >= terms.warm_up
    }

    /// What is usual at the time, at most.
    #[must_use]
    pub fn expected(&self, floor: f64) -> f64 {
        exp(self.band().1, floor)
    }

    /// Whether a use is so many times the usual, once that is known.
    #[must_use]
    pub fn is_high(&self, value: f64, terms: &Terms) -> bool {
        log(value / terms.ratio + terms.floor) >= self.band().1
    }

    /// Notes a use, in minutes since 1970, and says what has changed.
    pub fn see(&mut self, minute: u32, value: f64, terms: &Terms) -> Option<Change> {
        let mut change = None;
        if minute < self.minute {
            if self.minute - minute <= BACK {
                return None;
            }
            // The clock was ahead: what was counted in its hour belongs nowhere.
            (self.minute, self.highest, self.hour_sum, self.hour_count) = (minute, 0.0, 0.0, 0);
            (self.since, self.flags) = (0, 0);
        } else if minute > self.minute {
            change = self.turn(minute, terms);
        }
        self.highest = self.highest.max(value as f32);
        self.judge(value, terms).or(change)
    }

    /// Ends the minute at hand, with all that ends with it.
    fn turn(&mut self, minute: u32, terms: &Terms) -> Option<Change> {
        self.hour_sum += self.highest;
        self.hour_count = self.hour_count.saturating_add(1);
        if self.flags & OVER == 0 || minute - self.minute > GAP {
            self.end_run(terms);
        }
        let mut change = None;
        if minute / 60 != self.minute / 60 {
            change = self.end_hour(terms);
        }
        if minute / 1440 != self.minute / 1440 {
            change = self.end_day(terms).or(change);
        }
        (self.minute, self.highest) = (minute, 0.0);
        self.flags &= !(OVER | TOLD);
        change
    }

    /// Judges a use in the minute at hand.
    fn judge(&mut self, value: f64, terms: &Terms) -> Option<Change> {
        let excess = self.excess(value, self.crest, terms)?;
        if self.since == 0 {
            (self.since, self.low) = (self.minute, i16::MAX);
            self.flags = self.flags & !ROLLOUT | if terms.rollout { ROLLOUT } else { 0 };
        }
        self.low = self.low.min(excess);
        self.flags |= OVER;
        let minutes = self.minute - self.since;
        self.lasted = minutes.min(u32::from(u8::MAX)) as u8;
        let rollout = self.flags & ROLLOUT != 0;
        if rollout && !terms.rollout {
            // What a rollout brings is usual once the rollout is over.
            self.accept();
            return None;
        }
        if minutes < terms.minutes || !self.is_warm(terms) {
            return None;
        }
        self.flags |= ALARMED;
        if self.flags & TOLD != 0 {
            return None;
        }
        self.flags |= TOLD;
        let high = self.band().1;
        let (expected, crest) = (exp(high, terms.floor), exp(high.saturating_add(self.crest), terms.floor));
        let accepted = minutes >= ACCEPT;
        if accepted {
            self.accept();
        }
        let usual = exp(self.usual(), terms.floor);
        Some(Change { kind: Kind::Spike, observed: value, expected, usual, crest, minutes, rollout, accepted })
    }

    /// Takes what goes on for the new usual.
    fn accept(&mut self) {
        self.crest = self.crest.max(self.low);
        self.hour_crest = self.hour_crest.max(self.low);
        self.days = [UNKNOWN; 7];
        self.since = 0;
        self.flags &= !(OVER | ALARMED | ROLLOUT);
    }

    /// A run is over: the next one like it is half the news, and before anything is told, none.
    fn end_run(&mut self, terms: &Terms) {
        if self.since != 0 && u32::from(self.lasted) >= terms.minutes.min(u32::from(u8::MAX)) {
            self.crest = nearer(self.crest, self.low, if self.is_warm(terms) { 2 } else { 1 });
        }
        self.since = 0;
    }

    fn end_hour(&mut self, terms: &Terms) -> Option<Change> {
        let mean = f64::from(self.hour_sum) / f64::from(self.hour_count.max(1));
        (self.hour_sum, self.hour_count) = (0.0, 0);
        let alarmed = self.flags & ALARMED != 0;
        self.flags &= !ALARMED;
        let now = log(mean + terms.floor);
        let (low, high) = self.band();
        // A workload that may learn for less than a week has no weekend to wait for.
        let warm = self.learned >= if terms.warm_up < WARM_UP { terms.warm_up } else { WEEK };
        let usual = exp(self.usual(), terms.floor);
        let told = |kind, expected, crest: i16| Change {
            kind,
            observed: mean,
            expected: exp(expected, terms.floor),
            usual,
            crest: exp(high.saturating_add(crest), terms.floor),
            minutes: 60,
            rollout: terms.rollout,
            accepted: false,
        };
        let mut change = None;
        if self.learned >= DAY {
            let (above, below) = (now.saturating_sub(high), low.saturating_sub(now));
            let spikes = self.excess(mean, self.hour_crest, terms).is_some() && warm;
            if spikes && !alarmed && !terms.rollout {
                change = Some(told(Kind::Spike, high, self.hour_crest));
                self.hour_crest = nearer(self.hour_crest, above, 2);
            } else {
                self.hour_crest = self.hour_crest.max(above);
            }
            let drops = below > beyond(self.trough)
                && log(mean + 2.0 * terms.floor) <= low
                && log(mean * terms.ratio + terms.floor) <= low;
            if drops && warm && !terms.rollout {
                change = Some(told(Kind::Drop, low, 0));
                self.trough = nearer(self.trough, below, 2);
            } else {
                self.trough = self.trough.max(below);
            }
        }
        let pace = PACE.min(1 + (self.learned / DAY).min(100) as i16);
        if let Some(hour) = self.hours.get_mut((self.minute / 60 % 24) as usize) {
            if *hour == UNKNOWN {
                *hour = now;
            } else if !(alarmed && self.learned >= terms.warm_up) {
                *hour = nearer(*hour, now, pace);
            }
        }
        self.day_sum += i32::from(now);
        self.day_count = self.day_count.saturating_add(1);
        self.learned = self.learned.saturating_add(1);
        for crest in [&mut self.crest, &mut self.hour_crest, &mut self.trough] {
            *crest -= crest.saturating_add(FADE / 2) / FADE;
        }
        change
    }

    /// Two days are compared with the highest of three, a week before: one of those is the same day of the week.
    fn end_day(&mut self, terms: &Terms) -> Option<Change> {
        let today = (self.day_sum / i32::from(self.day_count.max(1))) as i16;
        (self.day_sum, self.day_count) = (0, 0);
        let [first, second, third, .., yesterday] = self.days;
        let before = first.max(second).max(third);
        let known = first.min(second).min(third).min(yesterday) != UNKNOWN;
        self.days.rotate_left(1);
        if let Some(last) = self.days.last_mut() {
            *last = today;
        }
        let value = exp(today.min(yesterday), terms.floor);
        let drifts =
            known && self.is_warm(terms) && log(value) >= before && log(value / terms.ratio + terms.floor) >= before;
        let told = self.flags & DRIFTED != 0;
        self.flags = self.flags & !DRIFTED | if drifts { DRIFTED } else { 0 };
        let expected = exp(before, terms.floor);
        (drifts && !told).then_some(Change {
            kind: Kind::Drift,
            observed: value,
            expected,
            usual: expected,
            crest: expected,
            minutes: 7 * 1440,
            rollout: false,
            accepted: false,
        })
    }

    /// How far a use is above the usual, when that is beyond the crest and as many times the usual as is asked: that of
    /// the hour, or of the day on the whole.
    fn excess(&self, value: f64, crest: i16, terms: &Terms) -> Option<i16> {
        if self.learned < DAY {
            return None;
        }
        let high = self.band().1;
        let excess = log(value + terms.floor).saturating_sub(high);
        let found = excess > beyond(crest)
            && log(value) >= high
            && log(value / terms.ratio + terms.floor) >= self.usual().min(high);
        found.then_some(excess)
    }

    /// The least and the most that is usual around the hour at hand.
    fn band(&self) -> (i16, i16) {
        let hour = (self.minute / 60) as usize;
        let mut band: Option<(i16, i16)> = None;
        for near in [hour + 23, hour, hour + 1] {
            let near = self.hours.get(near % 24).copied().unwrap_or(UNKNOWN);
            if near != UNKNOWN {
                band = Some(band.map_or((near, near), |(low, high)| (low.min(near), high.max(near))));
            }
        }
        band.unwrap_or_else(|| (self.usual(), self.usual()))
    }

    /// What is usual on the whole.
    fn usual(&self) -> i16 {
        let (mut sum, mut count) = (0_i32, 0_i32);
        for &hour in &self.hours {
            if hour != UNKNOWN {
                sum += i32::from(hour);
                count += 1;
            }
        }
        (sum / count.max(1)) as i16
    }
}

/// What has to be exceeded to be news.
fn beyond(crest: i16) -> i16 {
    crest.saturating_add(MARGIN).saturating_add(crest / 4)
}

/// Moves by one in so many of the way.
fn nearer(from: i16, to: i16, pace: i16) -> i16 {
    from.saturating_add(to.saturating_sub(from) / pace.max(1))
}

fn log(value: f64) -> i16 {
    (number::ln(value.max(1e-9)) * STEPS) as i16
}

fn exp(steps: i16, floor: f64) -> f64 {
    (number::exp(f64::from(steps) / STEPS) - floor).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { ratio: 2.0, minutes: 5, floor: 0.2, warm_up: WARM_UP, rollout: false };
    const DAY: u32 = 1440;

    /// A gauge that has seen some days of a use, and the minute after.
    fn after(days: u32, use_at: impl Fn(u32) -> f64) -> (Gauge, u32) {
        let begin = 16_071 * DAY;
        let mut gauge = Gauge::new(begin);
        for minute in begin..begin + days * DAY {
            assert_eq!(gauge.see(minute, use_at(minute), &TERMS), None, "minute {}", minute - begin);
        }
        (gauge, begin + days * DAY)
    }

    fn daily(minute: u32) -> f64 {
        if (9..18).contains(&(minute / 60 % 24)) { 4.0 } else { 1.0 }
    }

    #[test]
    fn is_small() {
        assert!(size_of::<Gauge>() <= 96, "{}", size_of::<Gauge>());
    }

    #[test]
    fn a_spike_is_told_after_its_minutes_and_accepted_after_six_hours() {
        let (mut gauge, now) = after(8, |_| 1.0);
        let mut told = Vec::new();
        for minute in 0..600 {
            told.extend(gauge.see(now + minute, 3.0, &TERMS).map(|change| (minute, change)));
        }
        let (first, change) = told[0];
        assert_eq!((first, change.kind, change.minutes, change.accepted), (5, Kind::Spike, 5, false));
        assert!((change.expected - 1.0).abs() < 0.02, "{change:?}");
        let (last, change) = *told.last().unwrap();
        assert_eq!((last, change.accepted), (360, true));
        assert_eq!(told.len(), 356);
    }

    #[test]
    fn what_is_usual_by_day_is_a_spike_by_night() {
        let (mut gauge, now) = after(8, daily);
        let told = (0..10).filter_map(|minute| gauge.see(now + minute, 4.0, &TERMS)).count();
        assert_eq!(told, 5);
    }

    #[test]
    fn the_same_again_is_less_news() {
        let (mut gauge, now) = after(8, |_| 1.0);
        let mut spikes = Vec::new();
        for day in 0..4 {
            let told = |minute| gauge.see(now + day * DAY + minute, if minute < 20 { 4.0 } else { 1.0 }, &TERMS);
            spikes.push((0..DAY).filter_map(told).count() > 0);
        }
        assert_eq!(spikes, [true, true, false, false]);
    }

    #[test]
    fn an_hour_below_the_usual_is_a_drop() {
        let (mut gauge, now) = after(8, daily);
        let told: Vec<_> = (0..DAY).filter_map(|minute| gauge.see(now + minute, 1.0, &TERMS)).collect();
        assert_eq!(told.first().map(|change| change.kind), Some(Kind::Drop));
    }

    #[test]
    fn a_slow_ramp_is_a_drift() {
        let (mut gauge, now) = after(10, |_| 1.0);
        let ramp = |minute: u32| 3_f64.powf(f64::from(minute.min(5 * DAY)) / f64::from(5 * DAY));
        let terms = Terms { minutes: 100_000, ..TERMS };
        let told = (0..8 * DAY).filter_map(|minute| gauge.see(now + minute, ramp(minute), &terms));
        assert!(told.filter(|change| change.kind == Kind::Drift).count() >= 1);
    }

    #[test]
    fn what_a_rollout_brings_is_usual_when_it_is_over() {
        let (mut gauge, now) = after(8, |_| 1.0);
        let rollout = Terms { rollout: true, ..TERMS };
        let during: Vec<_> = (0..30).filter_map(|minute| gauge.see(now + minute, 3.0, &rollout)).collect();
        assert_eq!(during.len(), 25);
        assert!(during.iter().all(|change| change.rollout));
        assert_eq!((30..3 * DAY).filter_map(|minute| gauge.see(now + minute, 3.0, &TERMS)).count(), 0);
        assert!((0..10).any(|minute| gauge.see(now + 3 * DAY + minute, 12.0, &TERMS).is_some()));
    }

    #[test]
    fn clocks_that_jump_make_no_storm() {
        let (mut gauge, now) = after(8, daily);
        let jumps = [now + 500_000, now, 0, u32::MAX, now + 1, 17, now + 2, now + 90 * DAY, now + 3];
        let told = jumps.into_iter().cycle().take(900).filter_map(|minute| gauge.see(minute, 1.0, &TERMS));
        assert!(told.filter(|change| change.kind == Kind::Spike).count() == 0);
    }

    proptest::proptest! {
        #[test]
        fn bears_anything(
            uses in proptest::collection::vec((proptest::num::u32::ANY, proptest::num::f64::ANY), 0..200),
            ratio in 1.0..1000.0, minutes in 0u32..100_000, warm_up in 0u16..200,
        ) {
            let terms = Terms { ratio, minutes, warm_up, ..TERMS };
            let mut gauge = Gauge::new(0);
            for (minute, value) in uses {
                if let Some(change) = gauge.see(minute, value, &terms) {
                    proptest::prop_assert!(change.expected.is_finite());
                }
            }
        }
    }
}
