//! What the engine has learned, as bytes, and back.

use super::Engine;
use crate::baseline::snapshot::{Entry, Kept, Restored, Section, bit, write_part, write_section};
use crate::time::Time;

/// The table of a section: the one place where the engine's tables are listed.
macro_rules! table {
    ($engine:expr, $section:expr, $($borrow:tt)+) => {
        match $section {
            Section::Learning => $($borrow)+ $engine.learning,
            Section::Names => $($borrow)+ $engine.images.names.seen,
            Section::Digests => $($borrow)+ $engine.images.digests.tags,
            Section::Episodes => $($borrow)+ $engine.episodes.running,
            Section::Alerts => $($borrow)+ $engine.episodes.hour,
        }
    };
}

impl Engine {
    /// All that was learned, as a [snapshot](crate::baseline::snapshot). It is the same for the same records in the same
    /// order, whatever the seed.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for &section in Section::ALL {
            write_section(section, self.clock.now(), table!(self, section, &), &mut out);
        }
        out
    }

    /// Takes up what was learned before, or by others. What is there already stays, and goes together with it. The time
    /// that passes until the next record counts neither as silence nor as time to learn.
    ///
    /// A part that is torn, or of another version, is skipped.
    pub fn restore(&mut self, snapshot: &[u8]) -> Restored {
        let restored = Restored::read(snapshot, |part, section| part.merge_into(self.table(section)));
        self.left_at = self.learning.last();
        self.memo.clear();
        restored
    }

    /// Whether a shard of a table has changed since it was last taken. If so, appends it as a part: the caller keeps it
    /// in the place of the one before, or [gives it back](Self::keep_dirty).
    pub fn take_dirty(&mut self, section: Section, shard: u8, out: &mut Vec<u8>) -> bool {
        let now = self.now();
        let table = self.table(section);
        let (dirty, bit) = (table.dirty(), bit(u64::from(shard)));
        let is_dirty = *dirty & bit != 0;
        *dirty &= !bit;
        if is_dirty {
            write_part(section, shard, now, table, out);
        }
        is_dirty
    }

    /// Has a shard taken again at the next opportunity.
    pub fn keep_dirty(&mut self, section: Section, shard: u8) {
        *self.table(section).dirty() |= bit(u64::from(shard));
    }

    /// The time of the last record that had one.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    fn table(&mut self, section: Section) -> &mut dyn Kept {
        table!(self, section, &mut)
    }

    /// An event at a time: learning goes on.
    pub(super) fn see(&mut self, at: Time) {
        if let Some(left_at) = self.left_at.take() {
            self.resume(at.sec.saturating_sub(left_at));
        }
        self.learning.see(at);
    }

    /// Goes on after so many seconds that nobody saw.
    #[inline(never)]
    fn resume(&mut self, gap: i64) {
        // Records that are read once more, after a crash, are older than the last one.
        let gap = gap.clamp(0, 1 << 40);
        Section::ALL.iter().for_each(|section| self.table(*section).resume(gap));
    }
}
