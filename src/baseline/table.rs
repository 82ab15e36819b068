//! A map of a fixed size that keeps what is worth keeping.

use hashbrown::HashTable;

use super::Seed;
use super::snapshot::{self, Entry, Kept, Reader};
use crate::time::DAY;

/// What a value is worth to keep, against its neighbours.
pub trait Worth {
    /// The value with the least goes first.
    fn worth(&self) -> i64;
}

/// The worth of what was first and last seen at two times: what has been there for long is kept for long, up to two
/// months, while it is not seen. So a flood of new names pushes out itself, and neither the quiet nor the slow.
#[must_use]
pub fn lasting(first: i64, last: i64) -> i64 {
    last.saturating_add(last.saturating_sub(first).clamp(0, 2 * DAY) * 30)
}

/// How many values compete for the place of a new one.
///
/// A flood of new keys can then push out at most one in eight of what was there before: once each neighbourhood holds
/// one worthless newcomer, newcomers push out each other.
const NEIGHBOURHOOD: usize = 8;

/// A map from [ids](super::id) to values with room for a fixed number of them.
#[derive(Debug)]
pub struct Table<V> {
    index: Index,
    /// The values, each at the place of its key.
    values: Vec<V>,
}

impl<V: Worth> Table<V> {
    /// An empty table. Its memory is taken now: it does not grow later.
    ///
    /// Of a large power of two an eighth is left out: for that the index, which is never full to more than seven eighths,
    /// would take twice the memory.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        let mut capacity = (capacity as usize).max(NEIGHBOURHOOD);
        if capacity.is_power_of_two() && capacity >= LARGE {
            capacity -= capacity / 8;
        }
        Self { index: Index::new(capacity, seed), values: Vec::with_capacity(capacity) }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a new value would push out another.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.index.is_full()
    }

    /// The place of a key, for [`at`](Self::at). It holds until the next [`put`](Self::put).
    #[must_use]
    pub fn find(&self, key: u64) -> Option<u32> {
        self.index.find(key)
    }

    /// The value at a place.
    #[must_use]
    pub fn at(&self, place: u32) -> Option<&V> {
        self.values.get(place as usize)
    }

    /// The value at a place, to be changed.
    pub fn at_mut(&mut self, place: u32) -> Option<&mut V> {
        self.index.touch(place);
        self.values.get_mut(place as usize)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: u64) -> Option<&V> {
        self.at(self.find(key)?)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let place = self.find(key)?;
        self.at_mut(place)
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.index.touch_all();
        self.values.iter_mut()
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.index.keys.iter().copied().zip(&self.values)
    }

    /// Puts a value for a key and gives its place. Where the table is full, the value worth least of a neighbourhood
    /// makes room.
    pub fn put(&mut self, key: u64, value: V) -> u32 {
        if let Some(place) = self.find(key) {
            if let Some(at) = self.at_mut(place) {
                *at = value;
            }
            return place;
        }
        let place = self.index.room(None, &worth_in(&self.values)).unwrap_or_default();
        self.set(key, place, value)
    }

    /// Puts a value for a new key at a place.
    fn set(&mut self, key: u64, place: usize, value: V) -> u32 {
        match self.values.get_mut(place) {
            Some(at) => *at = value,
            None => self.values.push(value),
        }
        self.index.put(key, place)
    }
}

/// From so many values on an eighth less makes no difference but in memory.
const LARGE: usize = 4096;

/// What the value at a place is worth.
fn worth_in<V: Worth>(values: &[V]) -> impl Fn(usize) -> i64 {
    |place| values.get(place).map_or(i64::MIN, V::worth)
}

impl<V: Entry + Worth> Table<V> {
    /// Takes up a value from elsewhere: into the one that is there, or else where there is room for it, or in the place
    /// of one that is worth less.
    fn merge(&mut self, key: u64, value: V) {
        if let Some(known) = self.get_mut(key) {
            return known.merge(value);
        }
        let room = self.index.room(Some(value.worth()), &worth_in(&self.values));
        if let Some(place) = room {
            self.set(key, place, value);
        }
    }
}

impl<V: Entry + Worth> Kept for Table<V> {
    fn version(&self) -> u8 {
        V::VERSION
    }

    // In the order in which they came: it is the same whatever the seed, and reading keeps it.
    fn write(&self, shard: u8, out: &mut Vec<u8>) {
        self.index.each_in(shard, &mut |key, place| {
            out.extend_from_slice(&key.to_le_bytes());
            if let Some(value) = self.values.get(place) {
                value.write(out);
            }
        });
    }

    fn read(&mut self, mut reader: Reader<'_>) -> Option<()> {
        while !reader.rest().is_empty() {
            let key = reader.u64()?;
            self.merge(key, V::read(&mut reader)?);
        }
        Some(())
    }

    fn dirty(&mut self) -> &mut u64 {
        &mut self.index.dirty
    }

    fn resume(&mut self, gap: i64) {
        self.values_mut().for_each(|value| value.resume(gap));
    }
}

/// The keys of a table, and where they are. It knows nothing of the values: all tables share its code, of which the
/// guests would otherwise hold a kilobyte for each kind of value.
#[derive(Debug)]
pub(super) struct Index {
    seed: Seed,
    places: HashTable<u32>,
    keys: Vec<u64>,
    capacity: usize,
    /// Where the next neighbourhood begins.
    hand: usize,
    /// The shards that have changed, for [`Kept`].
    dirty: u64,
}

impl Index {
    /// Room for so many keys. Its memory is taken now: it does not grow later.
    pub fn new(capacity: usize, seed: Seed) -> Self {
        Self {
            seed,
            places: HashTable::with_capacity(capacity),
            keys: Vec::with_capacity(capacity),
            capacity,
            hand: 0,
            dirty: 0,
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no room for another one.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// The place of a key.
    pub fn find(&self, key: u64) -> Option<u32> {
        self.places.find(self.seed.place(key), |&place| self.keys.get(place as usize) == Some(&key)).copied()
    }

    /// Notes that the value at a place changes.
    pub fn touch(&mut self, place: u32) {
        self.dirty |= self.keys.get(place as usize).map_or(0, |key| snapshot::bit(*key));
    }

    /// Notes that all values change.
    pub fn touch_all(&mut self) {
        self.dirty |= self.keys.iter().fold(0, |dirty, key| dirty | snapshot::bit(*key));
    }

    /// The place for a new key: the next one, or else that of what is worth least in the next neighbourhood; none when
    /// that is worth as much as what is to come.
    pub fn room(&mut self, coming: Option<i64>, worth: &dyn Fn(usize) -> i64) -> Option<usize> {
        if !self.is_full() {
            return Some(self.len());
        }
        let neighbours = (0..NEIGHBOURHOOD).map(|step| (self.hand + step) % self.capacity.max(1));
        let (worth, place) = neighbours.map(|place| (worth(place), place)).min_by_key(|(worth, _)| *worth)?;
        self.hand = (self.hand + NEIGHBOURHOOD) % self.capacity.max(1);
        coming.is_none_or(|coming| worth < coming).then_some(place)
    }

    /// Calls for each key of a shard, with its place.
    pub fn each_in(&self, shard: u8, call: &mut dyn FnMut(u64, usize)) {
        for (place, &key) in self.keys.iter().enumerate() {
            if snapshot::shard(key) == shard {
                call(key, place);
            }
        }
    }

    /// Gives a place to a new key: that of another one, which goes, or the next.
    pub fn put(&mut self, key: u64, place: usize) -> u32 {
        match self.keys.get_mut(place) {
            Some(at) => {
                let old = std::mem::replace(at, key);
                self.dirty |= snapshot::bit(old);
                if let Ok(entry) = self.places.find_entry(self.seed.place(old), |&at| at as usize == place) {
                    entry.remove();
                }
            }
            None => self.keys.push(key),
        }
        self.dirty |= snapshot::bit(key);
        let rehash = |&place: &u32| self.keys.get(place as usize).map_or(0, |&key| self.seed.place(key));
        self.places.insert_unique(self.seed.place(key), place as u32, rehash);
        place as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Worth for i64 {
        fn worth(&self) -> i64 {
            *self
        }
    }

    #[test]
    fn keeps_what_is_worth_more() {
        let key = |name: u64| crate::baseline::id(&[&name.to_le_bytes()]);
        let mut table = Table::new(1024, Seed([1, 2]));
        for name in 0..1024 {
            table.put(key(name), 100_i64);
        }
        for name in 1024..200_000 {
            table.put(key(name), 1);
            assert_eq!(table.get(key(name)), Some(&1));
        }
        assert_eq!(table.len(), 1024);
        let kept = (0..1024).filter(|&name| table.get(key(name)).is_some()).count();
        assert_eq!(kept, 1024 * 7 / 8);
    }

    #[test]
    fn replaces() {
        let mut table = Table::new(8, Seed([1, 2]));
        let place = table.put(7, 1_i64);
        assert_eq!(table.put(7, 2), place);
        assert_eq!((table.len(), table.get(7)), (1, Some(&2)));
    }
}
