//! `run --diff`: two policies over the same history: what fires under the one and not under the other.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tidewaiter::host::Verdict;
use tidewaiter::host::threats::Threats;
use tidewaiter::image::Reference;
use tidewaiter::policy::Format as Form;

use super::input::batches;
use super::run::Running;
use super::style::{self, BAD, BOLD, DIM, GOOD};
use super::{Format, Guest, exit, findings, input};

/// What a finding is about: rule, reason, workload, and the image or destination.
type Subject = (String, String, String, String);

/// What one policy makes of it.
#[derive(Debug, Default)]
struct Fired {
    alerts: u64,
    severity: String,
    message: String,
    /// What suppressed it, if that was not its own cool-down.
    cause: Option<String>,
}

struct Side {
    running: Running,
    field: String,
    fired: BTreeMap<Subject, Fired>,
}

impl Side {
    fn start(path: &PathBuf, guest: Guest) -> Result<Self> {
        let (loaded, text) = input::policy(Some(path))?;
        let threats = Threats::beside(Some(path), &loaded.policy.traffic.threat_files);
        let output = loaded.policy.output;
        if output.format != Form::Native {
            bail!(exit::Usage(format!("{}: only policies with `output.format: native` compare", path.display())));
        }
        let running = Running::start(guest, text.as_deref(), threats, None)?;
        Ok(Self { running, field: output.field, fired: BTreeMap::new() })
    }

    fn judge(&mut self, lines: &[u8]) -> Result<()> {
        let batch = self.running.guest.inspect(lines, None)?;
        for (answer, _) in
            batch.answers().filter(|(_, verdict)| matches!(verdict, Verdict::Match | Verdict::Suppressed))
        {
            let record: Value = serde_json::from_slice(answer).context("an answer of the guest is no JSON")?;
            let Some(own) = findings::enrichment(&record, &self.field) else { continue };
            for detection in own.get("detections").and_then(Value::as_array).into_iter().flatten() {
                self.add(own, detection);
            }
        }
        Ok(())
    }

    fn add(&mut self, own: &Value, detection: &Value) {
        let text = |value: &Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        if text(detection, "/state") == "closed" {
            return;
        }
        // Of an image every version is the same matter.
        let image = text(detection, "/evidence/image");
        let image = Reference::parse(image.as_bytes()).map_or(image, |image| image.name());
        let others = ["/evidence/destination", "/evidence/domain", "/evidence/metric"];
        let others = others.into_iter().map(|pointer| text(detection, pointer));
        let about = std::iter::once(image).chain(others).find(|about| !about.is_empty());
        let workload = format!("{}/{}", text(own, "/workload/namespace"), text(own, "/workload/name"));
        let subject = (text(detection, "/rule"), text(detection, "/reason"), workload, about.unwrap_or_default());
        let fired = self.fired.entry(subject).or_default();
        match detection.get("suppressed").and_then(Value::as_str) {
            Some("cooldown") => {}
            Some(cause) => fired.cause = Some(cause.to_owned()),
            None => {
                fired.alerts += 1;
                if fired.alerts == 1 {
                    (fired.severity, fired.message) = (text(detection, "/severity"), text(detection, "/message"));
                }
            }
        }
    }
}

/// A difference.
struct Change {
    what: &'static str,
    subject: Subject,
    before: Fired,
    after: Fired,
}

impl Change {
    /// The side on which it fires.
    fn fires(&self) -> &Fired {
        if self.after.alerts > 0 { &self.after } else { &self.before }
    }

    /// Why it does not on the other.
    fn why(&self) -> String {
        let silent = if self.after.alerts > 0 { &self.before } else { &self.after };
        match &silent.cause {
            Some(cause) => format!("suppressed: {cause}"),
            None => "no detection".into(),
        }
    }
}

const NEW: &str = "fires";
const SILENT: &str = "silent";
const OTHERWISE: &str = "severity";

pub fn run(policies: &[PathBuf], files: &[PathBuf], guest: Guest, format: Format, fails: bool) -> Result<ExitCode> {
    let [old, new] = policies else { bail!(exit::Usage("--diff takes two policies".into())) };
    let (mut before, mut after) = (Side::start(old, guest)?, Side::start(new, guest)?);
    batches(files, |lines| {
        before.judge(lines)?;
        after.judge(lines)
    })?;
    let same = after.fired.iter().filter(|(subject, fired)| {
        fired.alerts > 0 && before.fired.get(*subject).is_some_and(|before| before.alerts > 0)
    });
    let same = same.count();
    let changes = changes(before.fired, after.fired);
    print(&changes, format)?;
    let count = |what: &str| changes.iter().filter(|change| change.what == what).count();
    anstream::eprintln!(
        "{} newly fire, {} fall silent, {} change their severity; {same} fire under both",
        count(NEW),
        count(SILENT),
        count(OTHERWISE)
    );
    Ok(ExitCode::from(if fails && count(NEW) > 0 { exit::FINDINGS } else { 0 }))
}

fn changes(mut old: BTreeMap<Subject, Fired>, new: BTreeMap<Subject, Fired>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (subject, after) in new {
        let before = old.remove(&subject).unwrap_or_default();
        let what = match (before.alerts > 0, after.alerts > 0) {
            (false, true) => NEW,
            (true, false) => SILENT,
            (true, true) if before.severity != after.severity => OTHERWISE,
            _ => continue,
        };
        changes.push(Change { what, subject, before, after });
    }
    let gone = old.into_iter().filter(|(_, before)| before.alerts > 0);
    changes.extend(gone.map(|(subject, before)| Change { what: SILENT, subject, before, after: Fired::default() }));
    changes
}

fn print(changes: &[Change], format: Format) -> Result<()> {
    let mut out = anstream::stdout().lock();
    if format == Format::Text {
        let titles = [(NEW, "Newly fires", BAD), (SILENT, "Falls silent", GOOD), (OTHERWISE, "Other severity", BOLD)];
        for (what, title, colour) in titles {
            let of: Vec<&Change> = changes.iter().filter(|change| change.what == what).collect();
            if of.is_empty() {
                continue;
            }
            writeln!(out, "{colour}{title}{colour:#}")?;
            for change in of {
                let (rule, reason, ..) = &change.subject;
                let fires = change.fires();
                let message = findings::harmless(&fires.message);
                write!(out, "  {:<6} {:<42} {message}", fires.severity, format!("{rule}/{reason}"))?;
                let note = match what {
                    OTHERWISE => format!("was {}", change.before.severity),
                    _ => format!("{}; {}", style::count(fires.alerts, "alert"), change.why()),
                };
                writeln!(out, " {DIM}[{}]{DIM:#}", findings::harmless(&note))?;
            }
        }
        return Ok(());
    }
    let side = |fired: &Fired| json!({"alerts": fired.alerts, "severity": fired.severity, "suppressed": fired.cause});
    let documents = changes.iter().map(|change| {
        let (rule, reason, workload, about) = &change.subject;
        json!({"change": change.what, "rule": rule, "reason": reason, "workload": workload, "about": about,
            "message": change.fires().message, "before": side(&change.before), "after": side(&change.after)})
    });
    if format == Format::Json {
        writeln!(out, "{:#}", Value::Array(documents.collect()))?;
    } else {
        for document in documents {
            writeln!(out, "{document}")?;
        }
    }
    Ok(())
}
