//! Handlers of `/v1`, one file per subject. They take what the agent and the ring tell and answer JSON.

pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod lookup;
pub(crate) mod metrics;
pub(crate) mod query;
pub(crate) mod sources;
pub(crate) mod version;
