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
#[path = "../tests/common/program.rs"]
mod program;
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
        SidecarFindings,
        InProcess,
        InProcessTables,
        InProcessFindings,
        LinesLua,
        LinesSidecar,
        LinesInProcess,
    }

    impl Case {
        const ALL: [(Self, &str); 12] = [
            (Self::Nothing, "nothing"),
            (Self::Remap, "remap: an allow list"),
            (Self::Lua, "Lua: the same allow list"),
            (Self::Sidecar, "sidecar"),
            (Self::SidecarWithDisk, "sidecar, disk buffer"),
            (Self::SidecarFindings, "sidecar, findings alone"),
            (Self::InProcess, "in process, message"),
            (Self::InProcessTables, "in process, tables"),
            (Self::InProcessFindings, "in process, message, findings alone"),
            (Self::LinesLua, "lines: parsed, then Lua"),
            (Self::LinesSidecar, "lines: sidecar"),
            (Self::LinesInProcess, "lines: in process, message"),
        ];

        fn is_sidecar(self) -> bool {
            matches!(self, Self::Sidecar | Self::SidecarWithDisk | Self::SidecarFindings | Self::LinesSidecar)
        }

        /// Whether the source hands on the lines as they are, to be parsed when they are judged.
        fn is_of_lines(self) -> bool {
            matches!(self, Self::LinesLua | Self::LinesSidecar | Self::LinesInProcess)
        }

        /// The policy's file: with the second one, records without a detection stay as they are.
        fn policy(self) -> &'static str {
            if matches!(self, Self::SidecarFindings | Self::InProcessFindings) {
                "findings.yaml"
            } else {
                "tidewaiter.yaml"
            }
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
        fs::write(folder.path().join("findings.yaml"), format!("{POLICY}output: {{enrich: findings}}\n")).unwrap();
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
            fs::write(folder.path().join("one.ndjson"), events(1, is_long)).unwrap();
            let (mut seconds, mut starts) = (vec![Vec::new(); Case::ALL.len()], vec![Vec::new(); Case::ALL.len()]);
            for _ in 0..rounds {
                for (place, (case, _)) in Case::ALL.into_iter().enumerate() {
                    seconds[place].push(cpu_seconds(&program, folder.path(), &module, case, "events.ndjson"));
                    starts[place].push(cpu_seconds(&program, folder.path(), &module, case, "one.ndjson"));
                }
            }
            println!("{}", table(&mut seconds, &mut starts));
        }
    }

    /// How many records come out.
    fn passed(program: &Path, folder: &Path, module: &Path, case: Case) -> usize {
        let out = folder.join("out.ndjson");
        let _ = fs::remove_file(&out);
        let sink = json!({ "type": "file", "path": out, "encoding": { "codec": "json" } });
        once(program, folder, module, case, "events.ndjson", &sink);
        fs::read(&out).unwrap().iter().filter(|&&byte| byte == b'\n').count()
    }

    /// The CPU of one run over a file of events, in seconds.
    fn cpu_seconds(program: &Path, folder: &Path, module: &Path, case: Case, events: &str) -> f64 {
        let used = || {
            let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
            let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            seconds(usage.user_time()) + seconds(usage.system_time())
        };
        let before = used();
        once(program, folder, module, case, events, &json!({ "type": "blackhole" }));
        used() - before
    }

    /// Runs Vector, and what is beside it, over the events until their end.
    fn once(program: &Path, folder: &Path, module: &Path, case: Case, events: &str, sink: &serde_json::Value) {
        // All at once, so that no two are the same.
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [door, next] = listeners.map(|listener| listener.local_addr().unwrap().to_string());
        let data = folder.join("data");
        let _ = fs::remove_dir_all(&data);
        fs::create_dir(&data).unwrap();
        let pipeline = folder.join("pipeline.json");
        fs::write(&pipeline, configuration(&data, module, case, sink, &door, &next).to_string()).unwrap();

        let policy = folder.join(case.policy());
        let log = folder.join("log");
        sidecar::run_for(LONGEST, async {
            let forward = format!("http://{next}/");
            let arguments = ["--policy", policy.to_str().unwrap(), "--forward", &forward];
            let beside = if case.is_sidecar() { Some(Sidecar::start_at(&door, &arguments).await) } else { None };
            let mut vector = Command::new(program)
                .arg("--config")
                .arg(&pipeline)
                .env("VECTOR_LOG", "warn")
                .stdin(File::open(folder.join(events)).unwrap())
                .stdout(Stdio::null())
                .stderr(File::create(&log).unwrap())
                .spawn()
                .unwrap();
            if let Some(beside) = beside {
                let events = fs::read(folder.join(events)).unwrap();
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
        let (modules, policy) = (module.parent().unwrap(), data.with_file_name(case.policy()));
        let codec = if case.is_of_lines() { "bytes" } else { "json" };
        let mut pipeline = json!({
            "data_dir": data,
            "sources": { "in": { "type": "stdin", "decoding": { "codec": codec } } },
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
            Case::LinesLua => {
                let parse = ". = merge(., object(parse_json(.message) ?? {}) ?? {})\ndel(.message)";
                pipeline["transforms"]["parsed"] = json!({ "type": "remap", "inputs": ["in"], "source": parse });
                pipeline["transforms"]["x"] = transform(LUA);
                pipeline["transforms"]["x"]["inputs"] = json!(["parsed"]);
                "x"
            }
            Case::InProcess | Case::InProcessFindings | Case::LinesInProcess => {
                // As it is shipped.
                let shipped = include_str!("../pipelines/vector/in-process.yaml");
                let shipped: serde_json::Value = yaml_serde::from_str(shipped).unwrap();
                let transforms = &mut pipeline["transforms"];
                *transforms = shipped["transforms"].clone();
                transforms.as_object_mut().unwrap().remove("verdict");
                transforms["to_text"]["inputs"] = json!(["in"]);
                if case.is_of_lines() {
                    let source = transforms["to_text"]["source"].as_str().unwrap();
                    transforms["to_text"]["source"] = json!(source.replace("encode_json(.)", ".message"));
                }
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
            Case::Sidecar | Case::SidecarWithDisk | Case::SidecarFindings | Case::LinesSidecar => {
                // As it is shipped.
                let shipped = include_str!("../pipelines/vector/sidecar.yaml");
                let shipped: serde_json::Value = yaml_serde::from_str(shipped).unwrap();
                pipeline["sources"]["back"] = shipped["sources"]["back"].clone();
                pipeline["sources"]["back"]["address"] = json!(next);
                pipeline["transforms"]["tidewaiter"] = shipped["transforms"]["tidewaiter"].clone();
                let hop = &mut pipeline["sinks"]["hop"];
                *hop = shipped["sinks"]["to_tidewaiter"].clone();
                hop["inputs"] = json!(["in"]);
                hop["uri"] = json!(format!("http://{door}/"));
                hop["healthcheck"] = json!({ "enabled": false });
                if case != Case::SidecarWithDisk {
                    hop["buffer"] = json!({ "type": "memory", "when_full": "block" });
                }
                if case.is_of_lines() {
                    hop["encoding"] = json!({ "codec": "text" });
                }
                "tidewaiter"
            }
        };
        pipeline["sinks"]["out"]["inputs"] = json!([last]);
        pipeline
    }

    /// The whole of the runs, and what an event costs beyond the start: `starts` are runs over one event.
    fn table(seconds: &mut [Vec<f64>], starts: &mut [Vec<f64>]) -> String {
        for times in seconds.iter_mut().chain(&mut *starts) {
            times.sort_by(f64::total_cmp);
        }
        let median = |times: &[f64]| times[times.len() / 2];
        let whole = |place: usize| median(&seconds[place]) / EVENTS as f64 * 1e6;
        let running = |place: usize| whole(place) - median(&starts[place]) / EVENTS as f64 * 1e6;
        let mut table = format!(
            "{:36} {:>7} {:>7} {:>7} {:>9} {:>8} {:>6} {:>9} {:>9} {:>8} {:>6}\n",
            "", "median", "least", "most", "µs/event", "× remap", "× Lua", "start, s", "µs beyond", "× remap", "× Lua"
        );
        for (place, (_, name)) in Case::ALL.into_iter().enumerate() {
            let (least, most) = (seconds[place][0], seconds[place][seconds[place].len() - 1]);
            let _ = writeln!(
                table,
                "{name:36} {:7.2} {least:7.2} {most:7.2} {:9.1} {:8.2} {:6.2} {:9.2} {:9.1} {:8.2} {:6.2}",
                median(&seconds[place]),
                whole(place),
                whole(place) / whole(1),
                whole(place) / whole(2),
                median(&starts[place]),
                running(place),
                running(place) / running(1),
                running(place) / running(2),
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
