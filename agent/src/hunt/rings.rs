//! The rings of a store, as a hunt finds them when it begins.

use std::ops::Range;

use weir_flow::TenantId;
use weir_store::{Error, Reader};

use super::position::At;

/// A ring, and its rows that a hunt looks at.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) tenant: TenantId,
    pub(super) ring_id: String,
    pub(super) rows: Range<u64>,
}

impl Ring {
    /// All that have rows, in the order of their tenants' names.
    pub(super) fn all(reader: &Reader) -> Result<Vec<Self>, Error> {
        let mut rings = Vec::new();
        for tenant in reader.tenants()? {
            let stats = reader.stats(&tenant)?;
            let rows = stats.first_row..stats.next_row;
            // A tenant that was removed since has no ring.
            rings.extend(stats.ring_id.map(|ring_id| Self { tenant, ring_id, rows }));
        }
        Ok(rings)
    }

    /// Where to go on: at `at` if that is in this ring, else at the newest row; none if the ring comes before it.
    pub(super) fn resume(&self, at: Option<&At>) -> Option<At> {
        let begin = At {
            tenant: self.tenant.as_str().to_owned(),
            ring_id: self.ring_id.clone(),
            below: self.rows.end,
            sightings: 0,
            suppressed: 0,
        };
        match at {
            Some(at) if at.tenant > begin.tenant => None,
            Some(at) if at.tenant == begin.tenant && at.ring_id == begin.ring_id => {
                Some(At { below: at.below.min(begin.below), ..at.clone() })
            }
            _ => Some(begin),
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::TenantId;

    use super::{At, Ring};

    #[test]
    fn a_hunt_goes_on_in_its_ring_skips_those_before_and_begins_those_after() {
        let ring = |tenant: &str| Ring {
            tenant: TenantId::parse(tenant).unwrap(),
            ring_id: format!("id-{tenant}"),
            rows: 5..100,
        };
        let at = At { tenant: "b".into(), ring_id: "id-b".into(), below: 40, sightings: 7, suppressed: 2 };
        assert_eq!(ring("a").resume(Some(&at)), None);
        assert_eq!(ring("b").resume(Some(&at)), Some(at.clone()));
        let fresh = ring("c").resume(Some(&at)).unwrap();
        assert_eq!((fresh.below, fresh.sightings), (100, 0));
        assert_eq!(ring("a").resume(None).unwrap().below, 100);
        let other = At { ring_id: "gone".into(), ..at.clone() };
        assert_eq!(ring("b").resume(Some(&other)).unwrap().below, 100, "another ring of that name");
        let ahead = At { below: 1_000, ..at };
        assert_eq!(ring("b").resume(Some(&ahead)).unwrap().below, 100);
    }
}
