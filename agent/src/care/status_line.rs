//! One line that says how the agent is: for a serial console, the journal and the service manager.
//!
//! From: health and counters, once a second. To: [`super::console`] and `STATUS=` of the service manager.

use std::time::{Duration, Instant};

use weir_web::{Condition, Health, Metrics};

use crate::log::{cut, printable};

/// A line at least this often, so that a console shows that the agent lives.
const EVERY: Duration = Duration::from_secs(60);
/// A condition that flaps gives no more than a line in this time; the last condition is always told.
const LEAST: Duration = Duration::from_secs(1);
/// Octets of the trouble on the line: a console has 80 to 200 columns, the page has the rest.
const MAX_TROUBLE: usize = 160;
/// Characters of the device's name that are shown: enough to tell the devices of one company apart.
const ID_CHARACTERS: usize = 8;
/// Longest name of a branch that is shown.
const MAX_SITE: usize = 64;

/// One word of a line of words; `-` for nothing.
fn word(text: &str) -> String {
    let text: String =
        cut(text.trim(), MAX_SITE).chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect();
    if text.is_empty() { "-".to_owned() } else { printable(&text).to_string() }
}

/// The word for a condition on the line and for the lamp.
#[must_use]
pub const fn state(condition: Condition) -> &'static str {
    match condition {
        Condition::Ok | Condition::Off => "ok",
        Condition::Degraded => "degraded",
        Condition::Failed => "failed",
    }
}

/// Makes lines, and knows when one is due.
#[derive(Debug)]
pub struct StatusLine {
    /// Where the page is; none when it is not served.
    page: Option<String>,
    told: Option<Told>,
    packets: (u64, Instant),
}

/// What was told last.
#[derive(Debug)]
struct Told {
    at: Instant,
    condition: String,
}

impl StatusLine {
    /// A line that has not been told yet.
    #[must_use]
    pub fn new(page: Option<String>, now: Instant) -> Self {
        Self { page, told: None, packets: (0, now) }
    }

    /// The line when one is due: the first time, at every change of condition, and each minute.
    pub fn due(&mut self, health: &Health, metrics: &Metrics, now: Instant) -> Option<String> {
        let condition = condition(health, metrics);
        if let Some(told) = &self.told {
            let waited = now.saturating_duration_since(told.at);
            if waited < LEAST || (waited < EVERY && told.condition == condition) {
                return None;
            }
        }
        self.told = Some(Told { at: now, condition });
        Some(self.line(health, metrics, now))
    }

    fn line(&mut self, health: &Health, metrics: &Metrics, now: Instant) -> String {
        let pps = self.rate(metrics.capture.packets, now);
        let site = word(metrics.agent.site.as_deref().unwrap_or_default());
        let id: String =
            metrics.agent.device_id.iter().flat_map(|id| id.chars()).take(ID_CHARACTERS).collect();
        let id = word(&id);
        let page = self.page.as_deref().unwrap_or("-");
        let mut line = format!(
            "weir {} site={site} id={id} state={} page={page} flows={} pps={pps} kernel_drops={} clock={} stored={}",
            env!("CARGO_PKG_VERSION"),
            state(health.worst()),
            metrics.table.flows,
            metrics.capture.dropped,
            metrics.clock.state,
            metrics.records_processed,
        );
        if let Some(part) = health.trouble() {
            let detail = printable(part.detail.as_deref().unwrap_or("no reason was given")).to_string();
            let told = cut(&detail, MAX_TROUBLE);
            line += &format!("; {}: {told}{}", part.name, if told.len() < detail.len() { "..." } else { "" });
        }
        line
    }

    /// Packets a second since the last line.
    fn rate(&mut self, packets: u64, now: Instant) -> u128 {
        let (before, at) = std::mem::replace(&mut self.packets, (packets, now));
        let millis = now.saturating_duration_since(at).as_millis().max(1);
        u128::from(packets.saturating_sub(before)) * 1_000 / millis
    }
}

/// What makes a line due when it changes: no numbers.
fn condition(health: &Health, metrics: &Metrics) -> String {
    let parts = health.parts.iter().map(|part| format!("{}={:?}:{:?} ", part.name, part.status, part.code));
    parts.chain([metrics.clock.state.to_string()]).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use weir_web::{Condition, Health, Metrics, Part};

    use super::StatusLine;
    use crate::clock::Clock;

    fn health(store: &str) -> Health {
        Health {
            status: Condition::Ok,
            service: "telemetry-api".into(),
            version: "v1".into(),
            uptime_seconds: 1,
            parts: vec![
                Part::new("capture", Condition::Degraded, "interface", String::new()),
                Part::new("store", Condition::Failed, "unwritable", store.to_owned()),
            ],
        }
    }

    fn metrics(packets: u64) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.capture.packets = packets;
        metrics.capture.dropped = 3;
        metrics.table.flows = 12;
        metrics.clock.state = "synchronised".into();
        metrics.agent.device_id = Some("0123456789abcdef".into());
        metrics
    }

    fn line() -> (StatusLine, Instant) {
        let now = Clock.monotonic();
        (StatusLine::new(Some("http://127.0.0.1:8080/".to_owned()), now), now)
    }

    #[test]
    fn the_line_says_who_where_and_how() {
        let (mut line, now) = line();
        let mut metrics = metrics(5_000);
        metrics.agent.site = Some("Branch 12".into());
        let text = line.due(&health(""), &metrics, now + Duration::from_secs(10)).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text,
            format!(
                "weir {version} site=Branch_12 id=01234567 state=ok page=http://127.0.0.1:8080/ flows=12 \
                 pps=500 kernel_drops=3 clock=synchronised stored=0"
            )
        );
    }

    #[test]
    fn a_line_comes_at_once_on_a_change_and_else_each_minute() {
        let (mut line, now) = line();
        let at = |seconds| now + Duration::from_secs(seconds);
        assert!(line.due(&health(""), &metrics(0), at(0)).is_some());
        assert!(line.due(&health(""), &metrics(900), at(30)).is_none(), "numbers are no change");
        let told = line.due(&health("the disk is full\nor worse"), &metrics(900), at(31)).unwrap();
        assert!(told.contains("site=- ") && told.contains("state=failed"), "{told}");
        assert!(told.contains("; store: the disk is full") && !told.contains('\n'), "{told}");
        assert!(line.due(&health("the disk is full"), &metrics(900), at(90)).is_none());
        assert!(line.due(&health("the disk is full"), &metrics(900), at(91)).is_some());
        assert!(line.due(&health(""), &metrics(900), at(92)).unwrap().contains("state=ok"));
    }

    #[test]
    fn an_endless_trouble_is_cut() {
        let (mut line, now) = line();
        let told = line.due(&health(&"long ".repeat(10_000)), &metrics(0), now).unwrap();
        assert!(told.len() < 400 && told.ends_with("..."), "{told}");
    }
}
