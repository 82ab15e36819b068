//! What was learned, as bytes: it survives a restart, and baselines of many collectors become one.
//!
//! A snapshot is a sequence of parts. A part has the entries of one table whose [ids](super::id) fall into one of
//! [`SHARDS`] shards, so that what changes can be written in small pieces; it can be read without the others. Its head
//! is, in little-endian order:
//!
//! | bytes | |
//! |---|---|
//! | 4 | `TIDE` |
//! | 1 | the [`FORMAT`] of this head |
//! | 1 | the table, a [`Section`] |
//! | 1 | the version of the table's entries, [`Entry::VERSION`] |
//! | 1 | the shard |
//! | 8 | the record time of writing, in seconds |
//! | 4 | the length of the entries |
//! | 8 | the [id](super::id) of the 20 bytes before and of the entries: a checksum against torn files, not against enemies |
//!
//! What follows are the entries: the id in eight bytes, and what [`Entry::write`] makes of the value. Reading is merging:
//! into an empty table, into one that has learned on its own, or into what other instances have learned.
//!
//! A table becomes part of snapshots by an [`Entry`] for its values, a [`Section`], and a line where the tables of the
//! engine are listed (`engine/state.rs`) and where those that have no bounds are ([`Merged`]):
//!
//! ```
//! use tidewaiter::baseline::snapshot::{Entry, Reader, put_seconds};
//!
//! struct Crashes {
//!     last: i64,
//!     count: u32,
//! }
//!
//! impl Entry for Crashes {
//!     const VERSION: u8 = 1;
//!
//!     fn write(&self, out: &mut Vec<u8>) {
//!         put_seconds(self.last, out);
//!         out.extend_from_slice(&self.count.to_le_bytes());
//!     }
//!
//!     fn read(reader: &mut Reader<'_>) -> Option<Self> {
//!         Some(Self { last: reader.seconds()?, count: reader.u32()? })
//!     }
//!
//!     fn merge(&mut self, other: Self) {
//!         // The larger, not the sum: what is merged twice counts once.
//!         self.last = self.last.max(other.last);
//!         self.count = self.count.max(other.count);
//!     }
//!
//!     fn resume(&mut self, gap: i64) {
//!         self.last = self.last.saturating_add(gap);
//!     }
//! }
//! ```

mod codec;
#[cfg(not(target_family = "wasm"))]
mod merged;
mod one;

pub(crate) use codec::numbers;
pub use codec::{Number, Reader, put_seconds, put_text};
#[cfg(not(target_family = "wasm"))]
pub use merged::{Merged, Summary, Top};
pub use one::One;

use super::id;
use crate::time::Time;

/// How many shards a table has.
pub const SHARDS: u8 = 64;

/// The format of a part's head.
pub const FORMAT: u8 = 1;

const MAGIC: [u8; 4] = *b"TIDE";

/// The length of a part's head.
const HEAD: usize = CHECKED + 8;

/// The length of a part's head before its checksum.
const CHECKED: usize = 20;

/// How many skipped parts are spelled out: a hostile snapshot may have any number.
const MOST_SKIPPED: usize = 16;

macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident = $code:literal $name:literal;)*) => {
        /// The tables that snapshots have, in the order of a snapshot.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Section {
            $($(#[$doc])* $section = $code,)*
        }

        impl Section {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$section),*];

            /// The name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$section => $name,)*
                }
            }
        }
    };
}
// A code is never used again for another table.
sections! {
    /// How far learning has come.
    Learning = 1 "learning";
    /// Which registries and repositories were seen while learning.
    Names = 2 "names";
    /// Which digests a tag has had.
    Digests = 3 "digests";
    /// Detections that go on.
    Episodes = 4 "episodes";
    /// How many alerts the hour has had.
    Alerts = 5 "alerts";
    /// The restarts of the workloads.
    Restarts = 6 "restarts";
    /// The restarts of the namespaces.
    Namespaces = 7 "namespaces";
    /// The kubelet's counters.
    Counters = 8 "counters";
    /// Whose the containers are.
    Containers = 9 "containers";
    /// What the workloads use of each resource.
    Gauges = 10 "gauges";
    /// The images of the workloads, and what was new to them.
    Novelties = 11 "novelties";
    /// Whose the addresses are.
    Owners = 12 "owners";
    /// What the workloads call addresses.
    Addresses = 13 "addresses";
    /// What the workloads do with their destinations.
    Pairs = 14 "pairs";
    /// Destinations that were contacted once or twice.
    Candidates = 15 "candidates";
    /// Who contacts the destinations.
    Destinations = 16 "destinations";
    /// What is usual of the workloads' connections.
    Talks = 17 "talks";
    /// The names below domains that the workloads ask for.
    Subnames = 18 "subnames";
}

impl Section {
    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|section| *section as u8 == code)
    }
}

/// What a table keeps of one thing, as snapshots spell it.
pub trait Entry: Sized {
    /// Changes with the spelling. A part of another version is not read.
    const VERSION: u8;

    /// Appends the entry.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads an entry. Whatever the bytes are, what comes of them must do no harm.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;

    /// Takes up what another instance, or an earlier one, has learned of the same. The order must not matter, nor
    /// whether something is merged twice.
    fn merge(&mut self, other: Self);

    /// Goes on after so many seconds that nobody saw: they are neither silence nor time to learn.
    fn resume(&mut self, gap: i64) {
        let _ = gap;
    }

    /// What it is, for people, where the table keeps a name.
    fn name(&self) -> Option<String> {
        None
    }

    /// When it was seen last, in seconds.
    fn last(&self) -> Option<i64> {
        None
    }

    /// How often it was seen.
    fn count(&self) -> Option<u32> {
        None
    }
}

/// Keeps of two entries that of the instance which has seen more by some measure: what two collectors saw of one
/// workload cannot be told apart from what both saw, so that sums would count twice. The bytes decide between equals, to
/// make the order of merging irrelevant.
pub fn keep_later<E: Entry, M: PartialOrd>(entry: &mut E, other: E, measure: impl Fn(&E) -> M) {
    let (own, others) = (measure(entry), measure(&other));
    if own < others || (own == others && is_less(&|out| entry.write(out), &|out| other.write(out))) {
        *entry = other;
    }
}

/// Whether one entry is spelled with lesser bytes than another.
fn is_less(one: &dyn Fn(&mut Vec<u8>), other: &dyn Fn(&mut Vec<u8>)) -> bool {
    let (mut bytes, mut others) = (Vec::new(), Vec::new());
    one(&mut bytes);
    other(&mut others);
    bytes < others
}

/// A table, as snapshots see it.
pub trait Kept {
    /// The version of its entries.
    fn version(&self) -> u8;

    /// Appends the entries of a shard.
    fn write(&self, shard: u8, out: &mut Vec<u8>);

    /// Merges entries; none when some of them cannot be read. The table keeps to its capacity.
    fn read(&mut self, reader: Reader<'_>) -> Option<()>;

    /// The shards that have changed, one bit each.
    fn dirty(&mut self) -> &mut u64;

    /// Goes on after so many seconds that nobody saw.
    fn resume(&mut self, gap: i64);
}

/// The shard of an id.
#[must_use]
pub const fn shard(id: u64) -> u8 {
    (id % SHARDS as u64) as u8
}

/// The bit of an id's shard, for [`Kept::dirty`].
#[must_use]
pub const fn bit(id: u64) -> u64 {
    1 << (id % SHARDS as u64)
}

/// Appends a part with a shard of a table; `at` is the time of the last record.
pub fn write_part(section: Section, shard: u8, at: Time, table: &dyn Kept, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[FORMAT, section as u8, table.version(), shard]);
    put_seconds(at.sec, out);
    // The length and the checksum, once the entries are there.
    out.extend_from_slice(&[0; 12]);
    let entries = out.len();
    table.write(shard, out);
    let length = (out.len() - entries) as u32;
    let Some((head, entries)) = out.get_mut(start..).and_then(|part| part.split_at_mut_checked(HEAD)) else {
        return;
    };
    let Some((head, checksum)) = head.split_at_mut_checked(CHECKED) else { return };
    if let Some((_, place)) = head.split_last_chunk_mut() {
        *place = length.to_le_bytes();
    }
    checksum.copy_from_slice(&id(&[head, entries]).to_le_bytes());
}

/// Appends all shards of a table that have entries.
pub fn write_section(section: Section, at: Time, table: &dyn Kept, out: &mut Vec<u8>) {
    for shard in 0..SHARDS {
        let start = out.len();
        write_part(section, shard, at, table, out);
        if out.len() == start + HEAD {
            out.truncate(start);
        }
    }
}

/// A part of a snapshot. Its checksum holds.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The code of its table.
    pub section: u8,
    /// The version of the table's entries.
    pub version: u8,
    /// The shard.
    pub shard: u8,
    /// The record time of writing.
    pub at: Time,
    /// The entries.
    pub entries: &'a [u8],
    /// All of it.
    pub bytes: &'a [u8],
}

impl<'a> Part<'a> {
    /// Its table; none when this version of Tidewaiter has no such table.
    #[must_use]
    pub fn section(&self) -> Option<Section> {
        Section::from_code(self.section)
    }

    /// Merges it into a table.
    ///
    /// # Errors
    /// Says why it cannot be read. Entries before the one that cannot be read are merged.
    pub fn merge_into(&self, table: &mut dyn Kept) -> Result<(), &'static str> {
        if self.version != table.version() {
            return Err("of another version");
        }
        table.read(Reader::new(self.entries)).ok_or("has an entry that is none")
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, &'static str> {
        const CUT: &str = "cut off";
        let all = reader.rest();
        let head = reader.bytes(CHECKED).ok_or(CUT)?;
        let mut fields = Reader::new(head.get(MAGIC.len()..).unwrap_or_default());
        let mut byte = || fields.u8().ok_or(CUT);
        let (format, section, version, shard) = (byte()?, byte()?, byte()?, byte()?);
        if format != FORMAT {
            return Err("of another format");
        }
        let at = fields.seconds();
        let length = fields.u32().ok_or(CUT)? as usize;
        let checksum = reader.u64().ok_or(CUT)?;
        let entries = reader.bytes(length).ok_or(CUT)?;
        match at {
            Some(at) if id(&[head, entries]) == checksum => {
                let bytes = all.get(..all.len() - reader.rest().len()).unwrap_or_default();
                Ok(Self { section, version, shard, at: Time::from_sec(at), entries, bytes })
            }
            _ => Err("damaged"),
        }
    }
}

/// The parts of a snapshot, and what is wrong with those that cannot be read.
///
/// Each byte is looked at twice at most, whatever the bytes are.
pub fn parts(snapshot: &[u8]) -> impl Iterator<Item = Result<Part<'_>, &'static str>> {
    let mut rest = snapshot;
    std::iter::from_fn(move || {
        let mut reader = Reader::new(rest);
        let (&_, after) = rest.split_first()?;
        let part = if rest.starts_with(&MAGIC) { Part::read(&mut reader) } else { Err("no part of a snapshot") };
        // Behind what cannot be read may be a part that can.
        let from = if rest.len() == reader.rest().len() { after } else { reader.rest() };
        let next = from.windows(MAGIC.len()).position(|window| window == MAGIC);
        rest = match (&part, next) {
            (Ok(_), _) => from,
            (Err(_), Some(next)) => from.get(next..).unwrap_or_default(),
            (Err(_), None) => &[],
        };
        Some(part)
    })
}

/// What came of reading a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// How many parts were read.
    pub parts: u32,
    /// The parts that were not, with the reason; of very many, the first.
    pub skipped: Vec<String>,
}

impl Restored {
    /// Reads a snapshot part by part into the tables that `merge` knows.
    pub fn read(snapshot: &[u8], mut merge: impl FnMut(&Part<'_>, Section) -> Result<(), &'static str>) -> Self {
        let mut restored = Self::default();
        for (part, number) in parts(snapshot).zip(1..) {
            let merged = part.and_then(|part| {
                let section = part.section().ok_or("of an unknown table")?;
                merge(&part, section)
            });
            match merged {
                Ok(()) => restored.parts += 1,
                Err(reason) if restored.skipped.len() < MOST_SKIPPED => {
                    restored.skipped.push(format!("part {number}: {reason}"));
                }
                Err(_) => {}
            }
        }
        restored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::{Digests, Seed, Table, Worth};

    fn digests(capacity: u32, tags: &[(u64, u64, i64)]) -> Digests {
        let mut digests = Digests::new(capacity, Seed([1, 2]));
        for &(tag, digest, at) in tags {
            digests.see(tag, digest, Time::from_sec(at));
        }
        digests
    }

    fn section(digests: &Digests) -> Vec<u8> {
        let mut out = Vec::new();
        write_section(Section::Digests, Time::from_sec(7), &digests.tags, &mut out);
        out
    }

    fn read(snapshot: &[u8], digests: &mut Digests) -> Restored {
        Restored::read(snapshot, |part, section| {
            assert_eq!(section, Section::Digests);
            part.merge_into(&mut digests.tags)
        })
    }

    /// The head is what the documentation of this module says.
    #[test]
    fn spells_a_part() {
        let part = section(&digests(8, &[(65, 0x1234, 100)]));
        assert_eq!(part[..8], [b'T', b'I', b'D', b'E', 1, 3, 1, 1]);
        assert_eq!(part[8..20], [7, 0, 0, 0, 0, 0, 0, 0, 29, 0, 0, 0]);
        assert_eq!(part[20..28], id(&[&part[..20], &part[28..]]).to_le_bytes());
        assert_eq!(part[28..41], [65, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(part[41..], [0x34, 0x12, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_cannot_be_read_is_skipped_and_the_rest_is_used() {
        let tags: Vec<_> = (0..6).map(|tag| (tag, 1, 100)).collect();
        let mut parts: Vec<_> = parts(&section(&digests(8, &tags))).map(|part| part.unwrap().bytes.to_vec()).collect();
        let seal = |part: &mut Vec<u8>| {
            let checksum = id(&[&part[..20], &part[28..]]);
            part[20..28].copy_from_slice(&checksum.to_le_bytes());
        };
        parts[0][4] = 2;
        parts[1][5] = 99;
        seal(&mut parts[1]);
        parts[2][6] = 9;
        seal(&mut parts[2]);
        *parts[3].last_mut().unwrap() ^= 1;
        parts[5].truncate(30);
        let snapshot = [b"someone else's", &*parts.concat()].concat();

        let mut restored = digests(8, &[]);
        let report = read(&snapshot, &mut restored);
        let expected = [
            "part 1: no part of a snapshot",
            "part 2: of another format",
            "part 3: of an unknown table",
            "part 4: of another version",
            "part 5: damaged",
            "part 7: cut off",
        ];
        assert_eq!((report.parts, report.skipped), (1, expected.map(String::from).to_vec()));
        assert!(restored.tags.get(4).is_some());
    }

    #[test]
    fn a_table_keeps_what_is_worth_most_of_what_comes() {
        let tags: Vec<_> = (0..4096).map(|tag| (tag, 1, i64::try_from(tag % 64).unwrap() * crate::time::DAY)).collect();
        let mut restored = digests(256, &[]);
        assert_eq!(read(&section(&digests(4096, &tags)), &mut restored).skipped, [""; 0]);
        assert_eq!(restored.tags.len(), 256);
        let worth = |digests: &Digests| digests.tags.iter().map(|(_, history)| history.worth() / 1000).sum::<i64>();
        assert!(worth(&restored) > 256 * 56, "{}", worth(&restored) / 256);
        // It is full of better ones.
        read(&section(&digests(8, &[(9999, 1, 0)])), &mut restored);
        assert!(restored.tags.get(9999).is_none());
    }

    #[test]
    fn whoever_changes_an_entry_leaves_a_trace() {
        let mut table: Table<crate::baseline::names::Name> = Table::new(8, Seed([1, 2]));
        let dirty = |table: &mut Table<_>| std::mem::take(table.dirty());
        table.put(64 + 5, crate::baseline::names::Name);
        assert_eq!(dirty(&mut table), 1 << 5);
        assert!(table.get(69).is_some() && table.find(70).is_none());
        assert_eq!(dirty(&mut table), 0);
        table.get_mut(69);
        assert_eq!(dirty(&mut table), 1 << 5);
        for key in 0..7 {
            table.put(key, crate::baseline::names::Name);
        }
        dirty(&mut table);
        // One goes for one that comes: both shards are others than before.
        table.put(100, crate::baseline::names::Name);
        assert_eq!(dirty(&mut table), 1 << 5 | 1 << (100 - 64));
    }

    proptest::proptest! {
        #[test]
        fn reading_brings_back_what_was_written(tags in proptest::collection::vec((0..200_u64, 0..9_u64, -9..99_i64), 0..99)) {
            let before = digests(1024, &tags);
            let mut after = Digests::new(512, Seed([3, 4]));
            let written = section(&before);
            proptest::prop_assert_eq!(read(&written, &mut after).skipped, [""; 0]);
            proptest::prop_assert_eq!(section(&after), written.clone());
            // Twice is once.
            read(&written, &mut after);
            proptest::prop_assert_eq!(section(&after), written);
        }

        #[test]
        fn bytes_do_no_harm(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), at in proptest::collection::vec(0..400_usize, 0..4)) {
            for at in at {
                if at + 8 <= bytes.len() {
                    bytes[at..at + 5].copy_from_slice(b"TIDE\x01");
                }
            }
            let mut merged = Merged::default();
            let report = merged.read(&bytes);
            proptest::prop_assert!(report.skipped.len() <= MOST_SKIPPED);
            let entries = Reader::new(&bytes);
            for section in Section::ALL {
                // Without the shield of the checksum.
                let _ = merged.table(*section).read(entries);
                merged.table(*section).resume(1 << 40);
            }
            let mut again = Merged::default();
            proptest::prop_assert_eq!(again.read(&merged.snapshot()).skipped, [""; 0]);
            let _ = merged.summaries(3);
        }
    }
}
