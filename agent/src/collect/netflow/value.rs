//! Reading a field's octets by their form.

use std::net::IpAddr;

use serde_json::Value;
use weir_flow::Timestamp;

use super::element::{Element, Form, label};

/// Octets of a text that are kept. User agents, addresses of pages and names fit; what is longer is an attack on the ring.
const MAX_TEXT: usize = 2_048;
/// Octets of an opaque value that are kept, shown with two digits each.
const MAX_OPAQUE: usize = 256;
/// Seconds from the era of NTP (RFC 5905), 1900, to that of Unix.
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// An unsigned number of 1 to 8 octets (RFC 7011 §6.2, reduced-size encoding).
#[inline]
pub(super) fn unsigned(octets: &[u8]) -> Option<u64> {
    Some(match *octets {
        [a] => a.into(),
        [a, b] => u16::from_be_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_be_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        [] | [_, _, _, _, _, _, _, _, _, ..] => return None,
        _ => octets.iter().fold(0, |sum, &octet| sum << 8 | u64::from(octet)),
    })
}

/// A number that has to fit into 32 bits; exporters send interface numbers and the like in more octets.
#[inline]
pub(super) fn unsigned32(octets: &[u8]) -> Option<u32> {
    unsigned(octets).and_then(|value| u32::try_from(value).ok())
}

/// An IPv4 or IPv6 address, by its length.
#[inline]
pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(|octets| IpAddr::from(octets).to_canonical()),
        _ => None,
    }
}

/// A float of 4 or 8 octets that is a number.
pub(super) fn float(octets: &[u8]) -> Option<f64> {
    let value = match octets.len() {
        4 => f64::from(f32::from_be_bytes(octets.try_into().ok()?)),
        _ => f64::from_be_bytes(octets.try_into().ok()?),
    };
    value.is_finite().then_some(value)
}

/// An instant in the element's form; zero means that the exporter does not know.
#[inline]
pub(super) fn instant(form: Form, octets: &[u8]) -> Option<Timestamp> {
    let value = unsigned(octets).filter(|&value| value != 0)?;
    let micros = match form {
        Form::Seconds => i64::try_from(value).ok()?.checked_mul(1_000_000)?,
        Form::Millis => i64::try_from(value).ok()?.checked_mul(1_000)?,
        Form::Micros => ntp(value).or_else(|| i64::try_from(value).ok())?,
        Form::Nanos => ntp(value).or_else(|| i64::try_from(value / 1_000).ok())?,
        _ => return None,
    };
    Some(Timestamp::from_micros(micros))
}

/// Microseconds since 1970 of an NTP time stamp (RFC 7011 §6.1.9); none for one before 1970: some exporters send plain
/// micro- or nanoseconds since 1970 there, which would lie in the first seventy years of NTP's era.
fn ntp(value: u64) -> Option<i64> {
    let (seconds, fraction) = (i64::try_from(value >> 32).ok()?, value & 0xffff_ffff);
    let micros = i64::try_from((fraction * 1_000_000) >> 32).ok()?;
    (seconds >= NTP_TO_UNIX).then(|| (seconds - NTP_TO_UNIX) * 1_000_000 + micros)
}

/// A text without the zeros that fill it up; none when nothing is left. What is no UTF-8 is replaced.
pub(super) fn text(octets: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    let end = octets.iter().position(|&octet| octet == 0).unwrap_or(octets.len());
    let octets = octets[..end].trim_ascii();
    let kept = &octets[..octets.len().min(MAX_TEXT)];
    (!kept.is_empty()).then(|| String::from_utf8_lossy(kept))
}

/// True when [`extra`] keeps the beginning only.
pub(super) const fn is_giant(element: &Element, octets: &[u8]) -> bool {
    match element.form {
        Form::Text => octets.len() > MAX_TEXT,
        Form::Octets => octets.len() > MAX_OPAQUE,
        _ => false,
    }
}

/// A value for `extra`; none when it is zero or empty, or cannot be read.
pub(super) fn extra(element: &Element, octets: &[u8]) -> Option<Value> {
    Some(match element.form {
        Form::Unsigned => {
            let value = unsigned(octets).filter(|&value| value != 0)?;
            label(element, value).map_or_else(|| value.into(), Value::from)
        }
        Form::Signed => signed(octets).filter(|&value| value != 0)?.into(),
        Form::Float => float(octets).filter(|&value| value != 0.0)?.into(),
        Form::Boolean => match octets {
            [1] => true.into(),
            [2] => false.into(),
            _ => return None,
        },
        Form::Ipv4 | Form::Ipv6 => address(octets).filter(|ip| !ip.is_unspecified())?.to_string().into(),
        Form::Mac => mac(octets)?.into(),
        Form::Text => text(octets)?.into(),
        Form::Octets => opaque(octets)?.into(),
        Form::Seconds | Form::Millis | Form::Micros | Form::Nanos => {
            instant(element.form, octets)?.to_string().into()
        }
        Form::List => return None,
    })
}

fn signed(octets: &[u8]) -> Option<i64> {
    let value = unsigned(octets)?;
    let unused = 64 - 8 * u32::try_from(octets.len()).ok()?;
    Some((value << unused).cast_signed() >> unused)
}

fn mac(octets: &[u8]) -> Option<String> {
    let [a, b, c, d, e, f] = *<&[u8; 6]>::try_from(octets).ok()?;
    let known = octets.iter().any(|&octet| octet != 0);
    known.then(|| format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))
}

fn opaque(octets: &[u8]) -> Option<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if octets.iter().all(|&octet| octet == 0) {
        return None;
    }
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xf)]);
    Some(octets.iter().take(MAX_OPAQUE).flat_map(|&octet| [digit(octet >> 4), digit(octet)]).collect())
}

#[cfg(test)]
mod tests {
    use weir_flow::Timestamp;

    use super::super::element::Form;
    use super::{NTP_TO_UNIX, instant, mac, opaque, signed, text, unsigned};

    #[test]
    fn numbers_of_any_length_are_read_and_longer_ones_are_not() {
        let octets = [0, 1, 2, 3, 4, 5, 6, 7, 8];
        for length in 1..=8 {
            let expected = octets[..length].iter().fold(0, |sum, &octet| sum * 256 + u64::from(octet));
            assert_eq!(unsigned(&octets[..length]), Some(expected));
        }
        assert_eq!((unsigned(&[]), unsigned(&octets)), (None, None));
        assert_eq!(
            (signed(&[0xff, 0xfe]), signed(&[0x7f]), signed(&[0xff; 8])),
            (Some(-2), Some(127), Some(-1))
        );
    }

    #[test]
    fn an_ntp_time_stamp_and_plain_microseconds_are_told_apart() {
        let at = |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000 + 500_000));
        let ntp = (u64::try_from(1_700_000_000 + NTP_TO_UNIX).unwrap() << 32 | 0x8000_0000).to_be_bytes();
        assert_eq!(instant(Form::Micros, &ntp), at(1_700_000_000));
        assert_eq!(instant(Form::Nanos, &ntp), at(1_700_000_000));
        assert_eq!(instant(Form::Micros, &1_700_000_000_500_000_u64.to_be_bytes()), at(1_700_000_000));
        assert_eq!(instant(Form::Nanos, &1_700_000_000_500_000_000_u64.to_be_bytes()), at(1_700_000_000));
        assert_eq!(instant(Form::Seconds, &[0; 4]), None);
        assert_eq!(instant(Form::Millis, &u64::MAX.to_be_bytes()), None);
    }

    #[test]
    fn what_fills_a_text_up_is_no_part_of_it() {
        assert_eq!(text(b"ssl\0\0\0").unwrap(), "ssl");
        assert_eq!(text(b" \0x"), None);
        assert_eq!(text(b"a\xff").unwrap(), "a\u{fffd}");
        assert_eq!(text(&[b'x'; 5_000]).unwrap().len(), 2_048);
        assert_eq!(mac(&[0; 6]), None);
        assert_eq!(mac(&[0, 1, 2, 0xab, 4, 5]).unwrap(), "00:01:02:ab:04:05");
        assert_eq!(opaque(&[0, 0x1f]).unwrap(), "001f");
    }
}
