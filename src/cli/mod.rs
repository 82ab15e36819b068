//! What can be asked of the command line.

pub mod check;
pub mod chunks;
pub mod demo;
pub mod diff;
pub mod emulate;
pub mod exit;
pub mod explain;
pub mod findings;
pub mod generate;
pub mod guests;
pub mod input;
pub mod learn;
pub mod observe;
pub mod report;
pub mod run;
pub mod score;
pub mod serve;
pub mod state;
pub mod store;
pub mod style;
pub mod test;

use clap::{Parser, Subcommand, ValueEnum};

/// Enriches container events and tags those that match a detection, with the very modules that log shippers load.
///
/// Data goes to standard output, talk to standard error. Exit codes: 0 fine; 1 findings or failed expectations, where
/// that was asked; 2 usage; 3 cannot read or load.
#[derive(Debug, Parser)]
#[command(name = "tidewaiter", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Options {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a short, labelled stream of container events through the module, and say what it found
    Demo(demo::Arguments),
    /// Enrich records: newline-delimited JSON in, the same lines in the same order out
    Run(run::Arguments),
    /// Enrich what is sent by HTTP: the sidecar of Vector, and of anything that can POST
    Serve(serve::Arguments),
    /// Check policies, and show what is wrong where
    Check(check::Arguments),
    /// Run scenario files: a policy, records, and what is expected of them
    Test(test::Arguments),
    /// Explain a rule, or why a record gets the verdict that it gets
    Explain(explain::Arguments),
    /// Print a labelled stream of records: adversaries in a busy cluster
    Emulate(emulate::Arguments),
    /// Measure what the module finds of such a stream, and what it takes for hostile that is not
    Score(score::Arguments),
    /// Write a page for analysts from records that were tagged: findings, evidence in pictures, what to do
    Report(report::Arguments),
    /// Write a policy and a baseline from history: an allow list, and what to look at
    Learn(learn::Arguments),
    /// Look into what was learned, or bring together what many collectors have
    State(state::Arguments),
    /// Write the WebAssembly modules, to be mounted in a log shipper
    Guests(guests::Arguments),
    /// Print the JSON Schema of policies
    Schema,
    /// Print a completion script for a shell
    Completions(generate::CompletionsArguments),
    /// Write the manual pages
    Man(generate::ManArguments),
}

/// Which of the shipped guests to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Guest {
    /// The component
    Component,
    /// The module that Fluent Bit loads, by Fluent Bit's own calling convention
    FluentBit,
}

/// How findings and reports are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// One JSON document a line
    Ndjson,
}
