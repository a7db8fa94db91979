//! What is captured, and how.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::bpf::Program;
use super::live;

/// Section `[capture]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Capture packets at all.
    pub enabled: bool,
    /// Interfaces; without any, the one of the default route.
    pub interfaces: Vec<String>,
    /// Octets of a frame that are kept, 64 to 262,144; headers are enough.
    pub snaplen: Snaplen,
    /// Octets of the ring that the kernel fills, per worker.
    pub ring_bytes: RingBytes,
    /// Threads per interface, 1 to 8. Fragments of one datagram go to one thread, which may not be that of their flow.
    pub workers: Workers,
    /// Take frames for other hosts too, as a mirror port needs.
    pub promiscuous: bool,
    /// A classic BPF program as `tcpdump -ddd 'EXPRESSION'` prints it; frames that it refuses are not captured.
    pub filter: Option<Filter>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interfaces: Vec::new(),
            snaplen: Snaplen(live::DEFAULT_SNAPLEN),
            ring_bytes: RingBytes(live::DEFAULT_RING_BYTES),
            workers: Workers(1),
            promiscuous: true,
            filter: None,
        }
    }
}

/// Octets of a frame that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub struct Snaplen(u32);

/// Size of a capture ring in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub struct RingBytes(u32);

/// Threads that read one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub struct Workers(u32);

/// A checked classic BPF program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter(Program);

impl Snaplen {
    /// The number of octets.
    #[must_use]
    pub const fn octets(self) -> u32 {
        self.0
    }
}

impl RingBytes {
    /// The number of octets.
    #[must_use]
    pub const fn octets(self) -> u32 {
        self.0
    }
}

impl Workers {
    /// The number of threads.
    #[must_use]
    pub fn count(self) -> NonZeroU32 {
        NonZeroU32::new(self.0).unwrap_or(NonZeroU32::MIN)
    }
}

impl Filter {
    /// The program.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.0
    }
}

fn within(value: u64, low: u32, high: u32, what: &str) -> Result<u32, String> {
    match u32::try_from(value) {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(format!("{value} is not {what}; choose {low} to {high}")),
    }
}

impl TryFrom<u64> for Snaplen {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        within(value, 64, 262_144, "a snap length").map(Self)
    }
}

impl TryFrom<u64> for RingBytes {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        within(value, 1 << 20, 1 << 30, "a ring size").map(Self)
    }
}

impl TryFrom<u64> for Workers {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        within(value, 1, 8, "a number of workers").map(Self)
    }
}

/// As `tcpdump -ddd` prints it.
impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        let code = filter.0.instructions();
        let lines = code.iter().map(|one| format!("{} {} {} {}\n", one.code, one.jt, one.jf, one.k));
        std::iter::once(format!("{}\n", code.len())).chain(lines).collect()
    }
}

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let program = Program::parse(&text)
            .map_err(|error| format!("{error}; give what `tcpdump -ddd 'EXPRESSION'` prints"))?;
        Ok(Self(program))
    }
}
