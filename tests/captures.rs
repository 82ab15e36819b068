//! How `anomalous-traffic` does on captures of real traffic that others have labelled. They are not part of the project:
//!
//! ```text
//! TIDEWAITER_CAPTURES=DIR cargo test --test captures -- --nocapture
//! ```
//!
//! prints what it finds, by a collector that sees nothing before the capture, by one that has seen other hosts for a day,
//! and by one that has seen the same hosts a day before. `DIR` holds Zeek's logs, as TSV or JSON, and `traffic_pairs.jsonl`: for each source and
//! destination in them whether it is `anomalous`, `benign`, `benign-periodic`, `not-egress` or `background`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use tidewaiter::time::Time;
use tidewaiter::{Engine, policy};

/// A source, a destination and its port in a capture, and what somebody who knows says of them.
struct Pair {
    source: String,
    destination: String,
    port: String,
    expected: String,
}

/// One capture: its log, and the pairs in it.
struct Capture {
    name: String,
    log: PathBuf,
    pairs: Vec<Pair>,
}

fn captures(folder: &Path) -> Vec<Capture> {
    let mut captures: BTreeMap<String, Capture> = BTreeMap::new();
    for line in fs::read_to_string(folder.join("traffic_pairs.jsonl")).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let capture = captures.entry(text("dataset")).or_insert_with(|| Capture {
            name: text("dataset"),
            log: folder.join(row["files"][0].as_str().unwrap()),
            pairs: Vec::new(),
        });
        let (source, destination, port) = (text("src"), text("dst"), text("dport"));
        capture.pairs.push(Pair { source, destination, port, expected: text("expected") });
    }
    captures.into_values().collect()
}

/// The records of a log, as a shipper reads them: JSON as it is, the columns of TSV under their names.
fn records(log: &Path) -> Vec<Value> {
    let text = if log.extension().is_some_and(|extension| extension == "gz") {
        Command::new("gzip").arg("-dc").arg(log).output().unwrap().stdout
    } else {
        fs::read(log).unwrap()
    };
    let text = String::from_utf8_lossy(&text);
    let (mut names, mut types, mut path) = (Vec::new(), Vec::new(), "conn".to_owned());
    let mut records = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('#') {
            let mut words = header.split('\t').map(str::to_owned);
            match words.next().as_deref() {
                Some("fields") => names = words.collect(),
                Some("types") => types = words.collect(),
                Some("path") => path = words.next().unwrap(),
                _ => {}
            }
        } else if line.starts_with('{') {
            let mut record: Value = serde_json::from_str(line).unwrap();
            record.as_object_mut().unwrap().entry("_path").or_insert_with(|| json!(path));
            records.push(record);
        } else {
            let mut record = Map::from_iter([("_path".to_owned(), json!(path))]);
            for ((name, kind), value) in names.iter().zip(&types).zip(line.split('\t')) {
                let value = match kind.as_str() {
                    _ if value == "-" || value == "(empty)" => continue,
                    "time" | "interval" | "count" | "port" | "int" | "double" => serde_json::from_str(value).unwrap(),
                    "bool" => json!(value == "T"),
                    _ => json!(value),
                };
                record.insert(name.clone(), value);
            }
            records.push(Value::Object(record));
        }
    }
    records.sort_by(|one, other| one["ts"].as_f64().unwrap().total_cmp(&other["ts"].as_f64().unwrap()));
    records
}

/// What was found: by source and destination, the reasons.
type Found = BTreeMap<(String, String), BTreeSet<String>>;

/// Judges records as if they were so many seconds later than they are.
fn judge(engine: &mut Engine, records: &[Value], later: f64) -> Found {
    let mut found = Found::new();
    let mut out = Vec::new();
    for record in records {
        let mut record = record.clone();
        record["ts"] = json!(record["ts"].as_f64().unwrap() + later);
        out.clear();
        engine.inspect(record.to_string().as_bytes(), None, &mut out);
        let enriched: Value = serde_json::from_slice(&out).unwrap();
        let own = &enriched["tidewaiter"];
        if own["verdict"] != "match" {
            continue;
        }
        for detection in
            own["detections"].as_array().unwrap().iter().filter(|detection| detection["suppressed"].is_null())
        {
            let source = record["id.orig_h"].as_str().unwrap().to_owned();
            let host = record["host"].as_str().map(|host| host.split(':').next().unwrap().to_owned());
            let destination = host.unwrap_or_else(|| record["id.resp_h"].as_str().unwrap().to_owned());
            let reason = detection["reason"].as_str().unwrap().to_owned();
            found.entry((source, destination)).or_default().insert(reason);
        }
    }
    found
}

fn engine(text: &str) -> Engine {
    Engine::new(policy::load(text).unwrap_or_else(|problems| panic!("{problems:?}")), [1, 2])
}

/// The sources of a capture are the containers, wherever they were.
fn policy(capture: &Capture) -> String {
    let sources: BTreeSet<_> =
        capture.pairs.iter().filter(|pair| pair.expected != "not-egress").map(|pair| &*pair.source).collect();
    let internal: Vec<_> =
        sources.into_iter().chain(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"]).collect();
    json!({"images": {"mode": "open"}, "baseline": {"learn_for": "1d"}, "traffic": {"internal": internal}}).to_string()
}

/// What a collector has seen before.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    /// A day of other hosts, which nobody complains of.
    Others,
    /// The same records, a day before.
    Same,
}

const DAY: f64 = 86_400.0;

fn run(capture: &Capture, others: &[Value], before: Before) -> Found {
    let records = records(&capture.log);
    let time = |record: &Value| record["ts"].as_f64().unwrap();
    let (first, last) = (time(&records[0]), time(records.last().unwrap()));
    let mut engine = engine(&policy(capture));
    match before {
        Before::Nothing => {}
        Before::Others => {
            let end = time(others.last().unwrap());
            judge(&mut engine, others, first - end - 1.0);
        }
        Before::Same => {
            let span = ((last - first) / DAY).ceil() * DAY;
            judge(&mut engine, &records, -span);
        }
    }
    judge(&mut engine, &records, 0.0)
}

#[test]
fn captures_of_others() {
    let Some(folder) = env::var_os("TIDEWAITER_CAPTURES") else {
        println!("skipped: TIDEWAITER_CAPTURES names no folder of captures");
        return;
    };
    let captures = captures(Path::new(&folder));
    let benign = |pair: &Pair| pair.expected == "benign" || pair.expected == "not-egress";
    let largest = captures.iter().max_by_key(|capture| capture.pairs.iter().filter(|pair| benign(pair)).count());
    let others = records(&largest.unwrap().log);
    println!("| capture | pairs | before: nothing | other hosts | the same |\n|---|---|---|---|---|");
    for capture in &captures {
        let found = [Before::Nothing, Before::Others, Before::Same].map(|before| run(capture, &others, before));
        let reasons = |pair: &Pair, found: &Found| -> BTreeSet<String> {
            let is_it = |(source, destination): &(String, String)| {
                *source == pair.source && (pair.destination == "*" || *destination == pair.destination)
            };
            found.iter().filter(|(ends, _)| is_it(ends)).flat_map(|(_, reasons)| reasons.iter().cloned()).collect()
        };
        let mut counts: BTreeMap<&str, (usize, [usize; 3])> = BTreeMap::new();
        for pair in &capture.pairs {
            let (all, counts) = counts.entry(&pair.expected).or_default();
            *all += 1;
            let reasons = found.each_ref().map(|found| reasons(pair, found));
            for (count, reasons) in counts.iter_mut().zip(&reasons) {
                *count += usize::from(!reasons.is_empty());
            }
            let shown = pair.expected != "background" && reasons.iter().any(|reasons| !reasons.is_empty());
            if pair.expected == "anomalous" || shown {
                let [nothing, others, same] = reasons.map(|reasons| reasons.into_iter().collect::<Vec<_>>().join(", "));
                let Pair { source, destination, port, expected } = pair;
                println!(
                    "| {} | {expected}: {source} → {destination}:{port} | {nothing} | {others} | {same} |",
                    capture.name
                );
            }
        }
        for (expected, (all, [nothing, others, same])) in counts {
            println!("| {} | **{all} {expected}** | {nothing} | {others} | {same} |", capture.name);
        }
    }
}

/// Series of measures, as the processor time of a container in percent, and the windows in which others see something.
#[test]
fn measures_of_others() {
    let Some(folder) = env::var_os("TIDEWAITER_CAPTURES").map(PathBuf::from) else {
        println!("skipped: TIDEWAITER_CAPTURES names no folder of captures");
        return;
    };
    let labels = fs::read_to_string(folder.join("nab/labels/combined_windows.json")).unwrap();
    let labels: BTreeMap<String, Vec<[String; 2]>> = serde_json::from_str(&labels).unwrap();
    println!("| series | windows | found, beside them | four times as much, `ratio: 1.5` |\n|---|---|---|---|");
    for (name, windows) in labels {
        let Ok(series) = fs::read_to_string(folder.join("nab/data").join(&name)) else { continue };
        let found = [(1.0, 2.0), (4.0, 1.5)].map(|(scale, ratio)| measures(&series, &windows, scale, ratio));
        let [(hit, beside), (hit_more, beside_more)] = found;
        println!("| {name} | {} | {hit}, {beside} | {hit_more}, {beside_more} |", windows.len());
    }
}

/// In how many of the windows something is found, and how often beside them.
fn measures(series: &str, windows: &[[String; 2]], scale: f64, ratio: f64) -> (usize, usize) {
    let mut engine = engine(&json!({"images": {"mode": "open"}, "resources": {"ratio": ratio}}).to_string());
    let (mut hit, mut beside) = (BTreeSet::new(), 0);
    let mut out = Vec::new();
    for line in series.lines().skip(1) {
        let (time, value) = line.split_once(',').unwrap();
        let at = Time::parse(format!("{}Z", time.replace(' ', "T")).as_bytes());
        let percent = format!("{:.3}%", value.parse::<f64>().unwrap() * scale);
        let record = json!({"ID": "0123456789ab", "Name": "web", "CPUPerc": percent, "MemUsage": "1GiB / 4GiB"});
        out.clear();
        engine.inspect(record.to_string().as_bytes(), at, &mut out);
        let enriched: Value = serde_json::from_slice(&out).unwrap();
        if enriched["tidewaiter"]["verdict"] == "match" {
            match windows.iter().position(|[from, to]| &**from <= time && time <= &**to) {
                Some(window) => drop(hit.insert(window)),
                None => beside += 1,
            }
        }
    }
    (hit.len(), beside)
}
