//! The door for Fluent Bit: the C ABI of its [`wasm` filter](https://docs.fluentbit.io/manual/data-pipeline/filters/wasm)
//! in JSON mode.
//!
//! A record whose answer is a trap, NULL, empty or no JSON object is lost there. So whatever goes wrong, the answer is
//! the record as it came in.
//!
//! The state is taken out for the time of a call and put back at its end. After a trap it is simply gone, and the next
//! call starts afresh; a lock would stay locked for ever.

#![expect(unsafe_code, reason = "a C ABI, and WASI below the standard library")]

use std::cell::Cell;
use std::ffi::{CStr, c_char};

use super::Pace;
use super::files::{self, Below};
use super::lists::Lists;
use super::numbers;
use super::state::{Keeper, Token};
use crate::VERSION;
use crate::engine::{Engine, Outcome};
use crate::policy::{self, Loaded, Problem};
use crate::time::Time;

/// What the policy is called, in whichever folder it lies.
const POLICY: &str = "tidewaiter.yaml";

/// The longest policy that is read, in bytes.
const LONGEST_POLICY: usize = 1 << 20;

/// The most that the answer's buffer keeps from one record to the next, in bytes.
const KEPT: usize = 1 << 20;

/// What an enrichment may add before the answer's buffer has to move, in bytes.
const ADDED: usize = 4 << 10;

/// The answer to a record that did not fit into memory: it is lost in any case, and this way somebody hears of it.
const NO_RECORD: &CStr =
    c"{\"tidewaiter\":{\"verdict\":\"skipped\",\"error\":\"the record does not fit into memory\"}}";

thread_local! {
    /// It lives for as long as the module does: so nothing has to be registered that would drop it.
    static GUEST: Cell<Option<&'static mut Guest>> = const { Cell::new(None) };
    /// The policy file that is being loaded. It is still here after a call that trapped on it: no second record is lost.
    static LOADING: Cell<Option<File>> = const { Cell::new(None) };
    /// Whether state is being read back. It is still so after a call that trapped on it.
    static RESTORING: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Makes the module a reactor: with it the linker leaves the other exports alone. Without it each call would run the
/// constructors and the destructors of libc.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    // SAFETY: the host calls this once, before any other export.
    unsafe { __wasm_call_ctors() }
}

/// Judges one record, as Fluent Bit's `function_name: tidewaiter`. `sec` and `nsec` are the record's time, none when
/// both are 0; the tag is not looked at.
///
/// The answer ends in NUL, is never NULL, and holds until the next call or until `record` is freed.
///
/// # Safety
/// `record` has to be NULL or to point to `record_len` bytes, which nobody changes during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tidewaiter(
    _tag: *const c_char,
    _tag_len: u32,
    sec: u32,
    nsec: u32,
    record: *const c_char,
    record_len: u32,
) -> *const c_char {
    if record.is_null() {
        return NO_RECORD.as_ptr();
    }
    let memory = core::arch::wasm32::memory_size(0) << 16;
    let Some(rest) = memory.checked_sub(record.addr()).and_then(|rest| rest.checked_sub(record_len as usize)) else {
        return record;
    };
    // SAFETY: the caller vouches for the bytes, which lie in memory, as does the one behind them if any are left.
    let (bytes, is_ended) = unsafe {
        let bytes = core::slice::from_raw_parts(record.cast::<u8>(), record_len as usize);
        (bytes, rest > 0 && record.add(bytes.len()).read() == 0)
    };
    let guest = GUEST.take().unwrap_or_else(Guest::start);
    let answer = guest.answer(bytes, is_ended, sec, nsec);
    GUEST.set(Some(guest));
    answer
}

/// What became of the last record, as the ordinal of `verdict` in the component's interface. Fluent Bit does not ask.
#[unsafe(no_mangle)]
pub extern "C" fn outcome() -> u32 {
    let guest = GUEST.take();
    let outcome = guest.as_ref().map_or(Outcome::Passed, |guest| guest.outcome);
    GUEST.set(guest);
    match outcome {
        Outcome::Passed => 0,
        Outcome::Clean => 1,
        Outcome::Match => 2,
        Outcome::Suppressed => 3,
        Outcome::Skipped => 4,
        Outcome::Invalid(_) => 5,
    }
}

/// The version of the module and the id of its policy, as in `0.1.0 default`. It ends in NUL and holds until the next
/// call.
#[unsafe(no_mangle)]
pub extern "C" fn version() -> *const c_char {
    let guest = GUEST.take().unwrap_or_else(Guest::start);
    guest.answer = format!("{VERSION} {}\0", guest.engine.policy_id()).into_bytes();
    let answer = guest.answer.as_ptr().cast();
    GUEST.set(Some(guest));
    answer
}

/// The engine, and what it needs to live in this host.
struct Guest {
    engine: Engine,
    /// The policy file that was read last.
    file: Option<File>,
    /// The lists that the policy names.
    lists: Lists,
    pace: Pace,
    /// Keeps what is learned, where there is a folder for it.
    keeper: Option<Keeper<Below>>,
    answer: Vec<u8>,
    outcome: Outcome,
}

impl Guest {
    #[inline(never)]
    fn start() -> &'static mut Self {
        let seed = random();
        let seed = [seed as u64, (seed >> 64) as u64];

        let file = find();
        let mut engine = match &file {
            Some(file) => match file.load() {
                Ok(loaded) => Engine::new(loaded, seed),
                Err(problem) => {
                    let mut engine = Engine::new(Loaded::builtin(), seed);
                    engine.keep_policy(&problem);
                    engine
                }
            },
            None => {
                let folders: Vec<_> = files::roots().iter().map(|root| root.name.as_str()).collect();
                log(&format!(" {VERSION}: no {POLICY} in {}: learning", folders.join(", ")));
                Engine::new(Loaded::builtin(), seed)
            }
        };
        LOADING.set(None);
        engine.refuse(numbers::TOO_GREAT);
        let keeper = keep(&mut engine, file);
        let mut lists = Lists::default();
        lists.look(&mut engine, file.map(|file| file.folder), log);
        let (pace, answer, outcome) = (Pace::default(), Vec::new(), Outcome::Passed);
        Box::leak(Box::new(Self { engine, file, lists, pace, keeper, answer, outcome }))
    }

    fn answer(&mut self, record: &[u8], is_ended: bool, sec: u32, nsec: u32) -> *const c_char {
        if self.pace.is_due(sec) {
            self.look();
            self.lists.look(&mut self.engine, self.file.map(|file| file.folder), log);
        }
        let time = (sec != 0 || nsec != 0).then(|| Time { sec: i64::from(sec), nanos: nsec.min(999_999_999) });
        let Some(mut outcome) = self.inspect(record, time) else {
            self.outcome = Outcome::Skipped;
            return if is_ended { record.as_ptr().cast() } else { NO_RECORD.as_ptr() };
        };
        if matches!(outcome, Outcome::Invalid(_))
            && let Some(mended) = numbers::mend(record)
        {
            outcome = self.inspect(&mended, time).unwrap_or(outcome);
        }
        self.outcome = outcome;
        if let Some(keeper) = &mut self.keeper {
            let second = if sec == 0 { self.engine.now().sec } else { i64::from(sec) };
            if let Some(problem) = keeper.keep(&mut self.engine, second, outcome == Outcome::Match) {
                log(&format!(": {problem}"));
            }
        }
        // What is no JSON may hold a NUL. In all other cases neither the record nor the enrichment can.
        if matches!(outcome, Outcome::Invalid(_)) || self.answer.is_empty() {
            if is_ended {
                return record.as_ptr().cast();
            }
            self.answer.clear();
            self.answer.extend_from_slice(record);
        }
        self.answer.push(0);
        self.answer.as_ptr().cast()
    }

    /// Judges a record, and leaves what comes of it in the buffer of the answer; none when it does not fit into memory.
    fn inspect(&mut self, record: &[u8], time: Option<Time>) -> Option<Outcome> {
        if self.answer.capacity() > KEPT {
            self.answer = Vec::new();
        }
        self.answer.clear();
        self.answer.try_reserve(record.len() + ADDED).ok()?;
        Some(self.engine.inspect(record, time, &mut self.answer))
    }

    /// Looks for the policy file, and reads it when it is another one than the last time.
    #[inline(never)]
    fn look(&mut self) {
        let found = find();
        if self.file == found {
            return;
        }
        match &found {
            Some(file) => match file.load() {
                Ok(loaded) => self.engine.set_policy(loaded),
                Err(problem) => self.engine.keep_policy(&problem),
            },
            None => {
                let path = self.file.as_ref().map(File::path).unwrap_or_default();
                log(&format!(": {path}: gone; policy {} stays", self.engine.policy_id()));
            }
        }
        LOADING.set(None);
        self.file = found;
    }
}

/// Why a policy file does not do.
struct Bad(Box<[Problem]>);

impl Bad {
    fn because(message: &str) -> Self {
        Self([Problem { line: 1, column: 1, length: 1, message: message.to_owned(), help: None }].into())
    }
}

/// The first of some problems in a line, and how many there are more.
struct Summary<'a>(&'a str, &'a [Problem]);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(kind, [first, more @ ..]) = self else { return Ok(()) };
        write!(f, "{}:{}: {kind}{}", first.line, first.column, first.message)?;
        if let Some(help) = &first.help {
            write!(f, " ({help})")?;
        }
        if more.is_empty() { Ok(()) } else { write!(f, " (and {} more)", more.len()) }
    }
}

/// Writes a line to stderr, which is Fluent Bit's log. A log that cannot be written is no reason to lose a record.
fn log(message: &str) {
    let line = format!("tidewaiter{message}\n");
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        let iovec = wasip1::Ciovec { buf: rest.as_ptr(), buf_len: rest.len() };
        // SAFETY: the buffer is as long as it says.
        match unsafe { wasip1::fd_write(wasip1::FD_STDERR, &[iovec]) } {
            Ok(length @ 1..) => rest = rest.get(length..).unwrap_or_default(),
            Ok(0) | Err(_) => break,
        }
    }
}

/// Random bytes; zeros where the host has none.
fn random() -> u128 {
    let mut bytes = Token::default();
    // SAFETY: the buffer is as long as it says.
    let _ = unsafe { wasip1::random_get(bytes.as_mut_ptr(), bytes.len()) };
    u128::from_le_bytes(bytes)
}

/// Takes up what was learned before, and finds the folder to keep it in. That is, in this order, one that the host gives
/// access to under the very name that the policy has for it; one of that name beside the policy; one in the first
/// folder that can be written to.
fn keep(engine: &mut Engine, file: Option<File>) -> Option<Keeper<Below>> {
    if RESTORING.replace(true) {
        log(": the state is too much for this module, which broke off; it is left alone");
        return None;
    }
    let state = engine.policy().baseline.state.clone();
    let bears_the_name = |name: &str| {
        let rest = name.trim_end_matches('/').strip_suffix(&*state);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    let roots = || files::roots().iter();
    let named = roots().filter(|root| bears_the_name(&root.name)).map(|root| Below::new(root, ""));
    let beside = roots().filter(|root| file.is_some_and(|file| file.folder == root.fd)).chain(roots());
    let folders = named.chain(beside.map(|root| Below::new(root, &state)));
    let mut lines = Vec::new();
    let keeper = Keeper::start(folders, random().to_le_bytes(), engine, &mut lines);
    lines.iter().for_each(|line| log(&format!(": {line}")));
    RESTORING.set(false);
    keeper
}

/// What tells one version of a policy file from another. A file that is replaced, by an editor or by a symbolic link
/// that moves (as in a ConfigMap's volume), is another file even with the same size and time.
#[derive(Clone, Copy, PartialEq)]
struct File {
    folder: wasip1::Fd,
    device: u64,
    inode: u64,
    size: u64,
    modified: u64,
}

impl File {
    /// Reads the policy and logs how that went; or what is wrong with it. [`LOADING`] says so until somebody resets it,
    /// which is for when the policy is in use.
    fn load(&self) -> Result<Loaded, String> {
        let path = self.path();
        let result = if LOADING.replace(Some(*self)).as_ref() == Some(self) {
            Err(Bad::because("too much for this module, which broke off"))
        } else {
            text(self).and_then(|text| policy::load(&text).map_err(|problems| Bad(problems.into())))
        };
        match result {
            Ok(loaded) => {
                log(&format!(" {VERSION}: policy {} from {path}", loaded.id));
                if !loaded.warnings.is_empty() {
                    log(&format!(": {path}:{}", Summary("warning: ", &loaded.warnings)));
                }
                Ok(loaded)
            }
            Err(Bad(problems)) => {
                log(&format!(": {path}:{}", Summary("", &problems)));
                Err(problems.first().map(Problem::to_string).unwrap_or_default())
            }
        }
    }

    fn path(&self) -> String {
        let folder = files::roots().iter().find(|root| root.fd == self.folder).map_or("", |root| &root.name);
        format!("{}/{POLICY}", folder.trim_end_matches('/'))
    }
}

/// The policy in the first folder that has one.
fn find() -> Option<File> {
    files::roots().iter().find_map(|&files::Root { fd, .. }| {
        // SAFETY: the call only reads the path.
        let stat = unsafe { wasip1::path_filestat_get(fd, wasip1::LOOKUPFLAGS_SYMLINK_FOLLOW, POLICY) }.ok()?;
        Some(File { folder: fd, device: stat.dev, inode: stat.ino, size: stat.size, modified: stat.mtim })
    })
}

/// The text of a policy file.
fn text(file: &File) -> Result<String, Bad> {
    let unreadable = |errno: wasip1::Errno| Bad::because(&format!("cannot be read: {}", errno.name()));
    let bytes = files::read(file.folder, POLICY, LONGEST_POLICY).map_err(unreadable)?;
    if bytes.len() > LONGEST_POLICY {
        return Err(Bad::because("longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + good.filter(|&&byte| byte == b'\n').count();
        Bad([Problem { line, column: 1, length: 1, message: "not UTF-8".to_owned(), help: None }].into())
    })
}
