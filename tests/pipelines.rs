//! The shipped pipelines: what they say, and what they do in the real Fluent Bit where there is one.

#![cfg(all(unix, feature = "cli"))]
// Clippy knows a test by its attribute, and not what only tests call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "common/fluent_bit.rs"]
mod fluent_bit;
#[path = "common/mixed_records.rs"]
mod mixed_records;
#[path = "common/program.rs"]
mod program;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value as Json;
use tidewaiter::{host, policy};

use fluent_bit::{Place, Running};

const STRICT: &str = include_str!("../pipelines/policies/strict.yaml");

fn pipelines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")
}

fn read(name: &str) -> String {
    let path = pipelines().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of a YAML file.
fn documents(text: &str) -> Vec<Json> {
    let documents = text.split_inclusive("\n---\n").map(|text| text.trim_end_matches("---\n"));
    documents.map(|text| yaml_serde::from_str::<Json>(text).unwrap()).filter(|document| !document.is_null()).collect()
}

fn module() -> (&'static str, &'static [u8]) {
    host::modules()[0]
}

/// The module as it is shipped.
fn interpreted(_test: &str) -> Option<&'static [u8]> {
    Some(module().1)
}

/// The module compiled ahead of time, or one line that says why the test is left out.
fn ahead_of_time(test: &str) -> Option<&'static [u8]> {
    static COMPILED: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| fluent_bit::compile(module().1));
    let compiled = COMPILED.as_deref();
    if compiled.is_none() {
        eprintln!("{test}: skipped: no wamrc on the PATH, and TIDEWAITER_WAMRC does not name one");
    }
    compiled
}

/// What gives the module to run, by the name of the test.
type Form = fn(&str) -> Option<&'static [u8]>;

/// Fluent Bit, or one line that says why the rest of a test is left out.
fn program(test: &str) -> Option<PathBuf> {
    let program = fluent_bit::find();
    if program.is_none() {
        eprintln!("{test}: skipped: no fluent-bit on the PATH, and TIDEWAITER_FLUENT_BIT does not name one");
    }
    program
}

mod files {
    use super::*;

    fn yaml_files(folder: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(yaml_files(&path));
            } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
                files.push(path);
            }
        }
        files
    }

    #[test]
    fn every_yaml_file_is_yaml() {
        let files = yaml_files(&pipelines());
        assert!(files.len() >= 10, "{files:?}");
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            assert!(documents(&text).iter().all(Json::is_object), "{}", path.display());
        }
    }

    #[rstest::rstest]
    #[case("baseline")]
    #[case("strict")]
    #[case("air-gapped")]
    fn policies_have_nothing_to_complain_of(#[case] name: &str) {
        let text = read(&format!("policies/{name}.yaml"));
        let loaded = policy::load(&text).unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert_eq!(loaded.warnings, []);
        let first = text.lines().next();
        assert_eq!(first, Some("# yaml-language-server: $schema=./tidewaiter.schema.json"));
    }

    /// A section of a configuration: its kind, and its properties in their order.
    type Section = (String, Vec<(String, String)>);

    fn property(name: &str, value: &Json) -> (String, String) {
        let value = value.as_str().map_or_else(|| value.to_string(), String::from);
        (name.to_lowercase(), value)
    }

    fn section(kind: &str, properties: &Json) -> Section {
        let properties = properties.as_object().unwrap();
        (kind.into(), properties.iter().map(|(name, value)| property(name, value)).collect())
    }

    /// The sections of a YAML configuration and of what it includes.
    fn yaml(name: &str) -> Vec<Section> {
        let [file] = <[Json; 1]>::try_from(documents(&read(name))).unwrap();
        let folder = Path::new(name).parent().unwrap();
        let includes = file["includes"].as_array().into_iter().flatten();
        let mut sections: Vec<Section> =
            includes.flat_map(|name| yaml(folder.join(name.as_str().unwrap()).to_str().unwrap())).collect();
        sections.extend(file.get("service").map(|service| section("service", service)));
        for (kind, list) in [("parser", &file["parsers"])]
            .into_iter()
            .chain(["input", "filter", "output"].map(|kind| (kind, &file["pipeline"][format!("{kind}s")])))
        {
            sections.extend(list.as_array().into_iter().flatten().map(|properties| section(kind, properties)));
        }
        sections
    }

    /// The sections of a classic configuration and of what it includes.
    fn classic(name: &str) -> Vec<Section> {
        let folder = Path::new(name).parent().unwrap();
        let beside = |name: &str| classic(folder.join(name.trim()).to_str().unwrap());
        let mut sections: Vec<Section> = Vec::new();
        let mut parsers = Vec::new();
        for line in read(name).lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(kind) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                sections.push((kind.to_lowercase(), Vec::new()));
            } else if let Some(included) = line.strip_prefix("@INCLUDE ") {
                sections.extend(beside(included));
            } else {
                let (key, value) = line.split_once(char::is_whitespace).unwrap();
                if key == "parsers_file" {
                    parsers.extend(beside(value));
                } else {
                    sections.last_mut().unwrap().1.push((key.to_lowercase(), value.trim().into()));
                }
            }
        }
        sections.extend(parsers);
        sections
    }

    #[rstest::rstest]
    #[case::files("fluent-bit")]
    #[case::docker("docker")]
    #[case::kubernetes_events("kubernetes-events")]
    fn both_formats_say_the_same(#[case] name: &str) {
        // A stable sort: the order within a kind counts.
        let sorted = |mut sections: Vec<Section>| {
            sections.sort_by(|a, b| a.0.cmp(&b.0));
            sections
        };
        let yaml = sorted(yaml(&format!("fluent-bit/{name}.yaml")));
        let classic = sorted(classic(&format!("fluent-bit/{name}.conf")));
        assert!(yaml.len() >= 8, "{yaml:#?}");
        assert_eq!(yaml, classic);
    }

    /// What a pipeline has to say of the filter, and what it may leave to the defaults.
    fn check_filter(properties: &[(String, String)], folder: &str) {
        let get = |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(get("wasm_path"), Some(format!("{folder}/{}", module().0).as_str()));
        assert_eq!(get("event_format"), Some("json"));
        assert_eq!(get("wasm_heap_size").or(get("wasm_stack_size")), None);
        let function = get("function_name").unwrap();
        let exports = wasmparser::Parser::new(0).parse_all(module().1).filter_map(|payload| match payload.unwrap() {
            wasmparser::Payload::ExportSection(section) => Some(section),
            _ => None,
        });
        let mut exports = exports.flatten().map(|export| export.unwrap().name);
        assert!(exports.any(|name| name == function), "the module exports no {function}");
    }

    fn wasm_filters(sections: &[Section]) -> impl Iterator<Item = &Vec<(String, String)>> {
        let is_wasm = |properties: &[(String, String)]| properties.contains(&("name".into(), "wasm".into()));
        sections.iter().filter(move |(kind, properties)| kind == "filter" && is_wasm(properties)).map(|(_, it)| it)
    }

    #[test]
    fn the_filter_is_the_module() {
        let sections = yaml("fluent-bit/fluent-bit.yaml");
        let filters: Vec<_> = wasm_filters(&sections).collect();
        assert_eq!(filters.len(), 1);
        check_filter(filters[0], "${TIDEWAITER_HOME}");
    }

    fn manifest(kind: &str, name: &str) -> Json {
        let manifests = documents(&read("kubernetes/daemonset.yaml"));
        let found = manifests.into_iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    fn names(list: &Json) -> Vec<String> {
        list.as_array().into_iter().flatten().map(|it| it["name"].as_str().unwrap().into()).collect()
    }

    #[test]
    fn manifests_fit_together() {
        let manifests = documents(&read("kubernetes/daemonset.yaml"));
        for manifest in &manifests {
            for field in ["apiVersion", "kind"] {
                assert!(manifest[field].is_string(), "{manifest:#}");
            }
            let is_of_the_cluster =
                ["Namespace", "ClusterRole", "ClusterRoleBinding"].iter().any(|kind| manifest["kind"] == **kind);
            let namespace = manifest["metadata"]["namespace"].as_str();
            assert_eq!(namespace, (!is_of_the_cluster).then_some("tidewaiter"), "{manifest:#}");
        }

        let pod = &manifest("DaemonSet", "tidewaiter")["spec"]["template"];
        let selector = &manifest("DaemonSet", "tidewaiter")["spec"]["selector"]["matchLabels"];
        assert_eq!(*selector, pod["metadata"]["labels"]);
        manifest("ServiceAccount", pod["spec"]["serviceAccountName"].as_str().unwrap());
        let binding = manifest("ClusterRoleBinding", "tidewaiter");
        manifest("ClusterRole", binding["roleRef"]["name"].as_str().unwrap());
        assert_eq!(binding["subjects"][0]["name"], pod["spec"]["serviceAccountName"]);

        let container = &pod["spec"]["containers"][0];
        let volumes = names(&pod["spec"]["volumes"]);
        assert_eq!(sorted(names(&container["volumeMounts"])), sorted(volumes));
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert!(mount["subPath"].is_null(), "a file that is mounted by subPath never changes: {mount}");
        }
        let security = &container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["capabilities"]["drop"][0], "ALL");

        let kustomization = &documents(&read("kubernetes/kustomization.yaml"))[0];
        let generated = names(&kustomization["configMapGenerator"]);
        assert_eq!(kustomization["configMapGenerator"][0]["files"][0], module().0);
        for volume in pod["spec"]["volumes"].as_array().unwrap() {
            let Some(name) = volume["configMap"]["name"].as_str() else { continue };
            if !generated.iter().any(|generated| generated == name) {
                manifest("ConfigMap", name);
            }
        }
    }

    fn sorted(mut names: Vec<String>) -> Vec<String> {
        names.sort();
        names
    }

    /// The path at which a container of the DaemonSet has a volume.
    fn mounted(container: &Json, volume: &str) -> String {
        let mounts = container["volumeMounts"].as_array().unwrap();
        mounts.iter().find(|mount| mount["name"] == volume).unwrap()["mountPath"].as_str().unwrap().into()
    }

    #[test]
    fn the_cluster_runs_the_module_with_the_baseline_policy() {
        assert_eq!(
            manifest("ConfigMap", "tidewaiter-policy")["data"]["tidewaiter.yaml"],
            read("policies/baseline.yaml")
        );

        let daemon_set = manifest("DaemonSet", "tidewaiter");
        let container = &daemon_set["spec"]["template"]["spec"]["containers"][0];
        let configuration = format!("{}/fluent-bit.yaml", mounted(container, "pipeline"));
        assert_eq!(container["args"][0], format!("--config={configuration}"));

        let pipeline = manifest("ConfigMap", "tidewaiter-pipeline");
        let pipeline: Json = yaml_serde::from_str(pipeline["data"]["fluent-bit.yaml"].as_str().unwrap()).unwrap();
        let filters: Vec<_> =
            pipeline["pipeline"]["filters"].as_array().unwrap().iter().map(|it| section("filter", it)).collect();
        let wasm: Vec<_> = wasm_filters(&filters).collect();
        check_filter(wasm[0], &mounted(container, "module"));
        let paths = format!("{},{}", mounted(container, "policy"), mounted(container, "state"));
        assert!(wasm[0].contains(&("accessible_paths".into(), paths)));
    }

    #[test]
    fn each_config_map_has_room() {
        // The limit holds for a whole object, and the module goes over the wire in base64.
        const LIMIT: usize = 1 << 20;
        assert!(module().1.len().div_ceil(3) * 4 < LIMIT, "{}", module().1.len());
        for manifest in documents(&read("kubernetes/daemonset.yaml")) {
            assert!(manifest.to_string().len() < LIMIT / 8);
        }
    }

    /// The sections of the chart's values, as the chart puts them into one file.
    fn chart() -> (Json, String) {
        let [values] = <[Json; 1]>::try_from(documents(&read("kubernetes/values.yaml"))).unwrap();
        let sections = ["service", "inputs", "filters", "outputs"];
        let text = sections.map(|name| values["config"][name].as_str().unwrap().to_string()).concat();
        (values, text)
    }

    #[test]
    fn the_charts_values_fit_together() {
        let (values, text) = chart();
        assert!(!text.contains("{{"), "the chart reads it as a template");
        assert_eq!(sorted(names(&values["extraVolumeMounts"])), sorted(names(&values["extraVolumes"])));
        let at = |name: &str| mounted(&serde_json::json!({ "volumeMounts": values["extraVolumeMounts"] }), name);
        for line in [
            format!("wasm_path {}/{}", at("tidewaiter-module"), module().0),
            format!("accessible_paths {},{}", at("tidewaiter-policy"), at("tidewaiter-state")),
            format!("db {}/tail.db", at("tidewaiter-state")),
            "function_name tidewaiter".into(),
        ] {
            let said = text.lines().any(|said| said.split_whitespace().eq(line.split_whitespace()));
            assert!(said, "{line} is not in\n{text}");
        }
        let maps = values["extraVolumes"].as_array().unwrap().iter().filter_map(|it| it["configMap"]["name"].as_str());
        for name in maps {
            let readme = read("kubernetes/README.md");
            assert!(readme.contains(&format!("create configmap {name} ")), "the README does not make {name}");
        }
    }

    #[test]
    fn fluent_bit_accepts_what_the_cluster_runs() {
        let Some(program) = program("fluent_bit_accepts_what_the_cluster_runs") else { return };
        let place = Place::new(module().1, STRICT);
        let pipeline = manifest("ConfigMap", "tidewaiter-pipeline");
        let pipeline = pipeline["data"]["fluent-bit.yaml"].as_str().unwrap().to_string();
        for (name, text) in [("cluster.yaml", pipeline), ("chart.conf", chart().1)] {
            // It looks for the module even when it only checks.
            let text = text.replace("/tidewaiter/module", place.home().to_str().unwrap());
            let path = place.path().join(name);
            fs::write(&path, text).unwrap();
            let output = Command::new(&program).arg("--dry-run").arg("--config").arg(&path).output().unwrap();
            assert!(output.status.success(), "{name}\n{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    #[rstest::rstest]
    #[case::from_a_config_map(None, "configMap")]
    #[case::from_an_init_container(Some("init-container.yaml"), "emptyDir")]
    #[case::from_an_image(Some("image-volume.yaml"), "image")]
    fn kustomize_brings_the_module(#[case] patch: Option<&str>, #[case] kind: &str) {
        let place = Place::new(module().1, STRICT);
        let folder = place.path().join("kubernetes");
        fs::create_dir(&folder).unwrap();
        for name in ["kustomization.yaml", "daemonset.yaml"].into_iter().chain(patch) {
            fs::write(folder.join(name), read(&format!("kubernetes/{name}"))).unwrap();
        }
        fs::write(folder.join(module().0), module().1).unwrap();
        if let Some(patch) = patch {
            let mut file = documents(&read("kubernetes/kustomization.yaml")).remove(0);
            file.as_object_mut().unwrap().shift_remove("configMapGenerator");
            file["patches"] = serde_json::json!([{ "path": patch }]);
            fs::write(folder.join("kustomization.yaml"), yaml_serde::to_string(&file).unwrap()).unwrap();
        }
        let output = match Command::new("kubectl").arg("kustomize").arg(&folder).output() {
            Ok(output) => output,
            Err(error) => return eprintln!("kustomize_brings_the_module: skipped: kubectl: {error}"),
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

        let built = documents(&String::from_utf8(output.stdout).unwrap());
        let pod = &built.iter().find(|it| it["kind"] == "DaemonSet").unwrap()["spec"]["template"]["spec"];
        let volume = pod["volumes"].as_array().unwrap().iter().find(|it| it["name"] == "module").unwrap();
        let kinds: Vec<&String> = volume.as_object().unwrap().keys().filter(|key| *key != "name").collect();
        assert_eq!(kinds, [kind]);
        if patch.is_none() {
            let map = built.iter().find(|it| it["metadata"]["name"] == volume["configMap"]["name"]).unwrap();
            assert!(map["binaryData"][module().0].is_string());
        }
        let init = pod["initContainers"].as_array().into_iter().flatten();
        for container in init.chain(pod["containers"].as_array().unwrap()) {
            assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
        }
    }
}

/// A copy of a configuration without its `wasm` filter.
fn without_filter(text: &str, format: &str) -> String {
    let (begin, next) = match format {
        "yaml" => ("    - name: wasm\n", "\n\n"),
        _ => ("[FILTER]\n    name             wasm\n", "\n\n"),
    };
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(next).unwrap();
    format!("{before}{after}")
}

/// Runs a configuration over lines of NDJSON until the last one is out, and gives the log.
fn run(program: &Path, place: &Place, configuration: &Path, lines: &[Vec<u8>]) -> String {
    fs::write(place.input().join("records.ndjson"), [lines.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
    let mut running = place.start(program, configuration, &[]);
    running.wait_until("the last record is out", || {
        let text = fs::read(place.output().join("records.ndjson")).unwrap_or_default();
        text.windows(mixed_records::LAST.len()).rev().take(1000).any(|part| part == mixed_records::LAST.as_bytes())
    });
    running.end()
}

/// A record that came out, without the enrichment, and the enrichment.
fn split(line: &str) -> (String, Option<Json>) {
    let mut record: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:.300}"));
    let enrichment = record.as_object_mut().and_then(|record| record.shift_remove("tidewaiter"));
    // The text again, so that the order of the members counts.
    (record.to_string(), enrichment)
}

fn is_match(line: &str) -> bool {
    split(line).1.is_some_and(|enrichment| enrichment["verdict"] == "match")
}

#[rstest::rstest]
#[case("yaml", interpreted)]
#[case("conf", interpreted)]
#[case::ahead_of_time("yaml", ahead_of_time)]
fn loses_nothing_and_changes_nothing(#[case] format: &str, #[case] module: Form) {
    const TEST: &str = "loses_nothing_and_changes_nothing";
    let Some(program) = program(TEST) else { return };
    let Some(module) = module(TEST) else { return };
    let shipped = pipelines().join("fluent-bit").join(format!("fluent-bit.{format}"));
    let lines = mixed_records::lines();

    let with = Place::new(module, STRICT);
    let log = run(&program, &with, &shipped, &lines);
    assert!(!log.contains("[error]"), "{log}");
    let id = policy::load(STRICT).unwrap().id;
    assert!(log.contains(&format!("policy {id} from {}", with.home().display())), "{log}");

    let without = Place::new(module, STRICT);
    let copy = without.path().join(format!("pipeline.{format}"));
    fs::write(&copy, without_filter(&fs::read_to_string(&shipped).unwrap(), format)).unwrap();
    fs::copy(pipelines().join("fluent-bit/parsers.conf"), without.path().join("parsers.conf")).unwrap();
    run(&program, &without, &copy, &lines);

    let (enriched, plain) = (with.lines("records.ndjson"), without.lines("records.ndjson"));
    assert_eq!(plain.len(), lines.len());
    assert_eq!(enriched.len(), lines.len());
    let mut sources = Vec::new();
    let mut verdicts = Vec::new();
    for (enriched, plain) in enriched.iter().zip(&plain) {
        let ((record, enrichment), (expected, own)) = (split(enriched), split(plain));
        assert!(record == expected, "{record:.300}\nis not\n{expected:.300}");
        match enrichment {
            // A record that is no container event comes out with whatever it had under the key.
            enrichment if enrichment == own => {}
            Some(enrichment) => {
                sources.extend(enrichment["source"].as_str().map(String::from));
                verdicts.extend(enrichment["verdict"].as_str().map(String::from));
                assert_eq!(enrichment["policy"], id.as_str());
            }
            None => panic!("lost its own {own:?}: {enriched:.300}"),
        }
    }
    for list in [&mut sources, &mut verdicts] {
        list.sort();
        list.dedup();
    }
    assert_eq!(sources, mixed_records::SOURCES);
    assert!(
        ["clean", "match", "suppressed"].iter().all(|verdict| verdicts.iter().any(|it| it == verdict)),
        "{verdicts:?}"
    );

    let matches: Vec<&String> = enriched.iter().filter(|line| is_match(line)).collect();
    let detections = with.lines("detections.ndjson");
    assert!(!matches.is_empty());
    assert!(detections.iter().eq(matches), "{} detections", detections.len());
}

#[rstest::rstest]
#[case::interpreted(interpreted)]
#[case::ahead_of_time(ahead_of_time)]
fn nesting_has_no_end(#[case] module: Form) {
    const TEST: &str = "nesting_has_no_end";
    let Some(program) = program(TEST) else { return };
    let Some(module) = module(TEST) else { return };
    let shipped = read("fluent-bit/fluent-bit.yaml");
    // Without its parser: that is what does not survive such a line, with a filter or without. The text is read through.
    let as_text = shipped.replacen("      parser: ndjson\n", "", 1);
    assert_ne!(as_text, shipped);
    let event =
        r#"{"Type":"container","Action":"start","Actor":{"ID":"f0","Attributes":{"image":"evil/xmrig","name":"w"}}}"#;
    let nested = |open: &str, close: &str| format!(r#"{{"o":{}{}}}"#, open.repeat(100_000), close.repeat(100_000));
    let lines: Vec<Vec<u8>> = [event, &nested("[", "]"), event, &nested(r#"{"a":"#, "}"), event, mixed_records::LAST]
        .map(|line| line.as_bytes().to_vec())
        .to_vec();
    let last = serde_json::json!({ "log": mixed_records::LAST }).to_string();

    let place = Place::new(module, STRICT);
    let pipeline = place.path().join("pipeline.yaml");
    fs::write(&pipeline, as_text).unwrap();
    fs::write(place.input().join("records.ndjson"), [lines.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
    let mut running = place.start(&program, &pipeline, &[]);
    running.wait_until("the last record is out", || place.lines("records.ndjson").last() == Some(&last));
    running.end();

    let out = place.lines("records.ndjson");
    let texts: Vec<_> = out.iter().map(|line| serde_json::from_str::<Json>(line).unwrap()["log"].clone()).collect();
    assert!(texts.iter().zip(&lines).all(|(text, line)| text.as_str().unwrap().as_bytes() == line.as_slice()));
    assert_eq!(texts.len(), lines.len());
    assert_eq!(
        out.iter().map(|line| split(line).1.is_some()).collect::<Vec<_>>(),
        [true, false, true, false, true, false]
    );
}

/// Whoever can write a log line could end Fluent Bit with a number, if a record with it came back as it was.
#[test]
fn numbers_that_cannot_be_read_back_end_nothing() {
    const TEST: &str = "numbers_that_cannot_be_read_back_end_nothing";
    let Some(program) = program(TEST) else { return };
    let script = "function make(tag, time, record) \
                  local made = ({inf = 1/0, below = -1/0, nan = 0/0})[record.make] \
                  if made then record.made = made return 2, time, record end return 0, time, record end";
    let lua = format!("    - name: lua\n      match: '*'\n      call: make\n      code: \"{script}\"\n");
    let pipeline = read("fluent-bit/fluent-bit.yaml").replacen("    - name: wasm\n", &(lua + "    - name: wasm\n"), 1);
    let event = |more: &str| {
        format!(
            r#"{{"Type":"container","Action":"start","Actor":{{"ID":"f0","Attributes":{{"image":"evil/xmrig","name":"w"}}}},{more}}}"#
        )
    };
    let numbers = [r#""a":1.7976931348623157e308"#, r#""a":[-1.7976931348623157e308]"#];
    let made = [r#""make":"inf""#, r#""make":"below""#, r#""make":"nan""#];
    let lines = numbers.into_iter().chain(made).map(event);
    let lines: Vec<Vec<u8>> = lines.chain([mixed_records::LAST.to_owned()]).map(String::into_bytes).collect();

    let place = Place::new(module().1, STRICT);
    let path = place.path().join("pipeline.yaml");
    fs::write(&path, pipeline).unwrap();
    let log = run(&program, &place, &path, &lines);
    assert!(!log.contains("[error]"), "{log}");

    let out = place.lines("records.ndjson");
    assert_eq!(out.len(), lines.len());
    let records: Vec<Json> = out.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records[0]["a"], 1.797_693_134_862_315e308);
    assert_eq!(records[1]["a"][0], -1.797_693_134_862_315e308);
    for record in &records[2..5] {
        assert!(record["make"].is_string() && record["made"].is_null(), "{record}");
    }
    assert!(records[..5].iter().all(|record| record["tidewaiter"]["detections"][0]["rule"] == "unauthorized-image"));
}

#[test]
fn a_changed_policy_is_read_while_it_runs() {
    let Some(program) = program("a_changed_policy_is_read_while_it_runs") else { return };
    let event = r#"{"Type":"container","Action":"start","Actor":{"ID":"f0","Attributes":{"image":"ghcr.io/acme/a:1","name":"w"}}}"#;
    let (strict, lenient) = ("images: {allow: [registry.corp.example]}", "images: {allow: [ghcr.io/acme/**]}");
    let place = Place::new(module().1, strict);
    let mut input = fs::File::create(place.input().join("records.ndjson")).unwrap();
    let mut running = place.start(&program, &pipelines().join("fluent-bit/fluent-bit.yaml"), &[]);

    let id = |policy: &str| policy::load(policy).unwrap().id;
    // Writes an event whenever the last one is out, until one was judged as expected.
    let mut judged = |running: &mut Running, verdict: &str, policy: &str| {
        let mut written = place.lines("records.ndjson").len();
        running.wait_until(&format!("an event is {verdict} by {policy}"), || {
            let out = place.lines("records.ndjson");
            if out.len() >= written {
                written = out.len() + 1;
                writeln!(input, "{event}").unwrap();
            }
            out.last().is_some_and(|line| {
                let enrichment = split(line).1.unwrap();
                let by = enrichment["policy"].as_str().unwrap();
                enrichment["verdict"] == verdict && by.starts_with(policy)
            })
        });
    };
    let replace = |policy: &str| {
        fs::write(place.home().join("new"), policy).unwrap();
        fs::rename(place.home().join("new"), place.home().join("tidewaiter.yaml")).unwrap();
    };
    judged(&mut running, "match", &id(strict));
    replace(lenient);
    judged(&mut running, "clean", &id(lenient));
    replace("images: {alow: []}");
    judged(&mut running, "clean", &format!("{} (a newer one does not parse", id(lenient)));
    let log = running.end();
    assert_eq!(log.matches("unknown key").count(), 1, "{log}");
}

/// What was learned survives `kill -9`: an episode goes on and does not alert again, and nothing is learned anew.
#[rstest::rstest]
#[case::interpreted(interpreted)]
#[case::ahead_of_time(ahead_of_time)]
fn goes_on_where_it_was_killed(#[case] module: Form) {
    const TEST: &str = "goes_on_where_it_was_killed";
    let Some(program) = program(TEST) else { return };
    let Some(module) = module(TEST) else { return };
    let place = Place::new(module, "images: {allow: [quay.io/acme/**]}\nbaseline: {learn_for: 60s}");
    // Time is that of the records.
    let shipped = read("fluent-bit/fluent-bit.yaml");
    let timed = shipped.replacen(
        "    format: json\n",
        "    format: json\n    time_key: at\n    time_format: '%s'\n    time_keep: true\n",
        1,
    );
    assert_ne!(timed, shipped);
    let pipeline = place.path().join("pipeline.yaml");
    fs::write(&pipeline, timed).unwrap();

    let mut input = fs::File::create(place.input().join("records.ndjson")).unwrap();
    let mut write = |image: &str, second: u32| {
        let at = 1_790_000_000 + second;
        writeln!(
            input,
            r#"{{"Type":"container","Action":"start","at":"{at}","Actor":{{"ID":"f0","Attributes":{{"image":"{image}","name":"w"}}}}}}"#
        )
        .unwrap();
    };
    let found = |image: &str| {
        let lines = place.lines("records.ndjson");
        let line = lines.iter().rfind(|line| line.contains(image))?;
        Some(split(line).1?["detections"].get(0)?.clone())
    };

    let mut running = place.start(&program, &pipeline, &[]);
    write("evil/x", 0);
    (1..200).for_each(|second| write(&format!("quay.io/acme/app-{second}:1"), second));
    write("evil/first", 200);
    running.wait_until("the first part is out", || found("evil/first").is_some());
    let before = found("evil/x").unwrap();
    assert_eq!((&before["state"], &before["suppressed"]), (&"new".into(), &Json::Null));
    drop(running);
    assert!(place.home().join("state/learning-00").is_file());

    let mut running = place.start(&program, &pipeline, &[]);
    write("evil/x", 300);
    write("evil/second", 301);
    running.wait_until("the second part is out", || found("evil/second").is_some());
    let log = running.end();
    assert!(log.contains(&format!("{}/state: ", place.home().display())) && log.contains(" parts restored"), "{log}");
    let after = found("evil/x").unwrap();
    assert_eq!(after["episode"], before["episode"]);
    assert_eq!([&after["state"], &after["suppressed"]], ["ongoing", "cooldown"]);
    assert_eq!(after["baseline"], "restored");
}

#[rstest::rstest]
#[case("yaml")]
#[case("conf")]
fn reads_the_events_of_docker(#[case] format: &str) {
    let Some(program) = program("reads_the_events_of_docker") else { return };
    let place = Place::new(module().1, STRICT);
    let socket = place.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let shipped = pipelines().join("fluent-bit").join(format!("docker.{format}"));
    let mut running = place.start(&program, &shipped, &[("TIDEWAITER_DOCKER", socket.to_str().unwrap())]);

    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    running.wait_until("it connects", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let stream = accepted.unwrap().0;
    stream.set_nonblocking(false).unwrap();
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).unwrap();
    assert!(request.starts_with("GET /events "), "{request}");
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n").unwrap();
    // It takes whatever comes with the head for the head.
    running.wait_until("it listens", || place.path().join("log").metadata().unwrap().len() > 0 && is_listening(&place));
    let event = |image: &str| {
        format!(
            r#"{{"Type":"container","Action":"start","Actor":{{"ID":"f0","Attributes":{{"image":"{image}","name":"w"}}}}}}"#
        )
    };
    // Both at once: they come as one record.
    let events = format!(
        "{}\n{}\n",
        event("registry.k8s.io/pause@sha256:5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270"),
        event("evil/xmrig")
    );
    stream.get_mut().write_all(events.as_bytes()).unwrap();
    running.wait_until("the events are out", || !place.lines("detections.ndjson").is_empty());

    let record: Json = serde_json::from_str(&place.lines("detections.ndjson")[0]).unwrap();
    assert_eq!(record["message"], events);
    assert_eq!(record["tidewaiter"]["source"], "docker");
    assert_eq!(record["tidewaiter"]["detections"][0]["reason"], "denied");
}

fn is_listening(place: &Place) -> bool {
    fs::read_to_string(place.path().join("log")).is_ok_and(|log| log.contains("listening for events on"))
}

#[rstest::rstest]
#[case("yaml")]
#[case("conf")]
fn reads_the_events_of_kubernetes(#[case] format: &str) {
    let Some(program) = program("reads_the_events_of_kubernetes") else { return };
    let place = Place::new(module().1, STRICT);
    let token = place.path().join("token");
    fs::write(&token, "secret").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer_as_the_api_server(BufReader::new(stream.unwrap()));
        }
    });
    let shipped = pipelines().join("fluent-bit").join(format!("kubernetes-events.{format}"));
    let variables =
        [("TIDEWAITER_KUBERNETES", server.as_str()), ("TIDEWAITER_KUBERNETES_TOKEN", token.to_str().unwrap())];
    let mut running = place.start(&program, &shipped, &variables);
    running.wait_until("both events are out", || place.lines("detections.ndjson").len() == 2);
    for (line, pod) in place.lines("detections.ndjson").iter().zip(["listed", "watched"]) {
        let record: Json = serde_json::from_str(line).unwrap();
        assert_eq!(record["involvedObject"]["name"], pod);
        assert_eq!(record["tidewaiter"]["source"], "kubernetes-event");
        assert_eq!(record["tidewaiter"]["tags"][0], "unauthorized-image");
    }
}

/// Answers requests on a connection as the API server does: a list first, then a watch that stays open.
fn answer_as_the_api_server(mut stream: BufReader<std::net::TcpStream>) {
    let event = |pod: &str, version: u32| {
        // Younger than an hour, or Fluent Bit leaves it out: a time that never grows old.
        let time = "2099-01-01T00:00:00Z";
        format!(
            r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"{pod}.1","namespace":"shop","uid":"{pod}","resourceVersion":"{version}","creationTimestamp":"{time}"}},"involvedObject":{{"kind":"Pod","namespace":"shop","name":"{pod}","uid":"p"}},"reason":"Pulling","message":"Pulling image \"evil/xmrig:1\"","source":{{"component":"kubelet","host":"n"}},"firstTimestamp":"{time}","lastTimestamp":"{time}","count":1,"type":"Normal"}}"#
        )
    };
    loop {
        let mut request = String::new();
        if stream.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
        }
        let answer = if request.contains("watch=1") {
            let chunk = format!(r#"{{"type":"ADDED","object":{}}}"#, event("watched", 12)) + "\n";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            format!("{head}{:x}\r\n{chunk}\r\n", chunk.len())
        } else {
            let list = format!(
                r#"{{"kind":"EventList","apiVersion":"v1","metadata":{{"resourceVersion":"11"}},"items":[{}]}}"#,
                event("listed", 11)
            );
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{list}", list.len())
        };
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
