//! `report`: one HTML page for an analyst, from records that were tagged.
//!
//! The records are read twice: once for what was found, then for what the pictures show of it, so that memory is bounded
//! by the findings and not by the records.

mod collect;
mod page;
mod picture;
mod series;

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tidewaiter::policy::Policy;

use super::{input, style};
use collect::Findings;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Records as `run` or a log shipper has tagged them, in the native form; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Where to write the page; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// The policy that the records were judged by: it says which field the tags are in, and what rules there are
    #[arg(short, long, value_name = "POLICY")]
    policy: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let policy = match &arguments.policy {
        Some(path) => Some(input::policy(Some(path))?.0.policy),
        None => None,
    };
    let mut file = open(&arguments.file)?;
    let name = match arguments.file.file_name() {
        Some(name) if arguments.file != Path::new("-") => name.to_string_lossy().into_owned(),
        _ => "standard input".into(),
    };
    let (findings, page) = write(&mut file, &name, policy.as_ref())?;
    if arguments.output == Path::new("-") {
        std::io::stdout().write_all(page.as_bytes())?;
    } else {
        let path = &arguments.output;
        std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
        let found = style::count(findings.list.len() as u64, "finding");
        anstream::eprintln!("{found} in {}: {}", style::count(findings.records, "record"), path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The page about records that were tagged; `name` is what they are called.
pub fn write(file: &mut File, name: &str, policy: Option<&Policy>) -> Result<(Findings, String)> {
    let field = policy.map_or("tidewaiter", |policy| &policy.output.field);
    let mut findings = Findings::default();
    lines(file, |line| findings.see(line, field))?;
    findings.sort();
    let mut series = series::Collector::new(&findings);
    lines(file, |line| series.see(line, field))?;
    let page = page::page(&findings, &series.finish(), name, policy);
    Ok((findings, page))
}

/// A file that can be read twice; what cannot is kept in one that goes away.
fn open(path: &Path) -> Result<File> {
    if path != Path::new("-")
        && let Ok(file) = File::open(path)
        && file.metadata().is_ok_and(|metadata| metadata.is_file())
    {
        return Ok(file);
    }
    let mut file = tempfile::tempfile().context("cannot make a file for the records")?;
    std::io::copy(&mut input::open(path)?, &mut file).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(file)
}

fn lines(file: &mut File, mut each: impl FnMut(&[u8])) -> Result<()> {
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("cannot read the records")? > 0 {
        each(line.trim_ascii_end());
        line.clear();
    }
    Ok(())
}
