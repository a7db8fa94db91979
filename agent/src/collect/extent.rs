//! Where an export message begins and ends, without decoding it: for captures, in which it is one of many datagrams,
//! and for files, in which messages lie one after the other.

use weir_flow::Source;

use super::wire::Reader;

/// Longest message: IPFIX has 16 bits for its length (RFC 7011 §3.1), and no UDP datagram is longer.
pub const MAX_MESSAGE: usize = 65_535;
/// What [`is_plausible`] has to see of a message to judge it.
pub const LONGEST_START: usize = 48;

/// Samples of an sFlow datagram: each has eight octets at least.
#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
const MAX_SAMPLES: u32 = MAX_MESSAGE as u32 / 8;

/// 2000-01-01. Who exported before had a clock that was not set, or is no exporter.
const FIRST_EXPORT: u32 = 946_684_800;

/// What the first octets claim to be.
#[must_use]
pub fn version(octets: &[u8]) -> Option<Source> {
    Some(match octets {
        [0, 5, ..] => Source::Netflow5,
        [0, 7, ..] => Source::Netflow7,
        [0, 9, ..] => Source::Netflow9,
        [0, 10, ..] => Source::Ipfix,
        [0, 0, 0, 5, ..] => Source::Sflow5,
        _ => return None,
    })
}

/// True when the header and what follows it look like an export: other protocols, whose first octets say one of
/// these versions by chance, do not. The octets may go on beyond the message, or end at [`LONGEST_START`].
#[must_use]
pub fn is_plausible(octets: &[u8]) -> bool {
    look(octets).is_some_and(|exported| exported.is_none_or(|at| at >= FIRST_EXPORT))
}

/// When a message was exported, by the exporter's clock, if its version says so; `None` where the octets are none.
fn look(octets: &[u8]) -> Option<Option<u32>> {
    let mut start = Reader::new(octets.get(..LONGEST_START).unwrap_or(octets));
    let (version, _) = (version(octets)?, start.u16()?);
    let count = start.u16()?;
    let (exported, fits) = match version {
        Source::Netflow5 | Source::Netflow7 => {
            let (_uptime, exported, nanos, _sequence) =
                (start.u32()?, start.u32()?, start.u32()?, start.u32()?);
            (Some(exported), (1..=30).contains(&count) && nanos < 1_000_000_000)
        }
        Source::Netflow9 => {
            let (_uptime, exported, _sequence, _id) =
                (start.u32()?, start.u32()?, start.u32()?, start.u32()?);
            (Some(exported), is_set(start, &[0, 1])?)
        }
        Source::Ipfix => {
            let (exported, _sequence, _domain) = (start.u32()?, start.u32()?, start.u32()?);
            (Some(exported), count == 16 || (count >= 20 && is_set(start, &[2, 3])?))
        }
        _ => {
            start = Reader::new(octets);
            let (_version, kind) = (start.u32()?, start.u32()?);
            start.take(agent_address(kind)?)?;
            let (_agent, _sequence, _uptime, samples) =
                (start.u32()?, start.u32()?, start.u32()?, start.u32()?);
            (None, samples <= MAX_SAMPLES)
        }
    };
    fits.then_some(exported)
}

/// True when a set begins here, of data or with one of the numbers of `templates`.
fn is_set(mut start: Reader<'_>, templates: &[u16]) -> Option<bool> {
    let (number, length) = (start.u16()?, start.u16()?);
    Some(length >= 4 && (number >= 256 || templates.contains(&number)))
}

/// Octets of an sFlow agent's address.
const fn agent_address(kind: u32) -> Option<usize> {
    match kind {
        1 => Some(4),
        2 => Some(16),
        _ => None,
    }
}

/// Octets of the message at the start of `octets`, as its own lengths and counts say; `None` where they lead past the
/// end, or the octets are no message.
#[must_use]
pub fn length(octets: &[u8]) -> Option<usize> {
    let count = |at: usize| octets.get(at..at + 2).map(|b| usize::from(b[0]) << 8 | usize::from(b[1]));
    let length = match version(octets)? {
        Source::Netflow5 => 24 + 48 * count(2)?,
        Source::Netflow7 => 24 + 52 * count(2)?,
        Source::Netflow9 => netflow9(octets)?,
        Source::Ipfix => count(2).filter(|&length| length >= 16)?,
        _ => sflow(octets)?,
    };
    (length <= octets.len().min(MAX_MESSAGE)).then_some(length)
}

/// Walks the sets: the header has no length. A set's number is 0, 1, or above 255, so that another message begins
/// where there is the version (RFC 3954 §5.2).
fn netflow9(octets: &[u8]) -> Option<usize> {
    const VERSION: u16 = 9;
    let mut rest = Reader::new(octets);
    rest.take(20)?;
    while let Some((number, length)) = rest.rest().first_chunk().map(set_header) {
        if number == VERSION {
            break;
        }
        rest.take(usize::from(length).max(4))?;
    }
    Some(octets.len() - rest.len())
}

const fn set_header(octets: &[u8; 4]) -> (u16, u16) {
    let [n0, n1, l0, l1] = *octets;
    (u16::from_be_bytes([n0, n1]), u16::from_be_bytes([l0, l1]))
}

fn sflow(octets: &[u8]) -> Option<usize> {
    let mut rest = sflow_samples(octets)?;
    while rest.next().is_some() {}
    (rest.left == 0).then(|| octets.len() - rest.reader.len())
}

/// The formats of an sFlow datagram's samples (enterprise × 4,096 + number), up to the first that is cut; `None` where
/// the octets are no sFlow v5.
#[must_use]
pub fn sflow_samples(octets: &[u8]) -> Option<Samples<'_>> {
    if version(octets) != Some(Source::Sflow5) {
        return None;
    }
    let mut reader = Reader::new(octets);
    let (_version, kind) = (reader.u32()?, reader.u32()?);
    reader.take(agent_address(kind)?)?;
    let (_sub_agent, _sequence, _uptime) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let left = reader.u32()?;
    Some(Samples { reader, left })
}

/// See [`sflow_samples`].
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl Iterator for Samples<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let left = self.left.checked_sub(1)?;
        let mut after = self.reader;
        let (format, length) = (after.u32()?, after.u32()?);
        after.take(usize::try_from(length).ok()?)?;
        (self.reader, self.left) = (after, left);
        Some(format)
    }
}

/// Octets of the first message in `octets`, which may hold several: where its own lengths say that it ends, if
/// another of its version begins there or nothing follows; else all, as long as that is not too much for a message.
///
/// `None` when no message can be told from what follows it. `at_end` is false when the octets go on.
#[must_use]
pub fn first_message(octets: &[u8], at_end: bool) -> Option<usize> {
    let says = length(octets).filter(|&length| {
        let next = octets.get(length..).unwrap_or_default();
        if next.is_empty() { at_end } else { version(next) == version(octets) && look(next).is_some() }
    });
    says.or_else(|| (at_end && octets.len() <= MAX_MESSAGE).then_some(octets.len()))
}

#[cfg(test)]
mod tests;
