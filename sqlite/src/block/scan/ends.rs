//! Conditions about the two ends.

use std::net::IpAddr;

use super::{Codes, MAX_VALUES, Rows, Scan};
use crate::Query;
use crate::block::column::ShortsReader;
use crate::block::{Damage, presence};
use crate::search::is_within;

/// What a value fits: a condition about either end, about the originator, about the responder.
const EITHER: u8 = 1;
const SRC: u8 = 2;
const DST: u8 = 4;

/// What a row fits whose ends fit these.
const fn joined(src: u8, dst: u8) -> u8 {
    (src | dst) & EITHER | src & SRC | dst & DST
}

/// Which conditions there are.
fn needed<T>(either: &[T], src: &[T], dst: &[T]) -> u8 {
    let bit = |list: &[T], bit| if list.is_empty() { 0 } else { bit };
    bit(either, EITHER) | bit(src, SRC) | bit(dst, DST)
}

impl Scan<'_> {
    pub(super) fn narrow_addresses(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        let need = needed(&query.ip, &query.src_ip, &query.dst_ip);
        if need == 0 {
            return Ok(());
        }
        let fit = |address: IpAddr| {
            let bit = |networks: &[_], bit| if is_within(networks, address) { bit } else { 0 };
            bit(&query.ip, EITHER) | bit(&query.src_ip, SRC) | bit(&query.dst_ip, DST)
        };
        let ends = &self.start.ends;
        let fits = ends.addresses.judge(MAX_VALUES, fit);
        if fits.iter().fold(0, |all, own| all | own) & need != need {
            rows.clear();
            return Ok(());
        }
        let (mut src, mut dst, mut seen) = (ends.src, ends.dst, Codes::default());
        for (place, has) in self.fields() {
            let mut end = |bit, codes: &mut ShortsReader<'_>| {
                if has & bit == 0 { Ok(0) } else { seen.value(codes.next()?, &fits) }
            };
            let (from, to) = (end(presence::SRC_IP, &mut src)?, end(presence::DST_IP, &mut dst)?);
            if joined(from, to) & need != need {
                rows.remove(place);
            }
        }
        Ok(())
    }

    pub(super) fn narrow_ports(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        let need = needed(&query.port, &query.src_port, &query.dst_port);
        if need == 0 {
            return Ok(());
        }
        let fit = |port: u16| {
            let bit = |ports: &[u16], bit| if ports.contains(&port) { bit } else { 0 };
            bit(&query.port, EITHER) | bit(&query.src_port, SRC) | bit(&query.dst_port, DST)
        };
        let (mut src, mut dst) = (self.start.ends.src_port, self.start.ends.dst_port);
        for (place, has) in self.fields() {
            let end = |bit, ports: &mut ShortsReader<'_>| -> Result<u8, Damage> {
                if has & bit == 0 { Ok(0) } else { Ok(fit(ports.next()?)) }
            };
            let (from, to) = (end(presence::SRC_PORT, &mut src)?, end(presence::DST_PORT, &mut dst)?);
            if joined(from, to) & need != need {
                rows.remove(place);
            }
        }
        Ok(())
    }

    /// Columns of an octet: protocol, direction, tags.
    pub(super) fn narrow_octets(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        use crate::block::code;
        let enriched = &self.start.enriched;
        let directions: Vec<u8> =
            query.direction.iter().map(|&direction| code::direction(direction)).collect();
        let tags = query.tag.iter().fold(0, |bits, &tag| bits | code::tag_bit(tag));
        let has_tag: Vec<u8> = (1..=u8::MAX).filter(|bits| bits & tags != 0).collect();
        let columns = [
            (&query.proto, presence::PROTO, self.start.ends.proto),
            (&directions, presence::DIRECTION, enriched.direction),
            (&has_tag, presence::TAGS, enriched.tags),
        ];
        for (wanted, bit, mut column) in columns {
            if wanted.is_empty() {
                continue;
            }
            let mut fits = [false; 256];
            wanted.iter().for_each(|&octet| fits[usize::from(octet)] = true);
            for (place, has) in self.fields() {
                if has & bit == 0 || !fits[usize::from(column.octet()?)] {
                    rows.remove(place);
                }
            }
        }
        Ok(())
    }
}
