//! Section `[hunt]` of the configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether and how hard stored rows are searched for new indicators.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// False: new indicators count for new records only.
    pub enabled: bool,
    /// Share of one processor core that a hunt may use, 1 to 100.
    pub cpu_percent: CpuPercent,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true, cpu_percent: CpuPercent::default() }
    }
}

/// A share of one core in percent, 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u32")]
pub struct CpuPercent(u32);

impl CpuPercent {
    /// Percent.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl Default for CpuPercent {
    /// A week of a busy office takes some minutes so, and nothing else feels it.
    fn default() -> Self {
        Self(5)
    }
}

impl TryFrom<u32> for CpuPercent {
    type Error = String;

    fn try_from(percent: u32) -> Result<Self, String> {
        if (1..=100).contains(&percent) {
            return Ok(Self(percent));
        }
        Err(format!(
            "must be 1 to 100 percent of a core, not {percent}; to hunt nothing, set enabled = false"
        ))
    }
}

impl fmt::Display for CpuPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
