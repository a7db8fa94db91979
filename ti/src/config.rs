//! Section `[ti]` of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which threat lists are used.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// False: nothing is read and nothing matches.
    pub enabled: bool,
    /// Files of indicators, text or CSV; at most 64 are used.
    pub lists: Vec<PathBuf>,
    /// Use the list that is built in when `lists` is empty.
    pub embedded: bool,
    /// Seconds between two looks for changed files; 0 looks only when told to reload.
    pub reload_seconds: u32,
    /// Accept indicators inside or around private, loopback, link-local and multicast networks.
    pub allow_private: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true, lists: Vec::new(), embedded: true, reload_seconds: 60, allow_private: false }
    }
}
