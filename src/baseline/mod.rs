//! What is normal, learned from the records: bounded tables, never more than the policy's limits.

mod digests;
mod episodes;
mod learning;
mod names;
mod table;

pub use digests::{Digests, Drift};
pub use episodes::{Due, Episodes};
pub use learning::{Learning, Readiness};
pub use names::Names;
pub use table::{Table, Worth};

use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher13;

/// A map whose keys come from the policy, or are hashes already: nobody floods it.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<SipHasher13>>;

/// Hashes names with a key, so that nobody who chooses them can choose where they land.
///
/// SipHash-1-3: Aumasson and Bernstein, *SipHash: a fast short-input PRF*, INDOCRYPT 2012, with the reduced rounds that
/// hash tables commonly take.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub [u64; 2]);

impl Seed {
    /// The hash of some parts; `["ab", "c"]` and `["a", "bc"]` differ.
    #[must_use]
    pub fn hash(self, parts: &[&[u8]]) -> u64 {
        let [key0, key1] = self.0;
        let mut hasher = SipHasher13::new_with_keys(key0, key1);
        for part in parts {
            hasher.write(part);
            // A byte that UTF-8 never has.
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }

    /// A quick hash, for tables that compare what they find: whoever makes collisions gains no more than slowness.
    #[must_use]
    pub fn quick(self, bytes: &[u8]) -> u64 {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        let [mut hash, key] = self.0;
        let mut rest = bytes;
        while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
            hash = (hash ^ u64::from_le_bytes(*chunk)).wrapping_mul(ODD).rotate_left(29);
            rest = tail;
        }
        for &byte in rest {
            hash = (hash ^ u64::from(byte)).wrapping_mul(ODD).rotate_left(29);
        }
        (hash ^ key ^ bytes.len() as u64).wrapping_mul(ODD)
    }
}
