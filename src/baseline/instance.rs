//! One container, pod or interface whose use is measured: from what records say to uses over time.
//!
//! A use is the mean over at least [`WINDOW`] seconds, so that one that is sampled every second is no wilder than one
//! that is scraped every minute. Whatever does not fit together (a counter that went back, a gap, a clock that jumped)
//! gives no use rather than a wrong one.

use super::Worth;
use crate::source::Amount;
use crate::time::Time;

/// A use is the mean of so many seconds, or of one sample where those are rarer.
const WINDOW: f64 = 20.0;
/// Samples that are further apart than this, in seconds, are not compared.
const GAP: f64 = 900.0;
/// A sample that is further back than this, in seconds, says that the clock was wrong before.
const BACK: f64 = 600.0;
/// More than this is no use of anything.
const ABSURD: f64 = 1e15;
/// Two to the 32nd.
const WRAP: f64 = 4_294_967_296.0;
/// More processors than this no host has.
const CORES: f64 = 256.0;
/// A sum that is rounded is compared after so many of its last digits, or after [`SLOW`] seconds.
const DIGITS: f64 = 10.0;
const SLOW: f64 = 600.0;
/// Uses this close to each other, as a ratio, are the same: a miner varies by a few percent.
const FLAT: f32 = 1.1;

/// In which unit [ticks](Amount::Ticks) count: all of one shipper's come from one host.
///
/// On cgroup v1 they are nanoseconds and wrap with every 4.3 core seconds, on v2 microseconds. Read as microseconds, a
/// container that uses a quarter of a core for a second on v1 would use more than [`CORES`]: that is the proof, and most
/// containers give it when they start. Until then they are taken for microseconds. What was learned before it
/// is kept apart. Where v1 and v2 hosts come together, v2's uses are read as thousandths: missed, and no false alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// cgroup v2, as far as is known.
    #[default]
    Micros,
    /// cgroup v1, for sure.
    Nanos,
}

/// What is remembered of an instance.
#[derive(Clone, Copy, Debug)]
pub struct Instance {
    /// When the window began, in seconds, and when the last sample was.
    pub(crate) began: f64,
    pub(crate) last: f64,
    /// The counter at the beginning of the window; of ticks and low bits, the last ones.
    pub(crate) total: f64,
    /// The sum of the window, and of how many samples.
    pub(crate) sum: f64,
    pub(crate) count: u32,
    /// How often the low bits went over.
    pub(crate) carry: u32,
    /// The limit that was seen last, 0 for none.
    pub(crate) limit: f32,
    /// The use that has been the same, and since which minute.
    pub(crate) flat: f32,
    pub(crate) flat_since: u32,
    /// Since which minute the use is near the limit: 0 when it is not, [`ALWAYS`] when it never was anything else.
    pub(crate) near_since: u32,
}

/// Near the limit from the first sample on, or told already.
const ALWAYS: u32 = u32::MAX;

impl Worth for Instance {
    fn worth(&self) -> i64 {
        self.last as i64
    }
}

/// An instance of which nothing is known yet.
impl Default for Instance {
    fn default() -> Self {
        Self {
            began: f64::NEG_INFINITY,
            last: f64::NEG_INFINITY,
            total: 0.0,
            sum: 0.0,
            count: 0,
            carry: 0,
            limit: 0.0,
            flat: 0.0,
            flat_since: 0,
            near_since: ALWAYS,
        }
    }
}

impl Instance {
    /// Takes an amount, and gives the use when a window is over.
    pub fn read(&mut self, amount: Amount, at: Time, unit: &mut Unit) -> Option<f64> {
        let now = at.sec as f64 + f64::from(at.nanos) / 1e9;
        let apart = now - self.last;
        let fresh = !(-BACK..=GAP).contains(&apart);
        if !fresh && apart < 0.0 {
            return None;
        }
        match amount {
            Amount::Level(level) => self.level(level, fresh, now),
            Amount::LowBits(bits) => {
                let bits = f64::from(bits);
                // From the top quarter to the bottom one is over the edge; a restart from there looks the same, and is
                // then read as 4 GiB more, which is no change.
                if fresh {
                    self.carry = 0;
                } else if self.total > 0.75 * WRAP && bits < 0.25 * WRAP {
                    self.carry = self.carry.saturating_add(1);
                } else if self.total < 0.25 * WRAP && bits > 0.75 * WRAP {
                    self.carry = self.carry.saturating_sub(1);
                }
                self.total = bits;
                self.level(bits + f64::from(self.carry) * WRAP, fresh, now)
            }
            Amount::Total(total) => self.counter(total, 0.0, fresh, now),
            Amount::Rounded { total, step } => self.counter(total, step, fresh, now),
            Amount::Ticks(ticks) => self.ticks(ticks, fresh, now, unit),
        }
    }

    fn restart(&mut self, total: f64, now: f64) {
        (self.total, self.began, self.last, self.sum, self.count) = (total, now, now, 0.0, 0);
    }

    fn level(&mut self, level: f64, fresh: bool, now: f64) -> Option<f64> {
        if !(0.0..=ABSURD).contains(&level) {
            return None;
        }
        if fresh {
            self.restart(self.total, now);
            return Some(level);
        }
        self.last = now;
        self.sum += level;
        self.count = self.count.saturating_add(1);
        if now - self.began < WINDOW {
            return None;
        }
        let mean = self.sum / f64::from(self.count);
        self.restart(self.total, now);
        Some(mean)
    }

    fn counter(&mut self, total: f64, step: f64, fresh: bool, now: f64) -> Option<f64> {
        // A sum may be larger than any use.
        if !(0.0..=ABSURD * ABSURD).contains(&total) {
            return None;
        }
        if fresh || total < self.total {
            self.restart(total, now);
            return None;
        }
        self.last = now;
        let (more, seconds) = (total - self.total, now - self.began);
        if seconds < WINDOW || (more < DIGITS * step && seconds < SLOW) {
            return None;
        }
        self.restart(total, now);
        Some(more / seconds).filter(|rate| *rate <= ABSURD)
    }

    fn ticks(&mut self, ticks: u32, fresh: bool, now: f64, unit: &mut Unit) -> Option<f64> {
        let (before, seconds) = (self.total as u32, now - self.last);
        if fresh {
            self.restart(f64::from(ticks), now);
            return None;
        }
        if seconds < 0.5 {
            // Too close to be told from the jitter of the clock.
            return None;
        }
        let more = f64::from(ticks.wrapping_sub(before));
        if ticks > before && more > CORES * 1e6 * seconds {
            *unit = Unit::Nanos;
        }
        // A sum of nanoseconds may have gone round once already; one of microseconds has begun anew where it went back
        // by more than could be used.
        let (longest, most, ticks_a_second) = match unit {
            Unit::Micros => (60.0, CORES * 1e6 * seconds, 1e6),
            Unit::Nanos => (2.5, WRAP, 1e9),
        };
        if seconds > longest || more > most {
            self.restart(f64::from(ticks), now);
            return None;
        }
        (self.total, self.last) = (f64::from(ticks), now);
        self.sum += more;
        let passed = now - self.began;
        if passed < WINDOW {
            return None;
        }
        let rate = self.sum / ticks_a_second / passed;
        self.restart(f64::from(ticks), now);
        Some(rate)
    }

    /// For how many minutes the use has been the same, with this one.
    pub fn flat(&mut self, minute: u32, value: f64) -> u32 {
        let value = value as f32;
        let same = value <= self.flat * FLAT && value * FLAT >= self.flat && minute >= self.flat_since;
        if !same || self.flat_since == 0 {
            (self.flat, self.flat_since) = (value, minute);
        }
        minute - self.flat_since
    }

    /// Whether the use has come near the limit, and stayed there for so many minutes: said once.
    pub fn comes_near(&mut self, minute: u32, value: f64, minutes: u32) -> bool {
        if self.limit <= 0.0 || value < 0.9 * f64::from(self.limit) {
            self.near_since = 0;
            return false;
        }
        if self.near_since == 0 {
            self.near_since = minute;
        }
        let near = self.near_since != ALWAYS && minute.saturating_sub(self.near_since) >= minutes;
        if near {
            self.near_since = ALWAYS;
        }
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The uses that samples come to, each a second and an amount.
    fn uses(samples: impl IntoIterator<Item = (i64, Amount)>) -> Vec<f64> {
        let (mut instance, mut unit) = (Instance::default(), Unit::default());
        let read = |(sec, amount)| instance.read(amount, Time::from_sec(1_000_000 + sec), &mut unit);
        samples.into_iter().filter_map(read).map(|rate| (rate * 1e3).round() / 1e3).collect()
    }

    #[rstest::rstest]
    #[case::scraped(&[(0, 0.0), (60, 30.0), (120, 90.0)], &[0.5, 1.0])]
    #[case::a_sample_a_second(&[(0, 0.0), (1, 1.0), (19, 19.0), (20, 20.0)], &[1.0])]
    #[case::restart(&[(0, 500.0), (60, 3.0), (120, 33.0)], &[0.5])]
    #[case::gap(&[(0, 0.0), (901, 30.0), (961, 60.0)], &[0.5])]
    #[case::disorder(&[(0, 0.0), (60, 30.0), (30, 15.0), (120, 60.0)], &[0.5, 0.5])]
    #[case::clock_goes_back(&[(100_000, 0.0), (0, 5.0), (60, 35.0)], &[0.5])]
    #[case::no_number(&[(0, 0.0), (30, f64::NAN), (40, -1.0), (60, 30.0), (120, f64::INFINITY)], &[0.5])]
    #[case::absurd(&[(0, 0.0), (60, 1e29), (120, 1e29)], &[0.0])]
    fn totals(#[case] samples: &[(i64, f64)], #[case] expected: &[f64]) {
        assert_eq!(uses(samples.iter().map(|&(sec, total)| (sec, Amount::Total(total)))), expected);
    }

    #[test]
    fn levels_are_means() {
        let samples = [(0, 1.0), (60, 2.0), (70, 3.0), (80, 4.0), (2000, 9.0), (2001, -9.0), (2060, f64::NAN)];
        assert_eq!(uses(samples.map(|(sec, level)| (sec, Amount::Level(level)))), [1.0, 2.0, 3.5, 9.0]);
    }

    #[test]
    fn low_bits_go_over_the_edge() {
        let gib = |quarters: u32| Amount::LowBits(quarters << 28);
        let samples = [(0, gib(15)), (60, gib(1)), (120, gib(2)), (180, gib(15))];
        let expected = [15.0, 17.0, 18.0, 15.0].map(|quarters| quarters * f64::from(1 << 28));
        assert_eq!(uses(samples), expected);
    }

    #[test]
    fn rounded_sums_wait_for_their_digits() {
        let samples = [(0, 1.0e9), (60, 1.0e9), (120, 1.01e9), (180, 1.10e9), (790, 1.10e9)];
        let samples = samples.map(|(sec, total)| (sec, Amount::Rounded { total, step: 1e7 }));
        assert_eq!(uses(samples), [555_555.556, 0.0]);
    }

    #[rstest::rstest]
    #[case::microseconds(1e6, 0.5, 0.5)]
    #[case::microseconds_of_many_cores(1e6, 100.0, 100.0)]
    #[case::nanoseconds(1e9, 0.5, 0.5)]
    #[case::nanoseconds_that_wrap_often(1e9, 3.0, 3.0)]
    fn ticks(#[case] a_second: f64, #[case] cores: f64, #[case] expected: f64) {
        let samples = (0..100).map(|sec| {
            let total = sec as f64 * cores * a_second;
            (sec, Amount::Ticks((total % WRAP) as u32))
        });
        let found = uses(samples);
        assert!(found.len() >= 3, "{found:?}");
        assert!(found.iter().all(|rate| (rate - expected).abs() < expected * 0.05), "{found:?}");
    }

    #[test]
    fn a_restart_is_no_proof_of_nanoseconds() {
        let samples = [(0, 3_000_000_000), (1, 3_000_500_000), (2, 1000), (3, 400_000)];
        let (mut instance, mut unit) = (Instance::default(), Unit::default());
        for (sec, ticks) in samples {
            instance.read(Amount::Ticks(ticks), Time::from_sec(sec), &mut unit);
        }
        assert_eq!(unit, Unit::Micros);
    }

    #[test]
    fn near_the_limit_is_said_once_and_only_when_it_was_not_always() {
        let mut instance = Instance { limit: 100.0, ..Instance::default() };
        let near = |instance: &mut Instance, from: u32, value| {
            (from..from + 30).filter(|minute| instance.comes_near(*minute, value, 15)).count()
        };
        assert_eq!(near(&mut instance, 1, 95.0), 0, "from the beginning");
        assert_eq!(near(&mut instance, 31, 50.0), 0);
        assert_eq!(near(&mut instance, 61, 95.0), 1);
    }

    proptest::proptest! {
        #[test]
        fn bears_anything(
            samples in proptest::collection::vec(
                (proptest::num::i64::ANY, 0u32..5, proptest::num::f64::ANY, proptest::num::u32::ANY), 0..100,
            ),
        ) {
            let (mut instance, mut unit) = (Instance::default(), Unit::default());
            for (sec, kind, number, bits) in samples {
                let amount = match kind {
                    0 => Amount::Level(number),
                    1 => Amount::LowBits(bits),
                    2 => Amount::Total(number),
                    3 => Amount::Rounded { total: number, step: number },
                    _ => Amount::Ticks(bits),
                };
                if let Some(rate) = instance.read(amount, Time::from_sec(sec), &mut unit) {
                    proptest::prop_assert!((0.0..=1e16).contains(&rate), "{rate}");
                    instance.flat(bits, rate);
                    instance.comes_near(bits, rate, 15);
                }
            }
        }
    }
}
