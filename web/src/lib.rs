//! HTTP API and dashboard.
//!
//! Requests come from clients over TCP to the [`Guard`], from it over a private Unix socket to the [`Worker`]s,
//! which answer from the agent's [`Status`] and from the ring, read-only. The crate starts no thread: the agent
//! runs [`Guard::run`] and each [`Worker::run`] on threads of its own and ends them with [`Stop::stop`].

mod answer;
mod api;
mod auth;
mod bind;
mod config;
mod counters;
mod downloads;
mod engine;
mod error;
mod export;
mod failures;
mod figures;
mod guard;
mod hunt;
mod ingest;
mod intake;
mod ledger;
mod output;
mod page;
mod route;
mod rows;
mod shelf;
mod sources;
mod status;
mod stream;
mod tenant;
#[cfg(test)]
mod testing;
mod trace;
mod zeek;

pub use auth::{Keys, Scope, Scopes};
pub use bind::{Listener, PRIVATE_DIR, Parts, SOCKET, Stop, Web, bind, listen, serve};
pub use config::{Config, Workers};
pub use counters::{Counters, Refusal};
pub use engine::Worker;
pub use error::Error;
pub use export::{Exported, Exporter, Failure, NoOutputs, NotExported, Preset, Tested};
pub use figures::{
    About, Capture, Clock, DeadLetters, Interface, InterfaceState, LastFiveMinutes, Loss, LossUnit, Memory,
    Metrics, Point, Process, Queue, Rates, SERIES_POINTS, Store, Table, Timeseries, Totals, Uplink,
};
pub use guard::Guard;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub use guard::fuzz::relayed_head;
pub use hunt::Hunt;
pub use intake::{Intake, Load, NotTaken};
pub use output::{Elastic, Mistake, Splunk};
pub use sources::{
    Admission, Collect, HealthStatus, ListenerState, Sequence, SequenceUnit, Source, SourceTotals, Sources,
    Transport, UdpListener, Undecodable,
};
pub use status::{Condition, Health, LookupAnswer, LookupTarget, Part, Status, Version, lookup_json};
pub use zeek::{Zeek, ZeekLog};
