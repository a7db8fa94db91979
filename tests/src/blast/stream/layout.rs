//! Where a format has what, so that a datagram can be patched.

use crate::exports::Flow;

/// A format of datagrams with records of one length.
pub(super) struct Layout {
    /// Records of a datagram.
    pub(super) records: usize,
    /// Octets before the first record.
    pub(super) first_record: usize,
    /// Octets of a record.
    pub(super) record_octets: usize,
    /// Octets of a record before the originator's port.
    pub(super) src_port: usize,
    /// The sequence number counts datagrams, those of templates too; else records.
    pub(super) counts_datagrams: bool,
    /// A whole datagram, without what changes.
    pub(super) write: fn(&[Flow]) -> Vec<u8>,
    /// Writes time, time since the stream began (both milliseconds) and sequence number into the header.
    pub(super) header: fn(&mut [u8], u64, u64, u32),
    /// Writes [`Flow::seen`] into its record, given the same two times.
    pub(super) times: fn(&mut [u8], (u32, u32), u64, u64),
    /// Octets that a record counts.
    pub(super) octets_of: fn(&Flow) -> u32,
    /// Packets that it counts.
    pub(super) packets_of: fn(&Flow) -> u32,
}

/// Writes `value` at `at`.
pub(super) fn put(out: &mut [u8], at: usize, value: &[u8]) {
    out[at..at + value.len()].copy_from_slice(value);
}

/// The low 32 bits, which is what these formats have room for.
#[expect(clippy::cast_possible_truncation, reason = "counters of 32 bits wrap")]
pub(super) const fn low(value: u64) -> u32 {
    value as u32
}
