//! What Weir records: a flow, where its ends are, what is known against them.
//!
//! Floor 0 of the house: no I/O, no threads, no clock. Every other crate speaks in these types, so that
//! nothing is converted at a border.

mod batch;
mod community;
mod csv;
mod extra;
mod json;
mod line;
mod place;
mod proto;
mod record;
mod risk;
mod time;
mod verdict;

pub use batch::{Batch, Bookmark, Held, Receipt, ReceiptKey, TenantId};
pub use community::{CommunityId, community_id, icmp_counterpart};
pub use csv::{CSV_HEADER, csv_text, write_csv, write_csv_of_json};
pub use extra::Extra;
pub use place::{Asn, Geo, Place};
pub use proto::{proto_name, proto_number};
pub use record::{
    Counters, Direction, EndReason, Exported, FlowRecord, IcmpKind, Kind, Origin, Source, Tag, Tags, Text,
    Uncounted, Vlan,
};
pub use risk::{MAX_REASONS, Reason, Risk};
pub use time::Timestamp;
pub use verdict::{Field, IndicatorKind, Match, Verdict};
