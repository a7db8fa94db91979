//! The ARM binaries, run by an emulator: they do what the program for this machine does, to the octet.
//!
//! 32-bit ARM is where a size or an alignment that only holds on this machine shows.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use weir_tests::agent::{Agent, Options};
use weir_tests::meter::{self, Run, number};
use weir_tests::program::Program;
use weir_tests::{corpora, pcap, ring, traffic};

/// An emulated program is some ten times slower than this machine.
const LIMIT: Duration = Duration::from_secs(60);
const QUIET: &str = "[capture]\nenabled = false\n";
const CONFIG_MISTAKE: i32 = 78;
/// More than 32 bits count.
const LARGE: u64 = 1 << 40;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

fn office() -> PathBuf {
    repository().join("agent/assets/office.pcap")
}

fn run(program: &Program, arguments: &[&OsStr]) -> Run {
    meter::finished(program.command().args(arguments))
}

/// Runs the same command on this machine and on each ARM program: exit code, output and messages have to be equal.
fn assert_same(arguments: &[&OsStr]) -> Run {
    let here = run(&Program::native(), arguments);
    here.assert_orderly(format_args!("{arguments:?}"));
    for program in Program::arm() {
        let there = run(&program, arguments);
        let what = format!("{program} {arguments:?}");
        assert_eq!(there.code, here.code, "{what}: {}", there.stderr);
        assert_eq!(there.stderr, here.stderr, "{what}");
        assert!(there.stdout == here.stdout, "{what}: {}", first_difference(&there.stdout, &here.stdout));
    }
    here
}

fn first_difference(there: &[u8], here: &[u8]) -> String {
    let (there, here) = (String::from_utf8_lossy(there), String::from_utf8_lossy(here));
    let mut pairs = there.lines().zip(here.lines()).zip(1..);
    match pairs.find(|((there, here), _)| there != here) {
        Some(((there, here), line)) => format!("line {line} is\n{there}\ninstead of\n{here}"),
        None => format!("{} lines instead of {}", there.lines().count(), here.lines().count()),
    }
}

fn words<'a>(before: &'a [&'a str], last: &'a Path) -> Vec<&'a OsStr> {
    before.iter().map(OsStr::new).chain([last.as_os_str()]).collect()
}

#[test]
fn records_are_the_same_from_plain_and_compressed_captures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = std::fs::read(office()).expect("the shipped capture");
    let (gzip, zstd) = (folder.path().join("office.pcap.gz"), folder.path().join("office.pcap.zst"));
    std::fs::write(&gzip, pcap::gzip(&bytes)).expect("room in the temporary folder");
    std::fs::write(&zstd, pcap::zstd(&bytes)).expect("room in the temporary folder");
    for file in [office(), gzip, zstd] {
        let here = assert_same(&words(&["meter"], &file));
        assert!(here.code == Some(0) && here.sum("packets") > 0, "{}", here.stderr);
    }
    assert_same(&words(&["meter", "--format", "csv"], &office()));
}

#[test]
fn thousands_of_flows_of_every_kind_are_metered_the_same() {
    let made = traffic::mixed(7, 40_000, 4_000, 600);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("mixed.pcap");
    made.capture.write(&file);
    let here = assert_same(&words(&["meter"], &file));
    assert_eq!((here.sum("packets"), here.sum("bytes")), (made.packets(), made.octets()));
}

#[test]
fn real_captures_are_metered_the_same() {
    let Some(folder) = corpora::folder("pcap") else { return };
    let files = std::fs::read_dir(&folder).expect("a folder").map(|file| file.expect("an entry").path());
    let is_capture = |file: &PathBuf| file.extension().is_some_and(|end| end == "pcap" || end == "pcapng");
    let mut files: Vec<PathBuf> = files.filter(is_capture).collect();
    files.sort();
    let arguments = ["meter"].map(OsStr::new).into_iter().chain(files.iter().map(|file| file.as_os_str()));
    let here = assert_same(&arguments.collect::<Vec<_>>());
    assert!(here.records().len() > files.len(), "{}", here.stderr);
}

#[test]
fn damaged_captures_end_the_same_way() {
    let bytes = std::fs::read(office()).expect("the shipped capture");
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A record that claims 4 GiB, a file that ends within one, and a magic number alone.
    let mut long = bytes.clone();
    long[24 + 8..24 + 16].fill(0xff);
    for (name, bytes) in [("long", &long[..]), ("cut", &bytes[..bytes.len() - 7]), ("short", &bytes[..4])] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).expect("room in the temporary folder");
        let here = assert_same(&words(&["meter", "--no-enrich"], &file));
        assert_ne!(here.code, Some(0), "{name}: {}", here.stderr);
    }
}

#[test]
fn lookups_answer_the_same() {
    for target in ["8.8.8.8", "2001:4860:4860::8888", "192.168.1.1", "example.org", "not an address"] {
        assert_same(&["lookup", "--format", "json", target].map(OsStr::new));
    }
}

#[test]
fn configurations_are_judged_the_same() {
    let shipped = repository().join("agent/dist/weir.toml");
    assert_eq!(assert_same(&words(&["check"], &shipped)).code, Some(0));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let large = folder.path().join("large.toml");
    std::fs::write(
        &large,
        format!("[store]\nbudget_bytes = {LARGE}\n[risk]\nlarge_transfer_bytes = {LARGE}\n"),
    )
    .expect("room in the temporary folder");
    assert_eq!(assert_same(&words(&["check"], &large)).code, Some(0));
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, format!("[capture]\nsnaplen = {LARGE}\nring_bytes = {LARGE}\nfoo = 1\n"))
        .expect("room in the temporary folder");
    assert_eq!(assert_same(&words(&["check"], &wrong)).code, Some(CONFIG_MISTAKE));
}

/// An agent of `program` that has replayed the shipped capture into `data_dir`.
fn replayed(program: &Program, data_dir: &Path, rows: u64) -> Agent {
    let mut options = Options::arguments(&format!("--replay {} --speed max", office().display()));
    options.program = Some(program);
    options.data_dir = Some(data_dir.to_owned());
    options.config = Some("[store]\ncommit_seconds = 1\n".to_owned());
    let agent = Agent::start(&options);
    agent.wait_for("storing the whole capture", LIMIT, |agent| {
        number(&agent.metrics()["store"], "rows") == rows
    });
    agent
}

/// The newest rows, as the API tells them.
fn recent(agent: &Agent) -> Value {
    agent.get("/v1/events/recent?limit=1000")["events"].clone()
}

#[test]
fn an_agent_keeps_and_shows_its_rows_over_a_restart() {
    let here = run(&Program::native(), &words(&["meter"], &office()));
    let (rows, packets) = (here.records().len() as u64, here.sum("packets"));
    for program in Program::arm() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data_dir = folder.path().join("data");
        let mut agent = replayed(&program, &data_dir, rows);
        let (key, newest) = (agent.key(), recent(&agent));
        assert_eq!(agent.metrics()["capture"]["packets"], packets, "{program}");
        agent.stop();
        // What an ARM program wrote, this machine's library reads.
        let sums = ring::read(&data_dir, |_| ());
        assert_eq!((sums.rows, sums.packets), (rows, packets), "{program}");

        let options = Options {
            config: Some(QUIET.to_owned()),
            data_dir: Some(data_dir),
            program: Some(&program),
            ..Options::default()
        };
        let mut agent = Agent::start(&options);
        assert_eq!(agent.key(), key, "{program}: a key of its own");
        agent.wait_for("the rows of the ring", LIMIT, |agent| agent.metrics()["store"]["rows"] == rows);
        assert_eq!(recent(&agent), newest, "{program}");
        let answer = agent.call("POST", "/v1/lookup", Some(&key), Some(&json!({"ip": "8.8.8.8"})));
        assert_eq!(answer.expect("an answer").json()["geo"]["country"], "US", "{program}");
        agent.stop();
    }
}

#[test]
fn a_ring_of_this_machine_opens_on_arm_and_goes_on() {
    let here = run(&Program::native(), &words(&["meter"], &office()));
    let rows = here.records().len() as u64;
    for program in Program::arm() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data_dir = folder.path().join("data");
        replayed(&Program::native(), &data_dir, rows).stop();
        replayed(&program, &data_dir, 2 * rows).stop();
        assert_eq!(ring::read(&data_dir, |_| ()).rows, 2 * rows, "{program}");
    }
}
