//! All exporters at once: who is listened to, who is kept apart, and how much memory all of them may take.

use std::net::SocketAddr;
use std::time::Duration;

use super::exporter::{Exporter, ExporterKey};
use super::exporters::Exporters;
use super::{Arrival, Fault, Faults, Report, Settings};
use crate::table::Sink;

/// Memory of the templates and names of all exporters.
const MAX_STATE_BYTES: usize = 16 << 20;
/// Memory of the data of all exporters that wait for a template.
const MAX_PARKED_BYTES: usize = 8 << 20;

/// All exporters, their templates, and what they said of themselves. No clock, no I/O.
pub struct Collector {
    settings: Settings,
    exporters: Exporters,
    /// Sums over exporters that are no longer kept.
    gone: Totals,
    /// What concerns no exporter that is kept.
    faults: Faults,
    refused: Totals,
    state_bytes: usize,
    parked_bytes: usize,
    /// [`Self::changes`] when the state was kept last.
    kept: u64,
}

/// Sums.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    datagrams: u64,
    octets: u64,
    records: u64,
    displaced: u64,
}

impl Collector {
    /// A collector that has heard of nobody.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            exporters: Exporters::new(settings.max_exporters),
            settings,
            gone: Totals::default(),
            faults: Faults::default(),
            refused: Totals::default(),
            state_bytes: 0,
            parked_bytes: 0,
            kept: 0,
        }
    }

    /// Decodes the payload of one UDP datagram; flow records go to `sink`.
    pub fn datagram(&mut self, from: SocketAddr, payload: &[u8], at: Arrival, sink: &mut impl Sink) {
        let address = from.ip().to_canonical();
        if !self.settings.allows(address) {
            self.refused.datagrams += 1;
            self.refused.octets += payload.len() as u64;
            return self.faults.count(Fault::NotAllowed);
        }
        let key = ExporterKey { address, port: self.settings.by_port.then_some(from.port()) };
        let (exporter, displaced) = self.exporters.find(key, at);
        let (templates, parked) = (exporter.state_bytes(), exporter.park.bytes());
        exporter.datagram(payload, at, self.settings.corrects_times, sink);
        self.state_bytes = self.state_bytes + exporter.state_bytes() - templates;
        self.parked_bytes = self.parked_bytes + exporter.park.bytes() - parked;
        if let Some(displaced) = displaced {
            self.bury(displaced);
        }
        self.bound_memory();
    }

    /// Sums up an exporter that had to make room.
    fn bury(&mut self, mut exporter: Exporter) {
        self.state_bytes -= exporter.state_bytes();
        self.parked_bytes -= exporter.park.bytes();
        while exporter.park.drop_oldest(&mut exporter.faults) {}
        self.gone.datagrams += exporter.counts.datagrams;
        self.gone.octets += exporter.counts.octets;
        self.gone.records += exporter.counts.records;
        self.gone.displaced += 1;
        self.faults.merge(&exporter.faults);
        self.faults.count(Fault::ExporterLimit);
    }

    /// Whoever takes most gives way first, so that no exporter can take the room of another.
    fn bound_memory(&mut self) {
        while self.state_bytes > MAX_STATE_BYTES {
            let Some(largest) = self.exporters.iter_mut().max_by_key(|one| one.state_bytes()) else {
                return;
            };
            let before = largest.state_bytes();
            if !largest.forget_oldest() {
                return;
            }
            self.state_bytes -= before - largest.state_bytes();
        }
        while self.parked_bytes > MAX_PARKED_BYTES {
            let Some(largest) = self.exporters.iter_mut().max_by_key(|one| one.park.bytes()) else { return };
            let before = largest.park.bytes();
            if !largest.park.drop_oldest(&mut largest.faults) {
                return;
            }
            self.parked_bytes -= before - largest.park.bytes();
        }
    }

    /// To be called about once a second: what has waited too long goes.
    pub fn tick(&mut self, now: Duration) {
        for exporter in self.exporters.iter_mut() {
            exporter.rate.tick();
            let before = exporter.park.bytes();
            exporter.park.expire(now, &mut exporter.faults);
            self.parked_bytes -= before - exporter.park.bytes();
        }
    }

    /// To be called after the last datagram: what still waits for its template cannot be decoded.
    pub fn end(&mut self) {
        for exporter in self.exporters.iter_mut() {
            while exporter.park.drop_oldest(&mut exporter.faults) {}
        }
        self.parked_bytes = 0;
    }

    /// How all exporters are.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut exporters: Vec<_> = self.exporters.iter().collect();
        exporters.sort_by_key(|exporter| (std::cmp::Reverse(exporter.last.mono), exporter.key));
        let sum = |of: fn(&Exporter) -> u64| exporters.iter().map(|exporter| of(exporter)).sum::<u64>();
        let mut faults = self.faults;
        exporters.iter().for_each(|exporter| faults.merge(&exporter.faults));
        Report {
            datagrams: self.gone.datagrams + self.refused.datagrams + sum(|one| one.counts.datagrams),
            octets: self.gone.octets + self.refused.octets + sum(|one| one.counts.octets),
            records: self.gone.records + sum(|one| one.counts.records),
            faults,
            displaced: self.gone.displaced,
            template_bytes: self.state_bytes,
            parked_bytes: self.parked_bytes,
            exporters: exporters.into_iter().map(Exporter::report).collect(),
        }
    }

    /// True when [`Self::keep`] would say something else than at its last call.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.changes() != self.kept
    }

    fn changes(&self) -> u64 {
        self.exporters.established().map(Exporter::changes).sum()
    }

    /// Everything that a restart has to know to decode at once: templates, sampling, names; for [`Self::restore`].
    #[must_use]
    pub fn keep(&mut self) -> Vec<u8> {
        self.kept = self.changes();
        super::state::write(self.exporters.established())
    }

    /// Takes in what [`Self::keep`] gave; exporters that are known already stay as they are.
    ///
    /// # Errors
    /// Why it cannot be read; nothing is taken then.
    pub fn restore(&mut self, kept: &[u8]) -> Result<(), String> {
        let restored = super::state::read(kept)?;
        for exporter in restored.into_iter().filter(|one| self.settings.allows(one.key.address)) {
            self.exporters.add(exporter);
        }
        self.state_bytes = self.exporters.iter().map(Exporter::state_bytes).sum();
        self.bound_memory();
        Ok(())
    }
}
