//! `score`: what the shipped guest finds of a labelled stream, and what it takes for hostile that is not.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;
use tidewaiter::emulate::label::{Label, hash};
use tidewaiter::emulate::score::{Row, Score, Tally, alerts};
use tidewaiter::emulate::{Options, POLICY, Stream};
use tidewaiter::host::Verdict;
use tidewaiter::host::threats::Threats;
use tidewaiter::time::Time;

use super::emulate::{Wanted, find, seconds};
use super::run::Running;
use super::style::{self, BAD, BOLD, DIM, GOOD, WARN};
use super::{Guest, exit, findings, input};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The scenarios to emulate; without any, all
    #[arg(value_name = "SCENARIO", conflicts_with = "records")]
    scenarios: Vec<String>,
    /// Records to score in place of emulated ones
    #[arg(long, value_name = "FILE", requires = "labels")]
    records: Option<PathBuf>,
    /// The labels of the records, as `emulate --labels` writes them
    #[arg(long, value_name = "FILE", requires = "records")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    wanted: Wanted,
    /// For how long to emulate, in record time
    #[arg(long = "for", value_name = "DURATION", default_value = "14d", value_parser = seconds)]
    span: f64,
    /// The policy to judge by; without one, that of the emulated cluster
    #[arg(short, long, value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// The module to run
    #[arg(long, value_enum, default_value = "component")]
    guest: Guest,
    /// What a figure has to be at least, or the exit code is 1: `recall=0.9`, `anomalous-traffic.precision=0.8`
    #[arg(long, value_name = "FIGURE=NUMBER", value_parser = bound)]
    min: Vec<(String, f64)>,
    /// What a figure may be at most: `false-per-day=2`, `hours-to-detect=12`
    #[arg(long, value_name = "FIGURE=NUMBER", value_parser = bound)]
    max: Vec<(String, f64)>,
    /// Print the false findings one by one
    #[arg(long)]
    explain: bool,
    /// How to print the score
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// Tables in Markdown
    Markdown,
}

fn bound(text: &str) -> Result<(String, f64), String> {
    let bound = text.split_once('=').and_then(|(name, number)| Some((name.to_owned(), number.parse().ok()?)));
    bound.ok_or_else(|| "a bound is a figure and a number, as recall=0.9".into())
}

/// How many records go into the guest at a time.
const BATCH: usize = 256;

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (loaded, text) = input::policy(arguments.policy.as_ref())?;
    let (text, field) = match text {
        Some(text) => (text, loaded.policy.output.field),
        None => (POLICY.to_owned(), "tidewaiter".to_owned()),
    };
    let (learns, quiet) = (f64::from(loaded.policy.baseline.learn_for), Options::default().learn);
    if arguments.policy.is_some() && learns > quiet {
        let days = |seconds: f64| style::count((seconds / 86_400.0) as u64, "day");
        style::warning(&format!(
            "the policy learns for {}, and emulated adversaries begin after {}: what comes before is mostly missed \
             (`baseline.learn_for`)",
            days(learns),
            days(quiet),
        ));
    }
    let threats = Threats::beside(arguments.policy.as_ref(), &loaded.policy.traffic.threat_files);
    let mut judge = Judge {
        running: Running::start(arguments.guest, Some(&text), threats, None)?,
        field,
        tally: Tally::default(),
        lines: Vec::new(),
        labels: Vec::new(),
    };
    match (&arguments.records, &arguments.labels) {
        (Some(records), Some(labels)) => file(records, labels, &mut judge)?,
        _ => {
            let options = arguments.wanted.options()?;
            let end = options.start + arguments.span as i64;
            let mut stream = Stream::new(&find(&arguments.scenarios)?, options);
            while let Some(next) = stream.next_record().filter(|next| next.at.sec < end) {
                judge.add(next.at, next.record.as_bytes(), Label::from(next.activity))?;
            }
        }
    }
    judge.flush()?;
    let score = judge.tally.score();
    let mut out = anstream::stdout().lock();
    match arguments.format {
        Format::Text => print(&score, arguments.explain, &mut out)?,
        Format::Json => writeln!(out, "{:#}", score.to_json())?,
        Format::Markdown => markdown(&score, &mut out)?,
    }
    let holds = check(&score, arguments)?;
    Ok(ExitCode::from(if holds { 0 } else { exit::FINDINGS }))
}

/// The guest at work.
struct Judge {
    running: Running,
    field: String,
    tally: Tally,
    lines: Vec<u8>,
    labels: Vec<(Time, Label)>,
}

impl Judge {
    fn add(&mut self, at: Time, record: &[u8], label: Label) -> Result<()> {
        // The label stays here: what goes into the guest is the record alone.
        self.lines.extend_from_slice(record);
        self.lines.push(b'\n');
        self.labels.push((at, label));
        if self.labels.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let batch = self.running.guest.inspect(&self.lines, None)?;
        for ((answer, verdict), (at, label)) in batch.answers().zip(self.labels.drain(..)) {
            let mut found = Vec::new();
            if verdict == Verdict::Match {
                let record: Value = serde_json::from_slice(answer).context("an answer of the guest is no JSON")?;
                found = findings::enrichment(&record, &self.field).map(alerts).unwrap_or_default();
            }
            self.tally.see(at, &label, found);
        }
        self.lines.clear();
        Ok(())
    }
}

/// Judges the records of a file; the labels belong to it by number and hash.
fn file(records: &Path, labels: &Path, judge: &mut Judge) -> Result<()> {
    let text = input::read(labels)?;
    let mut known = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (line, hash, label) =
            Label::read(line).ok_or_else(|| anyhow!("{}:{number} is no label", labels.display()))?;
        known.insert(line, (hash, label));
    }
    let mut clock = Time::default();
    for (number, line) in (1..).zip(BufReader::new(input::open(records)?).split(b'\n')) {
        let line = line.with_context(|| format!("cannot read {}", records.display()))?;
        let label = match known.remove(&number) {
            Some((of, label)) if of == hash(&line) => label,
            Some(_) => bail!("{}:{number} is another record than the one labelled", records.display()),
            None => Label::usual(),
        };
        clock = time_of(&line).unwrap_or(clock);
        judge.add(clock, &line, label)?;
    }
    if !known.is_empty() {
        bail!("{} labels are of lines that {} does not have", known.len(), records.display());
    }
    Ok(())
}

/// The time of a record, for the time to detect.
fn time_of(record: &[u8]) -> Option<Time> {
    let record: Value = serde_json::from_slice(record).ok()?;
    ["time", "timestamp", "ts", "lastTimestamp", "stageTimestamp"].into_iter().find_map(|name| {
        match record.get(name)? {
            Value::String(text) => Time::parse(text.as_bytes()),
            number => number.as_f64().map(|seconds| Time::from_sec(seconds as i64)),
        }
    })
}

fn check(score: &Score, arguments: &Arguments) -> Result<bool> {
    let mut holds = true;
    let bounds =
        arguments.min.iter().map(|bound| (bound, true)).chain(arguments.max.iter().map(|bound| (bound, false)));
    for ((name, limit), least) in bounds {
        let Some(figure) = score.figure(name) else {
            bail!(exit::Usage(format!(
                "there is no figure {name:?}; there are precision, recall, hours-to-detect, findings-per-day, \
                 false-per-day, and these of each rule, as in restart-spike.recall"
            )));
        };
        // What cannot be said does not hold.
        if figure.is_some_and(|figure| if least { figure >= *limit } else { figure <= *limit }) {
            continue;
        }
        holds = false;
        let is = figure.map_or_else(|| "unknown".into(), |figure| format!("{figure:.3}"));
        style::error(&format!("{name} is {is}, {} is {limit}", if least { "the least" } else { "the most" }));
    }
    Ok(holds)
}

fn percent(part: Option<f64>) -> String {
    part.map_or_else(|| "-".into(), |part| format!("{:.0} %", part * 100.0))
}

/// A time to detect.
fn after(hours: Option<f64>) -> String {
    match hours {
        None => "-".into(),
        Some(hours) if hours < 1.0 / 60.0 => format!("{:.0} s", hours * 3600.0),
        Some(hours) if hours < 2.0 => format!("{:.0} min", hours * 60.0),
        Some(hours) => format!("{hours:.1} h"),
    }
}

/// What a table can say of a row.
#[derive(Clone, Copy)]
enum Column {
    Campaigns,
    Recall,
    Precision,
    Time,
    True,
    False,
    FalseADay,
}

impl Column {
    const fn head(self) -> &'static str {
        match self {
            Self::Campaigns => "campaigns found",
            Self::Recall => "recall",
            Self::Precision => "precision",
            Self::Time => "time to detect",
            Self::True => "true findings",
            Self::False => "false",
            Self::FalseADay => "false a day",
        }
    }

    fn cell(self, row: &Row) -> String {
        match self {
            Self::Campaigns => format!("{} of {}", row.hours.len(), row.campaigns),
            Self::Recall => percent(row.recall()),
            Self::Precision => percent(row.precision()),
            Self::Time => after(row.hours_to_detect()),
            Self::True => row.true_findings.to_string(),
            Self::False => row.false_findings.to_string(),
            Self::FalseADay => format!("{:.2}", row.false_per_day()),
        }
    }
}

/// A table of a score: its title, its columns and its rows.
type Table<'s> = (&'static str, &'static [Column], &'s [Row]);

fn tables(score: &Score) -> [Table<'_>; 5] {
    use Column::{Campaigns, False, FalseADay, Precision, Recall, Time, True};
    const ALL: &[Column] = &[Campaigns, Recall, Precision, Time, True, False, FalseADay];
    [
        ("everything", ALL, std::slice::from_ref(&score.all)),
        ("rule", ALL, &score.rules),
        ("scenario", &[Campaigns, Time, True], &score.scenarios),
        ("reason", &[True, False, Precision, FalseADay], &score.reasons),
        ("what set off what is false", &[False, FalseADay], &score.harmless),
    ]
}

fn print(score: &Score, explains: bool, out: &mut impl Write) -> io::Result<()> {
    for (title, columns, rows) in tables(score) {
        write!(out, "{BOLD}{title:<42}{BOLD:#}")?;
        for column in columns {
            write!(out, "{DIM}{:>17}{DIM:#}", column.head())?;
        }
        writeln!(out)?;
        for row in rows {
            write!(out, "{:<42}", row.name)?;
            for column in columns {
                write!(out, "{:>17}", column.cell(row))?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
    }
    let colour = if score.missed.is_empty() { GOOD } else { BAD };
    for missed in &score.missed {
        writeln!(out, "{colour}missed{colour:#} {missed}")?;
    }
    for wrong in score.wrong.iter().filter(|_| explains) {
        writeln!(out, "{WARN}false{WARN:#}  {}", findings::harmless(wrong))?;
    }
    writeln!(
        out,
        "{} records of {:.0} days, {} of them adversaries'; {} alerts",
        score.records, score.days, score.hostile, score.all.alerts
    )
}

fn markdown(score: &Score, out: &mut impl Write) -> io::Result<()> {
    for (title, columns, rows) in tables(score) {
        let heads: Vec<&str> = columns.iter().map(|column| column.head()).collect();
        writeln!(out, "| {title} | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()))?;
        for row in rows {
            let cells: Vec<String> = columns.iter().map(|column| column.cell(row)).collect();
            writeln!(out, "| {} | {} |", row.name, cells.join(" | "))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
