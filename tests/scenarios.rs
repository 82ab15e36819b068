//! Every scenario through the library, the module for Fluent Bit and the component: the expectations hold, and all three
//! give the same bytes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use tidewaiter::scenario::Scenario;
use tidewaiter::{Engine, policy};

fn scenarios() -> Vec<(PathBuf, Scenario)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario = Scenario::read(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        (path, scenario)
    };
    files.into_iter().map(read).collect()
}

fn engine(scenario: &Scenario) -> Engine {
    let loaded = scenario.policy.as_deref().map_or_else(|| Ok(policy::Loaded::builtin()), policy::load);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}: {problems:?}", scenario.name));
    let mut engine = Engine::new(loaded, [0, 0]);
    for (name, text) in &scenario.files {
        engine.set_threats(name, text.as_bytes());
    }
    engine
}

#[test]
fn hold_in_the_library() {
    let mut failures = Vec::new();
    for (path, scenario) in scenarios() {
        let mut engine = engine(&scenario);
        let failed = scenario.run(|record, at| {
            let mut out = Vec::new();
            engine.inspect(record, at, &mut out);
            Ok::<_, std::convert::Infallible>(out)
        });
        for failure in failed.unwrap() {
            failures.push(format!("{}:{}: {}", path.display(), failure.line, failure.message));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn files_stay_beside_the_policy() {
    let read = |name: &str| Scenario::read(&format!("name: a\nfiles: {{{name}: x}}\nsteps: []\n"));
    assert!(read("lists/c2.txt").is_ok());
    for name in ["../c2.txt", "/etc/c2.txt", "a/../../b"] {
        assert!(read(name).unwrap_err().message.ends_with("is not a path beside the policy"), "{name}");
    }
}

#[cfg(feature = "cli")]
#[test]
fn give_the_same_bytes_in_the_guests() {
    use tidewaiter::host::Host;
    use tidewaiter::host::component::Component;
    use tidewaiter::host::fluent_bit::{FluentBit, Log};

    for (path, scenario) in scenarios() {
        let mut engine = engine(&scenario);
        let folder = tempfile::tempdir().unwrap();
        if let Some(policy) = &scenario.policy {
            std::fs::write(folder.path().join("tidewaiter.yaml"), policy).unwrap();
        }
        let mut module = FluentBit::new(&[(folder.path(), "policy")], Log::Kept).unwrap();
        let mut component = Component::new(scenario.policy.as_deref(), [0, 0]).unwrap();
        for (name, text) in &scenario.files {
            std::fs::write(folder.path().join(name), text).unwrap();
            component.set_threats(name, text.as_bytes()).unwrap();
        }
        let ran = scenario.run(|record, at| {
            let (mut from_library, mut from_module) = (Vec::new(), Vec::new());
            engine.inspect(record, at, &mut from_library);
            module.call(record, at, &mut from_module)?;
            let from_component = component.inspect(record, at)?.records;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(&from_library), text(&from_module), "{}", path.display());
            assert_eq!(text(&from_library), text(&from_component), "{}", path.display());
            Ok::<_, anyhow::Error>(from_library)
        });
        assert!(ran.unwrap().is_empty());
    }
}
