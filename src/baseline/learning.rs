//! How far learning has come.

use crate::time::Time;

/// Whether the baseline can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Not enough was seen yet.
    Learning,
    /// It was learned by this instance.
    Ready,
    /// It was learned before and read back.
    Restored,
}

impl Readiness {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Ready => "ready",
            Self::Restored => "restored",
        }
    }
}

/// Fewer events than this teach nothing, however long they took.
const ENOUGH_EVENTS: u32 = 50;

/// The progress of learning, in record time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Learning {
    first: Option<Time>,
    last: Time,
    events: u32,
}

impl Learning {
    /// Counts an event.
    pub fn see(&mut self, at: Time) {
        let first = self.first.get_or_insert(at);
        *first = (*first).min(at);
        self.last = self.last.max(at);
        self.events = self.events.saturating_add(1);
    }

    /// Whether as much was seen as the policy asks for: `learn_for` seconds.
    #[must_use]
    pub fn readiness(&self, learn_for: u32) -> Readiness {
        let span = self.first.map_or(0, |first| self.last.since(first));
        if self.events >= ENOUGH_EVENTS && span >= i64::from(learn_for) {
            Readiness::Ready
        } else {
            Readiness::Learning
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_time_and_events() {
        let mut learning = Learning::default();
        assert_eq!(learning.readiness(0), Readiness::Learning);
        for event in 0..60 {
            assert_eq!(learning.readiness(100), Readiness::Learning);
            learning.see(Time::from_sec(1_000_000 + event));
        }
        assert_eq!(learning.readiness(100), Readiness::Learning);
        learning.see(Time::from_sec(1_000_100));
        assert_eq!(learning.readiness(100), Readiness::Ready);
    }
}
