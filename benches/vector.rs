//! What Tidewaiter costs in the real Vector: user and system CPU of all processes for the same Docker events without a
//! transform, with a `remap` and with a Lua script that look images up in an allow list, and with Tidewaiter beside Vector
//! and in it.
//!
//! ```text
//! cargo bench --bench vector [-- ROUNDS]
//! ```
//!
//! Vector is `TIDEWAITER_VECTOR`, or else the one on the `PATH`. The rounds are interleaved, so that what else the machine
//! does hits all alike.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark that fails is not run"
)]

#[cfg(target_os = "linux")]
#[path = "common/docker.rs"]
mod docker;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/common/lua.rs"]
mod lua;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/common/sidecar.rs"]
mod sidecar;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/common/vector.rs"]
mod vector;

#[cfg(target_os = "linux")]
fn main() {
    measure::run();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: the module for Lua is for Linux");
}

#[cfg(target_os = "linux")]
mod measure {
    use std::fmt::Write as _;
    use std::fs::{self, File};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use serde_json::json;
    use tempfile::TempDir;

    use super::docker::{Chance, Container};
    use super::sidecar::Sidecar;
    use super::{lua, sidecar, vector};

    const EVENTS: usize = 200_000;
    const ROUNDS: usize = 3;
    const LONGEST: Duration = Duration::from_secs(600);

    const POLICY: &str = "images: {mode: enforce, allow: [docker.io, registry.corp.example, registry.k8s.io]}\n";

    const REMAP: &str = r#"
        if .Type == "container" && exists(.Actor.Attributes.image) {
          parts = split(string!(.Actor.Attributes.image), "/")
          registry = string!(parts[0])
          if length(parts) == 1 || !contains(registry, ".") { registry = "docker.io" }
          if includes(["docker.io", "registry.corp.example", "registry.k8s.io"], registry) {
            .tidewaiter = {"verdict": "clean", "tags": []}
          } else {
            .tidewaiter = {"verdict": "match", "tags": ["unauthorized-image"]}
          }
        }"#;

    const LUA: &str = r#"
        local allowed = {["docker.io"] = true, ["registry.corp.example"] = true, ["registry.k8s.io"] = true}
        function process(event, emit)
          local log = event.log
          local image = log.Type == "container" and log.Actor and log.Actor.Attributes and log.Actor.Attributes.image
          if image then
            local registry = image:match("^([^/]*%.[^/]*)/") or "docker.io"
            if allowed[registry] then
              log.tidewaiter = {verdict = "clean", tags = {}}
            else
              log.tidewaiter = {verdict = "match", tags = {"unauthorized-image"}}
            end
          end
          emit(event)
        end"#;

    /// What stands between the source and the sink.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Case {
        Nothing,
        Remap,
        Lua,
        Sidecar,
        SidecarWithDisk,
        InProcess,
        InProcessTables,
    }

    impl Case {
        const ALL: [(Self, &str); 7] = [
            (Self::Nothing, "nothing"),
            (Self::Remap, "remap: an allow list"),
            (Self::Lua, "Lua: the same allow list"),
            (Self::Sidecar, "tidewaiter, sidecar"),
            (Self::SidecarWithDisk, "tidewaiter, sidecar, disk buffer"),
            (Self::InProcess, "tidewaiter, in process, message"),
            (Self::InProcessTables, "tidewaiter, in process, tables"),
        ];

        fn is_sidecar(self) -> bool {
            matches!(self, Self::Sidecar | Self::SidecarWithDisk)
        }
    }

    pub fn run() {
        let Some(program) = vector::find() else {
            println!("skipped: no vector on the PATH, and TIDEWAITER_VECTOR does not name one");
            return;
        };
        let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(ROUNDS).max(1);
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("tidewaiter.yaml"), POLICY).unwrap();
        let module = lua::module();

        for is_long in [false, true] {
            fs::write(folder.path().join("events.ndjson"), events(EVENTS / 100, is_long)).unwrap();
            for (case, name) in Case::ALL {
                let count = passed(&program, folder.path(), &module, case);
                assert_eq!(count, EVENTS / 100, "{name}: records that came out");
            }
            let stream = events(EVENTS, is_long);
            println!(
                "{EVENTS} Docker events of {} bytes on average, {rounds} rounds; user and system CPU in seconds",
                stream.len() / EVENTS
            );
            fs::write(folder.path().join("events.ndjson"), stream).unwrap();
            let mut seconds = vec![Vec::new(); Case::ALL.len()];
            for _ in 0..rounds {
                for (place, (case, _)) in Case::ALL.into_iter().enumerate() {
                    seconds[place].push(cpu_seconds(&program, folder.path(), &module, case));
                }
            }
            println!("{}", table(&mut seconds));
        }
    }

    /// How many records come out.
    fn passed(program: &Path, folder: &Path, module: &Path, case: Case) -> usize {
        let out = folder.join("out.ndjson");
        let _ = fs::remove_file(&out);
        once(program, folder, module, case, &json!({ "type": "file", "path": out, "encoding": { "codec": "json" } }));
        fs::read(&out).unwrap().iter().filter(|&&byte| byte == b'\n').count()
    }

    /// The CPU of one run, in seconds.
    fn cpu_seconds(program: &Path, folder: &Path, module: &Path, case: Case) -> f64 {
        let used = || {
            let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
            let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            seconds(usage.user_time()) + seconds(usage.system_time())
        };
        let before = used();
        once(program, folder, module, case, &json!({ "type": "blackhole" }));
        used() - before
    }

    /// Runs Vector, and what is beside it, over the events until their end.
    fn once(program: &Path, folder: &Path, module: &Path, case: Case, sink: &serde_json::Value) {
        // All at once, so that no two are the same.
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [door, next] = listeners.map(|listener| listener.local_addr().unwrap().to_string());
        let data = folder.join("data");
        let _ = fs::remove_dir_all(&data);
        fs::create_dir(&data).unwrap();
        let pipeline = folder.join("pipeline.json");
        fs::write(&pipeline, configuration(&data, module, case, sink, &door, &next).to_string()).unwrap();

        let policy = folder.join("tidewaiter.yaml");
        let log = folder.join("log");
        sidecar::run_for(LONGEST, async {
            let forward = format!("http://{next}/");
            let arguments = ["--policy", policy.to_str().unwrap(), "--forward", &forward];
            let beside = if case.is_sidecar() { Some(Sidecar::start_at(&door, &arguments).await) } else { None };
            let mut vector = Command::new(program)
                .arg("--config")
                .arg(&pipeline)
                .env("VECTOR_LOG", "warn")
                .stdin(File::open(folder.join("events.ndjson")).unwrap())
                .stdout(Stdio::null())
                .stderr(File::create(&log).unwrap())
                .spawn()
                .unwrap();
            if let Some(beside) = beside {
                let events = fs::read(folder.join("events.ndjson")).unwrap();
                let events = events.iter().filter(|byte| **byte == b'\n').count() as f64;
                loop {
                    let mut judged = 0.0;
                    for verdict in ["clean", "match", "suppressed"] {
                        let name = format!("tidewaiter_records_total{{verdict=\"{verdict}\"}}");
                        judged += beside.number(&name).await.unwrap_or(0.0);
                    }
                    if judged >= events {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                // It answers what is in flight before it ends.
                beside.end().await;
                kill(Pid::from_raw(vector.id().cast_signed()), Signal::SIGTERM).unwrap();
            }
            // Without one it ends with its input.
            let status = vector.wait().unwrap();
            let log = fs::read_to_string(&log).unwrap();
            assert!(status.success() && !log.contains("ERROR"), "{status}\n{log}");
        });
    }

    fn configuration(
        data: &Path,
        module: &Path,
        case: Case,
        sink: &serde_json::Value,
        door: &str,
        next: &str,
    ) -> serde_json::Value {
        let (modules, policy) = (module.parent().unwrap(), data.with_file_name("tidewaiter.yaml"));
        let mut pipeline = json!({
            "data_dir": data,
            "sources": { "in": { "type": "stdin", "decoding": { "codec": "json" } } },
            "sinks": { "out": sink },
        });
        pipeline["sinks"]["out"]["acknowledgements"] = json!({ "enabled": case.is_sidecar() });
        let transform = |source: &str| json!({ "type": "lua", "version": "2", "inputs": ["in"], "source": source, "hooks": { "process": "process" } });
        let last = match case {
            Case::Nothing => "in",
            Case::Remap => {
                pipeline["transforms"]["x"] = json!({ "type": "remap", "inputs": ["in"], "source": REMAP });
                "x"
            }
            Case::Lua => {
                pipeline["transforms"]["x"] = transform(LUA);
                "x"
            }
            Case::InProcess => {
                // As it is shipped.
                let shipped = include_str!("../pipelines/vector/in-process.yaml");
                let shipped: serde_json::Value = yaml_serde::from_str(shipped).unwrap();
                let transforms = &mut pipeline["transforms"];
                *transforms = shipped["transforms"].clone();
                transforms.as_object_mut().unwrap().remove("verdict");
                transforms["to_text"]["inputs"] = json!(["in"]);
                let source = transforms["judged"]["source"].as_str().unwrap();
                let source = source
                    .replace("/usr/lib/tidewaiter", modules.to_str().unwrap())
                    .replace("/etc/tidewaiter/tidewaiter.yaml", policy.to_str().unwrap())
                    .replace("/var/lib/tidewaiter", data.join("state").to_str().unwrap());
                transforms["judged"]["source"] = json!(source);
                "tidewaiter"
            }
            Case::InProcessTables => {
                pipeline["transforms"]["x"] = transform(&format!(
                    "package.cpath = \"{}/lib?_lua.so;\" .. package.cpath\n\
                     local tidewaiter = require(\"tidewaiter\").open{{policy = \"{}\"}}\n\
                     function process(event, emit) emit(tidewaiter:process(event)) end",
                    modules.display(),
                    policy.display()
                ));
                "x"
            }
            Case::Sidecar | Case::SidecarWithDisk => {
                // As it is shipped.
                let shipped = include_str!("../pipelines/vector/sidecar.yaml");
                let shipped: serde_json::Value = yaml_serde::from_str(shipped).unwrap();
                pipeline["sources"]["back"] = shipped["sources"]["tidewaiter"].clone();
                pipeline["sources"]["back"]["address"] = json!(next);
                let hop = &mut pipeline["sinks"]["hop"];
                *hop = shipped["sinks"]["to_tidewaiter"].clone();
                hop["inputs"] = json!(["in"]);
                hop["uri"] = json!(format!("http://{door}/"));
                hop["healthcheck"] = json!({ "enabled": false });
                if case == Case::Sidecar {
                    hop["buffer"] = json!({ "type": "memory", "when_full": "block" });
                }
                "back"
            }
        };
        pipeline["sinks"]["out"]["inputs"] = json!([last]);
        pipeline
    }

    fn table(seconds: &mut [Vec<f64>]) -> String {
        for times in &mut *seconds {
            times.sort_by(f64::total_cmp);
        }
        let median = |place: usize| seconds[place][seconds[place].len() / 2];
        let mut table = format!(
            "{:34} {:>7} {:>7} {:>7} {:>10} {:>9} {:>9}\n",
            "", "median", "least", "most", "µs/event", "× remap", "× Lua"
        );
        for (place, (_, name)) in Case::ALL.into_iter().enumerate() {
            let (least, most) = (seconds[place][0], seconds[place][seconds[place].len() - 1]);
            let _ = writeln!(
                table,
                "{name:34} {:7.2} {least:7.2} {most:7.2} {:10.1} {:9.2} {:9.2}",
                median(place),
                median(place) / EVENTS as f64 * 1e6,
                median(place) / median(1),
                median(place) / median(2),
            );
        }
        table
    }

    /// Docker events, always the same: 50 workloads on 30 images; the short ones without labels and without what Docker
    /// writes for old clients.
    fn events(count: usize, is_long: bool) -> String {
        let mut chance = Chance::new();
        let mut text = String::new();
        for index in 0..count {
            let Container { id, image, project, service, name } = Container::any(&mut chance);
            let action =
                ["start", "exec_start: /bin/sh -c true", "exec_die", "health_status: healthy"][chance.below(4)];
            let time = 1_767_225_600 + index / 20;
            let nanos = index % 20 * 50_000_000;
            if is_long {
                let _ = write!(text, r#"{{"status":"{action}","id":"{id}","from":"{image}","#);
            } else {
                text.push('{');
            }
            let labels = if is_long {
                format!(r#""com.docker.compose.project":"{project}","com.docker.compose.service":"{service}","#)
            } else {
                String::new()
            };
            let _ = writeln!(
                text,
                r#""Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{{labels}"image":"{image}","name":"{name}"}}}},"scope":"local","time":{time},"timeNano":{time}{nanos:09}}}"#
            );
        }
        text
    }
}
