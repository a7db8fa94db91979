//! sFlow version 5 (sflow.org, "sFlow Version 5", July 2004, with its errata and additional structures).
//!
//! Datagrams come from `collect`. Every sampled IP packet becomes one record of one packet, in the direction in which it
//! was sent; nothing is scaled up or put together. Counter samples are kept as the interfaces' latest counters.
//!
//! sFlow carries no wall clock: a record's time is that of the datagram's arrival. Where that is not known, it is 1970
//! plus the uptime of the agent, which keeps order and distance, and claims no date.

mod datagram;
mod decoded;
mod draft;
mod extended;
mod flow;
mod header;
mod interface;
mod kept;
mod reason;
mod sequence;
mod xdr;

use std::net::IpAddr;

pub use decoded::{Decoded, SampleType};
pub use interface::{Interface, Traffic};
use weir_flow::Timestamp;

use self::datagram::{Head, Origin, SubAgent};
use self::decoded::Tally;
use self::kept::Kept;
use self::sequence::{Datagrams, Samples, Step};
use super::wire::Reader;
use super::{Fault, Faults};
use crate::packet::Decoder;
use crate::table::Sink;

/// Sub-agents of one exporter whose sequence is followed: more than a chassis has line cards. Stops forged numbers from
/// taking memory, as the limits below do; beyond them, one that was silent for long is forgotten.
pub const MAX_SUB_AGENTS: usize = 64;
/// Data sources of one exporter whose sequence is followed: a stack of eight switches has 400 ports.
pub const MAX_SOURCES: usize = 512;
/// Interfaces of one exporter whose counters are kept, in the same way.
pub const MAX_INTERFACES: usize = 512;

/// Who numbers samples: a data source by class and number, and whether they are packets that were dropped.
type DataSource = (SubAgent, (u32, u32), bool);

/// What is known of one exporter that speaks sFlow: sequence of its sub-agents and data sources, counters of its
/// interfaces.
pub struct Agent {
    packets: Decoder,
    sub_agents: Kept<SubAgent, Datagrams>,
    sources: Kept<DataSource, Samples>,
    interfaces: Kept<(Option<IpAddr>, u32), Interface>,
}

impl Default for Agent {
    fn default() -> Self {
        Self::new()
    }
}

impl Agent {
    /// More than one exporter ever takes.
    pub const MAX_BYTES: usize = 160 * 1_024;

    /// An exporter of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self {
            packets: Decoder::of_samples(),
            sub_agents: Kept::new(MAX_SUB_AGENTS),
            sources: Kept::new(MAX_SOURCES),
            interfaces: Kept::new(MAX_INTERFACES),
        }
    }

    /// Decodes the payload of one UDP datagram of `exporter`, which came at `received`; records go to `sink`. An unspecified address
    /// stands for an exporter that is not known.
    ///
    /// A fault is counted and ends the datagram only where nothing says how to go on; what was decoded before stays.
    pub fn datagram(
        &mut self,
        payload: &[u8],
        exporter: IpAddr,
        received: Option<Timestamp>,
        faults: &mut Faults,
        sink: &mut impl Sink,
    ) -> Decoded {
        let mut tally = Tally { decoded: Decoded::default(), faults };
        match Head::read(payload) {
            Ok((head, samples)) => {
                let origin = head.origin(exporter, received);
                self.follow(&head, &mut tally);
                self.samples(&head, samples, &origin, &mut tally, sink);
            }
            Err(fault) => tally.faults.count(fault),
        }
        tally.decoded
    }

    /// Interfaces with their latest counters, in no order; at most [`MAX_INTERFACES`].
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.values()
    }

    /// Sub-agents whose sequence is followed, at most [`MAX_SUB_AGENTS`].
    #[must_use]
    pub fn sub_agents(&self) -> usize {
        self.sub_agents.len()
    }

    /// Octets of memory that all of this takes; less than [`Self::MAX_BYTES`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.sub_agents.bytes() + self.sources.bytes() + self.interfaces.bytes()
    }

    /// Takes the number of a datagram.
    fn follow(&mut self, head: &Head, tally: &mut Tally<'_>) {
        let step = |datagrams: &mut Datagrams| datagrams.step(head.sequence, head.uptime);
        let (step, displaced) = self.sub_agents.with(head.sub_agent, step);
        let decoded = &mut tally.decoded;
        match step {
            Step::InOrder => {}
            Step::Gap(missing) => (decoded.gaps, decoded.lost) = (1, missing.into()),
            Step::Late { missed } => (decoded.reordered, decoded.lost) = (1, -i64::from(missed)),
            Step::Restart => {
                decoded.restarts = 1;
                self.sources.retain(|(sub_agent, ..)| *sub_agent != head.sub_agent);
            }
        }
        if displaced {
            tally.faults.count(Fault::ExporterLimit);
        }
    }

    fn samples(
        &mut self,
        head: &Head,
        mut rest: Reader<'_>,
        origin: &Origin,
        tally: &mut Tally<'_>,
        sink: &mut impl Sink,
    ) {
        for _ in 0..head.samples {
            let Some((data_format, sample)) = xdr::structure(&mut rest) else {
                return tally.faults.count(Fault::Truncated);
            };
            let read = match SampleType::from_format(data_format) {
                Some(kind @ (SampleType::Counters | SampleType::ExpandedCounters)) => {
                    self.counters(kind, sample, head, origin, tally)
                }
                Some(kind) => self.flow(kind, sample, head, origin, tally, sink),
                None => {
                    tally.faults.count(Fault::UnknownSample);
                    continue;
                }
            };
            if read.is_none() {
                tally.faults.count(Fault::BadLength);
            }
        }
        if rest.rest().iter().any(|&octet| octet != 0) {
            tally.faults.count(Fault::TrailingOctets);
        }
    }

    /// Reads a sample of a packet; `None` when it is cut off before its parts.
    fn flow(
        &mut self,
        kind: SampleType,
        mut sample: Reader<'_>,
        head: &Head,
        origin: &Origin,
        tally: &mut Tally<'_>,
        sink: &mut impl Sink,
    ) -> Option<()> {
        let about = flow::About::read(kind, &mut sample)?;
        tally.decoded.samples[kind as usize] += 1;
        let key = (head.sub_agent, about.source, kind == SampleType::Discarded);
        let step = |samples: &mut Samples| samples.step(about.sequence, about.drops);
        let ((lost, dropped), _) = self.sources.with(key, step);
        tally.decoded.samples_lost += lost;
        tally.decoded.samples_dropped += dropped;
        if kind != SampleType::Discarded {
            tally.decoded.sampling = (about.rate > 1).then_some(about.rate);
        }
        if let Some(record) = flow::read(&about, sample, origin, &mut self.packets, tally) {
            tally.decoded.records += 1;
            sink.take(record);
        }
        Some(())
    }

    /// Reads a sample of counters; `None` when it is cut off before its parts.
    fn counters(
        &mut self,
        kind: SampleType,
        mut sample: Reader<'_>,
        head: &Head,
        origin: &Origin,
        tally: &mut Tally<'_>,
    ) -> Option<()> {
        let _sequence = sample.u32()?;
        let _source = if kind == SampleType::Counters {
            flow::compact_source(&mut sample)?
        } else {
            flow::expanded_source(&mut sample)?
        };
        let parts = sample.u32()?;
        tally.decoded.samples[kind as usize] += 1;
        for _ in 0..parts {
            let (data_format, part) = xdr::structure(&mut sample)?;
            match Interface::read(data_format, part) {
                Some(Ok(interface)) => {
                    let (agent, _) = head.sub_agent;
                    let (at, uptime_millis) = (origin.at, head.uptime);
                    let latest = Interface { agent, at, uptime_millis, ..interface };
                    self.interfaces.with((agent, interface.index), |kept| *kept = latest);
                }
                Some(Err(interface::CutOff)) => tally.faults.count(Fault::BadRecord),
                None => tally.decoded.skipped += 1,
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
