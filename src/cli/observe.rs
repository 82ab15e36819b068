//! What records say, for those who look at them beside the engine: an enrichment has neither the time of its record nor
//! the facts in it.

use tidewaiter::record::{Scanner, Shape};
use tidewaiter::source::{self, Observation, POINTERS, Reader};
use tidewaiter::time::Time;

/// Reads records as the engine does.
pub struct Observer {
    shape: Shape,
    scanner: Scanner,
    reader: Reader,
    now: i64,
}

impl Default for Observer {
    fn default() -> Self {
        Self { shape: Shape::new(POINTERS), scanner: Scanner::default(), reader: Reader::default(), now: 0 }
    }
}

impl Observer {
    /// Gives the observations of a record, and its time: that of the last record where it has none.
    pub fn observe<T>(&mut self, record: &[u8], see: impl FnOnce(Time, &[Observation<'_>]) -> T) -> Option<T> {
        let fields = self.scanner.scan(&self.shape, record).ok()?;
        let observations = source::observe(&fields, &mut self.reader).unwrap_or_default();
        let own = observations.iter().find_map(|observation| observation.time).or_else(|| source::time(&fields));
        let at = own.unwrap_or(Time::from_sec(self.now));
        self.now = at.sec;
        Some(see(at, &observations))
    }
}
