//! The thread `hunt`: waits for new indicators, and looks for them in every ring.
//!
//! Nothing depends on it: what goes wrong is told, and tried again after a while.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tracing::{info, warn};
use weir_flow::{Batch, FlowRecord, Held, TenantId, Timestamp};
use weir_store::{Error, Reader};
use weir_ti::Index;

use super::config::Config;
use super::news::News;
use super::position::{At, BOOKMARK, Position};
use super::pursuit::Pursuit;
use super::rings::Ring;
use crate::clock::Clock;
use crate::link::Sender;
use crate::metrics::{Hunting, Metrics};
use crate::pipeline::Shared;
use crate::stop::Stop;

/// Between two looks for news.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks whether records have been stored.
const STORED_TICK: Duration = Duration::from_millis(50);
/// After what a hunt could not go on for: a store that is being moved, an error of the disk.
const RETRY: Duration = Duration::from_secs(30);

/// The thread before it runs.
pub struct Worker {
    /// How hard it works.
    pub config: Config,
    /// The directory of the ring.
    pub dir: PathBuf,
    /// Indicators in use, and weights of the risk.
    pub knowledge: Arc<Shared>,
    /// What is new.
    pub news: Arc<News>,
    /// The way of all records, to learn when those before have been stored.
    pub to_pipeline: Sender,
    /// The way to the store.
    pub to_store: Sender,
    /// How long a slice of work lasts; at least one block is read in each.
    pub slice: Duration,
    /// Most sightings of one hunt in one ring; more are counted.
    pub max_sightings: u64,
    /// Where its figures go.
    pub hunting: Arc<Hunting>,
    /// Where sightings are counted.
    pub metrics: Arc<Metrics>,
    /// Says that it is to end.
    pub stop: Stop,
    /// The clocks.
    pub clock: Clock,
}

/// Why a hunt does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// The agent ends.
    Stop,
    /// The store cannot be read.
    Store(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// New indicators, and how far they have been looked for.
#[derive(Debug)]
pub(super) struct Hunt {
    pub(super) index: Arc<Index>,
    /// The lists that these were compared with last.
    pub(super) compared: Option<Arc<Index>>,
    /// Of the lists that they are from.
    pub(super) digest: String,
    pub(super) since: Timestamp,
    pub(super) at: Option<At>,
}

/// What the thread knows from one hunt to the next.
#[derive(Default)]
struct State {
    /// The digest that the ring remembers as hunted.
    done: Option<String>,
    hunt: Option<Hunt>,
    is_resumed: bool,
}

impl Worker {
    /// Hunts until told to stop.
    ///
    /// # Errors
    /// None: the agent goes on without hunts.
    pub fn run(self) -> Result<(), &'static str> {
        let mut state = State::default();
        loop {
            match self.work(&mut state) {
                Err(Halt::Stop) => break,
                Err(Halt::Store(error)) => self.tell(&format!("failed to {error}")),
                Ok(()) => {}
            }
            if self.stop.wait(RETRY) {
                break;
            }
        }
        if state.hunt.is_some() {
            info!("the hunt for new indicators goes on at the next start");
        }
        Ok(())
    }

    fn tell(&self, trouble: &str) {
        warn!("the hunt for new indicators waits: {trouble}");
        self.hunting.update(|report| {
            report.running = false;
            trouble.clone_into(&mut report.trouble);
        });
    }

    /// Hunts whatever there is; ends with a halt only.
    fn work(&self, state: &mut State) -> Result<(), Halt> {
        if !state.is_resumed {
            self.resume(&Reader::open(&self.dir)?, state)?;
            self.hunting.update(|report| report.trouble.clear());
        }
        loop {
            if state.hunt.is_none() {
                state.hunt = self.take();
            }
            if let Some(hunt) = &mut state.hunt {
                // Between hunts nothing of the store is open, nor its cache in memory.
                self.hunt(&Reader::open(&self.dir)?, hunt)?;
                let digest = self.news.settled().map_or_else(|| hunt.digest.clone(), |now| now.to_string());
                self.finish(state, digest)?;
                continue;
            }
            // Lists that only became shorter have nothing new, and another digest.
            match self.news.settled().map(|digest| digest.to_string()) {
                Some(digest) if state.done.as_ref() != Some(&digest) => self.finish(state, digest)?,
                _ => {}
            }
            if self.stop.wait(TICK) {
                return Err(Halt::Stop);
            }
        }
    }

    /// What was new when the agent ended, or became so while it did not run.
    fn resume(&self, reader: &Reader, state: &mut State) -> Result<(), Halt> {
        let kept = reader.bookmarks(BOOKMARK)?.into_iter().find(|(name, _)| name == BOOKMARK);
        let kept = kept.and_then(|(_, position)| Position::parse(&position));
        // What has changed since the start waits, as ever.
        let loaded = self.news.first().to_string();
        let (since, at) = match kept {
            Some(Position::Done { digest }) if digest == loaded => {
                state.done = Some(digest);
                state.is_resumed = true;
                return Ok(());
            }
            Some(Position::Hunting { digest, since_ms, at }) if digest == loaded => {
                (Timestamp::from_millis(since_ms), at)
            }
            _ => (self.clock.now(), None),
        };
        let index = self.knowledge.current().indicators.index();
        state.hunt = Some(Hunt { index, compared: None, digest: loaded, since, at });
        state.is_resumed = true;
        Ok(())
    }

    /// A hunt for what is new now.
    fn take(&self) -> Option<Hunt> {
        let (digest, fresh) = self.news.take();
        let fresh = fresh?;
        let digest = digest.to_string();
        Some(Hunt { index: fresh.index, compared: None, digest, since: fresh.at, at: None })
    }

    /// Goes through all rings from where `hunt` is.
    fn hunt(&self, reader: &Reader, hunt: &mut Hunt) -> Result<(), Halt> {
        if hunt.index.is_empty() {
            return Ok(());
        }
        self.wait_until_stored()?;
        let rings = Ring::all(reader)?;
        let mut pursuit = Pursuit::begin(self, reader, hunt, &rings);
        for ring in &rings {
            pursuit.ring(ring)?;
        }
        pursuit.end();
        Ok(())
    }

    /// Remembers that all indicators of lists with this digest were hunted.
    fn finish(&self, state: &mut State, digest: String) -> Result<(), Halt> {
        state.hunt = None;
        self.send(&TenantId::default(), Vec::new(), &Position::Done { digest: digest.clone() })?;
        state.done = Some(digest);
        Ok(())
    }

    /// Waits until every record that was on its way is stored: those that come later are matched with the newest indicators.
    fn wait_until_stored(&self) -> Result<(), Halt> {
        let on_its_way = Arc::new(AtomicUsize::new(0));
        let held = Held::take(&on_its_way, 1, 1).map(Arc::new).into_iter().collect();
        let last = Batch { held, handed_over: self.clock.now(), ..Batch::default() };
        self.to_pipeline.push_unless(last, || self.stop.is_set()).map_err(|_| Halt::Stop)?;
        while on_its_way.load(Ordering::Relaxed) > 0 {
            if self.stop.wait(STORED_TICK) {
                return Err(Halt::Stop);
            }
        }
        Ok(())
    }

    /// Has `records` stored in the ring of `tenant`, and with them where the hunt is.
    pub(super) fn send(
        &self,
        tenant: &TenantId,
        records: Vec<FlowRecord>,
        position: &Position,
    ) -> Result<(), Halt> {
        let batch = Batch {
            tenant: tenant.clone(),
            records,
            bookmark: Some(position.bookmark()),
            handed_over: self.clock.now(),
            ..Batch::default()
        };
        self.metrics.enriched(&batch);
        self.to_store.push_unless(batch, || self.stop.is_set()).map_err(|_| Halt::Stop)
    }
}
