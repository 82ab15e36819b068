//! Scenario files: a policy, records, and what is expected of them. The unit tests of policies, and of this project.
//!
//! ```yaml
//! name: an image from a registry that nobody allowed
//! policy:                     # a mapping, or the text of a policy as a block scalar; without it the built-in one
//!   images: {allow: [registry.corp.example]}
//! files: {c2.txt: "203.0.113.7"}  # threat lists, as they would lie beside the policy
//! steps:
//!   - record: '{"Type":"container","Action":"start","Actor":{"ID":"f0","Attributes":{"image":"evil/x","name":"web"}}}'
//!     at: 2026-03-15T00:06:31Z          # the shipper's time, where the record has none of its own
//!     expect:                           # what the enrichment has to contain; lists have to be of the same length
//!       verdict: match
//!       detections: [{reason: registry-not-allowed, severity: high}]
//!   - record: {level: info, msg: ready} # a mapping is written as JSON
//!     expect: unchanged                 # the record comes out as it went in
//!   - record: {kind: Pod, apiVersion: v1, metadata: {name: web}}
//!     repeat: 60                        # the record once more and again, `every` so much later
//!     every: 3h
//!     expect: clean                     # a verdict alone; holds for each repetition
//!   - record: '{"read":"{time}","cpu":{n*30}}' # `{time}` is that of the repetition, `{n}` its number, from 0,
//!     at: 2026-03-15T00:06:31Z          # `{n*30}` thirty times that
//!     repeat: 10
//!     every: 1m
//! ```

use serde_json::{Map, Number, Value as Json};

use crate::policy::Problem;
use crate::policy::document::{Document, NodeId, Value};
use crate::policy::scalar::{duration, is_beside};
use crate::time::Time;

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// The text of its policy.
    pub policy: Option<String>,
    /// The files beside it: names and texts.
    pub files: Vec<(String, String)>,
    /// The key that the enrichment stands under.
    pub field: String,
    /// Its records, in order.
    pub steps: Vec<Step>,
}

/// A record, and what is expected of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line in the file, from 1.
    pub line: usize,
    /// The record.
    pub record: String,
    /// The shipper's time of it.
    pub at: Option<Time>,
    /// How often it comes.
    pub repeat: u32,
    /// How many seconds lie between.
    pub every: u32,
    /// What is expected each time.
    pub expect: Option<Expect>,
}

/// What is expected of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// It comes out as it went in.
    Unchanged,
    /// It gets an enrichment that contains this.
    Contains(Json),
}

/// An expectation that does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The line of the step.
    pub line: usize,
    /// Which repetition, from 1.
    pub repetition: u32,
    /// What was expected, and what came.
    pub message: String,
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let document = Document::read(text)?;
        let Some(root) = document.root() else {
            return Err(Problem {
                line: 1,
                column: 1,
                length: 1,
                message: "an empty file is no scenario".into(),
                help: None,
            });
        };
        only(&document, root, &["name", "policy", "files", "steps"])?;
        let missing = |what: &str| document.problem(root, format!("a scenario needs `{what}`"), None);
        let name = document.get(root, "name").and_then(|name| document.text(name)).ok_or_else(|| missing("name"))?;
        let policy = document.get(root, "policy").map(|policy| match document.value(policy) {
            Value::Scalar { text, .. } => text.to_string(),
            _ => to_json(&document, policy).to_string(),
        });
        let field = policy.as_ref().and_then(|text| crate::policy::load(text).ok());
        let field = field.unwrap_or_else(crate::policy::Loaded::builtin).policy.output.field;
        let files = document.get(root, "files").into_iter().flat_map(|files| document.entries(files));
        let files = files.map(|(name, content)| read_file(&document, name, content)).collect::<Result<_, _>>()?;
        let steps = document.get(root, "steps").ok_or_else(|| missing("steps"))?;
        let steps = document.items(steps).map(|step| read_step(&document, step)).collect::<Result<_, _>>()?;
        Ok(Self { name: name.into(), policy, files, field, steps })
    }

    /// Gives every record to `judge`, which gives back what came out, and compares.
    ///
    /// # Errors
    /// Those of `judge`.
    pub fn run<E>(&self, mut judge: impl FnMut(&[u8], Option<Time>) -> Result<Vec<u8>, E>) -> Result<Vec<Failure>, E> {
        let mut failures = Vec::new();
        for step in &self.steps {
            for repetition in 0..step.repeat {
                let later = i64::from(step.every) * i64::from(repetition);
                let at = step.at.map(|at| Time { sec: at.sec + later, ..at });
                let record = substitute(&step.record, repetition, at);
                let out = judge(record.as_bytes(), at)?;
                let Some(expect) = &step.expect else { continue };
                if let Err(message) = self.compare(expect, &record, &out) {
                    failures.push(Failure { line: step.line, repetition: repetition + 1, message });
                }
            }
        }
        Ok(failures)
    }

    fn compare(&self, expect: &Expect, record: &str, out: &[u8]) -> Result<(), String> {
        let Expect::Contains(expected) = expect else {
            let same = out == record.as_bytes();
            return if same { Ok(()) } else { Err("expected the record unchanged".into()) };
        };
        let enriched: Json = serde_json::from_slice(out).map_err(|error| format!("the answer is no JSON: {error}"))?;
        let own =
            enriched.get(&self.field).ok_or_else(|| format!("expected {expected}; the record came out unchanged"))?;
        contains(own, expected).map_err(|difference| {
            let Difference { path, expected, actual } = *difference;
            let detections = own.get("detections").map(Json::to_string).unwrap_or_default();
            format!(
                "expected {path} to be {expected}, it is {actual}; verdict {}, detections {detections}",
                own["verdict"]
            )
        })
    }
}

/// The record of a repetition: with its time, its number and multiples of that.
fn substitute(record: &str, repetition: u32, at: Option<Time>) -> String {
    let mut out = String::with_capacity(record.len());
    let mut rest = record;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let value = after.split_once('}').and_then(|(name, rest)| {
            let value = match name.split_once('*') {
                Some(("n", factor)) => (factor.parse::<u64>().ok()?.saturating_mul(repetition.into())).to_string(),
                None if name == "n" => repetition.to_string(),
                None if name == "time" => at?.to_string(),
                _ => return None,
            };
            Some((value, rest))
        });
        let (value, after) = value.unwrap_or_else(|| ("{".into(), after));
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A file's name, which whoever runs the scenario writes to, and its text.
fn read_file(document: &Document<'_>, name: NodeId, content: NodeId) -> Result<(String, String), Problem> {
    let text = |node| document.text(node).unwrap_or_default().to_string();
    if is_beside(&text(name)) {
        return Ok((text(name), text(content)));
    }
    Err(document.problem(name, format!("{:?} is not a path beside the policy", text(name)), None))
}

fn read_step(document: &Document<'_>, step: NodeId) -> Result<Step, Problem> {
    only(document, step, &["record", "at", "repeat", "every", "expect"])?;
    let missing = || document.problem(step, "a step needs a `record`".into(), None);
    let record = document.get(step, "record").ok_or_else(missing)?;
    let record = match document.value(record) {
        Value::Scalar { text, .. } => text.trim_end_matches('\n').to_string(),
        _ => to_json(document, record).to_string(),
    };
    let text = |key| document.get(step, key).map(|node| (node, document.text(node).unwrap_or_default()));
    let wrong = |node, what: &str| {
        document.problem(node, format!("{:?} is no {what}", document.text(node).unwrap_or_default()), None)
    };
    let at =
        text("at").map(|(node, text)| Time::parse(text.as_bytes()).ok_or_else(|| wrong(node, "time"))).transpose()?;
    let repeat = text("repeat").map(|(node, text)| text.parse().map_err(|_| wrong(node, "number"))).transpose()?;
    let every = text("every").map(|(node, text)| duration(text).ok_or_else(|| wrong(node, "duration"))).transpose()?;
    let expect = document.get(step, "expect").map(|expect| match to_json(document, expect) {
        Json::String(word) if word == "unchanged" => Expect::Unchanged,
        Json::String(verdict) => Expect::Contains(Json::Object(Map::from_iter([("verdict".into(), verdict.into())]))),
        other => Expect::Contains(other),
    });
    let (repeat, every) = (repeat.unwrap_or(1), every.unwrap_or(0));
    Ok(Step { line: document.line(step), record, at, repeat, every, expect })
}

/// Refuses keys that are none.
fn only(document: &Document<'_>, mapping: NodeId, known: &[&str]) -> Result<(), Problem> {
    for (key, _) in document.entries(mapping) {
        let name = document.text(key).unwrap_or_default();
        if !known.contains(&name) {
            return Err(document.problem(
                key,
                format!("unknown key {name:?}"),
                Some(format!("one of {}", known.join(", "))),
            ));
        }
    }
    Ok(())
}

/// A YAML value as JSON, by YAML's core schema.
fn to_json(document: &Document<'_>, node: NodeId) -> Json {
    match document.value(node) {
        Value::Scalar { text, quoted: true } => Json::String(text.to_string()),
        Value::Scalar { text, quoted: false } => match text.as_ref() {
            "" | "~" | "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                serde_json::from_str::<Number>(number).map_or_else(|_| Json::String(number.into()), Json::Number)
            }
            text => Json::String(text.into()),
        },
        Value::Sequence(_) => document.items(node).map(|item| to_json(document, item)).collect(),
        _ => {
            let entry = |(key, value)| (document.text(key).unwrap_or_default().to_string(), to_json(document, value));
            Json::Object(document.entries(node).map(entry).collect())
        }
    }
}

/// Where an enrichment is not what was expected.
struct Difference {
    path: String,
    expected: Json,
    actual: Json,
}

/// Whether all of `expected` is in `actual`; otherwise where it is not, and both values there.
fn contains(actual: &Json, expected: &Json) -> Result<(), Box<Difference>> {
    let below = |name: String, inner: Result<(), Box<Difference>>| {
        inner.map_err(|mut difference| {
            difference.path.insert_str(0, &format!("/{name}"));
            difference
        })
    };
    match (actual, expected) {
        (Json::Object(actual), Json::Object(expected)) => {
            for (name, expected) in expected {
                below(name.clone(), contains(actual.get(name).unwrap_or(&Json::Null), expected))?;
            }
            Ok(())
        }
        (Json::Array(actual), Json::Array(expected)) if actual.len() == expected.len() => {
            for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                below(index.to_string(), contains(actual, expected))?;
            }
            Ok(())
        }
        (Json::Number(actual), Json::Number(expected)) if actual.as_f64() == expected.as_f64() => Ok(()),
        (actual, expected) if actual == expected => Ok(()),
        (actual, expected) => {
            Err(Box::new(Difference { path: String::new(), expected: expected.clone(), actual: actual.clone() }))
        }
    }
}
