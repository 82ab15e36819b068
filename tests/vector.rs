//! The shipped pipelines for Vector: what they say, and what they do in the real Vector where there is one.

#![cfg(all(unix, feature = "cli"))]
// Clippy knows a test by its attribute, and not what only tests call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(target_os = "linux")]
#[path = "common/lua.rs"]
mod lua;
#[path = "common/program.rs"]
mod program;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/sidecar.rs"]
mod sidecar;
#[path = "common/vector.rs"]
mod vector;

use std::fs;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use rstest::rstest;
use serde_json::Value as Json;

use sidecar::{Sidecar, run, until};
use vector::{Place, Vector};

const STRICT: &str = include_str!("../pipelines/policies/strict.yaml");

fn pipeline(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/vector").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(pipeline(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Json {
    yaml_serde::from_str(&read(name)).unwrap()
}

/// Vector, or one line that says why the rest of a test is left out.
fn program(test: &str) -> Option<PathBuf> {
    let program = vector::find();
    if program.is_none() {
        eprintln!("{test}: skipped: no vector on the PATH, and TIDEWAITER_VECTOR does not name one");
    }
    program
}

/// The chart's configuration is the shipped one but for the stores and the check at the start.
#[test]
fn the_chart_goes_the_same_way() {
    let values = yaml("kubernetes/values.yaml");
    let (chart, mut shipped) = (&values["customConfig"], yaml("sidecar.yaml"));
    assert_eq!(chart["sources"]["back"], shipped["sources"]["back"]);
    assert_eq!(chart["transforms"], shipped["transforms"]);
    let hop = &mut shipped["sinks"]["to_tidewaiter"];
    hop["healthcheck"] = serde_json::json!({ "enabled": false });
    assert_eq!(chart["sinks"]["to_tidewaiter"], *hop);
    assert!(!read("kubernetes/values.yaml").contains("{{"), "the chart reads it as a template");
}

#[test]
fn the_pod_fits_together() {
    let values = yaml("kubernetes/values.yaml");
    let container = &values["extraContainers"][0];
    let names = |list: &Json| list.as_array().unwrap().iter().map(|it| it["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&container["volumeMounts"]), names(&values["extraVolumes"]));
    let arguments: Vec<&str> = container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let mounted = |place: usize| container["volumeMounts"][place]["mountPath"].as_str().unwrap();
    let source = &values["customConfig"]["sources"]["back"];
    let next = format!("--forward=http://{}{}", source["address"].as_str().unwrap(), source["path"].as_str().unwrap());
    let policy = format!("--policy={}/tidewaiter.yaml", mounted(0));
    assert_eq!(arguments, [policy, format!("--state={}", mounted(1)), next]);
    assert!(container["volumeMounts"].as_array().unwrap().iter().all(|mount| mount["subPath"].is_null()));
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
}

impl Place {
    async fn serve(&self) -> Sidecar {
        let policy = self.path("tidewaiter.yaml");
        let next = format!("http://{}/", self.next);
        Sidecar::start_at(&self.sidecar, &["--policy", policy.to_str().unwrap(), "--forward", &next]).await
    }

    fn write(&self, count: usize) {
        let mut file = BufWriter::new(fs::File::create(self.path("in/records.ndjson")).unwrap());
        for number in 0..count {
            writeln!(file, "{}", record(number)).unwrap();
        }
        file.flush().unwrap();
    }

    /// How many whole lines are out.
    fn count(&self) -> usize {
        fs::read(self.path("out/records.ndjson")).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
    }

    /// The records that are out, each without what the source and the module have added, and with what the module has.
    fn records(&self, name: &str) -> impl Iterator<Item = (Json, Json)> + use<> {
        let file = fs::File::open(self.path("out").join(name)).unwrap();
        BufReader::new(file).lines().map(|line| {
            let mut record: Json = serde_json::from_str(&line.unwrap()).unwrap();
            let members = record.as_object_mut().unwrap();
            for name in ["file", "host", "source_type", "timestamp"] {
                assert!(members.shift_remove(name).is_some(), "no {name}");
            }
            let enrichment = members.shift_remove("tidewaiter").unwrap_or(Json::Null);
            (record, enrichment)
        })
    }
}

/// One of a stream in which nothing but its number tells most records from others.
fn record(number: usize) -> String {
    let image =
        ["registry.corp.example/shop/web:v3", "ghcr.io/someone/tool:1.0", "registry.k8s.io/pause:3.10"][number / 4 % 3];
    let time = 1_790_000_000 + number / 50;
    match number % 4 {
        0 => format!(
            r#"{{"status":"start","id":"f{number}","from":"{image}","Type":"container","Action":"start","Actor":{{"ID":"f{number}","Attributes":{{"com.docker.compose.project":"shop","com.docker.compose.service":"web","image":"{image}","name":"shop-web-1"}}}},"scope":"local","time":{time}}}"#
        ),
        1 => format!(
            r#"{{"number":{number},"null":null,"empty":[],"none":{{}},"list":[1,null,3,""],"float":1.5,"floats":[0.1,-2.5e-7,1e300],"large":9007199254740993,"largest":9223372036854775807,"deep":{{"a.b":[{{"ä":"\"\\\n😀"}}]}},"at":"2026-11-24T10:05:07+02:00","message":"","time":{number}}}"#
        ),
        2 => format!(
            r#"{{"stream":"stderr","number":{number},"kubernetes":{{"pod_name":"web-78945dccd8-hv{:03}","pod_namespace":"shop","container_image":"{image}","container_name":"web"}}}}"#,
            number % 40
        ),
        _ => format!(r#"{{"level":"info","number":{number},"msg":"GET /cart","status":200}}"#),
    }
}

fn check_records(place: &Place, count: usize) {
    let mut matches = 0;
    let mut enriched = 0;
    for (number, (out, enrichment)) in place.records("records.ndjson").enumerate() {
        let expected: Json = serde_json::from_str(&record(number)).unwrap();
        assert_eq!(out, expected);
        enriched += usize::from(!enrichment.is_null());
        matches += usize::from(enrichment["verdict"] == "match");
    }
    assert!(enriched > count / 3 && matches > 0, "{enriched} enriched, {matches} match");
    let detections: Vec<_> = place.records("detections.ndjson").collect();
    assert_eq!(detections.len(), matches);
    assert!(detections.iter().all(|(_, enrichment)| enrichment["verdict"] == "match"));
}

#[rstest]
#[case::files("sidecar.yaml", "sources/files.yaml")]
#[case::docker("sidecar.yaml", "sources/docker.yaml")]
#[case::docker_events("sidecar.yaml", "sources/docker-events.yaml")]
#[case::kubernetes("sidecar.yaml", "sources/kubernetes.yaml")]
#[case::http("sidecar.yaml", "sources/http.yaml")]
#[case::exec("exec.yaml", "")]
#[case::chart("", "kubernetes/values.yaml")]
fn vector_accepts_it(#[case] pipeline: &str, #[case] more: &str) {
    let Some(program) = program("vector_accepts_it") else { return };
    let place = Place::new(STRICT);
    let mut configurations = Vec::new();
    for name in [pipeline, more].into_iter().filter(|name| !name.is_empty()) {
        configurations.push(if name.ends_with("values.yaml") {
            place.copy_of("chart.yaml", &yaml_serde::to_string(&yaml(name)["customConfig"]).unwrap())
        } else {
            place.copy(name)
        });
    }
    let output = vector::command(&program, &["validate", "--no-environment", "--deny-warnings"], &configurations);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn its_own_tests_pass() {
    let Some(program) = program("its_own_tests_pass") else { return };
    let place = Place::new(STRICT);
    let configurations = [place.copy("sidecar.yaml"), place.copy("sources/http.yaml")];
    let output = vector::command(&program, &["test"], &configurations);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("... passed").count(), 5, "{said}");
}

async fn pass(program: &Path, count: usize) {
    let place = Place::new(STRICT);
    place.write(count);
    let sidecar = place.serve().await;
    let configurations = [place.copy("sidecar.yaml"), place.copy("sources/files.yaml")];
    let mut vector = Vector::start(program, &configurations, place.path("log"));
    while place.count() < count {
        vector.check();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = vector.end();
    assert!(!log.contains("ERROR"), "{log}");
    assert_eq!(place.count(), count);
    check_records(&place, count);
    let of = async |verdict: &str| sidecar.number(&format!("tidewaiter_records_total{{verdict=\"{verdict}\"}}")).await;
    let mut judged = 0.0;
    for verdict in ["passed", "clean", "match", "suppressed", "skipped", "invalid"] {
        judged += of(verdict).await.unwrap_or(0.0);
    }
    assert_eq!(judged, count as f64);
    sidecar.end().await;
}

#[test]
fn the_sidecar_loses_nothing_and_changes_nothing() {
    let Some(program) = program("the_sidecar_loses_nothing_and_changes_nothing") else { return };
    run(pass(&program, 20_000));
}

#[test]
#[ignore = "takes minutes"]
fn a_million_events_in_a_million_out() {
    let Some(program) = program("a_million_events_in_a_million_out") else { return };
    sidecar::run_for(Duration::from_secs(1800), pass(&program, 1_000_000));
}

/// Runs the shipped in-process pipeline over some records. None where this Vector does not load the module.
#[cfg(target_os = "linux")]
fn pass_in_process(test: &str, count: usize, edit: impl FnOnce(&mut Json)) -> Option<Place> {
    let program = program(test)?;
    let place = Place::new(STRICT);
    place.write(count);
    let module = lua::module();
    let text = read("in-process.yaml").replace("/usr/lib/tidewaiter", module.parent().unwrap().to_str().unwrap());
    let mut pipeline: Json = yaml_serde::from_str(&text).unwrap();
    edit(&mut pipeline);
    let pipeline = place.copy_of("in-process.yaml", &yaml_serde::to_string(&pipeline).unwrap());
    let configurations = [pipeline, place.copy("sources/files.yaml")];
    for words in [&["validate", "--deny-warnings"][..], &["test"]] {
        let output = vector::command(&program, words, &configurations);
        let said = String::from_utf8_lossy(&output.stdout);
        let is_unable = said.contains("undefined symbol") || said.contains("dynamic libraries not enabled");
        if is_unable {
            eprintln!("{test}: skipped: this Vector does not load Lua modules");
            return None;
        }
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    run(async {
        let mut vector = Vector::start(&program, &configurations, place.path("log"));
        while place.count() < count {
            vector.check();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = vector.end();
        assert!(!log.contains("ERROR"), "{log}");
    });
    assert_eq!(place.count(), count);
    assert!(fs::read_dir(place.path("state")).unwrap().count() > 1);
    Some(place)
}

/// Nothing is lost while Vector lives, and nothing changes.
#[cfg(target_os = "linux")]
#[test]
fn in_process_nothing_is_lost_and_nothing_changes() {
    const COUNT: usize = 20_000;
    let place = pass_in_process("in_process_nothing_is_lost_and_nothing_changes", COUNT, |_| {});
    place.iter().for_each(|place| check_records(place, COUNT));
}

/// Through Lua's tables nothing is lost either, and what changes is what Vector's own conversion to Lua changes.
#[cfg(target_os = "linux")]
#[test]
fn in_process_by_tables_nothing_is_lost() {
    const COUNT: usize = 5_000;
    let by_tables = |pipeline: &mut Json| {
        let transforms = pipeline["transforms"].as_object_mut().unwrap();
        transforms.shift_remove("to_text");
        let mut judged = transforms.shift_remove("judged").unwrap();
        judged["inputs"] = serde_json::json!(["in_*"]);
        let source = judged["source"].as_str().unwrap().replace("emit(event)", "emit(tidewaiter:process(event))");
        let is_text = |line: &&str| line.contains(":inspect(");
        judged["source"] = source.lines().filter(|line| !is_text(line)).collect::<Vec<_>>().join("\n").into();
        transforms.insert("tidewaiter".into(), judged);
        pipeline.as_object_mut().unwrap().shift_remove("tests");
    };
    let Some(place) = pass_in_process("in_process_by_tables_nothing_is_lost", COUNT, by_tables) else { return };
    let mut enriched = 0;
    for (number, (out, enrichment)) in place.records("records.ndjson").enumerate() {
        let expected = record(number).replace("null,3", "\"\",3").replace(":null", ":\"\"").replace("[]", "{}");
        assert_eq!(out, serde_json::from_str::<Json>(&expected).unwrap());
        enriched += usize::from(!enrichment.is_null());
    }
    assert!(enriched > COUNT / 3, "{enriched}");
}

#[test]
fn a_sidecar_that_is_killed_loses_nothing_of_vector() {
    const COUNT: usize = 40_000;
    let Some(program) = program("a_sidecar_that_is_killed_loses_nothing_of_vector") else { return };
    run(async {
        let place = Place::new(STRICT);
        place.write(COUNT);
        let mut sidecar = place.serve().await;
        let configurations = [place.copy("sidecar.yaml"), place.copy("sources/files.yaml")];
        let vector = Vector::start(&program, &configurations, place.path("log"));
        for part in 1..=3 {
            until("a part is out", async || place.count() >= COUNT / 5 * part).await;
            sidecar.signal(Signal::SIGKILL);
            sidecar.ended().await;
            sidecar = place.serve().await;
        }
        let expected: Vec<Json> = (0..COUNT).map(|number| serde_json::from_str(&record(number)).unwrap()).collect();
        let is_last = |(out, _): (Json, Json)| out == expected[COUNT - 1];
        until("the last one is out", async || {
            place.count() >= COUNT && place.records("records.ndjson").last().is_some_and(is_last)
        })
        .await;
        vector.end();
        // In order, but for batches that came again.
        let (mut next, mut again) = (0, 0);
        for (out, _) in place.records("records.ndjson") {
            if expected.get(next) == Some(&out) {
                next += 1;
            } else {
                again += 1;
            }
        }
        assert_eq!(next, COUNT);
        assert!(again < COUNT / 2, "{again} came again");
        sidecar.end().await;
    });
}
