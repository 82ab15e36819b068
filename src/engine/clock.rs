//! When something happened, as far as records can be trusted with that.

use crate::time::{DAY, Time};

/// A record's time that lies further ahead of the shipper's than this, in seconds, is a clock that is wrong.
const SKEW: i64 = 300;

/// Without a shipper's time, a record that is this much later than the one before, in seconds, is doubted ...
const JUMP: i64 = 30 * DAY;

/// ... until so many in a row agree.
const AGREE: u8 = 3;

/// The first second of the year 10000: a time that is later, or before 1970, is none.
const LAST_SECOND: i64 = 253_402_300_800;

/// The time of the record at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    now: Time,
    doubted: u8,
    trusted: bool,
}

impl Clock {
    /// The time of the last record: that of a record that has none.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Says whether the shipper's time is one, or only what the record itself says beside its event.
    pub fn trust(&mut self, is_one: bool) {
        self.trusted = is_one;
    }

    /// Goes on to a record, by its own time and that of the shipper, and gives the time that counts.
    pub fn see(&mut self, own: Option<Time>, shipper: Option<Time>) -> Time {
        let is_one = |time: &Time| (0..LAST_SECOND).contains(&time.sec);
        let shipper = shipper.filter(is_one);
        let at = match (own.filter(is_one), shipper) {
            (Some(own), Some(shipper)) if own.since(shipper) > SKEW => shipper,
            (Some(own), _) => own,
            (None, shipper) => shipper.unwrap_or(self.now),
        };
        if !self.trusted && self.now != Time::default() && at.since(self.now) > JUMP {
            self.doubted += 1;
            if self.doubted < AGREE {
                return at;
            }
        }
        self.doubted = 0;
        self.now = at;
        at
    }

    /// Whether the time that was given last is doubted: whoever counts by time had better not.
    pub fn is_doubted(&self) -> bool {
        self.doubted > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::own(Some(100), Some(200), 100)]
    #[case::a_little_ahead(Some(500), Some(200), 500)]
    #[case::far_ahead(Some(900), Some(200), 200)]
    #[case::no_own(None, Some(200), 200)]
    #[case::none(None, None, 50)]
    #[case::absurd(Some(i64::MAX), Some(200), 200)]
    #[case::negative(Some(-1), None, 50)]
    #[case::years_ahead(Some(1_000_000_000), None, 1_000_000_000)]
    fn times(#[case] own: Option<i64>, #[case] shipper: Option<i64>, #[case] expected: i64) {
        let mut clock = Clock { now: Time::from_sec(50), ..Clock::default() };
        assert_eq!(clock.see(own.map(Time::from_sec), shipper.map(Time::from_sec)).sec, expected);
    }

    #[test]
    fn a_jump_that_lasts_is_believed() {
        let mut clock = Clock { now: Time::from_sec(50), ..Clock::default() };
        let later = 1_000_000_000;
        let doubts = [later, 60, later, later, later, later].map(|sec| {
            clock.see(Some(Time::from_sec(sec)), None);
            clock.is_doubted()
        });
        assert_eq!(doubts, [true, false, true, true, false, false]);
        assert_eq!(clock.now().sec, later);
    }
}
