//! Keeps what was learned in files, so that it survives the host, which may end at any moment.
//!
//! Each shard of each table is a file, replaced as a whole. There is no timer and no hook for the end: time is that of
//! the records. The files are gone through in turn, a few a second, so that no record waits for all of them, and whatever
//! has changed is written within [`INTERVAL`] seconds; where records are rarer than that, all of it at once.
//!
//! A folder has one owner, the instance that started last: the one before may have been killed, and cannot tidy up.

use std::ops::Range;

use crate::baseline::snapshot::{Restored, SHARDS, Section};
use crate::engine::Engine;

/// In how many seconds of record time all that has changed is written.
pub const INTERVAL: usize = 30;

/// The file that says whose the folder is.
pub const OWNER: &str = "owner";

/// How many records in a row have to be older than the latest one, until that one counts as a mistake.
const LATE: u32 = 64;

const SLOTS: usize = Section::ALL.len() * SHARDS as usize;

/// Who owns a folder: any number of random bytes.
pub type Token = [u8; 16];

/// A folder of files.
pub trait Folder {
    /// How people call it.
    fn path(&self) -> String;

    /// A file; none when it is not there or cannot be read.
    fn read(&self, name: &str) -> Option<Vec<u8>>;

    /// Puts a file in the place of the one before, wholly or not at all.
    ///
    /// # Errors
    /// Says what is in the way.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), String>;

    /// Makes the folder, if it is not there. What comes of it shows when a file is written.
    fn make(&self);
}

/// The name of a shard's file.
#[must_use]
pub fn file_name(section: Section, shard: u8) -> String {
    format!("{}-{shard:02}", section.as_str())
}

/// All files that there may be.
pub fn files() -> impl Iterator<Item = (Section, u8)> {
    (0..SLOTS).filter_map(slot)
}

fn slot(number: usize) -> Option<(Section, u8)> {
    let shards = usize::from(SHARDS);
    Some((*Section::ALL.get(number / shards)?, (number % shards) as u8))
}

/// Whether a table says what has alerted. Such a one does not wait: a host that ends and starts over and over would
/// alert anew each time.
fn is_urgent(section: Section) -> bool {
    matches!(section, Section::Episodes | Section::Alerts)
}

/// Makes a folder one's own.
///
/// # Errors
/// When it cannot be written to.
pub fn take_over(folder: &impl Folder, token: &Token) -> Result<(), String> {
    folder.make();
    folder.replace(OWNER, token)
}

/// Whether a folder is still one's own. One that has vanished is.
///
/// # Errors
/// Says so when somebody else has taken it.
pub fn check_owner(folder: &impl Folder, token: &Token) -> Result<bool, String> {
    match folder.read(OWNER) {
        None => Ok(false),
        Some(owner) if owner == token => Ok(true),
        Some(_) => Err("taken over by another instance; what is learned from now on ends with this one".to_owned()),
    }
}

/// Reads the files of a folder; says what came of it, unless there was nothing.
pub fn restore(folder: &impl Folder, mut read: impl FnMut(&[u8]) -> Restored) -> Option<String> {
    let (mut parts, mut skipped, mut first) = (0, 0, String::new());
    for (section, shard) in files() {
        let name = file_name(section, shard);
        let Some(bytes) = folder.read(&name) else { continue };
        let restored = read(&bytes);
        parts += restored.parts;
        skipped += restored.skipped.len();
        if let (true, Some(reason)) = (first.is_empty(), restored.skipped.first()) {
            first = format!("; {name} skipped, {reason}");
        }
    }
    if skipped > 1 {
        first = format!("{first} (and {} more)", skipped - 1);
    }
    (parts > 0 || skipped > 0).then(|| format!("{}: {parts} parts restored{first}", folder.path()))
}

/// Writes to a folder what an engine learns.
pub struct Keeper<F> {
    folder: F,
    token: Token,
    clock: Clock,
    /// The file that is looked at next.
    next: usize,
    part: Vec<u8>,
    /// Whether the problem there is was told.
    is_told: bool,
    is_lost: bool,
}

impl<F: Folder> Keeper<F> {
    /// Has an engine take up what some folders have, up to the first one that can be written to: there it is kept from
    /// now on. Appends to `log` what there is to say.
    pub fn start(
        folders: impl Iterator<Item = F>,
        token: Token,
        engine: &mut Engine,
        log: &mut Vec<String>,
    ) -> Option<Self> {
        for folder in folders {
            log.extend(restore(&folder, |bytes| engine.restore(bytes)));
            if take_over(&folder, &token).is_ok() {
                let (clock, part) = (Clock::default(), Vec::new());
                return Some(Self { folder, token, clock, next: 0, part, is_told: false, is_lost: false });
            }
        }
        log.push("no folder to write to; what is learned ends with this instance".to_owned());
        None
    }

    /// Writes what is due after a record of that second, at once where the record has alerted. Says what went wrong,
    /// once.
    pub fn keep(&mut self, engine: &mut Engine, second: i64, has_alerted: bool) -> Option<String> {
        let passed = self.clock.pass(second);
        if self.is_lost || (passed == 0 && !has_alerted) {
            return None;
        }
        self.write_due(engine, passed, has_alerted)
    }

    #[inline(never)]
    fn write_due(&mut self, engine: &mut Engine, passed: u64, has_alerted: bool) -> Option<String> {
        let mut is_owner = false;
        let mut result = Ok(());
        if has_alerted {
            result = self.write(engine, 0..SLOTS, is_urgent, &mut is_owner);
        }
        if result.is_ok() {
            let due = SLOTS.min(SLOTS.div_ceil(INTERVAL).saturating_mul(passed as usize));
            result = self.write(engine, self.next..self.next + due, |_| true, &mut is_owner);
            self.next = (self.next + due) % SLOTS;
        }
        match result {
            Ok(()) => {
                // Only a file that was written says that the folder is well.
                self.is_told &= !is_owner;
                None
            }
            Err(_) if self.is_told => None,
            Err(problem) => {
                self.is_told = true;
                Some(format!("{}: {problem}", self.folder.path()))
            }
        }
    }

    fn write(
        &mut self,
        engine: &mut Engine,
        slots: Range<usize>,
        is_due: fn(Section) -> bool,
        is_owner: &mut bool,
    ) -> Result<(), String> {
        for (section, shard) in slots.filter_map(|number| slot(number % SLOTS)) {
            self.part.clear();
            if !is_due(section) || !engine.take_dirty(section, shard, &mut self.part) {
                continue;
            }
            let written = self.own(engine, is_owner).and_then(|()| {
                let name = file_name(section, shard);
                self.folder.replace(&name, &self.part)
            });
            if written.is_err() {
                engine.keep_dirty(section, shard);
                return written;
            }
        }
        Ok(())
    }

    fn own(&mut self, engine: &mut Engine, is_owner: &mut bool) -> Result<(), String> {
        if !*is_owner {
            let checked = check_owner(&self.folder, &self.token);
            self.is_lost = checked.is_err();
            if !checked? {
                take_over(&self.folder, &self.token)?;
                files().for_each(|(section, shard)| engine.keep_dirty(section, shard));
            }
            *is_owner = true;
        }
        Ok(())
    }
}

/// Tells by the records how much time has passed. It never goes back for a late record, and does not wait for ever for a
/// time that only one record had.
#[derive(Debug, Default)]
struct Clock {
    latest: Option<i64>,
    late: u32,
}

impl Clock {
    /// How many seconds have passed with a record of that second.
    fn pass(&mut self, second: i64) -> u64 {
        let latest = self.latest.unwrap_or(second);
        self.late = if second < latest { self.late + 1 } else { 0 };
        if second < latest && self.late < LATE {
            return 0;
        }
        let passed = if second < latest { 1 } else { second.abs_diff(latest) };
        *self = Self { latest: Some(second), late: 0 };
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    /// A folder in memory.
    #[derive(Clone, Default)]
    struct Memory(Rc<RefCell<Contents>>);

    #[derive(Default)]
    struct Contents {
        files: BTreeMap<String, Vec<u8>>,
        problem: Option<&'static str>,
        writes: usize,
    }

    impl Folder for Memory {
        fn path(&self) -> String {
            "memory".into()
        }

        fn read(&self, name: &str) -> Option<Vec<u8>> {
            self.0.borrow().files.get(name).cloned()
        }

        fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
            let mut contents = self.0.borrow_mut();
            if let Some(problem) = contents.problem {
                return Err(problem.into());
            }
            contents.writes += usize::from(name != OWNER);
            contents.files.insert(name.into(), bytes.into());
            Ok(())
        }

        fn make(&self) {}
    }

    impl Memory {
        fn names(&self) -> Vec<String> {
            self.0.borrow().files.keys().cloned().collect()
        }

        fn writes(&self) -> usize {
            std::mem::take(&mut self.0.borrow_mut().writes)
        }
    }

    /// An engine with its state in a folder, from the start on.
    struct Instance {
        engine: Engine,
        keeper: Keeper<Memory>,
        log: Vec<String>,
    }

    impl Instance {
        fn start(folder: &Memory, name: u8) -> Self {
            let mut engine = Engine::new(policy::load("images: {deny: [evil/**], allow: ['**']}").unwrap(), [1, 2]);
            let mut log = Vec::new();
            let keeper = Keeper::start([folder.clone()].into_iter(), [name; 16], &mut engine, &mut log).unwrap();
            Self { engine, keeper, log }
        }

        fn see(&mut self, image: &str, second: i64) -> serde_json::Value {
            let record = format!(
                r#"{{"Type":"container","Action":"start","Actor":{{"ID":"f0","Attributes":{{"image":"{image}","name":"web"}}}}}}"#
            );
            let mut out = Vec::new();
            let outcome = self.engine.inspect(record.as_bytes(), Some(crate::time::Time::from_sec(second)), &mut out);
            let has_alerted = outcome == crate::Outcome::Match;
            self.log.extend(self.keeper.keep(&mut self.engine, second, has_alerted));
            serde_json::from_slice(&out).unwrap()
        }
    }

    fn digest(number: u32) -> String {
        format!("app:1@sha256:{number:064x}")
    }

    #[test]
    fn what_has_changed_is_written_within_the_interval() {
        let folder = Memory::default();
        let mut instance = Instance::start(&folder, 1);
        assert_eq!((instance.log.len(), folder.names()), (0, vec![OWNER.to_owned()]));
        for number in 0..50 {
            instance.see(&format!("app-{number}:1@sha256:{number:064x}"), 1000);
        }
        assert_eq!(folder.writes(), 0, "within a second nothing is due");
        for second in 1001..1000 + i64::try_from(INTERVAL).unwrap() {
            instance.see("plain", second);
            assert!(folder.writes() <= SLOTS.div_ceil(INTERVAL));
        }
        instance.see("plain", 1000 + i64::try_from(INTERVAL).unwrap());
        let mut again = Instance::start(&folder, 2);
        assert_eq!(again.engine.snapshot().len(), instance.engine.snapshot().len());
        assert_eq!(again.log.len(), 1, "{:?}", again.log);
        assert!(again.log[0].ends_with(" parts restored"), "{:?}", again.log);

        // Nothing but the progress of learning changes from now on.
        again.see("plain", 1100);
        again.see("plain", 1200);
        folder.writes();
        again.see("plain", 1300);
        assert_eq!(folder.writes(), 1);
    }

    #[test]
    fn what_alerts_is_written_at_once() {
        let folder = Memory::default();
        let mut instance = Instance::start(&folder, 1);
        let first = instance.see("evil/x", 1000);
        assert_eq!(folder.writes(), 2);
        assert_eq!(instance.see("evil/x", 1000)["tidewaiter"]["detections"][0]["suppressed"], "cooldown");
        assert_eq!(folder.writes(), 0);

        let second = Instance::start(&folder, 2).see("evil/x", 1001);
        let [first, second] = [first, second].map(|record| record["tidewaiter"]["detections"][0].clone());
        assert_eq!(first["episode"], second["episode"]);
        assert_eq!((&first["state"], &second["state"]), (&"new".into(), &"ongoing".into()));
        assert_eq!(second["suppressed"], "cooldown");
    }

    #[test]
    fn whoever_starts_last_owns_the_folder() {
        let folder = Memory::default();
        let (mut first, mut second) = (Instance::start(&folder, 1), Instance::start(&folder, 2));
        for second in [1000, 2000, 3000] {
            first.see(&digest(1), second);
        }
        assert_eq!((folder.writes(), first.log.len()), (0, 1), "{:?}", first.log);
        assert!(first.log[0].starts_with("memory: taken over"), "{:?}", first.log);
        second.see(&digest(2), 1000);
        second.see(&digest(2), 2000);
        assert!(folder.writes() > 0);
        assert_eq!(second.log, [""; 0]);
    }

    #[test]
    fn a_full_folder_costs_nothing_but_a_line() {
        let folder = Memory::default();
        let mut instance = Instance::start(&folder, 1);
        folder.0.borrow_mut().problem = Some("full");
        for second in 1..9 {
            instance.see("evil/x", second * 1000);
        }
        assert_eq!(instance.log, ["memory: full"]);
        folder.0.borrow_mut().problem = None;
        instance.see(&digest(1), 10_000);
        assert!(folder.writes() > 2);
        folder.0.borrow_mut().problem = Some("full again");
        instance.see(&digest(2), 20_000);
        assert_eq!(instance.log, ["memory: full", "memory: full again"]);
    }

    #[test]
    fn a_folder_that_vanishes_is_made_again() {
        let folder = Memory::default();
        let mut instance = Instance::start(&folder, 1);
        (0..9).for_each(|number| drop(instance.see(&format!("a{number}:1@sha256:{number:064x}"), 1000)));
        instance.see("plain", 2000);
        let before = folder.names();
        folder.0.borrow_mut().files.clear();
        instance.see("plain", 3000);
        instance.see("plain", 4000);
        assert!(before.iter().all(|name| folder.names().contains(name)), "{before:?} {:?}", folder.names());
        assert_eq!(instance.log, [""; 0]);
    }

    #[test]
    fn no_folder_means_memory_alone() {
        let folder = Memory::default();
        folder.0.borrow_mut().problem = Some("read-only");
        let mut engine = Engine::new(policy::Loaded::builtin(), [1, 2]);
        let mut log = Vec::new();
        assert!(Keeper::start([folder].into_iter(), [0; 16], &mut engine, &mut log).is_none());
        assert_eq!(log, ["no folder to write to; what is learned ends with this instance"]);
    }

    #[test]
    fn a_torn_file_is_skipped_with_a_line() {
        let folder = Memory::default();
        let mut instance = Instance::start(&folder, 1);
        (0..99).for_each(|number| drop(instance.see(&format!("a{number}:1@sha256:{number:064x}"), 1000)));
        instance.see("plain", 2000);
        let mut torn = 0;
        for (name, bytes) in &mut folder.0.borrow_mut().files {
            if name.starts_with("digests-0") {
                bytes.truncate(40);
                torn += 1;
            }
        }
        let log = Instance::start(&folder, 2).log;
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(log[0].contains(" skipped, part 1: "), "{log:?}");
        assert!(log[0].ends_with(&format!(" (and {} more)", torn - 1)), "{log:?}");
    }

    #[rstest::rstest]
    #[case::on(&[10, 11, 11, 14], &[0, 1, 0, 3])]
    #[case::late(&[10, 12, 11, 5, 13], &[0, 2, 0, 0, 1])]
    #[case::from_the_future(&[10, 1000, 11, 12, 1001], &[0, 990, 0, 0, 1])]
    fn time_goes_on(#[case] seconds: &[i64], #[case] expected: &[u64]) {
        let mut clock = Clock::default();
        assert_eq!(seconds.iter().map(|second| clock.pass(*second)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_future_that_does_not_come_is_forgotten() {
        let mut clock = Clock::default();
        clock.pass(4_000_000_000);
        let passed: u64 = (1000..1200).map(|second| clock.pass(second)).sum();
        assert_eq!(passed, 200 - u64::from(LATE) + 1);
    }
}
