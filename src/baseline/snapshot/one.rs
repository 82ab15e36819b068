//! A value that is alone in its table.

use std::ops::{Deref, DerefMut};

use super::{Entry, Kept, Reader};

/// A value that snapshots keep by itself. Whoever may change it is taken to have done so.
#[derive(Debug, Default)]
pub struct One<V> {
    value: V,
    dirty: u64,
}

impl<V> Deref for One<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V> DerefMut for One<V> {
    fn deref_mut(&mut self) -> &mut V {
        self.dirty = 1;
        &mut self.value
    }
}

impl<V: Entry> Kept for One<V> {
    fn version(&self) -> u8 {
        V::VERSION
    }

    fn write(&self, shard: u8, out: &mut Vec<u8>) {
        if shard == 0 {
            out.extend_from_slice(&[0; 8]);
            self.value.write(out);
        }
    }

    fn read(&mut self, mut reader: Reader<'_>) -> Option<()> {
        while !reader.rest().is_empty() {
            // The id: there is one only.
            reader.u64()?;
            let value = V::read(&mut reader)?;
            self.merge(value);
        }
        Some(())
    }

    fn dirty(&mut self) -> &mut u64 {
        &mut self.dirty
    }

    fn resume(&mut self, gap: i64) {
        self.value.resume(gap);
        self.dirty = 1;
    }
}
