//! `demo`: the module on the embedded host, over a short stream of labelled container events.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;
use tidewaiter::host::Verdict;
use tidewaiter::host::threats::Threats;
use tidewaiter::policy;

use super::run::Running;
use super::style::{BAD, BOLD, DIM, GOOD, WARN};
use super::{Guest, exit, findings, report, style};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The module to run
    #[arg(long, value_enum, default_value = "fluent-bit")]
    guest: Guest,
    /// Do not pause between records
    #[arg(long)]
    fast: bool,
    /// Where to write the report on it
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    report: PathBuf,
    /// Write no report
    #[arg(long, conflicts_with = "report")]
    no_report: bool,
}

/// The policy of the demo.
const POLICY: &str = include_str!("tidewaiter.yaml");
/// Its records, each with what is to be found in it: `LABEL<tab>RECORD`, where the label is `-` for nothing.
const STREAM: &str = include_str!("stream.tsv");

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut running = Running::start(arguments.guest, Some(POLICY), Threats::default(), None)?;
    let mut out = anstream::stdout().lock();
    let module = match arguments.guest {
        Guest::FluentBit => "the module that Fluent Bit loads",
        Guest::Component => "the component",
    };
    writeln!(out, "{BOLD}Tidewaiter{BOLD:#} runs {module} on its own host. The policy:\n")?;
    for line in POLICY.lines() {
        writeln!(out, "    {DIM}{line}{DIM:#}")?;
    }
    writeln!(out, "\nContainer events as they come, from Docker, Kubernetes, Falco and others:\n")?;
    let pause = if arguments.fast || !io::stdout().is_terminal() { Duration::ZERO } else { Duration::from_millis(120) };
    let mut score = Score::default();
    let mut tagged = Vec::new();
    for (label, record) in STREAM.lines().filter_map(|line| line.split_once('\t')) {
        let batch = running.guest.inspect(record.as_bytes(), None)?;
        let verdict = batch.verdicts.first().copied().unwrap_or(Verdict::Invalid);
        score.count(label, record.as_bytes(), verdict, &batch.records);
        show(&mut out, verdict, &batch.records)?;
        tagged.extend_from_slice(&batch.records);
        tagged.push(b'\n');
        out.flush()?;
        std::thread::sleep(pause);
    }
    score.print(&mut out)?;
    if !arguments.no_report {
        // The demo has shown what it can do, whether or not the page can be written.
        match write_report(&tagged, &arguments.report) {
            Ok(()) => writeln!(out, "\nAll of it with pictures, for a browser: {}", arguments.report.display())?,
            Err(error) => style::warning(&format!("{error:#}")),
        }
    }
    Ok(ExitCode::from(if score.is_perfect() { 0 } else { exit::FINDINGS }))
}

/// Writes the page about what was tagged.
fn write_report(tagged: &[u8], path: &Path) -> Result<()> {
    let mut file = tempfile::tempfile().context("cannot make a file for the records")?;
    file.write_all(tagged)?;
    let policy = policy::load(POLICY).ok().map(|loaded| loaded.policy);
    let (_, page) = report::write(&mut file, "the demo", policy.as_ref())?;
    std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
}

/// A line for the record, and one for each detection.
fn show(out: &mut impl Write, verdict: Verdict, record: &[u8]) -> Result<()> {
    let Ok(record) = serde_json::from_slice::<Value>(record) else {
        writeln!(out, "{DIM}passed      a line that is no JSON comes out as it went in{DIM:#}")?;
        return Ok(());
    };
    let Some(own) = findings::enrichment(&record, "tidewaiter") else {
        writeln!(out, "{DIM}passed      a record that is no container event comes out as it went in{DIM:#}")?;
        return Ok(());
    };
    let text = |pointer| own.pointer(pointer).and_then(Value::as_str).map(findings::harmless).unwrap_or_default();
    let (word, colour) = match verdict {
        Verdict::Match => ("MATCH", BAD),
        Verdict::Suppressed => ("suppressed", WARN),
        Verdict::Skipped => ("skipped", WARN),
        _ => ("clean", GOOD),
    };
    let workload = format!("{}/{}", text("/workload/namespace"), text("/workload/name"));
    let image = if text("/image/canonical").is_empty() { text("/image/reference") } else { text("/image/canonical") };
    writeln!(out, "{colour}{word:<11}{colour:#} {:<19} {workload:<22} {image}", text("/source"))?;
    for detection in own.get("detections").and_then(Value::as_array).into_iter().flatten() {
        write!(out, "            ")?;
        findings::print_detection(out, detection)?;
    }
    Ok(())
}

/// What was planted, and what was found.
#[derive(Default)]
struct Score {
    records: usize,
    intact: usize,
    planted: usize,
    found: usize,
    false_alarms: usize,
    missed: Vec<String>,
}

impl Score {
    fn count(&mut self, label: &str, record: &[u8], verdict: Verdict, answer: &[u8]) {
        self.records += 1;
        // Enrichment goes in before the last brace: all before it has to be there, byte for byte.
        let body = record.trim_ascii_end().strip_suffix(b"}").unwrap_or(record);
        self.intact += usize::from(answer.starts_with(body));
        let answer = serde_json::from_slice::<Value>(answer).unwrap_or_default();
        let detections = answer.pointer("/tidewaiter/detections").and_then(Value::as_array);
        let is_found = detections.into_iter().flatten().any(|detection| detection["reason"] == label);
        match (label, verdict == Verdict::Match) {
            ("-", is_match) => self.false_alarms += usize::from(is_match),
            (label, is_match) => {
                self.planted += 1;
                if is_match && is_found {
                    self.found += 1;
                } else {
                    self.missed.push(label.to_owned());
                }
            }
        }
    }

    fn is_perfect(&self) -> bool {
        self.found == self.planted && self.false_alarms == 0 && self.intact == self.records
    }

    fn print(&self, out: &mut impl Write) -> Result<()> {
        let colour = if self.is_perfect() { GOOD } else { BAD };
        let benign = self.records - self.planted;
        writeln!(out, "\n{BOLD}Summary{BOLD:#}")?;
        writeln!(
            out,
            "  {colour}{} of {}{colour:#} planted findings found, for the reason planted",
            self.found, self.planted
        )?;
        writeln!(out, "  {colour}{}{colour:#} false alarms in {benign} records that are in order", self.false_alarms)?;
        writeln!(
            out,
            "  {colour}{} of {}{colour:#} records came out whole: enriched, never changed",
            self.intact, self.records
        )?;
        for label in &self.missed {
            writeln!(out, "  {BAD}missed{BAD:#} {label}")?;
        }
        writeln!(out, "\nNext:")?;
        writeln!(out, "  docker events --format '{{{{json .}}}}' | tidewaiter run --findings -p tidewaiter.yaml")?;
        writeln!(out, "  tidewaiter guests -o wasm           the modules, to be mounted in a log shipper")?;
        writeln!(out, "  tidewaiter explain restart-spike    what a rule is for, and what to do")?;
        Ok(())
    }
}
