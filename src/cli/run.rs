//! `run`: the main job. NDJSON in, NDJSON out, in order, nothing lost.

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;
use tidewaiter::guest;
use tidewaiter::host::component::Component;
use tidewaiter::host::fluent_bit::{FluentBit, Log};
use tidewaiter::host::keeper::{seed, token};
use tidewaiter::host::store::Store;
use tidewaiter::host::threats::Threats;
use tidewaiter::host::{Batch, Host, Verdict};

use super::chunks::{Chunks, Stop};
use super::{Format, Guest, diff, exit, findings, input, style};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Files of records, one JSON object a line; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// The policy; without one the built-in policy learns
    #[arg(short, long, value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// Compare two policies over the same records: what newly fires, what falls silent
    #[arg(long, group = "printed", num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["policy", "state", "findings"])]
    diff: Vec<PathBuf>,
    /// The folder that what is learned is kept in, and read from at the start
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The module to run
    #[arg(long, value_enum, default_value = "component")]
    guest: Guest,
    /// Print only what matches
    #[arg(long, group = "printed")]
    findings: bool,
    /// How to print findings or differences: text on a terminal, ndjson otherwise
    #[arg(long, value_enum, requires = "printed")]
    format: Option<Format>,
    /// Exit with 1 when anything matches
    #[arg(long)]
    fail_on_match: bool,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let format = arguments.format.unwrap_or(if io::stdout().is_terminal() { Format::Text } else { Format::Ndjson });
    if !arguments.diff.is_empty() {
        return diff::run(&arguments.diff, &arguments.files, arguments.guest, format, arguments.fail_on_match);
    }
    let (loaded, text) = input::policy(arguments.policy.as_ref())?;
    let mounted = arguments.state.as_deref().map(|path| (path, &*loaded.policy.baseline.state));
    let threats = Threats::beside(arguments.policy.as_ref(), &loaded.policy.traffic.threat_files);
    let mut running = Running::start(arguments.guest, text.as_deref(), threats, mounted)?;
    let mut keeping = Keeping::start(arguments, &mut *running.guest)?;
    let mut sink = Sink {
        out: anstream::AutoStream::auto(io::stdout()),
        findings: arguments.findings.then_some(format),
        field: loaded.policy.output.field,
        listed: 0,
        is_open: false,
    };
    let mut counts = Counts::default();
    let mut is_told = arguments.policy.is_some();
    let done = sink.begin().and_then(|()| {
        for path in &arguments.files {
            if keeping.stop.as_ref().is_some_and(Stop::is_asked) {
                break;
            }
            let file = input::open(path)?;
            if !std::mem::replace(&mut is_told, true) {
                let kept = if arguments.state.is_none() { ", and forgets it at the end (--state)" } else { "" };
                anstream::eprintln!("no policy (-p): the built-in one learns for a week before it finds much{kept}");
            }
            stream(path, file, &mut running, &mut sink, &mut counts, &mut keeping)?;
        }
        sink.finish()
    });
    let saved = keeping.store.as_mut().map_or(Ok(()), |store| store.save(&mut *running.guest));
    let closed =
        done.as_ref().err().and_then(|error| error.downcast_ref::<io::Error>()).is_some_and(exit::is_closed_pipe);
    if !closed {
        done?;
    }
    counts.print();
    saved?;
    let matched = arguments.fail_on_match && counts.matched > 0;
    Ok(ExitCode::from(if matched { exit::FINDINGS } else { 0 }))
}

/// A guest with a policy and its threat lists.
pub struct Running {
    pub guest: Box<dyn Host>,
    threats: Threats,
    /// Where the module for Fluent Bit finds its policy and the lists; it goes with the guest.
    folder: Option<TempDir>,
}

impl Running {
    /// Starts a guest with the text of a policy, or with the built-in one. The module for Fluent Bit keeps what it learns
    /// in a folder, if one is given with the name that the policy has for it.
    pub fn start(guest: Guest, policy: Option<&str>, threats: Threats, state: Option<(&Path, &str)>) -> Result<Self> {
        if guest == Guest::Component {
            let mut running = Self { guest: Box::new(Component::new(policy, seed())?), threats, folder: None };
            running.refresh()?;
            return Ok(running);
        }
        let folder = tempfile::tempdir().context("cannot make a folder for the policy")?;
        if let Some(policy) = policy {
            std::fs::write(folder.path().join("tidewaiter.yaml"), policy).context("cannot write the policy")?;
        }
        let mut folders = vec![(folder.path(), "policy")];
        if let Some((path, name)) = state {
            std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
            folders.push((path, name));
        }
        let guest = FluentBit::new(&folders, Log::Stderr)?;
        let mut running = Self { guest: Box::new(guest), threats, folder: Some(folder) };
        running.refresh()?;
        Ok(running)
    }

    /// Gives the guest the threat lists that are not as they were.
    pub fn refresh(&mut self) -> Result<()> {
        let Some(folder) = &self.folder else { return self.threats.give(&mut *self.guest, style::warning) };
        for (name, text) in self.threats.changed(style::warning) {
            let copy = folder.path().join(&name);
            copy.parent().map_or(Ok(()), std::fs::create_dir_all).context("cannot copy a threat list")?;
            std::fs::write(copy, text).context("cannot copy a threat list")?;
        }
        Ok(())
    }
}

/// What it takes to keep what was learned; nothing where that was not asked for.
#[derive(Default)]
struct Keeping {
    store: Option<Store>,
    /// Where nothing is to be kept, a signal ends the program as it ends others.
    stop: Option<Stop>,
}

impl Keeping {
    fn start(arguments: &Arguments, guest: &mut dyn Host) -> Result<Self> {
        let (Some(path), Guest::Component) = (&arguments.state, arguments.guest) else { return Ok(Self::default()) };
        let (store, restored) = Store::open(path, token(), guest)?;
        if let Some(line) = restored {
            anstream::eprintln!("{line}");
        }
        Ok(Self { store: Some(store), stop: Some(Stop::on_signals()?) })
    }
}

/// Runs one input through the guest, as fast as it comes: what is complete goes out before more is waited for.
fn stream(
    path: &Path,
    file: Box<dyn Read + Send>,
    running: &mut Running,
    sink: &mut Sink,
    counts: &mut Counts,
    keeping: &mut Keeping,
) -> Result<()> {
    let mut chunks = Chunks::new(file, keeping.stop.as_ref());
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let progress = progress(length);
    let mut pending = Vec::new();
    loop {
        let before = pending.len();
        let read = chunks.next(&mut pending).with_context(|| format!("cannot read {}", path.display()))?;
        let fresh = pending.get(before..).unwrap_or_default();
        let complete = match memchr::memrchr(b'\n', fresh) {
            // The last line may lack its newline.
            None if read == 0 => pending.len(),
            None => 0,
            Some(at) => before + at + 1,
        };
        if complete > 0 {
            let lines = pending.get(..complete).unwrap_or_default();
            running.refresh()?;
            let batch = running.guest.inspect(lines, None)?;
            counts.add(lines, &batch);
            sink.write(&batch)?;
            pending.drain(..complete);
            if let Some(store) = &mut keeping.store {
                let kept = store.keep(&mut *running.guest, batch.verdicts.contains(&Verdict::Match));
                kept.err().iter().for_each(|error| style::warning(&format!("{error:#}")));
            }
        }
        if read == 0 {
            break;
        }
        progress.inc(read as u64);
    }
    progress.finish_and_clear();
    Ok(())
}

fn progress(length: u64) -> ProgressBar {
    // A bar for what takes a moment and has an end; never into a pipe.
    const LONG: u64 = 16 << 20;
    if length < LONG || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3}% {bytes_per_sec}, {eta} left");
    let bar = ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Where records go: all of them as they are, or findings alone.
struct Sink {
    out: anstream::AutoStream<io::Stdout>,
    findings: Option<Format>,
    field: String,
    listed: u64,
    /// Whether the last line that went out lacks its newline: a file need not end with one, and another may follow.
    is_open: bool,
}

impl Sink {
    fn begin(&mut self) -> Result<()> {
        if self.findings == Some(Format::Json) {
            self.out.write_all(b"[")?;
        }
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<()> {
        let Some(format) = self.findings else {
            // Records may hold what looks like a colour: they go out as they are.
            let mut out = io::stdout().lock();
            if std::mem::replace(&mut self.is_open, !batch.records.ends_with(b"\n")) {
                out.write_all(b"\n")?;
            }
            out.write_all(&batch.records)?;
            out.flush()?;
            return Ok(());
        };
        let mut page = Vec::new();
        for (line, _) in batch.answers().filter(|(_, verdict)| *verdict == Verdict::Match) {
            let line = line.trim_ascii_end();
            match format {
                Format::Text => findings::print(&mut page, line, &self.field)?,
                Format::Ndjson => page.extend_from_slice(&[line, b"\n"].concat()),
                Format::Json => {
                    page.extend_from_slice(&[if self.listed == 0 { &b"\n"[..] } else { b",\n" }, line].concat())
                }
            }
            self.listed += 1;
        }
        if format == Format::Text {
            self.out.write_all(&page)?;
            self.out.flush()?;
        } else {
            io::stdout().write_all(&page)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.findings == Some(Format::Json) {
            self.out.write_all(b"\n]\n")?;
        }
        self.out.flush()?;
        Ok(())
    }
}

/// What became of the records.
#[derive(Debug, Default)]
struct Counts {
    read: u64,
    written: u64,
    clean: u64,
    matched: u64,
    suppressed: u64,
    skipped: u64,
    invalid: u64,
}

impl Counts {
    fn add(&mut self, lines: &[u8], batch: &Batch) {
        // A blank line is no record.
        let records = |text| guest::lines(text).filter(|(line, _)| !line.trim_ascii().is_empty()).count();
        self.read += records(lines) as u64;
        self.written += records(&batch.records) as u64;
        for verdict in &batch.verdicts {
            match verdict {
                Verdict::Passed => {}
                Verdict::Clean => self.clean += 1,
                Verdict::Match => self.matched += 1,
                Verdict::Suppressed => self.suppressed += 1,
                Verdict::Skipped => self.skipped += 1,
                Verdict::Invalid => self.invalid += 1,
            }
        }
    }

    fn print(&self) {
        let enriched = self.clean + self.matched + self.suppressed + self.skipped;
        anstream::eprintln!(
            "{} in, {} out: {}, {} matched, {} suppressed, {} skipped",
            style::count(self.read, "record"),
            self.written,
            style::count(enriched, "container event"),
            self.matched,
            self.suppressed,
            self.skipped + self.invalid,
        );
        if self.invalid > 0 {
            let lines = if self.invalid == 1 { "1 line is" } else { &format!("{} lines are", self.invalid) };
            style::warning(&format!("{lines} no JSON object, and passed on as read"));
        }
    }
}
