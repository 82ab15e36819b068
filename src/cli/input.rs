//! Files and standard input: `-` is the latter everywhere.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
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

/// Reads files line by line, without the ends of the lines.
pub fn each_line(files: &[PathBuf], mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    for path in files {
        let mut reader = BufReader::new(open(path)?);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).with_context(|| format!("cannot read {}", path.display()))? > 0 {
            each(line.trim_ascii_end())?;
            line.clear();
        }
    }
    Ok(())
}

/// How many bytes go into a guest at a time.
const BATCH: usize = 256 << 10;

/// Reads files in batches of whole lines.
pub fn batches(files: &[PathBuf], mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut lines = Vec::new();
    each_line(files, |line| {
        lines.extend_from_slice(line);
        lines.push(b'\n');
        if lines.len() < BATCH {
            return Ok(());
        }
        each(&lines)?;
        lines.clear();
        Ok(())
    })?;
    each(&lines)
}
