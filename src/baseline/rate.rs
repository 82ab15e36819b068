//! How often something happens, and how unlikely it is that it happens so often.
//!
//! Events are taken for a Poisson process whose rate is not known but has a Gamma distribution, the conjugate prior: the
//! number of events in a window is then negative binomial (Gelman et al., *Bayesian Data Analysis*, 3rd ed., 2.6). One
//! threshold on its tail means the same for every window, every workload, and for one without any history, where the
//! prior alone judges.

use crate::number::{exp, ln};

/// Seconds in an hour: the rate is learned by the hour.
pub const HOUR: i64 = 3600;

/// What is believed of a workload that was never seen: half an event in a day.
const PRIOR_EVENTS: f64 = 0.5;
/// The exposure behind the prior, in hours.
const PRIOR_HOURS: f64 = 24.0;

/// What is left of the past after an hour: half of it after seven days.
const DECAY: f64 = 0.995_882_6;

/// A rate: events and hours of exposure, both fading.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rate {
    /// Events that were seen, beside the prior's.
    pub(crate) events: f64,
    /// Hours that were watched, beside the prior's.
    pub(crate) hours: f64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { events: 0.0, hours: 0.0 }
    }
}

impl Rate {
    /// Learns that an hour had so many events.
    pub fn learn(&mut self, events: f64) {
        self.fade(1);
        self.events += events;
        self.hours += 1.0;
    }

    /// Learns that so many hours had no event.
    pub fn learn_quiet(&mut self, hours: u32) {
        // After a few months nothing is left of the past; more steps change nothing.
        for _ in 0..hours.min(2000) {
            self.learn(0.0);
        }
    }

    /// Lets hours pass that nobody watched.
    pub fn fade(&mut self, hours: u32) {
        for _ in 0..hours.min(2000) {
            self.events *= DECAY;
            self.hours *= DECAY;
        }
    }

    /// How many hours it is learned from.
    #[must_use]
    pub fn hours(&self) -> f64 {
        self.hours
    }

    /// Events an hour.
    #[must_use]
    pub fn per_hour(&self) -> f64 {
        (PRIOR_EVENTS + self.events) / (PRIOR_HOURS + self.hours)
    }

    /// The probability of at least `count` events in a window of so many hours.
    ///
    /// ```
    /// use tidewaiter::baseline::Rate;
    ///
    /// // Never seen before: three restarts in ten minutes are one in ten million, one is nothing.
    /// let rate = Rate::default();
    /// assert!(rate.tail(3, 1.0 / 6.0) < 1e-6);
    /// assert!(rate.tail(1, 1.0 / 6.0) > 1e-3);
    /// ```
    #[must_use]
    pub fn tail(&self, count: u32, hours: f64) -> f64 {
        let shape = PRIOR_EVENTS + self.events;
        let exposure = PRIOR_HOURS + self.hours;
        let share = hours / (exposure + hours);
        // The probability of none is (1 - share)^shape.
        let mut probability = exp(ln(1.0 - share) * shape);
        let mut below = 0.0;
        let mut term = 0.0;
        // Up to the count; the sum of what follows is then taken by itself, as one minus the sum before would be
        // nothing but rounding where the tail is thin.
        for index in 0..count.min(MOST_TERMS) {
            below += probability;
            term = f64::from(index);
            probability *= (shape + term) / (term + 1.0) * share;
        }
        if below < 0.5 {
            return 1.0 - below;
        }
        let mut tail = 0.0;
        let mut index = term + 1.0;
        while probability > tail * 1e-9 {
            tail += probability;
            probability *= (shape + index) / (index + 1.0) * share;
            index += 1.0;
        }
        tail
    }
}

/// More events than this in a window are as unlikely as these, or the window is an ordinary one.
const MOST_TERMS: u32 = 4096;

/// How many parts a window is counted in: it covers its length, or up to a sixteenth less.
const PARTS: i64 = 16;

/// The events of the last so many seconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Window {
    /// The length in seconds.
    pub(crate) seconds: u32,
    /// The number of the newest part since 1970.
    pub(crate) newest: i64,
    pub(crate) counts: [u16; PARTS as usize],
}

impl Window {
    /// An empty window of so many seconds.
    #[must_use]
    pub fn new(seconds: u32) -> Self {
        Self { seconds: Self::length(seconds), newest: -(1 << 40), counts: [0; PARTS as usize] }
    }

    /// The length that a window of so many seconds gets.
    pub(crate) fn length(seconds: u32) -> u32 {
        seconds.max(PARTS as u32)
    }

    /// The length in hours.
    #[must_use]
    pub fn hours(&self) -> f64 {
        f64::from(self.seconds) / HOUR as f64
    }

    /// Counts an event. One from before the window does not count.
    pub fn add(&mut self, at: i64) {
        let part = self.part(at);
        if part > self.newest {
            self.slide(part);
        }
        if self.newest.saturating_sub(part) < PARTS
            && let Some(count) = self.counts.get_mut(part.rem_euclid(PARTS) as usize)
        {
            *count = count.saturating_add(1);
        }
    }

    /// How many events there were in the window that ends at a time.
    #[must_use]
    pub fn count(&self, at: i64) -> u32 {
        let newest = self.part(at).max(self.newest);
        // Mostly: nothing has left the window, and an interpreter need not look for the place of each part.
        if newest == self.newest {
            return self.counts.iter().map(|&count| u32::from(count)).sum();
        }
        let oldest = newest.saturating_sub(PARTS - 1).max(self.newest.saturating_sub(PARTS - 1));
        let parts = oldest..=self.newest;
        parts.map(|part| self.counts.get(part.rem_euclid(PARTS) as usize).map_or(0, |count| u32::from(*count))).sum()
    }

    fn part(&self, at: i64) -> i64 {
        // Sixteen parts to the length, in whole numbers. No time that the clock gives comes near the ends of an i64, and
        // to an interpreter 128 bits are a loop.
        at.wrapping_mul(PARTS).div_euclid(i64::from(self.seconds))
    }

    fn slide(&mut self, part: i64) {
        if part.saturating_sub(self.newest) >= PARTS {
            self.counts = [0; PARTS as usize];
        } else {
            for gone in self.newest + 1..=part {
                if let Some(count) = self.counts.get_mut(gone.rem_euclid(PARTS) as usize) {
                    *count = 0;
                }
            }
        }
        self.newest = part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected ones are sums of the probabilities by way of the logarithm of the Gamma function.
    #[rstest::rstest]
    #[case::cold_10_minutes(0.0, 0.0, 3, 1.0 / 6.0, 1.0277e-7)]
    #[case::cold_hour_3(0.0, 0.0, 3, 1.0, 2.0307e-5)]
    #[case::cold_hour_4(0.0, 0.0, 4, 1.0, 7.1149e-7)]
    #[case::quiet_week(0.0, 120.0, 3, 1.0, 1.0277e-7)]
    #[case::busy(240.0, 120.0, 12, 1.0, 2.588e-7)]
    #[case::certain(0.0, 0.0, 0, 1.0, 1.0)]
    fn tails(#[case] events: f64, #[case] hours: f64, #[case] count: u32, #[case] window: f64, #[case] expected: f64) {
        let tail = Rate { events, hours }.tail(count, window);
        assert!((tail / expected - 1.0).abs() < 1e-3, "{tail:e}, expected {expected:e}");
    }

    #[test]
    fn half_is_forgotten_in_a_week() {
        let mut rate = Rate { events: 100.0, hours: 100.0 };
        rate.fade(168);
        assert!((rate.events - 50.0).abs() < 0.01);
        rate.learn_quiet(u32::MAX);
        assert!(rate.events < 1e-1 && rate.hours > 200.0);
    }

    #[test]
    fn windows_slide() {
        let mut window = Window::new(600);
        for second in [0, 100, 500] {
            window.add(1_000_000_000 + second);
        }
        let at = |second: i64| window.count(1_000_000_000 + second);
        assert_eq!([at(500), at(560), at(630), at(1050), at(1200)], [3, 3, 2, 1, 0]);
        window.add(1_000_000_300);
        assert_eq!(window.count(1_000_000_500), 4, "a minute late");
        window.add(999_000_000);
        assert_eq!(window.count(1_000_000_500), 4, "from long ago");
        window.add(1_000_100_000);
        assert_eq!(window.count(1_000_100_000), 1);
    }

    proptest::proptest! {
        #[test]
        fn a_tail_is_a_probability(events in 0.0..1e6_f64, hours in 0.0..1e5_f64, count: u32, window in 1e-3..1e3_f64) {
            let rate = Rate { events, hours };
            let tail = rate.tail(count, window);
            proptest::prop_assert!((0.0..=1.0 + 1e-9).contains(&tail), "{tail}");
            proptest::prop_assert!(rate.tail(count.saturating_add(1), window) <= tail + 1e-9);
        }

        #[test]
        fn a_window_counts_any_time(times: Vec<i64>, seconds: u32) {
            let mut window = Window::new(seconds);
            times.iter().for_each(|&at| window.add(at));
            proptest::prop_assert!(window.count(times.last().copied().unwrap_or_default()) as usize <= times.len());
        }
    }
}
