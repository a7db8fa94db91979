//! Records as others write them, made into [`FlowRecord`](weir_flow::FlowRecord)s: the JSON of exporters, collectors and
//! scripts, and Zeek's logs.
//!
//! Floor 1 of the house: octets in, records out; no I/O, no threads, no clock. The web side reads what is posted with
//! [`Reader`], the agent follows Zeek's logs with [`zeek::LogReader`].

mod flow;
mod object;
mod reader;
mod rejected;
mod said;
mod time;
pub mod zeek;

pub use reader::{Dialect, Reader};
pub use rejected::{Reason, Rejected};
pub use said::Said;
pub use time::timestamp;
