//! `tidewaiter.yaml`: what the user allows, expects and excuses. Every default is in `types.rs`, everything that a file
//! may contain in `schema.rs`.

mod check;
mod decode;
mod document;
mod excuse;
mod json_schema;
mod lint;
mod scalar;
mod schema;
mod types;

pub use excuse::Excused;
pub use json_schema::json_schema;
pub use types::*;

use sha2::{Digest, Sha256};

use crate::time::Time;
use document::Document;

/// A policy with the id that records give it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// `default`, or `sha256:` and the first 16 hexadecimal digits of the SHA-256 of the file.
    pub id: String,
    /// What is allowed but hardly meant.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// The policy that holds without a file.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            policy: Policy::default(),
            id: "default".into(),
            warnings: Vec::new(),
        }
    }
}

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// How many characters are meant; at least 1.
    pub length: usize,
    /// What is wrong, with the offending value.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// Reads a policy: YAML, and so JSON too. An empty file is a policy that leaves everything at its default.
///
/// ```
/// use tidewaiter::policy::load;
///
/// let loaded = load("images: {allow: [ghcr.io/acme/**]}").map_err(|problems| problems[0].to_string())?;
/// assert_eq!(loaded.policy.images.rules.len(), 1);
///
/// let problems = load("images:\n  alow: [ghcr.io/acme/**]").unwrap_err();
/// assert_eq!(problems[0].to_string(), r#"line 2, column 3: unknown key "alow" in images (did you mean "allow"?)"#);
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// All that is wrong with it, in the order of the file: the first 1,000 problems, or the one for which it is no YAML.
pub fn load(text: &str) -> Result<Loaded, Vec<Problem>> {
    let document = checked(text, None)?;
    let policy = decode::policy(&document);
    let mut warnings = lint::warnings(&document, &policy);
    document::settle(text, &mut warnings);
    Ok(Loaded {
        policy,
        id: id(text),
        warnings,
    })
}

/// The places at which a policy has an `until` that is over at a time. None for a text that is no policy.
#[must_use]
pub fn expired(text: &str, now: Time) -> Vec<Problem> {
    match load(text) {
        Ok(_) => checked(text, Some(now)).err().unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// The document of a policy that has no problems. With a time, an `until` that is over is one.
fn checked(text: &str, now: Option<Time>) -> Result<Document<'_>, Vec<Problem>> {
    let (document, mut problems) = match Document::read(text) {
        Ok(document) => {
            let problems = check::problems(&document, now);
            (document, problems)
        }
        Err(problem) => (Document::default(), vec![problem]),
    };
    if problems.is_empty() {
        return Ok(document);
    }
    document::settle(text, &mut problems);
    Err(problems)
}

/// The id of a policy by its text.
fn id(text: &str) -> String {
    let mut id = String::from("sha256:");
    for byte in Sha256::digest(text.as_bytes()).iter().take(8) {
        for digit in [byte >> 4, byte & 15] {
            id.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    id
}
