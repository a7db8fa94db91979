//! Handlers of `/v1`, one file per subject. They take what the agent and the ring tell and answer JSON.

mod cursor;
pub(crate) mod dlq;
pub(crate) mod download;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod flows;
pub(crate) mod health;
pub(crate) mod lookup;
pub(crate) mod metrics;
pub(crate) mod outputs;
mod parameters;
pub(crate) mod query;
pub(crate) mod schema;
mod shape;
pub(crate) mod sources;
pub(crate) mod system;
pub(crate) mod tenants;
pub(crate) mod timeseries;
pub(crate) mod top;
pub(crate) mod version;

#[cfg(test)]
mod admin_tests;
