//! `test`: scenario files, the unit tests of policies.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tidewaiter::host::Host;
use tidewaiter::host::component::Component;
use tidewaiter::host::fluent_bit::{FluentBit, Log};
use tidewaiter::scenario::{Failure, Scenario};

use super::style::{BAD, DIM, GOOD};
use super::{Guest, exit, input, style};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Scenario files, or folders of them (`*.yaml`)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The module to run them in
    #[arg(long, value_enum, default_value = "component")]
    guest: Guest,
    /// A policy to run them under in place of their own
    #[arg(short, long, value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// How to print the results
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For CI servers
    Junit,
}

/// One scenario that was run.
struct Ran {
    file: String,
    name: String,
    failures: Vec<Failure>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (_, policy) = input::policy(arguments.policy.as_ref())?;
    let mut files = Vec::new();
    for path in &arguments.paths {
        collect(path, &mut files)?;
    }
    if files.is_empty() {
        bail!(
            "there is no *.yaml in {}",
            arguments.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    let ran =
        files.iter().map(|file| run_file(file, arguments.guest, policy.as_deref())).collect::<Result<Vec<_>>>()?;
    let failed = ran.iter().filter(|ran| !ran.failures.is_empty()).count();
    let mut out = anstream::stdout().lock();
    match arguments.format {
        Format::Text => print(&ran, &mut out)?,
        Format::Junit => out.write_all(junit(&ran).as_bytes())?,
    }
    Ok(ExitCode::from(if failed > 0 { exit::FINDINGS } else { 0 }))
}

/// Scenario files of a path, those of a folder in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn run_file(file: &Path, guest: Guest, policy: Option<&str>) -> Result<Ran> {
    let text = input::read(file)?;
    let scenario = match Scenario::read(&text) {
        Ok(scenario) => scenario,
        Err(problem) => bail!("{} is no scenario: {problem}", file.display()),
    };
    let policy = policy.or(scenario.policy.as_deref());
    if let Some(Err(problems)) = policy.map(tidewaiter::policy::load) {
        bail!(
            "the policy of {} does not parse: {}",
            file.display(),
            problems.first().map(ToString::to_string).unwrap_or_default()
        );
    }
    let failures = match guest {
        Guest::Component => {
            let mut guest = Component::new(policy, [0, 0])?;
            for (name, text) in &scenario.files {
                guest.set_threats(name, text.as_bytes())?;
            }
            scenario.run(|record, at| guest.inspect(record, at).map(|batch| batch.records))?
        }
        Guest::FluentBit => {
            let folder = tempfile::tempdir()?;
            if let Some(policy) = policy {
                std::fs::write(folder.path().join("tidewaiter.yaml"), policy)?;
            }
            for (name, text) in &scenario.files {
                std::fs::write(folder.path().join(name), text)?;
            }
            let mut guest = FluentBit::new(&[(folder.path(), "policy")], Log::Kept)?;
            scenario.run(|record, at| {
                let mut out = Vec::new();
                guest.call(record, at, &mut out).map(|_| out)
            })?
        }
    };
    Ok(Ran { file: file.display().to_string(), name: scenario.name, failures })
}

fn print(ran: &[Ran], out: &mut impl Write) -> Result<()> {
    for Ran { file, name, failures } in ran {
        if failures.is_empty() {
            writeln!(out, "{GOOD}ok{GOOD:#}      {name} {DIM}{file}{DIM:#}")?;
        } else {
            writeln!(out, "{BAD}failed{BAD:#}  {name}")?;
        }
        for failure in failures {
            let repetition =
                if failure.repetition > 1 { format!(", time {}", failure.repetition) } else { String::new() };
            writeln!(out, "        {file}:{}{repetition}: {}", failure.line, failure.message)?;
        }
    }
    let failed = ran.iter().filter(|ran| !ran.failures.is_empty()).count() as u64;
    let colour = if failed == 0 { GOOD } else { BAD };
    let all = style::count(ran.len() as u64, "scenario");
    writeln!(out, "{all}, {colour}{failed} failed{colour:#}")?;
    Ok(())
}

/// The XML that CI servers read: <https://github.com/testmoapp/junitxml>.
fn junit(ran: &[Ran]) -> String {
    let failed = ran.iter().filter(|ran| !ran.failures.is_empty()).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"tidewaiter\" tests=\"{}\" failures=\"{failed}\">\n",
        ran.len()
    );
    for Ran { file, name, failures } in ran {
        let _ = write!(xml, "<testcase classname=\"{}\" name=\"{}\">", escape(file), escape(name));
        for failure in failures {
            let place = format!("{file}:{}: {}", failure.line, failure.message);
            let _ = write!(xml, "<failure message=\"{}\"/>", escape(&place));
        }
        xml.push_str("</testcase>\n");
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for next in text.chars() {
        match next {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no way to write other control characters.
            next if next.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            next => escaped.push(next),
        }
    }
    escaped
}
