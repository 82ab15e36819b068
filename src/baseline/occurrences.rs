//! What happens to somebody again and again: the last hours as they were, and what is usual.

use super::rate::{HOUR, Rate, Window};
use super::snapshot::{Number, Reader};

/// How many hours are kept before they are learned: what goes on now must not be its own measure.
const KEPT: i64 = 24;

/// An hour in which an alarm was on.
const ALARM: u16 = u16::MAX;

/// After so many hours of alarm the new rate is taken for the usual one.
const ACCEPTED: i64 = 24;

/// The threshold of the slow change, in events.
const SLOW: f64 = 5.0;

/// After so many hours of a slow change its rate is taken for the usual one.
const SLOW_ACCEPTED: i64 = 14 * 24;

/// What a slow change is: so many times the usual rate.
const FASTER: f64 = 10.0;

/// A slow change needs so many hours of history to be one.
const HISTORY: f64 = 72.0;

/// No time at all.
const NEVER: i64 = -(1 << 40);

/// As many windows as a policy may have.
const MOST_WINDOWS: usize = 8;

/// More than usual, in a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Excess {
    /// How many there were.
    pub observed: u32,
    /// How many are usual.
    pub expected: f64,
    /// The length of the window, in seconds.
    pub seconds: i64,
    /// The probability that beside the last one there are so many, or more.
    pub probability: f64,
}

/// Events of one kind that happen to one workload, or to one namespace.
#[derive(Clone, PartialEq, Debug)]
pub struct Occurrences {
    /// When the first and the last of them was.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// How many there were in all.
    pub(crate) total: u32,
    pub(crate) rate: Rate,
    /// The hours that are not learned yet, up to and including `hour`.
    pub(crate) hours: [u16; KEPT as usize],
    pub(crate) hour: i64,
    /// Since which hour an alarm has been on.
    pub(crate) alarmed: Option<i64>,
    /// The first hour that was watched without a gap.
    pub(crate) watched: i64,
    /// The sum of what was above the usual rate: see [`slow`](Self::slow).
    pub(crate) sum: f64,
    /// The usual rate when the sum was last none: a slow change must not become its own measure.
    pub(crate) usual: f64,
    /// Since which hour the sum has been above none, and how many events there were since.
    pub(crate) rising: i64,
    pub(crate) risen: u32,
    pub(crate) windows: Vec<Window>,
}

impl Occurrences {
    /// None so far, to be counted in windows of so many seconds.
    #[must_use]
    pub fn new(windows: &[u32], at: i64) -> Self {
        Self {
            first: at,
            last: at,
            total: 0,
            rate: Rate::default(),
            hours: [0; KEPT as usize],
            hour: at.div_euclid(HOUR),
            alarmed: None,
            watched: at.div_euclid(HOUR),
            sum: 0.0,
            usual: 1.0,
            rising: at.div_euclid(HOUR),
            risen: 0,
            windows: windows.iter().map(|&seconds| Window::new(seconds)).collect(),
        }
    }

    /// Counts in other windows from now on, if they are others.
    pub fn set_windows(&mut self, windows: &[u32]) {
        if self.windows.iter().map(|window| window.seconds).eq(windows.iter().map(|&seconds| Window::length(seconds))) {
            return;
        }
        self.windows = windows.iter().map(|&seconds| Window::new(seconds)).collect();
    }

    /// How much is known: of two baselines of the same the larger one is the better.
    #[must_use]
    pub fn experience(&self) -> (f64, i64) {
        (self.rate.hours, self.last)
    }

    /// Appends what is known.
    pub fn write(&self, out: &mut Vec<u8>) {
        [self.first, self.last, self.hour, self.watched, self.rising, self.alarmed.unwrap_or(NEVER)].put(out);
        [self.rate.events, self.rate.hours, self.sum, self.usual].put(out);
        [self.total, self.risen].put(out);
        self.hours.put(out);
        (self.windows.len().min(MOST_WINDOWS) as u8).put(out);
        for window in self.windows.iter().take(MOST_WINDOWS) {
            window.seconds.put(out);
            window.newest.put(out);
            window.counts.put(out);
        }
    }

    /// Reads what was known.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [first, last, hour, watched, rising, alarmed] = <[i64; 6] as Number>::read(reader)?;
        let [events, hours, sum, usual] = <[f64; 4] as Number>::read(reader)?;
        let [total, risen] = <[u32; 2] as Number>::read(reader)?;
        let is_sane = events >= 0.0 && hours >= 0.0 && sum >= 0.0 && usual > 0.0;
        let alarmed = Some(alarmed).filter(|hour| *hour > NEVER);
        let kept = Number::read(reader)?;
        let mut windows = Vec::new();
        for _ in 0..reader.u8()? {
            let window = Window::new(reader.u32()?);
            windows.push(Window { newest: reader.seconds()?, counts: Number::read(reader)?, ..window });
        }
        let rate = Rate { events, hours };
        let read =
            Self { first, last, total, rate, hours: kept, hour, alarmed, watched, sum, usual, rising, risen, windows };
        is_sane.then_some(read)
    }

    /// Counts an event.
    pub fn add(&mut self, at: i64) {
        self.advance(at);
        self.total = self.total.saturating_add(1);
        self.last = self.last.max(at);
        self.first = self.first.min(at);
        let hour = at.div_euclid(HOUR);
        if self.hour.saturating_sub(hour) < KEPT
            && let Some(count) = self.hours.get_mut(hour.rem_euclid(KEPT) as usize)
        {
            // An hour of alarm stays one.
            *count = count.saturating_add(1);
        }
        self.watched = self.watched.min(hour);
        self.risen = self.risen.saturating_add(1);
        self.windows.iter_mut().for_each(|window| window.add(at));
    }

    /// The most unlikely of the windows that end at a time, of those with at least `min` events (two more where the
    /// window is longer than an hour), if it is less likely than `threshold`.
    #[must_use]
    pub fn excess(&self, at: i64, min: u32, threshold: f64) -> Option<Excess> {
        let judge = |window: &Window| {
            let observed = window.count(at);
            let seconds = i64::from(window.seconds);
            let min = if seconds > HOUR { min.saturating_add(2) } else { min };
            if observed < min {
                return None;
            }
            // It is asked when there is an event: how likely are the others, then?
            let probability = self.rate.tail(observed.saturating_sub(1), window.hours());
            let expected = self.rate.per_hour() * window.hours();
            (probability < threshold).then_some(Excess { observed, expected, seconds, probability })
        };
        let excesses = self.windows.iter().filter_map(judge);
        excesses.min_by(|one, other| one.probability.total_cmp(&other.probability))
    }

    /// Says that what happens at a time is no measure of what is usual: nobody teaches the baseline by an attack.
    pub fn alarm(&mut self, at: i64) {
        self.advance(at);
        self.alarmed.get_or_insert(self.hour);
        if let Some(count) = self.hours.get_mut(self.hour.rem_euclid(KEPT) as usize) {
            *count = ALARM;
        }
    }

    /// Whether the rate has changed over days, too slowly for any window: the cumulative sum of Page for Poisson counts
    /// (Lucas, *Counted Data CUSUM's*, Technometrics 27, 1985), which is set to find a rate ten times the usual one.
    #[must_use]
    pub fn slow(&self, at: i64) -> Option<Excess> {
        let this_hour = self.hours.get(self.hour.rem_euclid(KEPT) as usize).copied().filter(|&count| count != ALARM)?;
        if self.sum + f64::from(this_hour) - self.reference() <= SLOW || self.rate.hours() < HISTORY {
            return None;
        }
        let hours = (self.hour - self.rising + 1) as f64;
        let probability =
            Rate { events: self.usual * HISTORY, hours: HISTORY }.tail(self.risen.saturating_sub(1), hours);
        let seconds = at.saturating_sub(self.rising * HOUR);
        Some(Excess { observed: self.risen, expected: self.usual * hours, seconds, probability })
    }

    /// Lets time pass that nobody watched: it is neither quiet nor busy.
    pub fn skip(&mut self, seconds: i64) {
        let hours = seconds.div_euclid(HOUR).max(0);
        self.rate.fade(u32::try_from(hours).unwrap_or(u32::MAX));
        // What was kept is learned now; it ends where the gap begins.
        self.learn_until(self.hour.saturating_add(1));
        self.hours = [0; KEPT as usize];
        self.hour = self.hour.saturating_add(hours);
        self.watched = self.hour;
        self.rising = self.rising.saturating_add(hours);
    }

    /// Goes on to the hour of a time.
    fn advance(&mut self, at: i64) {
        let hour = at.div_euclid(HOUR);
        if hour <= self.hour {
            return;
        }
        let passed = hour.saturating_sub(self.hour);
        self.add_to_sum(passed);
        if passed >= 2 * KEPT {
            self.learn_until(self.hour.saturating_add(1));
            self.rate.learn_quiet(u32::try_from(passed - KEPT).unwrap_or(u32::MAX));
            self.hours = [0; KEPT as usize];
            self.hour = hour;
        }
        while self.hour < hour {
            self.hour += 1;
            let oldest = self.hour - KEPT;
            self.learn_hour(oldest);
            if let Some(count) = self.hours.get_mut(self.hour.rem_euclid(KEPT) as usize) {
                *count = 0;
            }
        }
        if self.alarmed.is_some_and(|since| self.quiet_since(since)) {
            self.alarmed = None;
        }
    }

    /// Whether no kept hour has an alarm, the newest but the current ones.
    fn quiet_since(&self, since: i64) -> bool {
        since < self.hour - 1 && !self.hours.contains(&ALARM)
    }

    /// Learns all kept hours before one.
    fn learn_until(&mut self, end: i64) {
        for hour in end.saturating_sub(KEPT)..end {
            self.learn_hour(hour);
        }
    }

    fn learn_hour(&mut self, hour: i64) {
        // Before the first event, and in a gap, nobody knows whether there was nothing.
        if hour < self.watched {
            return;
        }
        let count = self.hours.get(hour.rem_euclid(KEPT) as usize).copied().unwrap_or_default();
        let accepted = self.alarmed.is_some_and(|since| hour.saturating_sub(since) >= ACCEPTED);
        if count == ALARM && !accepted {
            return self.rate.fade(1);
        }
        // No hour teaches more than three times what is usual, and three.
        let most = 3.0 + 3.0 * self.rate.per_hour();
        self.rate.learn(f64::from(count).min(most));
    }

    /// Adds the hours that have passed to the sum.
    fn add_to_sum(&mut self, passed: i64) {
        let this_hour = self.hours.get(self.hour.rem_euclid(KEPT) as usize).copied().unwrap_or_default();
        let reference = self.reference();
        let count = if this_hour == ALARM { 0.0 } else { f64::from(this_hour) };
        let sum = (self.sum + count - reference).max(0.0);
        self.sum = (sum - reference * (passed - 1) as f64).clamp(0.0, 4.0 * SLOW);
        if self.sum == 0.0 || self.rate.hours() < HISTORY || self.hour.saturating_sub(self.rising) > SLOW_ACCEPTED {
            self.sum = 0.0;
            // One event more than were seen: a short history must not pass for a quiet one.
            self.usual = (self.rate.events + 1.0) / self.rate.hours.max(1.0);
            self.rising = self.hour.saturating_add(passed);
            self.risen = 0;
        }
    }

    /// What an hour may have before the sum grows: (λ₁ - λ₀) / ln(λ₁ / λ₀).
    fn reference(&self) -> f64 {
        self.usual * (FASTER - 1.0) / core::f64::consts::LN_10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: [u32; 3] = [600, 3600, 21_600];
    const START: i64 = 1_790_000_000;

    /// Uniform numbers from 0 to 1, always the same.
    fn random(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((word ^ (word >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// The times of a Poisson process, `per_hour` from one hour to another.
    fn times(per_hour: f64, from: i64, to: i64, random: &mut impl FnMut() -> f64) -> Vec<i64> {
        let mut at = (START + from * HOUR) as f64;
        let mut times = Vec::new();
        loop {
            at -= (1.0 - random()).ln() / per_hour * HOUR as f64;
            if at >= (START + to * HOUR) as f64 {
                return times;
            }
            times.push(at as i64);
        }
    }

    /// How many of the workloads had an alarm, by windows and by the slow sum.
    fn alarms(per_hour: f64, days: i64, workloads: u64) -> (usize, usize) {
        let (mut fast, mut slow) = (0, 0);
        for workload in 0..workloads {
            let mut random = random(workload);
            let mut seen = Occurrences::new(&WINDOWS, START);
            let (mut was_fast, mut was_slow) = (false, false);
            for at in times(per_hour, 0, days * 24, &mut random) {
                seen.add(at);
                if seen.excess(at, 3, 2.5e-5).is_some() {
                    was_fast |= at > START + 7 * 86_400;
                    seen.alarm(at);
                }
                was_slow |= at > START + 7 * 86_400 && seen.slow(at).is_some();
            }
            fast += usize::from(was_fast);
            slow += usize::from(was_slow);
        }
        (fast, slow)
    }

    #[test]
    fn what_is_usual_is_no_alarm() {
        let found: Vec<_> = [0.002, 0.02, 0.05, 0.2].iter().map(|&per_hour| alarms(per_hour, 60, 60)).collect();
        let all = found.iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        assert!(all.0 <= 3 && all.1 <= 1, "of 240 workloads in 53 days: {found:?}");
    }

    #[test]
    fn a_slow_change_is_found() {
        let mut delays = Vec::new();
        for workload in 0..60 {
            let mut random = random(workload + 1000);
            let mut seen = Occurrences::new(&WINDOWS, START);
            times(0.01, 0, 336, &mut random).into_iter().for_each(|at| seen.add(at));
            let change = times(0.1, 336, 336 + 24 * 30, &mut random);
            let found = change.into_iter().find(|&at| {
                seen.add(at);
                seen.slow(at).is_some()
            });
            delays.push(found.map_or(i64::MAX, |at| (at - START) / HOUR - 336));
        }
        delays.sort_unstable();
        assert!(delays[30] <= 120 && delays[48] <= 240, "hours after which ten times the rate is found: {delays:?}");
    }

    #[test]
    fn a_spike_is_found_with_and_without_a_history() {
        for quiet_days in [0, 30] {
            let mut seen = Occurrences::new(&WINDOWS, START);
            seen.add(START);
            let at = START + quiet_days * 86_400;
            let found: Vec<bool> = (1..5)
                .map(|minute| {
                    seen.add(at + minute * 60);
                    seen.excess(at + minute * 60, 3, 2.5e-5).is_some()
                })
                .collect();
            let first = found.iter().position(|&is| is).unwrap();
            assert!(first <= 2, "{quiet_days}: {found:?}");
        }
    }

    #[test]
    fn an_attack_does_not_teach_but_a_new_habit_is_accepted() {
        let mut seen = Occurrences::new(&WINDOWS, START);
        let mut alarms = Vec::new();
        for minute in (0..6 * 1440).step_by(10) {
            let at = START + minute * 60;
            seen.add(at);
            if seen.excess(at, 3, 2.5e-5).is_some() {
                seen.alarm(at);
                alarms.push(minute / 1440);
            }
        }
        assert!(alarms.contains(&1), "the day after it is still an alarm");
        assert!(!alarms.contains(&5), "it goes on for days, so it is the usual now: {alarms:?}");
    }

    #[test]
    fn a_gap_is_no_silence() {
        let mut seen = Occurrences::new(&WINDOWS, START);
        (0..72).for_each(|hour| seen.add(START + hour * HOUR / 2));
        let mut gone = seen.clone();
        gone.skip(30 * 86_400);
        let later = START + 72 * HOUR + 30 * 86_400;
        gone.add(later);
        seen.add(later);
        assert!(gone.rate.events > 1.0 && gone.rate.per_hour() > 3.0 * seen.rate.per_hour());
    }

    proptest::proptest! {
        #[test]
        fn any_times_do_no_harm(times: Vec<(i64, bool)>, windows in proptest::collection::vec(1..3_000_000_u32, 0..8)) {
            let mut seen = Occurrences::new(&windows, START);
            for (at, is_gap) in times {
                if is_gap {
                    seen.skip(at);
                } else {
                    seen.add(at);
                }
                if seen.excess(at, 1, 0.5).is_some() || seen.slow(at).is_some() {
                    seen.alarm(at);
                }
            }
            proptest::prop_assert!(seen.rate.per_hour().is_finite());
        }
    }
}
