//! The real Fluent Bit, started and ended by its handle.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::program;

/// How often to look, and how many times before giving up: two minutes in all.
const PAUSE: Duration = Duration::from_millis(20);
const LOOKS: usize = 6000;

/// The program: `TIDEWAITER_FLUENT_BIT`, or else `fluent-bit` on the `PATH`.
pub fn find() -> Option<PathBuf> {
    program::find("TIDEWAITER_FLUENT_BIT", "fluent-bit")
}

/// A module compiled ahead of time for this machine, by the `wamrc` of Fluent Bit's runtime: `TIDEWAITER_WAMRC`, or else
/// the one on the `PATH`. It takes most of a minute.
pub fn compile(module: &[u8]) -> Option<Vec<u8>> {
    let wamrc = program::find("TIDEWAITER_WAMRC", "wamrc")?;
    let folder = TempDir::new().unwrap();
    let [from, to] = ["module.wasm", "module.aot"].map(|name| folder.path().join(name));
    fs::write(&from, module).unwrap();
    let output = Command::new(wamrc).arg("-o").arg(&to).arg(&from).output().unwrap();
    assert!(output.status.success(), "wamrc: {}", String::from_utf8_lossy(&output.stdout));
    Some(fs::read(to).unwrap())
}

/// A folder for one run, with what the pipelines' variables name: the filter's folder, the input and the output.
pub struct Place(TempDir);

impl Place {
    pub fn new(module: &[u8], policy: &str) -> Self {
        let place = Self(TempDir::new().unwrap());
        for folder in [place.home(), place.input(), place.output()] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(place.home().join("tidewaiter.wasm"), module).unwrap();
        fs::write(place.home().join("tidewaiter.yaml"), policy).unwrap();
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    pub fn input(&self) -> PathBuf {
        self.path().join("in")
    }

    pub fn output(&self) -> PathBuf {
        self.path().join("out")
    }

    /// The lines of one of the output's files; none when there is no such file yet.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read(self.output().join(name)).unwrap_or_default();
        // The last line may be still on its way.
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        String::from_utf8_lossy(&text[..whole]).lines().map(String::from).collect()
    }

    /// Starts the program with a configuration, and with some variables beside the pipelines' own.
    pub fn start(&self, program: &Path, configuration: &Path, variables: &[(&str, &str)]) -> Running {
        let log = self.path().join("log");
        let file = File::create(&log).unwrap();
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(configuration)
            .env("TIDEWAITER_HOME", self.home())
            .env("TIDEWAITER_IN", self.input().join("*.ndjson"))
            .env("TIDEWAITER_OUT", self.output())
            .envs(variables.iter().copied())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Running { child, log }
    }
}

/// A process of Fluent Bit. It ends with the value.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for something to come true while the program runs.
    pub fn wait_until(&mut self, what: &str, mut is_true: impl FnMut() -> bool) {
        for _ in 0..LOOKS {
            if is_true() {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("Fluent Bit ended ({status}) before {what}\n{}", self.log());
            }
            thread::sleep(PAUSE);
        }
        panic!("waited in vain for {what}\n{}", self.log());
    }

    /// Asks it to end, waits until it has, and gives its log.
    pub fn end(mut self) -> String {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        for _ in 0..LOOKS {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "Fluent Bit: {status}\n{}", self.log());
                return self.log();
            }
            thread::sleep(PAUSE);
        }
        panic!("Fluent Bit does not end\n{}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
