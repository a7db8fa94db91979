//! `weir store`: what is wrong with a ring is found, told with its rows, and repaired; nothing goes silently.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use serde_json::Value;
use weir_flow::{Batch, Counters, FlowRecord, Text, Timestamp};
use weir_store::{Config, Writer};
use weir_tests::agent::{Agent, Options};
use weir_tests::meter::{Run, command, finished};

const USAGE: i32 = 64;
const DATA: i32 = 65;
const NO_INPUT: i32 = 66;
const UNAVAILABLE: i32 = 69;
const NO_PERMISSION: i32 = 77;
const CONFIG: i32 = 78;
const NOBODY: u32 = 65_534;
/// 2026-11-21T06:00:00Z.
const START_MS: i64 = 1_795_240_800_000;
const HOUR_US: i64 = 3_600_000_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + ms)
}

/// Blocks that hold 100 rows each, whose text does not compress much.
fn fill(dir: &Path, blocks: u64) {
    let mut writer = Writer::open(dir, &Config::default(), at(0)).expect("a fresh store");
    let mut random = weir_tests::random::Random::new(7);
    for block in 0..blocks {
        let now = at(i64::try_from(block).expect("few") * 1_000);
        let record = |row: u64| FlowRecord {
            start: now,
            end: now.plus_micros(2_500_000),
            src_ip: Some(std::net::IpAddr::from([10, 0, 0, u8::try_from(row).expect("100 rows")])),
            dst_ip: Some(std::net::IpAddr::from([198, 51, 100, 7])),
            dst_port: Some(443),
            proto: Some(6),
            forward: Counters { octets: 1_000 + row, packets: 3 },
            domain: Some(Text::from(format!("{:016x}.example", random.bits()))),
            ..FlowRecord::default()
        };
        let batch = Batch { records: (0..100).map(record).collect(), ..Batch::default() };
        writer.commit(&[batch], now).expect("room");
        // What is an hour old is sealed; no row goes while the clock is not set.
        writer.trim(now.plus_micros(HOUR_US), false).expect("room");
    }
    writer.close().expect("room");
}

fn store(dir: &Path, words: &str) -> Run {
    let mut command = command();
    command.arg("store").args(words.split_whitespace()).arg("--data-dir").arg(dir);
    finished(&mut command)
}

#[track_caller]
fn expect(run: &Run, code: i32, words: &[&str]) {
    run.assert_orderly("weir store");
    let all = format!("{}{}", String::from_utf8_lossy(&run.stdout), run.stderr);
    assert_eq!(run.code, Some(code), "{all}");
    for word in words {
        assert!(all.contains(word), "no {word:?} in {all}");
    }
}

fn json(run: &Run) -> Value {
    serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.stderr))
}

/// What a flash page is that was never written: nothing.
fn damage_a_block(dir: &Path, first_row: u64) {
    let db = rusqlite::Connection::open(dir.join("weir.db")).expect("a store");
    let changed = db.execute(
        "UPDATE block SET data = zeroblob(length(data)) WHERE first_row = ?1",
        [first_row.cast_signed()],
    );
    assert_eq!(changed.expect("it is ours"), 1);
}

#[test]
fn a_sound_store_is_said_to_be_sound_with_its_figures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 5);
    expect(&store(folder.path(), "check"), 0, &["sound", "500 rows of 1 rings", "5 blocks"]);
    let report = json(&store(folder.path(), "check --format json"));
    assert_eq!((&report["rows"], &report["problem_count"]), (&500.into(), &0.into()));
    expect(&store(folder.path(), "stats"), 0, &["schema version 3", "default", "500", "closed in order"]);
    let stats = json(&store(folder.path(), "stats --format json"));
    let ring = &stats["rings"][0];
    assert_eq!((&ring["rows"], &ring["blocks"], &ring["next_row"]), (&500.into(), &5.into(), &501.into()));
    assert!(ring["bytes_per_row"].as_f64().is_some_and(|bytes| bytes > 5.0), "{ring}");
    expect(&store(folder.path(), "repair --yes"), 0, &["500 rows"]);
}

#[test]
fn a_damaged_block_is_found_repaired_and_remembered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 5);
    damage_a_block(folder.path(), 201);
    expect(&store(folder.path(), "check"), DATA, &["DAMAGED", "row 201", "weir store repair --yes"]);
    let before = fs::read(folder.path().join("weir.db")).expect("a store");
    expect(&store(folder.path(), "repair"), USAGE, &["nothing was changed", "--yes"]);
    assert_eq!(fs::read(folder.path().join("weir.db")).expect("a store"), before);
    expect(&store(folder.path(), "repair --yes"), 0, &["400 rows are kept, 100 are lost", "rows 201 to 300"]);
    expect(&store(folder.path(), "check"), 0, &["sound", "100 rows were lost before", "rows 201 to 300"]);
    expect(&store(folder.path(), "stats"), 0, &["100 rows are lost", "rows 201 to 300"]);
}

#[test]
fn a_store_that_sqlite_cannot_read_is_made_anew_of_what_can_be_and_kept_aside() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 40);
    let path = folder.path().join("weir.db");
    let mut bytes = fs::read(&path).expect("a store");
    // Behind the tail, where the sealed blocks are.
    let place = bytes.len() * 9 / 10 / 4_096 * 4_096;
    bytes[place..place + 8_192].fill(0);
    fs::write(&path, &bytes).expect("room");
    expect(&store(folder.path(), "check"), DATA, &["DAMAGED"]);
    let report = json(&store(folder.path(), "repair --yes --format json"));
    let (rows, lost) =
        (report["rows"].as_u64().expect("a number"), report["lost_rows"].as_u64().expect("a number"));
    assert_eq!(rows + lost, 4_000, "{report:#}");
    assert!(lost > 0 && lost < 1_500, "{report:#}");
    assert_eq!(fs::read(folder.path().join("weir.db.aside")).expect("it is kept"), bytes);
    expect(&store(folder.path(), "check"), 0, &["sound"]);
    let exported = store(folder.path(), "export");
    assert_eq!(exported.records().len() as u64, rows);
}

#[test]
fn an_agent_that_starts_on_a_damaged_ring_goes_on_and_tells_which_rows_are_lost() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    fill(&data, 5);
    damage_a_block(&data, 401);
    let db = rusqlite::Connection::open(data.join("weir.db")).expect("a store");
    db.execute_batch("UPDATE store SET closed = 0").expect("it is ours");
    drop(db);
    let options = Options {
        data_dir: Some(data.clone()),
        config: Some("[capture]\nenabled = false\n[store]\nretention_days = 90\n".to_owned()),
        ..Options::default()
    };
    let mut agent = Agent::start(&options);
    let log = agent.log();
    assert!(log.contains("401") && log.contains("500") && log.contains("set aside"), "{log}");
    let metrics = agent.metrics();
    let losses = metrics["losses"].as_array().expect("a list");
    let loss = losses.iter().find(|loss| loss["reason"] == "block_damaged").expect("a line");
    assert_eq!(loss["count"], 100, "{loss}");
    let parts = metrics["parts"].as_array().expect("a list");
    let part = parts.iter().find(|part| part["name"] == "store").expect("a part");
    assert_eq!((&part["status"], &part["code"]), (&"degraded".into(), &"damaged".into()), "{part}");
    assert!(part["detail"].as_str().is_some_and(|text| text.contains("rows 401 to 500")), "{part}");
    // Also while it runs, and repair only when it does not.
    expect(&store(&data, "check"), 0, &["100 rows were lost before"]);
    expect(&store(&data, "stats"), 0, &["in use"]);
    expect(&store(&data, "repair --yes"), UNAVAILABLE, &["stop it first"]);
    assert_eq!(store(&data, "export").records().len(), 400);
    agent.stop();
    expect(&store(&data, "check"), 0, &["sound"]);
}

#[test]
fn an_agent_on_a_device_repairs_what_sqlite_cannot_read_before_it_begins_anew() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    fill(&data, 20);
    let root: i64 = rusqlite::Connection::open(data.join("weir.db"))
        .and_then(|db| {
            db.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'ring'", [], |row| row.get(0))
        })
        .expect("a table");
    let mut bytes = fs::read(data.join("weir.db")).expect("a store");
    let page = usize::try_from(root - 1).expect("a page") * 4_096;
    bytes[page..page + 4_096].fill(0xa5);
    fs::write(data.join("weir.db"), &bytes).expect("room");
    let options = Options {
        data_dir: Some(data.clone()),
        config: Some("[capture]\nenabled = false\n[store]\nretention_days = 90\n".to_owned()),
        ..Options::arguments("--keep-last-good")
    };
    let mut agent = Agent::start(&options);
    assert!(agent.log().contains("2000 rows were kept, 0 are lost"), "{}", agent.log());
    assert_eq!(agent.metrics()["store"]["rows"], 2_000);
    agent.stop();
    assert_eq!(fs::read(data.join("weir.db.aside")).expect("it is kept"), bytes);
}

#[test]
fn what_is_exported_is_every_record_oldest_first_and_as_csv_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fill(folder.path(), 30);
    let all = store(folder.path(), "export");
    expect(&all, 0, &["3000 records"]);
    let rows: Vec<u64> = all
        .records()
        .iter()
        .map(|record| {
            record["id"].as_str().and_then(|id| id.rsplit_once('-')?.1.parse().ok()).expect("an id")
        })
        .collect();
    assert_eq!(rows, (1..=3_000).collect::<Vec<_>>());
    let part = store(folder.path(), "export --from 2026-11-21T06:00:10Z --to 2026-11-21T06:00:12Z");
    assert_eq!(part.records().len(), 200);
    let csv = store(folder.path(), "export --format csv");
    let text = String::from_utf8(csv.stdout).expect("UTF-8");
    assert_eq!(text.lines().count(), 3_001);
    assert!(text.starts_with("ts,end_ms,"), "{}", &text[..100]);
    assert!(text.lines().nth(1).is_some_and(|line| {
        line.starts_with("2026-11-21T06:00:00.000Z,1795240802500,2.500000,capture,flow,,,10.0.0.0,,198.51.100.7,443,tcp,1000,3,")
    }), "{:?}", text.lines().nth(1));
    expect(&store(folder.path(), "export --tenant nobody"), 0, &["0 records"]);
    expect(&store(folder.path(), "export --tenant ../x"), USAGE, &["--tenant"]);
    expect(&store(folder.path(), "export --from tomorrow"), USAGE, &["RFC 3339"]);
}

#[test]
fn what_is_no_store_is_said_to_be_none_and_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weir.db");
    for command in ["check", "stats", "repair --yes", "export"] {
        expect(
            &store(folder.path(), command),
            NO_INPUT,
            &["there is no store", path.to_str().expect("UTF-8")],
        );
        let nowhere = folder.path().join("nowhere");
        expect(&store(&nowhere, command), NO_INPUT, &["there is no store"]);
    }
    for content in [&b""[..], b"no database", &[0; 8_192]] {
        fs::write(&path, content).expect("room");
        for command in ["check", "stats", "repair --yes", "export"] {
            expect(&store(folder.path(), command), CONFIG, &["this is not a Weir store", "move it away"]);
            assert_eq!(fs::read(&path).expect("it is there"), content, "{command}");
        }
    }
    fs::remove_file(&path).expect("it is there");
    fill(folder.path(), 1);
    let db = rusqlite::Connection::open(&path).expect("a store");
    db.execute_batch("PRAGMA user_version = 99").expect("it is ours");
    drop(db);
    let before = fs::read(&path).expect("a store");
    for command in ["check", "stats", "repair --yes", "export"] {
        expect(&store(folder.path(), command), CONFIG, &["schema is version 99", "run the newer Weir"]);
        assert_eq!(fs::read(&path).expect("it is there"), before, "{command}");
    }
}

#[test]
fn a_directory_that_may_not_be_written_is_read_and_never_repaired() {
    if !weir_tests::is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    fill(&data, 3);
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    mode(folder.path(), 0o755);
    mode(&data, 0o555);
    for entry in fs::read_dir(&data).expect("a folder").flatten() {
        mode(&entry.path(), 0o444);
    }
    let program = folder.path().join("weir");
    fs::copy(weir_tests::meter::binary(), &program).expect("room");
    let run = |words: &str| {
        let mut command = std::process::Command::new(&program);
        command.arg("store").args(words.split_whitespace()).arg("--data-dir").arg(&data).env_clear();
        finished(command.current_dir("/").uid(NOBODY).gid(NOBODY))
    };
    expect(&run("check"), 0, &["sound", "300 rows"]);
    expect(&run("export"), 0, &["300 records"]);
    expect(&run("repair --yes"), NO_PERMISSION, &["no permission"]);
    mode(&data.join("weir.db"), 0o000);
    expect(&run("check"), NO_PERMISSION, &["weir.db", "no permission"]);
    expect(&run("stats"), NO_PERMISSION, &["no permission"]);
}
