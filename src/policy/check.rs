//! Compares a document with the schema and collects all that is wrong with it.

use crate::baseline::Map;

use super::Problem;
use super::document::{Document, MAX_BYTES, MAX_NODES, NodeId, Value};
use super::scalar::{self, excerpt, nearest};
use super::schema::{Kind, Object, POLICY, Scalar};
use crate::time::Time;

/// More are hardly read.
const MAX_PROBLEMS: usize = 1000;

/// All problems of a document, roughly in its order. With a time, an `until` that is over is one.
pub(super) fn problems(document: &Document<'_>, now: Option<Time>) -> Vec<Problem> {
    let mut checker = Checker { document, now, problems: Vec::new(), todo: Vec::new(), values: 0, bytes: 0 };
    if let Some(root) = document.root().filter(|&root| !document.is_null(root)) {
        checker.todo.push(Task { kind: &POLICY, node: root, name: "the policy", entry: false });
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
            self.todo.push(Task { kind, node, name: task.name, entry: true });
        }
        let count = self.todo.len() - start;
        if count < least {
            self.report(task.node, format!("{} is empty", task.name), Some("leave the key out for its default".into()));
        } else if count > most {
            self.report(task.node, format!("{} has {count} entries", task.name), Some(format!("the most is {most}")));
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
                self.todo.push(Task { kind: &key.kind, node, name: key.name, entry: false });
            } else if key.required {
                self.report(key_node, format!("\"{}\" is empty in {}", key.name, object.name), None);
            }
        }
        for key in object.keys.iter().filter(|key| key.required) {
            if !seen.iter().any(|(name, _)| *name == key.name) {
                self.report(task.node, format!("\"{}\" is missing in {}", key.name, object.name), None);
            }
        }
        self.in_order(start);
    }

    fn map(&mut self, key: Scalar, value: &'static Kind, task: &Task) {
        let start = self.todo.len();
        // Two spellings of one reference are the same key.
        let mut seen: Map<String, NodeId> = Map::default();
        for (key_node, node) in self.document.entries(task.node) {
            self.values += 1;
            let Some(text) = self.key(key_node) else { continue };
            self.scalar(key_node, task.name, key);
            self.todo.push(Task { kind: value, node, name: task.name, entry: true });
            if let Some(first) = scalar::reference(text).ok().and_then(|canonical| seen.insert(canonical, key_node)) {
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
        self.report(node, format!("unknown key {} in {}", excerpt(text), object.name), Some(help));
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
        let name = if task.entry { format!("an entry of {}", task.name) } else { task.name.into() };
        let (wanted, help) = match task.kind {
            Kind::One(_) => ("one value", None),
            Kind::Either(..) => ("one value or a mapping", None),
            Kind::List(..) => ("a list", Some("write [one, another], or each on its own line after a hyphen")),
            Kind::Map(..) | Kind::Object(_) => ("a mapping", Some("write its keys below it, or in { }")),
        };
        let found = match value {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Scalar { .. } | Value::Alias(_) => "one value",
        };
        self.report(task.node, format!("{name} has to be {wanted}, not {found}"), help.map(String::from));
    }

    fn report(&mut self, node: NodeId, message: String, help: Option<String>) {
        self.problems.push(self.document.problem(node, message, help));
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Problem, load};

    fn problems(text: &str) -> Vec<String> {
        let show = |problem: Problem| {
            let Problem { line, column, length, message, help } = problem;
            format!("{line}:{column}+{length} {message} ({})", help.unwrap_or_default())
        };
        load(text).unwrap_err().into_iter().map(show).collect()
    }

    #[rstest::rstest]
    #[case::key("images: {alow: [nginx]}", r#"1:10+4 unknown key "alow" in images (did you mean "allow"?)"#)]
    #[case::key_of_all("image: {}", r#"1:1+5 unknown key "image" in the policy (did you mean "images"?)"#)]
    #[case::key_far_off(
        "output: {colour: red}",
        r#"1:10+6 unknown key "colour" in output (it may have field, format, enrich)"#
    )]
    #[case::key_of_the_long_form(
        "images:\n  allow:\n  - {match: nginx, action: deny}",
        r#"3:20+6 unknown key "action" in an entry of allow or deny (it may have match, namespaces, tags, until)"#
    )]
    #[case::long_key("? \"a long key that nobody meant, which goes on and on and on and on\"\n: 1",
        r#"1:3+66 unknown key "a long key that nobody meant, which goes on and on and on an…" in the policy (it may have version, images, traffic, restarts, resources, baseline, exceptions, maintenance, alerts, limits, output)"#)]
    #[case::key_twice(
        "alerts: {}\noutput: {}\nalerts: {}",
        r#"3:1+6 key "alerts" is there twice (it is on line 1 too)"#
    )]
    #[case::key_by_both_names(
        "exceptions:\n- name: x\n  where:\n    name: a\n    workload: b",
        r#"5:5+8 key "workload" is there twice ("name" on line 4 is the same)"#
    )]
    #[case::pin_twice(
        "images:\n  pinned:\n    nginx:v1: sha256:#\n    docker.io/nginx:v1: sha256:#",
        r#"4:5+18 key "docker.io/nginx:v1" is there twice ("nginx:v1" on line 3 is the same)"#
    )]
    #[case::key_is_a_list("? [a]\n: b", "1:3+3 a key has to be a text ()")]
    #[case::merge_key(
        "images: &x {drift: false}\noutput:\n  <<: *x",
        "3:3+2 a policy has no merge keys (<<) (repeat the keys, or use an alias for the whole value)"
    )]
    #[case::no_mapping("- a", "1:1+3 the policy has to be a mapping, not a list (write its keys below it, or in { })")]
    #[case::no_section(
        "images: nginx",
        "1:9+5 images has to be a mapping, not one value (write its keys below it, or in { })"
    )]
    #[case::no_list(
        "images: {allow: {nginx: v1}}",
        "1:17+11 allow has to be a list, not a mapping (write [one, another], or each on its own line after a hyphen)"
    )]
    #[case::no_value("alerts: {cooldown: [1h, 2h]}", "1:20+8 cooldown has to be one value, not a list ()")]
    #[case::no_object(
        "exceptions: [dev]",
        "1:14+3 an entry of exceptions has to be a mapping, not one value (write its keys below it, or in { })"
    )]
    #[case::list_in_list(
        "images: {allow: [[a]]}",
        "1:18+3 an entry of allow has to be one value or a mapping, not a list ()"
    )]
    #[case::missing("exceptions:\n- reason: x  # y", r#"2:3+14 "name" is missing in an exception ()"#)]
    #[case::missing_match("images: {rules: [{tags: v1}]}", r#"1:18+10 "match" is missing in an image rule ()"#)]
    #[case::null_name("maintenance: [{name: }]", r#"1:16+4 "name" is empty in a maintenance window ()"#)]
    #[case::null_entry(
        "images:\n  allow:\n  -\n  - nginx",
        "3:4+1 an empty entry in allow (put a text in quotes, or leave it out)"
    )]
    #[case::no_windows("restarts: {windows: []}", "1:21+2 windows is empty (leave the key out for its default)")]
    #[case::many_windows(
        "restarts: {windows: [1m,2m,3m,4m,5m,6m,7m,8m,9m]}",
        "1:21+28 windows has 9 entries (the most is 8)"
    )]
    #[case::version(
        "version: 2",
        r#"1:10+1 "2" is not a version of the policy format that this program knows (write 1)"#
    )]
    #[case::bool("images: {drift: yes}", r#"1:17+3 "yes" is not true or false (write true or false)"#)]
    #[case::quoted_bool("images: {drift: 'true'}", r#"1:17+6 "true" is in quotes (write true)"#)]
    #[case::integer("traffic: {beacon: {min_score: 101}}", r#"1:31+3 "101" is not a whole number from 0 to 100 ()"#)]
    #[case::negative("restarts: {min: -1}", r#"1:17+2 "-1" is not a whole number from 1 to 1000000 ()"#)]
    #[case::quoted_integer("restarts: {min: \"3\"}", r#"1:17+3 "3" is in quotes (write 3)"#)]
    #[case::decimal("resources: {ratio: 2x}", r#"1:20+2 "2x" is not a number from 1 to 1000 ()"#)]
    #[case::text("output: {field: ''}", r#"1:17+2 "" is empty ()"#)]
    #[case::choice(
        "images: {mode: enforced}",
        r#"1:16+8 "enforced" is not one of enforce, learn, open (did you mean "enforce"?)"#
    )]
    #[case::choice_far_off("output: {format: xml}", r#"1:18+3 "xml" is not one of native, ecs, ocsf ()"#)]
    #[case::rule(
        "exceptions: [{name: x, rules: unauthorised-image}]",
        r#"1:31+18 "unauthorised-image" is not one of unauthorized-image, anomalous-traffic, restart-spike (did you mean "unauthorized-image"?)"#
    )]
    #[case::duration("alerts: {cooldown: 10x}", r#"1:20+3 "10x" is not a duration (write 30s, 10m, 1h or 7d)"#)]
    #[case::short_duration(
        "restarts: {windows: 1s}",
        r#"1:21+2 "1s" is not a duration: the least is 10s, the most 30d (write 30s, 10m, 1h or 7d)"#
    )]
    #[case::from(
        "maintenance: [{name: x, from: '24:00'}]",
        r#"1:31+7 "24:00" is not a time of day (write "00:00" to "23:59")"#
    )]
    #[case::to("maintenance: [{name: x, to: 2}]", r#"1:29+1 "2" is not a time of day (write "00:00" to "24:00")"#)]
    #[case::offset(
        "maintenance: [{name: x, offset: CET}]",
        r#"1:33+3 "CET" is not an offset from UTC (write "+02:00")"#
    )]
    #[case::until(
        "exceptions: [{name: x, until: 2027-02-30}]",
        r#"1:31+10 "2027-02-30" is not a date or time (write 2027-01-31 or 2027-01-31T18:00:00Z)"#
    )]
    #[case::day(
        "maintenance: [{name: x, days: [mo]}]",
        r#"1:32+2 "mo" is not a day of the week (write mon, tue, wed, thu, fri, sat or sun)"#
    )]
    #[case::glob(
        "images: {tags: {reject: 'v[1'}}",
        r#"1:25+5 "v[1" is not a glob: unclosed character class at byte 1; missing ']' (to match a literal '[', escape it as '\[' or '[[]') ()"#
    )]
    #[case::image(
        "images:\n  allow:\n  - https://ghcr.io/acme",
        r#"3:5+20 "https://ghcr.io/acme" is not an image pattern: PATTERN"#
    )]
    #[case::reference(
        "images: {pinned: {Nginx: 'sha256:#'}}",
        r#"1:19+5 "Nginx" is not an image reference: the repository has upper-case letters (write docker.io/library/nginx:1.25)"#
    )]
    #[case::digest(
        "images: {pinned: {nginx: sha256:ab}}",
        r#"1:26+9 "sha256:ab" is not a digest (write sha256: and 64 hexadecimal digits in lower case)"#
    )]
    #[case::network(
        "traffic: {internal: 10.0.0.0/33}",
        r#"1:21+11 "10.0.0.0/33" is not a network (write 10.0.0.0/8, fd00::/8 or one address)"#
    )]
    #[case::host_bits(
        "traffic: {internal: 10.0.0.1/8}",
        r#"1:21+10 "10.0.0.1/8" is not a network (it has bits beyond its prefix: write the first address of the network, or the address alone)"#
    )]
    #[case::port(
        "traffic: {allow: {ports: [443]}}",
        r#"1:27+3 "443" is not a port with its protocol (write 443/tcp, 123/udp or 38412/sctp)"#
    )]
    #[case::domain(
        "traffic: {threats: {domains: '*.example.org'}}",
        r#"1:30+15 "*.example.org" is not a domain (write example.org: all below it is meant too)"#
    )]
    #[case::path(
        "baseline: {state: ../state}",
        r#"1:19+8 "../state" is not a path beside the policy (write a path without a leading / and without ..)"#
    )]
    #[case::reason(
        "exceptions: [{name: x, reasons: First Seen}]",
        r#"1:33+10 "First Seen" is not the id of a reason (write it in lower case with hyphens, as records have it: first-seen)"#
    )]
    #[case::no_yaml("images: [", "1:10+1 this is no YAML: while parsing a node, did not find expected node content ()")]
    fn finds(#[case] text: &str, #[case] expected: &str) {
        let text = text.replace("sha256:#", &format!("sha256:{}", "0".repeat(64)));
        let found = problems(&text).join("\n");
        match expected.strip_suffix("PATTERN") {
            Some(beginning) => assert!(found.starts_with(beginning), "{found}"),
            None => assert_eq!(found, expected),
        }
    }

    #[test]
    fn finds_all_in_the_order_of_the_file() {
        let text =
            "\u{feff}output: {format: xml}\r\nimages:\r\n  # é\r\n  drft: no\r\n  tags: {é: 1, require_digest: no}\r\n";
        let found: Vec<_> = load(text).unwrap_err().iter().map(|found| (found.line, found.column)).collect();
        assert_eq!(found, [(1, 18), (4, 3), (5, 10), (5, 32)]);
    }

    #[test]
    fn what_aliases_stand_for_is_reported_once() {
        let text = "maintenance:\n- &x {name: a, to: 25:00}\n- *x\n- *x";
        assert_eq!(problems(text), [r#"2:20+5 "25:00" is not a time of day (write "00:00" to "24:00")"#]);
    }

    #[rstest::rstest]
    #[case::many_problems("a: 1\n".repeat(50_000))]
    #[case::aliases_of_objects(format!(
        "maintenance:\n- name: a\n  where: &x {{name: [{}a]}}\n{}",
        "a, ".repeat(1000),
        "- {name: b, where: *x}\n".repeat(1000),
    ))]
    #[case::aliases_of_a_long_text(format!("images: {{tags: {{reject: [&x {}{}]}}}}", "a".repeat(1000), ", *x".repeat(5000)))]
    fn is_bounded(#[case] text: String) {
        assert!((1..=1001).contains(&load(&text).unwrap_err().len()));
    }
}
