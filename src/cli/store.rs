//! A folder of state on disk: `run --state` keeps one, `state` looks into them.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tidewaiter::baseline::id;
use tidewaiter::baseline::snapshot::{Merged, Restored, parts};
use tidewaiter::guest::state::{Folder, OWNER, Token, check_owner, file_name, restore, take_over};
use tidewaiter::host::Host;

use super::style;

/// How long what was learned waits for being written: by the clock, since a day's log is read in a second.
const INTERVAL: Duration = Duration::from_secs(30);

/// How long alerts wait.
const SOON: Duration = Duration::from_secs(1);

/// A folder by its path.
pub struct Dir(pub PathBuf);

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

#[expect(clippy::disallowed_methods, reason = "it is about this computer's files; the engine knows record time alone")]
pub fn now() -> Instant {
    Instant::now()
}

impl Store {
    /// Has the guest take up what the folder has, and makes the folder one's own.
    pub fn open(path: &Path, token: Token, guest: &mut dyn Host) -> Result<Self> {
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
        if let Some(line) = restored {
            anstream::eprintln!("{line}");
        }
        take_over(&dir, &token).map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
        Ok(Self { dir, token, written: HashMap::new(), saved: now(), is_told: false })
    }

    /// Writes what has changed, if it is time to, and says whether it was. What goes wrong is told once, and tried again
    /// later.
    pub fn keep(&mut self, guest: &mut dyn Host, has_alerted: bool) -> bool {
        let passed = now().duration_since(self.saved);
        if passed < if has_alerted { SOON } else { INTERVAL } {
            return false;
        }
        self.saved = now();
        match self.save(guest) {
            Err(error) if !self.is_told => {
                style::warning(&format!("{error:#}"));
                self.is_told = true;
            }
            result => self.is_told &= result.is_err(),
        }
        true
    }

    /// Writes what has changed.
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

/// Reads a folder of parts, or a file of them, and says what cannot be read. There has to be something.
pub fn read(path: &Path, merged: &mut Merged) -> Result<()> {
    let cannot = || format!("cannot read {}", path.display());
    let files = if path.is_dir() { files(path).with_context(cannot)? } else { vec![path.to_owned()] };
    let mut read = 0;
    for file in files {
        let restored = merged.read(&fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        read += restored.parts;
        for reason in restored.skipped {
            style::warning(&format!("{}: {reason}", file.display()));
        }
    }
    if read == 0 {
        bail!("there is no state in {}", path.display());
    }
    Ok(())
}

/// The files of a folder that may be parts, in the order of their names.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let is_part = file.is_file() && file.file_name().is_some_and(|name| name != OWNER);
        if is_part && file.extension().is_none_or(|extension| extension != "new") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes a snapshot to a folder that is not there yet, or that is empty.
pub fn write(path: &Path, snapshot: &[u8]) -> Result<usize> {
    if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty", path.display());
    }
    let dir = Dir(path.to_owned());
    dir.make();
    let mut written = 0;
    for part in parts(snapshot).flatten() {
        if let Some(section) = part.section() {
            let done = dir.replace(&file_name(section, part.shard), part.bytes);
            done.map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
            written += 1;
        }
    }
    Ok(written)
}
