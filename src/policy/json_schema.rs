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
    let required: Vec<_> = object.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
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
        (Value::Sequence(_), Kind::List(entry, ..)) => {
            document.items(node).map(|item| to_json(document, item, entry)).collect()
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, load};

    /// A value that no key has by default.
    fn unusual(kind: &Kind) -> String {
        match *kind {
            Kind::One(scalar) | Kind::Either(scalar, _) => match scalar {
                Scalar::Version => "1",
                Scalar::Bool => "BOOL",
                Scalar::Integer(..) => "17",
                Scalar::Decimal(..) => "17.5",
                Scalar::Text => "other",
                Scalar::Choice(names) => names[names.len() - 1],
                Scalar::Duration(..) => "17m",
                Scalar::From => "'03:00'",
                Scalar::To => "'05:00'",
                Scalar::Offset => "'+02:00'",
                Scalar::Until => "2027-01-31",
                Scalar::Day => "tue",
                Scalar::Glob => "v*",
                Scalar::Image => "ghcr.io/acme/**",
                Scalar::Reference => "nginx:v1",
                Scalar::Digest => "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                Scalar::Network => "198.51.100.0/24",
                Scalar::Port => "443/tcp",
                Scalar::DomainGlob => "'*.example.org'",
                Scalar::Domain => "example.org",
                Scalar::Path => "other",
                Scalar::Reason => "first-seen",
            }
            .into(),
            Kind::List(entry, ..) => format!("[{}]", unusual(entry)),
            Kind::Map(key, value) => format!("{{'{}': '{}'}}", unusual(&Kind::One(key)), unusual(value)),
            Kind::Object(object) => {
                let required = object.keys.iter().filter(|key| key.required);
                let entries: Vec<_> = required.map(|key| format!("{}: {}", key.name, unusual(&key.kind))).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    /// The object within a key.
    fn inner(kind: &'static Kind) -> Option<&'static Object> {
        match kind {
            Kind::Object(object) | Kind::Either(_, object) => Some(object),
            Kind::List(entry, ..) => inner(entry),
            Kind::One(_) | Kind::Map(..) => None,
        }
    }

    /// For every key of an object, a policy without it and the same with it: `%` in `around` is where objects go.
    fn pairs(object: &'static Object, around: &str, out: &mut Vec<(String, String, String)>) {
        let required: Vec<_> = object.keys.iter().filter(|key| key.required).collect();
        let base: String = required.iter().map(|key| format!("{}: {}, ", key.name, unusual(&key.kind))).collect();
        let put = |entry: &str| around.replace('%', &format!("{{{base}{entry}}}"));
        for key in object.keys {
            let names = [key.name, key.also].into_iter().filter(|name| !name.is_empty());
            for name in names {
                if !key.required {
                    let value =
                        unusual(&key.kind).replace("BOOL", if key.default == "true" { "false" } else { "true" });
                    out.push((format!("{}.{name}", object.name), put(""), put(&format!("{name}: {value}"))));
                }
                let Some(inner) = inner(&key.kind) else { continue };
                let inside = if matches!(key.kind, Kind::List(..)) { "[%]" } else { "%" };
                pairs(inner, &put(&format!("{name}: {inside}")), out);
            }
        }
    }

    fn policy(text: &str) -> Policy {
        load(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}")).policy
    }

    #[test]
    fn every_key_has_its_effect() {
        let Kind::Object(root) = POLICY else { panic!() };
        let mut all = Vec::new();
        pairs(root, "%", &mut all);
        assert!(all.len() > 70, "{}", all.len());
        for (name, without, with) in all {
            let (with, without) = (policy(&with), policy(&without));
            // These only have keys of their own, or change nothing by being there.
            let section = matches!(
                name.as_str(),
                "the policy.version"
                    | "the policy.images"
                    | "the policy.traffic"
                    | "the policy.restarts"
                    | "the policy.resources"
                    | "the policy.baseline"
                    | "the policy.alerts"
                    | "the policy.limits"
                    | "the policy.output"
                    | "images.tags"
                    | "traffic.allow"
                    | "traffic.threats"
                    | "traffic.beacon"
                    | "an exception.where"
                    | "a maintenance window.where"
            );
            assert_eq!(with == without, section, "{name}");
        }
    }

    /// A policy that gives every key its default.
    fn defaults(object: &Object) -> String {
        let entry = |key: &Key| match key.kind {
            Kind::Object(inner) => Some(format!("{}: {}", key.name, defaults(inner))),
            _ if key.default.is_empty() => None,
            Kind::One(Scalar::From | Scalar::To | Scalar::Offset) => Some(format!("{}: '{}'", key.name, key.default)),
            _ => Some(format!("{}: {}", key.name, key.default)),
        };
        format!("{{{}}}", object.keys.iter().filter_map(entry).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn defaults_are_those_of_the_types() {
        let Kind::Object(root) = POLICY else { panic!() };
        assert_eq!(policy(&defaults(root)), Policy::default());
    }

    #[test]
    fn a_default_given_is_a_default_left_out() {
        let given = "maintenance: [{name: x, days: [mon, tue, wed, thu, fri, sat, sun], from: '00:00', to: '24:00', \
                     offset: '+00:00', rules: [], action: suppress}]";
        assert_eq!(policy(given), policy("maintenance: [{name: x}]"));
        assert_eq!(policy("images: {rules: [{match: a, action: allow}]}"), policy("images: {rules: [{match: a}]}"));
        assert_eq!(policy("exceptions: [{name: a, action: suppress}]"), policy("exceptions: [{name: a}]"));
    }

    /// Whether the schema has the keys of an object at some place.
    fn covers(schema: &Json, object: &Object) -> bool {
        let found = schema.as_object().is_some_and(|schema| {
            let has = |key: &Key| {
                let described =
                    |name| schema["properties"][name]["description"].as_str().is_some_and(|doc| doc.len() > 5);
                described(key.name) && (key.also.is_empty() || described(key.also))
            };
            schema.get("properties").is_some()
                && schema.get("additionalProperties") == Some(&json!(false))
                && object.keys.iter().all(has)
        });
        found
            || match schema {
                Json::Object(members) => members.values().any(|member| covers(member, object)),
                Json::Array(members) => members.iter().any(|member| covers(member, object)),
                _ => false,
            }
    }

    fn objects(object: &'static Object, out: &mut Vec<&'static Object>) {
        out.push(object);
        for key in object.keys {
            if let Some(inner) = inner(&key.kind) {
                objects(inner, out);
            }
        }
    }

    #[test]
    fn mentions_every_key() {
        let Kind::Object(root) = POLICY else { panic!() };
        let mut all = Vec::new();
        objects(root, &mut all);
        let schema = json_schema();
        for object in all {
            assert!(covers(&schema, object), "{}", object.name);
        }
    }

    #[test]
    fn says_what_a_value_may_be() {
        let schema = json_schema();
        let at = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/$schema"), "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(at("/additionalProperties"), false);
        assert_eq!(at("/properties/version/const"), 1);
        assert_eq!(at("/properties/images/properties/mode/enum"), json!(["enforce", "learn", "open"]));
        assert_eq!(at("/properties/images/properties/drift/default"), true);
        assert_eq!(at("/properties/restarts/properties/windows/default"), json!(["10m", "1h", "6h"]));
        assert_eq!(at("/properties/resources/properties/ratio/default"), 2.0);
        assert_eq!(at("/properties/limits/properties/pairs/default"), 131_072);
        assert_eq!(at("/properties/exceptions/items/required"), json!(["name"]));
    }
}
