//! What a reader makes of an hour's octets, for the fuzz target `hour_totals`; built with the feature `fuzz` only.

use super::pack::{self, Span};
use super::unpack::{Frame, Unpacker};
use crate::Dimension;
use crate::sums::Sums;

/// Keys with octets, packets and flows.
type Listed = Vec<(String, [u64; 3])>;

/// Reads `input` as the data of a row, and as a frame unpacked: its first octet chooses the dimension. Where a frame can be
/// read, answers what it lists, and what is listed when that is written and read again.
#[must_use]
pub fn hour_totals(input: &[u8]) -> Option<[Listed; 2]> {
    if let (Ok(mut unpacker), Some((at, data))) = (Unpacker::new(), input.split_first_chunk::<8>()) {
        for dimension in Dimension::ALL {
            let _ = unpacker.unpack((0, u64::from_le_bytes(*at)), dimension, data, &mut keys());
        }
    }
    let dimension = Dimension::ALL.into_iter().find(|dimension| Some(&dimension.code()) == input.first())?;
    let (sums, span) = read(dimension, input)?;
    let mut raw = Vec::new();
    pack::write(dimension, span, &sums, &mut raw);
    let again = read(dimension, &raw).map(|(again, _)| listed(&again)).unwrap_or_default();
    Some([listed(&sums), again])
}

/// Room for all keys of a frame.
fn keys() -> Sums {
    Sums::new(4 * pack::LISTED)
}

fn read(dimension: Dimension, raw: &[u8]) -> Option<(Sums, Span)> {
    let frame = Frame::read(dimension, raw).ok()?;
    let mut sums = keys();
    frame.add_to(dimension, &mut sums).ok()?;
    Some((sums, frame.span))
}

fn listed(sums: &Sums) -> Listed {
    let mut listed: Listed =
        sums.entries().iter().map(|entry| (entry.key.to_string(), entry.sum.0)).collect();
    listed.sort_unstable();
    listed
}
