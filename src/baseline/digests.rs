//! Which digests a tag has had.

use super::{Seed, Table, Worth};
use crate::time::Time;

/// How many digests of a tag are remembered: a rollback to one of them is no news.
const REMEMBERED: usize = 4;

/// The digests of one tag, as one field of one source reports them; the newest is last.
#[derive(Debug, Clone, Copy)]
struct History {
    digests: [u64; REMEMBERED],
    known: u8,
    last: Time,
    /// How often the tag was seen: what was seen often is kept longest.
    seen: u32,
}

impl Worth for History {
    fn worth(&self) -> i64 {
        // A day more or less outweighs any count within it.
        self.last.sec / 86_400 * 1000 + i64::from(self.seen.min(999))
    }
}

/// A tag has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drift {
    /// How many digests it had before, as far as remembered.
    pub before: u8,
}

/// The digests of all tags.
#[derive(Debug)]
pub struct Digests {
    tags: Table<History>,
}

impl Digests {
    /// Remembers nothing yet, and later at most that many tags.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        Self { tags: Table::new(capacity, seed) }
    }

    /// Notes the digest of a tag, both as ids; says so when the tag had others before and not this one.
    pub fn see(&mut self, tag: u64, digest: u64, at: Time) -> Option<Drift> {
        let Some(history) = self.tags.get_mut(tag) else {
            let history = History { digests: [digest, 0, 0, 0], known: 1, last: at, seen: 1 };
            self.tags.put(tag, history);
            return None;
        };
        history.last = history.last.max(at);
        history.seen = history.seen.saturating_add(1);
        let before = history.known;
        if history.digests.iter().take(usize::from(before)).any(|known| *known == digest) {
            return None;
        }
        match history.digests.get_mut(usize::from(before)) {
            Some(free) => {
                *free = digest;
                history.known += 1;
            }
            None => {
                history.digests.rotate_left(1);
                if let Some(last) = history.digests.last_mut() {
                    *last = digest;
                }
            }
        }
        Some(Drift { before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_digest_is_drift_and_an_old_one_is_not() {
        let mut digests = Digests::new(16, Seed([1, 2]));
        let mut see = |digest| digests.see(1, digest, Time::from_sec(0)).map(|drift| drift.before);
        assert_eq!(
            [see(10), see(10), see(11), see(10), see(12), see(13)],
            [None, None, Some(1), None, Some(2), Some(3)]
        );
        assert_eq!([see(14), see(13), see(10)], [Some(4), None, Some(4)]);
    }
}
