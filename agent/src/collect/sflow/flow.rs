//! Flow samples: the three forms that hold a packet.

use weir_flow::{Exported, FlowRecord};

use super::super::wire::Reader;
use super::super::{Fault, Faults};
use super::datagram::Origin;
use super::decoded::{SampleType, Tally};
use super::draft::{Draft, Known};
use super::{extended, header, reason, xdr};
use crate::packet::Decoder;

/// Largest interface number (RFC 2863 §3.1.5). Above lie the numbers for traffic of the device itself, 0xffffffff in the
/// wide form.
const MAX_IF_INDEX: u32 = 0x7fff_ffff;
/// In place of an interface: the packet begins or ends in the device itself. Some agents use it in the wide form too.
const INTERNAL: u32 = 0x3fff_ffff;

/// What stands at the beginning of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) sequence: u32,
    /// Class and number of the data source.
    pub(super) source: (u32, u32),
    pub(super) drops: u32,
    /// One of this many packets; 0 in a packet that was dropped, since all of those are told.
    pub(super) rate: u32,
    input: Option<u32>,
    output: Output,
    parts: u32,
}

/// Where the packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// To an interface, or nobody knows where.
    Interface(Option<u32>),
    /// To so many; 0 when nobody counted.
    Several(u32),
    /// Nowhere, for this reason; the interface that it would have left by.
    Dropped(u32, Option<u32>),
}

impl About {
    /// Reads the beginning of a sample; `None` when it is cut off or of a type that holds no packet.
    pub(super) fn read(kind: SampleType, sample: &mut Reader<'_>) -> Option<Self> {
        match kind {
            SampleType::Flow => Self::compact(sample),
            SampleType::ExpandedFlow => Self::expanded(sample),
            SampleType::Discarded => Self::discarded(sample),
            SampleType::Counters | SampleType::ExpandedCounters => None,
        }
    }

    /// `flow_sample`: two bits of each interface say what the others mean.
    fn compact(sample: &mut Reader<'_>) -> Option<Self> {
        let (sequence, source) = (sample.u32()?, compact_source(sample)?);
        let (rate, _pool, drops) = (sample.u32()?, sample.u32()?, sample.u32()?);
        let (input, output) = (sample.u32()?, sample.u32()?);
        let split = |interface: u32| (interface >> 30, interface & 0x3fff_ffff);
        let (input, output) = (ingress(split(input)), Output::new(split(output)));
        Some(Self { sequence, source, drops, rate, input, output, parts: sample.u32()? })
    }

    /// `flow_sample_expanded`.
    fn expanded(sample: &mut Reader<'_>) -> Option<Self> {
        let (sequence, source) = (sample.u32()?, expanded_source(sample)?);
        let (rate, _pool, drops) = (sample.u32()?, sample.u32()?, sample.u32()?);
        let input = ingress((sample.u32()?, sample.u32()?));
        let output = Output::new((sample.u32()?, sample.u32()?));
        Some(Self { sequence, source, drops, rate, input, output, parts: sample.u32()? })
    }

    /// `discarded_packet`.
    fn discarded(sample: &mut Reader<'_>) -> Option<Self> {
        let (sequence, source, drops) = (sample.u32()?, expanded_source(sample)?, sample.u32()?);
        let (input, output, reason) = (sample.u32()?, sample.u32()?, sample.u32()?);
        let output = Output::Dropped(reason, interface(output));
        Some(Self { sequence, source, drops, rate: 0, input: interface(input), output, parts: sample.u32()? })
    }
}

/// Class in the upper octet, number below.
pub(super) fn compact_source(sample: &mut Reader<'_>) -> Option<(u32, u32)> {
    sample.u32().map(|source| (source >> 24, source & 0x00ff_ffff))
}

pub(super) fn expanded_source(sample: &mut Reader<'_>) -> Option<(u32, u32)> {
    Some((sample.u32()?, sample.u32()?))
}

/// An interface; none for 0 (not known) and for traffic of the device itself.
fn interface(number: u32) -> Option<u32> {
    (number != 0 && number != INTERNAL && number <= MAX_IF_INDEX).then_some(number)
}

/// A packet comes in by one interface, which may not be known.
fn ingress((format, value): (u32, u32)) -> Option<u32> {
    if format == 0 { interface(value) } else { None }
}

impl Output {
    fn new((format, value): (u32, u32)) -> Self {
        match format {
            1 => Self::Dropped(value, None),
            2 => Self::Several(value),
            0 => Self::Interface(interface(value)),
            _ => Self::Interface(None),
        }
    }
}

/// Reads the parts of a sample: the record, if they describe an IP packet.
pub(super) fn read(
    about: &About,
    mut sample: Reader<'_>,
    origin: &Origin,
    packets: &mut Decoder,
    tally: &mut Tally<'_>,
) -> Option<FlowRecord> {
    let (mut draft, faults) = (begin(about, origin), &mut *tally.faults);
    for _ in 0..about.parts {
        let Some((data_format, mut part)) = xdr::structure(&mut sample) else {
            faults.count(Fault::BadLength);
            draft.learn(Known::Unreadable);
            break;
        };
        let read = match data_format {
            1 => header::raw(&mut part, origin.at, packets, &mut draft, faults).map(|()| true),
            2 => header::ethernet(&mut part, &mut draft).map(|()| true),
            3 | 4 => fields(&mut part, data_format == 4, &mut draft, faults).map(|()| true),
            _ => extended::read(data_format, &mut part, &mut draft, faults),
        };
        match read {
            Some(true) => {}
            Some(false) => tally.decoded.skipped += 1,
            None => {
                faults.count(Fault::BadRecord);
                draft.learn(Known::Unreadable);
            }
        }
    }
    match draft.known {
        Known::NotIp => tally.decoded.not_ip += 1,
        Known::Nothing => faults.count(Fault::UnknownSample),
        Known::Unreadable | Known::Fields | Known::Header => {}
    }
    draft.finish()
}

fn fields(part: &mut Reader<'_>, ipv6: bool, draft: &mut Draft, faults: &mut Faults) -> Option<()> {
    header::Fields::read(part, ipv6)?.describe(draft, faults);
    Some(())
}

fn begin(about: &About, origin: &Origin) -> Draft {
    let mut exported = Exported {
        exporter: Some(origin.exporter).filter(|address| !address.is_unspecified()),
        observation_domain: Some(origin.sub_agent),
        ingress_if: about.input,
        sampling: (about.rate > 1).then_some(about.rate),
        ..Exported::default()
    };
    if let Output::Interface(output) | Output::Dropped(_, output) = about.output {
        exported.egress_if = output;
    }
    let mut draft = Draft::new(origin.at, exported);
    match about.output {
        Output::Interface(_) => {}
        Output::Several(0) => draft.add("egress_interfaces", "several"),
        Output::Several(number) => draft.add("egress_interfaces", number),
        Output::Dropped(code, _) => draft.add("drop_reason", reason::name(code)),
    }
    draft.add_address("sflow_agent", origin.agent);
    draft
}
