//! Memory for bodies that are being received.
//!
//! A body takes shares as its octets come, so that a slow client holds what it has sent and no more. When all shares are
//! taken, bodies that are not whole wait for one another; so there is one lane with memory of its own, in which one body
//! after the other comes to its end, quickly or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::head::MAX_BODY;

/// Octets of bodies, all together, without the one in the lane.
const BUDGET: usize = 16 * 1024 * 1024;
/// What a share stands for.
pub(super) const SHARE: usize = 64 * 1024;
/// A body in the lane must be whole within this time: all others wait. A body of the largest size needs 14 Mbit/s.
pub(super) const LANE_DEADLINE: Duration = Duration::from_secs(3);
const _: () = assert!(BUDGET >= MAX_BODY);

/// Room for all bodies.
#[derive(Clone)]
pub(super) struct Room {
    shares: Arc<Semaphore>,
    lane: Arc<Semaphore>,
}

/// What one body has of it, given back when dropped.
#[derive(Default)]
pub(super) struct Held {
    shares: Option<OwnedSemaphorePermit>,
    lane: Option<OwnedSemaphorePermit>,
}

/// What a wait for room has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// Shares.
    Shares,
    /// The lane: all that a body may need.
    Lane,
}

impl Default for Room {
    fn default() -> Self {
        Self { shares: Arc::new(Semaphore::new(BUDGET / SHARE)), lane: Arc::new(Semaphore::new(1)) }
    }
}

impl Room {
    /// Waits until `held` has room for `octets`. Nothing is lost when the wait is given up.
    pub(super) async fn make(&self, held: &mut Held, octets: usize) -> Result<Got, AcquireError> {
        if held.lane.is_some() {
            return Ok(Got::Lane);
        }
        while held.octets() < octets {
            tokio::select! {
                biased;
                share = Arc::clone(&self.shares).acquire_owned() => held.add(share?),
                lane = Arc::clone(&self.lane).acquire_owned() => {
                    held.lane = Some(lane?);
                    return Ok(Got::Lane);
                }
            }
        }
        Ok(Got::Shares)
    }
}

impl Held {
    fn add(&mut self, share: OwnedSemaphorePermit) {
        match &mut self.shares {
            Some(shares) => shares.merge(share),
            none => *none = Some(share),
        }
    }

    fn octets(&self) -> usize {
        self.shares.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * SHARE
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::{BUDGET, Got, Held, MAX_BODY, Room, SHARE};

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn the_last_shares_are_followed_by_the_lane_and_then_by_a_wait() {
        run(async {
            let room = Room::default();
            let mut all: Vec<Held> = Vec::new();
            for _ in 0..BUDGET / SHARE {
                let mut held = Held::default();
                assert_eq!(room.make(&mut held, 1).await.unwrap(), Got::Shares);
                all.push(held);
            }
            let mut first = all.pop().unwrap();
            assert_eq!(room.make(&mut first, SHARE).await.unwrap(), Got::Shares, "it has that");
            assert_eq!(room.make(&mut first, SHARE + 1).await.unwrap(), Got::Lane);
            assert_eq!(room.make(&mut first, MAX_BODY).await.unwrap(), Got::Lane);
            let mut second = all.pop().unwrap();
            let wait = timeout(Duration::from_millis(20), room.make(&mut second, SHARE + 1)).await;
            assert!(wait.is_err());
            drop(first);
            assert_eq!(room.make(&mut second, 2 * SHARE).await.unwrap(), Got::Shares);
            assert_eq!(room.make(&mut second, 2 * SHARE + 1).await.unwrap(), Got::Lane);
        });
    }

    #[test]
    fn whoever_gives_up_a_wait_holds_nothing_of_it() {
        run(async {
            let room = Room::default();
            let mut rest = Held::default();
            assert_eq!(room.make(&mut rest, BUDGET).await.unwrap(), Got::Shares);
            let mut lane = Held::default();
            assert_eq!(room.make(&mut lane, 1).await.unwrap(), Got::Lane);
            let mut late = Held::default();
            assert!(timeout(Duration::from_millis(10), room.make(&mut late, 1)).await.is_err());
            drop((rest, lane));
            let mut whole = Held::default();
            assert_eq!(room.make(&mut whole, BUDGET).await.unwrap(), Got::Shares);
        });
    }
}
