//! Times as inputs write them.

use weir_flow::Timestamp;

use crate::Said;

/// What a bare number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// What its magnitude tells.
    Any,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

/// Integer digits of a number of seconds, the last in the year 5138; one more is milliseconds since 1973.
const SECONDS_DIGITS: i64 = 11;
/// The same for milli-, micro- and nanoseconds, each a thousand times more.
const MILLIS_DIGITS: i64 = 14;
const MICROS_DIGITS: i64 = 17;
const NANOS_DIGITS: i64 = 20;
/// Digits that are looked at: as many as 64 bits hold, and more than an instant to the microsecond has.
const MAX_DIGITS: u32 = 19;
/// The last microsecond of the year 9999, up to which RFC 3339 has a text.
const LAST: i64 = 253_402_300_799_999_999;
const DAY: i64 = 86_400_000_000;

/// An instant: RFC 3339 text, the forms of nfdump and pmacct without a zone (UTC), or a number of seconds, milli-, micro- or
/// nanoseconds since 1970, told apart by magnitude: seconds below 10^11, milliseconds below 10^14, microseconds below 10^17.
///
/// Exact to the microsecond, rounded down; from 1970 to 9999, `None` for all else.
#[must_use]
pub fn timestamp(said: &Said<'_>) -> Option<Timestamp> {
    in_unit(said, Unit::Any)
}

/// As [`timestamp`]; a number counts `unit`.
pub(crate) fn in_unit(said: &Said<'_>, unit: Unit) -> Option<Timestamp> {
    let text = match said {
        Said::Number(text) => text.as_bytes(),
        Said::Text(text) => text.as_bytes().trim_ascii(),
        _ => return None,
    };
    let is_date = text.get(4) == Some(&b'-');
    let micros = if is_date { date_time(text)? } else { number(text, unit)? };
    (0..=LAST).contains(&micros).then(|| Timestamp::from_micros(micros))
}

/// A length of time in microseconds, rounded down; a number in `unit`, seconds where that is [`Unit::Any`].
pub(crate) fn length(said: &Said<'_>, unit: Unit) -> Option<i64> {
    let decimal = Decimal::parse(said.as_str()?.as_bytes().trim_ascii())?;
    decimal.scaled(match unit {
        Unit::Any => 6,
        Unit::Millis => 3,
        Unit::Micros => 0,
        Unit::Nanos => -3,
    })
}

fn number(text: &[u8], unit: Unit) -> Option<i64> {
    let decimal = Decimal::parse(text)?;
    decimal.scaled(match unit {
        Unit::Millis => 3,
        Unit::Micros => 0,
        Unit::Nanos => -3,
        Unit::Any => match decimal.integer_digits() {
            digits if digits <= SECONDS_DIGITS => 6,
            digits if digits <= MILLIS_DIGITS => 3,
            digits if digits <= MICROS_DIGITS => 0,
            digits if digits <= NANOS_DIGITS => -3,
            _ => return None,
        },
    })
}

/// A number from zero without loss: `digits` × 10^`exponent`.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    digits: u64,
    exponent: i64,
}

impl Decimal {
    /// Reads `12`, `12.5`, `1.25e1`; JSON's numbers (RFC 8259 §6) without a sign.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut decimal = Self { digits: 0, exponent: 0 };
        let (mut taken, mut is_fraction, mut any) = (0, false, false);
        let mut rest = text;
        while let [first, more @ ..] = rest {
            match *first {
                digit @ b'0'..=b'9' => {
                    any = true;
                    if taken < MAX_DIGITS {
                        decimal.digits = decimal.digits * 10 + u64::from(digit - b'0');
                        taken += u32::from(decimal.digits != 0);
                        decimal.exponent -= i64::from(is_fraction);
                    } else {
                        decimal.exponent += i64::from(!is_fraction);
                    }
                }
                b'.' if !is_fraction && any => is_fraction = true,
                b'e' | b'E' if any => {
                    decimal.exponent += exponent(more)?;
                    break;
                }
                _ => return None,
            }
            rest = more;
        }
        any.then_some(decimal)
    }

    /// Digits before the point; 0 or less for a number below 1.
    fn integer_digits(self) -> i64 {
        self.digits.checked_ilog10().map_or(0, |log| i64::from(log) + 1 + self.exponent)
    }

    /// The number × 10^`power`, rounded down; none where that does not fit.
    fn scaled(self, power: i64) -> Option<i64> {
        let power = self.exponent + power;
        let factor = u32::try_from(power.unsigned_abs()).ok().and_then(|power| 10_u64.checked_pow(power));
        let value = match factor {
            _ if self.digits == 0 => 0,
            Some(factor) if power >= 0 => self.digits.checked_mul(factor)?,
            Some(factor) => self.digits / factor,
            None if power < 0 => 0,
            None => return None,
        };
        i64::try_from(value).ok()
    }
}

/// The exponent after the `e`; what has more digits than this is far beyond any time.
fn exponent(text: &[u8]) -> Option<i64> {
    const MAX_EXPONENT_DIGITS: usize = 6;
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    (digits.len() <= MAX_EXPONENT_DIGITS).then(|| whole(digits)).flatten().map(|value| sign * value)
}

/// All of `text` as a number; at most 18 digits.
fn whole(text: &[u8]) -> Option<i64> {
    const MAX: usize = 18;
    if text.is_empty() || text.len() > MAX {
        return None;
    }
    text.iter().try_fold(0, |sum, &digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

/// RFC 3339 §5.6 in microseconds since 1970; also with a space or a small letter for the `T`, without seconds, with the
/// offsets of ISO 8601 (`+0100`, `+01`), and without a zone, which is UTC.
fn date_time(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else { return None };
    let (year, month, day) = (whole(&[y1, y2, y3, y4])?, pair(m1, m2)?, pair(d1, d2)?);
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let (&[b'T' | b't' | b' ', h1, h2, b':', n1, n2], rest) = rest.split_first_chunk::<6>()? else {
        return None;
    };
    let (hour, minute) = (pair(h1, h2)?, pair(n1, n2)?);
    let (second, rest) = match rest {
        [b':', s1, s2, rest @ ..] => (pair(*s1, *s2)?, rest),
        rest => (0, rest),
    };
    // 60 is a leap second: the instant after it.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = match rest {
        [b'.' | b',', rest @ ..] => fraction(rest)?,
        rest => (0, rest),
    };
    let seconds = (hour * 60 + minute) * 60 + second - offset(zone)?;
    Some(days(year, month, day) * DAY + seconds * 1_000_000 + fraction)
}

fn pair(tens: u8, ones: u8) -> Option<i64> {
    whole(&[tens, ones])
}

/// Microseconds of the digits after the point, and what follows them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(length)?;
    let micros =
        (0..6).fold(0, |sum, at| sum * 10 + digits.get(at).map_or(0, |digit| i64::from(digit - b'0')));
    (length > 0).then_some((micros, rest))
}

/// Seconds east of Greenwich.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => (sign, pair(h1, h2)?, pair(m1, m2)?),
        [sign, h1, h2] => (sign, pair(h1, h2)?, 0),
        _ => return None,
    };
    let seconds = (hours * 60 + minutes) * 60;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970: H. Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_flow::Timestamp;

    use super::{LAST, Unit, in_unit, length, timestamp};
    use crate::Said;

    fn said(text: &str) -> Option<i64> {
        let number = timestamp(&Said::Number(text)).map(Timestamp::micros);
        let as_text = timestamp(&Said::Text(text.into())).map(Timestamp::micros);
        assert_eq!(number, as_text, "{text}");
        number
    }

    #[test]
    fn numbers_are_seconds_to_nanoseconds_by_their_magnitude() {
        for text in ["1790000000.123456", "1790000000123.456", "1790000000123456", "1790000000123456789"] {
            assert_eq!(said(text), Some(1_790_000_000_123_456), "{text}");
        }
        for (text, micros) in [
            ("0", 0),
            ("0.000001", 1),
            ("1.79e9", 1_790_000_000_000_000),
            ("1.79E+12", 1_790_000_000_000_000),
            ("17900000000e-1", 1_790_000_000_000_000),
            ("99999999999", 99_999_999_999_000_000),
            ("100000000000", 100_000_000_000_000),
            ("99999999999999", 99_999_999_999_999_000),
            ("100000000000000", 100_000_000_000_000),
            ("99999999999999999", 99_999_999_999_999_999),
            ("100000000000000000", 100_000_000_000_000),
            ("1790000000.12345678901234567890123456789", 1_790_000_000_123_456),
            ("0001790000000", 1_790_000_000_000_000),
            ("0e999999", 0),
            ("1e-99999", 0),
        ] {
            assert_eq!(said(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-1",
            "-0",
            "+1",
            "x",
            "1x",
            ".5",
            "1e",
            "1e+",
            "1ee5",
            "1e99",
            "1e9999999",
            "1.2.3",
            "NaN",
            "inf",
            "0x10",
            "999999999999999999999",
            "1 790",
            "1e16000000000",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00X",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00*01:00",
            "2026-01-01",
            "2026-01-01T",
            "2026-1-1 00:00:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "<unknown>.0",
            "2026-01-01T00:00:00Z more",
            "20é26-01-01T00:00:00Z",
        ] {
            assert_eq!(said(text), None, "{text}");
        }
        for other in [Said::Null, Said::Bool(true), Said::Json("[1]".into())] {
            assert_eq!(timestamp(&other), None);
        }
    }

    #[test]
    fn texts_of_every_tool_are_read() {
        let expected = Timestamp::from_micros(1_469_109_102_350_000);
        for text in [
            "2016-07-21T13:51:42.350Z",
            "2016-07-21t13:51:42.35z",
            "2016-07-21T13:51:42.350000000Z",
            "2016-07-21 13:51:42.350000",
            "2016-07-21T13:51:42.350",
            "2016-07-21T13:51:42,35",
            "2016-07-21T15:51:42.350+02:00",
            "2016-07-21T15:51:42.350000+0200",
            "2016-07-21T08:51:42.350-05",
            " 2016-07-21T13:51:42.350Z ",
            "1469109102.350000",
        ] {
            assert_eq!(timestamp(&Said::Text(text.into())), Some(expected), "{text}");
        }
        assert_eq!(said("1970-01-01T00:00:00.000"), Some(0), "an exporter that sent no time");
        assert_eq!(said("2016-12-31T23:59:60Z"), said("2017-01-01T00:00:00Z"), "a leap second");
        assert_eq!(said("2016-07-21T13:51Z"), said("2016-07-21T13:51:00Z"));
        assert_eq!(said("9999-12-31T23:59:59.999999Z"), Some(LAST));
    }

    #[test]
    fn a_name_that_tells_the_unit_is_believed_whatever_the_size() {
        for (unit, micros) in
            [(Unit::Millis, 5_000), (Unit::Micros, 5), (Unit::Nanos, 0), (Unit::Any, 5_000_000)]
        {
            let read = in_unit(&Said::Number("5"), unit).map(Timestamp::micros);
            assert_eq!(read, Some(micros), "{unit:?}");
            assert_eq!(length(&Said::Number("5"), unit), Some(micros), "{unit:?}");
        }
        assert_eq!(length(&Said::Text(" 23.881 ".into()), Unit::Any), Some(23_881_000));
        assert_eq!(length(&Said::Number("-1"), Unit::Any), None);
    }

    proptest! {
        #[test]
        fn what_a_record_shows_is_read_again(ms in 0..=LAST / 1_000) {
            let instant = Timestamp::from_millis(ms);
            prop_assert_eq!(timestamp(&Said::Text(instant.to_string().into())), Some(instant));
        }

        #[test]
        fn decimals_of_seconds_are_exact_to_the_microsecond(micros in 0..=99_999_999_999_999_999_i64) {
            let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            prop_assert_eq!(said(&text), Some(micros));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = said(&text);
        }

        #[test]
        fn nearly_a_time_makes_it_no_panic(text in "[0-9]{0,4}-[0-9]{2}-[0-9]{2}[T ][0-9:.+Ze-]{0,20}") {
            let _ = said(&text);
        }
    }
}
