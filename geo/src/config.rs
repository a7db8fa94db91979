//! What the configuration says about databases.

use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Section `geo` of the configuration.
#[derive(Deserialize, Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether records get a country, a city and a position.
    pub enabled: bool,
    /// A City or Country database; without one the built-in database answers.
    pub city_db: Option<PathBuf>,
    /// An ASN database; without one `city_db` answers where it holds AS numbers, else the built-in database.
    pub asn_db: Option<PathBuf>,
    /// Whether records get an autonomous system.
    pub asn_enabled: bool,
    /// How often the files are looked at for a replacement, in seconds.
    pub reload_seconds: NonZeroU32,
}

impl Config {
    /// One minute: a database is replaced weekly at most, and looking costs one `stat`.
    const RELOAD_SECONDS: NonZeroU32 = NonZeroU32::new(60).expect("60 is not 0");
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            city_db: None,
            asn_db: None,
            asn_enabled: true,
            reload_seconds: Self::RELOAD_SECONDS,
        }
    }
}
