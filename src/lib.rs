//! Tidewaiter
#![allow(dead_code, unused_imports)] // while it grows
pub mod engine;
pub mod image;
pub mod policy;
pub mod record;
pub mod source;
pub mod time;

pub use engine::{Engine, Outcome};
