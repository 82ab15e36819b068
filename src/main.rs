//! The command line: this file is its table of contents; each command is a file in `cli/`.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use cli::{Command, Options, exit};

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.command {
        Command::Demo(arguments) => cli::demo::run(&arguments),
        Command::Run(arguments) => cli::run::run(&arguments),
        Command::Serve(arguments) => cli::serve::run(&arguments),
        Command::Check(arguments) => cli::check::run(&arguments),
        Command::Test(arguments) => cli::test::run(&arguments),
        Command::Explain(arguments) => cli::explain::run(&arguments),
        Command::Emulate(arguments) => cli::emulate::run(&arguments),
        Command::Score(arguments) => cli::score::run(&arguments),
        Command::Report(arguments) => cli::report::run(&arguments),
        Command::Learn(arguments) => cli::learn::run(&arguments),
        Command::State(arguments) => cli::state::run(&arguments),
        Command::Guests(arguments) => cli::guests::run(&arguments),
        Command::Schema => cli::generate::schema(),
        Command::Completions(arguments) => cli::generate::completions(&arguments),
        Command::Man(arguments) => cli::generate::man(&arguments),
    };
    done.unwrap_or_else(|error| exit::report(&error))
}
