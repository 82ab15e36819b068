//! One thread has the guest: whatever comes at the same time is judged in one order.

use std::collections::VecDeque;
use std::hash::Hasher;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::body::Bytes;
use siphasher::sip128::{Hasher128, SipHasher13};
use tidewaiter::host::component::Component;
use tidewaiter::host::{Host, Verdict};
use tidewaiter::time::Time;
use tokio::sync::oneshot;

use super::batch;
use super::metrics::Metrics;
use super::policy::{Policy, Seen};
use crate::cli::store::{Store, now};
use crate::cli::threats::Threats;
use crate::cli::{findings, run, style};

/// How often to look whether the policy has changed, and whether it is time to write what was learned.
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
pub fn start(
    policy: Policy,
    state: Option<PathBuf>,
    remember: usize,
    metrics: Metrics,
) -> Result<(Judge, String, JoinHandle<Result<()>>)> {
    let mut keeper = Keeper::start(policy, state, remember, metrics)?;
    let version = keeper.guest.version()?;
    let (sender, receiver) = channel();
    let thread = thread::Builder::new().name("judge".into()).spawn(move || keeper.run(&receiver));
    Ok((Judge(sender), version, thread.context("cannot start a thread")?))
}

/// The guest and all that belongs to it.
struct Keeper {
    guest: Component,
    policy: Policy,
    threats: Threats,
    state: Option<PathBuf>,
    store: Option<Store>,
    /// Something was judged, or even found, since the last time of writing.
    is_dirty: bool,
    has_alerted: bool,
    remembered: Remembered,
    keys: (u64, u64),
    metrics: Metrics,
    looked: Instant,
}

impl Keeper {
    fn start(policy: Policy, state: Option<PathBuf>, remember: usize, metrics: Metrics) -> Result<Self> {
        let guest = Component::new(policy.text(), run::seed())?;
        let mut keeper = Self {
            guest,
            threats: policy.threats(),
            policy,
            state,
            store: None,
            is_dirty: false,
            has_alerted: false,
            remembered: Remembered::new(remember),
            keys: run::seed().into(),
            metrics,
            looked: now(),
        };
        keeper.restore()?;
        keeper.hold_policy()?;
        Ok(keeper)
    }

    /// Has a new guest take up what was written.
    fn restore(&mut self) -> Result<()> {
        self.store = match &self.state {
            Some(path) => Some(Store::open(path, run::token(), &mut self.guest)?),
            None => None,
        };
        Ok(())
    }

    /// Gives the guest what the policy says of other files, tells it of a newer one that does not parse, so that the
    /// records say it, and the metrics what holds.
    fn hold_policy(&mut self) -> Result<()> {
        self.threats = self.policy.threats();
        self.refresh()?;
        if let Some(bad) = self.policy.bad() {
            // That it does not parse is known.
            let _ = self.guest.set_policy(Some(bad));
        }
        self.metrics.policy_is_current.set(self.policy.bad().is_none().into());
        self.metrics.set_policy(&self.guest.version()?);
        Ok(())
    }

    fn run(mut self, messages: &Receiver<Message>) -> Result<()> {
        loop {
            match messages.recv_timeout(TICK) {
                Ok(Message::Judge(body, reply)) => self.answer(&body, reply),
                Ok(Message::Settle(id)) => self.remembered.forget(id),
                Ok(Message::Reload) => self.look(true),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if now().duration_since(self.looked) >= TICK {
                self.looked = now();
                self.look(false);
            }
            self.keep();
        }
        self.store.as_mut().map_or(Ok(()), |store| store.save(&mut self.guest))
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
        let began = now();
        let at = time();
        let judged = batch::judge(body, |lines| self.inspect(lines, at));
        self.metrics.judge_seconds.observe(now().duration_since(began).as_secs_f64());
        self.metrics.memory.set(i64::try_from(self.guest.memory_bytes()).unwrap_or(i64::MAX));
        judged
    }

    /// Judges lines. Those that the guest breaks off at pass as they are.
    fn inspect(&mut self, lines: &[u8], at: Option<Time>) -> Vec<u8> {
        match self.guest.inspect(lines, at) {
            Ok(batch) => {
                self.metrics.count(&batch.verdicts);
                let outs = batch.records.split(|byte| *byte == b'\n').zip(&batch.verdicts);
                for (line, _) in outs.filter(|(_, verdict)| **verdict == Verdict::Match) {
                    self.has_alerted = true;
                    self.count_rules(line);
                }
                self.is_dirty = true;
                batch.records
            }
            Err(error) => {
                style::warning(&format!("the guest broke off, and records passed unjudged: {error:#}"));
                self.metrics.replaced.inc();
                if let Err(error) = self.replace() {
                    style::warning(&format!("the guest cannot be replaced: {error:#}"));
                }
                lines.to_vec()
            }
        }
    }

    fn count_rules(&self, line: &[u8]) {
        let record = serde_json::from_slice(line).ok();
        let own = record.as_ref().and_then(|record| findings::enrichment(record, self.policy.field()));
        let tags = own.and_then(|own| own.get("tags")).and_then(|tags| tags.as_array());
        tags.into_iter().flatten().filter_map(|tag| tag.as_str()).for_each(|rule| self.metrics.count_match(rule));
    }

    fn replace(&mut self) -> Result<()> {
        self.guest = Component::new(self.policy.text(), run::seed())?;
        self.restore()?;
        self.hold_policy()
    }

    /// Gives the guest the threat lists that are not as they were.
    fn refresh(&mut self) -> Result<()> {
        for (name, text) in self.threats.changed() {
            if let Some(taken) = self.guest.set_threats(&name, &text)?
                && (taken.bad > 0 || taken.over > 0)
            {
                style::warning(&format!("{name}: {taken}"));
            }
        }
        Ok(())
    }

    /// Goes on with the policy and the threat lists as they are in their files now.
    fn look(&mut self, is_asked: bool) {
        let done = match self.policy.look(is_asked) {
            Seen::Same => self.refresh(),
            Seen::New => self.guest.set_policy(self.policy.text()).and_then(|()| self.hold_policy()),
            Seen::Bad => self.hold_policy(),
        };
        if let Err(error) = done {
            style::warning(&format!("the policy cannot be set: {error:#}"));
        }
    }

    fn keep(&mut self) {
        let Some(store) = self.store.as_mut().filter(|_| self.is_dirty) else { return };
        if store.keep(&mut self.guest, self.has_alerted) {
            self.is_dirty = false;
            self.has_alerted = false;
        }
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
