//! Weir, the agent: see ARCHITECTURE.md for the house and its rooms.

pub mod agent;
pub mod capture;
pub mod care;
pub mod clock;
pub mod collector;
pub mod command;
pub mod config;
pub mod error;
pub mod keys;
pub mod link;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod packet;
pub mod pipeline;
pub mod process;
pub mod settings;
pub mod signals;
pub mod start;
pub mod status;
pub mod stop;
pub mod storing;
pub mod table;
pub mod timesync;
pub mod window;
pub mod worker;
