//! Values of a line: texts, addresses, numbers.

use std::io::Write as _;
use std::net::IpAddr;
use std::ops::Range;

use serde::Serialize;
use serde_json::Result;

use crate::{Text, Timestamp};

/// Shorter lengths in microseconds have an exponent, longer ones more digits than are exact.
const PLAIN_SECONDS: Range<u64> = 1_000..1_000_000_000_000_000;

/// Any value, by the general serializer.
pub(super) fn general<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<()> {
    serde_json::to_writer(out, value)
}

pub(super) fn text(out: &mut Vec<u8>, name: &[u8], value: Option<&Text>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    out.extend_from_slice(name);
    escaped(out, value)
}

/// A text of any characters.
pub(super) fn escaped(out: &mut Vec<u8>, value: &str) -> Result<()> {
    // RFC 8259 §7.
    if value.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return general(out, value);
    }
    quoted(out, value);
    Ok(())
}

pub(super) fn quoted(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

pub(super) fn address(out: &mut Vec<u8>, name: &[u8], value: Option<IpAddr>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    out.extend_from_slice(name);
    out.push(b'"');
    match value {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            digits(out, a.into());
            for octet in [b, c, d] {
                out.push(b'.');
                digits(out, octet.into());
            }
        }
        IpAddr::V6(v6) => write!(out, "{v6}").map_err(serde_json::Error::io)?,
    }
    out.push(b'"');
    Ok(())
}

pub(super) fn digits(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn signed(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Length of a flow in seconds, as the shortest number that is exact to the microsecond.
pub(super) fn duration(out: &mut Vec<u8>, start: Timestamp, end: Timestamp) -> Result<()> {
    let micros = end.micros_since(start).max(0).unsigned_abs();
    if !PLAIN_SECONDS.contains(&micros) {
        return general(out, &crate::json::seconds(start, end));
    }
    digits(out, micros / 1_000_000);
    let mut fraction = *b".000000";
    let mut rest = micros % 1_000_000;
    for digit in fraction[1..].iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    let zeros = fraction[2..].iter().rev().take_while(|&&digit| digit == b'0').count();
    out.extend_from_slice(&fraction[..fraction.len() - zeros]);
    Ok(())
}
