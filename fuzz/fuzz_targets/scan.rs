//! The scanner takes just what `serde_json` takes, and finds the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;
use tidewaiter::record::{Key, Scanner, Shape};

fuzz_target!(|text: &[u8]| {
    let shape = Shape::new(&["/a", "/o/x"]);
    let mut scanner = Scanner::default();
    let scanned = scanner.scan(&shape, text);
    let begins = text.trim_ascii_start().first() == Some(&b'{');
    let valid = begins && std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    assert_eq!(scanned.is_ok(), valid);
    // Building a value fails where the grammar does not: lone surrogates, numbers out of range, depth.
    if let (Ok(fields), Ok(value)) = (scanned, serde_json::from_slice::<Value>(text)) {
        for (key, pointer) in [(Key(0), "/a"), (Key(1), "/o/x")] {
            let found = fields.get(key).map(|found| serde_json::from_slice::<Value>(found.raw()).unwrap());
            assert_eq!(found.as_ref(), value.pointer(pointer));
        }
    }
});
