//! Container images: references, patterns over them, and names that imitate others.

/// stub
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern;
