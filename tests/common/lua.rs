//! The module for Lua.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Builds it, where it is not as the sources are, and gives its path.
pub fn module() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "tidewaiter_lua"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success());
        let program = Path::new(env!("CARGO_BIN_EXE_tidewaiter"));
        program.with_file_name("examples").join("libtidewaiter_lua.so")
    };
    BUILT.get_or_init(build).clone()
}
