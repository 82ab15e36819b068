//! The policy's lists of hostile destinations: files beside it, read again when they change.

#![expect(unsafe_code, reason = "WASI below the standard library")]

use std::cell::Cell;

use wasip1::Fd;

use super::files;
use crate::engine::Engine;

/// A longer list is not read: no record can pass meanwhile.
const LONGEST: u64 = 16 << 20;

thread_local! {
    /// A list is being read. It is still here after a call that trapped on it: no second record is lost.
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// What tells one version of a list from another; none where there is no such file.
type Version = Option<[u64; 4]>;

/// The lists as they were read last.
#[derive(Default)]
pub struct Lists {
    read: Vec<(String, Version)>,
}

impl Lists {
    /// Reads the lists that are not as they were, from the folder of the policy. `log` gets a line about each.
    #[inline(never)]
    pub fn look(&mut self, engine: &mut Engine, folder: Option<Fd>, log: impl Fn(&str)) {
        let files = &engine.policy().traffic.threat_files;
        let Some(folder) = folder.filter(|_| !(files.is_empty() && self.read.is_empty())) else { return };
        let found: Vec<_> = files.iter().map(|name| (name.clone(), version(folder, name))).collect();
        if found == self.read {
            return;
        }
        if READING.replace(true) {
            log(": a threat list is too much for this module, which broke off; they are left alone until one changes");
            READING.set(false);
            self.read = found;
            return;
        }
        for now in &found {
            if self.read.contains(now) {
                continue;
            }
            let name = &now.0;
            if now.1.is_some_and(|[_, _, size, _]| size > LONGEST) {
                log(&format!(": {name}: longer than 16 MiB, not read"));
                continue;
            }
            match engine.read_threats(name, |take| files::lines(folder, name, take)) {
                Ok(taken) => log(&format!(": {name}: {taken}")),
                // What was read before stays, as the policy does.
                Err(errno) => log(&format!(": {name}: cannot be read: {}", errno.name())),
            }
        }
        READING.set(false);
        self.read = found;
    }
}

fn version(folder: Fd, name: &str) -> Version {
    // SAFETY: the call only reads the path.
    let stat = unsafe { wasip1::path_filestat_get(folder, wasip1::LOOKUPFLAGS_SYMLINK_FOLLOW, name) }.ok()?;
    Some([stat.dev, stat.ino, stat.size, stat.mtim])
}
