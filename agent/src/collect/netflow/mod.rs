//! NetFlow v5, v7, v9 (RFC 3954) and IPFIX (RFC 7011): datagrams in, flow records out. No clock, no I/O.
//!
//! Datagrams come from `exporter`; records go to the sink. `fixed` reads v5 and v7; `message` finds the sets of v9 and
//! IPFIX, `template` compiles what they announce, `draft` and `time` make records of data, and `knowledge` keeps what
//! options say.

mod draft;
pub mod element;
pub(super) mod fixed;
pub(super) mod knowledge;
pub(super) mod message;
mod said;
pub(super) mod template;
pub(super) mod time;
mod value;

use std::net::IpAddr;

use weir_flow::{FlowRecord, Timestamp};

/// Who sent a datagram, and what is known of their clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    /// The exporter's address, if it is known.
    pub(super) exporter: Option<IpAddr>,
    /// Its clock against ours, where the two differ so much that it cannot be right.
    pub(super) clock: WrongClock,
}

/// How wrong an exporter's clock is; zero when it is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WrongClock {
    /// Microseconds that it is ahead; behind is negative.
    pub(super) ahead: i64,
    /// When the datagram came.
    pub(super) received: Timestamp,
    /// Records get the times that a right clock would have shown.
    pub(super) is_corrected: bool,
}

impl Origin {
    /// Marks a record whose times come from a clock that is wrong. Those that are nearer to their arrival as they are do not
    /// come from it: some exporters write an export time that has nothing to do with their flows' times.
    fn correct(&self, record: &mut FlowRecord) {
        let WrongClock { ahead, received, is_corrected } = self.clock;
        let late = received.micros_since(record.end);
        if ahead == 0 || late.saturating_abs() <= late.saturating_add(ahead).saturating_abs() {
            return;
        }
        if is_corrected {
            record.start = record.start.plus_micros(-ahead);
            record.end = record.end.plus_micros(-ahead);
        }
        let extra = record.extra.get_or_insert_with(Box::default);
        extra.insert("exporter_clock_offset_s", ahead.div_euclid(1_000_000));
    }
}

#[cfg(test)]
mod tests;
