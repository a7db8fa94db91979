//! Counters of one observation point.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use super::held;
use crate::capture::KernelStats;
use crate::capture::meter::Counts;
use crate::packet::NotIp;
use crate::table::FlowTable;

/// What an observation point does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing yet.
    #[default]
    Starting,
    /// It reads packets.
    Capturing,
    /// It reads a file.
    Replaying,
    /// The file was read to its end.
    Finished,
    /// The agent lacks the right.
    NoPermission,
    /// It does not work.
    Failed,
}

/// One interface or file, written by its thread, read by anyone.
#[derive(Default)]
pub struct Point {
    /// Name of the interface or file; none before it is known which interface.
    name: OnceLock<String>,
    state: Mutex<(State, String)>,
    frames: AtomicU64,
    packets: AtomicU64,
    octets: AtomicU64,
    not_ip: [AtomicU64; NotIp::ALL.len()],
    flows: AtomicU64,
    flow_limit: AtomicU64,
    evicted: AtomicU64,
    kernel_packets: AtomicU64,
    kernel_drops: AtomicU64,
    kernel_freezes: AtomicU64,
    ring_bytes: AtomicU64,
    damaged: AtomicU64,
}

/// The counters of a [`Point`], read at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// What was metered.
    pub counts: Counts,
    /// Flows in the table.
    pub flows: u64,
    /// Flows that fit into it.
    pub flow_limit: u64,
    /// Flows ended because it was full.
    pub evicted: u64,
    /// What the kernel counted.
    pub kernel: KernelStats,
    /// Octets of the ring shared with the kernel.
    pub ring_bytes: u64,
    /// Frames that the kernel announced with a header that makes no sense.
    pub damaged: u64,
}

impl Point {
    /// An observation point that has seen nothing; with an empty name it is the interface of the default route, once there
    /// is one.
    #[must_use]
    pub fn new(name: &str, flow_limit: usize) -> Self {
        let point = Self::default();
        if !name.is_empty() {
            point.identify(name);
        }
        point.flow_limit.store(flow_limit as u64, Ordering::Relaxed);
        point
    }

    /// Gives the name to a point that has none yet.
    pub fn identify(&self, name: &str) {
        // One that has a name keeps it.
        let _ = self.name.set(name.to_owned());
    }

    /// Name of the interface or file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.get().map_or("default route", String::as_str)
    }

    /// Says what it does, and why it does not.
    pub fn state(&self, state: State, reason: &str) {
        *held(&self.state) = (state, reason.to_owned());
    }

    /// It reads again after it was down.
    pub fn up(&self) {
        let mut state = held(&self.state);
        if state.0 == State::Failed {
            *state = (State::Capturing, String::new());
        }
    }

    /// What it does, and why it does not.
    #[must_use]
    pub fn condition(&self) -> (State, String) {
        held(&self.state).clone()
    }

    /// Publishes the counters of its meter.
    pub fn publish(&self, counts: &Counts, table: &FlowTable) {
        let store = |to: &AtomicU64, value| to.store(value, Ordering::Relaxed);
        store(&self.frames, counts.frames);
        store(&self.packets, counts.packets);
        store(&self.octets, counts.octets);
        for (to, &value) in self.not_ip.iter().zip(&counts.not_ip) {
            store(to, value);
        }
        store(&self.flows, table.len() as u64);
        store(&self.evicted, table.evicted());
    }

    /// What the kernel has counted so far.
    #[must_use]
    pub fn kernel(&self) -> KernelStats {
        KernelStats {
            packets: self.kernel_packets.load(Ordering::Relaxed),
            drops: self.kernel_drops.load(Ordering::Relaxed),
            freezes: self.kernel_freezes.load(Ordering::Relaxed),
        }
    }

    /// Publishes what the kernel counted: `before` of sockets that were closed, `now` of the one that is open.
    pub fn set_kernel(&self, before: KernelStats, now: KernelStats) {
        self.kernel_packets.store(before.packets + now.packets, Ordering::Relaxed);
        self.kernel_drops.store(before.drops + now.drops, Ordering::Relaxed);
        self.kernel_freezes.store(before.freezes + now.freezes, Ordering::Relaxed);
    }

    /// Says how large the ring is that it shares with the kernel.
    pub fn ring_bytes(&self, bytes: u64) {
        self.ring_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Counts frames whose headers in the ring make no sense.
    pub fn damaged(&self, frames: u32) {
        self.damaged.fetch_add(frames.into(), Ordering::Relaxed);
    }

    /// All counters.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let read = |from: &AtomicU64| from.load(Ordering::Relaxed);
        let counts = Counts {
            frames: read(&self.frames),
            packets: read(&self.packets),
            octets: read(&self.octets),
            not_ip: std::array::from_fn(|at| read(&self.not_ip[at])),
        };
        Reading {
            counts,
            flows: read(&self.flows),
            flow_limit: read(&self.flow_limit),
            evicted: read(&self.evicted),
            kernel: self.kernel(),
            ring_bytes: read(&self.ring_bytes),
            damaged: read(&self.damaged),
        }
    }
}
