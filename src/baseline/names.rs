//! Which registries and repositories were seen while learning.

use hashbrown::HashTable;

use super::Seed;

/// A set of [ids](super::id) with room for a fixed number. When it is full it learns no more: what is not learned is reported
/// later, which is the safe side.
#[derive(Debug)]
pub struct Names {
    seed: Seed,
    seen: HashTable<u64>,
    capacity: usize,
}

impl Names {
    /// An empty set; its memory is taken now.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        let capacity = capacity as usize;
        Self { seed, seen: HashTable::with_capacity(capacity), capacity }
    }

    /// Whether the name was learned.
    #[must_use]
    pub fn has(&self, name: u64) -> bool {
        self.seen.find(self.seed.place(name), |seen| *seen == name).is_some()
    }

    /// Learns a name.
    pub fn learn(&mut self, name: u64) {
        if self.seen.len() < self.capacity && !self.has(name) {
            self.seen.insert_unique(self.seed.place(name), name, |&seen| self.seed.place(seen));
        }
    }
}
