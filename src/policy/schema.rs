//! Everything that a policy may contain, in one table: the file is checked against it, and the JSON Schema is made
//! from it.

/// What a key or an entry may hold.
#[derive(Debug)]
pub(super) enum Kind {
    /// One value.
    One(Scalar),
    /// A list of at least and at most so many entries, or its only entry where that is a single value.
    List(&'static Kind, usize, usize),
    /// Names that the file chooses, and their values.
    Map(Scalar, &'static Kind),
    /// The keys of an object.
    Object(&'static Object),
    /// One value, as the short form of an object.
    Either(Scalar, &'static Object),
}

/// The kinds of single values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    /// The version of the format.
    Version,
    /// `true` or `false`.
    Bool,
    /// A whole number between two, both included.
    Integer(u32, u32),
    /// A number between two, both included, that may have a fraction.
    Decimal(u32, u32),
    /// Any text.
    Text,
    /// A name that the file may choose from a list.
    Choice(&'static [&'static str]),
    /// A length of time, in seconds between two, both included.
    Duration(u32, u32),
    /// A time of day.
    From,
    /// A time of day or the end of the day.
    To,
    /// An offset from UTC.
    Offset,
    /// When something ends.
    Until,
    /// A day of the week.
    Day,
    /// A glob over a name.
    Glob,
    /// A pattern over image references.
    Image,
    /// An image reference without a digest.
    Reference,
    /// A SHA-256 digest.
    Digest,
    /// A network in CIDR, or an address.
    Network,
    /// A port and its protocol.
    Port,
    /// A domain; `*` stands for any part of it.
    DomainGlob,
    /// A domain.
    Domain,
    /// A path beside the policy.
    Path,
    /// The id of a reason.
    Reason,
}

/// A mapping of known keys.
#[derive(Debug)]
pub(super) struct Object {
    /// What messages call it.
    pub name: &'static str,
    /// What it may have.
    pub keys: &'static [Key],
}

impl Object {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name || !key.also.is_empty() && key.also == name)
    }
}

/// A key of an object.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub name: &'static str,
    /// Another name for it, or nothing.
    pub also: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may not be left out.
    pub required: bool,
    /// What holds without it, as the file would say it; nothing where there is no such value.
    #[cfg(not(target_family = "wasm"))]
    pub default: &'static str,
    /// What it does, in a sentence.
    #[cfg(not(target_family = "wasm"))]
    pub doc: &'static str,
}

/// No guest prints a schema: it need not carry the defaults and the sentences.
#[cfg_attr(target_family = "wasm", expect(unused_variables))]
const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        also: "",
        kind,
        required: false,
        #[cfg(not(target_family = "wasm"))]
        default,
        #[cfg(not(target_family = "wasm"))]
        doc,
    }
}

impl Key {
    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn also(self, also: &'static str) -> Self {
        Self { also, ..self }
    }
}

const fn list(kind: &'static Kind) -> Kind {
    Kind::List(kind, 0, usize::MAX)
}

use Kind::{Either, List, Map, Object as Obj, One};
use Scalar::*;

const DAY: u32 = 86_400;

const GLOBS: Kind = list(&One(Glob));
static IMAGE_ENTRY: Kind = Either(Image, &SHORT_RULE);

/// A whole policy.
pub(super) static POLICY: Kind = Obj(&Object {
    name: "the policy",
    keys: &[
        key("version", One(Version), "1", "The version of the policy format."),
        key("images", Obj(&IMAGES), "", "What unauthorized-image judges by."),
        key("traffic", Obj(&TRAFFIC), "", "What anomalous-traffic judges by."),
        key("restarts", Obj(&RESTARTS), "", "What restart-spike judges restarts by."),
        key("resources", Obj(&RESOURCES), "", "What restart-spike judges resource use by."),
        key("baseline", Obj(&BASELINE), "", "How long to learn, and where to keep what was learned."),
        key("exceptions", list(&EXCEPTION), "[]", "Detections that are known and excused."),
        key("maintenance", list(&MAINTENANCE), "[]", "Weekly times at which detections are expected."),
        key("alerts", Obj(&ALERTS), "", "How often to alert."),
        key("limits", Obj(&LIMITS), "", "How many things are remembered, which bounds the memory."),
        key("output", Obj(&OUTPUT), "", "What comes out."),
    ],
});

static IMAGES: Object = Object {
    name: "images",
    keys: &[
        key(
            "mode",
            One(Choice(&["enforce", "learn", "open"])),
            "",
            "What to make of an image that no rule names: it is unauthorised (enforce), it is when it is first seen \
             after the learning period (learn), or it passes (open). Without this key: enforce where anything is \
             allowed by name, learn otherwise.",
        ),
        key("allow", list(&IMAGE_ENTRY), "[]", "Images that are authorised; a bare host is a whole registry."),
        key("deny", list(&IMAGE_ENTRY), "[]", "Images that are not; of equally specific rules, deny beats allow."),
        key("rules", list(&RULE), "[]", "The long form of allow and deny; the most specific rule wins."),
        key("tags", Obj(&TAGS), "", "What is asked of tags and digests."),
        key("pinned", Map(Reference, &One(Digest)), "{}", "Which digest an image with a tag has to have."),
        key("lookalikes", One(Bool), "true", "Whether to look for names that imitate authorised ones."),
        key("drift", One(Bool), "true", "Whether to watch for tags that move to another digest."),
    ],
};

const MATCH: Key = key("match", One(Image), "", "The images that the rule is about.").required();
const NAMESPACES: Key = key("namespaces", GLOBS, "[]", "The namespaces that it holds in; all, when empty.");
const RULE_TAGS: Key = key("tags", GLOBS, "[]", "The tags that it holds for; all, when empty.");
const UNTIL: Key = key("until", One(Until), "", "When it ends; a date is still included, in UTC.");

static RULE: Kind = Obj(&Object {
    name: "an image rule",
    keys: &[
        MATCH,
        NAMESPACES,
        RULE_TAGS,
        key("action", One(Choice(&["allow", "deny"])), "allow", "What becomes of the images."),
        UNTIL,
    ],
});

static SHORT_RULE: Object = Object { name: "an entry of allow or deny", keys: &[MATCH, NAMESPACES, RULE_TAGS, UNTIL] };

static TAGS: Object = Object {
    name: "images.tags",
    keys: &[
        key("reject", GLOBS, "[]", "Tags that are unwanted on any image."),
        key("require_digest", One(Bool), "false", "Whether an image has to be named by digest."),
    ],
};

static TRAFFIC: Object = Object {
    name: "traffic",
    keys: &[
        key(
            "internal",
            list(&One(Network)),
            "[10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fd00::/8]",
            "Networks that are ours.",
        ),
        key("allow", Obj(&TRAFFIC_ALLOW), "", "Destinations that are expected."),
        key("threats", Obj(&THREATS), "", "Destinations that are known to be hostile."),
        key("beacon", Obj(&BEACON), "", "What makes a beacon."),
    ],
};

static TRAFFIC_ALLOW: Object = Object {
    name: "traffic.allow",
    keys: &[
        key("domains", list(&One(DomainGlob)), "[]", "Domains; * stands for any part of one."),
        key("networks", list(&One(Network)), "[]", "Networks in CIDR, or addresses."),
        key("ports", list(&One(Port)), "[]", "Ports with their protocol."),
    ],
};

static THREATS: Object = Object {
    name: "traffic.threats",
    keys: &[
        key("networks", list(&One(Network)), "[]", "Networks in CIDR, or addresses."),
        key("domains", list(&One(Domain)), "[]", "Domains, with all below them."),
        key("files", list(&One(Path)), "[]", "Lists of either, in files beside the policy."),
    ],
};

static BEACON: Object = Object {
    name: "traffic.beacon",
    keys: &[key("min_score", One(Integer(0, 100)), "75", "The score from which on a beacon is a detection.")],
};

static RESTARTS: Object = Object {
    name: "restarts",
    keys: &[
        key("min", One(Integer(1, 1_000_000)), "3", "Fewer restarts in a window are never a detection."),
        key("windows", List(&One(Duration(10, 30 * DAY)), 1, 8), "[10m, 1h, 6h]", "The windows to count restarts in."),
    ],
};

static RESOURCES: Object = Object {
    name: "resources",
    keys: &[
        key("ratio", One(Decimal(1, 1000)), "2.0", "How many times the expected use is a spike."),
        key("for", One(Duration(0, 30 * DAY)), "5m", "For how long it has to last."),
    ],
};

static BASELINE: Object = Object {
    name: "baseline",
    keys: &[
        key("learn_for", One(Duration(0, 366 * DAY)), "7d", "How long to learn, in the time of the records."),
        key("state", One(Path), "state", "The folder for what was learned, beside the policy."),
    ],
};

const RULES: Key = key(
    "rules",
    list(&One(Choice(&["unauthorized-image", "anomalous-traffic", "restart-spike"]))),
    "[]",
    "The rules that it holds for; all, when empty.",
);
const WHERE: Key = key("where", Obj(&SCOPE), "", "Whom it excuses: all of it has to hold.");
const EXCUSE: Key = key(
    "action",
    One(Choice(&["suppress", "downgrade"])),
    "suppress",
    "What becomes of a detection: it no longer counts as a match, or its severity goes down by one.",
);

static EXCEPTION: Kind = Obj(&Object {
    name: "an exception",
    keys: &[
        key("name", One(Text), "", "What suppressed detections give as their cause.").required(),
        WHERE,
        RULES,
        key("reasons", list(&One(Reason)), "[]", "The reasons that it holds for; all, when empty."),
        EXCUSE,
        key("reason", One(Text), "", "Why the detections are excused."),
        UNTIL,
    ],
});

static MAINTENANCE: Kind = Obj(&Object {
    name: "a maintenance window",
    keys: &[
        key("name", One(Text), "", "What suppressed detections give as their cause.").required(),
        key("days", List(&One(Day), 1, 7), "[mon, tue, wed, thu, fri, sat, sun]", "The days on which it begins."),
        key("from", One(From), "00:00", "When it begins, at the offset."),
        key("to", One(To), "24:00", "When it ends; on the next day, when that is not later than from."),
        key("offset", One(Offset), "+00:00", "The offset of from and to from UTC."),
        WHERE,
        RULES,
        EXCUSE,
        UNTIL,
    ],
});

static SCOPE: Object = Object {
    name: "where",
    keys: &[
        key("cluster", GLOBS, "[]", "The workload's cluster."),
        key("namespace", GLOBS, "[]", "Its namespace."),
        key("kind", GLOBS, "[]", "Its kind: Deployment, StatefulSet, compose …"),
        key("name", GLOBS, "[]", "Its name.").also("workload"),
        key("image", list(&One(Image)), "[]", "The image that the detection is about."),
    ],
};

static ALERTS: Object = Object {
    name: "alerts",
    keys: &[
        key("cooldown", One(Duration(0, 30 * DAY)), "1h", "For how long an episode stays quiet after an alert."),
        key("per_hour", One(Integer(1, 1_000_000)), "100", "More alerts in an hour are suppressed, and counted."),
    ],
};

static LIMITS: Object = Object {
    name: "limits",
    keys: &[
        key("workloads", One(Integer(16, 1 << 20)), "16384", "The most workloads."),
        key("pairs", One(Integer(16, 1 << 23)), "131072", "The most pairs of workload and destination."),
    ],
};

static OUTPUT: Object = Object {
    name: "output",
    keys: &[
        key("field", One(Text), "tidewaiter", "The key that the enrichment stands under."),
        key(
            "format",
            One(Choice(&["native", "ecs", "ocsf"])),
            "native",
            "Its form: Tidewaiter's own, Elastic Common Schema, or Open Cybersecurity Schema Framework.",
        ),
        key(
            "enrich",
            One(Choice(&["findings", "container-events", "all"])),
            "container-events",
            "Which records get it: those with a detection, all container events, or every JSON object.",
        ),
    ],
};
