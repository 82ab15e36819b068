//! What the module costs in the real Fluent Bit: user CPU for the same Docker events without a filter, with one that
//! returns its input, with a simple Lua script (`simple.lua`), and with Tidewaiter: as it is shipped, with findings alone
//! enriched, and, where there is `wamrc`, compiled ahead of time.
//!
//! ```text
//! cargo bench --profile dev --bench fluent_bit [-- ROUNDS]
//! ```
//!
//! It is Fluent Bit and the module that are measured: the profile is this program's alone, and this one is built by the
//! tests already.
//!
//! Fluent Bit is `TIDEWAITER_FLUENT_BIT`, or else the one on the `PATH`. The rounds are interleaved, so that what else
//! the machine does hits all alike.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a benchmark that fails is not run")]

#[cfg(unix)]
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/common/fluent_bit.rs"]
mod fluent_bit;

#[cfg(unix)]
#[path = "common/docker.rs"]
mod docker;
#[cfg(unix)]
#[path = "../tests/common/program.rs"]
mod program;

#[cfg(unix)]
fn main() {
    measure::run();
}

#[cfg(not(unix))]
fn main() {
    println!("skipped: the CPU time of a process is measured on Unix only");
}

#[cfg(unix)]
mod measure {
    use std::fmt::Write as _;
    use std::fs;
    use std::io::IsTerminal as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use nix::sys::resource::{UsageWho, getrusage};
    use tempfile::TempDir;
    use tidewaiter::host;

    use super::docker::{Chance, Container};
    use super::fluent_bit;

    const EVENTS: usize = 200_000;
    const ROUNDS: usize = 3;

    /// What every container of the stream may run, in words that `simple.lua` has too.
    const POLICY: &str = "images: {mode: enforce, allow: [docker.io, registry.corp.example, registry.k8s.io]}\n";

    /// The folders of a policy that enriches all events of containers, and of one that enriches findings alone.
    const WHOLE: &str = "whole";
    const FINDINGS: &str = "findings";

    /// Returns its input. The buffers come from a `malloc` that begins anew with each record.
    const IDENTITY: &str = r#"
        (module
          (memory (export "memory") 2)
          (global $top (mut i32) (i32.const 65536))
          (func (export "malloc") (param $size i32) (result i32)
            global.get $top
            (global.set $top
              (i32.and (i32.add (i32.add (global.get $top) (local.get $size)) (i32.const 7)) (i32.const -8))))
          (func (export "free") (param i32) (global.set $top (i32.const 65536)))
          (func (export "identity") (param i32 i32 i32 i32 i32 i32) (result i32) local.get 4))"#;

    pub fn run() {
        let Some(program) = fluent_bit::find() else {
            println!("skipped: no fluent-bit on the PATH, and TIDEWAITER_FLUENT_BIT does not name one");
            return;
        };
        let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(ROUNDS).max(1);
        let folder = TempDir::new().unwrap();
        let filters = prepare(folder.path());
        let names: Vec<_> = filters.iter().map(|(name, _)| *name).collect();

        fs::write(folder.path().join("events.ndjson"), events(EVENTS / 100)).unwrap();
        for (name, filter) in &filters {
            let count = passed(&program, folder.path(), filter);
            assert_eq!(count, EVENTS / 100, "{name}: records that came out");
        }

        let stream = events(EVENTS);
        println!(
            "{EVENTS} Docker events of {} bytes on average, {rounds} rounds; user CPU in seconds",
            stream.len() / EVENTS
        );
        fs::write(folder.path().join("events.ndjson"), stream).unwrap();
        let is_watched = std::io::stderr().is_terminal();
        let mut seconds = vec![Vec::new(); filters.len()];
        for round in 0..rounds {
            for (place, (name, filter)) in filters.iter().enumerate() {
                if is_watched {
                    eprint!("\r\x1b[Kround {} of {rounds}: {name}", round + 1);
                }
                seconds[place].push(user_seconds(&program, folder.path(), filter));
            }
        }
        if is_watched {
            eprint!("\r\x1b[K");
        }
        print!("{}", table(&names, &mut seconds));
    }

    /// Writes what the filters need, and gives their configurations: the first is that of none, the third Lua's.
    fn prepare(folder: &Path) -> Vec<(&'static str, String)> {
        let [(_, module), _] = host::modules();
        let compiled = fluent_bit::compile(module);
        let findings = format!("{POLICY}output: {{enrich: findings}}\n");
        for (name, policy) in [(WHOLE, POLICY), (FINDINGS, &findings)] {
            fs::create_dir(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("tidewaiter.yaml"), policy).unwrap();
        }
        fs::write(folder.join("tidewaiter.wasm"), module).unwrap();
        fs::write(folder.join("identity.wasm"), wat::parse_str(IDENTITY).unwrap()).unwrap();
        fs::write(folder.join("simple.lua"), include_str!("simple.lua")).unwrap();
        let place = folder.display();
        let wasm = |module: &str, function: &str, home: &str| {
            format!(
                "    - name: wasm\n      match: '*'\n      event_format: json\n      wasm_path: {place}/{module}\n      \
                 function_name: {function}\n      accessible_paths: {place}/{home}\n"
            )
        };
        let lua = format!("    - name: lua\n      match: '*'\n      script: {place}/simple.lua\n      call: inspect\n");
        let mut filters = vec![
            ("no filter", String::new()),
            ("a filter that returns its input", wasm("identity.wasm", "identity", WHOLE)),
            ("a simple Lua script", lua),
            ("tidewaiter", wasm("tidewaiter.wasm", "tidewaiter", WHOLE)),
            ("tidewaiter, findings alone", wasm("tidewaiter.wasm", "tidewaiter", FINDINGS)),
        ];
        match compiled {
            Some(compiled) => {
                fs::write(folder.join("tidewaiter.aot"), compiled).unwrap();
                filters.push(("compiled ahead of time", wasm("tidewaiter.aot", "tidewaiter", WHOLE)));
                filters.push(("the same, findings alone", wasm("tidewaiter.aot", "tidewaiter", FINDINGS)));
            }
            None => {
                println!("not compiled ahead of time: no wamrc on the PATH, and TIDEWAITER_WAMRC does not name one")
            }
        }
        filters
    }

    /// How many records come out.
    fn passed(program: &Path, folder: &Path, filter: &str) -> usize {
        let output = format!("file\n      path: {}\n      file: out.ndjson\n      format: plain", folder.display());
        let out = folder.join("out.ndjson");
        let _ = fs::remove_file(&out);
        once(program, folder, filter, &output);
        fs::read(&out).unwrap().iter().filter(|&&byte| byte == b'\n').count()
    }

    /// The user CPU of one run, in seconds.
    fn user_seconds(program: &Path, folder: &Path, filter: &str) -> f64 {
        let used = || {
            let time = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().user_time();
            time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
        };
        let before = used();
        once(program, folder, filter, "null");
        used() - before
    }

    /// Runs Fluent Bit over the events until their end.
    fn once(program: &Path, folder: &Path, filter: &str, output: &str) {
        let filters = if filter.is_empty() { String::new() } else { format!("  filters:\n{filter}") };
        let pipeline = format!(
            "service:\n  flush: 1\n  grace: 60\n  log_level: error\nparsers:\n  - name: ndjson\n    format: json\n\
             pipeline:\n  inputs:\n    - name: tail\n      path: {}/events.ndjson\n      parser: ndjson\n      \
             read_from_head: true\n      exit_on_eof: true\n{filters}  outputs:\n    - name: {output}\n      match: '*'\n",
            folder.display()
        );
        // Each run begins with nothing learned.
        for home in [WHOLE, FINDINGS] {
            let _ = fs::remove_dir_all(folder.join(home).join("state"));
        }
        let path = folder.join("pipeline.yaml");
        fs::write(&path, pipeline).unwrap();
        let log = folder.join("log");
        let status = Command::new(program)
            .arg("--config")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .status()
            .unwrap();
        let log = fs::read_to_string(&log).unwrap();
        assert!(status.success() && !log.contains("[error]"), "{status}\n{log}");
    }

    fn table(names: &[&str], seconds: &mut [Vec<f64>]) -> String {
        for times in &mut *seconds {
            times.sort_by(f64::total_cmp);
        }
        let median = |place: usize| seconds[place][seconds[place].len() / 2];
        // What a filter adds is measured in what Lua adds.
        let added = |place: usize| median(place) - median(0);
        let mut table =
            format!("{:32} {:>7} {:>7} {:>7} {:>9} {:>9}\n", "", "median", "least", "most", "added", "of Lua's");
        for (place, name) in names.iter().enumerate() {
            let (least, most) = (seconds[place][0], seconds[place][seconds[place].len() - 1]);
            let (added, share) = (added(place), added(place) / added(2));
            let _ = writeln!(table, "{name:32} {:7.2} {least:7.2} {most:7.2} {added:9.2} {share:8.2}x", median(place));
        }
        table
    }

    /// Docker events, always the same: 50 workloads on 30 images that start, die, run health checks.
    fn events(count: usize) -> String {
        let mut chance = Chance::new();
        let mut text = String::new();
        for index in 0..count {
            let Container { id, image, project, service, name } = Container::any(&mut chance);
            let (action, more) = match chance.below(20) {
                0 => ("start", String::new()),
                1 => (
                    "die",
                    format!(
                        r#","exitCode":"{}","execDuration":"{}""#,
                        [0, 1, 137][chance.below(3)],
                        chance.below(9000)
                    ),
                ),
                2..6 => ("health_status: healthy", String::new()),
                6..13 => ("exec_start: /bin/sh -c curl -fsS http://127.0.0.1:8080/", String::new()),
                _ => ("exec_die", format!(r#","exitCode":"0"{}"#, exec_id(chance.below(4096)))),
            };
            let time = 1_767_225_600 + index / 20;
            let _ = writeln!(
                text,
                r#"{{"status":"{action}","id":"{id}","from":"{image}","Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"com.docker.compose.project":"{project}","com.docker.compose.service":"{service}","image":"{image}","name":"{name}"{more}}}}},"scope":"local","time":{time},"timeNano":{time}{:09}}}"#,
                index % 20 * 50_000_000,
            );
        }
        text
    }

    fn exec_id(number: usize) -> String {
        format!(r#","execID":"{number:064x}""#)
    }
}
