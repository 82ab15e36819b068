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
    seed: Seed,
    places: HashTable<u32>,
    entries: Vec<(u64, V)>,
    capacity: usize,
    hand: usize,
    /// The shards that have changed, for [`Kept`].
    dirty: u64,
}

impl<V: Worth> Table<V> {
    /// An empty table. Its memory is taken now: it does not grow later.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        let capacity = (capacity as usize).max(NEIGHBOURHOOD);
        let places = HashTable::with_capacity(capacity);
        Self { seed, places, entries: Vec::with_capacity(capacity), capacity, hand: 0, dirty: 0 }
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a new value would push out another.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() == self.capacity
    }

    /// The place of a key, for [`at`](Self::at). It holds until the next [`put`](Self::put).
    #[must_use]
    pub fn find(&self, key: u64) -> Option<u32> {
        let same = |&place: &u32| self.entries.get(place as usize).is_some_and(|(at, _)| *at == key);
        self.places.find(self.seed.place(key), same).copied()
    }

    /// The value at a place.
    #[must_use]
    pub fn at(&self, place: u32) -> Option<&V> {
        self.entries.get(place as usize).map(|(_, value)| value)
    }

    /// The value at a place, to be changed.
    pub fn at_mut(&mut self, place: u32) -> Option<&mut V> {
        let (key, value) = self.entries.get_mut(place as usize)?;
        self.dirty |= snapshot::bit(*key);
        Some(value)
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
        let dirty = &mut self.dirty;
        self.entries.iter_mut().map(|(key, value)| {
            *dirty |= snapshot::bit(*key);
            value
        })
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.entries.iter().map(|(key, value)| (*key, value))
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
        let place = if self.is_full() { self.make_room() } else { self.entries.len() };
        self.dirty |= snapshot::bit(key);
        match self.entries.get_mut(place) {
            Some(entry) => *entry = (key, value),
            None => self.entries.push((key, value)),
        }
        let entries = &self.entries;
        let rehash = |&place: &u32| entries.get(place as usize).map_or(0, |(key, _)| self.seed.place(*key));
        self.places.insert_unique(self.seed.place(key), place as u32, rehash);
        place as u32
    }

    /// The place of the value worth least in the next neighbourhood, and its worth.
    fn least(&self) -> (usize, i64) {
        let neighbours = (0..NEIGHBOURHOOD).map(|step| (self.hand + step) % self.capacity);
        let worth = |place: usize| self.entries.get(place).map_or(i64::MIN, |(_, value)| value.worth());
        neighbours.map(|place| (place, worth(place))).min_by_key(|(_, worth)| *worth).unwrap_or_default()
    }

    fn next_neighbourhood(&mut self) {
        self.hand = (self.hand + NEIGHBOURHOOD) % self.capacity;
    }

    /// Takes the value worth least of the next neighbourhood out of the index and gives its place.
    fn make_room(&mut self) -> usize {
        let (place, _) = self.least();
        self.next_neighbourhood();
        if let Some((key, _)) = self.entries.get(place)
            && let Ok(entry) = self.places.find_entry(self.seed.place(*key), |&at| at as usize == place)
        {
            entry.remove();
            self.dirty |= snapshot::bit(*key);
        }
        place
    }
}

impl<V: Entry + Worth> Table<V> {
    /// Takes up a value from elsewhere: into the one that is there, or else where there is room for it, or one that is
    /// worth less.
    fn merge(&mut self, key: u64, value: V) {
        if let Some(known) = self.get_mut(key) {
            known.merge(value);
        } else if !self.is_full() || self.least().1 < value.worth() {
            self.put(key, value);
        } else {
            self.next_neighbourhood();
        }
    }
}

impl<V: Entry + Worth> Kept for Table<V> {
    fn version(&self) -> u8 {
        V::VERSION
    }

    // In the order in which they came: it is the same whatever the seed, and reading keeps it.
    fn write(&self, shard: u8, out: &mut Vec<u8>) {
        for (key, value) in self.iter().filter(|(key, _)| snapshot::shard(*key) == shard) {
            out.extend_from_slice(&key.to_le_bytes());
            value.write(out);
        }
    }

    fn read(&mut self, mut reader: Reader<'_>) -> Option<()> {
        while !reader.rest().is_empty() {
            let key = reader.u64()?;
            self.merge(key, V::read(&mut reader)?);
        }
        Some(())
    }

    fn dirty(&mut self) -> &mut u64 {
        &mut self.dirty
    }

    fn resume(&mut self, gap: i64) {
        self.values_mut().for_each(|value| value.resume(gap));
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
