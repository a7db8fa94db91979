//! Zeek's logs are followed: each line is stored once, over rotation in every way, restarts and kills.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_flow::TenantId;
use weir_store::Reader;
use weir_tests::agent::Agent;
use weir_tests::random::Random;
use weir_tests::zeek::{Format, ROTATIONS, Rotation, Writer, assert_each_once, numbers};

const LIMIT: Duration = Duration::from_secs(120);
const KILLS: u32 = 6;
/// Commits that come soon, so that kills fall between them.
const SMALL_COMMITS: &str = "[store]\ncommit_records = 256\ncommit_seconds = 1\n";
/// A stop waits for a slice of a file and a commit.
const STOP: Duration = Duration::from_secs(5);

fn rows(agent: &Agent) -> u64 {
    agent.metrics()["store"]["rows"].as_u64().unwrap_or_default()
}

fn wait_for_rows(agent: &Agent, count: u64) {
    agent.wait_for(&format!("storing of {count} lines"), LIMIT, |agent| rows(agent) >= count);
}

fn part(agent: &Agent) -> Value {
    let health = agent.get("/v1/health");
    let parts = health["parts"].as_array().expect("parts").clone();
    parts.into_iter().find(|part| part["name"] == "zeek").expect("a part")
}

/// Writes and rotates until told to end; answers how many lines there were.
fn write(mut writer: Writer, seed: u64, end: &AtomicBool) -> Writer {
    let mut random = Random::new(seed);
    while !end.load(Ordering::Relaxed) {
        writer.lines(1 + random.below(400), &mut random);
        if random.chance(8) {
            writer.rotate(random.pick(&ROTATIONS));
        }
        std::thread::sleep(Duration::from_millis(random.below(20)));
    }
    writer
}

#[test]
fn each_line_is_stored_once_though_logs_rotate_and_the_agent_is_killed() {
    for format in [Format::Json, Format::Tsv] {
        let (folder, end) = (tempfile::tempdir().expect("a temporary folder"), AtomicBool::new(false));
        let data_dir = folder.path().join("data");
        let (mut writer, seed) = (Writer::new(folder.path(), format), u64::from(std::process::id()));
        println!("seed {seed}");
        let config = writer.config(SMALL_COMMITS);
        let start = || {
            let config = Some(config.clone());
            let data_dir = Some(data_dir.clone());
            Agent::start(&weir_tests::agent::Options { config, data_dir, ..Default::default() })
        };
        // What rotates away before the first start is nobody's.
        writer.lines(100, &mut Random::new(seed));
        let mut first = start();
        wait_for_rows(&first, 100);
        first.stop();
        let writer = std::thread::scope(|scope| {
            let writing = scope.spawn(|| write(writer, seed, &end));
            let mut random = Random::new(seed);
            let mut kept = 100;
            for _ in 0..KILLS {
                let mut agent = start();
                agent.wait_for("a commit", LIMIT, |agent| rows(agent) > kept);
                std::thread::sleep(Duration::from_millis(random.below(1_500)));
                kept = rows(&agent);
                agent.signal(Signal::SIGKILL);
                agent.wait();
                std::thread::sleep(Duration::from_millis(random.below(800)));
            }
            end.store(true, Ordering::Relaxed);
            writing.join().expect("a writer")
        });
        let mut agent = start();
        wait_for_rows(&agent, writer.number);
        let zeek = &agent.metrics()["zeek"];
        assert_eq!((&zeek["bad_lines"], &zeek["files_gone"]), (&0.into(), &0.into()), "{zeek:#}");
        agent.stop();
        assert_each_once(&data_dir, writer.number);
        println!("{format:?}: {} lines over {KILLS} kills", writer.number);
    }
}

/// Writes a first part, lets it be stored, stops the agent with `signal`, does `meanwhile`, and checks what is stored then.
fn interrupted(format: Format, signal: Signal, meanwhile: impl FnOnce(&mut Writer, &mut Random)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data_dir, mut random) = (folder.path().join("data"), Random::new(1));
    let mut writer = Writer::new(folder.path(), format);
    writer.lines(1_000, &mut random);
    let mut agent = writer.follow(&data_dir, "");
    wait_for_rows(&agent, writer.number);
    agent.signal(signal);
    agent.wait();
    meanwhile(&mut writer, &mut random);
    let mut agent = writer.follow(&data_dir, "");
    wait_for_rows(&agent, writer.number);
    agent.stop();
    assert_each_once(&data_dir, writer.number);
}

#[test]
fn what_rotated_twice_while_the_agent_was_down_is_read_from_where_it_went() {
    for (format, first, second) in [
        (Format::Json, Rotation::Packed, Rotation::Archive),
        (Format::Tsv, Rotation::InPlace, Rotation::Packed),
        (Format::Tsv, Rotation::CopyTruncate, Rotation::InPlace),
    ] {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            interrupted(format, signal, |writer, random| {
                writer.lines(700, random);
                writer.rotate(first);
                writer.lines(700, random);
                writer.rotate(second);
                writer.lines(700, random);
            });
        }
    }
}

#[test]
fn a_file_that_has_the_inode_of_another_is_not_mistaken_for_it() {
    interrupted(Format::Json, Signal::SIGTERM, |writer, random| {
        // The file is emptied where it is: its inode and its name stay.
        fs::File::create(writer.file()).expect("an empty log");
        writer.lines(2_000, random);
    });
}

#[test]
fn a_line_is_read_when_it_is_whole_and_broken_ones_are_counted_and_skipped_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data_dir, mut random) = (folder.path().join("data"), Random::new(2));
    let mut writer = Writer::new(folder.path(), Format::Tsv);
    writer.lines(10, &mut random);
    writer.raw(b"1795264496.0\tC10\t10.0.0.1\t4000\t198.51.100.7\t44");
    let mut agent = writer.follow(&data_dir, "");
    wait_for_rows(&agent, 10);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(agent.metrics()["zeek"]["bad_lines"], 0, "half a line was read");
    writer.raw(b"3\ttcp\t0.25\t3\t180\t2\t120\n");
    writer.raw(b"too\tfew\tcolumns\n\xff\xfe\x00\xff\n");
    writer.raw(&vec![b'x'; 5 << 20]);
    writer.raw(b"\n");
    writer.number = 11;
    writer.lines(10, &mut random);
    wait_for_rows(&agent, 21);
    let zeek = agent.metrics()["zeek"].clone();
    assert_eq!(zeek["bad_lines"], 3, "{zeek:#}");
    let log = &zeek["logs"][0];
    assert_eq!(log["bad_lines"]["record_too_large"], 1, "{log:#}");
    assert_eq!((&log["log"], &log["records"]), (&"conn".into(), &21.into()), "{log:#}");
    let losses = agent.metrics()["losses"].clone();
    let lost: u64 = losses
        .as_array()
        .expect("losses")
        .iter()
        .filter(|loss| loss["where"] == "zeek")
        .map(|loss| loss["count"].as_u64().expect("a count"))
        .sum();
    assert_eq!(lost, 3, "{losses:#}");
    assert_eq!(part(&agent)["status"], "ok");
    assert!(agent.log().contains("could not be read and were skipped"), "{}", agent.log());
    agent.stop();
    assert_each_once(&data_dir, 21);
    check_record(&data_dir, &writer);
}

/// Records say where they are from.
fn check_record(data_dir: &Path, writer: &Writer) {
    let records = weir_tests::ring::records(data_dir);
    let record = records.iter().find(|record| record["extra"]["uid"] == "C3").expect("a record");
    assert_eq!((&record["source"], &record["kind"]), (&"zeek".into(), &"flow".into()), "{record:#}");
    assert_eq!(record["observer"], writer.file().to_string_lossy().as_ref());
    assert_eq!((&record["bytes_out"], &record["packets"]), (&180.into(), &5.into()), "{record:#}");
}

#[test]
fn a_directory_that_is_not_there_is_told_with_what_to_do_until_it_comes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data_dir, mut random) = (folder.path().join("data"), Random::new(3));
    let mut writer = Writer::new(folder.path(), Format::Json);
    fs::remove_dir(writer.current()).expect("an empty directory");
    let mut agent = writer.follow(&data_dir, "");
    agent.wait_for("a word about it", LIMIT, |agent| part(agent)["status"] == "degraded");
    let told = part(&agent);
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("zeek.directories")), "{told:#}");
    assert_eq!(agent.get("/v1/health")["status"], "ok", "the rest works");
    fs::create_dir(writer.current()).expect("a directory");
    writer.lines(5, &mut random);
    wait_for_rows(&agent, 5);
    agent.wait_for("the end of it", LIMIT, |agent| part(agent)["status"] == "ok");
    agent.stop();
    assert_eq!(numbers(&data_dir), [0, 1, 2, 3, 4]);
}

#[test]
fn a_stop_in_the_middle_of_much_is_quick_and_the_rest_comes_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data_dir, mut random) = (folder.path().join("data"), Random::new(4));
    let mut writer = Writer::new(folder.path(), Format::Tsv);
    writer.lines(250_000, &mut random);
    let mut agent = writer.follow(&data_dir, "");
    // Asked of the ring itself: by the time the agent tells of a row, it has read half a million lines.
    agent.wait_for("a first commit", LIMIT, |_| {
        Reader::open(&data_dir)
            .and_then(|ring| ring.stats(&TenantId::default()))
            .is_ok_and(|ring| ring.rows > 0)
    });
    let begin = Instant::now();
    agent.stop();
    assert!(begin.elapsed() < STOP, "{:?}", begin.elapsed());
    let stored = numbers(&data_dir).len() as u64;
    assert!(stored < writer.number, "all was read before the stop");
    let mut agent = writer.follow(&data_dir, "");
    wait_for_rows(&agent, writer.number);
    agent.stop();
    assert_each_once(&data_dir, writer.number);
}

#[test]
fn an_agent_that_has_nothing_to_read_rests() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data_dir, mut random) = (folder.path().join("data"), Random::new(5));
    let mut writer = Writer::new(folder.path(), Format::Json);
    writer.lines(100, &mut random);
    let config = writer.config("").replace("poll_milliseconds = 50\n", "");
    let options = weir_tests::agent::Options {
        config: Some(config),
        data_dir: Some(data_dir),
        ..weir_tests::agent::Options::default()
    };
    let mut agent = Agent::start(&options);
    wait_for_rows(&agent, 100);
    let before = ticks(&agent);
    std::thread::sleep(Duration::from_secs(5));
    let used = ticks(&agent) - before;
    // A hundredth of a second each: two per cent of five seconds.
    assert!(used <= 10, "{used} ticks in five seconds");
    agent.stop();
}

/// Processor time of the thread `zeek`, in hundredths of a second.
fn ticks(agent: &Agent) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).expect("the agent runs");
    let stat = tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok())
        .find(|stat| stat.contains("(zeek)"))
        .expect("a thread");
    let after = stat.rsplit(')').next().unwrap_or_default().to_owned();
    let fields: Vec<&str> = after.split_whitespace().collect();
    [11, 12].iter().map(|&at: &usize| fields[at].parse::<u64>().expect("ticks")).sum()
}
