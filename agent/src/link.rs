//! A bounded link between two workers, its bound counted in records.
//!
//! From: an input, or the pipeline. To: the next worker. A batch passes whole or not at all. `offer` never blocks and
//! counts what it drops; `push` waits, so that the input's own buffer (a file, a socket) holds what does not fit. When
//! all senders are gone and the link is empty, the receiver is told that it has ended: that is the signal to drain.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weir_flow::{Batch, FlowRecord};

/// What a link has seen, readable from any thread.
#[derive(Debug)]
pub struct LinkStats {
    /// Its name, for metrics and the log.
    pub name: &'static str,
    /// Most records that it holds; a single larger batch passes when it is empty.
    pub bound_records: usize,
    records_passed: AtomicU64,
    records_dropped: AtomicU64,
    batches_dropped: AtomicU64,
    depth_records: AtomicUsize,
}

impl LinkStats {
    /// Records handed to the receiver's side.
    #[must_use]
    pub fn records_passed(&self) -> u64 {
        self.records_passed.load(Ordering::Relaxed)
    }

    /// Records that `offer` dropped, and those refused or left behind because the receiver was gone.
    #[must_use]
    pub fn records_dropped(&self) -> u64 {
        self.records_dropped.load(Ordering::Relaxed)
    }

    /// Batches that were dropped.
    #[must_use]
    pub fn batches_dropped(&self) -> u64 {
        self.batches_dropped.load(Ordering::Relaxed)
    }

    /// Records waiting now.
    #[must_use]
    pub fn depth_records(&self) -> usize {
        self.depth_records.load(Ordering::Relaxed)
    }

    fn drop_batch(&self, batch: &Batch) {
        self.records_dropped.fetch_add(records(batch), Ordering::Relaxed);
        self.batches_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn records(batch: &Batch) -> u64 {
    u64::try_from(batch.records.len()).unwrap_or(u64::MAX)
}

/// What else a record may carry as one record. A hostile exporter fills records with kilobytes: each such piece counts as
/// a record more, so that a bound in records is one in octets.
const EXTRA_BYTES: usize = 512;

/// Between two looks of [`Sender::push_unless`] at whether it is over.
const LOOK: Duration = Duration::from_millis(50);

/// What a batch takes of the bound; an empty one, which carries a bookmark, takes one too, so that nothing is unbounded.
fn weight(batch: &Batch) -> usize {
    let extra = |record: &FlowRecord| record.extra.as_ref().map_or(0, |extra| extra.bytes() / EXTRA_BYTES);
    let records: usize = batch.records.iter().map(|record| 1 + extra(record)).sum();
    records.max(1)
}

/// Why a batch did not pass; it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There was no room.
    Full,
    /// The receiver is gone.
    Closed,
}

/// What [`Receiver::recv_timeout`] answers.
#[derive(Debug)]
pub enum Recv {
    /// The oldest batch.
    Batch(Batch),
    /// None came in time.
    Timeout,
    /// The link is empty and all senders are gone.
    Closed,
}

#[derive(Debug)]
struct Queue {
    /// Each with its weight.
    batches: VecDeque<(usize, Batch)>,
    weight: usize,
    senders: usize,
    receiver: bool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    emptied: Condvar,
    stats: Arc<LinkStats>,
}

impl Shared {
    /// A panic elsewhere leaves no half-done change behind: each is made after the last thing that could fail.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fits(&self, queue: &Queue, weight: usize) -> bool {
        queue.batches.is_empty() || queue.weight.saturating_add(weight) <= self.stats.bound_records
    }

    fn enqueue(&self, mut queue: MutexGuard<'_, Queue>, weight: usize, batch: Batch) {
        queue.weight += weight;
        self.stats.depth_records.fetch_add(batch.records.len(), Ordering::Relaxed);
        self.stats.records_passed.fetch_add(records(&batch), Ordering::Relaxed);
        queue.batches.push_back((weight, batch));
        drop(queue);
        self.filled.notify_one();
    }

    fn dequeue(&self, queue: &mut MutexGuard<'_, Queue>) -> Option<Batch> {
        let (weight, batch) = queue.batches.pop_front()?;
        queue.weight -= weight;
        self.stats.depth_records.fetch_sub(batch.records.len(), Ordering::Relaxed);
        // Several senders may wait for rooms of different sizes.
        self.emptied.notify_all();
        Some(batch)
    }
}

/// A link named `name` that holds at most `bound_records` records.
#[must_use]
pub fn channel(name: &'static str, bound_records: usize) -> (Sender, Receiver) {
    let stats = Arc::new(LinkStats {
        name,
        bound_records,
        records_passed: AtomicU64::new(0),
        records_dropped: AtomicU64::new(0),
        batches_dropped: AtomicU64::new(0),
        depth_records: AtomicUsize::new(0),
    });
    let queue = Queue { batches: VecDeque::new(), weight: 0, senders: 1, receiver: true };
    let shared =
        Arc::new(Shared { queue: Mutex::new(queue), filled: Condvar::new(), emptied: Condvar::new(), stats });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// The end that batches go in by; the link ends when the last clone is dropped.
#[derive(Debug)]
pub struct Sender(Arc<Shared>);

impl Sender {
    /// Passes `batch` on if there is room, and never blocks.
    ///
    /// # Errors
    /// No room, or no receiver; its records are counted as dropped.
    pub fn offer(&self, batch: Batch) -> Result<(), Refused> {
        let weight = weight(&batch);
        self.pass(self.0.lock(), weight, batch)
    }

    /// Passes `batch` on, waiting for room no longer than `patience`.
    ///
    /// # Errors
    /// As [`Self::offer`].
    pub fn offer_within(&self, batch: Batch, patience: Duration) -> Result<(), Refused> {
        let weight = weight(&batch);
        let full = |queue: &mut Queue| queue.receiver && !self.0.fits(queue, weight);
        let waited = self.0.emptied.wait_timeout_while(self.0.lock(), patience, full);
        self.pass(waited.unwrap_or_else(PoisonError::into_inner).0, weight, batch)
    }

    fn pass(&self, queue: MutexGuard<'_, Queue>, weight: usize, batch: Batch) -> Result<(), Refused> {
        if queue.receiver && self.0.fits(&queue, weight) {
            self.0.enqueue(queue, weight, batch);
            return Ok(());
        }
        self.0.stats.drop_batch(&batch);
        Err(if queue.receiver { Refused::Full } else { Refused::Closed })
    }

    /// Passes `batch` on, waiting until there is room.
    ///
    /// # Errors
    /// The receiver is gone; its records are counted as dropped.
    pub fn push(&self, batch: Batch) -> Result<(), Refused> {
        let weight = weight(&batch);
        let mut queue = self.0.lock();
        while queue.receiver && !self.0.fits(&queue, weight) {
            queue = self.0.emptied.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.receiver {
            self.0.enqueue(queue, weight, batch);
            return Ok(());
        }
        self.0.stats.drop_batch(&batch);
        Err(Refused::Closed)
    }

    /// Passes `batch` on, waiting until there is room or `is_over` says so. For an input that can read the same again: what
    /// does not pass is not counted as dropped.
    ///
    /// # Errors
    /// [`Refused::Full`] when it was over, [`Refused::Closed`] when the receiver is gone.
    pub fn push_unless(&self, batch: Batch, is_over: impl Fn() -> bool) -> Result<(), Refused> {
        let weight = weight(&batch);
        let mut queue = self.0.lock();
        while queue.receiver && !self.0.fits(&queue, weight) {
            if is_over() {
                return Err(Refused::Full);
            }
            let waited = self.0.emptied.wait_timeout(queue, LOOK);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if queue.receiver {
            self.0.enqueue(queue, weight, batch);
            return Ok(());
        }
        Err(Refused::Closed)
    }

    /// What the link has seen.
    #[must_use]
    pub fn stats(&self) -> Arc<LinkStats> {
        Arc::clone(&self.0.stats)
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.senders -= 1;
        if queue.senders == 0 {
            drop(queue);
            self.0.filled.notify_all();
        }
    }
}

/// The end that batches come out of; what is left in it when it is dropped counts as dropped.
#[derive(Debug)]
pub struct Receiver(Arc<Shared>);

impl Receiver {
    /// The oldest batch, waiting for it; `None` when the link is empty and all senders are gone.
    pub fn recv(&self) -> Option<Batch> {
        let nothing = |queue: &mut Queue| queue.batches.is_empty() && queue.senders > 0;
        let waited = self.0.filled.wait_while(self.0.lock(), nothing);
        self.0.dequeue(&mut waited.unwrap_or_else(PoisonError::into_inner))
    }

    /// The oldest batch, waiting at most `timeout` for it.
    pub fn recv_timeout(&self, timeout: Duration) -> Recv {
        let nothing = |queue: &mut Queue| queue.batches.is_empty() && queue.senders > 0;
        let waited = self.0.filled.wait_timeout_while(self.0.lock(), timeout, nothing);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        match self.0.dequeue(&mut queue) {
            Some(batch) => Recv::Batch(batch),
            None if queue.senders == 0 => Recv::Closed,
            None => Recv::Timeout,
        }
    }

    /// What the link has seen.
    #[must_use]
    pub fn stats(&self) -> Arc<LinkStats> {
        Arc::clone(&self.0.stats)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.receiver = false;
        while let Some(batch) = self.0.dequeue(&mut queue) {
            self.0.stats.drop_batch(&batch);
        }
        drop(queue);
        self.0.emptied.notify_all();
    }
}

#[cfg(test)]
mod tests;
