//! Files and standard input: `-` is the latter everywhere.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use tidewaiter::policy::{self, Loaded, Problem};

/// Opens a file, or standard input.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    // A folder opens, and fails at the first read only.
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(anyhow!("cannot read {}: it is a folder", path.display()));
    }
    Ok(Box::new(file))
}

/// Reads a whole file, or all of standard input.
pub fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

/// Reads a policy; without a path, the built-in one.
pub fn policy(path: Option<&PathBuf>) -> Result<(Loaded, Option<String>)> {
    let Some(path) = path else { return Ok((Loaded::builtin(), None)) };
    let text = read(path)?;
    match policy::load(&text) {
        Ok(loaded) => Ok((loaded, Some(text))),
        Err(problems) => Err(rejected(path, &problems)),
    }
}

fn rejected(path: &Path, problems: &[Problem]) -> anyhow::Error {
    let more = match problems.len() {
        0 | 1 => String::new(),
        all => format!("; {} more: tidewaiter check {}", all - 1, path.display()),
    };
    let first = problems.first().map_or_else(String::new, ToString::to_string);
    anyhow!("{} is no policy: {first}{more}", path.display())
}
