//! The TPACKET_V3 ring of one worker: blocks that the kernel fills come whole, frames go out one by one, nothing is
//! copied. Every offset that the kernel writes is checked against the block before it is followed.

use std::mem::{offset_of, size_of};
use std::time::Duration;

use libc::{sockaddr_ll, tpacket_block_desc, tpacket_hdr_v1, tpacket_hdr_variant1, tpacket3_hdr};
use weir_flow::Timestamp;

use super::error::Error;
use super::frame::{Frame, KernelStats, Polled, VlanTag};
use super::socket::{Map, Shape, Socket, page_bytes};

/// Bytes of a block unless a frame needs more: with 16 MiB, 64 blocks; few large ones lose frames while one is read.
pub(super) const BLOCK_BYTES: u32 = 256 * 1_024;
/// Fewest blocks of a ring; with two, reading one leaves a single one to fill, and frames are lost.
pub(super) const MIN_BLOCKS: u32 = 8;
/// Largest ring, so that its length fits a 32-bit address space beside all else.
pub(super) const MAX_RING_BYTES: u32 = 1 << 30;
/// Least and greatest snaplen, octets: link and network headers, and the largest frame of any offload.
pub(super) const SNAPLENS: (u32, u32) = (64, 262_144);

/// What the kernel puts in front of a frame at most: `TPACKET3_HDRLEN`, link header and alignment.
const FRAME_HEADROOM: u32 = 128;
/// A block's own header, rounded up.
const BLOCK_HEADROOM: u32 = 64;
/// `TPACKET_ALIGNMENT` (linux/if_packet.h).
const ALIGNMENT: u32 = 16;

const COUNT_AT: usize = offset_of!(tpacket_block_desc, hdr) + offset_of!(tpacket_hdr_v1, num_pkts);
const FIRST_AT: usize = offset_of!(tpacket_block_desc, hdr) + offset_of!(tpacket_hdr_v1, offset_to_first_pkt);
/// The link-layer address follows the frame's header, which is a multiple of [`ALIGNMENT`].
const PACKET_TYPE_AT: usize = size_of::<tpacket3_hdr>() + offset_of!(sockaddr_ll, sll_pkttype);
const HEADER: usize = size_of::<tpacket3_hdr>() + size_of::<sockaddr_ll>();
const TCI_AT: usize = offset_of!(tpacket3_hdr, hv1) + offset_of!(tpacket_hdr_variant1, tp_vlan_tci);
const TPID_AT: usize = offset_of!(tpacket3_hdr, hv1) + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid);

impl Shape {
    /// A ring of at most `ring_bytes` for frames cut to `snaplen` octets, on a machine with pages of `page` bytes.
    ///
    /// # Errors
    /// [`Error::Range`] and [`Error::RingTooSmall`].
    pub fn new(ring_bytes: u32, snaplen: u32, page: u32) -> Result<Self, Error> {
        let (low, high) = SNAPLENS;
        if !(low..=high).contains(&snaplen) {
            return Err(Error::Range { name: "snaplen", value: snaplen, low, high });
        }
        let frame = (snaplen + FRAME_HEADROOM).next_multiple_of(ALIGNMENT);
        let least = (frame + BLOCK_HEADROOM).max(page).next_power_of_two();
        if ring_bytes > MAX_RING_BYTES {
            let (low, high) = (least * MIN_BLOCKS, MAX_RING_BYTES);
            return Err(Error::Range { name: "ring_bytes", value: ring_bytes, low, high });
        }
        let fitting = 1 << (ring_bytes / MIN_BLOCKS).max(1).ilog2();
        let block = BLOCK_BYTES.min(fitting).max(least);
        let blocks = ring_bytes / block;
        if blocks < MIN_BLOCKS {
            return Err(Error::RingTooSmall { ring_bytes, snaplen, least: least * MIN_BLOCKS });
        }
        Ok(Self { block, blocks, frame })
    }

    /// Bytes of all blocks.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.block as u64 * self.blocks as u64
    }
}

/// A socket with its ring, and the place of the next block.
#[derive(Debug)]
pub struct Ring {
    // Unmapped before the socket is closed.
    map: Map,
    socket: Socket,
    next: u32,
    counted: KernelStats,
}

impl Ring {
    /// Gives a socket that is not yet bound a ring of at most `ring_bytes`.
    ///
    /// # Errors
    /// As [`Shape::new`] and [`Socket::map_ring`]; the socket is closed then.
    pub fn new(socket: Socket, ring_bytes: u32, snaplen: u32) -> Result<Self, Error> {
        let map = socket.map_ring(Shape::new(ring_bytes, snaplen, page_bytes())?)?;
        Ok(Self { map, socket, next: 0, counted: KernelStats::default() })
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sizes of the ring.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.map.shape()
    }

    /// Hands each frame of the next block over, or waits for one up to `timeout`. A block that is not full comes after
    /// [`super::socket::RETIRE_MS`].
    ///
    /// # Errors
    /// As [`Socket::wait`].
    pub fn next_block(
        &mut self,
        timeout: Duration,
        each: &mut impl FnMut(Frame<'_>),
    ) -> Result<Polled, Error> {
        if self.map.block(self.next).is_none() {
            self.socket.wait(timeout)?;
        }
        let Some(block) = self.map.block(self.next) else { return Ok(Polled::default()) };
        let polled = walk(block, each);
        self.map.release(self.next);
        self.next = (self.next + 1) % self.map.shape().blocks;
        Ok(polled)
    }

    /// What the kernel counted since the ring was made.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn stats(&mut self) -> Result<KernelStats, Error> {
        self.counted.add(self.socket.take_statistics()?);
        Ok(self.counted)
    }
}

/// Hands over the frames of a block until the headers end or make no sense.
fn walk(block: &[u8], each: &mut impl FnMut(Frame<'_>)) -> Polled {
    let Some(start) = block.first_chunk::<{ FIRST_AT + 4 }>() else { return Polled::default() };
    let count = u32_at(start, COUNT_AT);
    let mut rest = block.get(u32_at(start, FIRST_AT) as usize..).unwrap_or_default();
    for frames in 0..count {
        let Some(header) = rest.first_chunk::<HEADER>() else {
            return Polled { frames, damaged: count - frames };
        };
        let Some(frame) = frame(header, rest) else { return Polled { frames, damaged: count - frames } };
        each(frame);
        // 0 in the last header of a block: the same frame must not be read again.
        let step = match u32_at(header, offset_of!(tpacket3_hdr, tp_next_offset)) {
            0 => rest.len(),
            step => step as usize,
        };
        rest = rest.get(step..).unwrap_or_default();
    }
    Polled { frames: count, damaged: 0 }
}

fn frame<'a>(header: &[u8; HEADER], from: &'a [u8]) -> Option<Frame<'a>> {
    let seconds = u32_at(header, offset_of!(tpacket3_hdr, tp_sec));
    let nanos = u32_at(header, offset_of!(tpacket3_hdr, tp_nsec));
    let status = u32_at(header, offset_of!(tpacket3_hdr, tp_status));
    let length = u32_at(header, offset_of!(tpacket3_hdr, tp_snaplen)) as usize;
    let data = from.get(usize::from(u16_at(header, offset_of!(tpacket3_hdr, tp_mac)))..)?.get(..length)?;
    Some(Frame {
        timestamp: Timestamp::from_micros(i64::from(seconds) * 1_000_000 + i64::from(nanos / 1_000)),
        wire_len: u32_at(header, offset_of!(tpacket3_hdr, tp_len)),
        data,
        vlan: tag(header, status),
        outgoing: header[PACKET_TYPE_AT] == libc::PACKET_OUTGOING,
    })
}

fn tag(header: &[u8; HEADER], status: u32) -> Option<VlanTag> {
    if status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    // Kernels before 3.14 do not say which kind of tag it was.
    let tpid = if status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
        libc::ETH_P_8021Q as u16
    } else {
        u16_at(header, TPID_AT)
    };
    Some(VlanTag { tci: (u32_at(header, TCI_AT) & 0xffff) as u16, tpid })
}

/// `at` is a constant within a header whose length is a constant: the checks are made at compile time.
#[inline]
fn u32_at<const N: usize>(header: &[u8; N], at: usize) -> u32 {
    u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

#[inline]
fn u16_at<const N: usize>(header: &[u8; N], at: usize) -> u16 {
    u16::from_ne_bytes([header[at], header[at + 1]])
}

#[cfg(test)]
mod tests;
