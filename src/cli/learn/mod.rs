//! `learn`: a policy and a baseline from real history, for those who have none.

mod images;
mod text;
mod trial;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use tidewaiter::host::keeper::token;
use tidewaiter::host::store::Store;
use tidewaiter::host::threats::Threats;
use tidewaiter::image::Pattern;
use tidewaiter::policy;
use tidewaiter::time::DAY;

use super::observe::Observer;
use super::run::Running;
use super::{Guest, exit, input, style};
use images::Images;
use text::Parts;
use trial::Trial;

#[derive(Debug, Args)]
pub struct Arguments {
    /// History: files of records, one JSON object a line, the oldest first
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write the policy; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "tidewaiter.yaml")]
    output: PathBuf,
    /// The folder to write the baseline to; without it, `state` beside the policy
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Never allow what these deny, and write them into the policy
    #[arg(long, value_name = "PATTERN", default_values = ["**/xmrig*", "**/kdevtmpfsi*", "**/kinsing*"])]
    deny: Vec<String>,
    /// Replace a policy that is there
    #[arg(long)]
    force: bool,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.output.exists() && !arguments.force && arguments.output != Path::new("-") {
        bail!(exit::Usage(format!("{} is there; --force replaces it", arguments.output.display())));
    }
    let folder = state(arguments);
    if let Some(folder) = folder.as_deref().filter(|folder| folder.read_dir().is_ok_and(|mut dir| dir.next().is_some()))
    {
        // What is in it would be mixed with the history, and be younger than that.
        bail!(exit::Usage(format!("{} is not empty; --state names another folder", folder.display())));
    }
    if arguments.files.iter().any(|path| path == Path::new("-")) {
        bail!(exit::Usage("history is read more than once, which standard input cannot be".into()));
    }
    let denied = arguments.deny.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>();
    let denied = denied.map_err(|error| exit::Usage(format!("--deny: {error}")))?;
    let mut images = Images::default();
    let mut observer = Observer::default();
    let (mut from, mut until, mut events) = (i64::MAX, i64::MIN, 0_u64);
    input::each_line(&arguments.files, |line| {
        observer.observe(line, |at, observations| {
            if observations.is_empty() {
                return;
            }
            events += 1;
            (from, until) = (from.min(at.sec), until.max(at.sec));
            observations.iter().for_each(|observation| images.see(at.sec, observation));
        });
        Ok(())
    })?;
    if events == 0 {
        bail!("there are no container events in what was read");
    }
    let rules = images.rules(&denied);
    // A day more than the history, so that what begins on its last day is in it; a month at most.
    let days = ((until - from) / DAY + 1).clamp(1, 30);
    let names: Vec<_> = arguments.files.iter().map(|path| path.display().to_string()).collect();
    let source = format!("{} in {} of {days} days", style::count(events, "container event"), names.join(", "));
    let mut parts = Parts { source, days, deny: &arguments.deny, rules: &rules, windows: &[], leftovers: &[] };
    let draft = text::policy(&parts);
    if let Err(problems) = policy::load(&draft) {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        bail!("what was learned is no policy: {first}");
    }

    // The draft learns the baseline; another guest shows what somebody would be told who begins with it.
    let scratch = tempfile::tempdir().context("cannot make a folder for the baseline")?;
    let keep = folder.as_deref().unwrap_or(scratch.path());
    let mut running = Running::start(Guest::Component, Some(&draft), Threats::default(), None)?;
    let (mut store, _) = Store::open(keep, token(), &mut *running.guest)?;
    input::batches(&arguments.files, |lines| running.guest.inspect(lines, None).map(|_| ()))?;
    store.save(&mut *running.guest)?;
    let mut fresh = Running::start(Guest::Component, Some(&draft), Threats::default(), None)?;
    let mut trial = Trial::default();
    input::batches(&arguments.files, |lines| trial.judge(lines, &mut *fresh.guest))?;
    let leftovers = trial.finish();
    let others: Vec<_> = leftovers.iter().filter(|one| one.rule != "unauthorized-image").cloned().collect();
    let windows = trial::windows(&others);
    (parts.windows, parts.leftovers) = (&windows, &others);
    let text = text::policy(&parts);

    if arguments.output == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        let path = &arguments.output;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let rule_count = rules.allow.len() + rules.trials.len();
    anstream::eprintln!(
        "{}, {} not allowed; {} would still be found",
        style::count(rule_count as u64, "allow rule"),
        rules.doubtful.len() + images.unparseable.len(),
        style::count(leftovers.len() as u64, "thing"),
    );
    for (name, why, _) in rules.doubtful.iter().take(20) {
        anstream::eprintln!("  not allowed: {} ({})", super::findings::harmless(name), super::findings::harmless(why));
    }
    if images.omitted > 0 {
        style::warning(&format!("{} images are of repositories beyond what is listed", images.omitted));
    }
    if let Some(folder) = &folder {
        anstream::eprintln!("the baseline is in {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the baseline goes: nowhere, where the policy goes to standard output.
fn state(arguments: &Arguments) -> Option<PathBuf> {
    arguments.state.clone().or_else(|| {
        let is_file = arguments.output != Path::new("-");
        is_file.then(|| arguments.output.with_file_name("state"))
    })
}
