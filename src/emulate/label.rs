//! Labels: what each record of a stream belongs to, kept apart from the records.
//!
//! One JSON object a line, for the records that are not of the cluster's usual traffic: the number of the line, a hash
//! of the record, so that a file of other records is noticed, and the activity.

use serde_json::{Value, json};

use super::Activity;

/// What a record belongs to, as labels say it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// The scenario.
    pub scenario: String,
    /// Which of the scenario's; empty for what is harmless.
    pub campaign: String,
    /// Whether it is an adversary's.
    pub hostile: bool,
    /// The rules that are to find it.
    pub expect: Vec<String>,
}

impl From<&Activity> for Label {
    fn from(activity: &Activity) -> Self {
        Self {
            scenario: activity.scenario.into(),
            campaign: activity.campaign.clone(),
            hostile: activity.hostile,
            expect: activity.expect.iter().map(|rule| (*rule).to_owned()).collect(),
        }
    }
}

impl Label {
    /// That of records without one.
    #[must_use]
    pub fn usual() -> Self {
        Self { scenario: super::background::ALWAYS.into(), campaign: String::new(), hostile: false, expect: Vec::new() }
    }

    /// Whether records with it are written without one.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        !self.hostile && self.scenario == super::background::ALWAYS
    }

    /// The label of a record as a line.
    #[must_use]
    pub fn write(&self, line: u64, record: &[u8]) -> String {
        let Self { scenario, campaign, hostile, expect } = self;
        let hash = hash(record);
        json!({"line": line, "record": hash, "scenario": scenario, "campaign": campaign, "hostile": hostile,
            "expect": expect})
        .to_string()
    }

    /// Reads a line: the number of the record's, its hash, and the label.
    #[must_use]
    pub fn read(line: &str) -> Option<(u64, String, Self)> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |name| value.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let expect = value.get("expect").and_then(Value::as_array).into_iter().flatten();
        let label = Self {
            scenario: text("scenario")?,
            campaign: text("campaign").unwrap_or_default(),
            hostile: value.get("hostile")?.as_bool()?,
            expect: expect.filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        };
        Some((value.get("line")?.as_u64()?, text("record")?, label))
    }
}

/// What a record is told from others by.
#[must_use]
pub fn hash(record: &[u8]) -> String {
    format!("{:016x}", crate::baseline::id(&[record]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back() {
        let label = Label {
            scenario: "c2-beacon".into(),
            campaign: "shop/\"cart\"".into(),
            hostile: true,
            expect: vec!["anomalous-traffic".into()],
        };
        let line = label.write(7, b"{}");
        assert_eq!(Label::read(&line), Some((7, hash(b"{}"), label)));
        assert_eq!(Label::read("{}"), None);
    }
}
