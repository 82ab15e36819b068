//! `guests`: the WebAssembly modules, as files.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tidewaiter::host;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder to write them to; it is made when it is not there
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = &arguments.output;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, bytes) in host::modules() {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        anstream::eprintln!("{} ({} kB)", path.display(), bytes.len().div_ceil(1000));
    }
    Ok(ExitCode::SUCCESS)
}
