//! What is had at the door, while there may be rights for it: the port, the credentials, the lamp, and who
//! to become.

use weir_web::Listener;

use super::owner::Owner;
use crate::care::led::Led;
use crate::config::Config;
use crate::error::RunError;
use crate::keys::{self, Credential};

/// What was had.
#[derive(Debug)]
pub struct Entry {
    /// Where clients connect; none when the page is off.
    pub listener: Option<Listener>,
    /// Who root becomes.
    pub owner: Option<Owner>,
    /// Keys that the service manager hands over.
    pub credentials: Vec<Credential>,
    /// The lamp.
    pub led: Option<Led>,
}

impl Entry {
    /// Listens, finds the user, reads the credentials in the directory that `environment` names, and takes the lamp.
    ///
    /// # Errors
    /// The port cannot be had, or there is no such user.
    pub fn open(config: &Config, environment: &[(String, String)]) -> Result<Self, RunError> {
        Ok(Self {
            owner: Owner::of(&config.agent)?,
            listener: config.web.enabled.then(|| weir_web::listen(&config.web)).transpose()?,
            credentials: keys::credentials(environment),
            led: config.agent.led.as_deref().map(Led::take),
        })
    }
}
