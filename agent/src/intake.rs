//! Records from the API on their way into the pipeline: whole batches, within bounds of their own.
//!
//! From: `POST /v1/ingest`, through the [`Gate`], which takes a batch whole or not at all. To: the link of all inputs,
//! by the thread `intake`. A batch counts against the bounds until it is committed, so that a ring which cannot be
//! written is told to the clients and not to capture.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_flow::{Batch, Extra, FlowRecord, Held, Timestamp};
use weir_web::{Intake, Load, NotTaken};

use crate::clock::Clock;
use crate::link::{self, Receiver, Recv, Sender};
use crate::stop::Stop;

/// Memory of records that were taken and are not yet stored: the count alone bounds nothing, since a record may carry
/// kilobytes. One batch larger than this passes alone.
const MAX_OCTETS: usize = 32 << 20;
/// A full queue empties within a commit or two.
const RETRY_AFTER_SECONDS: u32 = 1;
/// Between two looks at the word to stop.
const TICK: Duration = Duration::from_millis(250);

/// Section `[ingest]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Records that were taken over the API and are not yet stored, 10,000 to 1,000,000.
    pub queue_records: QueueRecords,
}

/// A bound of records, at least one largest request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "usize")]
pub struct QueueRecords(usize);

impl QueueRecords {
    const MIN: usize = 10_000;
    const MAX: usize = 1_000_000;

    /// Records.
    #[must_use]
    pub const fn value(self) -> usize {
        self.0
    }
}

impl Default for QueueRecords {
    fn default() -> Self {
        Self(Self::MIN)
    }
}

impl TryFrom<usize> for QueueRecords {
    type Error = String;

    fn try_from(records: usize) -> Result<Self, String> {
        if (Self::MIN..=Self::MAX).contains(&records) {
            return Ok(Self(records));
        }
        Err(format!("must be {} to {} records, not {records}", Self::MIN, Self::MAX))
    }
}

impl fmt::Display for QueueRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The way in, shared by the threads that answer requests.
pub struct Gate {
    to: Sender,
    records: Arc<AtomicUsize>,
    octets: Arc<AtomicUsize>,
    bound: usize,
    stop: Stop,
    clock: Clock,
}

/// The thread `intake` before it runs.
pub struct Worker {
    from: Receiver,
    to: Sender,
    stop: Stop,
}

/// A gate as `config` says, and the thread that carries on to `to` what it took.
#[must_use]
pub fn open(config: &Config, to: Sender, stop: &Stop, clock: Clock) -> (Gate, Worker) {
    // The gate bounds what is in the link: what it has taken always fits.
    let (gate_end, from) = link::channel("ingest", usize::MAX);
    let bound = config.queue_records.value();
    let gate = Gate {
        to: gate_end,
        records: Arc::default(),
        octets: Arc::default(),
        bound,
        stop: stop.clone(),
        clock,
    };
    (gate, Worker { from, to, stop: stop.clone() })
}

impl Intake for Gate {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn offer(&self, batch: Batch) -> Result<(), NotTaken> {
        if self.stop.is_set() {
            return Err(NotTaken::Stopping);
        }
        let octets = batch.records.iter().map(octets).sum::<usize>().min(MAX_OCTETS);
        let full = || NotTaken::Full { retry_after_seconds: RETRY_AFTER_SECONDS };
        let records = Held::take(&self.records, batch.records.len(), self.bound).ok_or_else(full)?;
        let octets = Held::take(&self.octets, octets, MAX_OCTETS).ok_or_else(full)?;
        let held = vec![Arc::new(records), Arc::new(octets)];
        let batch = Batch { held, handed_over: self.clock.now(), ..batch };
        self.to.offer(batch).map_err(|_| NotTaken::Stopping)
    }

    fn load(&self) -> Load {
        Load { records: self.records.load(Ordering::Relaxed), bound: self.bound }
    }
}

/// Memory of a record, octets.
fn octets(record: &FlowRecord) -> usize {
    size_of::<FlowRecord>() + record.extra.as_deref().map_or(0, Extra::bytes)
}

impl Worker {
    /// Carries batches on until a stop; then those that were taken before it.
    ///
    /// # Errors
    /// When the pipeline has ended before its inputs.
    pub fn run(self) -> Result<(), &'static str> {
        loop {
            // Whoever saw no stop hands over within the tick that begins now.
            let is_last = self.stop.is_set();
            match self.from.recv_timeout(TICK) {
                Recv::Batch(batch) => {
                    self.to.push(batch).map_err(|_| "the pipeline ended before its inputs")?;
                }
                Recv::Timeout if is_last => return Ok(()),
                Recv::Timeout => {}
                Recv::Closed => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::{Batch, Extra, FlowRecord};
    use weir_web::{Intake, NotTaken};

    use super::{Config, MAX_OCTETS, open};
    use crate::clock::Clock;
    use crate::link;
    use crate::stop::Stop;

    fn batch(records: usize) -> Batch {
        Batch { records: vec![FlowRecord::default(); records], ..Batch::default() }
    }

    #[test]
    fn a_batch_is_taken_whole_or_not_at_all_and_counts_until_it_is_gone() {
        let (to, from) = link::channel("test", 100_000);
        let stop = Stop::new();
        let (gate, worker) = open(&Config::default(), to, &stop, Clock);
        gate.offer(batch(6_000)).unwrap();
        assert!(matches!(gate.offer(batch(4_001)), Err(NotTaken::Full { .. })));
        gate.offer(batch(4_000)).unwrap();
        assert_eq!(gate.load().records, 10_000);
        stop.set();
        assert_eq!(gate.offer(batch(1)), Err(NotTaken::Stopping));
        worker.run().unwrap();
        assert_eq!(gate.load().records, 10_000, "nothing is stored yet");
        let stored = from.recv().unwrap();
        assert_eq!(stored.records.len(), 6_000);
        drop(stored);
        assert_eq!(gate.load().records, 4_000);
        assert_eq!(from.recv().unwrap().records.len(), 4_000);
        assert_eq!(gate.load().records, 0);
        assert!(from.recv().is_none());
    }

    #[test]
    fn memory_is_bounded_beside_the_count_and_a_single_large_batch_passes_alone() {
        let (to, _from) = link::channel("test", 100_000);
        let (gate, _worker) = open(&Config::default(), to, &Stop::new(), Clock);
        let large = || {
            let extra = Extra::from_iter([("text", "x".repeat(MAX_OCTETS + 1))]);
            let record = FlowRecord { extra: Some(Box::new(extra)), ..FlowRecord::default() };
            Batch { records: vec![record], ..Batch::default() }
        };
        gate.offer(large()).unwrap();
        assert!(matches!(gate.offer(batch(1)), Err(NotTaken::Full { .. })));
        assert_eq!(gate.load().records, 1, "what was refused holds nothing");
    }
}
