//! The following of Zeek's logs in the web side's terms: figures, and how well it works.

use weir_web as web;

use crate::metrics::Following;
use crate::zeek::{LogReport, Report};

/// Each log, and sums; none when no logs are followed.
pub(super) fn figures(following: &Following) -> Option<web::Zeek> {
    if !following.enabled {
        return None;
    }
    let report = following.report();
    let sum = |of: fn(&LogReport) -> u64| report.logs.iter().map(of).sum();
    Some(web::Zeek {
        lines: sum(|log| log.counts.lines),
        records: sum(|log| log.counts.records),
        bad_lines: report.bad().total(),
        files_gone: report.gone.files,
        octets_gone: report.gone.octets,
        files_damaged: report.damaged,
        behind_octets: sum(|log| log.behind),
        logs: report.logs.iter().map(log).collect(),
    })
}

fn log(log: &LogReport) -> web::ZeekLog {
    let counts = &log.counts;
    let bad = counts.bad.iter().filter(|&(_, count)| count > 0);
    web::ZeekLog {
        path: log.path.clone(),
        log: log.name.clone(),
        lines: counts.lines,
        octets: counts.octets,
        records: counts.records,
        bad_lines: bad.map(|(reason, count)| (reason.as_str(), count)).collect(),
        last_bad: counts.last_bad.map(|bad| bad.to_string().into()),
        last_read: counts.last_read,
        files: log.files,
        behind_octets: log.behind,
    }
}

/// Degraded when something that is to be followed cannot be.
pub(super) fn part(following: &Following) -> web::Part {
    if !following.enabled {
        return web::Part { name: "zeek".into(), status: web::Condition::Off, code: None, detail: None };
    }
    web::Part::new("zeek", web::Condition::Degraded, "unreadable", troubles(&following.report()))
}

/// The first trouble, and how many there are.
fn troubles(report: &Report) -> String {
    match report.troubles.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first}; {} more, see the log", others.len()),
    }
}

#[cfg(test)]
mod tests {
    use weir_intake::Reason;
    use weir_web::Condition;

    use super::{figures, part};
    use crate::metrics::Following;
    use crate::zeek::{Counts, LogReport, Report};

    fn log(path: &str, bad: u64) -> LogReport {
        let mut counts = Counts { lines: 10, records: 10 - bad, ..Counts::default() };
        (0..bad).for_each(|_| counts.bad.count(Reason::WrongColumns.of("")));
        LogReport { path: path.into(), name: "conn".into(), counts, files: 1, behind: 5 }
    }

    #[test]
    fn each_log_is_told_with_its_bad_lines_by_reason() {
        assert!(figures(&Following::default()).is_none());
        let following = Following::new();
        following.publish(Report {
            logs: vec![log("/a/conn.log", 2), log("/b/conn.log", 0)],
            ..Report::default()
        });
        let json = serde_json::to_value(figures(&following)).unwrap();
        assert_eq!(
            (&json["lines"], &json["records"], &json["bad_lines"]),
            (&20.into(), &18.into(), &2.into())
        );
        assert_eq!(json["logs"][0]["bad_lines"], serde_json::json!({"wrong_columns": 2}));
        assert_eq!(
            (&json["behind_octets"], &json["logs"][1]["bad_lines"]),
            (&10.into(), &serde_json::json!({}))
        );
    }

    #[test]
    fn what_cannot_be_read_degrades_the_part() {
        assert_eq!(part(&Following::default()).status, Condition::Off);
        let following = Following::new();
        assert_eq!(part(&following).status, Condition::Ok);
        let troubles = ["/a: shut", "/b: shut", "/c: shut"].map(str::to_owned).to_vec();
        following.publish(Report { troubles, ..Report::default() });
        let part = part(&following);
        assert_eq!((part.status, part.code), (Condition::Degraded, Some("unreadable")));
        assert_eq!(part.detail.as_deref(), Some("/a: shut; 2 more, see the log"));
    }
}
