//! Colours, where a terminal wants them: `NO_COLOR` and pipes are heeded by `anstream`.

use anstyle::{AnsiColor, Style};

/// What failed, or what is severe.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What to look at.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// What is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What stands back.
pub const DIM: Style = Style::new().dimmed();
/// What stands out.
pub const BOLD: Style = Style::new().bold();

/// Prints an error on standard error.
pub fn error(message: &str) {
    anstream::eprintln!("{BAD}error{BAD:#}: {message}");
}

/// Prints a warning on standard error.
pub fn warning(message: &str) {
    anstream::eprintln!("{WARN}warning{WARN:#}: {message}");
}

/// `1 record`, `2 records`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
