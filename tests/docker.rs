//! The real Docker Engine, where there is one: containers come, go and crash, and the events of the daemon go through the
//! command line, and through Fluent Bit and Vector with the pipelines that are shipped for that.
//!
//! The containers are busybox's, whose static build Debian has; without a network, and gone at the end.

#![cfg(all(target_os = "linux", feature = "cli"))]
// Clippy knows a test by its attribute, and not what only tests call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/fluent_bit.rs"]
mod fluent_bit;
#[path = "common/program.rs"]
mod program;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/vector.rs"]
mod vector;

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;
use tidewaiter::host;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tidewaiter");
const SOCKET: &str = "/var/run/docker.sock";
const POLICY: &str = "images: {allow: [registry.tidewaiter.example]}\nrestarts: {min: 3}\n";

/// How often to look, and how many times before giving up: two minutes in all.
const PAUSE: Duration = Duration::from_millis(50);
const LOOKS: usize = 2400;

/// The daemon, with an image under two names that are nearly the same. Everything that a test makes is named after it.
struct Docker {
    test: String,
}

impl Docker {
    /// Where there is no Docker, one line says why the test is left out.
    fn find(test: &str) -> Option<Self> {
        let skipped = |why: &str| {
            eprintln!("{test}: skipped: {why}");
            None
        };
        let is_there = Command::new("docker").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !is_there.is_ok_and(|status| status.success()) || !Path::new(SOCKET).exists() {
            return skipped("no Docker Engine");
        }
        let Some(busybox) = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| is_static(Path::new(path)))
        else {
            return skipped("no static busybox for an image");
        };
        let docker = Self { test: format!("tidewaiter-{test}-{}", std::process::id()) };
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("bin")).unwrap();
        fs::copy(busybox, root.path().join("bin/busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", root.path().join("bin/sh")).unwrap();
        let import = format!("tar -C {} -c . | docker import - {}", root.path().display(), docker.image("tidewaiter"));
        assert!(Command::new("sh").args(["-c", &import]).stdout(Stdio::null()).status().unwrap().success());
        docker.call(&["tag", &docker.image("tidewaiter"), &docker.image("tidewalter")]);
        Some(docker)
    }

    /// The image in a registry of that name.
    fn image(&self, registry: &str) -> String {
        format!("registry.{registry}.example/shop/{}:1", self.test)
    }

    fn name(&self, of: &str) -> String {
        format!("{}-{of}", self.test)
    }

    fn call(&self, arguments: &[&str]) {
        let output = Command::new("docker").args(arguments).output().unwrap();
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes a container and takes it away again.
    fn probe(&self) {
        self.call(&["create", "--network", "none", "--name", &self.name("probe"), &self.image("tidewaiter"), "sh"]);
        self.call(&["rm", &self.name("probe")]);
    }

    /// A container of an image that only looks like ours, and one of ours that crashes five times.
    fn play(&self) {
        let (evil, crash) = (self.name("evil"), self.name("crash"));
        self.call(&["run", "--rm", "--network", "none", "--name", &evil, &self.image("tidewalter"), "sh", "-c", ":"]);
        let restart = ["run", "--detach", "--network", "none", "--restart", "on-failure:4", "--name", &crash];
        self.call(&[&restart[..], &[&self.image("tidewaiter"), "sh", "-c", "echo I crash; exit 3"]].concat());
        let state = "{{.State.Status}} {{.RestartCount}}";
        until("the container has crashed five times", || {
            let output = Command::new("docker").args(["inspect", "--format", state, &crash]).output().unwrap();
            output.stdout == b"exited 4\n"
        });
        self.call(&["rm", &crash]);
    }

    /// Waits until a probe comes out, plays, and waits for the last event. Then looks at what was found, each once.
    fn check(&self, mut lines: impl FnMut() -> Vec<String>) {
        let mut is_out = |name: &str, action: &str| {
            let name = self.name(name);
            lines().iter().any(|line| line.contains(&name) && line.contains(action))
        };
        until("the first event is out", || {
            self.probe();
            is_out("probe", "destroy")
        });
        self.play();
        until("the last event is out", || is_out("crash", "destroy"));

        let mut found = Vec::new();
        for line in lines().iter().filter(|line| line.contains(&self.test)) {
            let record: Json = serde_json::from_str(line).unwrap();
            let enrichment = &record["tidewaiter"];
            for detection in enrichment["detections"].as_array().into_iter().flatten() {
                // A record of Fluent Bit's may hold several events, also of what other tests make.
                let is_ours = detection["message"].as_str().unwrap().contains(&self.test);
                if is_ours && detection["suppressed"].is_null() {
                    assert_eq!(enrichment["verdict"], "match", "{line}");
                    found.push((detection["reason"].as_str().unwrap().to_owned(), detection["state"].clone()));
                }
            }
        }
        assert_eq!(found, [("lookalike".into(), "new".into()), ("restart-rate".into(), "new".into())]);
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let names = ["probe", "evil", "crash"].map(|name| self.name(name));
        let images = ["tidewaiter", "tidewalter"].map(|registry| self.image(registry));
        for (what, which) in [("rm", &names[..]), ("rmi", &images[..])] {
            // They are mostly gone.
            let _ = Command::new("docker").args([what, "--force"]).args(which).output();
        }
    }
}

/// Whether a program is there and needs no library: of such a one `ldd` knows nothing.
fn is_static(path: &Path) -> bool {
    let ldd = Command::new("ldd").arg(path).stdout(Stdio::null()).stderr(Stdio::null()).status();
    path.is_file() && ldd.is_ok_and(|status| !status.success())
}

fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if is_true() {
            return;
        }
        thread::sleep(PAUSE);
    }
    panic!("waited in vain: {what}");
}

/// The whole lines of a file.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(String::from).collect()
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_command_line_reads_the_events_of_docker() {
    let Some(docker) = Docker::find("run") else { return };
    let place = TempDir::new().unwrap();
    let (policy, out) = (place.path().join("tidewaiter.yaml"), place.path().join("out"));
    fs::write(&policy, POLICY).unwrap();
    let mut events = Command::new("docker");
    events.args(["events", "--format", "{{json .}}"]).stdout(Stdio::piped());
    let mut events = Running(events.spawn().unwrap());
    let mut run = Command::new(PROGRAM);
    run.args(["run", "--policy"]).arg(&policy).arg("-").stdin(events.0.stdout.take().unwrap());
    let _run = Running(run.stdout(File::create(&out).unwrap()).stderr(Stdio::null()).spawn().unwrap());
    docker.check(|| lines(&out));
}

#[test]
fn fluent_bit_reads_the_events_of_docker() {
    let Some(docker) = Docker::find("fluent-bit") else { return };
    let Some(program) = fluent_bit::find() else {
        return eprintln!(
            "fluent-bit: skipped: no fluent-bit on the PATH, and TIDEWAITER_FLUENT_BIT does not name one"
        );
    };
    let place = fluent_bit::Place::new(host::modules()[0].1, POLICY);
    let shipped = pipelines().join("fluent-bit/docker.yaml");
    let running = place.start(&program, &shipped, &[("TIDEWAITER_DOCKER", SOCKET)]);
    docker.check(|| place.lines("records.ndjson"));
    let log = running.end();
    assert!(!log.contains("[error]"), "{log}");
}

#[test]
fn vector_reads_the_events_of_docker() {
    let Some(docker) = Docker::find("vector") else { return };
    let Some(program) = vector_or_not("vector") else { return };
    let place = vector::Place::new(POLICY);
    let configuration = place.copy("exec.yaml");
    let running = vector::Vector::start(&program, &[configuration], place.path("log.txt"));
    docker.check(|| lines(&place.path("out/records.ndjson")));
    // Others play with the same daemon.
    let detections = lines(&place.path("out/detections.ndjson"));
    assert_eq!(detections.iter().filter(|line| line.contains(&docker.test)).count(), 2);
    running.end();
    assert!(place.path("state/learning-00").is_file(), "what was learned is written at the end");
}

/// The sidecar with both sources that Docker has: the events, and what the containers print.
#[test]
fn the_sidecar_reads_the_events_and_the_logs_of_docker() {
    let Some(docker) = Docker::find("sidecar") else { return };
    let Some(program) = vector_or_not("sidecar") else { return };
    let place = vector::Place::new(POLICY);
    let mut serve = Command::new(PROGRAM);
    serve.args(["serve", "--listen", &place.sidecar, "--forward", &format!("http://{}/", place.next), "--policy"]);
    let _serve = Running(serve.arg(place.path("tidewaiter.yaml")).stderr(Stdio::null()).spawn().unwrap());
    until("the sidecar listens", || TcpStream::connect(&place.sidecar).is_ok());
    let configurations =
        ["sidecar.yaml", "sources/docker-events.yaml", "sources/docker.yaml"].map(|name| place.copy(name));
    let running = vector::Vector::start(&program, &configurations, place.path("log.txt"));
    let records = || lines(&place.path("out/records.ndjson"));
    docker.check(records);
    until("what a container printed is out", || {
        let printed = |line: &String| line.contains("I crash") && line.contains(r#""source":"container-log""#);
        records().iter().any(|line| line.contains(&docker.test) && printed(line))
    });
    running.end();
}

/// Vector, or one line that says why a test is left out.
fn vector_or_not(test: &str) -> Option<PathBuf> {
    let program = vector::find();
    if program.is_none() {
        eprintln!("{test}: skipped: no vector on the PATH, and TIDEWAITER_VECTOR does not name one");
    }
    program
}

fn pipelines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")
}
