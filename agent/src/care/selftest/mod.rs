//! Checks of a device: does it have what the agent needs, and if not, what to do.
//!
//! From: configuration, kernel, disk. To: `weir selftest` and the support bundle. No check changes what the agent keeps.

mod agent;
mod capture;
mod collect;
mod disk;
mod host;
mod knowledge;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Clock;
use crate::config::Config;

pub use agent::running;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// The agent works, but not as well as it could.
    Warn,
    /// The agent cannot do its work.
    Failed,
    /// Not asked for, or not to be told here.
    Skipped,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, such as `disk` or `interface eth1`.
    pub name: String,
    /// What it came to.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What to do, where something is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

impl Check {
    fn new(name: impl Into<String>, state: State, detail: impl Into<String>, action: Option<&str>) -> Self {
        let action = action.map(str::to_owned);
        Self { name: name.into(), state, detail: detail.into(), action }
    }

    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Ok, detail, None)
    }

    pub(super) fn warn(name: impl Into<String>, detail: impl Into<String>, action: &str) -> Self {
        Self::new(name, State::Warn, detail, Some(action))
    }

    pub(super) fn failed(name: impl Into<String>, detail: impl Into<String>, action: &str) -> Self {
        Self::new(name, State::Failed, detail, Some(action))
    }

    pub(super) fn skipped(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Skipped, detail, None)
    }
}

/// All checks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this program.
    pub version: &'static str,
    /// When they were made, RFC 3339.
    pub at: String,
    /// True when none failed.
    pub ok: bool,
    /// Each of them.
    pub checks: Vec<Check>,
}

impl Report {
    fn new(checks: Vec<Check>, clock: Clock) -> Self {
        let ok = checks.iter().all(|check| check.state != State::Failed);
        Self { version: env!("CARGO_PKG_VERSION"), at: clock.now().to_string(), ok, checks }
    }
}

/// A table: a line for each check, and below it what to do.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
        for check in &self.checks {
            let state = match check.state {
                State::Ok => "ok",
                State::Warn => "warn",
                State::Failed => "FAILED",
                State::Skipped => "skipped",
            };
            writeln!(f, "{state:<8}{:<width$}  {}", check.name, check.detail)?;
            if let Some(action) = &check.action {
                writeln!(f, "{:<8}{:<width$}  -> {action}", "", "")?;
            }
        }
        let count = |state| self.checks.iter().filter(|check| check.state == state).count();
        let (failed, warned) = (count(State::Failed), count(State::Warn));
        writeln!(f, "{} checks: {failed} failed, {warned} warned", self.checks.len())
    }
}

/// What is checked.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The configuration as far as it could be read.
    pub config: &'a Config,
    /// Where it comes from.
    pub origin: String,
    /// What is wrong with it; the checks then go by the defaults.
    pub mistakes: Option<String>,
    /// Databases, imported ones included.
    pub geo: weir_geo::Config,
    /// Where the page is expected.
    pub listen: SocketAddr,
    /// How long to count packets; not at all when zero.
    pub wait: Duration,
    /// The clocks.
    pub clock: Clock,
}

/// Makes all checks.
#[must_use]
pub fn run(subject: &Subject<'_>) -> Report {
    let mut checks = vec![knowledge::configuration(subject)];
    checks.extend(capture::checks(subject));
    checks.extend(collect::checks(subject));
    checks.extend(disk::checks(subject));
    checks.push(host::clock(subject.clock.now()));
    checks.push(knowledge::databases(subject));
    checks.push(knowledge::indicators(subject));
    checks.push(host::memory());
    checks.push(agent::port(subject));
    Report::new(checks, subject.clock)
}

/// Octets as people read them.
pub(super) fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::{Check, Report};
    use crate::clock::Clock;

    #[test]
    fn the_table_is_aligned_and_says_what_to_do() {
        let checks = vec![
            Check::ok("disk", "512 MiB free"),
            Check::failed("interface eth1", "there is none", "plug it in"),
            Check::warn("clock", "free running", "start a time service"),
            Check::skipped("packets eth1", "not counted"),
        ];
        let report = Report::new(checks, Clock);
        assert!(!report.ok);
        let text = report.to_string();
        let column = |what: &str| text.lines().find_map(|line| line.find(what)).unwrap();
        assert_eq!(column("512 MiB"), column("there is none"));
        assert_eq!(column("512 MiB"), column("-> plug it in"));
        assert!(text.ends_with("4 checks: 1 failed, 1 warned\n"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["checks"][1]["state"], "failed");
        assert_eq!(json["checks"][1]["action"], "plug it in");
        assert!(json["checks"][0].get("action").is_none());
    }

    #[test]
    fn a_warning_alone_is_no_failure() {
        assert!(Report::new(vec![Check::warn("clock", "", ""), Check::skipped("port", "")], Clock).ok);
    }
}
