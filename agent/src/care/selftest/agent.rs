//! The agent that runs: does it answer, is it this version, does it work.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use super::{Check, Report, State, Subject};
use crate::care::client;

/// Between two questions.
const AGAIN: Duration = Duration::from_millis(500);
/// Name of the service, by which an agent is told from whatever else may listen there.
const SERVICE: &str = "telemetry-api";
/// A part in trouble for which this version is to blame: what it cannot write, and what it was not allowed to do.
///
/// Other troubles are the surroundings' (a mirror port without a cable, a clock without a server) or the user's (a configuration
/// with mistakes, whose place the last good one takes). An update that met them would otherwise be taken back each time.
const BLAMED: [(&str, Option<&str>); 2] = [("store", None), ("capture", Some("no_permission"))];

/// Whether the page's port is free, or an agent of this version has it.
pub(super) fn port(subject: &Subject<'_>) -> Check {
    let listen = subject.listen;
    if !subject.config.web.enabled {
        return Check::skipped("port", "web.enabled is false");
    }
    let taken = match TcpListener::bind(listen) {
        Ok(_) => return Check::ok("port", format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => error,
        Err(error) => {
            let action = "choose an address of this host and a free port in web.listen";
            return Check::failed("port", format!("{listen} cannot be served: {error}"), action);
        }
    };
    match version(subject) {
        Ok(version) if version == env!("CARGO_PKG_VERSION") => {
            Check::ok("port", format!("an agent {version} answers at {listen}"))
        }
        Ok(version) => {
            let detail =
                format!("an agent {version} answers at {listen}, this is {}", env!("CARGO_PKG_VERSION"));
            Check::warn("port", detail, "restart the agent: `systemctl restart weir`")
        }
        Err(error) => {
            let detail = format!("{listen}: {taken}, and no agent answers: {error}");
            Check::failed(
                "port",
                detail,
                "choose another port in web.listen, or stop the program that has it",
            )
        }
    }
}

/// Asks the agent that runs, until it works or the time is up.
#[must_use]
pub fn running(subject: &Subject<'_>) -> Report {
    let end = subject.clock.monotonic() + subject.wait;
    loop {
        let checks = ask(subject);
        let report = Report::new(checks, subject.clock);
        if report.ok || subject.clock.monotonic() + AGAIN > end {
            return report;
        }
        std::thread::sleep(AGAIN);
    }
}

fn ask(subject: &Subject<'_>) -> Vec<Check> {
    let (title, listen) = ("answer", subject.listen);
    if !subject.config.web.enabled {
        let action = "set web.enabled = true: the agent is asked through its API";
        return vec![Check::failed(title, "web.enabled is false", action)];
    }
    let health = client::get(listen, "/v1/health", None, subject.clock).and_then(|answer| answer.json());
    let health = match health {
        Ok(health) if health["service"] == SERVICE => health,
        Ok(_) => {
            let action = "check web.listen: another program answers there";
            return vec![Check::failed(title, format!("{listen} is no agent's"), action)];
        }
        Err(error) => {
            let action = "start the agent: `systemctl start weir`; its log says why it does not run: `journalctl -u weir`";
            return vec![Check::failed(title, format!("no agent answers at {listen}: {error}"), action)];
        }
    };
    let uptime = health["uptime_seconds"].as_u64().unwrap_or_default();
    let mut checks = vec![Check::ok(title, format!("{listen}, up {uptime} s")), same_version(subject)];
    checks.extend(health["parts"].as_array().into_iter().flatten().map(part));
    checks
}

fn same_version(subject: &Subject<'_>) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    match version(subject) {
        Ok(version) if version == own => Check::ok("version", version),
        Ok(version) => {
            let detail = format!("the agent that runs is {version}, this program is {own}");
            Check::failed("version", detail, "restart the agent: `systemctl restart weir`")
        }
        Err(error) => {
            Check::failed("version", error.to_string(), "restart the agent: `systemctl restart weir`")
        }
    }
}

fn version(subject: &Subject<'_>) -> io::Result<String> {
    let answer = client::get(subject.listen, "/v1/version", None, subject.clock)?.json()?;
    let is_agent = answer["service"] == SERVICE;
    let version = answer["version"].as_str().filter(|_| is_agent);
    version.map(str::to_owned).ok_or_else(|| io::Error::other("it does not tell its version"))
}

fn part(part: &Value) -> Check {
    let text = |key: &str| part[key].as_str().unwrap_or_default();
    let (name, detail) = (text("name"), text("detail"));
    let is_blamed =
        BLAMED.iter().any(|(blamed, code)| name == *blamed && code.is_none_or(|code| part["code"] == code));
    let action = Some("the page and `weir support-bundle` tell more");
    match text("status") {
        "ok" => Check::ok(name, if detail.is_empty() { "works" } else { detail }),
        "off" => Check::skipped(name, "not asked for"),
        "failed" if is_blamed => Check::new(name, State::Failed, detail, action),
        _ => Check::new(name, State::Warn, detail, action),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{State, part};

    #[test]
    fn only_what_this_version_is_to_blame_for_fails() {
        let state = |name: &str, status: &str, code: &str| {
            part(&json!({"name": name, "status": status, "code": code, "detail": "why"})).state
        };
        assert_eq!(state("store", "failed", "unwritable"), State::Failed);
        assert_eq!(state("capture", "failed", "no_permission"), State::Failed);
        assert_eq!(state("capture", "failed", "interface"), State::Warn, "a missing mirror port");
        assert_eq!(state("collect", "failed", "listener"), State::Warn, "a port that another program has");
        assert_eq!(state("clock", "degraded", "unset"), State::Warn);
        assert_eq!(state("config", "degraded", "last_good"), State::Warn);
        assert_eq!(state("capture", "off", ""), State::Skipped);
        assert_eq!(state("store", "ok", ""), State::Ok);
    }
}
