//! Compares a document with the schema and collects all that is wrong with it.

use hashbrown::HashMap;

use super::Problem;
use super::document::{Document, MAX_BYTES, MAX_NODES, NodeId, Value};
use super::scalar::{self, excerpt, nearest};
use super::schema::{Kind, Object, POLICY, Scalar};
use crate::time::Time;

/// More are hardly read.
const MAX_PROBLEMS: usize = 1000;

/// All problems of a document, roughly in its order. With a time, an `until` that is over is one.
pub(super) fn problems(document: &Document<'_>, now: Option<Time>) -> Vec<Problem> {
    let mut checker = Checker {
        document,
        now,
        problems: Vec::new(),
        todo: Vec::new(),
        values: 0,
        bytes: 0,
    };
    if let Some(root) = document.root().filter(|&root| !document.is_null(root)) {
        checker.todo.push(Task {
            kind: &POLICY,
            node: root,
            name: "the policy",
            entry: false,
        });
    }
    while let Some(task) = checker.todo.pop() {
        checker.check(&task);
        if checker.values > MAX_NODES || checker.bytes > 2 * MAX_BYTES {
            checker.report(task.node, "too many values by way of aliases".into(), None);
            break;
        }
        if checker.problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    checker.problems
}

/// A value and what it should be.
struct Task {
    kind: &'static Kind,
    node: NodeId,
    /// The key that it stands under.
    name: &'static str,
    /// Whether it stands there in a list.
    entry: bool,
}

struct Checker<'d, 'a> {
    document: &'d Document<'a>,
    now: Option<Time>,
    problems: Vec<Problem>,
    /// What is still to be checked, the next one last.
    todo: Vec<Task>,
    /// How much was checked: what several aliases stand for counts as often.
    values: usize,
    bytes: usize,
}

impl<'d> Checker<'d, '_> {
    fn check(&mut self, task: &Task) {
        self.values += 1;
        let value = self.document.value(task.node);
        match (task.kind, value) {
            (
                Kind::One(kind) | Kind::Either(kind, _) | Kind::List(Kind::One(kind) | Kind::Either(kind, _), ..),
                Value::Scalar { .. },
            ) => self.scalar(task.node, task.name, *kind),
            (Kind::Object(object) | Kind::Either(_, object), Value::Mapping(_)) => self.object(object, task),
            (Kind::Map(key, value), Value::Mapping(_)) => self.map(*key, value, task),
            (Kind::List(entry, least, most), Value::Sequence(_)) => self.list(entry, *least, *most, task),
            _ => self.mismatch(task, value),
        }
    }

    fn scalar(&mut self, node: NodeId, name: &str, kind: Scalar) {
        let Value::Scalar { text, quoted } = self.document.value(node) else {
            return;
        };
        self.bytes += text.len();
        if self.document.is_null(node) {
            self.report(
                node,
                format!("an empty entry in {name}"),
                Some("put a text in quotes, or leave it out".into()),
            );
        } else if let Some((message, help)) = scalar::fault(kind, text, *quoted) {
            self.report(node, message, help);
        } else if kind == Scalar::Until
            && let (Some(now), Some(end)) = (self.now, scalar::until(text))
            && end <= now
        {
            let help = "what it belongs to no longer holds: leave that out, or give it a later end";
            self.report(node, format!("{} is over", excerpt(text)), Some(help.into()));
        }
    }

    fn list(&mut self, kind: &'static Kind, least: usize, most: usize, task: &Task) {
        let start = self.todo.len();
        for node in self.document.items(task.node) {
            self.todo.push(Task {
                kind,
                node,
                name: task.name,
                entry: true,
            });
        }
        let count = self.todo.len() - start;
        if count < least {
            self.report(
                task.node,
                format!("{} is empty", task.name),
                Some("leave the key out for its default".into()),
            );
        } else if count > most {
            self.report(
                task.node,
                format!("{} has {count} entries", task.name),
                Some(format!("the most is {most}")),
            );
        }
        self.in_order(start);
    }

    fn object(&mut self, object: &'static Object, task: &Task) {
        let start = self.todo.len();
        let mut seen: Vec<(&'static str, NodeId)> = Vec::new();
        for (key_node, node) in self.document.entries(task.node) {
            self.values += 1;
            let Some(text) = self.key(key_node) else { continue };
            let Some(key) = object.key(text) else {
                self.unknown(object, key_node, text);
                continue;
            };
            if let Some(&(_, first)) = seen.iter().find(|(name, _)| *name == key.name) {
                self.twice(key_node, first);
                continue;
            }
            seen.push((key.name, key_node));
            if !self.document.is_null(node) {
                self.todo.push(Task {
                    kind: &key.kind,
                    node,
                    name: key.name,
                    entry: false,
                });
            } else if key.required {
                self.report(key_node, format!("\"{}\" is empty in {}", key.name, object.name), None);
            }
        }
        for key in object.keys.iter().filter(|key| key.required) {
            if !seen.iter().any(|(name, _)| *name == key.name) {
                self.report(
                    task.node,
                    format!("\"{}\" is missing in {}", key.name, object.name),
                    None,
                );
            }
        }
        self.in_order(start);
    }

    fn map(&mut self, key: Scalar, value: &'static Kind, task: &Task) {
        let start = self.todo.len();
        // Two spellings of one reference are the same key.
        let mut seen: HashMap<String, NodeId> = HashMap::new();
        for (key_node, node) in self.document.entries(task.node) {
            self.values += 1;
            let Some(text) = self.key(key_node) else { continue };
            self.scalar(key_node, task.name, key);
            self.todo.push(Task {
                kind: value,
                node,
                name: task.name,
                entry: true,
            });
            if let Some(first) = scalar::reference(text)
                .ok()
                .and_then(|canonical| seen.insert(canonical, key_node))
            {
                self.twice(key_node, first);
            }
        }
        self.in_order(start);
    }

    /// The text of a key; what is none is reported.
    fn key(&mut self, node: NodeId) -> Option<&'d str> {
        match self.document.value(node) {
            Value::Scalar { text, quoted: false } if text == "<<" => {
                let help = "repeat the keys, or use an alias for the whole value";
                self.report(node, "a policy has no merge keys (<<)".into(), Some(help.into()));
                None
            }
            Value::Scalar { text, .. } => Some(text),
            _ => {
                self.report(node, "a key has to be a text".into(), None);
                None
            }
        }
    }

    /// Makes the tasks from an index on those that come first in the file first.
    fn in_order(&mut self, start: usize) {
        if let Some(added) = self.todo.get_mut(start..) {
            added.reverse();
        }
    }

    fn unknown(&mut self, object: &Object, node: NodeId, text: &str) {
        let names = || object.keys.iter().map(|key| key.name);
        let help = match nearest(text, names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it may have {}", names().collect::<Vec<_>>().join(", ")),
        };
        self.report(
            node,
            format!("unknown key {} in {}", excerpt(text), object.name),
            Some(help),
        );
    }

    fn twice(&mut self, node: NodeId, first: NodeId) {
        let [again, before] = [node, first].map(|node| excerpt(self.document.text(node).unwrap_or_default()));
        let line = self.document.line(first);
        let help = if again == before {
            format!("it is on line {line} too")
        } else {
            format!("{before} on line {line} is the same")
        };
        self.report(node, format!("key {again} is there twice"), Some(help));
    }

    fn mismatch(&mut self, task: &Task, value: &Value<'_>) {
        let name = if task.entry {
            format!("an entry of {}", task.name)
        } else {
            task.name.into()
        };
        let (wanted, help) = match task.kind {
            Kind::One(_) => ("one value", None),
            Kind::Either(..) => ("one value or a mapping", None),
            Kind::List(..) => (
                "a list",
                Some("write [one, another], or each on its own line after a hyphen"),
            ),
            Kind::Map(..) | Kind::Object(_) => ("a mapping", Some("write its keys below it, or in { }")),
        };
        let found = match value {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Scalar { .. } | Value::Alias(_) => "one value",
        };
        self.report(
            task.node,
            format!("{name} has to be {wanted}, not {found}"),
            help.map(String::from),
        );
    }

    fn report(&mut self, node: NodeId, message: String, help: Option<String>) {
        self.problems.push(self.document.problem(node, message, help));
    }
}
