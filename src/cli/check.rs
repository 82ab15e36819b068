//! `check`: whether policies are policies.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Severity};
use serde_json::json;
use tidewaiter::policy::{self, Problem};
use tidewaiter::time::Time;

use super::{Format, exit, input, style};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The policies; `-` is standard input
    #[arg(required = true, value_name = "POLICY")]
    policies: Vec<PathBuf>,
    /// How to print what is wrong
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut failed = false;
    let mut reports = Vec::new();
    // What cannot be read keeps nobody from hearing of the others.
    let mut unreadable = None;
    for path in &arguments.policies {
        let text = match input::read(path) {
            Ok(text) => text,
            Err(error) => {
                unreadable = unreadable.or(Some(error));
                continue;
            }
        };
        let (errors, mut warnings) = match policy::load(&text) {
            Ok(loaded) => {
                let expired = policy::expired(&text, now());
                (Vec::new(), [loaded.warnings, expired].concat())
            }
            Err(problems) => (problems, Vec::new()),
        };
        warnings.sort_by_key(|problem| (problem.line, problem.column));
        failed |= !errors.is_empty();
        if arguments.format == Format::Text {
            print(path, &text, &errors, &warnings)?;
        } else {
            reports.push(report(path, &errors, &warnings));
        }
    }
    let mut out = io::stdout().lock();
    match arguments.format {
        Format::Text => {}
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&reports)?)?,
        Format::Ndjson => {
            for report in &reports {
                writeln!(out, "{report}")?;
            }
        }
    }
    if let Some(error) = unreadable {
        return Err(error);
    }
    Ok(if failed { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
}

/// Rules that have ended are worth a warning to whoever reads the policy today.
#[expect(clippy::disallowed_methods, reason = "a person asks about today; the engine knows record time alone")]
fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_sec(i64::try_from(since.as_secs()).unwrap_or_default())
}

fn print(path: &Path, text: &str, errors: &[Problem], warnings: &[Problem]) -> Result<()> {
    let mut page = String::new();
    for (severity, problems) in [(Severity::Error, errors), (Severity::Warning, warnings)] {
        for problem in problems {
            draw(path, text, severity, problem, &mut page)?;
        }
    }
    let path = path.display();
    let warned = match warnings.len() as u64 {
        0 => String::new(),
        warnings => format!(", {}", style::count(warnings, "warning")),
    };
    let mut out = anstream::stdout().lock();
    write!(out, "{page}")?;
    if errors.is_empty() {
        writeln!(out, "{}{path}{:#}: a good policy{warned}", style::GOOD, style::GOOD)?;
    } else {
        let errors = style::count(errors.len() as u64, "error");
        writeln!(out, "{}{path}{:#}: {errors}{warned}", style::BAD, style::BAD)?;
    }
    Ok(())
}

/// Draws a problem with the lines around it.
fn draw(path: &Path, text: &str, severity: Severity, problem: &Problem, page: &mut String) -> Result<()> {
    let offset = offset(text, problem.line, problem.column);
    let rest = text.get(offset..).unwrap_or_default();
    let length: usize = rest.chars().take(problem.length).take_while(|next| *next != '\n').map(char::len_utf8).sum();
    let mut diagnostic = MietteDiagnostic::new(&problem.message)
        .with_severity(severity)
        .with_label(LabeledSpan::new(None, offset, length));
    if let Some(help) = &problem.help {
        diagnostic = diagnostic.with_help(help);
    }
    let source = NamedSource::new(path.display().to_string(), text.to_owned());
    let report = miette::Report::new(diagnostic).with_source_code(source);
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).render_report(page, report.as_ref())?;
    page.push('\n');
    Ok(())
}

/// The byte offset of a line and column, both from 1; the column counts characters.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let line = text.get(start..).unwrap_or_default();
    start
        + line
            .chars()
            .take(column.saturating_sub(1))
            .take_while(|next| *next != '\n')
            .map(char::len_utf8)
            .sum::<usize>()
}

fn report(path: &Path, errors: &[Problem], warnings: &[Problem]) -> serde_json::Value {
    let list = |problems: &[Problem]| -> Vec<_> {
        let entry = |problem: &Problem| {
            json!({
                "line": problem.line, "column": problem.column, "message": problem.message, "help": problem.help,
            })
        };
        problems.iter().map(entry).collect()
    };
    json!({"policy": path.display().to_string(), "errors": list(errors), "warnings": list(warnings)})
}
