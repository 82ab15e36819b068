//! Runs the component.

use once_cell::sync::OnceCell;
use wasmtime::Store;
use wasmtime::component::{Linker, ResourceAny};

use self::bindings::exports::tidewaiter::engine::inspection as wit;
use super::{Batch, COMPONENT, ENGINE, Host, Verdict, error};
use crate::baseline::Taken;
use crate::baseline::snapshot::Restored;
use crate::policy::Problem;
use crate::time::Time;

mod bindings {
    wasmtime::component::bindgen!({ path: "wit", world: "guest" });
}

/// The component with one engine in it.
pub struct Component {
    store: Store<Memory>,
    guest: bindings::Guest,
    engine: ResourceAny,
}

/// Watches how the guest's memory grows.
#[derive(Default)]
struct Memory {
    bytes: usize,
}

impl wasmtime::ResourceLimiter for Memory {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grows = maximum.is_none_or(|maximum| desired <= maximum);
        if grows {
            self.bytes = desired;
        }
        Ok(grows)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }
}

impl Component {
    /// An engine with nothing learned, under the policy whose text is given, or the built-in one. `seed` keys its hash
    /// tables.
    ///
    /// # Errors
    /// When the policy does not parse (the error is a [`BadPolicy`]), and when wasmtime cannot run the component.
    pub fn new(policy: Option<&str>, seed: [u64; 2]) -> anyhow::Result<Self> {
        static COMPILED: OnceCell<wasmtime::component::Component> = OnceCell::new();
        let component = COMPILED.get_or_try_init(|| wasmtime::component::Component::new(&ENGINE, COMPONENT));
        let mut store = Store::new(&ENGINE, Memory::default());
        store.limiter(|memory| memory);
        // There is nothing to link: the component has no imports.
        let guest = bindings::Guest::instantiate(&mut store, component.map_err(error)?, &Linker::new(&ENGINE));
        let guest = guest.map_err(error)?;
        let engines = guest.tidewaiter_engine_inspection();
        let engine = engines.engine().call_create(&mut store, policy, seed.into()).map_err(error)?;
        let engine = engine.map_err(BadPolicy::new)?;
        Ok(Self { store, guest, engine })
    }

    /// Goes on with another policy; what was learned stays.
    ///
    /// # Errors
    /// When the policy does not parse (the error is a [`BadPolicy`]): the one there is stays. When the guest trapped.
    pub fn set_policy(&mut self, policy: Option<&str>) -> anyhow::Result<()> {
        let engines = self.guest.tidewaiter_engine_inspection();
        let result = engines.engine().call_set_policy(&mut self.store, self.engine, policy).map_err(error)?;
        Ok(result.map_err(BadPolicy::new)?)
    }
}

impl Host for Component {
    fn inspect(&mut self, records: &[u8], at: Option<Time>) -> anyhow::Result<Batch> {
        let at = at.map(|at| wit::Time { seconds: at.sec, nanoseconds: at.nanos });
        let engines = self.guest.tidewaiter_engine_inspection();
        let batch = engines.engine().call_inspect(&mut self.store, self.engine, records, at).map_err(error)?;
        Ok(Batch { records: batch.records, verdicts: batch.verdicts.into_iter().map(Verdict::from).collect() })
    }

    fn version(&mut self) -> anyhow::Result<String> {
        let engines = self.guest.tidewaiter_engine_inspection();
        let version = engines.call_version(&mut self.store).map_err(error)?;
        let policy = engines.engine().call_policy_id(&mut self.store, self.engine).map_err(error)?;
        Ok(format!("{version} {policy}"))
    }

    fn set_threats(&mut self, name: &str, text: &[u8]) -> anyhow::Result<Option<Taken>> {
        let engines = self.guest.tidewaiter_engine_inspection();
        let taken = engines.engine().call_set_threats(&mut self.store, self.engine, name, text).map_err(error)?;
        Ok(Some(Taken { taken: taken.indicators, bad: taken.bad, over: taken.over }))
    }

    fn memory_bytes(&mut self) -> usize {
        self.store.data().bytes
    }

    fn snapshot(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let engines = self.guest.tidewaiter_engine_inspection();
        engines.engine().call_snapshot(&mut self.store, self.engine).map(Some).map_err(error)
    }

    fn restore(&mut self, snapshot: &[u8]) -> anyhow::Result<Option<Restored>> {
        let engines = self.guest.tidewaiter_engine_inspection();
        let restored = engines.engine().call_restore(&mut self.store, self.engine, snapshot).map_err(error)?;
        Ok(Some(Restored { parts: restored.parts, skipped: restored.skipped }))
    }
}

impl From<wit::Verdict> for Verdict {
    fn from(verdict: wit::Verdict) -> Self {
        match verdict {
            wit::Verdict::Passed => Self::Passed,
            wit::Verdict::Clean => Self::Clean,
            wit::Verdict::Match => Self::Match,
            wit::Verdict::Suppressed => Self::Suppressed,
            wit::Verdict::Skipped => Self::Skipped,
            wit::Verdict::Invalid => Self::Invalid,
        }
    }
}

/// A policy that does not parse.
#[derive(Debug)]
pub struct BadPolicy(
    /// All that is wrong with it, in the order of the file.
    pub Vec<Problem>,
);

impl BadPolicy {
    fn new(problems: Vec<wit::Problem>) -> Self {
        let problem = |problem: wit::Problem| Problem {
            line: problem.line as usize,
            column: problem.column as usize,
            length: problem.length as usize,
            message: problem.message,
            help: problem.help,
        };
        Self(problems.into_iter().map(problem).collect())
    }
}

impl std::fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the policy does not parse")?;
        self.0.first().map_or(Ok(()), |problem| write!(f, ": {problem}"))
    }
}

impl std::error::Error for BadPolicy {}
