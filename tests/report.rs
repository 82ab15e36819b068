//! The page for analysts: whole, without a network, and harmless whatever records say.

#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command as Process;

use snapbox::cmd::{Command, cargo_bin};

const HOSTILE: &str = "<script>document.title='taken'</script><img src=x onerror=alert(1)>\\\"'&";

/// A tagged record as somebody might write it who can write records.
fn hostile() -> String {
    let detection = format!(
        r#"{{"rule":"unauthorized-image","reason":"lookalike","severity":"high","score":90,"message":"{HOSTILE}",
            "evidence":{{"image":"{HOSTILE}","imitates":"{HOSTILE}","{HOSTILE}":"{HOSTILE}"}},
            "attack":[{{"tactic":"{HOSTILE}","technique":"{HOSTILE}"}}],"episode":"\"><script>1</script>","state":"new",
            "count":1,"baseline":"ready","suppressed":null}}"#
    );
    let excused =
        detection.replace("\"suppressed\":null", &format!("\"suppressed\":\"{HOSTILE}\"")).replace("1<", "2<");
    let record = format!(
        r#"{{"Type":"container","Action":"start","time":1773533191,"Actor":{{"ID":"f0","Attributes":{{"image":"{HOSTILE}","name":"w"}}}},
            "tidewaiter":{{"verdict":"match","tags":["unauthorized-image"],"source":"{HOSTILE}","kind":"container.start",
            "workload":{{"cluster":"-","namespace":"{HOSTILE}","kind":"{HOSTILE}","name":"{HOSTILE}"}},
            "image":{{"canonical":null,"reference":"{HOSTILE}"}},"detections":[{detection},{excused}],
            "policy":"{HOSTILE}","version":"{HOSTILE}"}}}}"#
    );
    record.replace('\n', " ") + "\n"
}

/// Records of a few days with adversaries, tagged.
fn tagged(folder: &Path) {
    let tidewaiter = || Command::new(cargo_bin!("tidewaiter")).current_dir(folder);
    let policy = tidewaiter::emulate::POLICY.replace("learn_for: 2d", "learn_for: 1d");
    std::fs::write(folder.join("policy"), policy).unwrap();
    let records = tidewaiter()
        .args(["emulate", "--workloads", "24", "--learn", "1d", "--for", "3d"])
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    std::fs::write(folder.join("records"), records).unwrap();
    let mut tagged =
        tidewaiter().args(["run", "-p", "policy", "records"]).assert().success().get_output().stdout.clone();
    tagged.extend_from_slice(hostile().as_bytes());
    std::fs::write(folder.join("tagged"), tagged).unwrap();
}

#[test]
fn is_one_page_that_holds() {
    let folder = tempfile::tempdir().unwrap();
    tagged(folder.path());
    let report = ["report", "tagged", "-p", "policy", "-o", "report.html"];
    Command::new(cargo_bin!("tidewaiter")).current_dir(folder.path()).args(report).assert().success();
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img"));
    assert!(page.contains("&lt;script&gt;"), "what is hostile is shown, not left out");
    // Nothing from elsewhere: no address but that of SVG's own name, which is none of a resource.
    for from_elsewhere in ["src=", "url(", "@import", "href=\"http", "<link"] {
        let harmless = page.replace("&lt;img src=x", "");
        assert!(!harmless.contains(from_elsewhere), "{from_elsewhere}");
    }
    for part in
        ["Gaps between contacts", "Use over time", "The image's path", "Restarts over time", "checkbox", "@media print"]
    {
        assert!(page.contains(part), "{part}");
    }

    let Some(browser) = browser() else {
        eprintln!("skipped in a browser: there is no chromium here");
        return;
    };
    let url = format!("file://{}", folder.path().join("report.html").display());
    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let arguments = ["--headless", "--no-sandbox", "--disable-gpu", &profile, "--dump-dom", &url];
    let output = Process::new(browser).args(arguments).output().unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    assert!(dom.contains("<title>Findings in tagged</title>"), "the title was taken over");
    assert!(!dom.contains("<script") && !dom.contains("<img"));
    let articles = dom.matches("<article").count();
    assert!(articles > 10, "{articles} findings");
    assert!(dom.matches("<svg").count() > 10);
    assert!(dom.matches("<input type=\"checkbox\">").count() >= 21);
    // Every link goes to a finding on the page.
    for link in dom.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(dom.contains(&format!("id=\"{link}\"")), "{link}");
    }
}

fn browser() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Process::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

#[test]
fn says_when_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let page = Command::new(cargo_bin!("tidewaiter"))
        .current_dir(folder.path())
        .args(["report", "-o", "-"])
        .stdin("{\"msg\":\"nothing\"}\nno JSON\n\n")
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    assert!(String::from_utf8(page).unwrap().contains("Nothing was found"));
}
