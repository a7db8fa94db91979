//! The data directory, entered: ring, keys and identity, or what stands in for them.

use std::path::PathBuf;
use std::sync::Arc;

use tracing::{error, info};
use weir_web::{Keys, Listener};

use super::identity::DeviceId;
use super::place::Place;
use super::{Entry, Standing, Trouble};
use crate::care::led::Led;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::RunError;
use crate::keys;

/// What the agent is built on.
pub struct Ground {
    /// Where clients connect; none when the page is off.
    pub listener: Option<Listener>,
    /// The lamp.
    pub led: Option<Led>,
    /// The ring.
    pub place: Place,
    /// The keys of the API.
    pub keys: Keys,
    /// Where the admin key is.
    pub key_file: PathBuf,
    /// Who the agent is and what is wrong around it.
    pub standing: Arc<Standing>,
}

impl Ground {
    /// Enters the data directory of `config`. When `steadfast`, what is wrong with it is told and does not end the start.
    ///
    /// # Errors
    /// Another agent has the directory; without `steadfast` all that is wrong with ring and keys.
    pub fn enter(config: &Config, entry: Entry, steadfast: bool, clock: Clock) -> Result<Self, RunError> {
        let dir = &config.agent.data_dir;
        let place = Place::open(dir, &config.store, steadfast, clock.now())?;
        // A directory that cannot be written may still be read: a device keeps its name and its key then.
        let device_id = DeviceId::of(dir);
        let found =
            keys::load(dir, &place.dir, &crate::settings::environment(), &entry.credentials, steadfast);
        let mut trouble = place.trouble.clone();
        for fault in found.faults {
            if !steadfast {
                return Err(fault);
            }
            error!("{fault}");
            trouble = trouble.or_else(|| Some(Trouble::degraded(fault.to_string())));
        }
        info!(
            device_id = device_id.map(|id| id.to_string()).unwrap_or_default(),
            site = config.agent.site.as_ref().map_or("", |site| site.as_str()),
            "this device"
        );
        let standing = Arc::new(Standing::new(device_id, config.agent.site.clone(), trouble));
        Ok(Self {
            listener: entry.listener,
            led: entry.led,
            place,
            keys: found.keys,
            key_file: found.file,
            standing,
        })
    }
}
