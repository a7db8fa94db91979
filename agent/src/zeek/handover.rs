//! Records and the position after them, in one batch, over the link.

use weir_flow::{Batch, Bookmark, FlowRecord};

use crate::clock::Clock;
use crate::link::{Refused, Sender};
use crate::stop::Stop;

/// Records of a batch: few enough that nobody waits long for room, enough that the bookmark of each costs little.
pub(super) const BATCH_RECORDS: usize = 512;

/// Why no more can be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The agent is to stop; what was not handed over is read again at the next start.
    Stopping,
    /// The pipeline has ended.
    Closed,
}

/// Where batches go.
pub(super) struct Handover {
    pub(super) to: Sender,
    pub(super) stop: Stop,
    pub(super) clock: Clock,
}

impl Handover {
    /// Hands `records` over with how far their file was read, waiting for room until a stop.
    pub(super) fn push(&self, records: Vec<FlowRecord>, bookmark: Bookmark) -> Result<(), Over> {
        let handed_over = self.clock.now();
        let batch = Batch { records, bookmark: Some(bookmark), handed_over, ..Batch::default() };
        self.to.push_unless(batch, || self.stop.is_set()).map_err(|refused| match refused {
            Refused::Full => Over::Stopping,
            Refused::Closed => Over::Closed,
        })
    }
}
