//! Which registries and repositories were seen while learning.

use super::snapshot::{Entry, Reader};
use super::{Seed, Table, Worth};

/// A set of [ids](super::id) with room for a fixed number. When it is full it learns no more: what is not learned is reported
/// later, which is the safe side.
#[derive(Debug)]
pub struct Names {
    pub(crate) seen: Table<Name>,
}

/// A name that was seen; its id says all.
#[derive(Clone, Copy, Debug)]
pub struct Name;

impl Worth for Name {
    fn worth(&self) -> i64 {
        0
    }
}

impl Entry for Name {
    const VERSION: u8 = 1;

    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut Reader<'_>) -> Option<Self> {
        Some(Self)
    }

    fn merge(&mut self, _: Self) {}
}

impl Names {
    /// An empty set; its memory is taken now.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        Self { seen: Table::new(capacity, seed) }
    }

    /// Whether the name was learned.
    #[must_use]
    pub fn has(&self, name: u64) -> bool {
        self.seen.find(name).is_some()
    }

    /// Learns a name.
    pub fn learn(&mut self, name: u64) {
        if !self.seen.is_full() && !self.has(name) {
            self.seen.put(name, Name);
        }
    }
}
