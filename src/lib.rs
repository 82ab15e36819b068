//! Tidewaiter
pub mod record;
