//! What many instances have learned, as one.

use std::collections::BTreeMap;

use super::{Entry, Kept, Reader, Restored, Section, shard, write_section};
use crate::baseline::addresses::{Called, Owner};
use crate::baseline::containers::Container;
use crate::baseline::digests::History;
use crate::baseline::episodes::{Hour, Running};
use crate::baseline::gauge::Gauge;
use crate::baseline::learning::Learning;
use crate::baseline::names::Name;
use crate::baseline::pairs::{Candidate, Destination, Pair};
use crate::baseline::restarts::{Counter, Series, Together};
use crate::baseline::subnames::Subnames;
use crate::baseline::talks::Talk;
use crate::detect::resource::Known;
use crate::time::Time;

macro_rules! merged {
    ($($table:ident = $section:ident: $entry:ty;)*) => {
        /// The baselines of any number of instances, without the bounds of any of them. The order in which they are read
        /// does not matter, nor whether one is read twice.
        #[derive(Debug, Default)]
        pub struct Merged {
            $($table: Entries<$entry>,)*
            at: Time,
        }

        impl Merged {
            pub(super) fn table(&mut self, section: Section) -> &mut dyn Kept {
                match section {
                    $(Section::$section => &mut self.$table,)*
                }
            }

            /// All of it as one snapshot.
            #[must_use]
            pub fn snapshot(&self) -> Vec<u8> {
                let mut out = Vec::new();
                $(write_section(Section::$section, self.at, &self.$table, &mut out);)*
                out
            }

            /// What is in the tables; of each, no more than so many of those that were seen most often.
            #[must_use]
            pub fn summaries(&self, most: usize) -> Vec<Summary> {
                vec![$(self.$table.summary(Section::$section, most)),*]
            }
        }
    };
}
merged! {
    learning = Learning: Learning;
    names = Names: Name;
    digests = Digests: History;
    episodes = Episodes: Running;
    alerts = Alerts: Hour;
    restarts = Restarts: Series;
    namespaces = Namespaces: Together;
    counters = Counters: Counter;
    containers = Containers: Container;
    gauges = Gauges: Gauge;
    novelties = Novelties: Known;
    owners = Owners: Owner;
    addresses = Addresses: Called;
    pairs = Pairs: Pair;
    candidates = Candidates: Candidate;
    destinations = Destinations: Destination;
    talks = Talks: Talk;
    subnames = Subnames: Subnames;
}

impl Merged {
    /// Takes up another snapshot.
    pub fn read(&mut self, snapshot: &[u8]) -> Restored {
        Restored::read(snapshot, |part, section| {
            self.at = self.at.max(part.at);
            part.merge_into(self.table(section))
        })
    }

    /// The latest record time at which any of it was written.
    #[must_use]
    pub fn at(&self) -> Time {
        self.at
    }

    /// How far learning has come.
    #[must_use]
    pub fn learning(&self) -> Learning {
        self.learning.entries.values().next().copied().unwrap_or_default()
    }
}

/// What is in a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The table.
    pub section: Section,
    /// How many entries it has.
    pub entries: usize,
    /// The oldest and the newest last time of an entry, in seconds, where the entries keep one.
    pub last: Option<(i64, i64)>,
    /// Those that were seen most often, where the entries keep count.
    pub top: Vec<Top>,
}

/// An entry that was seen often.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Top {
    /// How often.
    pub count: u32,
    /// When last, in seconds.
    pub last: i64,
    /// What it is; its id, where the table keeps no name.
    pub name: String,
}

/// The entries of one table by their ids, without bounds.
#[derive(Debug)]
struct Entries<V> {
    entries: BTreeMap<u64, V>,
    dirty: u64,
}

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), dirty: 0 }
    }
}

impl<V: Entry> Entries<V> {
    fn summary(&self, section: Section, most: usize) -> Summary {
        let lasts = || self.entries.values().filter_map(Entry::last);
        let mut top: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(id, entry)| {
                let name = entry.name().unwrap_or_else(|| format!("{id:016x}"));
                Some(Top { count: entry.count()?, last: entry.last().unwrap_or_default(), name })
            })
            .collect();
        top.sort_unstable_by(|a, b| b.cmp(a));
        top.truncate(most);
        Summary { section, entries: self.entries.len(), last: lasts().min().zip(lasts().max()), top }
    }
}

impl<V: Entry> Kept for Entries<V> {
    fn version(&self) -> u8 {
        V::VERSION
    }

    fn write(&self, of: u8, out: &mut Vec<u8>) {
        for (id, entry) in self.entries.iter().filter(|(id, _)| shard(**id) == of) {
            out.extend_from_slice(&id.to_le_bytes());
            entry.write(out);
        }
    }

    fn read(&mut self, mut reader: Reader<'_>) -> Option<()> {
        use std::collections::btree_map::Entry::{Occupied, Vacant};
        while !reader.rest().is_empty() {
            let id = reader.u64()?;
            let entry = V::read(&mut reader)?;
            match self.entries.entry(id) {
                Vacant(place) => drop(place.insert(entry)),
                Occupied(mut place) => place.get_mut().merge(entry),
            }
        }
        Some(())
    }

    fn dirty(&mut self) -> &mut u64 {
        &mut self.dirty
    }

    fn resume(&mut self, gap: i64) {
        self.entries.values_mut().for_each(|entry| entry.resume(gap));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::About;
    use crate::baseline::snapshot::One;
    use crate::baseline::{Digests, Episodes, Names, Seed};
    use crate::policy::Alerts;
    use proptest::collection::vec;
    use proptest::strategy::Strategy as _;

    /// What an instance has learned that saw some things at some times.
    fn learned(sights: &[(u64, u64, i64)]) -> Vec<u8> {
        let seed = Seed([1, 2]);
        let mut learning = One::<Learning>::default();
        let (mut names, mut digests) = (Names::new(64, seed), Digests::new(64, seed));
        let mut episodes = Episodes::new(64, seed);
        let (rule, reason) = crate::detect::reason(b"denied").unwrap();
        let about = About { rule, reason };
        for &(what, digest, at) in sights {
            let time = Time::from_sec(at);
            learning.see(time);
            names.learn(what);
            digests.see(what, digest, time);
            episodes.see(
                what + digest,
                (what + digest, about),
                time,
                &Alerts { cooldown: 2, per_hour: 3 },
                digest == 0,
            );
        }
        let (mut out, at) = (Vec::new(), Time::from_sec(sights.last().map_or(0, |(_, _, at)| *at)));
        write_section(Section::Learning, at, &learning, &mut out);
        write_section(Section::Names, at, &names.seen, &mut out);
        write_section(Section::Digests, at, &digests.tags, &mut out);
        write_section(Section::Episodes, at, &episodes.running, &mut out);
        write_section(Section::Alerts, at, &episodes.hour, &mut out);
        out
    }

    fn merge(snapshots: &[&[u8]]) -> Vec<u8> {
        let mut merged = Merged::default();
        for snapshot in snapshots {
            assert_eq!(merged.read(snapshot).skipped, [""; 0]);
        }
        merged.snapshot()
    }

    proptest::proptest! {
        #[test]
        fn the_order_does_not_matter(
            [a, b, c] in [(); 3].map(|()| vec((0..9_u64, 0..9_u64, -9..9_i64), 0..30).prop_map(|sights| learned(&sights)))
        ) {
            let all = merge(&[&a, &b, &c]);
            proptest::prop_assert_eq!(&merge(&[&c, &b, &a]), &all);
            proptest::prop_assert_eq!(&merge(&[&a, &merge(&[&b, &c])]), &all);
            proptest::prop_assert_eq!(&merge(&[&merge(&[&b, &a]), &c]), &all);
            // What is read twice counts once.
            proptest::prop_assert_eq!(&merge(&[&all, &a, &all]), &all);
        }
    }

    #[test]
    fn says_what_is_in_it() {
        let mut merged = Merged::default();
        merged.read(&learned(&[(1, 5, 100), (1, 6, 200), (2, 5, 300)]));
        assert_eq!((merged.at().sec, merged.learning().span()), (300, 200));
        let summaries = merged.summaries(1);
        let of = |section| summaries.iter().find(|summary| summary.section == section).unwrap();
        assert_eq!((of(Section::Names).entries, of(Section::Names).last, &*of(Section::Names).top), (2, None, &[][..]));
        let digests = of(Section::Digests);
        assert_eq!((digests.entries, digests.last), (2, Some((200, 300))));
        assert_eq!(digests.top, [Top { count: 2, last: 200, name: "0000000000000001".into() }]);
    }
}
