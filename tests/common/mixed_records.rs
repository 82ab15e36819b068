//! A stream as a pipeline sees it: container events of several sources between plain logs, and what a hostile or a
//! broken program writes.

/// The sources that are in it, as records give them.
pub const SOURCES: [&str; 5] = ["container-log", "containerd", "docker", "kubernetes-audit", "kubernetes-event"];

/// The last line.
pub const LAST: &str = r#"{"msg":"the last one"}"#;

/// Some thousand lines of NDJSON and of what is none, with [`LAST`] at the end.
///
/// Nothing in it is beyond Fluent Bit itself: it parses at most 63 levels, loses what follows a line of exactly 64,
/// and takes one of several ten thousand as text.
pub fn lines() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = (0..3000).map(|index| line(index).into_bytes()).collect();
    // Between the plain ones, so that each has a neighbour to lose.
    let spread = odd();
    let step = lines.len() / spread.len();
    for (index, line) in spread.into_iter().enumerate() {
        lines.insert(index * (step + 1), line);
    }
    lines.push(LAST.into());
    lines
}

/// Images that the strict policy allows, and others.
const IMAGES: [&str; 6] = [
    "registry.corp.example/shop/web:v3@sha256:5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270",
    "registry.corp.example/shop/api:latest",
    "registry.k8s.io/pause:3.10",
    "docker.io/someb0dy/xmrig:6.21",
    "ghcr.io/someone/tool:1.0",
    "nginx",
];

fn line(index: usize) -> String {
    let image = IMAGES[index / 8 % IMAGES.len()];
    let time = 1_767_225_600 + index / 10;
    let number = index % 40;
    match index % 8 {
        0 => docker(number, image, time),
        1 => serde_json::json!({ "message": format!("{}\n{}\n", docker(number, image, time), docker(7, IMAGES[0], time)) })
            .to_string(),
        2 => format!(
            r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"api-{number}.17c1","namespace":"shop","uid":"e-{index}"}},"involvedObject":{{"kind":"Pod","namespace":"shop","name":"api-6d5f7c9b88-x{number:04}","uid":"p-{number}"}},"reason":"Pulling","message":"Pulling image \"{image}\"","source":{{"component":"kubelet","host":"node-1"}},"lastTimestamp":"2026-01-01T00:00:00Z","type":"Normal","count":1}}"#
        ),
        3 => format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a-{index}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/pods","verb":"create","user":{{"username":"system:serviceaccount:kube-system:replicaset-controller"}},"objectRef":{{"resource":"pods","namespace":"shop","name":"job-{number}","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":201}},"requestObject":{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"job-{number}","namespace":"shop"}},"spec":{{"initContainers":[{{"name":"init","image":"registry.k8s.io/pause:3.10"}}],"containers":[{{"name":"main","image":"{image}"}}]}}}},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z","stageTimestamp":"2026-01-01T00:00:00.010000Z"}}"#
        ),
        4 => format!(
            r#"{{"stream":"stderr","logtag":"F","log":"request {index} took 3 ms","kubernetes":{{"pod_name":"web-78945dccd8-hv{number:03}","namespace_name":"shop","pod_id":"p-{number}","labels":{{"app":"web"}},"host":"node-2","container_name":"web","docker_id":"c{number}","container_image":"{image}"}}}}"#
        ),
        5 => format!(r#"{{"level":"info","ts":{time}.125,"msg":"GET /cart","status":200,"ms":{number}.5,"retry":null}}"#),
        6 => format!("{number} plain words, a \"quote\", a tab\tand an umlaut: ä"),
        _ => format!(
            r#"{{"Timestamp":"2026-01-01T00:00:00.5Z","Namespace":"k8s.io","Topic":"/images/create","Event":{{"name":"{image}"}}}}"#
        ),
    }
}

fn docker(number: usize, image: &str, time: usize) -> String {
    let action = ["create", "start", "exec_create: sh -c true", "health_status: healthy", "die", "destroy"][number % 6];
    format!(
        r#"{{"status":"{action}","id":"f{number:063}","from":"{image}","Type":"container","Action":"{action}","Actor":{{"ID":"f{number:063}","Attributes":{{"com.docker.compose.project":"shop","com.docker.compose.service":"web","image":"{image}","name":"shop-web-{number}"}}}},"scope":"local","time":{time},"timeNano":{time}000000000}}"#
    )
}

fn odd() -> Vec<Vec<u8>> {
    let nested = |open: &str, close: &str, levels: usize| {
        format!(r#"{{"o":{}1{},"z":[1.50]}}"#, open.repeat(levels), close.repeat(levels)).into_bytes()
    };
    let texts = [
        // No objects.
        "",
        " ",
        "null",
        "7",
        "\"text\"",
        "[1,2]",
        r#"[{"Type":"container"}]"#,
        "{",
        "}",
        r#"{"a":1"#,
        r#"{"a":1}}"#,
        r#"{"a":1}{"b":2}"#,
        r#"{"a":1,}"#,
        "{'a':1}",
        r#"{"a":NaN}"#,
        r#"{"a":01}"#,
        r#"{"a":1e400}"#,
        "\u{feff}{}",
        // Objects, oddly spelled.
        "{}",
        r#"  { "a" : [ 1 , 2 ] }  "#,
        "{\"a\":1}\r",
        r#"{"":{"":""}}"#,
        r#"{"a":1,"b":0,"a":2}"#,
        r#"{"o":{"a":1,"a":2}}"#,
        r#"{"k\u0065y":"\/ \u002f"}"#,
        r#"{"n":[0,-0,-0.0,1.0,1.10,1e3,1E+3,1e-7,0.30000000000000004,5e-324,1.5e300]}"#,
        r#"{"n":[9007199254740993,18446744073709551615,18446744073709551616,-9223372036854775809]}"#,
        r#"{"s":"\u0000 a\u0000b \u001b[31mred\u001b[0m \u007f \u2028 \ud83d\ude00 😀"}"#,
        r#"{"s":"\ud800 \udc00 \ud800x"}"#,
        r#"{"s":"\\\\\\\"\\\"\n\t\r\b\f"}"#,
        // Records with the enrichment's own key, and half of an event.
        r#"{"tidewaiter":"tide and time","a":1}"#,
        r#"{"Type":"container","Action":"start","Actor":{"ID":"f0","Attributes":{"image":"nginx","name":"w"}},"tidewaiter":{"verdict":"clean"}}"#,
        r#"{"Type":"container","Action":"start","Actor":null}"#,
        r#"{"Type":"container","Action":"start","Actor":{"ID":"f0","Attributes":{"image":"not a reference!","name":"w"}}}"#,
        r#"{"message":"{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"f0\",\"Attr"}"#,
    ];
    let bytes: [&[u8]; 8] = [
        b"{\"s\":\"\xff\"}",
        b"{\"s\":\"cut \xe2\x82\"}",
        b"{\"s\":\"surrogate \xed\xa0\x80 .\"}",
        b"{\"s\":\"overlong \xc0\xaf .\"}",
        b"{\"s\":\"beyond \xf4\x90\x80\x80 .\"}",
        b"{\"\xfe\":1}",
        b"\xff\xfe plain",
        b"{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"f0\",\"Attributes\":{\"image\":\"nginx\xff\",\"name\":\"w\"}}}",
    ];
    let mut lines: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    lines.extend(bytes.map(<[u8]>::to_vec));
    for levels in [16, 40, 61, 100, 1000, 5_000] {
        lines.push(nested("[", "]", levels));
        lines.push(nested(r#"{"a":"#, "}", levels));
    }
    lines.push(format!(r#"{{"big":"{}"}}"#, "x".repeat(3 << 20)).into_bytes());
    lines.push(format!(r#"{{"escapes":"{}"}}"#, r#"\n\"\\\u0001"#.repeat(40_000)).into_bytes());
    lines.push(
        format!("{{{}}}", (0..5000).map(|n| format!(r#""k{n}":{n}"#)).collect::<Vec<_>>().join(",")).into_bytes(),
    );
    let padding = "y".repeat(3 << 20);
    lines.push(
        format!(r#"{{"pad":"{padding}",{}"#, &docker(1, "ghcr.io/someone/tool:1.0", 1_767_225_600)[1..]).into_bytes(),
    );
    lines
}
