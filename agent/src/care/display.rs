//! Everything on which the agent shows how it is, brought up to date once a second by `main`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;
use weir_web::Status;

use super::console::Console;
use super::led::Led;
use super::status_line::StatusLine;
use crate::config::Config;
use crate::notify::Notifier;

/// The service manager is told no more often: it writes every status down.
const TELL_MANAGER: Duration = Duration::from_secs(10);

/// Status line, service manager and lamp.
pub struct Display {
    status: Arc<dyn Status>,
    line: StatusLine,
    console: Option<Console>,
    led: Option<Led>,
    /// A line that the service manager has not been told yet.
    untold: Option<String>,
    told: Option<Instant>,
}

impl Display {
    /// What `config` asks for, with the lamp that was had.
    #[must_use]
    pub fn new(config: &Config, led: Option<Led>, status: Arc<dyn Status>, now: Instant) -> Self {
        let page = config.web.enabled.then(|| format!("http://{}/", config.web.listen));
        Self { status, line: StatusLine::new(page, now), console: None, led, untold: None, told: None }
    }

    /// Writes each line to standard output too.
    pub fn to_stdout(&mut self) {
        match Console::stdout() {
            Ok(console) => self.console = Some(console),
            Err(error) => warn!("no status lines: standard output cannot be written: {error}"),
        }
    }

    /// Shows what has changed.
    pub fn refresh(&mut self, notifier: &Notifier, now: Instant) {
        let (health, metrics) = (self.status.health(), self.status.metrics());
        if let Some(led) = &mut self.led {
            led.show(health.worst());
        }
        if let Some(line) = self.line.due(&health, &metrics, now) {
            if let Some(console) = &mut self.console {
                console.offer(&line);
            }
            self.untold = Some(line);
        }
        let is_soon = self.told.is_some_and(|told| now.saturating_duration_since(told) < TELL_MANAGER);
        if let Some(line) = self.untold.take_if(|_| !is_soon) {
            notifier.status(&line);
            self.told = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use weir_web::{Condition, Health, LookupAnswer, LookupTarget, Metrics, Part, Sources, Status, Version};

    use super::Display;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::notify::Notifier;

    /// An agent whose store fails or does not.
    #[derive(Default)]
    struct Agent(AtomicBool);

    impl Status for Agent {
        fn health(&self) -> Health {
            let trouble = if self.0.load(Ordering::Relaxed) { "the disk is full" } else { "" };
            Health {
                status: Condition::Ok,
                service: "telemetry-api".into(),
                version: "v1".into(),
                uptime_seconds: 0,
                parts: vec![Part::new("store", Condition::Failed, "unwritable", trouble.to_owned())],
            }
        }

        fn version(&self) -> Version {
            Version::default()
        }

        fn metrics(&self) -> Metrics {
            Metrics::default()
        }

        fn sources(&self) -> Sources {
            Sources::default()
        }

        fn lookup(&self, _: &LookupTarget) -> LookupAnswer {
            LookupAnswer::default()
        }
    }

    #[test]
    fn the_service_manager_hears_the_newest_line_and_no_more_than_one_in_ten_seconds() {
        let dir = tempfile::tempdir().unwrap();
        let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        manager.set_nonblocking(true).unwrap();
        let notifier = Notifier::new(Some(dir.path().join("notify").as_os_str())).unwrap();
        let (agent, start) = (Arc::new(Agent::default()), Clock.monotonic());
        let mut display =
            Display::new(&Config::default(), None, Arc::clone(&agent) as Arc<dyn Status>, start);
        let mut told_at = |second: u64, fails: bool| {
            agent.0.store(fails, Ordering::Relaxed);
            display.refresh(&notifier, start + Duration::from_secs(second));
            let mut buffer = [0; 1_024];
            let length = manager.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        };
        assert!(told_at(0, false).unwrap().contains("state=ok"));
        assert_eq!(told_at(3, true), None);
        assert_eq!(told_at(6, false), None);
        assert_eq!(told_at(9, true), None);
        let told = told_at(10, true).unwrap();
        assert!(told.starts_with("STATUS=weir ") && told.ends_with("; store: the disk is full"), "{told}");
        assert_eq!(told_at(11, true), None, "nothing new");
    }
}
