//! Hosts: the shipped guests in wasmtime, so that what is run and tested here is what runs in a shipper.

pub mod component;
pub mod fluent_bit;
pub mod keeper;
pub mod policy_file;
pub mod store;
pub mod threats;

use once_cell::sync::Lazy;

use crate::baseline::Taken;
use crate::baseline::snapshot::Restored;
use crate::guest::lines;
use crate::time::Time;

/// The guest for Fluent Bit, a core module.
pub const FLUENT_BIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tidewaiter.wasm"));

/// The guest for component hosts.
pub const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tidewaiter.component.wasm"));

/// The guests by their file names.
#[must_use]
pub const fn modules() -> [(&'static str, &'static [u8]); 2] {
    [("tidewaiter.wasm", FLUENT_BIT), ("tidewaiter.component.wasm", COMPONENT)]
}

/// What became of a record; see [`Outcome`](crate::Outcome).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// It is no container event.
    Passed,
    /// A container event without a detection.
    Clean,
    /// A container event with a detection that counts.
    Match,
    /// A container event whose detections are all suppressed.
    Suppressed,
    /// A container event that could not be judged.
    Skipped,
    /// No JSON object.
    Invalid,
}

impl Verdict {
    /// All of them, in the order of the component's interface.
    pub const ALL: [Self; 6] = [Self::Passed, Self::Clean, Self::Match, Self::Suppressed, Self::Skipped, Self::Invalid];
}

/// Records that a guest judged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// The records as they came out: as many lines as went in, in the same order, each with its own line ending.
    pub records: Vec<u8>,
    /// What became of each line. That of an empty one is [`Verdict::Passed`].
    pub verdicts: Vec<Verdict>,
}

impl Batch {
    /// The records, each without its line ending and with what became of it.
    pub fn answers(&self) -> impl Iterator<Item = (&[u8], Verdict)> {
        lines(&self.records).map(|(line, _)| line).zip(self.verdicts.iter().copied())
    }
}

/// A guest that runs.
pub trait Host {
    /// Judges NDJSON. `at` is the time of the batch; a record's own counts first.
    ///
    /// # Errors
    /// When the guest trapped. It should never; its state is lost.
    fn inspect(&mut self, records: &[u8], at: Option<Time>) -> anyhow::Result<Batch>;

    /// The version of the guest and the id of its policy, as in `0.1.0 default`.
    ///
    /// # Errors
    /// When the guest trapped.
    fn version(&mut self) -> anyhow::Result<String>;

    /// Gives the guest a list of hostile destinations, in the place of what the file of that name had before, and says what
    /// became of its lines; none where the guest reads the lists itself, from the folder of its policy.
    ///
    /// # Errors
    /// When the guest trapped.
    fn set_threats(&mut self, name: &str, text: &[u8]) -> anyhow::Result<Option<Taken>>;

    /// The size of the guest's memory, in bytes. It never shrinks.
    fn memory_bytes(&mut self) -> usize;

    /// What the guest has learned; none where it keeps that itself, in the folder that it has for it.
    ///
    /// # Errors
    /// When the guest trapped.
    fn snapshot(&mut self) -> anyhow::Result<Option<Vec<u8>>>;

    /// Has the guest take up what was learned before; none where it has done that itself.
    ///
    /// # Errors
    /// When the guest trapped.
    fn restore(&mut self, snapshot: &[u8]) -> anyhow::Result<Option<Restored>>;
}

/// One compiler for all guests of the process.
static ENGINE: Lazy<wasmtime::Engine> = Lazy::new(wasmtime::Engine::default);

/// wasmtime's errors are `anyhow`'s in all but type.
fn error(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into_boxed_dyn_error())
}
