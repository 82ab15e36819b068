//! How far learning has come.

use super::snapshot::{Entry, Reader, put_seconds};
use crate::time::Time;

/// Whether the baseline can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Not enough was seen yet.
    Learning,
    /// It was learned by this instance alone.
    Ready,
    /// It was learned before, at least in part, and read back.
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
    /// When learning began, or would have, had nobody ever looked away.
    first: i64,
    last: i64,
    events: u32,
    /// Whether some of it was read back.
    restored: bool,
}

impl Learning {
    /// Counts an event.
    pub fn see(&mut self, at: Time) {
        if self.events == 0 {
            (self.first, self.last) = (at.sec, at.sec);
        }
        self.first = self.first.min(at.sec);
        self.last = self.last.max(at.sec);
        self.events = self.events.saturating_add(1);
    }

    /// For how many seconds it has gone on.
    #[must_use]
    pub fn span(&self) -> i64 {
        self.last.saturating_sub(self.first)
    }

    /// How many events there were.
    #[must_use]
    pub fn events(&self) -> u32 {
        self.events
    }

    /// Whether as much was seen as the policy asks for: `learn_for` seconds.
    #[must_use]
    pub fn readiness(&self, learn_for: u32) -> Readiness {
        if self.events < ENOUGH_EVENTS || self.span() < i64::from(learn_for) {
            Readiness::Learning
        } else if self.restored {
            Readiness::Restored
        } else {
            Readiness::Ready
        }
    }
}

impl Entry for Learning {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        put_seconds(self.span(), out);
        put_seconds(self.last, out);
        out.extend_from_slice(&self.events.to_le_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (span, last, events) = (reader.seconds()?.max(0), reader.seconds()?, reader.u32()?);
        Some(Self { first: last - span, last, events, restored: true })
    }

    // Collectors learn side by side: two that have each learned for a week have not learned for two.
    fn merge(&mut self, other: Self) {
        if self.events == 0 {
            *self = if other.events == 0 { Self::default() } else { other };
        } else if other.events > 0 {
            let span = self.span().max(other.span());
            self.last = self.last.max(other.last);
            self.first = self.last.saturating_sub(span);
            self.events = self.events.max(other.events);
            self.restored |= other.restored;
        }
    }

    // Moved up to where it goes on, it is as long as before.
    fn resume(&mut self, gap: i64) {
        self.first = self.first.saturating_add(gap);
        self.last = self.last.saturating_add(gap);
    }

    fn last(&self) -> Option<i64> {
        (self.events > 0).then_some(self.last)
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

    #[test]
    fn what_nobody_saw_is_no_time_to_learn() {
        let mut before = Learning::default();
        (0..60).for_each(|event| before.see(Time::from_sec(1_000_000 + event)));
        let mut written = Vec::new();
        before.write(&mut written);

        let mut learning = Learning::default();
        learning.merge(Learning::read(&mut Reader::new(&written)).unwrap());
        assert_eq!((learning.span(), learning.last()), (59, before.last()));
        learning.resume(10_000);
        learning.see(Time::from_sec(1_010_059));
        assert_eq!(learning.span(), 59);
        assert_eq!(learning.readiness(60), Readiness::Learning);
        learning.see(Time::from_sec(1_010_060));
        assert_eq!(learning.readiness(60), Readiness::Restored);
    }
}
