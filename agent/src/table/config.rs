//! Timeouts and size of the flow table.

use serde::{Deserialize, Serialize};

use super::entry::Class;

/// Section `[flow]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A flow without a packet for this long has ended.
    pub idle_seconds: Seconds,
    /// The same for TCP connections that are open.
    pub tcp_idle_seconds: Seconds,
    /// The same after FIN or RST.
    pub tcp_closed_seconds: Seconds,
    /// A flow that is open this long is recorded, and goes on in another record.
    pub active_seconds: Seconds,
    /// Flows at a time; 136 to 150 octets of memory each.
    pub max_flows: MaxFlows,
    /// Count tunnelled packets (GRE, VXLAN, GENEVE, IP in IP) by their inner header.
    pub look_inside_tunnels: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_seconds: Seconds(60),
            tcp_idle_seconds: Seconds(300),
            tcp_closed_seconds: Seconds(5),
            active_seconds: Seconds(300),
            max_flows: MaxFlows(262_144),
            look_inside_tunnels: false,
        }
    }
}

impl Config {
    /// Microseconds after which a flow of `class` is idle.
    pub(super) const fn idle_micros(&self, class: Class) -> i64 {
        match class {
            Class::Closed => self.tcp_closed_seconds.micros(),
            Class::Plain => self.idle_seconds.micros(),
            Class::Tcp => self.tcp_idle_seconds.micros(),
        }
    }

    /// Microseconds after which a flow is recorded although it goes on.
    pub(super) const fn active_micros(&self) -> i64 {
        self.active_seconds.micros()
    }
}

/// A timeout: 1 to 3,600 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub struct Seconds(u16);

impl Seconds {
    const fn micros(self) -> i64 {
        self.0 as i64 * 1_000_000
    }
}

impl TryFrom<u64> for Seconds {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        match u16::try_from(value) {
            Ok(seconds @ 1..=3_600) => Ok(Self(seconds)),
            _ => Err(format!("{value} is not a timeout; choose 1 to 3600 seconds")),
        }
    }
}

/// A ceiling of flows: 1,024 to 4,194,304. Stops a flood of new flows from taking the gateway's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub struct MaxFlows(u32);

impl MaxFlows {
    /// The number of flows.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl TryFrom<u64> for MaxFlows {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        match u32::try_from(value) {
            Ok(flows @ 1_024..=4_194_304) => Ok(Self(flows)),
            _ => Err(format!("{value} is not a number of flows; choose 1024 to 4194304")),
        }
    }
}
