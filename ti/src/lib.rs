//! Threat indicators: which addresses, networks and names are known to be bad.
//!
//! Lists come from files (text or CSV) or from the one built in; [`Indicators`] reads them, watches them for
//! changes and swaps a whole new [`Index`] in. The pipeline asks the index about every record and writes the
//! [`Verdict`](weir_flow::Verdict) into it. No threads and no clock: whoever owns the [`Indicators`] decides when
//! to look for changes.
//!
//! ```text
//! file ─ line ─ feed (text, CSV) ─ indicator ─ builder ─ index ═══ pipeline, lookup
//! ```

#![forbid(unsafe_code)]

mod buckets;
mod builder;
mod config;
mod csv;
mod digest;
mod error;
mod feed;
mod index;
mod indicator;
mod indicators;
mod line;
mod list;
mod local;
mod names;
mod networks;
mod pick;
mod tags;

#[cfg(test)]
mod model;

pub use config::Config;
pub use digest::Digest;
pub use error::Notice;
pub use index::{Index, MAX_MATCHES_PER_FIELD};
pub use indicators::Indicators;
pub use list::ListInfo;
pub use pick::{Few, MAX_FEW};
