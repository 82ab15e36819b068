//! The scanner against `serde_json`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use tidewaiter::record::{Key, Scanner, Shape};

const POINTERS: [&str; 4] = ["/a", "/o/x", "/o/long member name", "/l/*/n"];

/// JSON values whose members are often the wanted ones.
fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z]{0,20}",
        "\\PC{0,12}",
        Just("\u{0}\"\\\u{1f}\u{7f}\u{80}\u{2028}😀".to_string()),
        Just("\\\\\\\"".repeat(5)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        let name = prop_oneof![
            4 => prop::sample::select(vec!["a", "o", "x", "l", "n", "long member name"]).prop_map(String::from),
            1 => "\\PC{0,10}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6).prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// What the pointers lead to, by `serde_json`.
fn expected(value: &Value) -> Vec<Value> {
    let single = POINTERS.iter().take(3).filter_map(|pointer| {
        let inner = value.pointer(pointer)?;
        Some(inner.clone())
    });
    let elements = value.get("l").and_then(Value::as_array).into_iter().flatten();
    single.chain(elements.filter_map(|element| element.get("n").cloned())).collect()
}

fn found(text: &[u8]) -> Option<Vec<Value>> {
    let shape = Shape::new(&POINTERS);
    let mut scanner = Scanner::default();
    let fields = scanner.scan(&shape, text).ok()?;
    let single = (0..3).filter_map(|key| fields.get(Key(key)));
    let many = fields.each(Key(3)).map(|(_, value)| value);
    let values = single.chain(many).map(|value| {
        let parsed: Value = serde_json::from_slice(value.raw()).unwrap();
        if let Some(text) = value.text() {
            assert_eq!(parsed, Value::from(text.to_str()));
        }
        parsed
    });
    Some(values.collect())
}

/// Whether the text is a JSON object, by `serde_json`: its grammar alone, without its limits on depth and surrogates.
fn is_object(text: &[u8]) -> bool {
    let object = text.trim_ascii_start().first() == Some(&b'{');
    object && std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Writes JSON with space and escapes wherever they may stand.
fn spell(value: &Value, oddly: bool, out: &mut String) {
    let space = if oddly { " \r\n\t" } else { "" };
    let quote = |text: &str, out: &mut String| {
        if oddly {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
            out.extend(std::iter::once("\"".to_string()).chain(units).chain(["\"".to_string()]));
        } else {
            out.push_str(&Value::from(text).to_string());
        }
    };
    out.push_str(space);
    match value {
        Value::String(text) => quote(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                spell(item, oddly, out);
            }
            out.push_str(space);
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, item)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(space);
                quote(name, out);
                out.push_str(space);
                out.push(':');
                spell(item, oddly, out);
            }
            out.push_str(space);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    out.push_str(space);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn finds_what_serde_json_finds(members in prop::collection::vec(("[aolx]", json()), 0..6), oddly: bool) {
        // Written by hand, so that a name may be repeated: the last one counts for both.
        let mut text = String::from("{");
        for (index, (name, value)) in members.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "," });
            text.push_str(&Value::from(name.as_str()).to_string());
            text.push(':');
            spell(value, oddly, &mut text);
        }
        text.push('}');
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(found(text.as_bytes()), Some(expected(&value)), "{}", text);
    }

    #[test]
    fn accepts_what_serde_json_accepts(
        value in json(), oddly: bool, edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut text = String::new();
        spell(&Value::Object(Map::from_iter([("a".to_string(), value)])), oddly, &mut text);
        let mut text = text.into_bytes();
        for (place, byte, kind) in edits {
            let place = place.index(text.len().max(1));
            match kind {
                0 if place < text.len() => text[place] = byte,
                1 if place < text.len() => { text.remove(place); }
                _ => text.insert(place, b"{}[]\",:\\0e-. \n\x00\xff"[usize::from(byte) % 16]),
            }
        }
        prop_assert_eq!(found_any(&text), is_object(&text), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn survives_any_bytes(text: Vec<u8>) {
        prop_assert_eq!(found_any(&text), is_object(&text));
    }
}

fn found_any(text: &[u8]) -> bool {
    Scanner::default().scan(&Shape::new(&POINTERS), text).is_ok()
}
