//! The retro-hunt in the web side's terms: figures, and how well it works.

use weir_web as web;

use crate::metrics::Hunting;

/// Figures of the hunt; none when it is off.
pub(super) fn figures(hunting: &Hunting) -> Option<web::Hunt> {
    hunting.enabled.then(|| {
        let report = hunting.report();
        web::Hunt {
            running: report.running,
            indicators: report.indicators,
            rows_scanned: report.rows_scanned,
            rows_total: report.rows_total,
            sightings: report.sightings,
            suppressed: report.suppressed,
            damaged_blocks: report.damaged,
            last_finished_at: report.last_finished_at,
            cpu_seconds: report.cpu.as_secs_f64(),
        }
    })
}

/// Degraded when stored rows cannot be searched; not told while they can.
pub(super) fn part(hunting: &Hunting) -> Option<web::Part> {
    let trouble = hunting.report().trouble;
    (!trouble.is_empty()).then(|| web::Part::new("hunt", web::Condition::Degraded, "unreadable", trouble))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{figures, part};
    use crate::metrics::{HuntReport, Hunting};

    #[test]
    fn figures_are_there_when_the_hunt_is_on_and_its_part_when_it_is_in_trouble() {
        assert!(figures(&Hunting::default()).is_none());
        let hunting = Hunting::new();
        hunting.update(|report| {
            *report = HuntReport {
                running: true,
                indicators: 2,
                rows_scanned: 30,
                rows_total: 40,
                sightings: 5,
                suppressed: 6,
                cpu: Duration::from_millis(1_500),
                ..HuntReport::default()
            };
        });
        let json = serde_json::to_value(figures(&hunting)).unwrap();
        let expected = serde_json::json!({
            "running": true, "indicators": 2, "rows_scanned": 30, "rows_total": 40, "sightings": 5,
            "suppressed": 6, "damaged_blocks": 0, "last_finished_at": null, "cpu_seconds": 1.5
        });
        assert_eq!(json, expected);
        assert!(part(&hunting).is_none());
        hunting.update(|report| report.trouble = "failed to read".to_owned());
        assert_eq!(part(&hunting).unwrap().detail.as_deref(), Some("failed to read"));
    }
}
