//! The pcapng format (draft-ietf-opsawg-pcapng).

use weir_flow::Timestamp;

use super::buffer::Buffer;
use super::pcap::read_u32;
use super::{Damage, Fault, Located, MAX_FRAME};
use crate::packet::LinkType;

/// Interfaces of a section; stops a file of interface descriptions from taking memory.
const MAX_INTERFACES: usize = 65_536;
/// Longest description of an interface that is read for its options.
const MAX_DESCRIPTION: usize = 64 * 1024;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Block type and length before, length after.
const BLOCK_FRAME: usize = 12;

/// A pcapng file.
pub(super) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Time of the last frame, for those that carry none.
    last: Timestamp,
    /// Octets after the last frame that belong to its block.
    rest: usize,
}

#[derive(Clone, Copy)]
struct Interface {
    link: u16,
    snaplen: u32,
    units: Units,
    /// Seconds to add to every time.
    offset: i64,
}

/// Resolution of timestamps: 10^-n or 2^-n seconds.
#[derive(Clone, Copy)]
enum Units {
    Decimal(u8),
    Binary(u8),
}

impl Pcapng {
    /// Looks for a section header; `None` when the file is not pcapng.
    pub(super) fn begin(buffer: &Buffer) -> Option<Self> {
        let is_section = read_u32(buffer.bytes(), 0, true) == SECTION_HEADER;
        is_section.then(|| Self {
            big_endian: false,
            interfaces: Vec::new(),
            last: Timestamp::default(),
            rest: 0,
        })
    }

    pub(super) fn next(&mut self, buffer: &mut Buffer) -> Result<Option<Located>, Fault> {
        skip(buffer, std::mem::take(&mut self.rest))?;
        loop {
            if !buffer.fill(BLOCK_FRAME)? {
                let at_end = buffer.bytes().is_empty();
                return if at_end { Ok(None) } else { Err(Fault::Damage(Damage::CutShort)) };
            }
            if read_u32(buffer.bytes(), 0, true) == SECTION_HEADER {
                self.section(buffer)?;
            }
            let kind = read_u32(buffer.bytes(), 0, self.big_endian);
            let length = read_u32(buffer.bytes(), 4, self.big_endian) as usize;
            if length < BLOCK_FRAME || !length.is_multiple_of(4) {
                return Err(Fault::Damage(Damage::BadBlock));
            }
            let located = match kind {
                ENHANCED_PACKET => self.enhanced(buffer, length)?,
                SIMPLE_PACKET => self.simple(buffer, length)?,
                OBSOLETE_PACKET => self.obsolete(buffer, length)?,
                INTERFACE_DESCRIPTION => {
                    self.describe(buffer, length)?;
                    continue;
                }
                _ => {
                    skip(buffer, length)?;
                    continue;
                }
            };
            self.last = located.timestamp;
            return Ok(Some(located));
        }
    }

    /// A new section has its own byte order and interfaces.
    fn section(&mut self, buffer: &mut Buffer) -> Result<(), Fault> {
        self.big_endian = match read_u32(buffer.bytes(), 8, true) {
            0x1a2b_3c4d => true,
            0x4d3c_2b1a => false,
            _ => return Err(Fault::Damage(Damage::BadBlock)),
        };
        self.interfaces.clear();
        Ok(())
    }

    fn describe(&mut self, buffer: &mut Buffer, length: usize) -> Result<(), Fault> {
        const FIXED: usize = 16;
        let known = length.min(MAX_DESCRIPTION);
        if length < FIXED + 4 || self.interfaces.len() == MAX_INTERFACES {
            return Err(Fault::Damage(Damage::BadBlock));
        }
        fill(buffer, known)?;
        let bytes = &buffer.bytes()[..known];
        let mut interface = Interface {
            link: self.u16(bytes, 8),
            snaplen: read_u32(bytes, 12, self.big_endian),
            units: Units::Decimal(6),
            offset: 0,
        };
        self.options(&bytes[FIXED..known.max(FIXED + 4) - 4], &mut interface);
        self.interfaces.push(interface);
        skip(buffer, length)
    }

    fn options(&self, mut bytes: &[u8], interface: &mut Interface) {
        const RESOLUTION: u16 = 9;
        const OFFSET: u16 = 14;
        while bytes.len() >= 4 {
            let (code, length) = (self.u16(bytes, 0), usize::from(self.u16(bytes, 2)));
            let Some(value) = bytes.get(4..4 + length) else { return };
            match (code, value) {
                (0, _) => return,
                (RESOLUTION, [units]) => {
                    let power = units & 0x7f;
                    interface.units =
                        if units & 0x80 == 0 { Units::Decimal(power) } else { Units::Binary(power) };
                }
                (OFFSET, [_, _, _, _, _, _, _, _]) => {
                    let first = read_u32(value, 0, self.big_endian);
                    let second = read_u32(value, 4, self.big_endian);
                    let (high, low) = if self.big_endian { (first, second) } else { (second, first) };
                    interface.offset = (u64::from(high) << 32 | u64::from(low)).cast_signed();
                }
                _ => {}
            }
            bytes = bytes.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        }
    }

    fn enhanced(&mut self, buffer: &mut Buffer, length: usize) -> Result<Located, Fault> {
        const FIXED: usize = 28;
        let interface = self.interface(buffer, length, FIXED, |bytes, order| read_u32(bytes, 8, order))?;
        self.packet(buffer, length, FIXED, interface)
    }

    /// The block that enhanced packets replaced: a 16-bit interface, else the same layout.
    fn obsolete(&mut self, buffer: &mut Buffer, length: usize) -> Result<Located, Fault> {
        const FIXED: usize = 28;
        let big_endian = self.big_endian;
        let number = |bytes: &[u8], _| {
            let both = [bytes[8], bytes[9]];
            u32::from(if big_endian { u16::from_be_bytes(both) } else { u16::from_le_bytes(both) })
        };
        let interface = self.interface(buffer, length, FIXED, number)?;
        self.packet(buffer, length, FIXED, interface)
    }

    fn packet(
        &mut self,
        buffer: &mut Buffer,
        length: usize,
        fixed: usize,
        interface: Interface,
    ) -> Result<Located, Fault> {
        let field = |at| read_u32(buffer.bytes(), at, self.big_endian);
        let ticks = u64::from(field(12)) << 32 | u64::from(field(16));
        let (captured, wire_len) = (field(20) as usize, field(24));
        let timestamp = interface.time(ticks);
        self.located(buffer, Block { length, fixed, captured }, timestamp, wire_len, interface)
    }

    /// A packet without time or interface: of the first interface, at the time of the frame before.
    fn simple(&mut self, buffer: &mut Buffer, length: usize) -> Result<Located, Fault> {
        const FIXED: usize = 12;
        let interface = self.interface(buffer, length, FIXED, |_, _| 0)?;
        let wire_len = read_u32(buffer.bytes(), 8, self.big_endian);
        let room = length - FIXED - 4;
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let captured = (wire_len.min(snaplen) as usize).min(room);
        self.located(buffer, Block { length, fixed: FIXED, captured }, self.last, wire_len, interface)
    }

    fn located(
        &mut self,
        buffer: &mut Buffer,
        block: Block,
        timestamp: Timestamp,
        wire_len: u32,
        interface: Interface,
    ) -> Result<Located, Fault> {
        let Block { length, fixed, captured } = block;
        if captured > MAX_FRAME {
            return Err(Fault::Damage(Damage::TooLong));
        }
        if fixed + captured + 4 > length {
            return Err(Fault::Damage(Damage::BadBlock));
        }
        fill(buffer, fixed + captured)?;
        let link = LinkType::from_file(interface.link).ok_or(Fault::LinkType(interface.link))?;
        self.rest = length - fixed - captured;
        Ok(Located { timestamp, wire_len, captured, before: fixed, link })
    }

    /// The interface of the packet block at hand, once its fixed part is in the window.
    fn interface(
        &self,
        buffer: &mut Buffer,
        length: usize,
        fixed: usize,
        number: impl FnOnce(&[u8], bool) -> u32,
    ) -> Result<Interface, Fault> {
        if length < fixed + 4 {
            return Err(Fault::Damage(Damage::BadBlock));
        }
        fill(buffer, fixed)?;
        let number = number(buffer.bytes(), self.big_endian) as usize;
        self.interfaces.get(number).copied().ok_or(Fault::Damage(Damage::UnknownInterface))
    }

    fn u16(&self, bytes: &[u8], at: usize) -> u16 {
        let field = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        if self.big_endian { u16::from_be_bytes(field) } else { u16::from_le_bytes(field) }
    }
}

#[derive(Clone, Copy)]
struct Block {
    length: usize,
    fixed: usize,
    captured: usize,
}

impl Interface {
    fn time(&self, ticks: u64) -> Timestamp {
        let ticks = i128::from(ticks);
        let micros = match self.units {
            Units::Decimal(power @ 0..=6) => ticks * 10_i128.pow(6 - u32::from(power)),
            Units::Decimal(power @ 7..=30) => ticks / 10_i128.pow(u32::from(power) - 6),
            Units::Decimal(_) => 0,
            // A power has seven bits.
            Units::Binary(power) => (ticks * 1_000_000) >> power,
        };
        let micros = micros + i128::from(self.offset) * 1_000_000;
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX }))
    }
}

fn fill(buffer: &mut Buffer, want: usize) -> Result<(), Fault> {
    if buffer.fill(want)? { Ok(()) } else { Err(Fault::Damage(Damage::CutShort)) }
}

fn skip(buffer: &mut Buffer, length: usize) -> Result<(), Fault> {
    if buffer.skip(length as u64)? { Ok(()) } else { Err(Fault::Damage(Damage::CutShort)) }
}
