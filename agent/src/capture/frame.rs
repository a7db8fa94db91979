//! What every live source hands over: a frame as the kernel saw it, and what the kernel counted.

use weir_flow::Timestamp;

/// One frame of a live interface, borrowed from the source's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When the kernel took the frame, wall clock.
    pub timestamp: Timestamp,
    /// Octets on the wire without check sequence and without the tag in `vlan`; at least `data.len()` unless the
    /// source cannot tell. Segments merged by the network card's offloads count as one frame.
    pub wire_len: u32,
    /// The link-layer frame, cut to the snaplen; starts at the IP header where the link has no header.
    pub data: &'a [u8],
    /// The outermost VLAN tag, when the kernel has taken it out of `data`.
    pub vlan: Option<VlanTag>,
    /// Sent by this host.
    pub outgoing: bool,
}

/// A VLAN tag (IEEE 802.1Q §9.3) beside its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// Tag control information: priority, drop eligibility, and the VLAN identifier in the low 12 bits.
    pub tci: u16,
    /// Tag protocol identifier: 0x8100, or 0x88a8 for a service tag.
    pub tpid: u16,
}

/// What one poll of a source brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Frames handed over; 0 when none came in time.
    pub frames: u32,
    /// Frames that the kernel announced and whose headers make no sense; not handed over.
    pub damaged: u32,
}

/// What the kernel counted since the source was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelStats {
    /// Frames that passed the filter, those in `drops` included.
    pub packets: u64,
    /// Frames lost for want of room.
    pub drops: u64,
    /// Times the ring was full and the kernel stopped filling it; 0 without a ring.
    pub freezes: u64,
}

impl KernelStats {
    /// Adds what was counted since the last reading.
    pub(super) const fn add(&mut self, more: Self) {
        self.packets += more.packets;
        self.drops += more.drops;
        self.freezes += more.freezes;
    }
}
