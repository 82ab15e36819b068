//! Emulated streams: what they promise, and that the commands around them keep their promises over such streams.

#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use serde_json::Value;
use snapbox::cmd::{Command, cargo_bin};
use tidewaiter::emulate::label::{Label, hash};
use tidewaiter::emulate::{POLICY, SOURCES, Scenario, Stream, scenarios};
use tidewaiter::{Engine, Outcome, emulate, policy};

fn options(workloads: usize) -> emulate::Options {
    emulate::Options { workloads, ..emulate::Options::default() }
}

fn all() -> Vec<&'static Scenario> {
    scenarios().collect()
}

/// The records of a stream, with their labels.
fn records(stream: &mut Stream, count: usize) -> Vec<(String, Label)> {
    let mut records = Vec::new();
    while let Some(next) = stream.next_record().filter(|_| records.len() < count) {
        records.push((next.record, Label::from(next.activity)));
    }
    records
}

fn tidewaiter(folder: &Path) -> Command {
    Command::new(cargo_bin!("tidewaiter")).current_dir(folder)
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = tidewaiter(folder).args(arguments).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// Everything but what is not supposed to be quiet.
const CALM: [&str; 9] =
    ["traffic", "rollouts", "autoscaling", "cron-jobs", "pollers", "package-updates", "ci", "health-checks", "backups"];

#[test]
fn a_seed_says_what_comes() {
    let stream = |seed| {
        let options = emulate::Options { seed, ..options(20) };
        records(&mut Stream::new(&all(), options), 3000)
    };
    assert_eq!(stream(1), stream(1));
    assert_ne!(stream(1), stream(2));
}

#[test]
fn records_come_in_the_order_of_time() {
    let mut stream = Stream::new(&all(), options(20));
    let mut last = tidewaiter::time::Time::default();
    for _ in 0..5000 {
        let at = stream.next_record().unwrap().at;
        assert!(at >= last);
        last = at;
    }
}

/// Of every source there are records, and the engine knows all of them.
#[test]
fn every_record_is_of_its_source() {
    let mut engine = Engine::new(policy::load(POLICY).unwrap(), [1, 2]);
    let mut sources = std::collections::BTreeSet::new();
    let options = emulate::Options { learn: 0.0, ..options(60) };
    for (record, _) in records(&mut Stream::new(&all(), options), 40_000) {
        let mut out = Vec::new();
        let outcome = engine.inspect(record.as_bytes(), None, &mut out);
        assert!(!matches!(outcome, Outcome::Passed | Outcome::Invalid(_) | Outcome::Skipped), "{record}");
        let answer: Value = serde_json::from_slice(&out).unwrap();
        sources.insert(answer["tidewaiter"]["source"].as_str().unwrap().to_owned());
    }
    for (source, _) in SOURCES {
        assert!(sources.contains(source), "nothing of {source}");
    }
}

/// A label is nowhere in the records, and the same records come with labels and without.
#[test]
fn labels_are_beside_the_records() {
    // Names by chance may have three letters in a row.
    let words = scenarios().filter(|scenario| scenario.hostile && scenario.name.len() > 3);
    let words: Vec<&str> = words.map(|scenario| scenario.name).collect();
    let options = emulate::Options { learn: 3600.0, ..options(20) };
    for (record, _) in records(&mut Stream::new(&all(), options), 60_000) {
        let said = words.iter().find(|word| record.contains(**word));
        assert!(said.is_none() && !record.contains("hostile"), "{said:?} is in {record}");
    }

    let folder = tempfile::tempdir().unwrap();
    let arguments = ["emulate", "--workloads", "12", "--learn", "6h", "--for", "36h"];
    let without = run(folder.path(), &arguments);
    let with = run(folder.path(), &[&arguments[..], &["--labels", "labels"]].concat());
    assert!(without == with, "the records depend on whether labels are written");
    let labels = std::fs::read_to_string(folder.path().join("labels")).unwrap();
    let lines: Vec<&str> = with.lines().collect();
    assert!(labels.lines().count() > 100);
    for (line, of, _) in labels.lines().map(|line| Label::read(line).unwrap()) {
        assert_eq!(of, hash(lines[line as usize - 1].as_bytes()));
    }

    // Other labels, the same answers: what the score says of precision changes, what was found does not.
    std::fs::write(folder.path().join("records"), &with).unwrap();
    std::fs::write(folder.path().join("flipped"), labels.replace("\"hostile\":true", "\"hostile\":false")).unwrap();
    let score = |labels: &str| -> Value {
        let arguments = ["score", "--records", "records", "--labels", labels, "--format", "json"];
        serde_json::from_str(&run(folder.path(), &arguments)).unwrap()
    };
    let (right, flipped) = (score("labels"), score("flipped"));
    assert_eq!(right["all"]["alerts"], flipped["all"]["alerts"]);
    let findings = |score: &Value| {
        score["all"]["true_findings"].as_u64().unwrap() + score["all"]["false_findings"].as_u64().unwrap()
    };
    assert_eq!(findings(&right), findings(&flipped));
    assert!(right["all"]["true_findings"].as_u64().unwrap() > 5);
    assert_eq!(flipped["all"]["true_findings"], 0);

    // Labels of other records are noticed.
    let shifted: String = std::iter::once("{}").chain(with.lines()).map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.path().join("records"), shifted).unwrap();
    let arguments = ["score", "--records", "records", "--labels", "labels"];
    tidewaiter(folder.path()).args(arguments).assert().code(3).stderr_eq("[..]another record than the one labelled\n");
}

/// What the rules find of a labelled fortnight, and what they take for hostile that is not: the README's table.
#[test]
fn the_score_holds() {
    let bounds = [
        ("--min", "recall=0.9"),
        ("--min", "precision=0.75"),
        ("--max", "false-per-day=0.9"),
        ("--max", "hours-to-detect=0.5"),
        ("--min", "unauthorized-image.recall=1"),
        ("--min", "unauthorized-image.precision=0.95"),
        ("--min", "anomalous-traffic.recall=0.85"),
        ("--min", "restart-spike.recall=1"),
    ];
    let arguments = bounds.iter().flat_map(|(option, bound)| [*option, *bound]);
    let folder = tempfile::tempdir().unwrap();
    tidewaiter(folder.path()).args(["score", "--workloads", "60"]).args(arguments).assert().success();
}

#[test]
fn a_score_is_a_gate() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["score", "malicious-image", "--workloads", "8", "--learn", "1h", "--for", "30h"];
    let gate = |bound: &[&str]| tidewaiter(folder.path()).args(arguments).args(bound).assert();
    gate(&["--min", "unauthorized-image.recall=1", "--max", "hours-to-detect=0.1"]).success();
    gate(&["--min", "anomalous-traffic.recall=0.5"]).code(1);
    gate(&["--min", "beauty=1"]).code(2);
}

#[test]
fn what_was_learned_is_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let emulate = [&["emulate", "--workloads", "14", "--for", "6d"][..], &CALM].concat();
    std::fs::write(at("history"), run(folder.path(), &emulate)).unwrap();
    run(folder.path(), &["learn", "history"]);
    run(folder.path(), &["check", "tidewaiter.yaml"]);
    let quiet = ["run", "-p", "tidewaiter.yaml", "--findings", "--format", "ndjson", "history"];
    let found = |arguments: &[&str]| {
        let records = run(folder.path(), arguments);
        let messages = records.lines().map(|line| line.split("\"message\":").last().unwrap_or_default());
        messages.map(|message| message.chars().take(120).collect::<String>()).collect::<Vec<_>>()
    };
    assert_eq!(found(&quiet), [""; 0]);
    let policy = std::fs::read_to_string(at("tidewaiter.yaml")).unwrap();
    assert!(policy.contains("- \"registry.corp.example\" ") && policy.contains("times, "), "{policy}");
    let with_state = [&quiet[..], &["--state", "state"]].concat();
    assert_eq!(found(&with_state), [""; 0]);
    // A policy and a baseline that are there are left alone.
    tidewaiter(folder.path()).args(["learn", "history"]).assert().code(2);
    tidewaiter(folder.path()).args(["learn", "history", "--force"]).assert().code(2);
}

#[test]
fn adversaries_are_not_learned() {
    let folder = tempfile::tempdir().unwrap();
    let emulate = ["emulate", "malicious-image", "modified-image", "--workloads", "20", "--learn", "1h", "--for", "3d"];
    std::fs::write(folder.path().join("history"), run(folder.path(), &emulate)).unwrap();
    let policy = run(folder.path(), &["learn", "history", "-o", "-"]);
    let is_allowed = |name: &str| policy.lines().any(|line| line.trim_start().starts_with("- ") && line.contains(name));
    for name in ["registry.c0rp.example", "ghcr.io/acme/xmrig", "kdevtmpfsi"] {
        assert!(policy.contains(name) && !is_allowed(name), "{name} in\n{policy}");
    }
    assert!(is_allowed("registry.corp.example") && is_allowed("docker.io/library/"), "{policy}");
}

#[test]
fn two_policies_compare() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let emulate = ["emulate", "malicious-image", "--workloads", "8", "--learn", "1h", "--for", "30h"];
    std::fs::write(at("history"), run(folder.path(), &emulate)).unwrap();
    std::fs::write(at("old"), POLICY).unwrap();
    std::fs::write(at("new"), POLICY.replace("- registry.corp.example", "- docker.io/someb0dy/*")).unwrap();
    let arguments = ["run", "--diff", "old", "new", "history", "--format", "ndjson"];
    let changes: Vec<Value> =
        run(folder.path(), &arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |change: &str, about: &str| {
        changes.iter().any(|one| one["change"] == change && one["about"].as_str().unwrap().starts_with(about))
    };
    assert!(has("silent", "docker.io/someb0dy/worker"), "{changes:?}");
    assert!(has("fires", "registry.corp.example/"), "{changes:?}");
    assert!(!has("fires", "docker.io/library/"), "{changes:?}");
    let arguments = ["run", "--diff", "old", "old", "history", "--format", "ndjson"];
    assert_eq!(run(folder.path(), &arguments), "");
}
