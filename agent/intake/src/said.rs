//! A value as an input wrote it, and how it is understood.

use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::Value;

/// A value, borrowed from what was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Said<'a> {
    /// Nothing: JSON's `null`, a log's unset field.
    Null,
    /// True or false.
    Bool(bool),
    /// A number as it was written, so that no digit of a time is lost.
    Number(&'a str),
    /// Text, without quotes and escapes.
    Text(Cow<'a, str>),
    /// A list or an object, as valid JSON text.
    Json(Cow<'a, str>),
}

impl Said<'_> {
    /// True when nothing is said: null, and the words with which tools say so.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    /// Text or number as it was written.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Number(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A count: a whole number from 0, also as text, also written `12.0` or `1e3`.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        let text = self.as_str()?;
        text.parse().ok().or_else(|| {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text))
        })
    }

    /// An address; brackets, a zone and IPv4 mapped into IPv6 are taken off.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let Self::Text(text) = self else { return None };
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(address.to_canonical());
        }
        let text = text.trim();
        let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let text = text.split_once('%').map_or(text, |(address, _)| address);
        text.parse().ok().map(|address: IpAddr| address.to_canonical())
    }

    /// The value for `extra`.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(text) => number(text),
            Self::Text(text) => Value::from(&**text),
            Self::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(&**text)),
        }
    }
}

impl From<Said<'_>> for Value {
    /// As [`Said::value`], with the memory of a text that is its own already.
    fn from(said: Said<'_>) -> Self {
        match said {
            Said::Text(text) => Self::String(text.into_owned()),
            said => said.value(),
        }
    }
}

/// A number as JSON has it, or the text that should be one.
fn number(text: &str) -> Value {
    // What begins with another digit and can be read as a count is written as one.
    if text.as_bytes().first().is_some_and(|first| (b'1'..=b'9').contains(first))
        && let Ok(count) = text.parse::<u64>()
    {
        return Value::from(count);
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// A number that is whole although it is not written so.
fn whole(text: &str) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and below 2^53")]
    ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::Said;

    #[test]
    fn counts_are_whole_numbers_from_zero_however_they_are_written() {
        for (text, count) in
            [("0", 0), ("12", 12), ("12.0", 12), ("1e3", 1_000), ("18446744073709551615", u64::MAX)]
        {
            assert_eq!(Said::Number(text).count(), Some(count), "{text}");
            assert_eq!(Said::Text(text.into()).count(), Some(count), "{text}");
        }
        for text in ["-1", "1.5", "1e300", "NaN", "inf", "", "x"] {
            assert_eq!(Said::Text(text.into()).count(), None, "{text}");
        }
    }

    #[test]
    fn addresses_are_read_in_every_usual_form() {
        let address = |text: &str| Said::Text(text.to_owned().into()).address().map(|ip| ip.to_string());
        assert_eq!(address(" 192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(address("::ffff:192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(address("[2001:db8::1]").as_deref(), Some("2001:db8::1"));
        assert_eq!(address("fe80::1%eth0").as_deref(), Some("fe80::1"));
        for bad in ["", "999.1.1.1", "host", "1.2.3", "192.0.2.1/24"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
