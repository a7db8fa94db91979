//! A line in the log about lines that cannot be read: at once for the first, then once a minute for all.

use std::time::{Duration, Instant};

use tracing::warn;

use super::report::{BadLines, LogReport, Report};

/// Between two lines: a hostile log must not fill ours.
const PAUSE: Duration = Duration::from_secs(60);

/// What was told last, and when.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    told: Option<Instant>,
    bad: BadLines,
}

impl Complaint {
    /// Tells what was added since the last line, if there is something and the last line is old enough.
    pub(super) fn tell(&mut self, report: &Report, now: Instant) {
        let Some(reasons) = self.due(report.bad(), now) else { return };
        let total = |log: &&LogReport| log.counts.bad.total();
        let worst = report.logs.iter().max_by_key(total);
        let log = worst.map(|log| log.path.to_string()).unwrap_or_default();
        let last = worst.and_then(|log| log.counts.last_bad).map(|bad| bad.to_string()).unwrap_or_default();
        warn!(
            reasons,
            log,
            last,
            "lines of Zeek's logs could not be read and were skipped; /v1/metrics tells of each log"
        );
    }

    /// What is to be told: reasons with their counts since the last time.
    fn due(&mut self, bad: BadLines, now: Instant) -> Option<String> {
        let is_early = self.told.is_some_and(|told| now.saturating_duration_since(told) < PAUSE);
        if is_early || bad.total() == self.bad.total() {
            return None;
        }
        let before = std::mem::replace(&mut self.bad, bad);
        self.told = Some(now);
        let fresh = bad.iter().zip(before.iter()).map(|((reason, now), (_, before))| (reason, now - before));
        let reasons = fresh
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| format!("{count} {}", reason.as_str()));
        Some(reasons.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use weir_intake::Reason;

    use super::{BadLines, Complaint};

    #[test]
    fn the_first_bad_line_is_told_at_once_and_the_others_once_a_minute() {
        let (mut complaint, mut bad, start) = (Complaint::default(), BadLines::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(complaint.due(bad, after(0)), None);
        bad.count(Reason::WrongColumns.of(""));
        assert_eq!(complaint.due(bad, after(1)).as_deref(), Some("1 wrong_columns"));
        bad.count(Reason::BadUtf8.of(""));
        bad.count(Reason::WrongColumns.of(""));
        assert_eq!(complaint.due(bad, after(60)), None);
        assert_eq!(complaint.due(bad, after(61)).as_deref(), Some("1 bad_utf8, 1 wrong_columns"));
        assert_eq!(complaint.due(bad, after(200)), None, "nothing new");
    }
}
