//! Container images: references, patterns over them, and names that imitate others.

mod brands;
mod lookalike;
mod pattern;
mod reference;

pub use lookalike::{Known, Lookalike};
pub use pattern::{Fit, Pattern, PatternError, Specificity};
pub use reference::{Reference, ReferenceError};
