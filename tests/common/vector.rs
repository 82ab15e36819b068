//! The real Vector, started and ended by its handle.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The program: `TIDEWAITER_VECTOR`, or else `vector` on the `PATH`.
pub fn find() -> Option<PathBuf> {
    match env::var_os("TIDEWAITER_VECTOR") {
        Some(program) if program.is_empty() => None,
        Some(program) => Some(program.into()),
        None => {
            let path = env::var_os("PATH")?;
            env::split_paths(&path).map(|folder| folder.join("vector")).find(|program| program.is_file())
        }
    }
}

/// Runs one of its commands over some configurations.
pub fn command(program: &Path, words: &[&str], configurations: &[PathBuf]) -> Output {
    Command::new(program).args(words).args(configurations).env("VECTOR_LOG", "warn").output().unwrap()
}

/// A process of Vector. It ends with the value.
pub struct Vector {
    child: Child,
    log: PathBuf,
}

impl Vector {
    pub fn start(program: &Path, configurations: &[PathBuf], log: PathBuf) -> Self {
        let file = File::create(&log).unwrap();
        let mut command = Command::new(program);
        for path in configurations {
            command.arg("--config").arg(path);
        }
        command.env("VECTOR_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Self { child: command.spawn().unwrap(), log }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Fails where it has ended by itself.
    pub fn check(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "Vector ended: {ended:?}\n{}", self.log());
    }

    /// Asks it to end, waits until it has, and gives its log.
    pub fn end(mut self) -> String {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        for _ in 0..6000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "Vector: {status}\n{}", self.log());
                return self.log();
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("Vector does not end\n{}", self.log());
    }
}

impl Drop for Vector {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
