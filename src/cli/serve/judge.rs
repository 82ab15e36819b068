//! One thread has the guest: whatever comes at the same time is judged in one order.

use std::collections::VecDeque;
use std::hash::Hasher;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Bytes;
use siphasher::sip128::{Hasher128, SipHasher13};
use tidewaiter::host::Verdict;
use tidewaiter::host::keeper::{Keeper, seed};
use tidewaiter::time::Time;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::batch;
use super::metrics::Metrics;
use crate::cli::findings;

/// How often to look at the files when nobody comes.
const TICK: Duration = Duration::from_secs(1);

/// How many batches may wait for being sent again.
const MOST_BATCHES: usize = 1024;

/// Names a batch by what it holds.
pub type Id = u128;

/// A batch that was judged.
pub struct Judged {
    pub id: Id,
    pub body: Bytes,
}

enum Message {
    Judge(Vec<u8>, oneshot::Sender<Judged>),
    Settle(Id),
    Reload,
}

/// What the thread is asked with.
#[derive(Clone)]
pub struct Judge(Sender<Message>);

impl Judge {
    /// Has a batch judged, or remembers that it was. None when the thread has ended.
    pub async fn judge(&self, body: Vec<u8>) -> Option<Judged> {
        let (reply, judged) = oneshot::channel();
        self.0.send(Message::Judge(body, reply)).ok()?;
        judged.await.ok()
    }

    /// Says that nobody will send the batch again: it has arrived, or was refused for good.
    pub fn settle(&self, id: Id) {
        // When the thread has ended there is nothing to forget.
        let _ = self.0.send(Message::Settle(id));
    }

    /// Has the policy read again now.
    pub fn reload(&self) {
        let _ = self.0.send(Message::Reload);
    }
}

/// Starts the thread. It ends, and writes what was learned, when all that could ask it are gone.
pub fn start(mut keeper: Keeper, remember: usize, metrics: Metrics) -> Result<(Judge, JoinHandle<Result<()>>)> {
    metrics.set_policy(&keeper.version()?, keeper.is_current());
    let [low, high] = seed();
    let mut desk = Desk { keeper, remembered: Remembered::new(remember), keys: (low, high), metrics };
    let (sender, receiver) = channel();
    let thread = thread::Builder::new().name("judge".into()).spawn(move || desk.run(&receiver));
    Ok((Judge(sender), thread.context("cannot start a thread")?))
}

/// What the thread works with.
struct Desk {
    keeper: Keeper,
    remembered: Remembered,
    keys: (u64, u64),
    metrics: Metrics,
}

impl Desk {
    fn run(&mut self, messages: &Receiver<Message>) -> Result<()> {
        loop {
            let is_new = match messages.recv_timeout(TICK) {
                Ok(Message::Judge(body, reply)) => {
                    self.answer(&body, reply);
                    self.keeper.tick()
                }
                Ok(Message::Settle(id)) => {
                    self.remembered.forget(id);
                    false
                }
                Ok(Message::Reload) => self.keeper.look(true),
                Err(RecvTimeoutError::Timeout) => self.keeper.tick(),
                Err(RecvTimeoutError::Disconnected) => return self.keeper.save(),
            };
            if is_new && let Ok(version) = self.keeper.version() {
                self.metrics.set_policy(&version, self.keeper.is_current());
            }
        }
    }

    fn answer(&mut self, body: &[u8], reply: oneshot::Sender<Judged>) {
        // Whoever has hung up will send it again.
        if reply.is_closed() {
            return;
        }
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        hasher.write(body);
        let id = hasher.finish128().as_u128();
        let body = match self.remembered.get(id) {
            Some(body) => {
                self.metrics.repeated.inc();
                body
            }
            None => {
                let body = Bytes::from(self.judge(body));
                self.remembered.add(id, body.clone());
                body
            }
        };
        // It is remembered until it is settled, also where nobody waits for it any more.
        let _ = reply.send(Judged { id, body });
    }

    fn judge(&mut self, body: &[u8]) -> Vec<u8> {
        let (began, at) = (Instant::now(), time());
        let judged = batch::judge(body, |lines| self.inspect(lines, at));
        self.metrics.judge_seconds.observe(began.elapsed().as_secs_f64());
        self.metrics.memory.set(i64::try_from(self.keeper.memory_bytes()).unwrap_or(i64::MAX));
        judged
    }

    /// Judges lines. Those that the guest breaks off at pass as they are.
    fn inspect(&mut self, lines: &[u8], at: Option<Time>) -> Vec<u8> {
        let Some(batch) = self.keeper.inspect(lines, at) else {
            self.metrics.replaced.inc();
            return lines.to_vec();
        };
        self.metrics.count(&batch.verdicts);
        let matches = batch.answers().filter(|(_, verdict)| *verdict == Verdict::Match);
        matches.for_each(|(line, _)| self.count_rules(line));
        batch.records
    }

    fn count_rules(&self, line: &[u8]) {
        let record = serde_json::from_slice(line).ok();
        let own = record.as_ref().and_then(|record| findings::enrichment(record, self.keeper.field()));
        let tags = own.and_then(|own| own.get("tags")).and_then(|tags| tags.as_array());
        tags.into_iter().flatten().filter_map(|tag| tag.as_str()).for_each(|rule| self.metrics.count_match(rule));
    }
}

/// Batches that were judged and may come again, since the next hop has not taken them: what they count has been counted.
struct Remembered {
    batches: VecDeque<(Id, Bytes)>,
    bytes: usize,
    most: usize,
}

impl Remembered {
    fn new(most: usize) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, most }
    }

    fn get(&self, id: Id) -> Option<Bytes> {
        self.batches.iter().find(|(one, _)| *one == id).map(|(_, body)| body.clone())
    }

    fn add(&mut self, id: Id, body: Bytes) {
        self.bytes += body.len();
        self.batches.push_back((id, body));
        while self.bytes > self.most || self.batches.len() > MOST_BATCHES {
            let Some((_, oldest)) = self.batches.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    fn forget(&mut self, id: Id) {
        if let Some(place) = self.batches.iter().position(|(one, _)| *one == id)
            && let Some((_, body)) = self.batches.remove(place)
        {
            self.bytes -= body.len();
        }
    }
}

/// The time at which a batch has come: that of records without one.
#[expect(clippy::disallowed_methods, reason = "the host is the shipper here; the engine gets the time with the batch")]
fn time() -> Option<Time> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Time { sec: i64::try_from(since.as_secs()).ok()?, nanos: since.subsec_nanos() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_up_to_a_size() {
        let mut remembered = Remembered::new(10);
        for id in 0..4 {
            remembered.add(id, Bytes::from_static(b"four"));
        }
        assert_eq!((0..4).filter(|id| remembered.get(*id).is_some()).collect::<Vec<_>>(), [2, 3]);
        remembered.forget(2);
        remembered.forget(0);
        assert_eq!(remembered.bytes, 4);
        remembered.add(9, Bytes::from_static(b"too long for it"));
        assert_eq!((remembered.bytes, remembered.batches.len()), (0, 0));
    }
}
