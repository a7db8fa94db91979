//! Frames: from interfaces and from capture files, to flow records.

pub mod bpf;
mod config;
mod error;
pub mod file;
mod frame;
pub mod interface;
pub mod live;
pub mod meter;
mod pnet_source;
pub mod replay;
mod ring;
mod socket;
mod worker;

pub use config::Config;
pub use error::Error;
pub use frame::{Frame, KernelStats, VlanTag};
pub use worker::Worker;
