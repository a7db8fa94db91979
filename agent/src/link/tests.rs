use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use weir_flow::{Batch, Bookmark, FlowRecord, Timestamp};

use super::{Recv, Refused, channel};

fn batch(records: usize) -> Batch {
    Batch { records: vec![FlowRecord::default(); records], ..Batch::default() }
}

/// A batch whose records carry `first..first + records` as their start.
fn numbered(first: i64, records: i64) -> Batch {
    let record = |n| FlowRecord { start: Timestamp::from_micros(n), ..FlowRecord::default() };
    Batch { records: (first..first + records).map(record).collect(), ..Batch::default() }
}

#[test]
fn the_bound_counts_records_and_drops_are_counted() {
    let (tx, rx) = channel("test", 10);
    let stats = tx.stats();
    tx.offer(batch(6)).unwrap();
    tx.offer(batch(4)).unwrap();
    assert!(matches!(tx.offer(batch(1)), Err(Refused::Full)));
    assert_eq!((stats.depth_records(), stats.records_dropped(), stats.batches_dropped()), (10, 1, 1));
    assert_eq!(rx.recv().unwrap().records.len(), 6);
    tx.offer(batch(6)).unwrap();
    assert!(tx.offer(batch(3)).is_err());
    assert_eq!((stats.depth_records(), stats.records_dropped(), stats.records_passed()), (10, 4, 16));
}

#[test]
fn a_batch_above_the_bound_passes_when_the_link_is_empty() {
    let (tx, rx) = channel("test", 10);
    tx.offer(batch(25)).unwrap();
    assert!(tx.offer(batch(1)).is_err());
    assert_eq!(rx.recv().unwrap().records.len(), 25);
    tx.offer(batch(1)).unwrap();
    assert!(tx.offer(batch(25)).is_err());
}

#[test]
fn empty_batches_with_bookmarks_are_bounded_too() {
    let (tx, rx) = channel("test", 3);
    let bookmark = || Batch {
        bookmark: Some(Bookmark { input: "zeek".into(), position: "7".into() }),
        ..Batch::default()
    };
    assert_eq!((0..10).filter(|_| tx.offer(bookmark()).is_ok()).count(), 3);
    assert_eq!((tx.stats().batches_dropped(), tx.stats().records_dropped()), (7, 0));
    assert!(rx.recv().unwrap().bookmark.is_some());
}

#[test]
fn the_receiver_gets_everything_before_it_hears_that_the_senders_are_gone() {
    let (tx, rx) = channel("test", 100);
    let other = tx.clone();
    tx.push(batch(1)).unwrap();
    drop(tx);
    other.push(batch(2)).unwrap();
    assert!(matches!(rx.recv_timeout(Duration::ZERO), Recv::Batch(b) if b.records.len() == 1));
    assert!(matches!(rx.recv_timeout(Duration::ZERO), Recv::Batch(b) if b.records.len() == 2));
    assert!(matches!(rx.recv_timeout(Duration::from_millis(10)), Recv::Timeout));
    drop(other);
    assert!(matches!(rx.recv_timeout(Duration::from_secs(60)), Recv::Closed));
    assert!(rx.recv().is_none());
}

#[test]
fn a_sender_learns_that_the_receiver_is_gone_and_what_was_left_counts_as_dropped() {
    let (tx, rx) = channel("test", 10);
    tx.push(batch(10)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| tx.push(batch(3)));
        thread::sleep(Duration::from_millis(20));
        drop(rx);
        assert!(matches!(waiting.join().unwrap(), Err(Refused::Closed)));
    });
    assert!(matches!(tx.offer(batch(2)), Err(Refused::Closed)));
    assert_eq!((tx.stats().records_dropped(), tx.stats().depth_records()), (15, 0));
}

#[test]
fn push_loses_nothing_between_four_senders_and_keeps_each_ones_order() {
    const BATCHES: i64 = 2_000;
    const RECORDS: i64 = 7;
    const LANE: i64 = 1_000_000;
    let (tx, rx) = channel("test", 50);
    let stats = tx.stats();
    let mut next = [0_i64; 4];
    thread::scope(|scope| {
        for lane in 0..4_i64 {
            let tx = tx.clone();
            scope.spawn(move || {
                for n in 0..BATCHES {
                    tx.push(numbered(lane * LANE + n * RECORDS, RECORDS)).unwrap();
                }
            });
        }
        drop(tx);
        while let Some(batch) = rx.recv() {
            assert!(stats.depth_records() <= 50);
            for record in batch.records {
                let (lane, n) = (record.start.micros() / LANE, record.start.micros() % LANE);
                let lane = usize::try_from(lane).unwrap();
                assert_eq!(n, next[lane], "lane {lane}");
                next[lane] += 1;
            }
        }
    });
    assert_eq!(next, [BATCHES * RECORDS; 4]);
    assert_eq!(stats.records_passed(), 4 * 14_000);
    assert_eq!((stats.records_dropped(), stats.depth_records()), (0, 0));
}

#[test]
fn offer_counts_exactly_what_does_not_arrive() {
    const BATCHES: u64 = 20_000;
    let (tx, rx) = channel("test", 40);
    let stats = tx.stats();
    let received = AtomicU64::new(0);
    let refused = AtomicU64::new(0);
    thread::scope(|scope| {
        for lane in 0..3_u64 {
            let tx = tx.clone();
            let refused = &refused;
            scope.spawn(move || {
                for n in 0..BATCHES {
                    let size = usize::try_from(1 + (n + lane) % 13).unwrap();
                    if tx.offer(batch(size)).is_err() {
                        refused.fetch_add(u64::try_from(size).unwrap(), Ordering::Relaxed);
                    }
                }
            });
        }
        drop(tx);
        while let Some(batch) = rx.recv() {
            received.fetch_add(u64::try_from(batch.records.len()).unwrap(), Ordering::Relaxed);
        }
    });
    let sent: u64 = (0..3).map(|lane| (0..BATCHES).map(|n| 1 + (n + lane) % 13).sum::<u64>()).sum();
    let (received, refused) = (received.into_inner(), refused.into_inner());
    assert_eq!(received + refused, sent);
    assert_eq!((stats.records_passed(), stats.records_dropped()), (received, refused));
}

#[test]
fn a_patient_offer_waits_for_room_and_is_refused_and_counted_when_none_comes() {
    let (to, from) = channel("test", 2);
    to.offer(batch(2)).unwrap();
    let begin = Instant::now();
    assert!(matches!(to.offer_within(batch(1), Duration::from_millis(50)), Err(Refused::Full)));
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!(to.stats().records_dropped(), 1);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| to.offer_within(batch(1), Duration::from_secs(60)).is_ok());
        thread::sleep(Duration::from_millis(50));
        assert_eq!(from.recv().unwrap().records.len(), 2);
        assert!(waiting.join().unwrap());
    });
    assert_eq!(from.recv().unwrap().records.len(), 1);
}

#[test]
fn a_record_that_carries_much_counts_as_several() {
    let (to, from) = channel("test", 100);
    let extra = weir_flow::Extra::from_iter([("text", "x".repeat(10 * 1_024))]);
    let record = FlowRecord { extra: Some(Box::new(extra)), ..FlowRecord::default() };
    let batch = || Batch { records: vec![record.clone(); 3], ..Batch::default() };
    to.offer(batch()).unwrap();
    assert!(to.offer(batch()).is_err(), "six of these are more than a hundred records");
    assert_eq!(to.stats().depth_records(), 3);
    from.recv().unwrap();
    to.offer(batch()).unwrap();
}

#[test]
fn a_push_that_waits_for_room_ends_when_it_is_over_and_counts_nothing_as_dropped() {
    let (to, from) = channel("test", 2);
    to.offer(batch(2)).unwrap();
    let begin = Instant::now();
    let is_over = || begin.elapsed() >= Duration::from_millis(120);
    assert!(matches!(to.push_unless(batch(1), is_over), Err(Refused::Full)));
    assert!(begin.elapsed() < Duration::from_secs(30));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| to.push_unless(batch(1), || false).is_ok());
        thread::sleep(Duration::from_millis(20));
        assert_eq!(from.recv().unwrap().records.len(), 2);
        assert!(waiting.join().unwrap());
    });
    assert_eq!(to.stats().records_dropped(), 0);
    drop(from);
    let dropped = to.stats().records_dropped();
    assert!(matches!(to.push_unless(batch(1), || false), Err(Refused::Closed)));
    assert_eq!(to.stats().records_dropped(), dropped);
}
