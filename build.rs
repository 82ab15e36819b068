//! Builds the guests, so that the command line can embed them.
//!
//! They come out of this very package: a nested cargo builds the library for WebAssembly, without the command line.
//! Nothing happens where the command line is off, or where the target is itself WebAssembly.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    let result = if is("CARGO_CFG_TARGET_FAMILY", "wasm") {
        export_allocator();
        Ok(())
    } else if env::var_os("CARGO_FEATURE_CLI").is_some() {
        keep_loaded();
        build_guests()
    } else {
        Ok(())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            println!("cargo::error={sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Lua unloads a module with its state, as Vector does at a reload. What handles a guest's traps must stay where it is.
fn keep_loaded() {
    if is("CARGO_CFG_TARGET_OS", "linux") {
        println!("cargo::rustc-link-arg-examples=-Wl,-z,nodelete");
    }
}

/// Fluent Bit's runtime asks a module that exports `malloc` and `free` for the buffers of its records. Those of
/// `src/guest/buffers.rs` come before libc's, which are still there under other names.
fn export_allocator() {
    if is("CARGO_CFG_TARGET_OS", "wasi") && is("CARGO_CFG_TARGET_ENV", "p1") {
        println!("cargo::rustc-link-arg=--allow-multiple-definition");
    }
}

fn build_guests() -> Result<(), String> {
    let package = path("CARGO_MANIFEST_DIR")?;
    let out = path("OUT_DIR")?;
    rerun_if_a_guest_changes(&package)?;

    let sysroot = sysroot()?;
    let rustlib = sysroot.join("lib").join("rustlib");
    let host = env::var("HOST").map_err(|error| format!("HOST: {error}"))?;
    let linker = rustlib.join(host).join("bin").join(format!("wasm-component-ld{}", env::consts::EXE_SUFFIX));

    for (target, linker, name) in [
        ("wasm32-wasip1", None, "tidewaiter.wasm"),
        // The linker that comes with the toolchain wraps the module as a component; the target itself has no imports.
        ("wasm32-unknown-unknown", Some(linker), "tidewaiter.component.wasm"),
    ] {
        if !rustlib.join(target).exists() {
            add_target(target)?;
        }
        let built = build_guest(&package, &shared(&out), target, linker)?;
        fs::copy(&built, out.join(name)).map_err(|error| format!("{}: {error}", built.display()))?;
    }
    Ok(())
}

/// What stands in `src` and is no part of a guest.
const NOT_IN_GUESTS: [&str; 4] = ["cli", "emulate", "host", "main.rs"];

fn rerun_if_a_guest_changes(package: &Path) -> Result<(), String> {
    for name in ["Cargo.toml", "Cargo.lock", "wit"] {
        println!("cargo::rerun-if-changed={name}");
    }
    let src = package.join("src");
    let entries = fs::read_dir(&src).map_err(|error| format!("{}: {error}", src.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !NOT_IN_GUESTS.iter().any(|other| name == *other) {
            println!("cargo::rerun-if-changed=src/{}", name.display());
        }
    }
    Ok(())
}

/// The folder that all profiles share, so that a guest is built once: `target/guests`, beside `target/debug`.
fn shared(out: &Path) -> PathBuf {
    // OUT_DIR is target/PROFILE/build/PACKAGE…/out.
    let build = out.ancestors().find(|path| path.file_name().is_some_and(|name| name == "build"));
    let target = build.and_then(Path::parent).and_then(Path::parent);
    target.unwrap_or(out).join("guests")
}

/// Builds one guest and gives its path.
fn build_guest(package: &Path, shared: &Path, target: &str, linker: Option<PathBuf>) -> Result<PathBuf, String> {
    let mut cargo = Command::new(path("CARGO")?);
    cargo.args(["rustc", "--lib", "--crate-type", "cdylib", "--profile", "guest", "--no-default-features", "--target"]);
    cargo.arg(target).arg("--target-dir").arg(shared).current_dir(package);
    if package.join("Cargo.lock").exists() {
        cargo.arg("--locked");
    }
    for (name, _) in env::vars_os().filter(|(name, _)| !is_for_guests(name)) {
        cargo.env_remove(name);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags().join("\u{1f}"));
    if let Some(linker) = linker {
        let name = target.to_uppercase().replace('-', "_");
        cargo.env(format!("CARGO_TARGET_{name}_LINKER"), linker);
    }
    if cargo.status().is_ok_and(|status| status.success()) {
        Ok(shared.join(target).join("guest").join("tidewaiter.wasm"))
    } else {
        Err(format!("the guest for {target} does not build; cargo's output says why"))
    }
}

/// The compiler's flags for the guests. Those of the outer build and of configuration files do not count: a module is
/// the same wherever it is built, and tells nobody where that was.
fn flags() -> Vec<String> {
    let mut flags = vec![
        // One small file is hashed, once.
        "--cfg=sha2_backend_soft=\"compact\"".to_owned(),
        // The linker merges strings, and writes addresses in as few bytes as they need.
        "-Clink-arg=-O2".to_owned(),
        "-Clink-arg=--compress-relocations".to_owned(),
    ];
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    if let Some(registry) = home.map(|home| home.join("registry").join("src")) {
        flags.push(format!("--remap-path-prefix={}=cargo", registry.display()));
    }
    flags
}

/// Whether a variable of the outer build means the nested one too: where cargo finds itself and the network, but
/// neither flags nor wrappers nor profiles, nor what a build script is told.
fn is_for_guests(name: &OsString) -> bool {
    const NAMES: [&str; 4] = ["CARGO", "CARGO_HOME", "CARGO_MAKEFLAGS", "RUSTC"];
    const GROUPS: [&str; 7] =
        ["CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_", "RUSTUP_", "RUST_"];
    const TOOLS: [&str; 5] = ["CARGO", "RUST", "CLIPPY", "__CARGO", "DEP_"];
    let Some(name) = name.to_str() else { return true };
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    NAMES.contains(&name) || begins(&GROUPS) || !begins(&TOOLS)
}

fn sysroot() -> Result<PathBuf, String> {
    let rustc = path("RUSTC")?;
    let output = Command::new(&rustc).args(["--print", "sysroot"]).output();
    let output = output.map_err(|error| format!("{}: {error}", rustc.display()))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}

fn add_target(target: &str) -> Result<(), String> {
    let toolchain = env::var("RUSTUP_TOOLCHAIN").ok();
    let toolchain = toolchain.iter().flat_map(|toolchain| ["--toolchain", toolchain.as_str()]);
    let arguments: Vec<_> = ["target", "add"].into_iter().chain(toolchain).chain([target]).collect();
    if Command::new("rustup").args(&arguments).status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(format!(
        "the guests need the Rust target {target}, which could not be added: type `rustup {}`",
        arguments.join(" ")
    ))
}

fn path(name: &str) -> Result<PathBuf, String> {
    env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set: cargo runs this file"))
}

fn is(name: &str, value: &str) -> bool {
    env::var(name).is_ok_and(|actual| actual == value)
}
