//! Records on their way to a centre: a second reader of the ring, with a cursor of its own.
//!
//! From: the ring, by row. To: a Splunk HTTP Event Collector, when a client of the API asks. `delivery` takes rows over,
//! `hec` speaks Splunk's language, `http` carries it.

mod config;
mod delivery;
mod hec;
mod http;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use tracing::{info, warn};
use weir_flow::TenantId;
use weir_store::{Control, Reader};
use weir_web::{About, Elastic, Exported, Exporter, NotExported, Preset, Splunk, Tested};

pub use config::{ElasticConfig, Secret, SplunkConfig, Url, preset};
use delivery::{Delivery, OUTPUT, store};
use hec::{Events, Verdict, judge};
use http::Client;

use crate::clock::Clock;
use crate::stop::Stop;

/// A test is one attempt.
const TEST_LIMIT: Duration = Duration::from_secs(10);

/// Delivers rows when it is asked to, one export at a time.
pub struct Uplink {
    dir: PathBuf,
    host: String,
    preset: Preset,
    running: Mutex<()>,
    stop: Stop,
    clock: Clock,
}

impl Uplink {
    /// Delivers what the ring in `dir` holds, in the name of the device that `about` tells of.
    #[must_use]
    pub fn new(dir: PathBuf, about: &About, preset: Preset, stop: Stop, clock: Clock) -> Self {
        let host = about.site.as_deref().or(about.device_id.as_deref()).unwrap_or("weir").to_owned();
        Self { dir, host, preset, running: Mutex::default(), stop, clock }
    }

    /// The one turn that there is.
    fn turn(&self) -> Result<MutexGuard<'_, ()>, NotExported> {
        match self.running.try_lock() {
            Ok(turn) => Ok(turn),
            Err(TryLockError::WouldBlock) => Err(NotExported::Running),
            // Nothing is kept under it that a panic could leave half done.
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        }
    }

    /// The Splunk output as it was set over the API, else as the configuration says.
    fn splunk(&self, control: &Control) -> Result<Splunk, NotExported> {
        let stored = control.output(Splunk::NAME).map_err(|error| store(&error))?;
        let stored = stored.as_deref().and_then(Splunk::from_stored);
        let splunk = stored.or_else(|| self.preset.splunk.clone()).ok_or(NotExported::NotConfigured)?;
        splunk.warnings().iter().for_each(|warning| warn!(output = OUTPUT, "{warning}"));
        Ok(splunk)
    }

    fn deliver(&self, tenant: &TenantId, rows: Option<RangeInclusive<u64>>) -> Result<Exported, NotExported> {
        let _turn = self.turn()?;
        let began = self.clock.monotonic();
        let control = Control::open(&self.dir).map_err(|error| store(&error))?;
        let splunk = self.splunk(&control)?;
        let delivery = Delivery {
            events: Events::new(&splunk, &self.host),
            client: client(&splunk),
            splunk: &splunk,
            tenant,
            reader: Reader::open(&self.dir).map_err(|error| store(&error))?,
            control,
            stop: &self.stop,
            clock: self.clock,
            began,
            done: Exported::default(),
        };
        let outcome = delivery.run(rows);
        tell(&outcome);
        outcome
    }
}

impl Exporter for Uplink {
    fn preset(&self) -> Preset {
        self.preset.clone()
    }

    fn export(&self, tenant: &TenantId) -> Result<Exported, NotExported> {
        self.deliver(tenant, None)
    }

    fn replay(&self, tenant: &TenantId, rows: RangeInclusive<u64>) -> Result<Exported, NotExported> {
        self.deliver(tenant, Some(rows))
    }

    fn test(&self) -> Result<Tested, NotExported> {
        let _turn = self.turn()?;
        let control = Control::open(&self.dir).map_err(|error| store(&error))?;
        let splunk = self.splunk(&control)?;
        let body = Events::new(&splunk, &self.host).test();
        let body = body.map_err(|error| NotExported::Store(error.to_string()))?;
        let began = self.clock.monotonic();
        let (verdict, said) = judge(client(&splunk).post(&body, TEST_LIMIT));
        let took = self.clock.monotonic().saturating_duration_since(began);
        Ok(Tested {
            error: (verdict != Verdict::Accepted).then_some(said.reason),
            http_status: said.status,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            bytes: body.len(),
        })
    }
}

/// The secrets of the outputs that are stored in `dir`, for whoever takes them out of text.
#[must_use]
pub fn secrets(dir: &Path) -> Vec<String> {
    let Ok(control) = Control::open(dir) else { return Vec::new() };
    let stored = |output| control.output(output).ok().flatten();
    let token = stored(Splunk::NAME).and_then(|text| Splunk::from_stored(&text)).map(|splunk| splunk.token);
    let password = stored(Elastic::NAME).and_then(|text| Elastic::from_stored(&text)?.password);
    token.into_iter().chain(password).collect()
}

fn client(splunk: &Splunk) -> Client {
    Client::new(splunk.event_url(), format!("Splunk {}", splunk.token), splunk.verify_tls)
}

fn tell(outcome: &Result<Exported, NotExported>) {
    match outcome {
        Ok(done) if done.trimmed > 0 => {
            warn!(output = OUTPUT, trimmed = done.trimmed, "the ring gave rows up before they were exported");
        }
        Ok(done) if done.failed > 0 => {
            warn!(output = OUTPUT, sent = done.sent, refused = done.failed, "events were refused for good");
        }
        Ok(done) => {
            info!(output = OUTPUT, sent = done.sent, remaining = done.remaining, "rows were exported");
        }
        Err(NotExported::Failed(failure)) => {
            warn!(output = OUTPUT, remaining = failure.before.remaining, "not exported: {}", failure.reason);
        }
        Err(_) => {}
    }
}
