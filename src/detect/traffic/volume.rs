//! How much, how long, how often: data that leaves, connections that stay, contacts without pause.

use super::{Contacted, QUIET, Traffic, reasons};
use crate::baseline::{Contact, Told};
use crate::detect::{Detection, Severity};
use crate::source::{Flow, Progress};

/// What was told of a pair on a day: a bit each.
pub const TOLD_BEACON: u16 = 1;
pub const TOLD_FAILED: u16 = 2;
const TOLD_SENT: u16 = 4;
const TOLD_LONG: u16 = 8;
const TOLD_STROBE: u16 = 16;
const TOLD_FLOOD: u16 = 32;

const MEGABYTE: f32 = 1e6;

/// So much that goes to a new destination is data that leaves, in a day or by and by ...
const NEW_SENT: f32 = 50.0 * MEGABYTE;
/// ... and so much to a known one, if it is so many times what any day had.
const KNOWN_SENT: f32 = 500.0 * MEGABYTE;
const KNOWN_TIMES: f32 = 5.0;
/// What is fetched has more that comes back.
const RATIO: f32 = 3.0;
/// A gigabyte in a day is serious.
const SERIOUS: f32 = 1000.0 * MEGABYTE;

/// What is looked at from the first contact on: a connection of an hour, or a megabyte that is sent.
const LASTING: f64 = 3600.0;
const HEAVY: u64 = 1_000_000;

/// A connection, or those of a day together, of so many seconds is long (RITA: medium from 4 h, high from 8 h on).
const LONG: f32 = 4.0 * 3600.0;

/// Contacts in an hour without a pause.
const STROBE: u32 = 3000;
/// Attempts in an hour at what does not answer.
const FLOOD: u32 = 200;
/// To a destination that is known it is one only where it is so many times what any hour had.
const STROBE_TIMES: u32 = 5;

impl Traffic {
    /// Adds what a connection has carried, and judges the pair by its sums.
    pub(super) fn volume(&mut self, told: &Contacted<'_>, flow: &Flow<'_>, transfer: Told, found: &mut Vec<Detection>) {
        let standing = &told.standing;
        let is_heavy = transfer.seconds >= LASTING || transfer.sent >= HEAVY;
        let pair = if is_heavy { self.pairs.promote(told.key) } else { self.pairs.pairs.get_mut(told.key) };
        let Some(pair) = pair else { return };
        let total = flow.sent.filter(|_| flow.progress == Progress::Ended);
        pair.transfer(transfer.sent, transfer.received, transfer.seconds, total);
        let (now, who, shown) = (told.context.at.sec, &told.who, || told.destination.shown());
        let begin = found.len();

        if transfer.sent > 0 {
            let by_and_by = pair.sent < pair.slow_sent * 0.9;
            let (sent, received) =
                if by_and_by { (pair.slow_sent, pair.slow_received) } else { (pair.sent, pair.received) };
            let is_one_way = sent > RATIO * received;
            let is_new = standing.is_open() && sent >= NEW_SENT;
            let is_more = !standing.is_learning
                && standing.is_known
                && pair.sent >= KNOWN_SENT
                && pair.sent > KNOWN_TIMES * pair.usual
                && pair.sent > RATIO * pair.received;
            if is_one_way && (is_new || is_more) && pair.tell(TOLD_SENT, now) {
                let megabytes = |bytes: f32| (bytes / MEGABYTE).round() as u64;
                let span = if by_and_by { "within a week or so" } else { "within a day" };
                let message = format!(
                    "{who} has sent {} MB to {} {span}, and received {} MB",
                    megabytes(sent),
                    shown(),
                    megabytes(received)
                );
                let mut detection = told
                    .detection(&reasons::EXFILTRATION, message)
                    .with("bytes_out", f64::from(sent))
                    .with("bytes_in", f64::from(received))
                    .with("usual_bytes_a_day", f64::from(pair.usual));
                if !is_new || sent < SERIOUS && !standing.is_suspect {
                    detection.severity = Severity::Medium;
                }
                found.push(detection);
            }
        }
        let is_quiet = QUIET.contains(&told.destination.port);
        if pair.seconds >= LONG && standing.is_open() && !is_quiet && pair.tell(TOLD_LONG, now) {
            let seconds = f64::from(pair.seconds).round();
            let message =
                format!("{who} has been connected to {} for {}", shown(), crate::detect::restart::span(seconds as i64));
            let mut detection = told
                .detection(&reasons::LONG, message)
                .with("seconds", seconds)
                .with("bytes_out", f64::from(pair.sent));
            if pair.seconds < 3.0 * LONG {
                detection.severity = Severity::Low;
            }
            found.push(detection);
        }
        let is_contact = matches!(told.contact, Some(Contact::Pair(_)));
        let is_open = if told.has_failed { standing.is_open_to_failures() } else { standing.is_open() };
        let is_unusual =
            is_open || !standing.is_learning && pair.rush > STROBE_TIMES * pair.usual_rush.max(pair.contacts / 200);
        if is_contact && is_unusual {
            let (limit, what, reason) = if told.has_failed {
                (FLOOD, TOLD_FLOOD, &reasons::FAILED)
            } else {
                (STROBE, TOLD_STROBE, &reasons::STROBE)
            };
            // Of a failing destination that is known somebody else is told: it is down.
            let is_due = pair.rush >= limit && !is_quiet && (!told.has_failed || is_open);
            if is_due && pair.tell(what, now) {
                let does = if told.has_failed { "has tried in vain to reach" } else { "has contacted" };
                let message = format!("{who} {does} {} {} times within the hour", shown(), pair.rush);
                let detection = told.detection(reason, message).with("contacts", f64::from(pair.rush));
                found.push(detection.with("usual_in_an_hour", f64::from(pair.usual_rush)));
            }
        }
        found.iter_mut().skip(begin).for_each(|detection| standing.explain(detection));
    }
}
