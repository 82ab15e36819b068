//! The policy's file, which may change at any time.

use std::path::PathBuf;

use anyhow::Context as _;

use super::threats::Threats;
use crate::policy::{self, Loaded};

/// The last policy that parses, and a newer one that does not.
pub struct PolicyFile {
    path: Option<PathBuf>,
    text: Option<String>,
    field: String,
    threat_files: Vec<String>,
    bad: Option<String>,
    /// That the file cannot be read was said.
    is_missed: bool,
}

/// What came of looking at the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// What it was.
    Same,
    /// Another policy, which holds now.
    New,
    /// A policy that does not parse.
    Bad,
}

impl PolicyFile {
    /// Reads the file for the first time. One that does not parse does not silence the pipeline: the built-in policy
    /// holds until it does.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: Option<PathBuf>, say: impl Fn(&str)) -> anyhow::Result<Self> {
        let field = Loaded::builtin().policy.output.field;
        let mut policy = Self { path, text: None, field, threat_files: Vec::new(), bad: None, is_missed: false };
        if let Some(path) = &policy.path {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            policy.take(text, say);
        }
        Ok(policy)
    }

    /// The text of the policy that holds; none for the built-in one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The text of a newer policy, which does not parse.
    #[must_use]
    pub fn bad(&self) -> Option<&str> {
        self.bad.as_deref()
    }

    /// The key of the enrichment.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The lists of hostile destinations that the policy that holds names, to be read from the beginning.
    #[must_use]
    pub fn threats(&self) -> Threats {
        Threats::beside(self.path.as_ref(), &self.threat_files)
    }

    /// Looks whether the file has changed. Whoever asks for it is told again what is wrong with it.
    pub fn look(&mut self, is_asked: bool, say: impl Fn(&str)) -> Seen {
        let Some(path) = &self.path else { return Seen::Same };
        match std::fs::read_to_string(path) {
            Ok(text) => {
                self.is_missed = false;
                let last = self.bad.as_ref().or(self.text.as_ref());
                if last == Some(&text) && !is_asked {
                    return Seen::Same;
                }
                self.take(text, say)
            }
            Err(error) => {
                if !self.is_missed || is_asked {
                    say(&format!("cannot read {}: {error}; the policy stays", path.display()));
                    self.is_missed = true;
                }
                Seen::Same
            }
        }
    }

    fn take(&mut self, text: String, say: impl Fn(&str)) -> Seen {
        match policy::load(&text) {
            Ok(loaded) => {
                self.field = loaded.policy.output.field;
                self.threat_files = loaded.policy.traffic.threat_files;
                self.text = Some(text);
                self.bad = None;
                Seen::New
            }
            Err(problems) => {
                let path = self.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
                let first = problems.first().map_or_else(String::new, ToString::to_string);
                say(&format!("{path} is no policy: {first}; the one before stays"));
                self.bad = Some(text);
                Seen::Bad
            }
        }
    }
}
