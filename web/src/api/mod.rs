//! Handlers of `/v1`, one file per subject. They take what the agent and the ring tell and answer JSON.

pub(crate) mod dlq;
pub(crate) mod download;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod lookup;
pub(crate) mod metrics;
pub(crate) mod outputs;
pub(crate) mod query;
pub(crate) mod schema;
pub(crate) mod sources;
pub(crate) mod system;
pub(crate) mod tenants;
pub(crate) mod version;

#[cfg(test)]
mod admin_tests;
