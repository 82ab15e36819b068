//! What Prometheus is told.

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tidewaiter::host::Verdict;

type Label = [(&'static str, String); 1];

/// The numbers, shared by all that count.
#[derive(Clone)]
pub struct Metrics {
    records: Family<Label, Counter>,
    matches: Family<Label, Counter>,
    requests: Family<Label, Counter>,
    pub repeated: Counter,
    pub unreadable: Counter,
    pub replaced: Counter,
    pub request_seconds: Histogram,
    pub judge_seconds: Histogram,
    pub memory: Gauge<i64>,
    policy_is_current: Gauge<i64>,
    policy: Family<[(&'static str, String); 2], Gauge<i64>>,
}

impl Metrics {
    pub fn new() -> (Self, Registry) {
        // From half a millisecond to half a minute.
        let seconds = || Histogram::new(exponential_buckets(0.0005, 2.0, 17));
        let metrics = Self {
            records: Family::default(),
            matches: Family::default(),
            requests: Family::default(),
            repeated: Counter::default(),
            unreadable: Counter::default(),
            replaced: Counter::default(),
            request_seconds: seconds(),
            judge_seconds: seconds(),
            memory: Gauge::default(),
            policy_is_current: Gauge::default(),
            policy: Family::default(),
        };
        let mut registry = Registry::with_prefix("tidewaiter");
        let it = metrics.clone();
        registry.register("records", "Records that were judged, by what became of them", it.records);
        registry.register("matches", "Records that match, by rule", it.matches);
        registry.register("requests", "Batches that were answered, by status", it.requests);
        registry.register("repeated_batches", "Batches that came again and were not judged again", it.repeated);
        registry.register("unreadable_batches", "Batches that passed unjudged, packed as nobody knows", it.unreadable);
        registry.register("guest_replacements", "Guests that broke off and were replaced", it.replaced);
        registry.register("request_duration_seconds", "From a batch's head to its answer", it.request_seconds);
        registry.register("judge_duration_seconds", "The judging alone", it.judge_seconds);
        registry.register("guest_memory_bytes", "The guest's memory", it.memory);
        registry.register("policy_is_current", "0 where the file has one that does not parse", it.policy_is_current);
        registry.register("policy_info", "The policy that holds", it.policy);
        (metrics, registry)
    }

    /// Counts what became of records.
    pub fn count(&self, verdicts: &[Verdict]) {
        for verdict in Verdict::ALL {
            let count = verdicts.iter().filter(|one| **one == verdict).count() as u64;
            if count > 0 {
                let label = [("verdict", format!("{verdict:?}").to_lowercase())];
                self.records.get_or_create(&label).inc_by(count);
            }
        }
    }

    pub fn count_match(&self, rule: &str) {
        self.matches.get_or_create(&[("rule", rule.to_owned())]).inc();
    }

    pub fn count_answer(&self, status: u16) {
        self.requests.get_or_create(&[("status", status.to_string())]).inc();
    }

    /// Sets the version and the policy, as in `0.1.0 default`, and whether that is the policy of the file.
    pub fn set_policy(&self, version: &str, is_current: bool) {
        self.policy_is_current.set(is_current.into());
        let (version, policy) = version.split_once(' ').unwrap_or((version, ""));
        self.policy.clear();
        self.policy.get_or_create(&[("version", version.to_owned()), ("policy", policy.to_owned())]).set(1);
    }
}

/// The numbers as text.
pub fn page(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    text::encode(&mut page, registry)?;
    Ok(page)
}
