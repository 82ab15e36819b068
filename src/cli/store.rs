//! Folders of state on disk, to be looked into and merged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tidewaiter::baseline::snapshot::{Merged, parts};
use tidewaiter::guest::state::{Folder, OWNER, file_name};
use tidewaiter::host::store::Dir;

use super::style;

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
