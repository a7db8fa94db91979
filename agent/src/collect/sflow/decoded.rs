//! What one datagram held.

use super::super::Faults;

/// The samples of sFlow v5 (sFlow Version 5 §5; sFlow Dropped Packet Notification Structures).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SampleType {
    /// Format 1: a sampled packet.
    Flow,
    /// Format 2: counters.
    Counters,
    /// Format 3: a sampled packet, with wide interface numbers.
    ExpandedFlow,
    /// Format 4: counters, with wide interface numbers.
    ExpandedCounters,
    /// Format 5: a packet that was dropped.
    Discarded,
}

impl SampleType {
    /// All types, in the order of their discriminants.
    pub const ALL: [Self; 5] =
        [Self::Flow, Self::Counters, Self::ExpandedFlow, Self::ExpandedCounters, Self::Discarded];

    /// The type of a sample's data format (enterprise in the upper 20 bits, format below).
    #[must_use]
    pub const fn from_format(data_format: u32) -> Option<Self> {
        Some(match data_format {
            1 => Self::Flow,
            2 => Self::Counters,
            3 => Self::ExpandedFlow,
            4 => Self::ExpandedCounters,
            5 => Self::Discarded,
            _ => return None,
        })
    }

    /// The name in summaries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "Flow sample",
            Self::Counters => "Counters sample",
            Self::ExpandedFlow => "Expanded flow sample",
            Self::ExpandedCounters => "Expanded counters sample",
            Self::Discarded => "Discarded packet",
        }
    }
}

/// What one datagram held; to be added up by the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Flow records that went to the sink.
    pub records: u64,
    /// Samples whose own header could be read, by [`SampleType`].
    pub samples: [u64; SampleType::ALL.len()],
    /// Samples of packets that are not IP: ARP, LLDP, spanning tree. No record, and no fault.
    pub not_ip: u64,
    /// Parts of samples in a format that says nothing for a record or an interface, skipped by their length.
    pub skipped: u64,
    /// Datagrams missing before this one; −1 when this one was counted as missing and came late.
    pub lost: i64,
    /// 1 when datagrams were missing.
    pub gaps: u64,
    /// 1 when this datagram came after a later one, or again.
    pub reordered: u64,
    /// 1 when the sequence or the uptime of its sub-agent began again.
    pub restarts: u64,
    /// Flow samples missing by their own sequence numbers, those of lost datagrams included.
    pub samples_lost: u64,
    /// Flow samples that the exporter says it dropped for want of resources since it last said so.
    pub samples_dropped: u64,
    /// One of this many packets is sampled, as said last in this datagram; 0 and 1 are `None`.
    pub sampling: Option<u32>,
}

impl Decoded {
    /// Samples of `kind`.
    #[must_use]
    pub const fn of(&self, kind: SampleType) -> u64 {
        self.samples[kind as usize]
    }

    /// Samples that hold a packet: flow samples of both forms, and dropped packets.
    #[must_use]
    pub const fn flow_samples(&self) -> u64 {
        self.of(SampleType::Flow) + self.of(SampleType::ExpandedFlow) + self.of(SampleType::Discarded)
    }

    /// Samples that hold counters, of both forms.
    #[must_use]
    pub const fn counter_samples(&self) -> u64 {
        self.of(SampleType::Counters) + self.of(SampleType::ExpandedCounters)
    }
}

/// Counters while a datagram is read.
pub(super) struct Tally<'a> {
    pub(super) decoded: Decoded,
    pub(super) faults: &'a mut Faults,
}
