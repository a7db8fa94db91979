//! The external data representation (RFC 4506) as far as sFlow uses it.

use std::net::IpAddr;

use super::super::wire::Reader;

/// Everything is padded with zeros to a multiple of this.
const UNIT: usize = 4;
/// Longest text that is kept. The longest that an exporter may say, the URL of a request, has 255 octets; stops one
/// sample from filling a record of 64 KiB.
pub(super) const MAX_TEXT: usize = 1_024;

/// A structure with its data format and its length; the padding after it is gone. `None` where it is cut off.
pub(super) fn structure<'a>(reader: &mut Reader<'a>) -> Option<(u32, Reader<'a>)> {
    let data_format = reader.u32()?;
    Some((data_format, Reader::new(opaque(reader)?)))
}

/// Octets with their length before them. The padding may be missing at the end of what is around them.
pub(super) fn opaque<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(reader.u32()?).ok()?;
    let octets = reader.take(length)?;
    let padding = (UNIT - length % UNIT) % UNIT;
    let there = padding.min(reader.len());
    reader.take(there)?;
    Some(octets)
}

/// Text with its length before it, read as UTF-8; `Err` with text longer than [`MAX_TEXT`], which is passed over.
pub(super) fn text(reader: &mut Reader<'_>) -> Option<Result<String, TooLong>> {
    let octets = opaque(reader)?;
    if octets.len() > MAX_TEXT {
        return Some(Err(TooLong));
    }
    let text = String::from_utf8_lossy(octets);
    Some(Ok(text.trim_matches(['\0', ' ']).to_owned()))
}

/// Text that nobody has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// An address with its type before it; `Some(None)` for one that says nothing (type 0, `0.0.0.0`, `::`), `None` for a
/// type that sFlow does not have.
pub(super) fn address(reader: &mut Reader<'_>) -> Option<Option<IpAddr>> {
    let address = match reader.u32()? {
        0 => return Some(None),
        1 => v4(reader)?,
        2 => v6(reader)?,
        _ => return None,
    };
    Some((!address.is_unspecified()).then_some(address))
}

/// An IPv4 address.
pub(super) fn v4(reader: &mut Reader<'_>) -> Option<IpAddr> {
    reader.array::<4>().map(IpAddr::from)
}

/// An IPv6 address.
pub(super) fn v6(reader: &mut Reader<'_>) -> Option<IpAddr> {
    reader.array::<16>().map(IpAddr::from)
}
