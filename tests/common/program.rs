//! Programs that tests use where they are there.

use std::env;
use std::path::PathBuf;

/// The program that a variable names, or else the one of a name on the `PATH`. An empty variable says that there is none.
pub fn find(variable: &str, name: &str) -> Option<PathBuf> {
    match env::var_os(variable) {
        Some(program) if program.is_empty() => None,
        Some(program) => Some(program.into()),
        None => {
            let path = env::var_os("PATH")?;
            env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
        }
    }
}
