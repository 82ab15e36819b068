//! The policy as text, with comments that say where each line is from.

use std::fmt::Write as _;

use super::super::findings::harmless;
use super::images::Rules;
use super::trial::{Leftover, Window};

/// What the policy is made of.
pub struct Parts<'p> {
    pub source: String,
    pub days: i64,
    pub deny: &'p [String],
    pub rules: &'p Rules,
    pub windows: &'p [Window],
    pub leftovers: &'p [Leftover],
}

/// A text as YAML's double quotes have it. JSON's are the same, but for what a terminal would obey.
fn quoted(text: &str) -> String {
    serde_json::Value::from(harmless(text)).to_string()
}

/// A text within a comment.
fn remark(text: &str) -> String {
    harmless(text)
}

pub fn policy(parts: &Parts<'_>) -> String {
    let Parts { source, days, deny, rules, windows, leftovers } = parts;
    let mut text = String::new();
    let _ = writeln!(text, "# Learned from {}: read it before you use it.", remark(source));
    text.push_str("version: 1\nimages:\n  mode: enforce\n");
    if rules.allow.is_empty() {
        text.push_str("  allow: []\n");
    } else {
        text.push_str("  allow:\n");
    }
    for (pattern, members, seen) in &rules.allow {
        let members = if *members > 1 { format!("{members} repositories, ") } else { String::new() };
        let _ = writeln!(text, "    - {:<44} # {members}{}", quoted(pattern), remark(&seen.told()));
    }
    if !rules.doubtful.is_empty() {
        text.push_str("    # Not allowed; look at them, and take the # away where they are right:\n");
    }
    for (name, why, seen) in &rules.doubtful {
        let _ = writeln!(text, "    # - {:<42} # {}; {}", quoted(name), remark(why), remark(&seen.told()));
    }
    let denied: Vec<String> = deny.iter().map(|pattern| quoted(pattern)).collect();
    let _ = writeln!(text, "  deny: [{}]", denied.join(", "));
    if !rules.trials.is_empty() {
        text.push_str(
            "  rules:\n    # Seen in namespaces alone in which people try things, and allowed there alone.\n",
        );
    }
    for (name, seen) in &rules.trials {
        let namespaces: Vec<String> = seen.namespaces.iter().map(|namespace| quoted(namespace)).collect();
        let _ = writeln!(
            text,
            "    - {{match: {}, namespaces: [{}], action: allow}} # {}",
            quoted(name),
            namespaces.join(", "),
            remark(&seen.told())
        );
    }
    let _ = writeln!(text, "# As long as the history: what was in it is usual.\nbaseline: {{learn_for: {days}d}}");
    if !windows.is_empty() {
        text.push_str("# Times at which several workloads restarted. Where that is maintenance, take the # away.\n# maintenance:\n");
    }
    for Window { day, hours: (from, to), workloads } in *windows {
        let _ = writeln!(
            text,
            "#   - {{name: {day} maintenance, days: [{day}], from: \"{from:02}:00\", to: \"{to:02}:00\", rules: [restart-spike]}} # {workloads} restart findings"
        );
    }
    if !leftovers.is_empty() {
        text.push_str(
            "# What would still be found in this history. Look at each; where it is harmless, take the # away.\n# exceptions:\n",
        );
    }
    for leftover in *leftovers {
        let Leftover { rule, reason, namespace, name, alerts, message, .. } = leftover;
        let _ = writeln!(
            text,
            "#   # {alerts} times; the first: {}\n#   - {{name: {}, where: {{namespace: [{}], name: [{}]}}, rules: [{rule}], reasons: [{reason}], action: downgrade}}",
            remark(message),
            quoted(&format!("{reason} of {name}")),
            quoted(namespace),
            quoted(name),
        );
    }
    text
}
