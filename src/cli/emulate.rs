//! `emulate`: labelled streams of records, in the shapes of the sources.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use tidewaiter::emulate::label::Label;
use tidewaiter::emulate::{Clock, Options, SOURCES, Scenario, Stream, duration, scenarios};
use tidewaiter::time::Time;

use super::exit::Usage;
use super::style::{BOLD, DIM};

/// What stream is wanted; `score` takes the same.
#[derive(Debug, Args)]
pub struct Wanted {
    /// What the stream begins by chance with: the same stream for the same seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The time of the first record (RFC 3339), or `now`
    #[arg(long, default_value = "2026-03-02T00:00:00Z")]
    start: String,
    /// For how long nothing hostile happens
    #[arg(long, default_value = "2d", value_parser = seconds)]
    learn: f64,
    /// How many workloads the cluster has
    #[arg(long, default_value_t = 200)]
    workloads: usize,
    /// The sources whose records are wanted, with commas; `--list` names them
    #[arg(long, value_delimiter = ',', value_name = "SOURCE")]
    sources: Vec<String>,
    /// Only what is asked for, without the cluster's own business
    #[arg(long)]
    alone: bool,
    /// How often implants call home, in place of each its own way
    #[arg(long, value_parser = seconds)]
    period: Option<f64>,
    /// By how many percent of the period calls are early or late
    #[arg(long, default_value_t = 20.0, requires = "period", value_name = "PERCENT")]
    jitter: f64,
    /// How many percent of the calls are not seen
    #[arg(long, default_value_t = 0.0, requires = "period", value_name = "PERCENT")]
    loss: f64,
    /// The hours (UTC) in which implants call, as `8-18`
    #[arg(long, requires = "period", value_parser = hours)]
    hours: Option<(u8, u8)>,
}

/// A number above zero.
fn times(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "it has to be a number above 0".into())
}

/// A duration of the policy, as `90s` or `2d`.
pub fn seconds(text: &str) -> Result<f64, String> {
    duration(text).ok_or_else(|| "a duration is a number with s, m, h or d, as in 10m".into())
}

fn hours(text: &str) -> Result<(u8, u8), String> {
    let hour = |text: &str| text.parse().ok().filter(|hour| *hour <= 24);
    let hours = text.split_once('-').and_then(|(from, to)| Some((hour(from)?, hour(to)?)));
    hours.ok_or_else(|| "hours are two numbers up to 24, as in 8-18".into())
}

impl Wanted {
    pub fn options(&self) -> Result<Options> {
        if let Some(unknown) = self.sources.iter().find(|source| !SOURCES.iter().any(|(name, _)| name == source)) {
            let all = SOURCES.map(|(name, _)| name).join(", ");
            bail!(Usage(format!("there is no source {unknown:?} to emulate; there are {all}")));
        }
        let start = match &*self.start {
            "now" => now(),
            text => match Time::parse(text.as_bytes()) {
                Some(time) => time.sec,
                None => bail!(Usage(format!("{text:?} is no time, as 2026-03-02T00:00:00Z is"))),
            },
        };
        let clock = self.period.map(|period| Clock {
            period: period.max(0.1),
            jitter: self.jitter.clamp(0.0, 100.0) / 100.0,
            loss: self.loss.clamp(0.0, 100.0) / 100.0,
            hours: self.hours,
        });
        let default = Options::default();
        Ok(Options {
            seed: self.seed,
            start,
            learn: self.learn,
            workloads: self.workloads.clamp(1, 2400),
            sources: if self.sources.is_empty() { default.sources } else { self.sources.clone() },
            alone: self.alone,
            clock,
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a stream that begins now; the engine knows record time alone")]
fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// Finds scenarios by their names; without any, all.
pub fn find(names: &[String]) -> Result<Vec<&'static Scenario>> {
    let find = |name: &String| {
        let found = scenarios().find(|scenario| scenario.name == name);
        found.ok_or_else(|| {
            Usage(format!("there is no scenario {name:?}; `tidewaiter emulate --list` names them")).into()
        })
    };
    if names.is_empty() { Ok(scenarios().collect()) } else { names.iter().map(find).collect() }
}

#[derive(Debug, Args)]
pub struct Arguments {
    /// What goes on, within a busy cluster; without any, all of it
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Name all scenarios and sources
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    wanted: Wanted,
    /// For how long, in record time; without it and --count, without an end
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds)]
    span: Option<f64>,
    /// How many records
    #[arg(long)]
    count: Option<u64>,
    /// How many times faster than real: 1 is real time; as fast as possible without it
    #[arg(long, value_name = "TIMES", value_parser = times)]
    speed: Option<f64>,
    /// Where to write the labels: a line of JSON for each record that is not of the usual traffic
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list {
        return list();
    }
    let scenarios = find(&arguments.scenarios)?;
    let options = arguments.wanted.options()?;
    let end = arguments.span.map(|span| options.start + span as i64);
    let mut pace = arguments.speed.map(|speed| Pace::new(speed, options.start));
    let mut labels = match &arguments.labels {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Some(BufWriter::new(file))
        }
        None => None,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut stream = Stream::new(&scenarios, options);
    let mut line = 0;
    while let Some(next) = stream.next_record() {
        if arguments.count.is_some_and(|count| line >= count) || end.is_some_and(|end| next.at.sec >= end) {
            break;
        }
        if let Some(pace) = &mut pace
            && let Some(wait) = pace.wait(next.at)
        {
            out.flush()?;
            std::thread::sleep(wait);
        }
        line += 1;
        out.write_all(next.record.as_bytes())?;
        out.write_all(b"\n")?;
        let label = Label::from(next.activity);
        if let (Some(labels), false) = (&mut labels, label.is_usual()) {
            writeln!(labels, "{}", label.write(line, next.record.as_bytes()))?;
        }
    }
    out.flush()?;
    if let Some(labels) = &mut labels {
        labels.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Keeps records back until it is their time.
struct Pace {
    speed: f64,
    start: i64,
    began: Instant,
}

impl Pace {
    #[expect(clippy::disallowed_methods, reason = "records are to come as fast as they would")]
    fn new(speed: f64, start: i64) -> Self {
        Self { speed: speed.max(1e-6), start, began: Instant::now() }
    }

    fn wait(&mut self, at: Time) -> Option<Duration> {
        let due = (at.sec - self.start) as f64 + f64::from(at.nanos) / 1e9;
        let due = Duration::try_from_secs_f64((due / self.speed).max(0.0)).ok()?;
        due.checked_sub(self.began.elapsed()).filter(|wait| *wait > Duration::from_millis(1))
    }
}

fn list() -> Result<ExitCode> {
    let mut out = anstream::stdout().lock();
    for (title, hostile) in [("Adversaries", true), ("The harmless", false)] {
        writeln!(out, "{BOLD}{title}{BOLD:#}")?;
        for scenario in scenarios().filter(|scenario| scenario.hostile == hostile) {
            writeln!(out, "  {:<17} {}", scenario.name, scenario.about)?;
        }
    }
    writeln!(out, "{BOLD}Sources{BOLD:#}")?;
    for (name, about) in SOURCES {
        writeln!(out, "  {name:<19} {about}")?;
    }
    writeln!(out, "{DIM}Adversaries act within all of the harmless; --alone leaves that out.{DIM:#}")?;
    Ok(ExitCode::SUCCESS)
}
