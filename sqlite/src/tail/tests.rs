//! What is in a tail's place beside its blocks never becomes a block.

use rusqlite::Connection;

use super::place::Places;
use super::{HEAD, Tail};
use crate::block::Sealed;
use crate::ring::Ring;
use crate::{BudgetBytes, MinuteTotal, schema};

const fn sealed(data: &[u8], count: u64) -> Sealed<'_> {
    Sealed {
        count,
        min_ts: 0,
        max_ts: 0,
        max_risk: None,
        threats: 0,
        first_processed_at: 0,
        processed_at: 0,
        encoding: 3,
        addresses: &[],
        terms: &[],
        raw: &[],
        data,
    }
}

/// A database with one ring.
fn ring() -> (Connection, Ring) {
    let mut db = Connection::open_in_memory().unwrap();
    schema::create(&mut db).unwrap();
    let ring = Ring::create(&db, &weir_flow::TenantId::default(), 0).unwrap().unwrap();
    (db, ring)
}

fn append(db: &Connection, ring: &Ring, places: &mut Places, block: &Sealed<'_>) {
    let mut place = places.of(db, ring, 0).unwrap();
    place.prepare(db, ring, BudgetBytes::default()).unwrap();
    assert!(place.has_room(block));
    place.append(db, ring, (block, &MinuteTotal::default()), 0, &mut Vec::new()).unwrap();
    places.set(ring, place);
}

/// A head as a stranger would write it into a record: for `rows` rows from `first_row` on, with data of one octet.
fn forged(first_row: u64, rows: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[0] = 1;
    head[4..8].copy_from_slice(&rows.to_le_bytes());
    head[12] = 3;
    head[16..24].copy_from_slice(&first_row.to_le_bytes());
    let check = super::check(&head);
    head[13..16].copy_from_slice(&check);
    head
}

#[test]
fn a_head_that_a_stranger_wrote_into_a_record_is_never_read_as_one() {
    let (db, mut ring) = ring();
    let mut places = Places::default();
    // A block of forged heads, one at every place, for the row that will come next.
    let short = [7; 10];
    let next_row = 4;
    let begins = HEAD + short.len();
    let mut data = vec![0; 4_096];
    data[begins - HEAD..begins].copy_from_slice(&forged(next_row, 9));
    append(&db, &ring, &mut places, &sealed(&data, 3));
    // It is sealed, and the next block ends where the forged head begins.
    ring.next_row = 4;
    ring.save(&db).unwrap();
    assert!(Tail::load(&db, &ring).unwrap().blocks().is_empty(), "sealing empties the tail");
    let forged_next = {
        let mut copy = data;
        copy[begins - HEAD..begins].copy_from_slice(&forged(next_row + 2, 9));
        copy
    };
    let mut blob = db.blob_open("main", "tail", "data", ring.ring, false).unwrap();
    blob.write_at(&forged_next, HEAD).unwrap();
    blob.close().unwrap();
    append(&db, &ring, &mut places, &sealed(&short, 2));
    let tail = Tail::load(&db, &ring).unwrap();
    let rows: Vec<_> = tail.blocks().iter().map(|fresh| (fresh.block.first_row, fresh.block.count)).collect();
    assert_eq!(rows, [(4, 2)]);
    assert_eq!(Tail::heads(&db, &ring).unwrap().unwrap().blocks.len(), 1);
    assert_eq!(tail.packed(&tail.blocks()[0]).data, short);
}

#[test]
fn heads_say_what_the_whole_tail_says_whatever_is_in_it() {
    use proptest::prelude::*;

    proptest!(ProptestConfig::with_cases(64), |(
        blocks in prop::collection::vec((1..200_u64, 0..300_usize), 1..12),
        damage in any::<(prop::sample::Index, u8)>(),
    )| {
        let (db, ring) = ring();
        let mut places = Places::default();
        let mut written = 0;
        for &(count, length) in &blocks {
            append(&db, &ring, &mut places, &sealed(&vec![9; length + 1], count));
            written += HEAD + length + 1;
        }
        let all = Tail::load(&db, &ring).unwrap();
        prop_assert_eq!(all.blocks().len(), blocks.len());
        let mut blob = db.blob_open("main", "tail", "data", ring.ring, false).unwrap();
        blob.write_at(&[damage.1], damage.0.index(written)).unwrap();
        blob.close().unwrap();
        let (tail, heads) = (Tail::load(&db, &ring).unwrap(), Tail::heads(&db, &ring).unwrap().unwrap());
        let seen = |fresh: &super::Fresh| (fresh.block.first_row, fresh.block.count, fresh.data);
        let (tail, heads): (Vec<_>, Vec<_>) =
            (tail.blocks().iter().map(seen).collect(), heads.blocks.iter().map(seen).collect());
        prop_assert_eq!(tail, heads);
    });
}
