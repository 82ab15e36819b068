//! Whatever goes in, the record comes out, with at most one member more.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tidewaiter::{Engine, policy};

const POLICY: &str = "images: {allow: [registry.corp.example, 'ghcr.io/acme/**'], deny: ['**/xmrig*'], tags: {reject: [latest]}}";

thread_local! {
    static ENGINE: RefCell<Engine> = RefCell::new(Engine::new(policy::load(POLICY).unwrap(), [1, 2]));
}

fuzz_target!(|record: &[u8]| {
    let mut out = Vec::new();
    ENGINE.with_borrow_mut(|engine| engine.inspect(record, None, &mut out));
    let before = serde_json::from_slice::<Value>(record);
    match (before, serde_json::from_slice::<Value>(&out)) {
        (Ok(mut before), Ok(mut after)) => {
            for value in [&mut before, &mut after] {
                if let Some(members) = value.as_object_mut() {
                    members.remove("tidewaiter");
                }
            }
            assert_eq!(before, after);
        }
        (Ok(_), Err(error)) => panic!("the answer is no JSON: {error}"),
        (Err(_), _) => assert!(out.len() >= record.len()),
    }
});
