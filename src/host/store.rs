//! A folder of state on disk, for what a guest learns.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::Host;
use crate::baseline::id;
use crate::baseline::snapshot::{Restored, parts};
use crate::guest::state::{Folder, Token, check_owner, file_name, restore, take_over};

/// How long what was learned waits for being written: by the clock, since a day's log is read in a second.
const INTERVAL: Duration = Duration::from_secs(30);

/// How long alerts wait.
const SOON: Duration = Duration::from_secs(1);

/// A folder by its path.
pub struct Dir(
    /// The path.
    pub PathBuf,
);

impl Folder for Dir {
    fn path(&self) -> String {
        self.0.display().to_string()
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.0.join(name)).ok()
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let new = self.0.join(format!("{name}.new"));
        let replaced = fs::write(&new, bytes).and_then(|()| fs::rename(&new, self.0.join(name)));
        replaced.map_err(|error| format!("cannot write {name}: {error}"))
    }

    fn make(&self) {
        // What comes of it shows when a file is written.
        let _ = fs::create_dir_all(&self.0);
    }
}

/// Keeps what a guest learns in a folder.
pub struct Store {
    dir: Dir,
    token: Token,
    /// The ids of what the files have.
    written: HashMap<String, u64>,
    saved: Instant,
    is_told: bool,
}

/// This computer's clock.
#[expect(clippy::disallowed_methods, reason = "it is about this computer's files; the engine knows record time alone")]
pub(super) fn now() -> Instant {
    Instant::now()
}

impl Store {
    /// Has the guest take up what the folder has, and makes the folder one's own. Says what was taken up.
    ///
    /// # Errors
    /// When the folder cannot be written to, and when the guest trapped.
    pub fn open(path: &Path, token: Token, guest: &mut dyn Host) -> Result<(Self, Option<String>)> {
        let dir = Dir(path.to_owned());
        let mut failed = None;
        let restored = restore(&dir, |bytes| match guest.restore(bytes) {
            Ok(restored) => restored.unwrap_or_default(),
            Err(error) => {
                failed.get_or_insert(error);
                Restored::default()
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        take_over(&dir, &token).map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
        Ok((Self { dir, token, written: HashMap::new(), saved: now(), is_told: false }, restored))
    }

    /// Writes what has changed, if it is time to, and says whether it was.
    ///
    /// # Errors
    /// When it cannot be written: told once, and tried again later.
    pub fn keep(&mut self, guest: &mut dyn Host, has_alerted: bool) -> Result<bool> {
        let passed = now().duration_since(self.saved);
        if passed < if has_alerted { SOON } else { INTERVAL } {
            return Ok(false);
        }
        self.saved = now();
        let saved = self.save(guest);
        let is_new = saved.is_err() && !self.is_told;
        self.is_told = saved.is_err();
        if is_new { saved.map(|()| true) } else { Ok(true) }
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// When it cannot be written, and when the guest trapped.
    pub fn save(&mut self, guest: &mut dyn Host) -> Result<()> {
        let Some(snapshot) = guest.snapshot()? else { return Ok(()) };
        let path = self.dir.path();
        let problem = |problem: String| anyhow!("{path}: {problem}");
        if !check_owner(&self.dir, &self.token).map_err(problem)? {
            take_over(&self.dir, &self.token).map_err(problem)?;
            self.written.clear();
        }
        let mut gone = self.written.clone();
        for part in parts(&snapshot).flatten() {
            let Some(section) = part.section() else { continue };
            let name = file_name(section, part.shard);
            gone.remove(&name);
            // The time of writing alone is no change.
            let entries = id(&[part.entries]);
            if self.written.get(&name) != Some(&entries) {
                self.dir.replace(&name, part.bytes).map_err(problem)?;
                self.written.insert(name, entries);
            }
        }
        for name in gone.into_keys() {
            // Its entries had to make room.
            let _ = fs::remove_file(self.dir.0.join(&name));
            self.written.remove(&name);
        }
        Ok(())
    }
}
