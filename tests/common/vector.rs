//! The real Vector, started and ended by its handle.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::program;

/// The program: `TIDEWAITER_VECTOR`, or else `vector` on the `PATH`.
pub fn find() -> Option<PathBuf> {
    program::find("TIDEWAITER_VECTOR", "vector")
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

/// Copies of the shipped configurations in a folder of their own, at ports that are free.
pub struct Place {
    folder: TempDir,
    /// Where the sidecar listens, and where it sends to.
    pub sidecar: String,
    pub next: String,
}

impl Place {
    pub fn new(policy: &str) -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["data", "in", "out"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("tidewaiter.yaml"), policy).unwrap();
        // All at once, so that no two are the same.
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [sidecar, next] = listeners.map(|listener| listener.local_addr().unwrap().to_string());
        Self { folder, sidecar, next }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of one of `pipelines/vector`.
    pub fn copy(&self, name: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/vector").join(name);
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.copy_of(&name.replace('/', "-"), &text)
    }

    pub fn copy_of(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.folder.path().display();
        let text = text
            .replace("/var/lib/vector", &format!("{folder}/data"))
            .replace("/vector-data-dir", &format!("{folder}/data"))
            .replace("/var/log/container-events", &format!("{folder}/in"))
            .replace("/var/log/tidewaiter", &format!("{folder}/out"))
            .replace("/etc/tidewaiter/tidewaiter.yaml", &format!("{folder}/tidewaiter.yaml"))
            .replace("/var/lib/tidewaiter", &format!("{folder}/state"))
            .replace("127.0.0.1:9713", &self.sidecar)
            .replace("127.0.0.1:9714", &self.next)
            .replace("tidewaiter run ", concat!(env!("CARGO_BIN_EXE_tidewaiter"), " run "));
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}
