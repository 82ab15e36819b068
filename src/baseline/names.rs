//! Which registries and repositories were seen while learning.

use super::Set;

/// A set of hashes with room for a fixed number. When it is full it learns no more: what is not learned is reported
/// later, which is the safe side.
#[derive(Debug)]
pub struct Names {
    seen: Set<u64>,
    capacity: usize,
}

impl Names {
    /// An empty set; its memory is taken now.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        let capacity = capacity as usize;
        Self { seen: Set::with_capacity_and_hasher(capacity, <_>::default()), capacity }
    }

    /// Whether the name was learned.
    #[must_use]
    pub fn has(&self, name: u64) -> bool {
        self.seen.contains(&name)
    }

    /// Learns a name.
    pub fn learn(&mut self, name: u64) {
        if self.seen.len() < self.capacity {
            self.seen.insert(name);
        }
    }
}
