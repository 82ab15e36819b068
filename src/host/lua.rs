//! `libtidewaiter_lua.so`: the component inside a program that has Lua 5.4, such as Vector's `lua` transform.
//!
//! ```text
//! cargo build --release --example tidewaiter_lua
//! ```
//!
//! ```lua
//! local tidewaiter = require("tidewaiter").open{policy = "/etc/tidewaiter/tidewaiter.yaml", state = "/var/lib/tidewaiter"}
//! text = tidewaiter:inspect(text)    -- a record as JSON, with the enrichment
//! tidewaiter:process(event)          -- adds the enrichment to event.log
//! tidewaiter:flush()                 -- writes what was learned
//! ```
//!
//! The record goes to the guest as JSON: `inspect` hands the text on as it is, `process` has to write it from tables first,
//! and to make tables of the enrichment. An error leaves the text or the event as it was.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use mlua::prelude::{Lua, LuaResult, LuaString, LuaTable, LuaUserData, LuaUserDataMethods, LuaValue};
use mlua::{AnyUserData, ExternalError as _};
use serde_json::Value as Json;
use tidewaiter::host::Batch;
use tidewaiter::host::keeper::Keeper;
use tidewaiter::record::quote;
use tidewaiter::time::Time;

/// A record that is nested deeper passes unjudged.
const DEEPEST: usize = 128;

#[mlua::lua_module(name = "tidewaiter")]
fn module(lua: &Lua) -> LuaResult<LuaTable> {
    let exports = lua.create_table()?;
    exports.set("open", lua.create_function(open)?)?;
    exports.set("version", tidewaiter::VERSION)?;
    Ok(exports)
}

fn open(lua: &Lua, options: Option<LuaTable>) -> LuaResult<AnyUserData> {
    let path = |name: &str| options.as_ref().map_or(Ok(None), |options| options.get::<Option<String>>(name));
    let [policy, state] = [path("policy")?, path("state")?].map(|path| path.map(PathBuf::from));
    let say = |line: &str| eprintln!("tidewaiter: {line}");
    let keeper = Keeper::start(policy, state, say).map_err(|error| format!("{error:#}").into_lua_err())?;
    lua.create_userdata(Door { keeper, line: Vec::new() })
}

/// One engine.
struct Door {
    keeper: Keeper,
    line: Vec<u8>,
}

impl LuaUserData for Door {
    fn add_methods<M: LuaUserDataMethods<Self>>(methods: &mut M) {
        // What is no text is given back, too: who calls this for every event need not look first.
        methods.add_method_mut("inspect", |lua, door, text: LuaValue| match &text {
            LuaValue::String(record) => door.inspect(lua, record).map_or(Ok(text), |text| text.map(LuaValue::String)),
            _ => Ok(text),
        });
        methods.add_method_mut("process", |lua, door, event: LuaTable| {
            // Whatever goes wrong, the event is as it was.
            let _ = door.process(lua, &event);
            Ok(event)
        });
        methods.add_method_mut("flush", |_, door, ()| {
            door.keeper.look(false);
            if let Err(error) = door.keeper.save() {
                eprintln!("tidewaiter: {error:#}");
            }
            Ok(())
        });
    }
}

impl Door {
    /// The text with the enrichment; none where it stays as it is.
    fn inspect(&mut self, lua: &Lua, text: &LuaString) -> Option<LuaResult<LuaString>> {
        let text = text.as_bytes();
        let batch = judge(&mut self.keeper, &text)?;
        (*batch.records != *text).then(|| lua.create_string(batch.records))
    }

    fn process(&mut self, lua: &Lua, event: &LuaTable) -> LuaResult<()> {
        let LuaValue::Table(record) = event.raw_get("log")? else { return Ok(()) };
        self.line.clear();
        write_object(&record, Some(self.keeper.field()), DEEPEST, &mut self.line)?;
        let Some(batch) = judge(&mut self.keeper, &self.line) else { return Ok(()) };
        // The enrichment is the last member, and there is none of its name before.
        let kept = self.line.strip_suffix(b"}").unwrap_or_default();
        let Some(added) = batch.records.strip_prefix(kept).filter(|added| *added != b"}") else { return Ok(()) };
        let added = [b"{", added.strip_prefix(b",").unwrap_or(added)].concat();
        let Ok(Json::Object(added)) = serde_json::from_slice(&added) else { return Ok(()) };
        for (name, value) in added {
            record.raw_set(name, read(lua, value)?)?;
        }
        Ok(())
    }
}

fn judge(keeper: &mut Keeper, lines: &[u8]) -> Option<Batch> {
    let batch = keeper.inspect(lines, time());
    keeper.tick();
    batch
}

/// Writes a table as a JSON object, but for one of its members.
fn write_object(table: &LuaTable, but: Option<&str>, depth: usize, out: &mut Vec<u8>) -> LuaResult<()> {
    out.push(b'{');
    let begin = out.len();
    table.for_each(|name: LuaValue, value: LuaValue| {
        let LuaValue::String(name) = name else { return Ok(()) };
        let name = name.as_bytes();
        if but.is_some_and(|but| *name == *but.as_bytes()) {
            return Ok(());
        }
        if out.len() > begin {
            out.push(b',');
        }
        quote(String::from_utf8_lossy(&name).as_bytes(), out);
        out.push(b':');
        write(&value, depth, out)
    })?;
    out.push(b'}');
    Ok(())
}

fn write(value: &LuaValue, depth: usize, out: &mut Vec<u8>) -> LuaResult<()> {
    match value {
        LuaValue::Boolean(value) => write!(out, "{value}")?,
        LuaValue::Integer(value) => write!(out, "{value}")?,
        LuaValue::Number(value) if value.is_finite() => write!(out, "{value:?}")?,
        // Bytes that are no text would make the record none.
        LuaValue::String(value) => quote(String::from_utf8_lossy(&value.as_bytes()).as_bytes(), out),
        LuaValue::Table(table) => {
            let depth = depth.checked_sub(1).ok_or_else(|| "nested too deep".into_lua_err())?;
            if table.raw_len() > 0 {
                out.push(b'[');
                for (place, value) in table.sequence_values::<LuaValue>().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    write(&value?, depth, out)?;
                }
                out.push(b']');
            } else if let Some(time) = timestamp(table)? {
                quote(time.as_bytes(), out);
            } else {
                write_object(table, None, depth, out)?;
            }
        }
        _ => out.extend_from_slice(b"null"),
    }
    Ok(())
}

/// A table that Vector means as a timestamp.
fn timestamp(table: &LuaTable) -> LuaResult<Option<String>> {
    let LuaValue::Integer(year) = table.raw_get("year")? else { return Ok(None) };
    let mut parts = [0_i64; 6];
    for (part, name) in parts.iter_mut().zip(["month", "day", "hour", "min", "sec", "nanosec"]) {
        match table.raw_get(name)? {
            LuaValue::Integer(value) => *part = value,
            LuaValue::Nil if name == "nanosec" => {}
            _ => return Ok(None),
        }
    }
    let [month, day, hour, minute, second, nanos] = parts;
    Ok(Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")))
}

/// Gives JSON the form that Lua has for it. A member that is null is absent.
fn read(lua: &Lua, value: Json) -> LuaResult<LuaValue> {
    Ok(match value {
        Json::Null => LuaValue::Nil,
        Json::Bool(value) => LuaValue::Boolean(value),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| LuaValue::Number(number.as_f64().unwrap_or_default()), LuaValue::Integer)
        }
        Json::String(text) => LuaValue::String(lua.create_string(text)?),
        Json::Array(list) => {
            let table = lua.create_table_with_capacity(list.len(), 0)?;
            for value in list {
                table.raw_push(read(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
        Json::Object(members) => {
            let table = lua.create_table_with_capacity(0, members.len())?;
            for (name, value) in members {
                table.raw_set(name, read(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

/// Now: the time of records that have none of their own.
#[expect(clippy::disallowed_methods, reason = "the host is the shipper here")]
fn time() -> Option<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Time { sec: i64::try_from(since.as_secs()).ok()?, nanos: since.subsec_nanos() })
}
