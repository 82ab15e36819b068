//! What is known of the restarts of each workload, each counted once.

use super::{Occurrences, Seed, Table, Worth, id, lasting};
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

/// The restarts of one workload.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
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

impl Worth for Series {
    fn worth(&self) -> i64 {
        lasting(self.restarts.first, self.restarts.last)
    }
}

impl Series {
    /// A workload of which nothing is known, whose restarts are counted in windows of so many seconds.
    #[must_use]
    pub fn new(windows: &[u32], at: i64) -> Self {
        Self {
            restarts: Occurrences::new(windows, at),
            told: [Told::default(); VIEWS],
            out_of_memory: [0; 3],
            back_off: None,
            changing_until: i64::MIN,
            completed: None,
        }
    }

    /// Counts restarts that one view tells, between two times, and gives how many of them no other view has told
    /// before.
    pub fn count(&mut self, view: View, count: u32, from: i64, at: i64) -> u32 {
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
        Self { restarts: Occurrences::new(&[window], at), lately: [(0, i64::MIN); Self::MOST] }
    }

    /// Notes that a member restarts, and gives how many others did within so many seconds, itself included. One that
    /// restarts again and again is still one.
    pub fn add(&mut self, member: u64, at: i64, seconds: i64) -> usize {
        let recent = |time: i64| (at.saturating_sub(time)).abs() <= seconds;
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
            // A workload has a few containers at a time, and an Event or two for each.
            counters: Table::new(workloads.saturating_mul(2), seed),
        }
    }

    /// What is known of a workload.
    pub fn workload(&mut self, workload: u64, windows: &[u32], at: i64) -> Option<&mut Series> {
        let place = match self.workloads.find(workload) {
            Some(place) => place,
            None => self.workloads.put(workload, Series::new(windows, at)),
        };
        self.workloads.at_mut(place)
    }

    /// What is known of a namespace.
    pub fn namespace(&mut self, namespace: u64, window: u32, at: i64) -> Option<&mut Together> {
        let place = match self.namespaces.find(namespace) {
            Some(place) => place,
            None => self.namespaces.put(namespace, Together::new(window, at)),
        };
        self.namespaces.at_mut(place)
    }

    /// Counts in other windows from now on.
    pub fn set_windows(&mut self, windows: &[u32]) {
        for series in self.workloads.values_mut() {
            series.restarts.set_windows(windows);
        }
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
        Series::new(&[600, 3600], 0)
    }

    #[test]
    fn what_two_views_tell_counts_once() {
        let mut seen = series();
        assert_eq!(seen.count(View::Runtime, 1, 1000, 1000), 1);
        assert_eq!(seen.count(View::Started, 1, 1002, 1002), 0);
        assert_eq!(seen.count(View::Runtime, 1, 1030, 1030), 1);
        assert_eq!(seen.count(View::Runtime, 1, 1090, 1090), 1);
        assert_eq!(seen.count(View::Counter, 3, 980, 1100), 0);
        assert_eq!(seen.count(View::Started, 2, 1002, 1100), 0);
        assert_eq!(seen.count(View::Started, 1, 1102, 1102), 1, "one that no other has told");
        assert_eq!(seen.count(View::BackOff, 1, 9000, 9000), 1, "what was told long ago is another one");
    }

    #[test]
    fn restarts_that_were_not_watched_are_spread() {
        let mut seen = series();
        assert_eq!(seen.count(View::Counter, 10, 100_000, 136_000), 10);
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
