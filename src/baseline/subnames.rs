//! How many different names a workload asks for below one domain.

use super::Worth;
use super::snapshot::{self, Entry, Reader, numbers};
use crate::time::DAY;

const REGISTERS: usize = 64;

/// The names below a domain, counted by HyperLogLog (Flajolet et al., AofA 2007) with 64 registers: a seventh more or
/// less. Times are in seconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Subnames {
    /// The day that is counted, since 1970.
    pub(crate) day: i64,
    pub(crate) registers: [u8; REGISTERS],
    pub(crate) questions: u32,
    /// The letters of the names without their domain, and the questions of types that carry data.
    pub(crate) letters: u32,
    pub(crate) carrying: u32,
    /// The most names of any other day; it fades.
    pub(crate) usual: u32,
    pub(crate) last: i64,
}

impl Worth for Subnames {
    fn worth(&self) -> i64 {
        // A domain below which there are many names is worth more than one that was asked for once.
        self.last.saturating_add(i64::from(self.questions.min(1000)) * 60)
    }
}

impl Entry for Subnames {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        numbers!(write self, out, day, registers, questions, letters, carrying, usual, last);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        numbers!(read reader, day: i64, registers: [u8; REGISTERS], questions: u32, letters: u32, carrying: u32, usual: u32, last: i64)
    }

    fn merge(&mut self, other: Self) {
        let usual = self.usual.max(other.usual);
        snapshot::keep_later(self, other, |subnames| (subnames.day, subnames.questions));
        self.usual = usual;
    }

    fn last(&self) -> Option<i64> {
        Some(self.last)
    }

    fn count(&self) -> Option<u32> {
        Some(self.questions)
    }
}

impl Subnames {
    /// No names yet.
    #[must_use]
    pub fn new(at: i64) -> Self {
        let day = at.div_euclid(DAY);
        Self { day, registers: [0; REGISTERS], questions: 0, letters: 0, carrying: 0, usual: 0, last: at }
    }

    /// Counts a question for a name of so many letters below the domain. Gives whether the name is, as far as can be
    /// told, another one.
    pub fn add(&mut self, name: u64, letters: usize, carries: bool, at: i64) -> bool {
        let day = at.div_euclid(DAY);
        if day > self.day {
            let count = self.count();
            for _ in 0..(day - self.day).min(60) {
                self.usual = self.usual / 16 * 15;
            }
            self.usual = self.usual.max(count);
            (self.day, self.registers) = (day, [0; REGISTERS]);
            (self.questions, self.letters, self.carrying) = (0, 0, 0);
        }
        self.last = self.last.max(at);
        self.questions = self.questions.saturating_add(1);
        self.letters = self.letters.saturating_add(letters as u32);
        self.carrying = self.carrying.saturating_add(carries.into());
        let zeros = (name >> 6).leading_zeros() as u8 - 5;
        match self.registers.get_mut((name % REGISTERS as u64) as usize) {
            Some(register) if *register < zeros => {
                *register = zeros;
                true
            }
            _ => false,
        }
    }

    /// About how many names there were on the day.
    #[must_use]
    pub fn count(&self) -> u32 {
        let most = REGISTERS as f64;
        let free = self.registers.iter().filter(|register| **register == 0).count();
        let sum: f64 = self.registers.iter().map(|register| 1.0 / (1_u64 << register.min(&63)) as f64).sum();
        let estimate = 0.709 * most * most / sum;
        let small = estimate <= 2.5 * most && free > 0;
        let estimate = if small { most * (most / free as f64).ln() } else { estimate };
        // More different names than questions there are not.
        (estimate.round() as u32).min(self.questions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(1)]
    #[case(20)]
    #[case(100)]
    #[case(1000)]
    #[case(100_000)]
    fn counts(#[case] names: u32) {
        let mut subnames = Subnames::new(0);
        for name in 0..names {
            for _ in 0..3 {
                subnames.add(crate::baseline::id(&[&name.to_le_bytes()]), 10, false, 0);
            }
        }
        let share = f64::from(subnames.count()) / f64::from(names);
        assert!((0.7..1.3).contains(&share), "{share}");
        subnames.add(1, 10, false, DAY);
        assert!((0.7..1.3).contains(&(f64::from(subnames.usual) / f64::from(names))));
        assert_eq!(subnames.count(), 1);
    }
}
