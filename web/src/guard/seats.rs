//! Places for connections, in all and per address.
//!
//! When all are taken, the connection that has waited longest for its client to say something gives way to the
//! new one: slow clients cannot keep quick ones out, even from the same address.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Connections in all: bounds file descriptors and memory under a connection flood.
pub(crate) const MAX_CONNECTIONS: usize = 256;
/// Connections from one address: one client cannot take all places; 64 senders behind one and a few readers beside them can
/// have theirs.
pub(crate) const MAX_PER_ADDRESS: usize = 96;

/// All places.
#[derive(Default)]
pub(crate) struct Seats(Mutex<Table>);

#[derive(Default)]
struct Table {
    next: u64,
    /// In the order in which they began to wait.
    taken: BTreeMap<u64, Taken>,
}

struct Taken {
    address: IpAddr,
    /// No request of it is being answered.
    waiting: bool,
    leave: Arc<Notify>,
}

/// A place, given back when dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    leave: Arc<Notify>,
}

/// How a place was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There was a free one.
    Free,
    /// Another connection had to leave.
    Displaced,
}

impl Seats {
    /// A place for `address`; `None` when all are taken by requests that are being answered.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<(Seat, Found)> {
        let address = network(address);
        let mut table = self.table();
        let from_here = table.taken.values().filter(|taken| taken.address == address).count();
        let found = if from_here >= MAX_PER_ADDRESS {
            table.displace(|taken| taken.address == address)?
        } else if table.taken.len() >= MAX_CONNECTIONS {
            table.displace(|_| true)?
        } else {
            Found::Free
        };
        let number = table.next;
        table.next += 1;
        let leave = Arc::new(Notify::new());
        table.taken.insert(number, Taken { address, waiting: true, leave: Arc::clone(&leave) });
        Some((Seat { seats: Arc::clone(self), number, leave }, found))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.table().taken.len()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Sends away the oldest waiting connection that `fits`.
    fn displace(&mut self, fits: impl Fn(&Taken) -> bool) -> Option<Found> {
        let (&number, _) = self.taken.iter().find(|(_, taken)| taken.waiting && fits(taken))?;
        let taken = self.taken.remove(&number)?;
        taken.leave.notify_one();
        Some(Found::Displaced)
    }
}

impl Seat {
    /// Says whether the connection waits for its client, and may be sent away. Who begins to wait goes to the
    /// end of the line.
    pub(crate) fn set_waiting(&mut self, waiting: bool) {
        let mut table = self.seats.table();
        if let Some(mut taken) = table.taken.remove(&self.number) {
            taken.waiting = waiting;
            self.number = table.next;
            table.next += 1;
            table.taken.insert(self.number, taken);
        }
    }

    /// Ends when the connection has to leave.
    pub(crate) async fn displaced(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.table().taken.remove(&self.number);
    }
}

/// What counts as one address: IPv6 hosts have a whole /64 to choose from.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) if !six.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use super::{Found, MAX_CONNECTIONS, MAX_PER_ADDRESS, Seats};

    fn address(n: usize) -> IpAddr {
        IpAddr::from([10, 0, u8::try_from(n / 256).unwrap(), u8::try_from(n % 256).unwrap()])
    }

    #[test]
    fn an_address_displaces_only_its_own_oldest_waiting_connection() {
        let seats = Arc::new(Seats::default());
        let other = seats.take(address(9)).unwrap();
        let mut mine: Vec<_> = (0..MAX_PER_ADDRESS).map(|_| seats.take(address(1)).unwrap().0).collect();
        mine[0].set_waiting(false);
        let (new, found) = seats.take(address(1)).unwrap();
        assert_eq!(found, Found::Displaced);
        assert_eq!(seats.len(), MAX_PER_ADDRESS + 1);
        drop(mine.remove(1));
        assert_eq!(seats.len(), MAX_PER_ADDRESS + 1, "the displaced place was given on");
        drop((new, mine, other));
        assert_eq!(seats.len(), 0);
    }

    #[test]
    fn busy_connections_are_never_displaced() {
        let seats = Arc::new(Seats::default());
        let mut taken: Vec<_> = (0..MAX_CONNECTIONS).map(|n| seats.take(address(n)).unwrap().0).collect();
        for seat in &mut taken {
            seat.set_waiting(false);
        }
        assert!(seats.take(address(300)).is_none());
        taken[7].set_waiting(true);
        assert_eq!(seats.take(address(300)).unwrap().1, Found::Displaced);
    }

    #[test]
    fn a_slash_64_counts_as_one_address() {
        let seats = Arc::new(Seats::default());
        let of = |n: usize| format!("2001:db8::{n:x}").parse().unwrap();
        let _taken: Vec<_> = (0..MAX_PER_ADDRESS).map(|n| seats.take(of(n)).unwrap().0).collect();
        assert_eq!(seats.take(of(9999)).unwrap().1, Found::Displaced);
    }
}
