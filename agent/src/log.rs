//! What Weir says while it runs: one line an event on stderr, as text on a terminal and as JSON otherwise.
//!
//! From: `tracing` events of every crate. To: a terminal, the journal, a container's log. Text from outside is escaped,
//! so that no name in a packet can forge a line or drive a terminal.

mod line;
mod text;

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;

use line::Line;
pub use text::{Printable, cut, printable};

/// A site of [`Limited`] speaks at most once in this time.
pub const QUIET: Duration = Duration::from_secs(60);
/// Crates whose events follow the level; others are heard from `warn` up, or all at `trace`.
const OURS: &str = "weir";

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What stops Weir or loses data.
    Error,
    /// What needs someone's attention.
    Warn,
    /// Starts, stops and changes.
    #[default]
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything, other crates included.
    Trace,
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "error" => Ok(Self::Error),
            "warn" | "warning" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err(format!(
                "`{}` is no log level; choose error, warn, info, debug or trace",
                printable(text)
            )),
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{}` is no log format; choose text or json", printable(text))),
        }
    }
}

impl Format {
    /// Text when stderr is a terminal, else JSON.
    #[must_use]
    pub fn of_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }

    fn targets(self) -> Targets {
        let ours = self.filter();
        let others = if self == Self::Trace { ours } else { ours.min(LevelFilter::WARN) };
        Targets::new().with_default(others).with_target(OURS, ours)
    }
}

/// Section `[log]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Least severity that is written.
    pub level: Level,
    /// How lines look; by default text on a terminal, else JSON.
    pub format: Option<Format>,
}

/// Changes the level of a running log.
#[derive(Clone)]
pub struct Handle(Arc<dyn Fn(Level) + Send + Sync>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl Handle {
    /// From now on events of `level` and above are written.
    pub fn set_level(&self, level: Level) {
        (self.0)(level);
    }
}

/// Starts the log of this process on stderr.
///
/// # Errors
/// When it was started before.
pub fn start(level: Level, format: Format) -> Result<Handle, SetGlobalDefaultError> {
    let (subscriber, handle) = subscriber(level, format, std::io::stderr);
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(handle)
}

fn subscriber<W>(level: Level, format: Format, writer: W) -> (impl Subscriber + Send + Sync, Handle)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(level.targets());
    let lines = tracing_subscriber::fmt::layer().event_format(Line(format)).with_writer(writer);
    // Fails only once the log is gone.
    let set = move |level: Level| drop(handle.reload(level.targets()));
    (tracing_subscriber::registry().with(filter).with(lines), Handle(Arc::new(set)))
}

/// Lets one place in the code speak at most once in [`QUIET`], and counts what it leaves out.
///
/// ```text
/// static BAD_FRAME: Limited = Limited::new();
/// if let Some(left_out) = BAD_FRAME.allow(now) {
///     tracing::warn!(left_out, "frame is cut short");
/// }
/// ```
#[derive(Debug)]
pub struct Limited(Mutex<Site>);

#[derive(Debug)]
struct Site {
    spoke: Option<Instant>,
    left_out: u64,
}

impl Default for Limited {
    fn default() -> Self {
        Self::new()
    }
}

impl Limited {
    /// A place that has not spoken yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Site { spoke: None, left_out: 0 }))
    }

    /// `Some` when the place may speak now, with the number of times it was not allowed since it last did.
    pub fn allow(&self, now: Instant) -> Option<u64> {
        let mut site = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if site.spoke.is_some_and(|spoke| now.saturating_duration_since(spoke) < QUIET) {
            site.left_out += 1;
            return None;
        }
        site.spoke = Some(now);
        Some(std::mem::take(&mut site.left_out))
    }
}

#[cfg(test)]
mod tests;
