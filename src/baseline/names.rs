//! Which registries and repositories were seen while learning.

use super::Seed;
use super::table::Index;

/// A set of [ids](super::id) with room for a fixed number. When it is full it learns no more: what is not learned is
/// reported later, which is the safe side.
#[derive(Debug)]
pub struct Names {
    seen: Index,
}

impl Names {
    /// An empty set; its memory is taken now.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        Self { seen: Index::new(capacity as usize, seed) }
    }

    /// Whether the name was learned.
    #[must_use]
    pub fn has(&self, name: u64) -> bool {
        self.seen.find(name).is_some()
    }

    /// Learns a name.
    pub fn learn(&mut self, name: u64) {
        if !self.has(name) && !self.seen.is_full() {
            self.seen.put(name, self.seen.len());
        }
    }
}
