//! The component with all that belongs to it while it runs: a policy and threat lists that may change, and a folder for
//! what is learned. What goes wrong is said, and records pass.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::component::Component;
use super::policy_file::{PolicyFile, Seen};
use super::store::{Store, now};
use super::threats::Threats;
use super::{Batch, Host, Verdict};
use crate::guest::state::Token;
use crate::time::Time;

/// How often to look at the files, and whether it is time to write.
const TICK: Duration = Duration::from_secs(1);

/// A component that runs for long.
pub struct Keeper {
    guest: Component,
    policy: PolicyFile,
    threats: Threats,
    state: Option<PathBuf>,
    store: Option<Store>,
    /// Something was judged, or even found, since the last time of writing.
    is_dirty: bool,
    has_alerted: bool,
    looked: Instant,
    say: fn(&str),
}

impl Keeper {
    /// Starts with a policy, or the built-in one, and with what the folder has. A policy that does not parse does not
    /// silence the pipeline: the built-in one holds until it does. `say` gets what a person should know.
    ///
    /// # Errors
    /// When a file cannot be read, the folder cannot be used, or wasmtime cannot run the component.
    pub fn start(policy: Option<PathBuf>, state: Option<PathBuf>, say: fn(&str)) -> anyhow::Result<Self> {
        let policy = PolicyFile::read(policy, say)?;
        let guest = Component::new(policy.text(), seed())?;
        let mut keeper = Self {
            guest,
            threats: policy.threats(),
            policy,
            state,
            store: None,
            is_dirty: false,
            has_alerted: false,
            looked: now(),
            say,
        };
        keeper.restore()?;
        keeper.hold_policy()?;
        Ok(keeper)
    }

    /// Judges lines. None when the guest broke off at them; there is a new one then.
    pub fn inspect(&mut self, lines: &[u8], at: Option<Time>) -> Option<Batch> {
        match self.guest.inspect(lines, at) {
            Ok(batch) => {
                self.is_dirty = true;
                self.has_alerted |= batch.verdicts.contains(&Verdict::Match);
                Some(batch)
            }
            Err(error) => {
                (self.say)(&format!("the guest broke off, and records passed unjudged: {error:#}"));
                if let Err(error) = self.replace() {
                    (self.say)(&format!("the guest cannot be replaced: {error:#}"));
                }
                None
            }
        }
    }

    /// Looks at the files and writes what was learned, when it is time to. Says whether the policy is another one.
    pub fn tick(&mut self) -> bool {
        let is_due = now().duration_since(self.looked) >= TICK;
        let is_new = is_due && self.look(false);
        if let Some(store) = self.store.as_mut().filter(|_| self.is_dirty) {
            match store.keep(&mut self.guest, self.has_alerted) {
                Ok(false) => {}
                Ok(true) => (self.is_dirty, self.has_alerted) = (false, false),
                Err(error) => (self.say)(&format!("{error:#}")),
            }
        }
        is_new
    }

    /// Looks at the files now. Says whether the policy is another one.
    pub fn look(&mut self, is_asked: bool) -> bool {
        self.looked = now();
        let seen = self.policy.look(is_asked, self.say);
        let done = match seen {
            Seen::Same => self.refresh(),
            Seen::New => self.guest.set_policy(self.policy.text()).and_then(|()| self.hold_policy()),
            Seen::Bad => self.hold_policy(),
        };
        if let Err(error) = done {
            (self.say)(&format!("the policy cannot be set: {error:#}"));
        }
        seen != Seen::Same
    }

    /// Writes what was learned.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&mut self) -> anyhow::Result<()> {
        self.store.as_mut().map_or(Ok(()), |store| store.save(&mut self.guest))
    }

    /// The version of the guest and the id of its policy, as in `0.1.0 default`.
    ///
    /// # Errors
    /// When the guest trapped.
    pub fn version(&mut self) -> anyhow::Result<String> {
        self.guest.version()
    }

    /// The key of the enrichment.
    #[must_use]
    pub fn field(&self) -> &str {
        self.policy.field()
    }

    /// Whether the policy that holds is that of the file.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.policy.bad().is_none()
    }

    /// The size of the guest's memory.
    pub fn memory_bytes(&mut self) -> usize {
        self.guest.memory_bytes()
    }

    /// Has a new guest take up what was written.
    fn restore(&mut self) -> anyhow::Result<()> {
        let Some(path) = &self.state else { return Ok(()) };
        let (store, restored) = Store::open(path, token(), &mut self.guest)?;
        self.store = Some(store);
        restored.iter().for_each(|line| (self.say)(line));
        Ok(())
    }

    /// Gives the guest what the policy says of other files, and tells it of a newer policy that does not parse, so that
    /// the records say it.
    fn hold_policy(&mut self) -> anyhow::Result<()> {
        self.threats = self.policy.threats();
        self.refresh()?;
        if let Some(bad) = self.policy.bad() {
            // That it does not parse is known.
            let _ = self.guest.set_policy(Some(bad));
        }
        Ok(())
    }

    /// Gives the guest the threat lists that are not as they were.
    fn refresh(&mut self) -> anyhow::Result<()> {
        self.threats.give(&mut self.guest, self.say)
    }

    fn replace(&mut self) -> anyhow::Result<()> {
        self.guest = Component::new(self.policy.text(), seed())?;
        self.restore()?;
        self.hold_policy()
    }
}

/// Two random numbers, from the keys that the standard library gives its own hash maps.
#[must_use]
pub fn seed() -> [u64; 2] {
    use std::hash::{BuildHasher, RandomState};
    [RandomState::new().hash_one(0), RandomState::new().hash_one(1)]
}

/// What tells one owner of a folder of state from another.
#[must_use]
pub fn token() -> Token {
    let [low, high] = seed();
    let mut token = [0; 16];
    token.iter_mut().zip(low.to_le_bytes().into_iter().chain(high.to_le_bytes())).for_each(|(to, byte)| *to = byte);
    token
}
