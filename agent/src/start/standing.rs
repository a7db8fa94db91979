//! What the agent stands on, for `/v1/health`, the metrics and the page.

use std::borrow::Cow;
use std::sync::Mutex;

use weir_web::{About, Condition, Part};

use super::identity::DeviceId;
use crate::config::Site;
use crate::metrics::held;

/// Something wrong that the agent goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// How bad it is.
    pub condition: Condition,
    /// What is wrong and what to do.
    pub detail: String,
}

impl Trouble {
    /// The agent works, but not as it was told to.
    #[must_use]
    pub const fn degraded(detail: String) -> Self {
        Self { condition: Condition::Degraded, detail }
    }
}

/// Who the agent is, and what is wrong with its configuration and its data directory.
#[derive(Debug, Default)]
pub struct Standing {
    device_id: Option<DeviceId>,
    site: Option<Site>,
    data: Option<Trouble>,
    config: Mutex<Option<Trouble>>,
}

impl Standing {
    /// An agent of this name, at this place, with this trouble about its data directory.
    #[must_use]
    pub fn new(device_id: Option<DeviceId>, site: Option<Site>, data: Option<Trouble>) -> Self {
        Self { device_id, site, data, config: Mutex::default() }
    }

    /// Says what is wrong with the configuration; none when nothing is.
    pub fn set_config(&self, trouble: Option<Trouble>) {
        *held(&self.config) = trouble;
    }

    /// The parts `config` and `data` of the health.
    #[must_use]
    pub fn parts(&self) -> [Part; 2] {
        [
            part("config", "not_applied", held(&self.config).as_ref()),
            part("data", "not_as_given", self.data.as_ref()),
        ]
    }

    /// Which agent this is.
    #[must_use]
    pub fn about(&self) -> About {
        let text = |text: &dyn ToString| Cow::Owned(text.to_string());
        About {
            version: env!("CARGO_PKG_VERSION").into(),
            device_id: self.device_id.as_ref().map(|id| text(id)),
            site: self.site.as_ref().map(|site| text(site)),
        }
    }
}

/// The part `name`, with the word `code` for its trouble.
fn part(name: &'static str, code: &'static str, trouble: Option<&Trouble>) -> Part {
    let (condition, detail) =
        trouble.map_or((Condition::Ok, String::new()), |trouble| (trouble.condition, trouble.detail.clone()));
    Part::new(name, condition, code, detail)
}
