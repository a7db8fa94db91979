//! Sums over rows, from their columns alone.

use super::{Rows, Scan};
use crate::block::{Damage, presence};

/// What rows sum to; as far as a number goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Packets of both directions, each row's times its sampling.
    pub(crate) packets: u64,
    /// IP-layer octets likewise.
    pub(crate) octets: u64,
}

impl Scan<'_> {
    /// Adds `rows` to `sums`.
    pub(crate) fn sum(&self, rows: &Rows, sums: &mut Sums) -> Result<(), Damage> {
        let [mut octets, mut packets, mut back_octets, mut back_packets] = self.start.ends.counters;
        // Another reader of the same columns: lists are read from their begin.
        let mut route = crate::block::Records::new(self.columns, self.has.len() as u64)?.observed.route;
        for (place, has) in self.fields() {
            let (mut own_octets, mut own_packets, mut sampling) = (0_u64, 0_u64, None);
            if has & presence::FORWARD != 0 {
                (own_octets, own_packets) = (octets.number()?, packets.number()?);
            }
            if has & presence::REVERSE != 0 {
                own_octets = own_octets.saturating_add(back_octets.number()?);
                own_packets = own_packets.saturating_add(back_packets.number()?);
            }
            if has & presence::EXPORTED != 0 {
                sampling = route.sampling()?;
            }
            if rows.contains(place) {
                let times = u64::from(sampling.unwrap_or(1).max(1));
                sums.octets = sums.octets.saturating_add(own_octets.saturating_mul(times));
                sums.packets = sums.packets.saturating_add(own_packets.saturating_mul(times));
            }
        }
        Ok(())
    }
}
