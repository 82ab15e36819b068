//! The policy format as a [JSON Schema 2020-12](https://json-schema.org/draft/2020-12), for editors.

use serde_json::{Map, Value as Json, json};

use super::document::{Document, NodeId, Value};
use super::scalar;
use super::schema::{Key, Kind, Object, POLICY, Scalar};

/// The JSON Schema of `tidewaiter.yaml`.
#[must_use]
pub fn json_schema() -> Json {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tidewaiter.yaml",
        "description": "A policy of Tidewaiter: what is allowed, expected and excused.",
    });
    merge(&mut schema, of_kind(&POLICY));
    schema
}

fn of_kind(kind: &Kind) -> Json {
    match *kind {
        Kind::One(scalar) => of_scalar(scalar),
        Kind::List(entry, least, most) => {
            let mut list = json!({ "type": "array", "items": of_kind(entry) });
            if least > 0 {
                merge(&mut list, json!({ "minItems": least }));
            }
            if most < usize::MAX {
                merge(&mut list, json!({ "maxItems": most }));
            }
            match *entry {
                Kind::One(scalar) | Kind::Either(scalar, _) => json!({ "anyOf": [of_scalar(scalar), list] }),
                _ => list,
            }
        }
        Kind::Map(key, value) => {
            json!({ "type": "object", "propertyNames": of_scalar(key), "additionalProperties": of_kind(value) })
        }
        Kind::Object(object) => of_object(object),
        Kind::Either(scalar, object) => json!({ "anyOf": [of_scalar(scalar), of_object(object)] }),
    }
}

fn of_object(object: &Object) -> Json {
    let mut properties = Map::new();
    for key in object.keys {
        properties.insert(key.name.into(), of_key(key));
        if !key.also.is_empty() {
            let doc = format!("Another name for {}.", key.name);
            let mut also = json!({ "description": doc });
            merge(&mut also, of_kind(&key.kind));
            properties.insert(key.also.into(), also);
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let required: Vec<_> = object
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    if !required.is_empty() {
        merge(&mut schema, json!({ "required": required }));
    }
    schema
}

fn of_key(key: &Key) -> Json {
    let mut schema = json!({ "description": key.doc });
    merge(&mut schema, of_kind(&key.kind));
    if let Some(default) = default(key) {
        merge(&mut schema, json!({ "default": default }));
    }
    schema
}

fn of_scalar(scalar: Scalar) -> Json {
    // A number without quotes is a text as well: 1.10 is the tag of that spelling.
    let text = |pattern: &str| json!({ "type": ["string", "number"], "pattern": pattern });
    match scalar {
        Scalar::Version => json!({ "const": 1 }),
        Scalar::Bool => json!({ "type": "boolean" }),
        Scalar::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Scalar::Decimal(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
        Scalar::Choice(names) => json!({ "enum": names }),
        Scalar::Duration(least, most) => json!({
            "type": ["string", "integer"],
            "pattern": r"^((?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?|\d+)$",
            "minimum": least,
            "maximum": most,
        }),
        Scalar::From => text(r"^([01]\d|2[0-3]):[0-5]\d$"),
        Scalar::To => text(r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$"),
        Scalar::Offset => text(r"^([+-]([01]\d|2[0-3])(:?[0-5]\d)?|Z)$"),
        Scalar::Until => text(r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}:\d{2}.*)?$"),
        Scalar::Day => json!({
            "type": "string",
            "anyOf": [
                { "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] },
                { "pattern": "^([Mm]on|[Tt]ues|[Ww]ednes|[Tt]hurs|[Ff]ri|[Ss]atur|[Ss]un)day$" },
            ],
        }),
        Scalar::Digest => text("^sha256:[0-9a-f]{64}$"),
        Scalar::Port => text("^[0-9]{1,5}/(tcp|udp|sctp)$"),
        Scalar::Path => text(r"^(?!/)(?!(.*/)?\.\.(/|$))[^\\:]+$"),
        Scalar::Reason => text("^[a-z0-9]+(-[a-z0-9]+)*$"),
        Scalar::Network => text(r"^[0-9a-fA-F:.]+(/\d{1,3})?$"),
        Scalar::DomainGlob => text(r"^[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*\.?$"),
        Scalar::Domain => text(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$"),
        Scalar::Text | Scalar::Glob | Scalar::Image | Scalar::Reference => text(r"\S"),
    }
}

/// The default of a key as JSON.
fn default(key: &Key) -> Option<Json> {
    if key.default.is_empty() {
        return None;
    }
    let document = Document::read(key.default).ok()?;
    Some(to_json(&document, document.root()?, &key.kind))
}

fn to_json(document: &Document<'_>, node: NodeId, kind: &Kind) -> Json {
    match (document.value(node), kind) {
        (Value::Sequence(_), Kind::List(entry, ..)) => document
            .items(node)
            .map(|item| to_json(document, item, entry))
            .collect(),
        (Value::Scalar { text, .. }, Kind::One(scalar)) => match scalar {
            Scalar::Bool => json!(scalar::boolean(text)),
            Scalar::Version | Scalar::Integer(..) => json!(scalar::integer(text)),
            Scalar::Decimal(..) => json!(scalar::decimal(text)),
            _ => json!(text),
        },
        _ => json!({}),
    }
}

fn merge(into: &mut Json, from: Json) {
    if let (Json::Object(into), Json::Object(from)) = (into, from) {
        into.extend(from);
    }
}
