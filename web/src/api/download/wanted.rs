//! Which records a download is of, and what its file is called.

use http::StatusCode;
use weir_flow::Timestamp;
use weir_store::Query;

use super::format::{FORMATS, Format, Lines};
use crate::answer::{Problem, Request};
use crate::api::parameters::Parameters;
use crate::api::query::{invalid, parse_instant};
use crate::ingest::Coding;

const PARAMETERS: [&str; 2] = ["date", "format"];
const DAY_MS: i64 = 86_400_000;

/// What is to be downloaded.
pub(super) struct Wanted {
    pub(super) query: Query,
    pub(super) format: Format,
    /// The part of the file's name that says which records it holds.
    pub(super) name: String,
}

impl Wanted {
    /// What `request` asks for: the day of `date`, the range from `from` to `to`, or today.
    pub(super) fn of(request: &Request, now: Timestamp) -> Result<Self, Problem> {
        let parameters = Parameters::of(request, &PARAMETERS)?;
        let mut query = parameters.query()?;
        let plain = Format { lines: Lines::Ndjson, packing: Coding::Identity };
        let format = parameters.choice("format", &FORMATS)?.unwrap_or(plain);
        let name = match (parameters.one("date"), query.from, query.to) {
            (Some(_), from, to) if from.is_some() || to.is_some() => {
                return Err(invalid("Give either date, or from and to".to_owned()));
            }
            (None, from, to) if from.is_some() || to.is_some() => {
                let text = |at: Option<Timestamp>, open: &str| at.map_or_else(|| open.to_owned(), basic);
                format!("{}-{}", text(from, "begin"), text(to, "end"))
            }
            (date, _, _) => {
                let date = date.map_or_else(|| now.to_string().chars().take(10).collect(), str::to_owned);
                let begin = day(&date)?;
                query.from = Some(begin);
                query.to = Some(Timestamp::from_millis(begin.millis().saturating_add(DAY_MS)));
                date
            }
        };
        Ok(Self { query, format, name })
    }

    /// There is no such record.
    pub(super) fn nothing(&self) -> Problem {
        let detail = format!(
            "No record of {} that fits is stored; a day is that of ts, in UTC, and the oldest records are trimmed",
            self.name
        );
        Problem::new(StatusCode::NOT_FOUND, "no_data", detail)
    }
}

/// When a day begins, `YYYY-MM-DD` (RFC 3339 full-date), in UTC.
fn day(date: &str) -> Result<Timestamp, Problem> {
    let bad = || invalid("date must be a day as YYYY-MM-DD".to_owned());
    if date.len() != 10 || !date.bytes().all(|octet| octet.is_ascii_digit() || octet == b'-') {
        return Err(bad());
    }
    let begin = parse_instant("date", &format!("{date}T00:00:00Z")).map_err(|_| bad())?;
    if begin.to_string().starts_with(date) { Ok(begin) } else { Err(bad()) }
}

/// An instant as a file's name can hold it (ISO 8601, basic format).
fn basic(at: Timestamp) -> String {
    let mut text: String = at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    // Fractions only where there are some.
    if let Some(at) = text.find(".000Z") {
        text.replace_range(at..at + 4, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use weir_flow::Timestamp;

    use super::Wanted;
    use crate::answer::Request;

    /// 2026-11-21T10:00:00Z.
    const NOW: Timestamp = Timestamp::from_millis(1_795_255_200_000);

    fn wanted(query: &str) -> Result<(String, Option<String>, Option<String>), String> {
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = format!("/v1/download?{query}").parse().unwrap();
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Wanted::of(&request, NOW)
            .map(|wanted| (wanted.name, text(wanted.query.from), text(wanted.query.to)))
            .map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn a_file_is_of_a_day_or_of_a_range_and_named_after_it() {
        let midnight = |day: &str| Some(format!("{day}T00:00:00.000Z"));
        let day = |name: &str, next: &str| Ok((name.to_owned(), midnight(name), midnight(next)));
        assert_eq!(wanted("date=2024-02-29"), day("2024-02-29", "2024-03-01"));
        assert_eq!(wanted(""), day("2026-11-21", "2026-11-22"));
        assert_eq!(
            wanted("from=2026-11-21T00:00:00Z&to=2026-11-21T12:30:00.5Z").unwrap().0,
            "20261121T000000Z-20261121T123000.500Z"
        );
        assert_eq!(wanted("to=2026-11-21T00:00:00Z").unwrap().0, "begin-20261121T000000Z");
        assert_eq!(wanted("from=1795255200").unwrap().0, "20261121T100000Z-end");
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for bad in [
            "",
            "today",
            "2026-1-1",
            "2026-02-30",
            "2026-13-01",
            "2026-00-10",
            "20261121",
            "2026-11-21T",
            "1970-01-00",
            "../../etc",
            "2026-11-2%0a",
            "9999-99-99",
            "-026-11-21",
            "2026-11-2é",
        ] {
            assert!(wanted(&format!("date={bad}")).unwrap_err().contains("YYYY-MM-DD"), "{bad}");
        }
        assert!(wanted("date=2026-11-21&from=1").unwrap_err().contains("either"));
        assert!(wanted("format=xml").unwrap_err().contains("ndjson.zst"));
    }
}
