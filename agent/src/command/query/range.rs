//! The times between which flows started.

use weir_flow::Timestamp;
use weir_intake::Said;

use crate::error::RunError;

/// Options that name a range of time.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::command) struct Range {
    /// Flows that started at this time or later
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Flows that started before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Flows that started so long ago or less: 90m, 24h, 7d
    #[arg(long, value_name = "LENGTH", conflicts_with = "from")]
    last: Option<String>,
}

impl Range {
    /// Both ends; none where the range is open.
    ///
    /// # Errors
    /// [`RunError::Usage`] says what is expected.
    pub(in crate::command) fn resolve(
        &self,
        now: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), RunError> {
        let from = match &self.last {
            Some(last) => Some(now.plus_micros(-length("--last", last)?)),
            None => self.from.as_deref().map(|text| instant("--from", text)).transpose()?,
        };
        let to = self.to.as_deref().map(|text| instant("--to", text)).transpose()?;
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(RunError::Usage(format!("the range is empty: it begins at {from} and ends at {to}")));
        }
        Ok((from, to))
    }
}

/// RFC 3339, a date alone (its first instant, UTC), or seconds or milliseconds since 1970.
fn instant(option: &str, text: &str) -> Result<Timestamp, RunError> {
    let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    let is_date = text.len() == 10 && text.as_bytes().get(4) == Some(&b'-');
    let said = match (is_number, is_date) {
        (true, _) => Said::Number(text),
        (false, true) => Said::Text(format!("{text}T00:00:00Z").into()),
        (false, false) => Said::Text(text.into()),
    };
    weir_intake::timestamp(&said).ok_or_else(|| {
        RunError::Usage(format!(
            "{option}: {text:?} is no time: give RFC 3339 (2026-11-21T06:00:00Z), a date (2026-11-21), or seconds or milliseconds since 1970"
        ))
    })
}

/// A length of time in microseconds.
fn length(option: &str, text: &str) -> Result<i64, RunError> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];
    let parse = || {
        let unit = text.chars().next_back()?;
        let (_, seconds) = units.iter().find(|(name, _)| *name == unit)?;
        let number = text.strip_suffix(unit)?;
        let is_plain = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
        let number: i64 = number.parse().ok().filter(|number| is_plain && *number > 0)?;
        number.checked_mul(*seconds)?.checked_mul(1_000_000)
    };
    parse().ok_or_else(|| {
        RunError::Usage(format!("{option}: {text:?} is no length of time: give a number and s, m, h, d or w, such as 90m, 24h or 7d"))
    })
}

#[cfg(test)]
mod tests {
    use weir_flow::Timestamp;

    use super::Range;

    fn resolve(from: &str, to: &str, last: &str) -> Result<(i64, i64), String> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let range = Range { from: given(from), to: given(to), last: given(last) };
        let millis = |at: Option<Timestamp>| at.map_or(-1, Timestamp::millis);
        let resolved = range.resolve(Timestamp::from_millis(1_800_000_000_000));
        resolved.map(|(from, to)| (millis(from), millis(to))).map_err(|error| error.to_string())
    }

    #[test]
    fn times_are_taken_in_every_form_that_the_api_takes() {
        for form in ["2026-11-21T06:00:00Z", "2026-11-21T07:00:00+01:00", "1795240800", "1795240800000"] {
            assert_eq!(resolve(form, "", ""), Ok((1_795_240_800_000, -1)), "{form}");
        }
        assert_eq!(resolve("2026-11-21", "2026-11-22", ""), Ok((1_795_219_200_000, 1_795_305_600_000)));
        assert_eq!(resolve("", "", "90m"), Ok((1_800_000_000_000 - 5_400_000, -1)));
        assert_eq!(resolve("", "", "7d"), Ok((1_800_000_000_000 - 7 * 86_400_000, -1)));
        assert_eq!(resolve("", "", ""), Ok((-1, -1)));
    }

    #[test]
    fn what_is_no_time_is_said_to_be_none_with_what_is_one() {
        for bad in ["yesterday", "2026-13-01", "-1", "99999999999999999999999999", ".", "2026-11-21T"] {
            assert!(resolve(bad, "", "").unwrap_err().contains("RFC 3339"), "{bad}");
        }
        for bad in
            ["7", "d", "-1h", "+1h", "0m", "1y", "1.5h", "99999999999999999999h", "9223372036854775807w", "é"]
        {
            assert!(resolve("", "", bad).unwrap_err().contains("such as 90m"), "{bad}");
        }
        assert!(resolve("2026-11-22", "2026-11-21", "").unwrap_err().contains("empty"));
    }
}
