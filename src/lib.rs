//! Tidewaiter
pub mod image;
pub mod policy;
pub mod record;
pub mod source;
pub mod time;
