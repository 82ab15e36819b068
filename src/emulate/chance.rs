//! Numbers by chance that are the same for the same seed, on every machine and in every version.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1, StandardNormal};

/// A source of such numbers. Each part of a stream has one of its own, so that what is added leaves the rest as it is.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// That of a part of the stream.
    pub fn new(seed: u64, of: &str) -> Self {
        Self(ChaCha8Rng::seed_from_u64(crate::baseline::id(&[&seed.to_le_bytes(), of.as_bytes()])))
    }

    /// From none to one.
    pub fn part(&mut self) -> f64 {
        self.0.random()
    }

    /// A number below another; 0 below 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// Whether something happens that has such a probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.part() < probability
    }

    /// The time until the next of events that come independently, so long after each other on the average.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        let one: f64 = Exp1.sample(&mut self.0);
        one * mean
    }

    /// Lognormal around a median.
    pub fn around(&mut self, median: f64, spread: f64) -> f64 {
        let normal: f64 = StandardNormal.sample(&mut self.0);
        median * (normal * spread).exp()
    }

    /// A period, more or less by so large a part of it.
    pub fn jitter(&mut self, period: f64, part: f64) -> f64 {
        period * (1.0 + part * (2.0 * self.part() - 1.0))
    }

    /// One of several.
    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        of.get(self.below(of.len()))
    }

    /// One of several, the first ones more often.
    pub fn pick_popular<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        let place = (self.part().powi(2) * of.len() as f64) as usize;
        of.get(place)
    }

    /// So many letters of an alphabet.
    pub fn letters(&mut self, alphabet: &str, count: usize) -> String {
        (0..count).filter_map(|_| self.pick(alphabet.as_bytes())).map(|byte| char::from(*byte)).collect()
    }

    /// What Kubernetes puts behind the names of pods.
    pub fn suffix(&mut self, count: usize) -> String {
        self.letters("bcdfghjklmnpqrstvwxz2456789", count)
    }

    /// So many hexadecimal digits.
    pub fn hex(&mut self, count: usize) -> String {
        self.letters("0123456789abcdef", count)
    }
}
