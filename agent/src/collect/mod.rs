//! The collecting process (RFC 7011 §2): what routers and firewalls export, to flow records.
//!
//! Datagrams come from UDP sockets (`worker`, `listener`, `socket`) or from files; records go to a sink. `collector` keeps the
//! exporters apart and within their bounds, `exporter` and `domain` hold what each has said; `netflow` and `sflow` decode.
//! None of these knows clock or socket.

mod collector;
mod complaint;
pub mod config;
mod domain;
mod exporter;
mod exporters;
pub mod extent;
pub mod fault;
pub mod kept;
mod listener;
pub mod netflow;
mod offset;
mod park;
mod rate;
pub mod report;
mod sequence;
pub mod sflow;
pub mod socket;
mod state;
mod wire;
pub mod worker;

use std::net::IpAddr;
use std::time::Duration;

pub use collector::Collector;
pub use config::Config;
pub use fault::{Fault, Faults};
use ipnetwork::IpNetwork;
pub use offset::MAX_OFFSET_MICROS;
pub use report::Report;
use weir_flow::Timestamp;
pub use worker::Worker;

/// When a datagram came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// By the wall clock; none where that is not known, as in a file of bare datagrams, or while the clock is not set.
    pub wall: Option<Timestamp>,
    /// By a clock that only goes forward, for timeouts and rates.
    pub mono: Duration,
}

/// Settings of the collecting process.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Several exporters may share an address, behind a NAT: their ports tell them apart.
    pub by_port: bool,
    /// Exporters that are listened to; all, when empty.
    pub allowed: Vec<IpNetwork>,
    /// Exporters that are kept apart at a time.
    pub max_exporters: usize,
    /// Records of an exporter whose clock is wrong get the times of ours; else they are only marked.
    pub corrects_times: bool,
}

impl Settings {
    fn allows(&self, address: IpAddr) -> bool {
        self.allowed.is_empty() || self.allowed.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
