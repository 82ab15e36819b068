//! No policy text is too odd.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidewaiter::policy;

fuzz_target!(|text: &str| {
    if let Err(problems) = policy::load(text) {
        assert!(!problems.is_empty());
    }
});
