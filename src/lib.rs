//! Tidewaiter boards log shippers and inspects container events.
//!
//! Records go in as JSON, one by one; those that a [source] recognises come out with one member more, which says whose
//! container it is, which image, and what is wrong with it. The bytes of the record itself are never touched. The
//! engine reads no clock, no file and no network: time comes in with the record, and what it remembers is bounded by
//! the [policy].
//!
//! ```
//! use tidewaiter::{Engine, Outcome, policy};
//!
//! let policy = policy::load("images: {allow: [registry.corp.example]}").map_err(|problems| problems[0].to_string())?;
//! let mut engine = Engine::new(policy, [1, 2]);
//! let mut out = Vec::new();
//! let outcome = engine.inspect(br#"{"level":"info","msg":"no container here"}"#, None, &mut out);
//! assert_eq!(outcome, Outcome::Passed);
//! assert_eq!(out, br#"{"level":"info","msg":"no container here"}"#);
//! # Ok::<(), String>(())
//! ```

// The macro that numbers the members of a shape takes a step for each.
#![recursion_limit = "256"]

pub mod baseline;
pub mod detect;
#[cfg(all(feature = "emulate", not(target_family = "wasm")))]
pub mod emulate;
pub mod engine;
pub mod enrich;
pub mod guest;
#[cfg(all(feature = "cli", not(target_family = "wasm")))]
pub mod host;
pub mod image;
pub mod number;
pub mod policy;
pub mod record;
#[cfg(not(target_family = "wasm"))]
pub mod scenario;
pub mod source;
pub mod time;

pub use engine::{Engine, Outcome};

/// The version of this crate, as records give it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
