//! One exporter: what it sent, its observation domains, its clock, and what of it could not be decoded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::fast::RandomState;
use weir_flow::{Source, Timestamp};

use super::domain::{Domain, DomainKey};
use super::netflow::Origin;
use super::netflow::fixed;
use super::netflow::message::{Job, Message};
use super::netflow::template::Dialect;
use super::offset::Offset;
use super::park::Park;
use super::rate::Rate;
use super::sequence::{Counted, Missing};
use super::sflow;
use super::{Arrival, Fault, Faults, report};
use crate::table::Sink;

/// Observation domains of an exporter that are kept apart: one for each line card of a chassis, with room. Stops forged
/// numbers from taking memory.
const MAX_DOMAINS: usize = 256;
/// Templates of an exporter. nProbe and YAF, which have most, send about 100.
const MAX_TEMPLATES: usize = 512;
/// Memory of an exporter's templates and names. A firewall with 5,000 applications takes 1 MiB.
pub(super) const MAX_STATE_BYTES: usize = 2 << 20;

/// Who an exporter is: its address, and its port where ports tell exporters apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ExporterKey {
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
}

/// What datagrams of all kinds have in common.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) datagrams: u64,
    pub(super) octets: u64,
    pub(super) records: u64,
    pub(super) options: u64,
}

/// State of one exporter.
pub(super) struct Exporter {
    pub(super) key: ExporterKey,
    pub(super) first: Arrival,
    pub(super) last: Arrival,
    pub(super) counts: Counts,
    pub(super) faults: Faults,
    pub(super) park: Park,
    pub(super) domains: HashMap<DomainKey, Domain, RandomState>,
    agent: Option<Box<sflow::Agent>>,
    /// Missing datagrams of sFlow, and of domains that had to go.
    missing: Missing,
    versions: Vec<Source>,
    clock: Offset,
    pub(super) rate: Rate,
    sampling: Option<u32>,
    /// Templates and options that changed in domains that are no longer there.
    forgotten_changes: u64,
}

impl Exporter {
    pub(super) fn new(key: ExporterKey, at: Arrival) -> Self {
        Self {
            key,
            first: at,
            last: at,
            counts: Counts::default(),
            faults: Faults::default(),
            park: Park::default(),
            domains: HashMap::default(),
            agent: None,
            missing: Missing::default(),
            versions: Vec::new(),
            clock: Offset::default(),
            rate: Rate::default(),
            sampling: None,
            forgotten_changes: 0,
        }
    }

    /// Decodes one datagram; `is_corrected` gives records of a wrong clock the times of ours.
    pub(super) fn datagram(&mut self, payload: &[u8], at: Arrival, is_corrected: bool, sink: &mut impl Sink) {
        self.last = at;
        self.counts.datagrams += 1;
        self.counts.octets += payload.len() as u64;
        let decoded = match payload {
            // sFlow's version has four octets.
            [0, 0, 0, 5, ..] => self.sflow(payload, at, sink),
            [0, 5 | 7, ..] => self.fixed(payload, at, is_corrected, sink),
            [0, 9, ..] => self.sets(payload, Dialect::V9, at, is_corrected, sink),
            [0, 10, ..] => self.sets(payload, Dialect::Ipfix, at, is_corrected, sink),
            _ => Err(Fault::UnknownVersion),
        };
        match decoded {
            Ok(decoded) => {
                self.counts.records += u64::from(decoded.flows);
                self.counts.options += u64::from(decoded.options);
                self.rate.add(decoded.flows.into());
            }
            Err(fault) => self.faults.count(fault),
        }
    }

    fn sflow(&mut self, payload: &[u8], at: Arrival, sink: &mut impl Sink) -> Result<Counted, Fault> {
        self.speaks(Source::Sflow5);
        let agent = self.agent.get_or_insert_default();
        let decoded = agent.datagram(payload, self.key.address, at.wall, &mut self.faults, sink);
        self.missing.add(Missing {
            lost: 0,
            gaps: decoded.gaps,
            reordered: decoded.reordered,
            restarts: decoded.restarts,
        });
        self.missing.lost = self.missing.lost.saturating_add_signed(decoded.lost);
        self.sampling = decoded.sampling.or(self.sampling);
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Counted { flows: small(decoded.records), options: small(decoded.counter_samples()) })
    }

    fn fixed(
        &mut self,
        payload: &[u8],
        at: Arrival,
        is_corrected: bool,
        sink: &mut impl Sink,
    ) -> Result<Counted, Fault> {
        let datagram = fixed::Datagram::read(payload)?;
        self.speaks(datagram.source);
        let origin = self.origin(datagram.header.export, at, is_corrected);
        let flows = datagram.records(payload, origin, &mut self.faults, sink);
        self.sampling = datagram.sampling;
        let counted = Counted { flows, options: 0 };
        let key = match datagram.source {
            Source::Netflow7 => DomainKey::V7,
            _ => DomainKey::V5(datagram.engine),
        };
        self.domain(key).sequence.message(datagram.sequence, Some(counted));
        Ok(counted)
    }

    fn sets(
        &mut self,
        payload: &[u8],
        dialect: Dialect,
        at: Arrival,
        is_corrected: bool,
        sink: &mut impl Sink,
    ) -> Result<Counted, Fault> {
        let message = Message::read(payload, dialect)?;
        self.speaks(message.source());
        let origin = self.origin(message.header.export, at, is_corrected);
        let key = DomainKey::Sets(dialect, message.domain);
        let (turn, now) = (self.counts.datagrams, at.mono);
        self.make_room_for(key);
        let domain = self.domains.entry(key).or_insert_with(|| Domain::new(key));
        domain.used = turn;
        let learnt = domain.knowledge.changes();
        let (park, faults) = (&mut self.park, &mut self.faults);
        let (decoded, is_incomplete) = (Counted::default(), false);
        let mut job = Job { origin, domain, park, faults, turn, now, sink, decoded, is_incomplete };
        message.decode(&mut job);
        let Job { decoded, is_incomplete, .. } = job;
        domain.sequence.message(message.sequence, (!is_incomplete).then_some(decoded));
        if learnt != domain.knowledge.changes() {
            self.sampling = domain.knowledge.sampling();
        }
        self.bound_state();
        Ok(decoded)
    }

    fn origin(&mut self, export: Timestamp, at: Arrival, is_corrected: bool) -> Origin {
        let exporter = Some(self.key.address).filter(|address| !address.is_unspecified());
        Origin { exporter, clock: self.clock.observe(export, at.wall, is_corrected) }
    }

    fn speaks(&mut self, version: Source) {
        if !self.versions.contains(&version) {
            self.versions.push(version);
        }
    }

    /// The domain `key` of an exporter without templates, a new one if need be.
    fn domain(&mut self, key: DomainKey) -> &mut Domain {
        self.make_room_for(key);
        let domain = self.domains.entry(key).or_insert_with(|| Domain::new(key));
        domain.used = self.counts.datagrams;
        domain
    }

    /// Forgets the domain that was silent longest, where `key` is a new one and there is no room.
    fn make_room_for(&mut self, key: DomainKey) {
        if self.domains.len() < MAX_DOMAINS || self.domains.contains_key(&key) {
            return;
        }
        let oldest = self.domains.iter().min_by_key(|(_, domain)| domain.used).map(|(&key, _)| key);
        if let Some(gone) = oldest.and_then(|oldest| self.domains.remove(&oldest)) {
            self.missing.add(gone.sequence.missing());
            self.forgotten_changes += gone.changes + gone.knowledge.changes() + 1;
            self.faults.count(Fault::ExporterLimit);
        }
    }

    /// Keeps templates and names within their bounds.
    fn bound_state(&mut self) {
        while self.templates() > MAX_TEMPLATES || self.state_bytes() > MAX_STATE_BYTES {
            if !self.forget_oldest() {
                return;
            }
        }
    }

    /// Forgets what was used longest ago, of templates or names, whichever take more; false when there is nothing.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let names: usize = self.domains.values().map(|domain| domain.knowledge.bytes()).sum();
        let is_names = self.templates() <= MAX_TEMPLATES && names > self.state_bytes() / 2;
        self.faults.count(Fault::TemplateLimit);
        if is_names {
            let with_names = self.domains.values_mut().filter(|domain| domain.knowledge.bytes() > 0);
            let oldest = with_names.min_by_key(|domain| domain.used);
            return oldest.map(|domain| domain.knowledge.forget()).is_some();
        }
        let oldest = self.domains.values_mut().filter_map(|domain| Some((domain.oldest()?, domain)));
        let oldest = oldest.min_by_key(|(oldest, _)| *oldest);
        oldest.map(|((_, id), domain)| domain.forget(id)).is_some()
    }

    /// Takes in a domain that was known before a restart.
    pub(super) fn restore(&mut self, key: DomainKey, mut domain: Domain) {
        self.make_room_for(key);
        // What is written down already is no change.
        domain.changes = 0;
        self.sampling = domain.knowledge.sampling();
        self.domains.insert(key, domain);
        self.bound_state();
    }

    fn templates(&self) -> usize {
        self.domains.values().map(|domain| domain.templates.len()).sum()
    }

    /// Memory of its templates and names, octets.
    pub(super) fn state_bytes(&self) -> usize {
        self.domains.values().map(|domain| domain.template_bytes + domain.knowledge.bytes()).sum()
    }

    /// Grows whenever something changes that a restart has to know.
    pub(super) fn changes(&self) -> u64 {
        let of = |domain: &Domain| domain.changes + domain.knowledge.changes();
        self.forgotten_changes + self.domains.values().map(of).sum::<u64>()
    }

    /// How long it has been heard from.
    pub(super) fn lifetime(&self) -> Duration {
        self.last.mono.saturating_sub(self.first.mono)
    }

    /// What is told of it.
    pub(super) fn report(&self) -> report::Exporter {
        let mut missing = self.missing;
        self.domains.values().for_each(|domain| missing.add(domain.sequence.missing()));
        let latest = self.domains.values().max_by_key(|domain| domain.used);
        report::Exporter {
            address: self.key.address,
            port: self.key.port,
            versions: self.versions.clone(),
            domains: self.domains.len() + self.agent.as_ref().map_or(0, |agent| agent.sub_agents()),
            first_seen: self.first.wall,
            last_seen: self.last.wall,
            datagrams: self.counts.datagrams,
            octets: self.counts.octets,
            records: self.counts.records,
            options: self.counts.options,
            records_per_second: self.rate.per_second(),
            templates: self.templates(),
            lost: missing.lost,
            lost_unit: latest.map_or(report::SequenceUnit::Datagrams, |domain| domain.sequence.unit()),
            gaps: missing.gaps,
            reordered: missing.reordered,
            restarts: missing.restarts,
            parked_bytes: self.park.bytes(),
            faults: self.faults,
            clock_offset_ms: self.clock.millis(),
            sampling: self.sampling,
        }
    }
}
