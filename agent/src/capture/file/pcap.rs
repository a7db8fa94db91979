//! The pcap format (draft-ietf-opsawg-pcap).

use weir_flow::Timestamp;

use super::buffer::Buffer;
use super::{Damage, Fault, Located, MAX_FRAME};
use crate::packet::LinkType;

const FILE_HEADER: usize = 24;

/// A pcap file past its header.
pub(super) struct Pcap {
    link: LinkType,
    big_endian: bool,
    nanoseconds: bool,
    /// 16, or 24 in the variant of A. Kuznetzov.
    record_header: usize,
}

impl Pcap {
    /// Reads the file header; `None` when the file is not pcap.
    pub(super) fn begin(buffer: &mut Buffer) -> Result<Option<Self>, Fault> {
        let Some(magic) = buffer.bytes().first_chunk().copied() else { return Ok(None) };
        let big_endian = matches!(magic[0], 0xa1);
        let magic = if big_endian { u32::from_be_bytes(magic) } else { u32::from_le_bytes(magic) };
        let (nanoseconds, record_header) = match magic {
            0xa1b2_c3d4 => (false, 16),
            0xa1b2_3c4d => (true, 16),
            0xa1b2_cd34 => (false, 24),
            _ => return Ok(None),
        };
        if !buffer.fill(FILE_HEADER)? {
            return Err(Fault::Damage(Damage::CutShort));
        }
        let number = read_u32(buffer.bytes(), 20, big_endian);
        buffer.advance(FILE_HEADER);
        // The upper half holds the length of the frame check sequence.
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the link type")]
        let number = number as u16;
        let link = LinkType::from_file(number).ok_or(Fault::LinkType(number))?;
        Ok(Some(Self { link, big_endian, nanoseconds, record_header }))
    }

    #[inline]
    pub(super) fn next(&mut self, buffer: &mut Buffer) -> Result<Option<Located>, Fault> {
        if !buffer.fill(self.record_header)? {
            let at_end = buffer.bytes().is_empty();
            return if at_end { Ok(None) } else { Err(Fault::Damage(Damage::CutShort)) };
        }
        let bytes = buffer.bytes();
        let field = |at| read_u32(bytes, at, self.big_endian);
        let (seconds, fraction, captured, wire_len) = (field(0), field(4), field(8), field(12));
        let captured = captured as usize;
        if captured > MAX_FRAME {
            return Err(Fault::Damage(Damage::TooLong));
        }
        if !buffer.fill(self.record_header + captured)? {
            return Err(Fault::Damage(Damage::CutShort));
        }
        let micros = if self.nanoseconds { fraction / 1_000 } else { fraction };
        Ok(Some(Located {
            timestamp: Timestamp::from_micros(i64::from(seconds) * 1_000_000 + i64::from(micros)),
            wire_len,
            captured,
            before: self.record_header,
            link: self.link,
        }))
    }
}

/// A 32-bit field; 0 where `bytes` ends before it, which callers have ruled out.
#[inline]
pub(super) fn read_u32(bytes: &[u8], at: usize, big_endian: bool) -> u32 {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    if big_endian { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }
}
