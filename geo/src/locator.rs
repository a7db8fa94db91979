//! Look-ups of one thread, with a memory of recent addresses.

use std::net::IpAddr;
use std::sync::Arc;

use weir_flow::Place;

use crate::Geo;
use crate::cache::Cache;
use crate::set::{RecordKey, Set};

/// Half the addresses that are remembered: 256 KiB a thread. A branch office talks to a few thousand at a time;
/// a scan of the whole Internet must not take memory.
const ADDRESS_SETS: usize = 4_096;
/// Half the decoded records that are remembered: networks of one operator share theirs.
const RECORD_SETS: usize = 1_024;

/// Answers as [`Geo::lookup`] does; a remembered address costs no lock and no allocation.
pub struct Locator {
    geo: Arc<Geo>,
    set: Arc<Set>,
    addresses: Cache<IpAddr, Option<Arc<Place>>>,
    places: Cache<RecordKey, Option<Arc<Place>>>,
}

impl Locator {
    /// For one thread.
    #[must_use]
    pub fn new(geo: Arc<Geo>) -> Self {
        let set = geo.set();
        Self { geo, set, addresses: Cache::new(ADDRESS_SETS), places: Cache::new(RECORD_SETS) }
    }

    /// Where `ip` is; `None` when nothing is known. Equal answers share one [`Place`].
    pub fn locate(&mut self, ip: IpAddr) -> Option<Arc<Place>> {
        if self.geo.generation() != self.set.generation {
            self.set = self.geo.set();
            self.addresses.clear();
            self.places.clear();
        }
        let ip = ip.to_canonical();
        if let Some(known) = self.addresses.lookup(&ip) {
            return known.clone();
        }
        let place = self.place(ip);
        self.addresses.insert(ip, place.clone());
        place
    }

    fn place(&mut self, ip: IpAddr) -> Option<Arc<Place>> {
        let found = self.set.find(ip);
        let key = found.key()?;
        if let Some(known) = self.places.lookup(&key) {
            return known.clone();
        }
        let place = self.set.decode(found);
        self.places.insert(key, place.clone());
        place
    }
}
