//! Findings, for people: a line each, with what matters first.

use std::io::{self, Write};

use serde_json::Value;

use super::style;

/// The enrichment of a record, under whatever field the policy gives it.
pub fn enrichment<'r>(record: &'r Value, field: &str) -> Option<&'r Value> {
    record.get(field)
}

/// Prints the detections of an enriched record, those that count first in line.
pub fn print(out: &mut impl Write, record: &[u8], field: &str) -> io::Result<()> {
    let Ok(record) = serde_json::from_slice::<Value>(record) else { return Ok(()) };
    let detections = enrichment(&record, field).and_then(|own| own.get("detections")).and_then(Value::as_array);
    for detection in detections.into_iter().flatten() {
        print_detection(out, detection)?;
    }
    Ok(())
}

/// Prints one detection.
pub fn print_detection(out: &mut impl Write, detection: &Value) -> io::Result<()> {
    let text = |name| detection.get(name).and_then(Value::as_str).unwrap_or_default();
    let suppressed = text("suppressed");
    let severity = text("severity");
    let colour = match severity {
        _ if !suppressed.is_empty() => style::DIM,
        "high" => style::BAD,
        "medium" => style::WARN,
        _ => style::BOLD,
    };
    let rule = format!("{}/{}", text("rule"), text("reason"));
    // Names come from the records, and a terminal obeys control characters.
    let message = harmless(text("message"));
    write!(out, "{colour}{severity:<6}{colour:#} {rule:<42} {message}")?;
    if !suppressed.is_empty() {
        write!(out, " {}[{}]{:#}", style::DIM, harmless(suppressed), style::DIM)?;
    }
    writeln!(out)
}

/// A text without characters that a terminal would obey.
pub fn harmless(text: &str) -> String {
    text.chars().map(|next| if next.is_control() { char::REPLACEMENT_CHARACTER } else { next }).collect()
}
