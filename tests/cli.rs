//! The command line as people and scripts meet it: what it prints, where, and the exit code.
//!
//! The texts that people read are in `tests/cli`; `SNAPSHOTS=overwrite cargo test --test cli` writes them anew.

#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use snapbox::cmd::{Command, OutputAssert, cargo_bin};
use snapbox::{file, str};
use tempfile::TempDir;

/// A start of a container, from an image, at a second.
fn start(image: &str, second: i64) -> String {
    format!(
        r#"{{"Type":"container","Action":"start","Actor":{{"ID":"f0","Attributes":{{"image":"{image}","name":"web"}}}},"time":{}}}"#,
        1_790_000_000 + second
    )
}

const POLICY: &str = "images: {allow: [registry.corp.example]}\n";

fn tidewaiter() -> Command {
    Command::new(cargo_bin!("tidewaiter")).env("NO_COLOR", "1")
}

/// A folder with files in it.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// What `run` with some arguments makes of records.
fn run(place: &Path, arguments: &[&str], records: &[String]) -> OutputAssert {
    let records = records.join("\n") + "\n";
    tidewaiter().current_dir(place).arg("run").args(arguments).stdin(records).assert()
}

/// The enrichments of what a command printed.
fn enrichments(output: &OutputAssert) -> Vec<Value> {
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["tidewaiter"].clone()).collect()
}

#[test]
fn the_demo_finds_what_is_planted() {
    let place = folder(&[]);
    tidewaiter().current_dir(place.path()).args(["demo", "--fast"]).assert().success().stdout_eq(file!["cli/demo.txt"]);
    assert!(fs::read_to_string(place.path().join("report.html")).unwrap().contains("Findings in the demo"));
}

/// A file need not end with a newline.
#[test]
fn files_stay_apart() {
    let place = folder(&[("a", "{\"a\":1}"), ("b", "{\"b\":2}"), ("c", "")]);
    for guest in ["component", "fluent-bit"] {
        let output = tidewaiter().current_dir(place.path()).args(["run", "--guest", guest, "a", "b", "c"]).assert();
        output.success().stdout_eq("{\"a\":1}\n{\"b\":2}");
    }
}

#[test]
fn run_enriches_and_counts() {
    let place = folder(&[("tidewaiter.yaml", POLICY)]);
    let records =
        [start("registry.corp.example/web:1", 0), "no JSON".into(), r#"{"log":"x"}"#.into(), start("evil/x", 1)];
    run(place.path(), &["-p", "tidewaiter.yaml"], &records)
        .success()
        .stdout_eq(file!["cli/run.ndjson": Text])
        .stderr_eq(str![[r#"
4 records in, 4 out: 2 container events, 1 matched, 0 suppressed, 1 skipped
warning: 1 line is no JSON object, and passed on as read

"#]]);
}

#[test]
fn findings_are_for_people() {
    let place = folder(&[("tidewaiter.yaml", POLICY)]);
    let records = [start("registry.corp.example/web:1", 0), start("evil/x", 1), start(r"ghcr.io/a/b\u001b[31m", 2)];
    run(place.path(), &["-p", "tidewaiter.yaml", "--findings", "--format", "text"], &records)
        .success()
        .stdout_eq(file!["cli/findings.txt"]);
}

#[test]
fn findings_are_one_document_on_demand() {
    let place = folder(&[("tidewaiter.yaml", POLICY)]);
    for (records, found) in
        [(vec![start("registry.corp.example/web:1", 0)], 0), (vec![start("evil/x", 1), start("quay.io/y", 2)], 2)]
    {
        let output =
            run(place.path(), &["-p", "tidewaiter.yaml", "--findings", "--format", "json"], &records).success();
        let document: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!(document.as_array().unwrap().len(), found);
    }
}

#[test]
fn exit_codes_tell_scripts() {
    let place = folder(&[("tidewaiter.yaml", POLICY), ("bad.yaml", "images: {alow: []}\n")]);
    let fails = ["-p", "tidewaiter.yaml", "--fail-on-match"];
    run(place.path(), &fails, &[start("evil/x", 0)]).code(1);
    run(place.path(), &fails, &[start("registry.corp.example/web", 0)]).code(0);
    run(place.path(), &["--nonsense"], &[]).code(2);
    run(place.path(), &["absent.ndjson"], &[]).code(3).stderr_eq(str![[r#"
error: cannot read absent.ndjson: No such file or directory (os error 2)

"#]]);
    run(place.path(), &["-p", "absent.yaml"], &[]).code(3);
    run(place.path(), &["-p", "bad.yaml"], &[]).code(3);
}

#[test]
fn check_says_what_is_wrong_where() {
    let bad = "version: 1\nimages:\n  alow: [registry.corp.example]\n  tags: {reject: latest, require_digest: 7}\n";
    let place = folder(&[("bad.yaml", bad), ("good.yaml", POLICY)]);
    tidewaiter().current_dir(&place).args(["check", "good.yaml"]).assert().success();
    tidewaiter().current_dir(&place).args(["check", "bad.yaml"]).assert().code(1).stdout_eq(file!["cli/check.txt"]);
}

#[test]
fn explain_prints_the_strategy_of_each_rule() {
    tidewaiter().args(["explain"]).assert().success().stdout_eq(file!["cli/explain.txt"]);
    for rule in ["unauthorized-image", "restart-spike", "anomalous-traffic"] {
        let golden = snapbox::Data::read_from(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cli/explain-{rule}.txt")),
            None,
        );
        tidewaiter().args(["explain", rule]).assert().success().stdout_eq(golden);
    }
    tidewaiter().args(["explain", "nonsense"]).assert().code(2);
}

#[test]
fn explain_says_why_a_record_gets_its_verdict() {
    let place = folder(&[("tidewaiter.yaml", "images: {allow: [registry.corp.example], deny: ['**/xmrig*']}\n")]);
    let record = start("registry.corp.example/tools/xmrig:6", 0);
    let mut command = tidewaiter().current_dir(&place);
    command = command.args(["explain", "-p", "tidewaiter.yaml", &record]);
    command.assert().success().stdout_eq(file!["cli/explain-record.txt"]);
}

#[test]
fn test_runs_scenarios() {
    let scenario = |expect: &str| {
        format!(
            "name: nothing from elsewhere\npolicy: {{images: {{allow: [registry.corp.example]}}}}\nsteps:\n  - record: '{}'\n    expect: {expect}\n",
            start("evil/x", 0)
        )
    };
    let place = folder(&[("good.yaml", &scenario("match")), ("bad.yaml", &scenario("clean"))]);
    tidewaiter().current_dir(&place).args(["test", "good.yaml"]).assert().success();
    tidewaiter()
        .current_dir(&place)
        .args(["test", "good.yaml", "bad.yaml"])
        .assert()
        .code(1)
        .stdout_eq(file!["cli/test.txt"]);
    tidewaiter()
        .current_dir(&place)
        .args(["test", "bad.yaml", "--format", "junit", "--guest", "fluent-bit"])
        .assert()
        .code(1)
        .stdout_eq(file!["cli/test.xml": Text]);
}

#[test]
fn guests_are_written_as_they_are_run() {
    let place = folder(&[]);
    tidewaiter().args(["guests", "-o"]).arg(place.path().join("new")).assert().success();
    for (name, bytes) in tidewaiter::host::modules() {
        assert!(fs::read(place.path().join("new").join(name)).unwrap() == bytes, "{name}");
    }
}

#[test]
fn what_was_learned_is_kept_shown_and_merged() {
    let place = folder(&[("tidewaiter.yaml", "images: {mode: learn, deny: [evil/**]}\nbaseline: {learn_for: 60s}\n")]);
    let images = |images: &str, from: i64| -> Vec<String> {
        (0..100).map(|second| start(&format!("{images}-{}:1", second % 20), from + second)).collect()
    };
    let policy = ["-p", "tidewaiter.yaml"];
    let with = |state| [&policy[..], &["--state", state]].concat();

    // One collector alerts; the next run knows of it, and of the images.
    let first = [images("ghcr.io/acme/app", 0), vec![start("evil/x", 100)]].concat();
    let first = enrichments(&run(place.path(), &with("one"), &first).success());
    let alert = &first.last().unwrap()["detections"][0];
    assert_eq!(alert["state"], "new");
    let again = [start("evil/x", 200), start("ghcr.io/acme/app-7:1", 201), start("ghcr.io/acme/new:1", 202)];
    let again = enrichments(&run(place.path(), &with("one"), &again).success());
    let repeated = &again[0]["detections"][0];
    assert_eq!(repeated["episode"], alert["episode"]);
    assert_eq!(
        [&repeated["state"], &repeated["suppressed"], &repeated["baseline"]],
        ["ongoing", "cooldown", "restored"]
    );
    assert_eq!(again[1]["verdict"], "clean");
    assert_eq!(again[2]["detections"][0]["reason"], "first-seen");

    let show = |path: &str| {
        let shown = tidewaiter()
            .current_dir(&place)
            .args(["state", "show", path, "--format", "json"])
            .args(policy)
            .assert()
            .success();
        serde_json::from_slice::<Value>(&shown.get_output().stdout).unwrap()[0].clone()
    };
    let table = |shown: &Value, name: &str| {
        let tables = shown["tables"].as_array().unwrap();
        tables.iter().find(|table| table["table"] == name).unwrap()["entries"].as_u64().unwrap()
    };
    assert_eq!(show("one")["readiness"], "ready");
    assert_eq!(table(&show("one"), "episodes"), 2);
    tidewaiter()
        .current_dir(&place)
        .args(["state", "show", "one"])
        .args(policy)
        .assert()
        .success()
        .stdout_eq(file!["cli/state.txt"]);

    // Another one knows other images. Together they know both, in whichever order.
    run(place.path(), &with("two"), &images("quay.io/acme/job", 50)).success();
    let merge = |from: [&str; 2], to: &str| {
        tidewaiter().current_dir(&place).args(["state", "merge"]).args(from).args(["-o", to]).assert().success();
        let mut shown = show(to);
        shown["path"].take();
        shown
    };
    let merged = merge(["one", "two"], "both");
    assert_eq!(merged, merge(["two", "one"], "both again"));
    assert_eq!(table(&merged, "names"), table(&show("one"), "names") + table(&show("two"), "names"));
    let known = [start("ghcr.io/acme/app-7:1", 300), start("quay.io/acme/job-7:1", 301)];
    let known = enrichments(&run(place.path(), &with("both"), &known).success());
    assert!(known.iter().all(|own| own["verdict"] == "clean"), "{known:?}");

    // Nothing is overwritten.
    tidewaiter().current_dir(&place).args(["state", "merge", "one", "-o", "two"]).assert().code(3);
}

#[test]
fn threat_lists_lie_beside_the_policy() {
    let policy = "images: {mode: open}\ntraffic: {threats: {files: [c2.txt, absent.txt]}}\n";
    let place = folder(&[("tidewaiter.yaml", policy), ("c2.txt", "203.0.113.0/28\nno indicator\n")]);
    let record = r#"{"_path":"conn","ts":1790000000.5,"uid":"C1","id.orig_h":"10.1.0.9","id.orig_p":40000,"id.resp_h":"203.0.113.9","id.resp_p":443,"proto":"tcp","conn_state":"SF"}"#;
    for guest in ["component", "fluent-bit"] {
        let policy = place.path().join("tidewaiter.yaml");
        // From another folder: it is the policy's that counts.
        let output =
            run(Path::new("/"), &["-p", policy.to_str().unwrap(), "--guest", guest], &[record.to_owned()]).success();
        assert_eq!(enrichments(&output)[0]["detections"][0]["evidence"]["list"], "c2.txt");
        let said = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(said.contains("c2.txt: indicators: 1, lines without one: 1"), "{said}");
        assert!(said.contains("absent.txt is not read"), "{said}");
    }
}

#[test]
fn the_schema_completions_and_manual_are_there() {
    let schema = tidewaiter().arg("schema").assert().success();
    let schema: Value = serde_json::from_slice(&schema.get_output().stdout).unwrap();
    assert!(schema["properties"]["images"].is_object());
    for shell in ["bash", "zsh", "fish"] {
        let script = tidewaiter().args(["completions", shell]).assert().success();
        assert!(String::from_utf8_lossy(&script.get_output().stdout).contains("tidewaiter"));
    }
}
