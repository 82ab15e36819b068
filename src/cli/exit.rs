//! Exit codes, and how a command that fails says why.

use std::fmt;
use std::process::ExitCode;

use super::style;

/// Findings, or expectations that failed, where that was asked.
pub const FINDINGS: u8 = 1;
/// The command line makes no sense; clap exits with the same code.
pub const USAGE: u8 = 2;
/// Something cannot be read or loaded.
pub const UNREADABLE: u8 = 3;

/// A usage that clap cannot see through.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Says on standard error what went wrong, and gives the exit code for it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // A reader that has seen enough is no failure.
    if error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(is_closed_pipe) {
        return ExitCode::SUCCESS;
    }
    style::error(&format!("{error:#}"));
    ExitCode::from(if error.is::<Usage>() { USAGE } else { UNREADABLE })
}

/// Whether whoever reads the output has gone.
pub fn is_closed_pipe(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}
