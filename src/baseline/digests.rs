//! Which digests a tag has had.

use super::snapshot::{Entry, Reader, put_seconds};
use super::{Seed, Table, Worth};
use crate::time::{DAY, Time};

/// How many digests of a tag are remembered: a rollback to one of them is no news.
const REMEMBERED: usize = 4;

/// A digest, and when it was seen last, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    last: i64,
    digest: u64,
}

/// The digests of one tag, as one field of one source reports them.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// The one that was seen last is last. At the same time the larger counts as the later: the order must not depend
    /// on who took notes first.
    digests: [Seen; REMEMBERED],
    /// How often the tag was seen: what was seen often is kept longest.
    count: u32,
}

impl History {
    const NEW: Self = Self { digests: [Seen { last: i64::MIN, digest: 0 }; REMEMBERED], count: 0 };

    fn known(&self) -> impl Iterator<Item = Seen> {
        self.digests.into_iter().filter(|seen| seen.last != i64::MIN)
    }

    /// Notes a digest in place of the one that was seen longest ago; true when it is none of those remembered.
    fn note(&mut self, mut seen: Seen) -> bool {
        let place = self.digests.iter().position(|other| other.digest == seen.digest && other.last != i64::MIN);
        if let Some(known) = place.and_then(|place| self.digests.get(place)) {
            seen.last = seen.last.max(known.last);
        }
        let end = self.digests.partition_point(|other| *other <= seen);
        // All behind the place move up, and the newcomer takes the end.
        if let Some(part @ [_, ..]) = self.digests.get_mut(place.unwrap_or(0)..end) {
            part.rotate_left(1);
            if let Some(last) = part.last_mut() {
                *last = seen;
            }
        }
        place.is_none()
    }
}

impl Worth for History {
    fn worth(&self) -> i64 {
        let [.., newest] = self.digests;
        // A day more or less outweighs any count within it.
        newest.last / DAY * 1000 + i64::from(self.count.min(999))
    }
}

impl Entry for History {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        out.push(self.known().count() as u8);
        for seen in self.known() {
            out.extend_from_slice(&seen.digest.to_le_bytes());
            put_seconds(seen.last, out);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut history = Self { count: reader.u32()?, ..Self::NEW };
        for _ in 0..reader.u8()? {
            history.note(Seen { digest: reader.u64()?, last: reader.seconds()? });
        }
        Some(history)
    }

    fn merge(&mut self, other: Self) {
        self.count = self.count.max(other.count);
        other.known().for_each(|seen| {
            self.note(seen);
        });
    }

    fn last(&self) -> Option<i64> {
        self.known().map(|seen| seen.last).last()
    }

    fn count(&self) -> Option<u32> {
        Some(self.count)
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
    pub(crate) tags: Table<History>,
}

impl Digests {
    /// Remembers nothing yet, and later at most that many tags.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        Self { tags: Table::new(capacity, seed) }
    }

    /// Notes the digest of a tag, both as ids; says so when the tag had others before and not this one.
    pub fn see(&mut self, tag: u64, digest: u64, at: Time) -> Option<Drift> {
        let seen = Seen { digest, last: at.sec };
        let Some(history) = self.tags.get_mut(tag) else {
            let mut history = History { count: 1, ..History::NEW };
            history.note(seen);
            self.tags.put(tag, history);
            return None;
        };
        history.count = history.count.saturating_add(1);
        let before = history.known().count() as u8;
        history.note(seen).then_some(Drift { before })
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
