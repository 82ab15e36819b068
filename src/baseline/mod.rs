//! What is normal, learned from the records: bounded tables, never more than the policy's limits.

mod addresses;
mod containers;
mod digests;
mod episodes;
mod gauge;
mod instance;
mod learning;
mod names;
mod occurrences;
mod pairs;
mod rate;
mod restarts;
pub mod snapshot;
mod subnames;
mod table;
mod talks;
mod threats;

pub use addresses::{Addresses, bits, is_named};
pub use containers::{Container, Containers};
pub use digests::{Digests, Drift};
pub use episodes::{About, Due, Ended, Episodes};
pub use gauge::{Change, Gauge, Kind, Terms, WARM_UP};
pub use instance::{Instance, Unit};
pub use learning::{Learning, Readiness};
pub use names::Names;
pub use occurrences::{Excess, Occurrences};
pub use pairs::{Contact, Destination, GAP_STEPS, KEPT, Pair, Pairs, SIZE_STEPS, decode_gap, encode};
pub use rate::{HOUR, Rate, Window};
pub use restarts::{Memory as RestartMemory, Series, Together, View, restarts_in};
pub use subnames::Subnames;
pub use table::{Table, Worth, lasting};
pub use talks::{Connection, METADATA, NAMES, TOGETHER, Talk, Talks, Told};
pub use threats::{Network, Networks, Taken, Threat, Threats};

use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher13;

/// A map whose keys come from the policy, or are hashes already: nobody floods it.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<SipHasher13>>;

/// The id of something by its names; `["ab", "c"]` and `["a", "bc"]` differ. It is the same on every instance, so that
/// what one has learned another can read. Where an entry lands in a table is for the table's [`Seed`] to say.
///
/// SipHash-1-3: Aumasson and Bernstein, *SipHash: a fast short-input PRF*, INDOCRYPT 2012, with the reduced rounds that
/// hash tables commonly take. Without a key somebody may find two names of the same id after 2^32 attempts, which then
/// share what is learned of them; a name with the id of one that is not his to choose takes him 2^64.
#[must_use]
pub fn id(parts: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher13::new();
    for part in parts {
        hasher.write(part);
        // A byte that UTF-8 never has.
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// The key of a hash table, so that nobody who chooses names can choose where they land.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub [u64; 2]);

impl Seed {
    /// Where an id lands: multiply-shift hashing, which is universal for an odd factor that nobody knows (Dietzfelbinger
    /// et al., *A reliable randomized algorithm for the closest-pair problem*, J. Algorithms 25, 1997).
    #[must_use]
    pub fn place(self, id: u64) -> u64 {
        let [key, factor] = self.0;
        let product = (id ^ key).wrapping_mul(factor | 1);
        product ^ (product >> 32)
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
