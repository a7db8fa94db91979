//! Which indicators are new: told by whoever reads the lists, taken by whoever hunts.

use std::sync::{Arc, Mutex};

use weir_flow::Timestamp;
use weir_ti::{Digest, Index};

use crate::metrics::held;

/// Indicators that came since the last hunt began.
#[derive(Debug)]
pub struct News {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Of the lists that were loaded at the start.
    first: Digest,
    /// Of those in use.
    digest: Digest,
    fresh: Option<Fresh>,
}

/// New indicators.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    /// These and no others, as long as there are not very many.
    pub(super) index: Arc<Index>,
    /// When the last of them came.
    pub(super) at: Timestamp,
}

impl News {
    /// Nothing new in lists of this `digest`.
    #[must_use]
    pub const fn new(digest: Digest) -> Self {
        Self { state: Mutex::new(State { first: digest, digest, fresh: None }) }
    }

    /// Says that `after`, of lists with this `digest`, is in use at `at` where `before` was. What waits already goes on waiting,
    /// unless it is gone again.
    pub fn changed(&self, before: &Index, after: &Arc<Index>, digest: Digest, at: Timestamp) {
        let waiting = held(&self.state).fresh.take();
        // Comparing long lists takes a while; nobody waits for it.
        let index = after.added(before, waiting.as_ref().map(|fresh| &*fresh.index));
        let mut state = held(&self.state);
        state.digest = digest;
        state.fresh = (!index.is_empty()).then_some(Fresh { index, at });
    }

    /// The digest of the lists that were loaded at the start.
    pub(super) fn first(&self) -> Digest {
        held(&self.state).first
    }

    /// What is new, which is so no longer, and the digest of the lists in use.
    pub(super) fn take(&self) -> (Digest, Option<Fresh>) {
        let mut state = held(&self.state);
        (state.digest, state.fresh.take())
    }

    /// The digest of the lists in use, if nothing waits.
    pub(super) fn settled(&self) -> Option<Digest> {
        let state = held(&self.state);
        state.fresh.is_none().then_some(state.digest)
    }
}
