//! Runs the module for Fluent Bit as Fluent Bit does: one call a record, in buffers of the guest's own `malloc`, the
//! answer a text that ends in NUL.

use std::path::Path;

use anyhow::{Context as _, bail};
use once_cell::sync::OnceCell;
use wasmtime::{Instance, Linker, Memory, Module, Store, TypedFunc};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::{Batch, ENGINE, FLUENT_BIT, Host, Verdict, error};
use crate::baseline::Taken;
use crate::baseline::snapshot::Restored;
use crate::guest::lines;
use crate::time::Time;

/// What the guest may write to a log that is kept, in bytes.
const LONGEST_LOG: usize = 64 << 20;

/// Where the guest's log goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Log {
    /// To stderr, as in Fluent Bit.
    Stderr,
    /// Into memory, to be read with [`FluentBit::log`].
    Kept,
}

/// The arguments of Fluent Bit's call: tag and its length, seconds and nanoseconds, record and its length.
type Inspect = TypedFunc<(u32, u32, u32, u32, u32, u32), u32>;

/// The module for Fluent Bit.
pub struct FluentBit {
    store: Store<WasiP1Ctx>,
    memory: Memory,
    malloc: TypedFunc<u32, u32>,
    free: TypedFunc<u32, ()>,
    inspect: Inspect,
    outcome: TypedFunc<(), u32>,
    version: TypedFunc<(), u32>,
    log: Option<MemoryOutputPipe>,
}

impl FluentBit {
    /// The tag that records come with.
    const TAG: &[u8] = b"tidewaiter";

    /// The module with access to some folders, each with the name that the guest sees, as Fluent Bit's
    /// `accessible_paths`. The policy is the `tidewaiter.yaml` of the first one that has it. What is learned is kept in
    /// the folder of the name that the policy has for it (`baseline.state`), beside the policy or among these.
    ///
    /// # Errors
    /// When a folder cannot be opened, and when wasmtime cannot run the module.
    pub fn new<P: AsRef<Path>, N: AsRef<str>>(folders: &[(P, N)], log: Log) -> anyhow::Result<Self> {
        Self::with(folders, FsPerms::ReadWrite, log)
    }

    /// The same with folders that cannot be written to, as the volume of a ConfigMap.
    ///
    /// # Errors
    /// As above.
    pub fn read_only<P: AsRef<Path>, N: AsRef<str>>(folders: &[(P, N)], log: Log) -> anyhow::Result<Self> {
        Self::with(folders, FsPerms::ReadOnly, log)
    }

    fn with<P: AsRef<Path>, N: AsRef<str>>(folders: &[(P, N)], access: FsPerms, log: Log) -> anyhow::Result<Self> {
        static COMPILED: OnceCell<Module> = OnceCell::new();
        let module = COMPILED.get_or_try_init(|| Module::new(&ENGINE, FLUENT_BIT)).map_err(error)?;

        let mut wasi = WasiCtxBuilder::new();
        wasi.allow_blocking_current_thread(true);
        for (path, name) in folders {
            let path = path.as_ref();
            wasi.preopened_dir(path, name, access).map_err(error).with_context(|| path.display().to_string())?;
        }
        let log = (log == Log::Kept).then(|| MemoryOutputPipe::new(LONGEST_LOG));
        match &log {
            None => wasi.inherit_stderr(),
            Some(pipe) => wasi.stderr(pipe.clone()),
        };

        let mut linker = Linker::new(&ENGINE);
        p1::add_to_linker_sync(&mut linker, |wasi| wasi).map_err(error)?;
        let mut store = Store::new(&ENGINE, wasi.build_p1());
        let instance = linker.instantiate(&mut store, module).map_err(error)?;
        instance
            .get_typed_func::<(), ()>(&mut store, "_initialize")
            .and_then(|initialize| initialize.call(&mut store, ()))
            .map_err(error)?;
        Self::find(store, &instance, log).map_err(error)
    }

    fn find(mut store: Store<WasiP1Ctx>, instance: &Instance, log: Option<MemoryOutputPipe>) -> wasmtime::Result<Self> {
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| wasmtime::Error::msg("no memory"))?;
        Ok(Self {
            memory,
            malloc: instance.get_typed_func(&mut store, "malloc")?,
            free: instance.get_typed_func(&mut store, "free")?,
            inspect: instance.get_typed_func(&mut store, "tidewaiter")?,
            outcome: instance.get_typed_func(&mut store, "outcome")?,
            version: instance.get_typed_func(&mut store, "version")?,
            log,
            store,
        })
    }

    /// What the guest has logged so far, where its log is [kept](Log::Kept).
    #[must_use]
    pub fn log(&self) -> String {
        self.log.as_ref().map(|log| String::from_utf8_lossy(&log.contents()).into_owned()).unwrap_or_default()
    }

    /// Judges one record, which must not hold a NUL, and appends the answer to `out`.
    ///
    /// # Errors
    /// When Fluent Bit would lose the record: the guest trapped, or the answer is no text.
    pub fn call(&mut self, record: &[u8], at: Option<Time>, out: &mut Vec<u8>) -> anyhow::Result<Verdict> {
        let time = at.and_then(|at| Some((u32::try_from(at.sec).ok()?, at.nanos)));
        let (sec, nsec) = time.unwrap_or_default();
        let tag = self.copy(Self::TAG)?;
        let text = self.copy(record)?;
        let arguments = (tag, Self::TAG.len() as u32, sec, nsec, text, record.len() as u32);
        let answer = self.inspect.call(&mut self.store, arguments).map_err(error)?;
        out.extend_from_slice(self.text(answer)?);
        for buffer in [tag, text] {
            if buffer != 0 {
                self.free.call(&mut self.store, buffer).map_err(error)?;
            }
        }
        let outcome = self.outcome.call(&mut self.store, ()).map_err(error)?;
        Verdict::ALL.get(outcome as usize).copied().context("the guest has an outcome that the host does not know")
    }

    /// Copies bytes and a NUL into a buffer of the guest's; 0 when it has no memory left.
    fn copy(&mut self, bytes: &[u8]) -> anyhow::Result<u32> {
        let Ok(length) = u32::try_from(bytes.len() + 1) else { return Ok(0) };
        let buffer = self.malloc.call(&mut self.store, length).map_err(error)?;
        if buffer != 0 {
            let memory = self.memory.data_mut(&mut self.store).get_mut(buffer as usize..);
            let (to, rest) = memory.and_then(|memory| memory.split_at_mut_checked(bytes.len())).context("malloc")?;
            to.copy_from_slice(bytes);
            *rest.first_mut().context("malloc")? = 0;
        }
        Ok(buffer)
    }

    /// The text in the guest's memory that ends in NUL.
    fn text(&self, at: u32) -> anyhow::Result<&[u8]> {
        let memory = self.memory.data(&self.store).get(at as usize..).filter(|_| at != 0).unwrap_or_default();
        match memchr::memchr(0, memory).and_then(|end| memory.get(..end)) {
            Some(text) => Ok(text),
            None => bail!("the guest's answer is no text"),
        }
    }
}

impl Host for FluentBit {
    fn inspect(&mut self, records: &[u8], at: Option<Time>) -> anyhow::Result<Batch> {
        let mut batch = Batch { records: Vec::with_capacity(records.len()), verdicts: Vec::new() };
        for (line, ending) in lines(records) {
            // Fluent Bit gives no text with a NUL in it to a filter.
            let is_text = memchr::memchr(0, line).is_none();
            batch.verdicts.push(match is_text {
                true if line.is_empty() => Verdict::Passed,
                true => self.call(line, at, &mut batch.records)?,
                false => {
                    batch.records.extend_from_slice(line);
                    Verdict::Invalid
                }
            });
            batch.records.extend_from_slice(ending);
        }
        Ok(batch)
    }

    fn version(&mut self) -> anyhow::Result<String> {
        let answer = self.version.call(&mut self.store, ()).map_err(error)?;
        Ok(String::from_utf8_lossy(self.text(answer)?).into_owned())
    }

    fn set_threats(&mut self, _: &str, _: &[u8]) -> anyhow::Result<Option<Taken>> {
        Ok(None)
    }

    fn memory_bytes(&mut self) -> usize {
        self.memory.data_size(&self.store)
    }

    fn snapshot(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn restore(&mut self, _: &[u8]) -> anyhow::Result<Option<Restored>> {
        Ok(None)
    }
}
