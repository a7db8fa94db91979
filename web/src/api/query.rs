//! Parameters of a request's query.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use http::StatusCode;
use weir_flow::Timestamp;
use weir_intake::Said;

use crate::answer::{Problem, Request};

/// The value of parameter `name`, decoded; the first when it comes more than once.
pub(crate) fn value<'a>(request: &'a Request, name: &str) -> Option<Cow<'a, str>> {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find_map(|(key, value)| (decode(key)? == name).then(|| decode(value)).flatten())
}

/// Parameter `name` as a number of `range`, or `default`.
pub(crate) fn number(
    request: &Request,
    name: &str,
    range: RangeInclusive<usize>,
    default: usize,
) -> Result<usize, Problem> {
    value(request, name).map_or(Ok(default), |text| parse_number(name, &text, range))
}

/// The value `text` of parameter `name` as a number of `range`.
pub(crate) fn parse_number(name: &str, text: &str, range: RangeInclusive<usize>) -> Result<usize, Problem> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| plain && range.contains(number))
        .ok_or_else(|| invalid(format!("{name} must be a number from {} to {}", range.start(), range.end())))
}

/// Parameter `name` as an instant: RFC 3339, or seconds or milliseconds since 1970, told apart by magnitude.
pub(crate) fn instant(request: &Request, name: &str) -> Result<Option<Timestamp>, Problem> {
    value(request, name).map(|text| parse_instant(name, &text)).transpose()
}

/// The value `text` of parameter `name` as an instant.
pub(crate) fn parse_instant(name: &str, text: &str) -> Result<Timestamp, Problem> {
    let is_number = text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    let said = if is_number {
        Said::Number(text)
    } else {
        // A plus sign that was not encoded came as a space.
        Said::Text(text.replace(' ', "+").into())
    };
    let bad = || invalid(format!("{name} must be an RFC 3339 time or seconds or milliseconds since 1970"));
    weir_intake::timestamp(&said).ok_or_else(bad)
}

/// A parameter whose value is not one of those it may have.
pub(crate) fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", detail)
}

/// `application/x-www-form-urlencoded` (URL Standard §5.1); `None` when it is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::{Request, number, value};

    fn request(uri: &str) -> Request {
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = uri.parse().unwrap();
        request
    }

    #[test]
    fn parameters_are_decoded() {
        let request = request("/x?a=1%2B1+2&a=3&%62=%C3%A9&c&d=%zz");
        assert_eq!(value(&request, "a").unwrap(), "1+1 2");
        assert_eq!(value(&request, "b").unwrap(), "é");
        assert_eq!(value(&request, "c").unwrap(), "");
        assert_eq!(value(&request, "d"), None);
        assert_eq!(value(&request, "e"), None);
    }

    #[test]
    fn numbers_keep_their_range() {
        assert_eq!(number(&request("/x"), "limit", 1..=1000, 100).unwrap(), 100);
        assert_eq!(number(&request("/x?limit=1000"), "limit", 1..=1000, 100).unwrap(), 1000);
        for bad in ["0", "1001", "-1", "+5", "abc", "", "99999999999999999999999"] {
            assert!(number(&request(&format!("/x?limit={bad}")), "limit", 1..=1000, 100).is_err(), "{bad}");
        }
    }
}
