//! A process that commits is killed again and again: the store opens each time and holds whole transactions.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use support::{Random, all_rows, at, tenant};
use weir_store::{Config, Reader, Writer, check};

const ROUNDS: u64 = 12;

/// `cargo test` builds examples beside the tests; `cargo test --test kill` alone takes the one built before.
fn commit_loop() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples/commit_loop");
    assert!(built.exists(), "{built:?} is missing: cargo build -p weir-store --examples");
    built
}

#[test]
fn a_writer_killed_at_any_moment_leaves_whole_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(std::process::id().into());
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(commit_loop()).arg(dir.path()).arg(round.to_string()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50 + random.below(400)));
        assert_eq!(child.try_wait().unwrap(), None, "it commits until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();

        let writer = Writer::open(dir.path(), &Config::default(), at(0)).unwrap();
        let report = check(dir.path()).unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
        let committed: u64 = writer.bookmark("loop").unwrap().map_or(0, |position| position.parse().unwrap());
        assert!(committed >= before, "round {round}: rows were lost");
        before = committed;
        let reader = Reader::open(dir.path()).unwrap();
        for name in ["a", "b"] {
            let stats = reader.stats(&tenant(name)).unwrap();
            assert_eq!(stats.next_row, committed + 1, "round {round}: tenant {name}");
            let rows = all_rows(&reader, &tenant(name));
            assert_eq!(rows.len() as u64, stats.rows);
            let minutes = reader.minutes(&tenant(name), 0, i64::MAX).unwrap();
            let summed: u64 = minutes.iter().map(|minute| minute.flows).sum();
            assert!(summed >= stats.rows, "round {round}: {summed} in minutes, {} rows", stats.rows);
            assert!(stats.first_row > 1 || summed == stats.rows, "round {round}: tenant {name}");
        }
        writer.close().unwrap();
    }
    assert!(before > 1_000, "only {before} rows in {ROUNDS} rounds");
}
