//! What is known of each workload's destinations.
//!
//! A destination that is contacted for the first time is a candidate; at the third contact it becomes a pair, with its
//! gaps and sizes. A scan fills the candidates alone, and there pushes out itself: what has been there for days is worth
//! more than what came just now ([`lasting`]), so that the slow outlive the busy and the new.

use super::snapshot::{self, Entry, Number, Reader, numbers};
use super::{Seed, Table, Worth, lasting};
use crate::time::DAY;

/// How many gaps and sizes are kept.
pub const KEPT: usize = 32;

/// Steps of a coded gap to a factor of e: 60 days in milliseconds fit into 16 bits, each step being 0.04 %.
pub const GAP_STEPS: f64 = 2800.0;

/// Steps of a coded size to a factor of e: 8 GB fit into 8 bits, each step being 10 %.
pub const SIZE_STEPS: f64 = 11.0;

const HOUR: i64 = 3600;

/// A time further than this from 1970, in milliseconds, is none.
const FURTHEST: i64 = 1 << 50;

/// What is left of a slow sum after a day: half of it after a week.
const DAILY: f32 = 0.905_724;

/// What is left of the most that a day had sent: half of it after a month, so that a monthly backup is no news.
const MONTHLY: f32 = 0.977;

/// The third contact.
const PROMOTED: u8 = 3;

/// The time of the last contact is not known, as nobody watched.
pub const GAP_UNKNOWN: u8 = 1;

/// What goes on is told again after so many seconds: before the episode that it is part of is over.
const TOLD: i64 = 22 * 3600;

/// A workload and one of its destinations. Times are in milliseconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Pair {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) contacts: u32,
    /// How many gaps there were, and how many sizes: the newest of each are kept.
    pub(crate) gaps_seen: u32,
    pub(crate) sizes_seen: u32,
    pub(crate) gaps: [u16; KEPT],
    pub(crate) sizes: [u8; KEPT],
    /// The hours and the days up to the last contact that had one, the last being bit 0.
    pub(crate) hours: u32,
    pub(crate) days: u32,
    /// Bytes of the day of the last contact, and seconds of connections.
    pub(crate) sent: f32,
    pub(crate) received: f32,
    pub(crate) seconds: f32,
    /// The most that any other day had sent; it fades.
    pub(crate) usual: f32,
    /// Bytes that fade with a half-life of a week.
    pub(crate) slow_sent: f32,
    pub(crate) slow_received: f32,
    /// Contacts in the hour of the last one, and the most of any other hour.
    pub(crate) rush: u32,
    pub(crate) usual_rush: u32,
    /// When something was last reported, in seconds, and what of it on that day.
    pub(crate) told: i64,
    pub(crate) told_what: u16,
    pub(crate) flags: u8,
}

impl Worth for Pair {
    fn worth(&self) -> i64 {
        lasting(self.first / 1000, self.last / 1000)
    }
}

impl Entry for Pair {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        [self.first as u64, self.last as u64].put(out);
        numbers!(write self, out, contacts, gaps_seen, sizes_seen, gaps, sizes, hours, days);
        [self.sent, self.received, self.seconds, self.usual, self.slow_sent, self.slow_received].put(out);
        numbers!(write self, out, rush, usual_rush, told, told_what, flags);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        // Times in milliseconds: a thousandth of what a time in seconds may be.
        let mut time = || Some((reader.u64()? as i64).clamp(-FURTHEST, FURTHEST));
        let (first, last) = (time()?, time()?);
        let [contacts, gaps_seen, sizes_seen] = <[u32; 3] as Number>::read(reader)?;
        let (gaps, sizes) = (Number::read(reader)?, Number::read(reader)?);
        let [hours, days] = <[u32; 2] as Number>::read(reader)?;
        let sums = <[f32; 6] as Number>::read(reader)?.map(|sum| sum.max(0.0));
        let [sent, received, seconds, usual, slow_sent, slow_received] = sums;
        let [rush, usual_rush] = <[u32; 2] as Number>::read(reader)?;
        let (told, told_what, flags) = (reader.seconds()?, Number::read(reader)?, reader.u8()?);
        Some(Self {
            first,
            last,
            contacts,
            gaps_seen,
            sizes_seen,
            gaps,
            sizes,
            hours,
            days,
            sent,
            received,
            seconds,
            usual,
            slow_sent,
            slow_received,
            rush,
            usual_rush,
            told,
            told_what,
            flags,
        })
    }

    fn merge(&mut self, other: Self) {
        let first = self.first.min(other.first);
        snapshot::keep_later(self, other, |pair| (pair.contacts, pair.last));
        self.first = first;
    }

    /// The gap in which nobody watched is none, and the phase of a clock is lost with it.
    fn resume(&mut self, gap: i64) {
        let milliseconds = gap.saturating_mul(1000);
        self.first = self.first.saturating_add(milliseconds);
        self.last = self.last.saturating_add(milliseconds);
        self.told = self.told.saturating_add(gap);
        self.flags |= GAP_UNKNOWN;
    }

    fn last(&self) -> Option<i64> {
        Some(self.last / 1000)
    }

    fn count(&self) -> Option<u32> {
        Some(self.contacts)
    }
}

impl Pair {
    fn new(candidate: &Candidate) -> Self {
        Self {
            first: candidate.first,
            last: candidate.first,
            contacts: 1,
            gaps_seen: 0,
            sizes_seen: 0,
            gaps: [0; KEPT],
            sizes: [0; KEPT],
            hours: 1,
            days: 1,
            sent: 0.0,
            received: 0.0,
            seconds: 0.0,
            usual: 0.0,
            slow_sent: 0.0,
            slow_received: 0.0,
            rush: 1,
            usual_rush: 0,
            told: i64::MIN,
            told_what: 0,
            flags: 0,
        }
    }

    /// Counts a contact; contacts within so many milliseconds of the last are one. Gives whether there is a new gap.
    pub fn contact(&mut self, at: i64, together: i64) -> bool {
        self.contacts = self.contacts.saturating_add(1);
        let gap = at.saturating_sub(self.last);
        if gap > together {
            self.advance(at);
            self.rush = self.rush.saturating_add(1);
            self.last = at;
            if std::mem::take(&mut self.flags) & GAP_UNKNOWN == 0 {
                self.push_gap(gap);
                return true;
            }
            return false;
        }
        // One of an hour before, as in records that are read once more, is none of the hour at hand.
        if at.div_euclid(HOUR * 1000) == self.last.div_euclid(HOUR * 1000) {
            self.rush = self.rush.saturating_add(1);
        }
        if gap >= -together {
            return false;
        }
        // A record that comes late, as those of long connections do, divides the gap in which it was.
        let newest = (self.gaps_seen as usize).wrapping_sub(1) % KEPT;
        let Some(code) = self.gaps.get_mut(newest).filter(|_| self.gaps_seen > 0) else { return false };
        let before = decode_gap(*code) as i64 + gap;
        if before <= together {
            return false;
        }
        *code = encode(before, GAP_STEPS) as u16;
        self.push_gap(-gap);
        true
    }

    fn push_gap(&mut self, gap: i64) {
        if let Some(place) = self.gaps.get_mut(self.gaps_seen as usize % KEPT) {
            *place = encode(gap, GAP_STEPS) as u16;
        }
        self.gaps_seen = self.gaps_seen.wrapping_add(1);
    }

    /// Adds what a connection has sent, received and lasted; `is_over` says that the sums are whole.
    pub fn transfer(&mut self, sent: u64, received: u64, seconds: f64, total: Option<u64>) {
        let (sent, received) = (sent as f32, received as f32);
        self.sent += sent;
        self.received += received;
        self.slow_sent += sent;
        self.slow_received += received;
        self.seconds += seconds as f32;
        if let Some(total) = total {
            if let Some(place) = self.sizes.get_mut(self.sizes_seen as usize % KEPT) {
                *place = encode(i64::try_from(total).unwrap_or(i64::MAX), SIZE_STEPS).min(255) as u8;
            }
            self.sizes_seen = self.sizes_seen.wrapping_add(1);
        }
    }

    /// Goes on to the hour and the day of a time.
    fn advance(&mut self, at: i64) {
        let hours = at.div_euclid(HOUR * 1000) - self.last.div_euclid(HOUR * 1000);
        if hours > 0 {
            self.hours = u32::try_from(hours).map_or(0, |hours| self.hours.checked_shl(hours).unwrap_or(0)) | 1;
            self.usual_rush = self.usual_rush.max(self.rush);
            self.rush = 0;
        }
        let days = at.div_euclid(DAY * 1000) - self.last.div_euclid(DAY * 1000);
        if days > 0 {
            self.days = u32::try_from(days).map_or(0, |days| self.days.checked_shl(days).unwrap_or(0)) | 1;
            self.usual = self.usual.max(self.sent);
            (self.sent, self.received, self.seconds) = (0.0, 0.0, 0.0);
            for _ in 0..days.min(400) {
                self.usual *= MONTHLY;
                self.slow_sent *= DAILY;
                self.slow_received *= DAILY;
            }
        }
    }

    /// The newest gaps as they are coded, in no order: at most so many.
    pub fn newest_gaps(&self, count: usize, out: &mut Vec<u16>) {
        let seen = self.gaps_seen as usize;
        let newest = (0..count.min(seen).min(KEPT)).filter_map(|back| self.gaps.get((seen - 1 - back) % KEPT));
        out.clear();
        out.extend(newest);
    }

    /// Whether something is to be reported: it is not when it was on the same day.
    pub fn tell(&mut self, what: u16, at: i64) -> bool {
        if at.saturating_sub(self.told).abs() >= TOLD {
            self.told = at;
            self.told_what = 0;
        }
        let is_news = self.told_what & what == 0;
        self.told_what |= what;
        is_news
    }
}

/// A number as the place of its logarithm.
#[must_use]
pub fn encode(number: i64, steps: f64) -> u32 {
    (((number.max(0) as f64) + 1.0).ln() * steps).round().min(65_535.0) as u32
}

/// The milliseconds of a coded gap.
#[must_use]
pub fn decode_gap(code: u16) -> f64 {
    (f64::from(code) / GAP_STEPS).exp() - 1.0
}

/// A destination that was contacted once or twice.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Candidate {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) contacts: u8,
    /// Whether it is one of very many that the workload contacts at the time.
    pub(crate) is_one_of_many: bool,
}

impl Entry for Candidate {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        [self.first as u64, self.last as u64].put(out);
        [self.contacts, self.is_one_of_many.into()].put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut time = || Some((reader.u64()? as i64).clamp(-FURTHEST, FURTHEST));
        let (first, last) = (time()?, time()?);
        Some(Self { first, last, contacts: reader.u8()?, is_one_of_many: reader.u8()? != 0 })
    }

    fn merge(&mut self, other: Self) {
        let first = self.first.min(other.first);
        snapshot::keep_later(self, other, |candidate| (candidate.contacts, candidate.last));
        self.first = first;
    }

    fn resume(&mut self, gap: i64) {
        let milliseconds = gap.saturating_mul(1000);
        self.first = self.first.saturating_add(milliseconds);
        self.last = self.last.saturating_add(milliseconds);
    }
}

impl Worth for Candidate {
    fn worth(&self) -> i64 {
        // Those of a scan push out each other, and not what somebody else, or the same, has contacted once this week.
        let many = if self.is_one_of_many { 7 * DAY } else { 0 };
        lasting(self.first / 1000, self.last / 1000).saturating_sub(many)
    }
}

/// Who contacts a destination, all workloads together.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Destination {
    /// In seconds.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The workloads, each one bit of 64: linear counting (Whang et al., *A linear-time probabilistic counting algorithm
    /// for database applications*, ACM TODS 15, 1990).
    pub(crate) workloads: u64,
}

impl Entry for Destination {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        numbers!(write self, out, first, last, workloads);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        numbers!(read reader, first: i64, last: i64, workloads: u64)
    }

    fn merge(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.workloads |= other.workloads;
    }

    fn resume(&mut self, gap: i64) {
        self.first = self.first.saturating_add(gap);
    }
}

impl Worth for Destination {
    fn worth(&self) -> i64 {
        lasting(self.first, self.last)
    }
}

impl Destination {
    /// About how many workloads contact it.
    #[must_use]
    pub fn prevalence(&self) -> u32 {
        let free = f64::from(self.workloads.count_zeros().max(1));
        (64.0 * (64.0 / free).ln()).round() as u32
    }
}

/// What was known before a contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contact {
    /// Nothing: it is the first.
    First,
    /// A contact or two, the first of them at a time.
    Few(i64),
    /// It is a pair, and whether there is a new gap.
    Pair(bool),
}

/// All destinations of all workloads.
#[derive(Debug)]
pub struct Pairs {
    pub(crate) pairs: Table<Pair>,
    pub(crate) candidates: Table<Candidate>,
    pub(crate) destinations: Table<Destination>,
}

impl Pairs {
    /// None yet, and later at most so many pairs.
    #[must_use]
    pub fn new(capacity: u32, seed: Seed) -> Self {
        Self {
            pairs: Table::new(capacity, seed),
            candidates: Table::new(capacity / 2, seed),
            destinations: Table::new(capacity / 2, seed),
        }
    }

    /// Counts a contact at a time in milliseconds. `is_one_of_many` says that the workload has very many that are new.
    pub fn contact(&mut self, key: u64, at: i64, together: i64, is_one_of_many: bool) -> Contact {
        if let Some(pair) = self.pairs.get_mut(key) {
            return Contact::Pair(pair.contact(at, together));
        }
        let known = self.candidates.get_mut(key).filter(|candidate| candidate.contacts > 0);
        let Some(candidate) = known else {
            self.candidates.put(key, Candidate { first: at, last: at, contacts: 1, is_one_of_many });
            return Contact::First;
        };
        let before = *candidate;
        candidate.is_one_of_many = false;
        candidate.contacts = candidate.contacts.saturating_add(1);
        (candidate.first, candidate.last) = (before.first.min(at), before.last.max(at));
        if candidate.contacts < PROMOTED {
            return Contact::Few(candidate.first);
        }
        let mut pair = Pair::new(candidate);
        // The one in between is the earlier last, or this one where it comes late.
        let [middle, newest] = [before.last.min(at), before.last.max(at)];
        pair.contact(middle, together);
        let is_new = pair.contact(newest, together);
        self.pairs.put(key, pair);
        self.retire(key);
        Contact::Pair(is_new)
    }

    /// When a pair or a candidate was contacted first, in milliseconds.
    #[must_use]
    pub fn first(&self, key: u64) -> Option<i64> {
        let candidate = || self.candidates.get(key).map(|candidate| candidate.first);
        self.pairs.get(key).map(|pair| pair.first).or_else(candidate)
    }

    /// Makes a pair of a candidate at once: what has weight is looked at from the first contact on.
    pub fn promote(&mut self, key: u64) -> Option<&mut Pair> {
        if self.pairs.find(key).is_none() {
            let candidate = *self.candidates.get(key).filter(|candidate| candidate.contacts > 0)?;
            let mut pair = Pair::new(&candidate);
            if candidate.contacts > 1 {
                pair.contact(candidate.last, 0);
            }
            self.pairs.put(key, pair);
            self.retire(key);
        }
        self.pairs.get_mut(key)
    }

    /// Leaves a candidate that is a pair now where it is, worth nothing: whatever comes next takes its place.
    fn retire(&mut self, key: u64) {
        if let Some(candidate) = self.candidates.get_mut(key) {
            *candidate = Candidate { first: 0, last: 0, contacts: 0, is_one_of_many: true };
        }
    }

    /// Notes that a workload contacts a destination, and gives what is known of that. One of very many is looked up alone.
    pub fn destination(&mut self, destination: u64, workload: u64, at: i64, is_one_of_many: bool) -> Destination {
        let bit = 1 << (workload % 64);
        if let Some(known) = self.destinations.get_mut(destination) {
            known.first = known.first.min(at);
            known.last = known.last.max(at);
            known.workloads |= bit;
            return *known;
        }
        let new = Destination { first: at, last: at, workloads: bit };
        if !is_one_of_many {
            self.destinations.put(destination, new);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(capacity: u32) -> Pairs {
        Pairs::new(capacity, Seed([1, 2]))
    }

    fn gaps(pair: &Pair) -> Vec<i64> {
        let mut codes = Vec::new();
        pair.newest_gaps(KEPT, &mut codes);
        codes.iter().rev().map(|code| (decode_gap(*code) / 100.0).round() as i64 * 100).collect()
    }

    #[test]
    fn records_that_are_read_once_more_are_no_rush() {
        let mut pairs = pairs(8);
        let hour = HOUR * 1000;
        for minute in 0..300 {
            pairs.contact(7, 100 * hour + minute * 60_000, 1000, false);
        }
        for minute in 0..300 {
            pairs.contact(7, 40 * hour + minute * 60_000, 1000, false);
        }
        assert_eq!(pairs.pairs.get(7).unwrap().rush, 60);
    }

    #[test]
    fn the_third_contact_makes_a_pair() {
        let mut pairs = pairs(8);
        assert_eq!(pairs.contact(7, 1_000_000, 1000, false), Contact::First);
        assert_eq!(pairs.contact(7, 1_060_000, 1000, false), Contact::Few(1_000_000));
        assert_eq!(pairs.contact(7, 1_120_000, 1000, false), Contact::Pair(true));
        assert_eq!(pairs.contact(7, 1_120_500, 1000, false), Contact::Pair(false));
        assert_eq!(pairs.contact(7, 1_300_000, 1000, false), Contact::Pair(true));
        assert_eq!(pairs.contact(7, 1_240_000, 1000, false), Contact::Pair(true), "late");
        let pair = pairs.pairs.get(7).unwrap();
        assert_eq!((gaps(pair), pair.contacts), (vec![60_000, 60_000, 120_000, 60_000], 6));
    }

    #[test]
    fn a_pair_is_small() {
        assert!(size_of::<Pair>() <= 200, "{}", size_of::<Pair>());
        assert!(size_of::<Candidate>() <= 24);
    }

    #[test]
    fn hours_and_days_are_kept() {
        let mut pair = Pair::new(&Candidate { first: 0, last: 0, contacts: 2, is_one_of_many: false });
        for hour in [1, 3, 30] {
            pair.contact(hour * HOUR * 1000, 1000);
        }
        assert_eq!((pair.hours, pair.days), (1 | 1 << 27 | 1 << 29 | 1 << 30, 0b11));
        pair.transfer(1000, 10, 1.0, None);
        pair.contact(8 * DAY * 1000, 1000);
        assert!(pair.sent == 0.0 && (840.0..860.0).contains(&pair.usual));
        assert!((450.0..550.0).contains(&pair.slow_sent), "{}", pair.slow_sent);
    }

    #[test]
    fn a_scan_pushes_out_nothing_that_is_known() {
        let mut pairs = pairs(1024);
        let key = |name: u64| super::super::id(&[&name.to_le_bytes()]);
        for day in 0..4 {
            (0..512).for_each(|name| _ = pairs.contact(key(name), day * DAY * 1000, 1000, false));
        }
        // One contact a day for two days: still candidates.
        for day in 2..4 {
            (600..700).for_each(|name| _ = pairs.contact(key(name), day * DAY * 1000, 1000, false));
        }
        for name in 0..1_000_000 {
            pairs.contact(key(10_000 + name), 4 * DAY * 1000 + name as i64, 1000, false);
        }
        assert!((0..512).all(|name| pairs.pairs.find(key(name)).is_some()));
        let left = (600..700).filter(|name| pairs.candidates.find(key(*name)).is_some()).count();
        assert!(left >= 85, "{left}");
        assert_eq!((pairs.pairs.len(), pairs.candidates.len()), (512, 512));
    }

    proptest! {
        #[test]
        fn any_times_do_no_harm(times in prop::collection::vec((0..4_u64, any::<i64>(), any::<u64>()), 0..200)) {
            let mut pairs = pairs(8);
            for (key, at, bytes) in times {
                // Times are those of the engine's clock, in milliseconds.
                let at = at.rem_euclid(253_402_300_800_000);
                pairs.contact(key, at, 1000, false);
                pairs.destination(key, bytes, at / 1000, false);
                if let Some(pair) = pairs.pairs.get_mut(key) {
                    pair.transfer(bytes, bytes, 1.0, Some(bytes));
                    pair.tell(1, at / 1000);
                    prop_assert!(pair.sent.is_finite());
                }
            }
        }
    }
}
