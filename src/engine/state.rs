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
            Section::Restarts => $($borrow)+ $engine.restarts.memory.workloads,
            Section::Namespaces => $($borrow)+ $engine.restarts.memory.namespaces,
            Section::Counters => $($borrow)+ $engine.restarts.memory.counters,
            Section::Containers => $($borrow)+ $engine.containers.table,
            Section::Gauges => $($borrow)+ $engine.resources.gauges,
            Section::Novelties => $($borrow)+ $engine.resources.known,
            Section::Owners => $($borrow)+ $engine.traffic.addresses.owners,
            Section::Addresses => $($borrow)+ $engine.traffic.addresses.names,
            Section::Pairs => $($borrow)+ $engine.traffic.pairs.pairs,
            Section::Candidates => $($borrow)+ $engine.traffic.pairs.candidates,
            Section::Destinations => $($borrow)+ $engine.traffic.pairs.destinations,
            Section::Talks => $($borrow)+ $engine.traffic.talks.talks,
            Section::Subnames => $($borrow)+ $engine.traffic.subnames,
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
        self.episodes.reopen();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::snapshot::SHARDS;
    use crate::policy;
    use serde_json::Value;

    const POLICY: &str = "images: {mode: learn, deny: [evil/**]}\nbaseline: {learn_for: 1h}";

    fn engine(policy: &str, seed: u64) -> Engine {
        Engine::new(policy::load(policy).unwrap(), [seed, seed])
    }

    /// The first detection of a container's start, if there is one.
    fn see(engine: &mut Engine, image: &str, sec: i64) -> Option<Value> {
        let record = format!(
            r#"{{"Type":"container","Action":"start","Actor":{{"ID":"f0","Attributes":{{"image":"{image}","name":"web"}}}}}}"#
        );
        let mut out = Vec::new();
        engine.inspect(record.as_bytes(), Some(Time::from_sec(sec)), &mut out);
        serde_json::from_slice::<Value>(&out).unwrap()["tidewaiter"]["detections"].get(0).cloned()
    }

    fn learned(seed: u64) -> Engine {
        let mut engine = engine(POLICY, seed);
        for number in 0..100 {
            let image = format!("ghcr.io/acme/app-{number}:1@sha256:{number:064x}");
            assert_eq!(see(&mut engine, &image, 1_000_000 + number * 30), None);
        }
        assert!(see(&mut engine, "evil/x", 1_006_000).is_some());
        engine
    }

    #[test]
    fn what_was_learned_goes_on_elsewhere() {
        let snapshot = learned(1).snapshot();
        assert_eq!(learned(2).snapshot(), snapshot, "the seed does not matter");

        let mut after = engine(POLICY, 3);
        let restored = after.restore(&snapshot);
        assert!(restored.parts > 60 && restored.skipped.is_empty(), "{restored:?}");
        assert_eq!(after.snapshot().len(), snapshot.len());

        // Half a year later: nobody has seen whether the episode went on.
        let at = 1_006_000 + 180 * 86_400;
        let evil = see(&mut after, "evil/x", at).unwrap();
        assert_eq!(
            (&evil["state"], &evil["count"], &evil["baseline"]),
            (&"ongoing".into(), &2.into(), &"restored".into())
        );
        assert_eq!(see(&mut after, "ghcr.io/acme/app-7", at), None, "a name that was learned");
        assert_eq!(see(&mut after, "ghcr.io/acme/new", at).unwrap()["reason"], "first-seen");
        let moved = format!("ghcr.io/acme/app-7:1@sha256:{:064x}", 1000);
        assert_eq!(see(&mut after, &moved, at).unwrap()["reason"], "digest-drift");
    }

    #[test]
    fn time_without_records_is_no_time_to_learn() {
        let mut before = engine(POLICY, 1);
        (0..60).for_each(|second| drop(see(&mut before, "a", 1_000_000 + second)));
        let mut after = engine(POLICY, 1);
        after.restore(&before.snapshot());
        assert_eq!(see(&mut after, "b", 2_000_000), None);
        assert_eq!(see(&mut after, "c", 2_003_500), None);
        assert_eq!(see(&mut after, "d", 2_003_600).unwrap()["baseline"], "restored");
    }

    #[test]
    fn a_smaller_engine_takes_what_it_has_room_for() {
        let snapshot = learned(1).snapshot();
        let mut small = engine(&format!("{POLICY}\nlimits: {{workloads: 16}}"), 2);
        assert_eq!(small.restore(&snapshot).skipped, [""; 0]);
        assert_eq!(small.images.names.seen.len(), 16);
        assert_eq!(small.images.digests.tags.len(), 16);
    }

    #[test]
    fn what_has_changed_is_taken_once() {
        let mut engine = learned(1);
        let mut all = Vec::new();
        let take = |engine: &mut Engine, out: &mut Vec<u8>| {
            let slots = Section::ALL.iter().flat_map(|section| (0..SHARDS).map(move |shard| (*section, shard)));
            slots.filter(|(section, shard)| engine.take_dirty(*section, *shard, out)).count()
        };
        assert!(take(&mut engine, &mut all) > 60);
        assert_eq!(all, engine.snapshot());
        assert_eq!(take(&mut engine, &mut all), 0);
        engine.keep_dirty(Section::Episodes, 7);
        assert_eq!(take(&mut engine, &mut all), 1);
        see(&mut engine, "ghcr.io/acme/app-7", 1_006_001);
        assert_eq!(take(&mut engine, &mut all), 3, "learning, and what is new to the workload and to its container");
    }

    #[test]
    fn a_snapshot_may_be_cut_anywhere() {
        let snapshot = learned(1).snapshot();
        for end in (0..snapshot.len()).step_by(211) {
            let restored = engine(POLICY, 2).restore(&snapshot[..end]);
            assert!(restored.skipped.len() <= 1, "{restored:?}");
        }
        let mut flipped = snapshot.clone();
        for at in (0..snapshot.len()).step_by(173) {
            flipped[at] ^= 1 << (at % 8);
            let restored = engine(POLICY, 2).restore(&flipped);
            assert!(!restored.skipped.is_empty(), "{at}");
            flipped[at] = snapshot[at];
        }
    }
}
