//! The policy's lists of hostile destinations: files beside it, read again when they change.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Host;
use super::store::now;

/// A longer list is not read, by the module for Fluent Bit neither.
const LONGEST: u64 = 16 << 20;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// The lists, as they were read last.
#[derive(Default)]
pub struct Threats {
    folder: PathBuf,
    names: Vec<(String, Version)>,
    looked: Option<Instant>,
}

/// What tells one version of a file from another; none where there is no such file, or it was not looked at.
type Version = Option<(SystemTime, u64)>;

impl Threats {
    /// The lists of a policy, which are where its file is; of one from standard input, in the current folder.
    #[must_use]
    pub fn beside(policy: Option<&PathBuf>, names: &[String]) -> Self {
        let folder = policy.and_then(|path| path.parent()).map(Path::to_owned).unwrap_or_default();
        Self { folder, names: names.iter().map(|name| (name.clone(), None)).collect(), looked: None }
    }

    /// Gives a guest those that are not as they were. `say` gets a line about a list with more in it than can be used.
    ///
    /// # Errors
    /// When the guest trapped.
    pub fn give(&mut self, guest: &mut dyn Host, say: impl Fn(&str)) -> anyhow::Result<()> {
        for (name, text) in self.changed(&say) {
            if let Some(taken) = guest.set_threats(&name, &text)?
                && (taken.bad > 0 || taken.over > 0)
            {
                say(&format!("{name}: {taken}"));
            }
        }
        Ok(())
    }

    /// The names and texts of those that are not as they were. One that cannot be read stays as it was; `say`
    /// gets a line about it, once.
    pub fn changed(&mut self, say: impl Fn(&str)) -> Vec<(String, Vec<u8>)> {
        let first = self.looked.is_none();
        if self.names.is_empty() || self.looked.is_some_and(|looked| now().duration_since(looked) < INTERVAL) {
            return Vec::new();
        }
        self.looked = Some(now());
        let mut changed = Vec::new();
        for (name, version) in &mut self.names {
            let path = self.folder.join(&*name);
            let found = fs::metadata(&path).ok().and_then(|metadata| Some((metadata.modified().ok()?, metadata.len())));
            if !first && found == *version {
                continue;
            }
            *version = found;
            match read(&path) {
                Ok(text) => changed.push((name.clone(), text)),
                Err(error) => say(&format!("the threat list {} is not read: {error}", path.display())),
            }
        }
        changed
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 16 MiB"));
    }
    Ok(text)
}
