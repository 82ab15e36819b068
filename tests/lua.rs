//! The module for Lua 5.4, in the interpreter that Debian has (`apt-get install lua5.4`).

#![cfg(all(target_os = "linux", feature = "cli"))]
// Clippy knows a test by its attribute, and not what only tests call.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/lua.rs"]
mod lua;

use std::fs;
use std::process::Command;

use tempfile::TempDir;

/// Runs a script that asserts. `folder` is the first of its arguments.
fn run(test: &str, folder: &TempDir, script: &str) {
    let path = folder.path().join("test.lua");
    fs::write(
        &path,
        format!("local folder = ...\nlocal tidewaiter = require(\"tidewaiter\")\n{script}\nprint(\"done\")"),
    )
    .unwrap();
    let mut command = Command::new("lua5.4");
    command.arg(&path).arg(folder.path()).env("LUA_CPATH_5_4", lua::module().with_file_name("lib?_lua.so"));
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return eprintln!("{test}: skipped: lua5.4: {error}"),
    };
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("done"), "{said}");
}

fn folder(policy: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("tidewaiter.yaml"), policy).unwrap();
    folder
}

const STRICT: &str = "images: {allow: [registry.corp.example]}";

const EVENT: &str = r#"
    local function event(image)
        return {log = {
            Type = "container", Action = "start", number = 42, float = 1.5, large = 9007199254740993, yes = true,
            empty = {}, list = {1, "two", {three = 3}}, text = "\"\\\n\t\0ä\xff",
            time = {year = 2026, month = 11, day = 24, hour = 10, min = 5, sec = 7, nanosec = 5, yday = 328, wday = 3, isdst = false},
            Actor = {ID = "f0", Attributes = {image = image, name = "w"}},
        }}
    end
"#;

#[test]
fn the_enrichment_comes_and_nothing_else_changes() {
    let script = r#"
        local function same(a, b)
            if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
            for key, value in pairs(a) do if not same(value, b[key]) then return false end end
            for key in pairs(b) do if a[key] == nil then return false end end
            return true
        end
        local door = tidewaiter.open{policy = folder .. "/tidewaiter.yaml"}
        local given = event("evil/x")
        local got = door:process(given)
        assert(got == given)
        local own = got.log.tidewaiter
        assert(own.verdict == "match" and own.tags[1] == "unauthorized-image" and #own.tags == 1)
        assert(own.workload.name == "w" and own.image.repository == "evil/x" and own.image.digest == nil)
        assert(own.detections[1].score == 90 and math.type(own.detections[1].count) == "integer")
        got.log.tidewaiter = nil
        assert(same(got, event("evil/x")))

        -- What somebody has written under the key is replaced.
        given = event("registry.corp.example/web:1")
        given.log.tidewaiter = {verdict = "match"}
        assert(door:process(given).log.tidewaiter.verdict == "clean")

        local plain = {log = {message = "GET /cart", tidewaiter = "mine"}}
        assert(same(door:process(plain), {log = {message = "GET /cart", tidewaiter = "mine"}}))
        assert(same(door:process({metric = {name = "x"}}), {metric = {name = "x"}}))
    "#;
    run("the_enrichment_comes_and_nothing_else_changes", &folder(STRICT), &format!("{EVENT}{script}"));
}

#[test]
fn a_text_comes_back_with_the_enrichment() {
    let script = r#"
        local door = tidewaiter.open{policy = folder .. "/tidewaiter.yaml"}
        local function text(image, more)
            return '{"Type":"container","Action":"start","Actor":{"ID":"f0","Attributes":{"image":"' .. image .. '","name":"w"}}'
                .. (more or "") .. "}"
        end
        -- All but the key stays byte for byte, also what Lua has no value for.
        local odd = ',"none": null,"list":[ ],"map":{},"large":9007199254740993,"float":1.50,"text":"\\u00e4\\u0000ä","deep":[[{"a":[null]}]]'
        local got = door:inspect(text("evil/x", odd))
        local before = text("evil/x", odd):sub(1, -2)
        assert(got:sub(1, #before) == before, got)
        local added = got:sub(#before + 1)
        assert(added:find(',"tidewaiter":{"verdict":"match","tags":["unauthorized-image"]', 1, true) == 1, added)
        -- What somebody has written under the key is replaced.
        got = door:inspect(text("registry.corp.example/web:1", ',"tidewaiter":{"verdict":"match"}'))
        assert(got:find('"verdict":"clean"', 1, true) and not got:find('"verdict":"match"', 1, true), got)
        -- Both ways judge alike, and by one state.
        local event = {log = {Type = "container", Action = "start", Actor = {ID = "f0", Attributes = {image = "evil/x", name = "w"}}}}
        assert(door:process(event).log.tidewaiter.detections[1].count == 2)

        for _, plain in ipairs{"", "plain", "{", "[1]", "null", '{"message":"GET /cart","tidewaiter":[ ]}', "\xff\0", '{"a":1}\n\n{"b":2}'} do
            assert(door:inspect(plain) == plain, plain)
        end
        local lines = door:inspect("plain\n" .. text("evil/y") .. "\n")
        assert(lines:find('^plain\n{"Type".*"tidewaiter":{.*}}\n$'), lines)
        local all = tidewaiter.open{policy = folder .. "/all.yaml"}
        assert(all:inspect('{"message":"GET /cart"}'):find('^{"message":"GET /cart","tidewaiter":{'))
        local table = {}
        assert(door:inspect(nil) == nil and door:inspect(7) == 7 and door:inspect(table) == table)
    "#;
    let folder = folder(STRICT);
    fs::write(folder.path().join("all.yaml"), "output: {enrich: all}").unwrap();
    run("a_text_comes_back_with_the_enrichment", &folder, script);
}

#[test]
fn an_error_leaves_the_event_as_it_was() {
    let script = r#"
        local ok, problem = pcall(tidewaiter.open, {policy = folder .. "/absent.yaml"})
        assert(not ok and tostring(problem):find("absent.yaml"), problem)
        local door = tidewaiter.open()
        local given = event("evil/x")
        given.log.odd = print
        given.log.deep = given.log
        local got = door:process(given)
        assert(got.log.tidewaiter == nil and got.log.deep == got.log and got.log.odd == print)
        given.log.deep = nil
        assert(door:process(given).log.tidewaiter.source == "docker")
        for _ = 1, 20000 do door:process(event("evil/x")) end
        assert(door:process(event("evil/y")).log.tidewaiter.source == "docker")
        assert(not pcall(door.process, door, 7))
    "#;
    run("an_error_leaves_the_event_as_it_was", &folder(STRICT), &format!("{EVENT}{script}"));
}

#[test]
fn what_was_learned_survives() {
    let script = |expected: &str| {
        format!(
            r#"{EVENT}
            local door = tidewaiter.open{{policy = folder .. "/tidewaiter.yaml", state = folder .. "/state"}}
            local own = door:process(event("evil/x")).log.tidewaiter.detections[1]
            assert(own.state == "{expected}", own.state)
            door:flush()"#
        )
    };
    let folder = folder(STRICT);
    run("what_was_learned_survives", &folder, &script("new"));
    run("what_was_learned_survives", &folder, &script("ongoing"));
}

#[test]
fn a_changed_policy_is_read() {
    let script = r#"
        local door = tidewaiter.open{policy = folder .. "/tidewaiter.yaml"}
        local other = tidewaiter.open()
        assert(door:process(event("evil/x")).log.tidewaiter.verdict == "match")
        local file <close> = io.open(folder .. "/tidewaiter.yaml", "w")
        file:write("images: {allow: [evil/*]}")
        file:flush()
        door:flush()
        assert(door:process(event("evil/x")).log.tidewaiter.verdict == "clean")
        assert(other:process(event("evil/x")).log.tidewaiter.policy == "default")
    "#;
    run("a_changed_policy_is_read", &folder(STRICT), &format!("{EVENT}{script}"));
}
