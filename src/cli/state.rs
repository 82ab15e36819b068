//! `state`: what was learned, to be looked at and brought together.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tidewaiter::baseline::snapshot::{Merged, Summary};
use tidewaiter::baseline::{Learning, Readiness};
use tidewaiter::time::Time;

use super::style::{BOLD, DIM};
use super::{input, store, style};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how much was learned, when, and of what most
    Show(ShowArguments),
    /// Make one baseline of those of many collectors; the order does not matter
    Merge(MergeArguments),
}

#[derive(Debug, Args)]
struct ShowArguments {
    /// Folders of state, or files with snapshots
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The policy that says how long to learn
    #[arg(short, long, value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// How many of those that were seen most often to name, of each table
    #[arg(long, value_name = "NUMBER", default_value = "5")]
    top: usize,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

#[derive(Debug, Args)]
struct MergeArguments {
    /// Folders of state, or files with snapshots
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The folder to write to; it has to be empty, or not there yet
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Show(arguments) => show(arguments),
        Command::Merge(arguments) => merge(arguments),
    }
}

fn merge(arguments: &MergeArguments) -> Result<ExitCode> {
    let mut merged = Merged::default();
    for path in &arguments.paths {
        store::read(path, &mut merged)?;
    }
    let parts = store::write(&arguments.output, &merged.snapshot())?;
    anstream::eprintln!("{}: {} of {}", arguments.output.display(), style::count(parts as u64, "part"), {
        style::count(arguments.paths.len() as u64, "baseline")
    });
    Ok(ExitCode::SUCCESS)
}

fn show(arguments: &ShowArguments) -> Result<ExitCode> {
    let learn_for = input::policy(arguments.policy.as_ref())?.0.policy.baseline.learn_for;
    let mut documents = Vec::new();
    let mut out = anstream::stdout().lock();
    for path in &arguments.paths {
        let mut state = Merged::default();
        store::read(path, &mut state)?;
        match arguments.format {
            Format::Json => documents.push(document(path, &state, learn_for, arguments.top)),
            Format::Text => print(&mut out, path, &state, learn_for, arguments.top)?,
        }
    }
    if arguments.format == Format::Json {
        writeln!(out, "{}", serde_json::to_string_pretty(&documents)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn time(sec: i64) -> String {
    Time::from_sec(sec).to_string()
}

/// Whether whoever reads it back has a baseline to judge by.
fn readiness(learning: &Learning, learn_for: u32) -> &'static str {
    if learning.readiness(learn_for) == Readiness::Learning { "learning" } else { "ready" }
}

fn document(path: &Path, state: &Merged, learn_for: u32, top: usize) -> Value {
    let learning = state.learning();
    let table = |summary: Summary| {
        let top: Vec<_> = summary
            .top
            .iter()
            .map(|top| json!({"name": top.name, "count": top.count, "last": time(top.last)}))
            .collect();
        json!({
            "table": summary.section.as_str(),
            "entries": summary.entries,
            "oldest": summary.last.map(|(oldest, _)| time(oldest)),
            "newest": summary.last.map(|(_, newest)| time(newest)),
            "top": top,
        })
    };
    json!({
        "path": path.display().to_string(),
        "written": state.at().to_string(),
        "learned_seconds": learning.span(),
        "events": learning.events(),
        "readiness": readiness(&learning, learn_for),
        "tables": state.summaries(top).into_iter().map(table).collect::<Vec<_>>(),
    })
}

fn print(out: &mut impl Write, path: &Path, state: &Merged, learn_for: u32, top: usize) -> io::Result<()> {
    let learning = state.learning();
    writeln!(out, "{BOLD}{}{BOLD:#}", path.display())?;
    writeln!(out, "  written    {} (record time)", state.at())?;
    let events = style::count(u64::from(learning.events()), "event");
    let readiness = readiness(&learning, learn_for);
    writeln!(out, "  baseline   {readiness}: learned for {} from {events}", span(learning.span()))?;
    writeln!(out, "\n  {DIM}table         entries  last seen{DIM:#}")?;
    let summaries = state.summaries(top);
    for summary in &summaries {
        let last = summary.last.map(|(oldest, newest)| match oldest == newest {
            true => time(newest),
            false => format!("{} to {}", time(oldest), time(newest)),
        });
        let line = format!("{:<12} {:>8}  {}", summary.section.as_str(), summary.entries, last.unwrap_or_default());
        writeln!(out, "  {}", line.trim_end())?;
    }
    for summary in summaries.iter().filter(|summary| summary.entries > 1 && !summary.top.is_empty()) {
        writeln!(out, "\n  {DIM}most of {:<12}seen  last{DIM:#}", summary.section.as_str())?;
        for top in &summary.top {
            writeln!(out, "  {:<16} {:>7}  {}", top.name, top.count, time(top.last))?;
        }
    }
    writeln!(out)
}

/// The two largest units of a time span.
fn span(seconds: i64) -> String {
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let mut rest = seconds;
    let parts = units.map(|(unit, length)| {
        let number = rest / length;
        rest %= length;
        (number, unit)
    });
    let shown: Vec<_> = parts.iter().filter(|(number, _)| *number > 0).take(2).collect();
    if shown.is_empty() {
        "0s".into()
    } else {
        shown.iter().map(|(number, unit)| format!("{number}{unit}")).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    #[rstest::rstest]
    #[case(0, "0s")]
    #[case(59, "59s")]
    #[case(3600, "1h")]
    #[case(7 * 86_400 + 3 * 3600 + 5, "7d 3h")]
    fn spans(#[case] seconds: i64, #[case] expected: &str) {
        assert_eq!(super::span(seconds), expected);
    }
}
