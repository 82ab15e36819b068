//! The door for component hosts: the world of `wit/tidewaiter.wit`, without an import.

use std::cell::Cell;

use crate::engine::Outcome;
use crate::policy::{self, Loaded, Problem};

use self::bindings::exports::tidewaiter::engine::inspection as wit;

#[expect(unsafe_code, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ world: "guest", path: "wit" });
    export!(Component);

    use super::Component;
}

struct Component;

impl wit::Guest for Component {
    type Engine = Engine;

    fn version() -> String {
        crate::VERSION.to_owned()
    }
}

/// An engine that is taken out for the time of a call.
struct Engine(Cell<Option<Box<crate::Engine>>>);

impl Engine {
    fn with<T>(&self, work: impl FnOnce(&mut crate::Engine) -> T) -> T {
        let mut engine = self.0.take().unwrap_or_else(|| Box::new(crate::Engine::new(Loaded::builtin(), [0; 2])));
        let result = work(&mut engine);
        self.0.set(Some(engine));
        result
    }
}

impl wit::GuestEngine for Engine {
    fn create(policy: Option<String>, seed: (u64, u64)) -> Result<wit::Engine, Vec<wit::Problem>> {
        let engine = crate::Engine::new(load(policy).map_err(problems)?, seed.into());
        Ok(wit::Engine::new(Self(Cell::new(Some(Box::new(engine))))))
    }

    fn inspect(&self, records: Vec<u8>, at: Option<wit::Time>) -> wit::Batch {
        let at = at.map(|at| crate::time::Time { sec: at.seconds, nanos: at.nanoseconds.min(999_999_999) });
        let mut batch =
            wit::Batch { records: Vec::with_capacity(records.len() + records.len() / 2), verdicts: Vec::new() };
        self.with(|engine| {
            super::inspect_lines(engine, &records, at, &mut batch.records, |outcome| {
                batch.verdicts.push(verdict(outcome));
            });
        });
        batch
    }

    fn set_policy(&self, policy: Option<String>) -> Result<(), Vec<wit::Problem>> {
        self.with(|engine| match load(policy) {
            Ok(loaded) => {
                engine.set_policy(loaded);
                Ok(())
            }
            Err(found) => {
                if let Some(first) = found.first() {
                    engine.keep_policy(&first.to_string());
                }
                Err(problems(found))
            }
        })
    }

    fn set_threats(&self, name: String, text: Vec<u8>) -> wit::Taken {
        let taken = self.with(|engine| engine.set_threats(&name, &text));
        wit::Taken { indicators: taken.taken, bad: taken.bad, over: taken.over }
    }

    fn policy_id(&self) -> String {
        self.with(|engine| engine.policy_id().to_owned())
    }

    fn snapshot(&self) -> Vec<u8> {
        self.with(|engine| engine.snapshot())
    }

    fn restore(&self, snapshot: Vec<u8>) -> wit::Restored {
        let restored = self.with(|engine| engine.restore(&snapshot));
        wit::Restored { parts: restored.parts, skipped: restored.skipped }
    }
}

fn load(policy: Option<String>) -> Result<Loaded, Vec<Problem>> {
    policy.map_or_else(|| Ok(Loaded::builtin()), |text| policy::load(&text))
}

fn problems(problems: Vec<Problem>) -> Vec<wit::Problem> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let problem = |problem: Problem| wit::Problem {
        line: number(problem.line),
        column: number(problem.column),
        length: number(problem.length),
        message: problem.message,
        help: problem.help,
    };
    problems.into_iter().map(problem).collect()
}

fn verdict(outcome: Outcome) -> wit::Verdict {
    match outcome {
        Outcome::Passed => wit::Verdict::Passed,
        Outcome::Clean => wit::Verdict::Clean,
        Outcome::Match => wit::Verdict::Match,
        Outcome::Suppressed => wit::Verdict::Suppressed,
        Outcome::Skipped => wit::Verdict::Skipped,
        Outcome::Invalid(_) => wit::Verdict::Invalid,
    }
}
