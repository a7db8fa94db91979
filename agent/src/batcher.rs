//! From a flow table's sink to batches on a link.

use std::time::{Duration, Instant};

use weir_flow::{Batch, FlowRecord, Text};

use crate::clock::Clock;
use crate::link::Sender;
use crate::table::Sink;

/// Records of a full batch.
const BATCH_RECORDS: usize = 512;
/// A record waits no longer than this for its batch to fill.
const PATIENCE: Duration = Duration::from_millis(250);
/// For room with [`Policy::Wait`]: longer than flash takes for a commit, short enough for what else the input has to do.
const ROOM_PATIENCE: Duration = Duration::from_secs(1);

/// What to do when the link is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Drop the batch; the link counts it.
    Offer,
    /// Wait for room, but not for ever: a socket's buffer holds what comes during a commit, a stop must not wait for a
    /// disk that is full.
    Wait,
    /// Wait for room.
    Push,
}

/// Gathers the records of one observation point, or of all exporters.
pub struct Batcher {
    sender: Sender,
    policy: Policy,
    clock: Clock,
    /// None where each record says itself where it was observed.
    observer: Option<Text>,
    records: Vec<FlowRecord>,
    oldest: Option<Instant>,
    /// The latest batch did not find room in time: the next ones do not wait for it, so that a link which is stuck costs the
    /// input one wait and not one for each batch.
    is_stuck: bool,
}

impl Batcher {
    /// Batches for `sender`, of the observation point `observer`.
    #[must_use]
    pub fn new(sender: Sender, policy: Policy, observer: &str, clock: Clock) -> Self {
        Self { observer: Some(observer.into()), ..Self::of_exports(sender, policy, clock) }
    }

    /// Batches for `sender`, of records that exporters observed: what they say of the place is left as it is.
    #[must_use]
    pub const fn of_exports(sender: Sender, policy: Policy, clock: Clock) -> Self {
        Self { sender, policy, clock, observer: None, records: Vec::new(), oldest: None, is_stuck: false }
    }

    /// From now on a full link is waited for: the input has ended, so that nothing is held up.
    pub fn finish(&mut self) {
        if self.policy == Policy::Offer {
            self.policy = Policy::Wait;
        }
    }

    /// Records from now on are of the observation point `observer`.
    pub fn observe(&mut self, observer: &str) {
        self.observer = Some(observer.into());
    }

    /// Hands over what there is.
    pub fn flush(&mut self) {
        self.oldest = None;
        if self.records.is_empty() {
            return;
        }
        let batch = Batch {
            records: std::mem::take(&mut self.records),
            handed_over: self.clock.now(),
            ..Batch::default()
        };
        // A refused batch is counted by the link; a receiver that is gone is what the supervisor reports.
        let passed = match self.policy {
            Policy::Wait if !self.is_stuck => self.sender.offer_within(batch, ROOM_PATIENCE),
            Policy::Offer | Policy::Wait => self.sender.offer(batch),
            Policy::Push => self.sender.push(batch),
        };
        self.is_stuck = passed.is_err();
    }

    /// Hands over a batch whose first record has waited long enough.
    pub fn flush_if_due(&mut self) {
        let now = self.clock.monotonic();
        if self.oldest.is_some_and(|oldest| now.duration_since(oldest) >= PATIENCE) {
            self.flush();
        }
    }
}

impl Sink for Batcher {
    fn take(&mut self, mut record: FlowRecord) {
        if let Some(observer) = &self.observer {
            record.observer = Some(observer.clone());
        }
        if self.records.is_empty() {
            self.records.reserve_exact(BATCH_RECORDS);
            self.oldest = Some(self.clock.monotonic());
        }
        self.records.push(record);
        if self.records.len() >= BATCH_RECORDS {
            self.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::FlowRecord;

    use super::{BATCH_RECORDS, Batcher, Policy, ROOM_PATIENCE};
    use crate::clock::Clock;
    use crate::link;
    use crate::table::Sink;

    #[test]
    fn records_go_over_in_full_batches_and_the_rest_on_flush() {
        let (to, from) = link::channel("test", 10_000);
        let mut batcher = Batcher::new(to, Policy::Offer, "eth0", Clock);
        (0..=BATCH_RECORDS).for_each(|_| batcher.take(FlowRecord::default()));
        assert_eq!(from.recv().unwrap().records.len(), BATCH_RECORDS);
        batcher.flush();
        let rest = from.recv().unwrap();
        assert_eq!(rest.records.len(), 1);
        assert_eq!(rest.records[0].observer.as_deref(), Some("eth0"));
        batcher.flush();
        drop(batcher);
        assert!(from.recv().is_none(), "an empty batch was sent");
    }

    #[test]
    fn records_of_exports_keep_what_they_say_of_their_observer() {
        let (to, from) = link::channel("test", 10);
        let mut batcher = Batcher::of_exports(to, Policy::Offer, Clock);
        batcher.take(FlowRecord::default());
        batcher.take(FlowRecord { observer: Some("uplink".into()), ..FlowRecord::default() });
        batcher.flush();
        let batch = from.recv().unwrap();
        let observers: Vec<_> = batch.records.iter().map(|record| record.observer.as_deref()).collect();
        assert_eq!(observers, [None, Some("uplink")]);
    }

    #[test]
    fn a_link_that_is_stuck_is_waited_for_once() {
        let (to, from) = link::channel("test", BATCH_RECORDS);
        let stats = to.stats();
        let mut batcher = Batcher::of_exports(to, Policy::Wait, Clock);
        let mut batch = || (0..BATCH_RECORDS).for_each(|_| batcher.take(FlowRecord::default()));
        batch();
        let start = Clock.monotonic();
        (0..5).for_each(|_| batch());
        let waited = start.elapsed();
        assert!(waited >= ROOM_PATIENCE && waited < 3 * ROOM_PATIENCE, "{waited:?}");
        assert_eq!(stats.batches_dropped(), 5);
        drop(from.recv());
        batch();
        assert_eq!(stats.batches_dropped(), 5, "there is room again");
    }

    #[test]
    fn what_a_full_link_refuses_is_counted() {
        let (to, _from) = link::channel("test", BATCH_RECORDS);
        let stats = to.stats();
        let mut batcher = Batcher::new(to, Policy::Offer, "eth0", Clock);
        (0..3 * BATCH_RECORDS).for_each(|_| batcher.take(FlowRecord::default()));
        assert_eq!(stats.records_dropped(), 2 * BATCH_RECORDS as u64);
    }
}
