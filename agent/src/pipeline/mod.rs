//! Enrichment in place: where the ends are, what is known against them, how risky the flow is.
//!
//! Records come from every input, in batches; they go to the store. One [`Enricher`] belongs to one thread, so that
//! nothing is locked on the way.

mod networks;
mod risk;
mod worker;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use weir_flow::{Direction, Field, FlowRecord, Geo as GeoPlace, Match, Place, Risk, Tag, Verdict};
use weir_geo::{Geo, Locator};
use weir_ti::{Index, Indicators};

pub use networks::{Config as NetworksConfig, Networks};
pub use risk::{Config as RiskConfig, score};
pub use worker::Worker;

/// What every enricher reads from; replaced parts are picked up at the next record.
pub struct Knowledge {
    /// Databases.
    pub geo: Arc<Geo>,
    /// Indicators.
    pub indicators: Arc<Indicators>,
    /// Networks that are local.
    pub networks: Networks,
    /// Weights of the risk score.
    pub risk: RiskConfig,
}

/// Knowledge that can be replaced as a whole while enrichers work.
pub struct Shared {
    current: Mutex<Arc<Knowledge>>,
    generation: AtomicU64,
}

impl Shared {
    /// Starts with `knowledge`.
    #[must_use]
    pub fn new(knowledge: Knowledge) -> Self {
        Self { current: Mutex::new(Arc::new(knowledge)), generation: AtomicU64::new(0) }
    }

    /// What is known now.
    #[must_use]
    pub fn current(&self) -> Arc<Knowledge> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every enricher takes `knowledge` from its next record on.
    pub fn replace(&self, knowledge: Knowledge) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(knowledge);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// One thread's way to enrich records.
pub struct Enricher {
    shared: Arc<Shared>,
    shared_generation: u64,
    knowledge: Arc<Knowledge>,
    locator: Locator,
    index: Arc<Index>,
    generation: u64,
}

/// What is known of one address or name.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Where it is and whose.
    pub place: Option<Arc<Place>>,
    /// Indicators that match.
    pub matches: Vec<Match>,
    /// Risk of a flow to it.
    pub risk: Risk,
}

impl Answer {
    /// Country, city and position.
    #[must_use]
    pub fn geo(&self) -> Option<&GeoPlace> {
        self.place.as_ref()?.geo.as_ref()
    }
}

impl Enricher {
    /// An enricher with an empty cache.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        let shared_generation = shared.generation.load(Ordering::Acquire);
        let knowledge = shared.current();
        let generation = knowledge.indicators.generation();
        Self {
            shared,
            shared_generation,
            locator: Locator::new(Arc::clone(&knowledge.geo)),
            index: knowledge.indicators.index(),
            generation,
            knowledge,
        }
    }

    /// Fills in places, direction, matches, risk and tags.
    pub fn enrich(&mut self, record: &mut FlowRecord) {
        self.refresh();
        let networks = &self.knowledge.networks;
        let local = |ip: Option<IpAddr>| ip.map(|ip| networks.contains(ip));
        let (src_local, dst_local) = (local(record.src_ip), local(record.dst_ip));
        record.direction = direction(src_local, dst_local);
        let mut place = |ip: Option<IpAddr>, local| match (ip, local) {
            (Some(ip), Some(false)) => self.locator.locate(ip),
            _ => None,
        };
        record.src_place = place(record.src_ip, src_local);
        record.dst_place = place(record.dst_ip, dst_local);
        let verdict = self.index.matches(record.src_ip, record.dst_ip, record.domain.as_deref());
        record.risk = Some(score(&self.knowledge.risk, record, &verdict));
        self.tag(record, &verdict);
        record.verdict = Some(verdict);
    }

    /// What is known of `ip`, scored as a flow to it.
    pub fn lookup_ip(&mut self, ip: IpAddr) -> Answer {
        self.refresh();
        let mut matches = Vec::new();
        self.index.lookup_ip(ip, Field::DstIp, &mut matches);
        let place = if self.knowledge.networks.contains(ip) { None } else { self.locator.locate(ip) };
        self.answer(&FlowRecord { dst_ip: Some(ip), ..FlowRecord::default() }, place, matches)
    }

    /// What is known of the name `domain`.
    pub fn lookup_domain(&mut self, domain: &str) -> Answer {
        self.refresh();
        let mut matches = Vec::new();
        self.index.lookup_domain(domain, &mut matches);
        self.answer(&FlowRecord { domain: Some(domain.into()), ..FlowRecord::default() }, None, matches)
    }

    fn answer(&self, record: &FlowRecord, place: Option<Arc<Place>>, matches: Vec<Match>) -> Answer {
        let verdict = Verdict { matches };
        let risk = score(&self.knowledge.risk, record, &verdict);
        Answer { place, matches: verdict.matches, risk }
    }

    fn tag(&self, record: &mut FlowRecord, verdict: &Verdict) {
        let risk = &self.knowledge.risk;
        if !verdict.matches.is_empty() {
            record.tags.insert(Tag::Ti);
        }
        if risk.is_risky_port(record) {
            record.tags.insert(Tag::RiskyPort);
        }
        if risk.is_large_transfer(record) {
            record.tags.insert(Tag::LargeTransfer);
        }
    }

    /// Takes up what was replaced since the last record.
    fn refresh(&mut self) {
        if self.shared.generation.load(Ordering::Acquire) != self.shared_generation {
            *self = Self::new(Arc::clone(&self.shared));
        }
        let generation = self.knowledge.indicators.generation();
        if generation != self.generation {
            self.index = self.knowledge.indicators.index();
            self.generation = generation;
        }
    }
}

/// Which way a flow goes between ends that are local or not; unknown without both.
fn direction(src_local: Option<bool>, dst_local: Option<bool>) -> Option<Direction> {
    Some(match (src_local?, dst_local?) {
        (true, true) => Direction::Internal,
        (true, false) => Direction::Out,
        (false, true) => Direction::In,
        (false, false) => Direction::Transit,
    })
}

#[cfg(test)]
mod tests;
