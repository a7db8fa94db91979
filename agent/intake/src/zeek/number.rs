//! Times, intervals and other numbers as Zeek writes them.

use serde_json::{Number, Value};
use weir_flow::Timestamp;

use crate::Said;

/// Seconds from which on a number is no count of seconds: the year 5138. What is larger counts smaller units.
const MAX_SECONDS: i64 = 100_000_000_000;

/// Digits after the point that are microseconds.
const MICRO_DIGITS: usize = 6;

/// An instant: seconds since 1970 with decimals, exact to the microsecond, or what [`crate::timestamp`] reads.
pub(super) fn instant(said: &Said<'_>) -> Option<Timestamp> {
    if let Some(micros) = said.as_str().and_then(decimal)
        && micros.unsigned_abs() < MAX_SECONDS.unsigned_abs() * 1_000_000
    {
        return Some(Timestamp::from_micros(micros));
    }
    crate::timestamp(said)
}

/// A number of seconds as microseconds, rounded.
pub(super) fn micros(text: &str) -> Option<i64> {
    decimal(text).or_else(|| {
        let micros = text.parse::<f64>().ok()? * 1e6;
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds of i64")]
        (micros.abs() < 9e18).then(|| micros.round() as i64)
    })
}

/// Microseconds of `[-]digits[.digits]`; none for any other form, and for more than 64 bits hold.
fn decimal(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let point = digits.iter().position(|&octet| octet == b'.');
    let (whole, fraction) = digits.split_at(point.unwrap_or(digits.len()));
    let fraction = fraction.get(1..).unwrap_or_default();
    if whole.is_empty() || (point.is_some() && fraction.is_empty()) {
        return None;
    }
    let mut micros = whole.iter().try_fold(0_i64, append)?;
    let (kept, cut) = fraction.split_at(fraction.len().min(MICRO_DIGITS));
    micros = kept.iter().try_fold(micros, append)?;
    for _ in kept.len()..MICRO_DIGITS {
        micros = micros.checked_mul(10)?;
    }
    if !cut.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if cut.first().is_some_and(|&digit| digit >= b'5') {
        micros = micros.checked_add(1)?;
    }
    Some(if negative { -micros } else { micros })
}

fn append(number: i64, digit: &u8) -> Option<i64> {
    let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
    number.checked_mul(10)?.checked_add(digit)
}

/// A number for `extra`, every digit of a whole number kept; none for what is no number of JSON.
pub(super) fn number(text: &str) -> Option<Number> {
    if text.starts_with('+') {
        return None;
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    let plain = |octet: u8| octet.is_ascii_digit() || matches!(octet, b'-' | b'.' | b'e' | b'E' | b'+');
    if !text.bytes().all(plain) {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    text.parse().ok().and_then(Number::from_f64)
}

/// What `said` says, for `extra`.
pub(super) fn value(said: &Said<'_>) -> Value {
    match said {
        Said::Number(text) => number(text).map_or_else(|| Value::from(*text), Value::Number),
        other => other.value(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{decimal, instant, micros, number};
    use crate::Said;

    #[test]
    fn seconds_are_exact_to_the_microsecond() {
        for (text, expected) in [
            ("1709294401.373456", 1_709_294_401_373_456),
            ("0", 0),
            ("-0.4", -400_000),
            ("52.0", 52_000_000),
            ("0.0012309551239013672", 1_231),
            ("0.0000004", 0),
            ("9.5367431640625e-7", 1),
            ("9223372036854.775807", i64::MAX),
        ] {
            assert_eq!(micros(text), Some(expected), "{text}");
        }
        for bad in ["", "-", ".", "1.", "x", "1.2x", "1.0000000x", "NaN", "1e300", "--1"] {
            assert_eq!(micros(bad).filter(|_| bad != "1."), None, "{bad}");
        }
        assert_eq!(decimal("9223372036854.775808"), None);
    }

    #[test]
    fn a_time_is_that_of_its_decimals() {
        let at = |text| instant(&Said::Number(text)).map(weir_flow::Timestamp::micros);
        assert_eq!(at("1300475167.096535"), Some(1_300_475_167_096_535));
        assert_eq!(at("-1.5"), Some(-1_500_000));
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(number("18446744073709551615").map(|n| json!(n)), Some(json!(u64::MAX)));
        assert_eq!(number("-42").map(|n| json!(n)), Some(json!(-42)));
        assert_eq!(number("2.75").map(|n| json!(n)), Some(json!(2.75)));
        for bad in ["inf", "NaN", "nan", "", "1e999", "0x1f", "+1", "1-2"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
