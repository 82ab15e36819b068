//! Input in chunks, until its end or until somebody asks the program to end.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

/// How much to read at a time. A batch costs some microseconds beside its records.
const CHUNK: usize = 256 * 1024;

type Chunk = io::Result<Vec<u8>>;

/// Knows whether the program was asked to end.
#[derive(Clone, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_asked: AtomicBool,
    /// Whoever waits for input.
    waiting: Mutex<Option<SyncSender<Chunk>>>,
}

impl Stop {
    /// Takes an interrupt, a request to end or a hang-up as the end of the input. A second one ends the program at once.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        let handler = stop.clone();
        ctrlc::set_handler(move || handler.ask()).context("cannot wait for signals")?;
        Ok(stop)
    }

    fn ask(&self) {
        if self.0.is_asked.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waiting) = waiting {
            // Nobody waits any more when the input has ended.
            let _ = waiting.send(Ok(Vec::new()));
        }
    }

    /// Whether the program was asked to end.
    pub fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::SeqCst)
    }
}

/// An input in chunks.
pub enum Chunks {
    /// Read where it is needed.
    Direct(Box<dyn Read + Send>, Vec<u8>),
    /// Read by a thread, so that one can wait for signals at the same time.
    Threaded(Receiver<Chunk>, Stop),
}

impl Chunks {
    pub fn new(file: Box<dyn Read + Send>, stop: Option<&Stop>) -> Self {
        let Some(stop) = stop else { return Self::Direct(file, vec![0; CHUNK]) };
        let (sender, receiver) = sync_channel(2);
        let asked = stop.clone();
        *stop.0.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        std::thread::spawn(move || {
            let mut chunks = Self::Direct(file, vec![0; CHUNK]);
            while !asked.is_asked() {
                let mut chunk = Vec::new();
                let read = chunks.next(&mut chunk).map(|_| chunk);
                let is_last = read.as_ref().map_or(true, Vec::is_empty);
                // The other end hangs up when it was asked to stop.
                if sender.send(read).is_err() || is_last {
                    return;
                }
            }
        });
        Self::Threaded(receiver, stop.clone())
    }

    /// Appends what comes next, and gives its length: 0 at the end.
    pub fn next(&mut self, to: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Direct(file, chunk) => loop {
                match file.read(chunk) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => {
                        let read = read?;
                        to.extend_from_slice(chunk.get(..read).unwrap_or_default());
                        return Ok(read);
                    }
                }
            },
            Self::Threaded(receiver, stop) => loop {
                // What was read before somebody asked is not lost.
                let chunk = if stop.is_asked() { receiver.try_recv().ok() } else { receiver.recv().ok() };
                let Some(chunk) = chunk.transpose()? else { return Ok(0) };
                if !chunk.is_empty() || !stop.is_asked() {
                    to.extend_from_slice(&chunk);
                    return Ok(chunk.len());
                }
            },
        }
    }
}
