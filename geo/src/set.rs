//! The databases that answer at one time.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use maxminddb::{LookupResult, MaxMindDbError};
use weir_flow::Place;

use crate::database::{Bytes, Database};
use crate::record;

/// The databases of one generation; replaced as a whole.
pub(crate) struct Set {
    /// Counts up with every replacement.
    pub(crate) generation: u64,
    /// Who answers for country, city and position.
    pub(crate) geo: Option<Arc<Database>>,
    /// Who answers for the AS.
    pub(crate) asn: Option<Arc<Database>>,
    /// Look-ups that failed, over all generations.
    pub(crate) errors: Arc<AtomicU64>,
}

/// The records of one address, undecoded.
pub(crate) struct Found<'a> {
    geo: Option<LookupResult<'a, Bytes>>,
    asn: Option<LookupResult<'a, Bytes>>,
    /// Both roles have one database: its record is in `geo` and decoded once.
    shared: bool,
}

/// Which records an address has; equal keys of one set decode to equal places.
pub(crate) type RecordKey = (Option<usize>, Option<usize>);

impl Set {
    /// Walks the trees. An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is looked up as IPv4.
    pub(crate) fn find(&self, ip: IpAddr) -> Found<'_> {
        let ip = ip.to_canonical();
        let shared = match (&self.geo, &self.asn) {
            (Some(geo), Some(asn)) => Arc::ptr_eq(geo, asn),
            _ => false,
        };
        let geo = self.find_in(self.geo.as_deref(), ip);
        let asn = if shared { None } else { self.find_in(self.asn.as_deref(), ip) };
        Found { geo, asn, shared }
    }

    fn find_in<'a>(&self, database: Option<&'a Database>, ip: IpAddr) -> Option<LookupResult<'a, Bytes>> {
        self.counted(database?.find(ip)).flatten()
    }

    /// Decodes; `None` when nothing is known.
    pub(crate) fn decode(&self, found: Found<'_>) -> Option<Arc<Place>> {
        let decode =
            |found: LookupResult<'_, Bytes>| self.counted(record::decode(&found)).unwrap_or_default();
        let place = if found.shared {
            found.geo.map(decode)?
        } else {
            Place {
                geo: found.geo.and_then(|found| decode(found).geo),
                asn: found.asn.and_then(|found| decode(found).asn),
            }
        };
        Some(place).filter(|place| *place != Place::default()).map(Arc::new)
    }

    fn counted<T>(&self, answer: Result<T, MaxMindDbError>) -> Option<T> {
        if answer.is_err() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        answer.ok()
    }
}

impl Found<'_> {
    /// `None` when the address has no record.
    pub(crate) fn key(&self) -> Option<RecordKey> {
        let offset = |found: &Option<LookupResult<'_, Bytes>>| found.as_ref().and_then(LookupResult::offset);
        let key = (offset(&self.geo), offset(&self.asn));
        Some(key).filter(|&key| key != (None, None))
    }
}
