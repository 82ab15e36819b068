//! `tidewaiter serve` between a client and a next hop on loopback.

#![cfg(all(unix, feature = "cli"))]
// Clippy knows a test by its attribute, and not what only tests call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/fluent_bit.rs"]
mod fluent_bit;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/mixed_records.rs"]
mod mixed_records;
#[path = "common/program.rs"]
mod program;
#[path = "common/sidecar.rs"]
mod sidecar;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use nix::sys::signal::Signal;
use rstest::rstest;
use serde_json::Value as Json;
use tempfile::TempDir;

use sidecar::{Next, Sidecar, client, run, until};

fn event(image: &str) -> String {
    format!(
        r#"{{"Type":"container","Action":"start","time":1790000000,"Actor":{{"ID":"f0","Attributes":{{"image":"{image}","name":"w"}}}}}}"#
    )
}

fn policy(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("tidewaiter.yaml");
    // As whoever replaces a mounted file does.
    fs::write(folder.path().join("new"), text).unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    path.to_str().unwrap().to_owned()
}

const STRICT: &str = "images: {allow: [registry.corp.example]}";
const LENIENT: &str = "images: {allow: [evil/*]}";

/// What a record was given; the record comes first in it, byte for byte.
fn enrichment(out: &[u8], record: &[u8]) -> Json {
    let kept = record.strip_suffix(b"}").unwrap();
    assert!(out.starts_with(kept), "{}\nis not\n{}", out.escape_ascii(), record.escape_ascii());
    serde_json::from_slice::<Json>(out).unwrap()["tidewaiter"].clone()
}

fn first_detection(body: &[u8], record: &str) -> Json {
    enrichment(body.trim_ascii_end(), record.as_bytes())["detections"][0].clone()
}

#[test]
fn what_comes_in_goes_on_in_order() {
    run(async {
        let next = Next::start().await;
        let sidecar = Sidecar::start(&["--forward", &next.url()]).await;
        // Other bytes than the guest's own have no key of the module.
        let lines: Vec<_> = mixed_records::lines()
            .into_iter()
            .filter(|line| !line.windows(12).any(|part| part == b"\"tidewaiter\"") && !line.ends_with(b"\r"))
            .collect();
        let batches = lines.chunks(500).map(|lines| [lines.join(&b'\n'), b"\n".to_vec()].concat());
        for batch in batches {
            assert_eq!(sidecar.send(batch).await, (200, b"so says the next hop".to_vec()));
        }
        let out = next.bodies().concat();
        let out: Vec<_> = out.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
        assert_eq!(out.len(), lines.len());
        let mut enriched = 0;
        for (out, line) in out.into_iter().zip(&lines) {
            if out != line.as_slice() {
                let end = line.trim_ascii_end().strip_suffix(b"}").unwrap();
                assert!(out.starts_with(end), "{:.300}\nis not\n{:.300}", out.escape_ascii(), line.escape_ascii());
                let added = &out[end.len()..out.len() - (line.len() - end.len())];
                assert!(added.starts_with(b",\"tidewaiter\":{"), "{}", added.escape_ascii());
                enriched += 1;
            }
        }
        assert!(enriched > 1000, "{enriched}");
        let headers = &next.batches()[0].0;
        assert_eq!(headers["content-type"], "application/x-ndjson");
        sidecar.end().await;
    });
}

#[test]
fn without_a_next_hop_the_batch_is_the_answer() {
    run(async {
        let sidecar = Sidecar::start(&[]).await;
        let record = event("evil/x");
        let (status, body) = sidecar.send(format!("{record}\r\n\n[1, 2]\nhalf {{\n{record}")).await;
        assert_eq!(status, 200);
        let lines: Vec<_> = body.split(|byte| *byte == b'\n').collect();
        assert_eq!(lines[1..4], [&b""[..], b"[1, 2]", b"half {"]);
        assert!(enrichment(lines[0].strip_suffix(b"\r").unwrap(), record.as_bytes()).is_object());
        assert!(enrichment(lines[4], record.as_bytes()).is_object());

        // An array, as Fluent Bit and Vector send it, with whatever stands between its elements.
        let spread = record.replace(r#""Actor""#, "\n\t\"Actor\"");
        let (status, body) = sidecar.send(format!("[{record} ,\n{{\"n\":1.50}}, 7,{spread}]\n")).await;
        assert_eq!(status, 200);
        let text = String::from_utf8(body).unwrap();
        let rest = text.strip_prefix('[').unwrap().strip_prefix(record.strip_suffix('}').unwrap()).unwrap();
        let (added, rest) = rest.split_once(" ,\n{\"n\":1.50}, 7,").unwrap();
        assert!(added.starts_with(",\"tidewaiter\":{") && added.ends_with('}'), "{added}");
        assert!(enrichment(rest.strip_suffix("]\n").unwrap().as_bytes(), spread.as_bytes()).is_object());
        sidecar.end().await;
    });
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

#[test]
fn packed_batches_are_unpacked_and_others_pass_as_they_are() {
    run(async {
        let next = Next::start().await;
        let sidecar = Sidecar::start(&["--forward", &next.url()]).await;
        let record = event("evil/x");
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(record.as_bytes()).unwrap();
        let (gzip, zlib) = (gzip(record.as_bytes()), zlib.finish().unwrap());
        let send = async |encoding: &str, body: &[u8]| {
            let answer = sidecar.post(body).header("content-encoding", encoding).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            next.batches().pop().unwrap()
        };
        for (encoding, body) in [("gzip", &gzip), ("deflate", &zlib)] {
            let (headers, body) = send(encoding, body).await;
            assert!(enrichment(&body, record.as_bytes()).is_object());
            assert!(!headers.contains_key("content-encoding"));
        }
        for (encoding, body) in [("gzip", &gzip[..30]), ("zstd", b"whatever it is")] {
            let (headers, sent) = send(encoding, body).await;
            assert_eq!((headers["content-encoding"].to_str().unwrap(), &*sent), (encoding, body));
        }
        assert_eq!(sidecar.number("tidewaiter_unreadable_batches_total").await, Some(2.0));
        sidecar.end().await;
    });
}

#[test]
fn what_is_no_json_goes_on_as_it_came() {
    run(async {
        let next = Next::start().await;
        let sidecar = Sidecar::start(&["--forward", &next.url()]).await;
        let bodies: [&[u8]; 5] = [b"", b"plain words", b"[{\"a\":1},{\"b\":2]", b"[{\"a\":\"\xff\"}]\n", b"\0\n{\n"];
        for body in bodies {
            assert_eq!(sidecar.send(body).await.0, 200);
        }
        assert_eq!(next.bodies(), bodies);
        sidecar.end().await;
    });
}

#[test]
fn the_answer_is_that_of_the_next_hop() {
    run(async {
        let next = Next::start().await;
        let sidecar = Sidecar::start(&["--forward", &next.url(), "--timeout", "1"]).await;
        for status in [200, 202, 400, 404, 429, 500, 503] {
            next.answer(status);
            assert_eq!(sidecar.send(event("evil/x")).await, (status, b"so says the next hop".to_vec()));
        }
        next.open(false);
        assert_eq!(sidecar.send(event("evil/x")).await.0, 504);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let sidecar = Sidecar::start(&["--forward", &format!("http://{address}/")]).await;
        assert_eq!(sidecar.send(event("evil/x")).await.0, 503);
    });
}

#[test]
fn a_batch_that_comes_again_is_judged_once() {
    run(async {
        let folder = TempDir::new().unwrap();
        let policy = policy(&folder, STRICT);
        let next = Next::start().await;
        let sidecar = Sidecar::start(&["--forward", &next.url(), "--timeout", "2", "--policy", &policy]).await;
        let batch = event("evil/x");
        next.answer(503);
        assert_eq!(sidecar.send(&*batch).await.0, 503);
        next.open(false);
        assert_eq!(sidecar.send(&*batch).await.0, 504);
        next.open(true);
        next.answer(200);
        assert_eq!(sidecar.send(&*batch).await.0, 200);
        let bodies = next.bodies();
        assert_eq!(bodies.len(), 3);
        assert_eq!(first_detection(&bodies[0], &batch)["count"], 1);
        assert!(bodies.iter().all(|body| *body == bodies[0]));
        assert_eq!(sidecar.number("tidewaiter_repeated_batches_total").await, Some(2.0));

        // It has arrived: the same again is another one.
        assert_eq!(sidecar.send(&*batch).await.0, 200);
        assert_eq!(first_detection(next.bodies().last().unwrap(), &batch)["count"], 2);

        // A client that hangs up has no answer either.
        next.open(false);
        let other = event("evil/y");
        let mut stream = TcpStream::connect(sidecar.url.strip_prefix("http://").unwrap()).unwrap();
        write!(stream, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{other}", other.len()).unwrap();
        until("it is on its way", async || next.bodies().len() == 5).await;
        drop(stream);
        next.open(true);
        assert_eq!(sidecar.send(&*other).await.0, 200);
        assert_eq!(first_detection(next.bodies().last().unwrap(), &other)["count"], 1);
        assert_eq!(sidecar.number("tidewaiter_repeated_batches_total").await, Some(3.0));
        assert_eq!(sidecar.number("tidewaiter_records_total{verdict=\"match\"}").await, Some(2.0));
        sidecar.end().await;
    });
}

#[test]
fn bodies_have_a_limit() {
    run(async {
        let next = Next::start().await;
        let sidecar = Sidecar::start(&["--forward", &next.url(), "--max-body", "1", "--timeout", "1"]).await;
        let fits = vec![b' '; 1 << 20];
        let too_long = vec![b' '; (1 << 20) + 1];
        assert_eq!(sidecar.send(fits.clone()).await.0, 200);
        // What was not read to its end may break the connection, when the answer is there.
        let answer = sidecar.post(too_long.clone()).send().await;
        assert!(answer.is_ok_and(|answer| answer.status() == 413));
        for (body, status) in [(fits, 200), (too_long, 413)] {
            let answer = sidecar.post(gzip(&body)).header("content-encoding", "gzip").send().await.unwrap();
            assert_eq!(answer.status(), status);
        }
        let mut stream = TcpStream::connect(sidecar.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nslow").unwrap();
        let mut answer = [0; 12];
        let read = tokio::task::spawn_blocking(move || stream.read_exact(&mut answer).map(|()| answer)).await.unwrap();
        assert_eq!(&read.unwrap(), b"HTTP/1.1 408");
        assert_eq!(next.bodies().len(), 2);
        sidecar.end().await;
    });
}

#[test]
fn a_flood_is_refused_and_takes_no_memory() {
    run(async {
        let next = Next::start().await;
        next.open(false);
        let sidecar = Sidecar::start(&["--forward", &next.url(), "--concurrency", "4", "--max-body", "2"]).await;
        let record = format!("{{\"pad\":\"{}\"}}\n", "x".repeat(1 << 20));
        let mut posts = Vec::new();
        for _ in 0..4 {
            posts.push(tokio::spawn(sidecar.post(record.clone()).send()));
        }
        until("four are at work", async || next.bodies().len() == 4).await;
        for _ in 0..200 {
            // Some see the connection end before they have sent all.
            let answer = sidecar.post(record.clone()).send().await;
            assert!(answer.map_or(true, |answer| answer.status() == 429));
        }
        assert_eq!(next.bodies().len(), 4);
        next.open(true);
        for post in posts {
            assert_eq!(post.await.unwrap().unwrap().status(), 200);
        }
        assert_eq!(sidecar.send(record).await.0, 200);
        if let Ok(status) = fs::read_to_string(format!("/proc/{}/status", sidecar.id())) {
            let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            let kib: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
            assert!(kib < 400 << 10, "{kib} KiB");
        }
        sidecar.end().await;
    });
}

#[test]
fn a_token_is_asked_for() {
    run(async {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "sesame\n").unwrap();
        let sidecar = Sidecar::start(&["--token-file", file.to_str().unwrap()]).await;
        let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
        assert_eq!(status(sidecar.post("{}")).await, 401);
        assert_eq!(status(sidecar.post("{}").bearer_auth("sesam")).await, 401);
        assert_eq!(status(sidecar.post("{}").basic_auth("sesame", Some(""))).await, 401);
        assert_eq!(status(sidecar.post("{}").bearer_auth("sesame")).await, 200);
        let metrics = || sidecar.client.get(format!("{}/metrics", sidecar.url));
        assert_eq!(status(metrics()).await, 401);
        assert_eq!(status(metrics().bearer_auth("sesame")).await, 200);
        assert_eq!(status(sidecar.client.get(format!("{}/healthz", sidecar.url))).await, 200);
        sidecar.end().await;
    });
}

/// What a client that speaks HTTP/2 as well agrees on with the sidecar, before it knows whom it talks to.
fn negotiated(url: &str) -> Option<Vec<u8>> {
    let mut config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = "127.0.0.1".try_into().unwrap();
    let mut connection = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut stream = std::net::TcpStream::connect(url.strip_prefix("https://").unwrap()).unwrap();
    // It ends with the certificate, which is nobody's.
    while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
    connection.alpn_protocol().map(<[u8]>::to_vec)
}

#[test]
fn tls_and_a_certificate_that_changes() {
    run(async {
        let folder = TempDir::new().unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        let write = || {
            let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
            fs::write(&cert, made.cert.pem()).unwrap();
            fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
            reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap()
        };
        let first = write();
        let [cert, key] = [&cert, &key].map(|path| path.to_str().unwrap());
        let sidecar = Sidecar::start(&["--tls-cert", cert, "--tls-key", key]).await;
        assert!(sidecar.url.starts_with("https://"), "{}", sidecar.url);
        let answer = first.post(&sidecar.url).body("{}").send().await.unwrap();
        assert_eq!(answer.bytes().await.unwrap(), "{}");
        assert!(client().post(&sidecar.url).body("{}").send().await.is_err());
        assert_eq!(negotiated(&sidecar.url), Some(b"http/1.1".to_vec()));

        let second = write();
        sidecar.signal(Signal::SIGHUP);
        until("the new certificate is in use", async || second.post(&sidecar.url).send().await.is_ok()).await;
        assert_eq!(negotiated(&sidecar.url), Some(b"http/1.1".to_vec()));
        sidecar.end().await;
    });
}

#[rstest]
#[case::all("0.0.0.0:0")]
#[case::all_of_both("[::]:0")]
#[case::one("192.0.2.1:0")]
fn nothing_is_open_to_all(#[case] address: &str) {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "sesame").unwrap();
    for arguments in [&[][..], &["--token-file", token.to_str().unwrap()]] {
        let output = Command::new(env!("CARGO_BIN_EXE_tidewaiter"))
            .args(["serve", "--listen", address])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("is not loopback"), "{stderr}");
    }
}

#[test]
fn what_is_in_flight_comes_to_its_end() {
    run(async {
        let next = Next::start().await;
        let mut sidecar = Sidecar::start(&["--forward", &next.url()]).await;
        next.open(false);
        let post = tokio::spawn(sidecar.post(event("evil/x")).send());
        until("it is on its way", async || next.bodies().len() == 1).await;
        sidecar.signal(Signal::SIGTERM);
        let address = sidecar.url.strip_prefix("http://").unwrap();
        until("nobody else gets in", async || TcpStream::connect(address).is_err()).await;
        next.open(true);
        assert_eq!(post.await.unwrap().unwrap().status(), 200);
        let status = sidecar.ended().await;
        assert!(status.success(), "{status}");
    });
}

#[test]
fn a_changed_policy_is_read() {
    run(async {
        let folder = TempDir::new().unwrap();
        let path = policy(&folder, STRICT);
        let sidecar = Sidecar::start(&["--policy", &path]).await;
        let record = event("evil/x");
        let judged = async || enrichment(&sidecar.send(&*record).await.1, record.as_bytes());
        let id = |text: &str| tidewaiter::policy::load(text).unwrap().id;
        let first = judged().await;
        assert_eq!((&first["verdict"], &first["policy"]), (&"match".into(), &id(STRICT).into()));

        policy(&folder, LENIENT);
        until("the new policy holds", async || judged().await["policy"] == id(LENIENT)).await;
        assert_eq!(judged().await["verdict"], "clean");
        let info = format!("tidewaiter_policy_info{{version=\"{}\",policy=\"{}\"}}", tidewaiter::VERSION, id(LENIENT));
        assert_eq!(sidecar.number(&info).await, Some(1.0));

        policy(&folder, "images: {alow: []}");
        let bad =
            async || judged().await["policy"].as_str().unwrap().starts_with(&format!("{} (a newer one", id(LENIENT)));
        until("the records say that it is bad", bad).await;
        assert_eq!(sidecar.number("tidewaiter_policy_is_current").await, Some(0.0));
        assert_eq!(sidecar.log().matches("alow").count(), 1, "{}", sidecar.log());
        // Whoever asks is told again.
        sidecar.signal(Signal::SIGHUP);
        until("it is said again", async || sidecar.log().matches("alow").count() == 2).await;

        policy(&folder, STRICT);
        sidecar.signal(Signal::SIGHUP);
        until("it is well again", async || judged().await["policy"] == id(STRICT)).await;
        fs::remove_file(&path).unwrap();
        until("it is missed", async || sidecar.log().contains("the policy stays")).await;
        assert_eq!(judged().await["policy"], id(STRICT));
        sidecar.end().await;
    });
}

#[test]
fn a_changed_threat_list_is_read() {
    run(async {
        let folder = TempDir::new().unwrap();
        let path = policy(&folder, "traffic: {threats: {files: [c2.txt]}}");
        fs::write(folder.path().join("c2.txt"), "203.0.113.9\n").unwrap();
        let sidecar = Sidecar::start(&["--policy", &path]).await;
        let reasons = async |destination: &str| {
            let record = format!(
                r#"{{"_path":"conn","ts":1790000000.5,"uid":"Ca1","id.orig_h":"10.0.0.5","id.orig_p":40000,"id.resp_h":"{destination}","id.resp_p":443,"proto":"tcp","conn_state":"SF"}}"#
            );
            let out = sidecar.send(&*record).await.1;
            let detections = enrichment(&out, record.as_bytes())["detections"].as_array().cloned().unwrap_or_default();
            detections.iter().any(|detection| detection["reason"] == "threat-match")
        };
        assert!(reasons("203.0.113.9").await);
        assert!(!reasons("203.0.113.10").await);
        fs::write(folder.path().join("c2.txt"), "203.0.113.10\n203.0.113.11\n").unwrap();
        until("the new list holds", async || reasons("203.0.113.10").await).await;
        sidecar.end().await;
    });
}

#[test]
fn a_policy_that_never_parsed_silences_nothing() {
    run(async {
        let folder = TempDir::new().unwrap();
        let path = policy(&folder, "images: {alow: []}");
        let sidecar = Sidecar::start(&["--policy", &path]).await;
        let record = event("evil/x");
        let out = sidecar.send(&*record).await.1;
        let said = enrichment(&out, record.as_bytes())["policy"].clone();
        assert!(said.as_str().unwrap().starts_with("default (a newer one does not parse"), "{said}");
        assert!(sidecar.log().contains("alow"), "{}", sidecar.log());
    });
}

#[rstest]
#[case::asked(Signal::SIGTERM)]
#[case::killed(Signal::SIGKILL)]
fn what_was_learned_survives(#[case] signal: Signal) {
    run(async {
        let folder = TempDir::new().unwrap();
        let path = policy(&folder, STRICT);
        let state = folder.path().join("state");
        let arguments = ["--policy", &path, "--state", state.to_str().unwrap()];
        let record = event("evil/x");
        let mut sidecar = Sidecar::start(&arguments).await;
        let before = first_detection(&sidecar.send(&*record).await.1, &record);
        assert_eq!(before["suppressed"], Json::Null);
        if signal == Signal::SIGKILL {
            // An alert is written within a second or two.
            let has_files = |path: &Path| fs::read_dir(path).is_ok_and(|files| files.count() > 1);
            until("it is written", async || has_files(&state)).await;
        }
        sidecar.signal(signal);
        sidecar.ended().await;

        let sidecar = Sidecar::start(&arguments).await;
        assert!(sidecar.log().contains("restored"), "{}", sidecar.log());
        let after = first_detection(&sidecar.send(&*record).await.1, &record);
        assert_eq!(after["episode"], before["episode"]);
        assert_eq!([&after["state"], &after["suppressed"]], ["ongoing", "cooldown"]);
        sidecar.end().await;
    });
}

#[test]
fn a_sidecar_that_is_killed_loses_nothing() {
    const BATCHES: usize = 60;
    run(async {
        let next = Next::start().await;
        let url = next.url();
        let arguments = ["--forward", &*url];
        let mut sidecar = Sidecar::start(&arguments).await;
        let address = sidecar.url.strip_prefix("http://").unwrap().to_owned();
        let target = sidecar.url.clone();
        // As a shipper does: one batch after the other, each again until it has arrived.
        let sent = tokio::spawn(async move {
            let client = client();
            for number in 0..BATCHES {
                let body = format!("{{\"number\":{number}}}\n");
                loop {
                    let answer = client.post(&target).body(body.clone()).send().await;
                    if answer.is_ok_and(|answer| answer.status() == 200) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        });
        for killed in 1..=3 {
            until("some have arrived", async || next.bodies().len() >= killed * 12).await;
            next.open(false);
            let before = next.bodies().len();
            until("one is on its way", async || next.bodies().len() > before || sent.is_finished()).await;
            sidecar.signal(Signal::SIGKILL);
            sidecar.ended().await;
            next.open(true);
            sidecar = Sidecar::start_at(&address, &arguments).await;
        }
        sent.await.unwrap();
        let bodies: Vec<_> = next.bodies().into_iter().map(|body| String::from_utf8(body).unwrap()).collect();
        let mut once = bodies.clone();
        once.dedup();
        assert!(once.iter().eq(&(0..BATCHES).map(|number| format!("{{\"number\":{number}}}\n")).collect::<Vec<_>>()));
        assert!(bodies.len() - once.len() <= 3, "{bodies:?}");
        sidecar.end().await;
    });
}

#[test]
fn other_requests_get_an_answer() {
    run(async {
        let folder = TempDir::new().unwrap();
        let sidecar = Sidecar::start(&["--policy", &policy(&folder, STRICT)]).await;
        let get = sidecar.client.get(&sidecar.url).send().await.unwrap();
        assert_eq!(get.status(), 405);
        let anywhere = sidecar.client.post(format!("{}/v1/logs", sidecar.url)).body("{}").send().await.unwrap();
        assert_eq!(anywhere.status(), 200);
        sidecar.send(event("evil/x")).await;
        for name in ["request_duration_seconds_count", "judge_duration_seconds_count", "guest_memory_bytes"] {
            let number = sidecar.number(&format!("tidewaiter_{name}")).await;
            assert!(number.is_some_and(|number| number >= 2.0), "{name}: {number:?}");
        }
        let matches = sidecar.number("tidewaiter_matches_total{rule=\"unauthorized-image\"}").await;
        assert_eq!(matches, Some(1.0));
        sidecar.end().await;
    });
}

/// The shipped pipeline of a Fluent Bit without the filter, in the real one where there is one.
#[test]
fn fluent_bit_goes_the_same_way() {
    const COUNT: usize = 500;
    let Some(program) = fluent_bit::find() else {
        return eprintln!("fluent_bit_goes_the_same_way: skipped: no fluent-bit on the PATH");
    };
    run(async {
        let place = fluent_bit::Place::new(tidewaiter::host::FLUENT_BIT, STRICT);
        let next = Next::start().await;
        let policy = place.home().join("tidewaiter.yaml");
        let sidecar = Sidecar::start(&["--policy", policy.to_str().unwrap(), "--forward", &next.url()]).await;
        let shipped = include_str!("../pipelines/fluent-bit/http.yaml");
        let text = shipped
            .replace("/var/lib/fluent-bit", place.path().to_str().unwrap())
            .replace("/var/log/container-events", place.input().to_str().unwrap())
            .replace("port: 9713", &format!("port: {}", sidecar.url.rsplit(':').next().unwrap()));
        let pipeline = place.path().join("http.yaml");
        fs::write(&pipeline, text).unwrap();
        let records: Vec<String> =
            (0..COUNT).map(|number| event("evil/x").replace("\"f0\"", &format!("\"f{number}\""))).collect();
        fs::write(place.input().join("records.ndjson"), records.join("\n") + "\n").unwrap();
        // It is refused first, and sent again.
        next.answer(503);
        let running = place.start(&program, &pipeline, &[]);
        until("it was refused", async || !next.bodies().is_empty()).await;
        let refused = next.bodies().len();
        next.answer(200);
        let lines = || -> Vec<Json> {
            let bodies = next.bodies().split_off(refused).concat();
            bodies
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect()
        };
        until("all have arrived", async || lines().len() >= COUNT).await;
        drop(running);
        for (mut out, record) in lines().into_iter().zip(&records) {
            let enrichment = out.as_object_mut().unwrap().shift_remove("tidewaiter").unwrap();
            assert_eq!(enrichment["source"], "docker");
            assert_eq!(out, serde_json::from_str::<Json>(record).unwrap());
        }
        assert!(sidecar.number("tidewaiter_repeated_batches_total").await.is_some_and(|repeated| repeated >= 1.0));
        sidecar.end().await;
    });
}
