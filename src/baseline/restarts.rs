//! What is known of the restarts of each workload, each counted once.

use super::snapshot::{self, Entry, Number, Reader, numbers};
use super::{Occurrences, Seed, Table, Worth, id, lasting};
use crate::source::Workload;
use crate::time::DAY;

/// How a restart is seen. The same one is often seen in several ways, at about the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// The runtime's events.
    Runtime,
    /// `Started` Events of the kubelet.
    Started,
    /// `BackOff` Events of the kubelet.
    BackOff,
    /// The kubelet's counter, in a pod's status or in a series.
    Counter,
}

const VIEWS: usize = 4;

/// What one view has yet to say of the restarts that others have already told, and until when that is expected.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Told {
    pub(crate) count: u32,
    pub(crate) at: i64,
}

/// No record tells of more restarts than this; if it does, it is wrong.
const MOST: u32 = 1000;

/// For how long two views may be apart, in seconds.
const APART: i64 = 300;

/// A back-off that was not heard of for this long, in seconds, is over: the kubelet waits five minutes at most.
const BACK_OFF_ENDS: i64 = 1200;

/// No time at all.
const NEVER: i64 = -(1 << 40);

/// What is kept of each part of a workload's name, in bytes. Kubernetes allows 253, and most have fewer than 64.
const LONGEST_PART: usize = 128;

/// The restarts of one workload.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// The workload, for people: `cluster/namespace/kind/name`.
    pub(crate) name: Box<[u8]>,
    pub(crate) restarts: Occurrences,
    pub(crate) told: [Told; VIEWS],
    /// The last kills for want of memory, the newest first; 0 for none.
    pub(crate) out_of_memory: [i64; 3],
    /// Since when the kubelet waits before it restarts, and when that was last heard of.
    pub(crate) back_off: Option<(i64, i64)>,
    /// Until when restarts are expected, since somebody changes the workload.
    pub(crate) changing_until: i64,
    /// When a container ended by itself and well: a restart, if one starts soon.
    pub(crate) completed: Option<i64>,
}

impl Entry for Series {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        snapshot::put_text(&self.name, out);
        self.restarts.write(out);
        for told in self.told {
            numbers!(write told, out, count, at);
        }
        numbers!(write self, out, out_of_memory, changing_until);
        let (since, last) = self.back_off.unwrap_or((NEVER, NEVER));
        [since, last, self.completed.unwrap_or(NEVER)].put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let name = reader.text()?.into();
        let restarts = Occurrences::read(reader)?;
        let mut told = [Told::default(); VIEWS];
        for told in &mut told {
            *told = Told { count: reader.u32()?, at: reader.seconds()? };
        }
        let (out_of_memory, changing_until) = (Number::read(reader)?, reader.seconds()?);
        let [since, last, completed] = <[i64; 3] as Number>::read(reader)?;
        let is_one = |time: &i64| *time > NEVER;
        let back_off = Some(since).filter(is_one).map(|since| (since, last));
        Some(Self {
            name,
            restarts,
            told,
            out_of_memory,
            back_off,
            changing_until,
            completed: Some(completed).filter(is_one),
        })
    }

    fn merge(&mut self, other: Self) {
        snapshot::keep_later(self, other, |series| series.restarts.experience());
    }

    fn resume(&mut self, gap: i64) {
        self.restarts.skip(gap);
        if let Some((_, last)) = &mut self.back_off {
            *last = last.saturating_add(gap);
        }
    }

    fn name(&self) -> Option<String> {
        Some(String::from_utf8_lossy(&self.name).into_owned())
    }

    fn last(&self) -> Option<i64> {
        Some(self.restarts.last)
    }

    fn count(&self) -> Option<u32> {
        Some(self.restarts.total)
    }
}

impl Worth for Series {
    fn worth(&self) -> i64 {
        lasting(self.restarts.first, self.restarts.last)
    }
}

impl Series {
    /// A workload of which nothing is known, whose restarts are counted in windows of so many seconds.
    #[must_use]
    pub fn new(workload: &Workload<'_>, windows: &[u32], at: i64) -> Self {
        let Workload { cluster, namespace, kind, name } = workload;
        let parts = [cluster, namespace, kind, name].map(|part| {
            let part = part.as_bytes();
            part.get(..LONGEST_PART).unwrap_or(part)
        });
        Self {
            name: parts.join(&b'/').into(),
            restarts: Occurrences::new(windows, at),
            told: [Told::default(); VIEWS],
            out_of_memory: [0; 3],
            back_off: None,
            changing_until: NEVER,
            completed: None,
        }
    }

    /// Counts restarts that one view tells, between two times, and gives how many of them no other view has told
    /// before.
    pub fn tell(&mut self, view: View, count: u32, from: i64, at: i64) -> u32 {
        let patience = APART.max(at.saturating_sub(from));
        let count = count.min(MOST);
        let mut new = count;
        for (place, told) in self.told.iter_mut().enumerate() {
            if at.saturating_sub(told.at) > patience {
                told.count = 0;
            }
            if place == view as usize {
                new = count.saturating_sub(told.count);
                told.count = told.count.saturating_sub(count);
            }
        }
        for (place, told) in self.told.iter_mut().enumerate() {
            if place != view as usize {
                *told = Told { count: told.count.saturating_add(new), at };
            }
        }
        // Where several happened unseen, they are taken for evenly spread.
        let span = at.saturating_sub(from).max(0);
        for index in 0..i64::from(new) {
            self.restarts.add(at - span * index / i64::from(count.max(1)));
        }
        new
    }

    /// Notes a kill for want of memory; a container's processes that are killed together are one. Gives the number of
    /// kills and the seconds in which they were, when they are too many: two within ten minutes, three within an hour.
    pub fn kill(&mut self, at: i64) -> Option<(u32, i64)> {
        let [newest, second, _] = self.out_of_memory;
        if (newest - at).abs() > 5 {
            self.out_of_memory = [at, newest, second];
        }
        let [newest, second, third] = self.out_of_memory;
        let since = |earlier: i64| if earlier == 0 { i64::MAX } else { newest.saturating_sub(earlier) };
        if since(third) <= 3600 {
            Some((3, since(third)))
        } else {
            (since(second) <= 600).then_some((2, since(second)))
        }
    }

    /// Notes that the kubelet waits before it restarts, and gives since when it has.
    pub fn wait(&mut self, since: Option<i64>, at: i64) -> i64 {
        let known = self.back_off.filter(|(_, last)| at.saturating_sub(*last) <= BACK_OFF_ENDS);
        let since = known.map_or(at, |(since, _)| since).min(since.unwrap_or(at)).min(at);
        self.back_off = Some((since, known.map_or(at, |(_, last)| last.max(at))));
        since
    }
}

/// A counter that only grows, and what it was last.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Counter {
    /// None before it was told for the first time.
    pub(crate) count: Option<u32>,
    pub(crate) at: i64,
    /// Whether the container ended for want of memory the last time, once that was told.
    pub(crate) out_of_memory: Option<bool>,
}

impl Entry for Counter {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        numbers!(write self, out, at);
        // One more than the count, and than the flag: 0 is none.
        self.count.map_or(0, |count| count.saturating_add(1)).put(out);
        self.out_of_memory.map_or(0_u8, |is| 1 + u8::from(is)).put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (at, count, out_of_memory) = (reader.seconds()?, reader.u32()?, reader.u8()?);
        let out_of_memory = (out_of_memory > 0).then_some(out_of_memory == 2);
        Some(Self { count: count.checked_sub(1), at, out_of_memory })
    }

    fn merge(&mut self, other: Self) {
        snapshot::keep_later(self, other, |counter| (counter.at, counter.count));
    }
}

impl Worth for Counter {
    fn worth(&self) -> i64 {
        self.at
    }
}

/// The workloads of a namespace that restarted lately, each once.
#[derive(Clone, PartialEq, Debug)]
pub struct Together {
    pub(crate) restarts: Occurrences,
    pub(crate) lately: [(u64, i64); Self::MOST],
}

impl Entry for Together {
    const VERSION: u8 = 1;

    // Who restarted in the last minutes is not kept: those minutes are over.
    fn write(&self, out: &mut Vec<u8>) {
        self.restarts.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { restarts: Occurrences::read(reader)?, lately: [(0, NEVER); Self::MOST] })
    }

    fn merge(&mut self, other: Self) {
        snapshot::keep_later(self, other, |together| together.restarts.experience());
    }

    fn resume(&mut self, gap: i64) {
        self.restarts.skip(gap);
    }
}

impl Worth for Together {
    fn worth(&self) -> i64 {
        lasting(self.restarts.first, self.restarts.last)
    }
}

impl Together {
    const MOST: usize = 16;

    /// No workload so far; they are counted in a window of so many seconds.
    #[must_use]
    pub fn new(window: u32, at: i64) -> Self {
        Self { restarts: Occurrences::new(&[window], at), lately: [(0, NEVER); Self::MOST] }
    }

    /// Notes that a member restarts, and gives how many others did within so many seconds, itself included. One that
    /// restarts again and again is still one.
    pub fn add(&mut self, member: u64, at: i64, seconds: i64) -> usize {
        let about = at.saturating_sub(seconds)..=at.saturating_add(seconds);
        let recent = |time: i64| about.contains(&time);
        match self.lately.iter_mut().find(|(known, time)| *known == member && recent(*time)) {
            Some((_, time)) => *time = at.max(*time),
            None => {
                if let Some(oldest) = self.lately.iter_mut().min_by_key(|(_, time)| *time) {
                    *oldest = (member, at);
                }
                self.restarts.add(at);
            }
        }
        self.lately.iter().filter(|(_, time)| recent(*time)).count()
    }
}

/// How many times the kubelet can have restarted a container since it began to wait: after 10 seconds, 20 more, 40 more,
/// and so on, but never more than five minutes.
#[must_use]
pub fn restarts_in(seconds: i64) -> u32 {
    let (mut restarts, mut wait, mut passed) = (0, 10, 0);
    while passed + wait <= seconds.min(DAY) {
        passed += wait;
        wait = (wait * 2).min(300);
        restarts += 1;
    }
    restarts
}

/// The counters and the series, by the ids of what they are about.
#[derive(Debug)]
pub struct Memory {
    pub(crate) workloads: Table<Series>,
    pub(crate) namespaces: Table<Together>,
    pub(crate) counters: Table<Counter>,
}

impl Memory {
    /// Nothing yet, and later at most so many workloads.
    #[must_use]
    pub fn new(workloads: u32, seed: Seed) -> Self {
        Self {
            workloads: Table::new(workloads, seed),
            namespaces: Table::new(workloads / 16, seed),
            // What restarts has a counter and an Event or two; what does not is worth least.
            counters: Table::new(workloads, seed),
        }
    }

    /// What is known of a workload, by its id and its name.
    pub fn workload(&mut self, key: u64, workload: &Workload<'_>, windows: &[u32], at: i64) -> Option<&mut Series> {
        let place = match self.workloads.find(key) {
            Some(place) => place,
            None => self.workloads.put(key, Series::new(workload, windows, at)),
        };
        let series = self.workloads.at_mut(place)?;
        series.restarts.set_windows(windows);
        Some(series)
    }

    /// What is known of a namespace.
    pub fn namespace(&mut self, namespace: u64, window: u32, at: i64) -> Option<&mut Together> {
        let place = match self.namespaces.find(namespace) {
            Some(place) => place,
            None => self.namespaces.put(namespace, Together::new(window, at)),
        };
        self.namespaces.at_mut(place)
    }

    /// The counter of that name.
    pub fn counter(&mut self, parts: &[&[u8]], at: i64) -> Option<&mut Counter> {
        let key = id(parts);
        let place = match self.counters.find(key) {
            Some(place) => place,
            None => self.counters.put(key, Counter { at, ..Counter::default() }),
        };
        self.counters.at_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        Series::new(&Workload::default(), &[600, 3600], 0)
    }

    #[test]
    fn what_two_views_tell_counts_once() {
        let mut seen = series();
        assert_eq!(seen.tell(View::Runtime, 1, 1000, 1000), 1);
        assert_eq!(seen.tell(View::Started, 1, 1002, 1002), 0);
        assert_eq!(seen.tell(View::Runtime, 1, 1030, 1030), 1);
        assert_eq!(seen.tell(View::Runtime, 1, 1090, 1090), 1);
        assert_eq!(seen.tell(View::Counter, 3, 980, 1100), 0);
        assert_eq!(seen.tell(View::Started, 2, 1002, 1100), 0);
        assert_eq!(seen.tell(View::Started, 1, 1102, 1102), 1, "one that no other has told");
        assert_eq!(seen.tell(View::BackOff, 1, 9000, 9000), 1, "what was told long ago is another one");
    }

    #[test]
    fn restarts_that_were_not_watched_are_spread() {
        let mut seen = series();
        assert_eq!(seen.tell(View::Counter, 10, 100_000, 136_000), 10);
        assert_eq!(seen.restarts.windows[0].count(136_000), 1);
        assert_eq!(seen.restarts.windows[1].count(136_000), 1);
    }

    #[test]
    fn kills_of_one_moment_are_one() {
        let mut seen = series();
        assert_eq!([seen.kill(1000), seen.kill(1001), seen.kill(1003)], [None; 3]);
        assert_eq!(seen.kill(1500), Some((2, 500)));
        assert_eq!(seen.kill(5000), None);
        assert_eq!(seen.kill(8000), None);
        assert_eq!(seen.kill(8500), Some((3, 3500)));
    }

    #[test]
    fn a_back_off_begins_and_ends() {
        let mut seen = series();
        assert_eq!([seen.wait(None, 1000), seen.wait(None, 2000), seen.wait(Some(500), 2100)], [1000, 1000, 500]);
        assert_eq!(seen.wait(None, 2050), 500, "a little late");
        assert_eq!(seen.wait(None, 9000), 9000);
    }

    #[test]
    fn members_count_once() {
        let mut together = Together::new(600, 0);
        let counts = [1, 2, 1, 3, 4].map(|member| together.add(member, 1000 + member as i64 * 10, 600));
        assert_eq!(counts, [1, 2, 2, 3, 4]);
        assert_eq!(together.add(9, 5000, 600), 1);
    }

    #[rstest::rstest]
    #[case(0, 0)]
    #[case(10, 1)]
    #[case(70, 3)]
    #[case(1224, 8)]
    #[case(i64::MAX, 291)]
    fn the_kubelet_waits_ever_longer(#[case] seconds: i64, #[case] expected: u32) {
        assert_eq!(restarts_in(seconds), expected);
    }
}
