//! `explain`: what a rule is for, or why a record gets its verdict.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;
use tidewaiter::detect::ads;
use tidewaiter::image::{Fit, Reference};
use tidewaiter::policy::{Action, ImageRule, Mode, Policy, RuleName};
use tidewaiter::{Engine, Outcome};

use super::findings::{self, harmless};
use super::style::{BAD, BOLD, DIM, GOOD};
use super::{exit, input};

#[derive(Debug, Args)]
pub struct Arguments {
    /// A rule; or, with --policy, a record: a file, `-`, or the JSON itself
    #[arg(value_name = "RULE|RECORD")]
    subject: Option<String>,
    /// The policy to judge the record by; `default` is the built-in one
    #[arg(short, long, value_name = "POLICY")]
    policy: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut out = anstream::stdout().lock();
    match (&arguments.policy, &arguments.subject) {
        (None, None) => rules(&mut out)?,
        (None, Some(name)) => match RuleName::from_name(name) {
            Some(name) => rule(name, &mut out)?,
            None => {
                let names = RuleName::ALL.map(RuleName::as_str).join(", ");
                bail!(exit::Usage(format!(
                    "there is no rule {name:?}; the rules are {names}. For a record, give -p POLICY"
                )));
            }
        },
        (Some(_), None) => bail!(exit::Usage("-p goes with a record: a file, -, or the JSON itself".into())),
        (Some(policy), Some(record)) => {
            let policy = Some(policy).filter(|policy| policy.as_path() != Path::new("default"));
            let (loaded, _) = input::policy(policy)?;
            let text =
                if record.trim_start().starts_with('{') { record.clone() } else { input::read(Path::new(record))? };
            let mut records = text.lines().filter(|line| !line.trim().is_empty());
            let policy = loaded.policy.clone();
            let mut engine = Engine::new(loaded, [0, 0]);
            let Some(record) = records.next() else { bail!(exit::Usage("there is no record to explain".into())) };
            verdict(&mut engine, &policy, record, &mut out)?;
            if records.next().is_some() {
                writeln!(out, "{DIM}(the first record alone; run --findings explains all){DIM:#}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn rules(out: &mut impl Write) -> io::Result<()> {
    for name in RuleName::ALL {
        let ads = ads::of(name);
        let note = if ads.judged { "" } else { " (not judged by this version)" };
        writeln!(out, "{BOLD}{}{BOLD:#}{DIM}{note}{DIM:#}\n    {}", name.as_str(), ads.goal)?;
    }
    writeln!(out, "\n{DIM}tidewaiter explain RULE says more.{DIM:#}")
}

fn rule(name: RuleName, out: &mut impl Write) -> io::Result<()> {
    let ads = ads::of(name);
    writeln!(out, "{BOLD}{}{BOLD:#}", name.as_str())?;
    if !ads.judged {
        writeln!(out, "{DIM}not judged by this version{DIM:#}")?;
    }
    writeln!(out, "\n{BOLD}Goal{BOLD:#}\n    {}", ads.goal)?;
    writeln!(out, "\n{BOLD}Strategy{BOLD:#}\n    {}", ads.strategy)?;
    if !ads.reasons.is_empty() {
        writeln!(out, "\n{BOLD}Reasons{BOLD:#}")?;
    }
    for reason in ads.reasons.iter().copied().flatten() {
        writeln!(out, "    {:<24} {:<6} {:>3}  {}", reason.id, reason.severity.as_str(), reason.score, reason.meaning)?;
        let techniques: Vec<_> =
            reason.attack.iter().map(|at| format!("{} ({})", at.id, at.sub_name.unwrap_or(at.name))).collect();
        writeln!(out, "    {:<24} {DIM}{}{DIM:#}", "", techniques.join(", "))?;
    }
    for (title, items) in [("Blind spots", ads.blind_spots), ("False positives", ads.false_positives)] {
        writeln!(out, "\n{BOLD}{title}{BOLD:#}")?;
        for item in items {
            writeln!(out, "  - {item}")?;
        }
    }
    writeln!(out, "\n{BOLD}Response{BOLD:#}")?;
    for (number, step) in (1..).zip(ads.response) {
        writeln!(out, "  {number}. {step}")?;
    }
    Ok(())
}

/// Walks a record through the policy, step by step.
fn verdict(engine: &mut Engine, policy: &Policy, record: &str, out: &mut impl Write) -> Result<()> {
    let mut enriched = Vec::new();
    match engine.inspect(record.as_bytes(), None, &mut enriched) {
        Outcome::Passed => {
            writeln!(out, "no source recognises the record as a container event: it passes through as it is")?;
            return Ok(());
        }
        Outcome::Invalid(invalid) => {
            writeln!(out, "{invalid}: it passes through as it is")?;
            return Ok(());
        }
        _ => {}
    }
    let enriched: Value = serde_json::from_slice(&enriched)?;
    let Some(own) = findings::enrichment(&enriched, &policy.output.field) else {
        writeln!(out, "clean; output.enrich says that such records get nothing added")?;
        return Ok(());
    };
    let text = |pointer: &str| own.pointer(pointer).and_then(Value::as_str).map_or_else(|| "-".into(), harmless);
    writeln!(out, "source    {}, {}", text("/source"), text("/kind"))?;
    let workload = ["cluster", "namespace", "kind", "name"].map(|part| text(&format!("/workload/{part}"))).join("/");
    writeln!(out, "workload  {workload} {DIM}(cluster/namespace/kind/name){DIM:#}")?;
    let detections: Vec<&Value> = own.get("detections").and_then(Value::as_array).into_iter().flatten().collect();
    let named = detections.iter().filter_map(|detection| detection.pointer("/evidence/image")?.as_str());
    let mut images: Vec<&str> =
        own.pointer("/image/canonical").and_then(Value::as_str).into_iter().chain(named).collect();
    images.dedup();
    for image in images {
        if let Ok(reference) = Reference::parse(image.as_bytes()) {
            path(&reference, policy, &text("/workload/namespace"), out)?;
        }
    }
    writeln!(out, "verdict   {BOLD}{}{BOLD:#}", text("/verdict"))?;
    for detection in detections {
        write!(out, "          ")?;
        findings::print_detection(out, detection)?;
        if let Some(Value::Object(evidence)) = detection.get("evidence") {
            for (name, value) in evidence {
                writeln!(out, "            {DIM}{name}: {}{DIM:#}", harmless(&value.to_string()))?;
            }
        }
    }
    Ok(())
}

/// The way of an image through the rules: the most specific first, the first that holds decides.
fn path(reference: &Reference, policy: &Policy, namespace: &str, out: &mut impl Write) -> Result<()> {
    writeln!(out, "image     {}", reference.canonical())?;
    let mut rules: Vec<&ImageRule> = policy.images.rules.iter().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse((rule.pattern.specificity(), rule.action == Action::Deny)));
    let mut decided = false;
    for rule in rules {
        let holds = |globs: &[String], text: &str| {
            globs.is_empty() || globs.iter().any(|glob| fast_glob::glob_match(glob, text))
        };
        let why = match rule.pattern.fit(reference) {
            Fit::No => "another name",
            Fit::Name => "another tag or digest",
            Fit::Yes if !holds(&rule.tags, reference.tag.as_deref().unwrap_or_default()) => "another tag",
            Fit::Yes if !holds(&rule.namespaces, namespace) => "another namespace",
            Fit::Yes if decided => "fits, but a rule above has decided",
            Fit::Yes => {
                decided = true;
                "fits, and decides"
            }
        };
        let (action, colour) = match rule.action {
            Action::Allow => ("allow", GOOD),
            Action::Deny => ("deny ", BAD),
        };
        let colour = if why.ends_with("decides") { colour } else { DIM };
        writeln!(out, "  {colour}{action} {:<40}{colour:#} {DIM}{why}{DIM:#}", rule.pattern.to_string())?;
    }
    if !decided {
        let mode = match policy.images.mode {
            Mode::Enforce => "enforce: what no rule names is unauthorised",
            Mode::Learn => "learn: what no rule names is learned first, and new afterwards",
            Mode::Open => "open: what no rule names passes",
        };
        writeln!(out, "  {DIM}no rule decides; mode {mode}{DIM:#}")?;
    }
    Ok(())
}
