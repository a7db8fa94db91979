//! A line in the log about exports that cannot be decoded: at once for the first, then once a minute for all.

use std::time::{Duration, Instant};

use tracing::warn;

use super::{Faults, Report};

/// Between two lines: a hostile exporter must not fill the log.
const PAUSE: Duration = Duration::from_secs(60);

/// What was told last, and when.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    told: Option<Instant>,
    faults: Faults,
}

impl Complaint {
    /// Tells what was added since the last line, if there is something and the last line is old enough.
    pub(super) fn tell(&mut self, report: &Report, now: Instant) {
        if let Some(reasons) = self.due(&report.faults, now) {
            let worst = report.exporters.iter().max_by_key(|one| one.faults.total());
            let worst = worst.filter(|one| one.faults.total() > 0).map(|one| one.address.to_string());
            warn!(
                reasons,
                exporter = worst.unwrap_or_default(),
                "flow exports could not be decoded; /v1/sources and the page tell of each exporter"
            );
        }
    }

    /// What is to be told: reasons with their counts since the last time.
    fn due(&mut self, faults: &Faults, now: Instant) -> Option<String> {
        if self.told.is_some_and(|told| now.duration_since(told) < PAUSE) {
            return None;
        }
        let fresh = faults.since(&self.faults);
        if fresh.total() == 0 {
            return None;
        }
        (self.told, self.faults) = (Some(now), *faults);
        let reasons = fresh.iter().map(|(fault, count)| format!("{count} {}", fault.as_str()));
        Some(reasons.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::{Fault, Faults};
    use super::Complaint;

    #[test]
    fn the_first_fault_is_told_at_once_and_the_others_once_a_minute() {
        let (mut complaint, mut faults, start) = (Complaint::default(), Faults::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(complaint.due(&faults, after(0)), None);
        faults.count(Fault::NoTemplate);
        assert_eq!(complaint.due(&faults, after(1)).as_deref(), Some("1 no_template"));
        faults.add(Fault::Truncated, 2);
        faults.count(Fault::NoTemplate);
        assert_eq!(complaint.due(&faults, after(60)), None);
        assert_eq!(complaint.due(&faults, after(61)).as_deref(), Some("2 truncated, 1 no_template"));
        assert_eq!(complaint.due(&faults, after(200)), None, "nothing new");
    }
}
