//! A gateway without a clock chip boots in 1970: it says so, keeps what it stores, and goes on when the clock is set.
//!
//! libfaketime shows the agent another wall clock; the monotonic one stays true, as it does when a clock is set.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use weir_tests::agent::{Agent, Options};
use weir_tests::meter::{binary, number};
use weir_tests::ring;

const LIMIT: Duration = Duration::from_secs(20);

/// The library, where it is installed and the program under test can load it.
fn faketime() -> Option<PathBuf> {
    let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = libraries
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file());
    let Some(library) = found else {
        weir_tests::skip("no libfaketime (package faketime)");
        return None;
    };
    let program = fs::read(binary()).expect("it was built");
    let loads = program.windows(9).take(4_096).any(|name| name == b"/ld-linux");
    if !loads {
        weir_tests::skip("a static program cannot load libfaketime");
        return None;
    }
    Some(library)
}

/// An agent whose wall clock is what the file says.
fn agent_at(library: &Path, clock: &Path, data_dir: &Path, before: u64) -> Agent {
    let office = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/assets/office.pcap");
    let mut options = Options::arguments(&format!("--replay {} --speed max --status-line", office.display()));
    options.data_dir = Some(data_dir.to_owned());
    let variables = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", clock),
        ("FAKETIME_NO_CACHE", Path::new("1")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
    ];
    options.environment =
        variables.map(|(name, value)| (name.to_owned(), value.display().to_string())).to_vec();
    let agent = Agent::start(&options);
    agent.wait_for("the end of the capture", LIMIT, |agent| {
        let metrics = agent.metrics();
        let finished = metrics["capture"]["interfaces"][0]["state"] == "finished";
        let processed = number(&metrics, "records_processed");
        let rows = number(&metrics["store"], "rows");
        // The ring is looked at once a second; an earlier run has left `before` rows.
        finished && processed > 0 && rows == before + processed
    });
    agent
}

fn clock_part(agent: &Agent) -> Value {
    let health = agent.call("GET", "/v1/health", None, None).expect("an answer").json();
    let parts = health["parts"].as_array().expect("a list");
    parts.iter().find(|part| part["name"] == "clock").cloned().expect("a part")
}

fn rows(agent: &Agent) -> u64 {
    number(&agent.metrics()["store"], "rows")
}

#[test]
fn flows_stored_in_1970_stay_when_the_clock_is_set_and_the_trouble_ends() {
    let Some(library) = faketime() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (clock, data) = (folder.path().join("clock"), folder.path().join("data"));
    fs::write(&clock, "@1970-01-01 00:01:00\n").expect("room");
    let mut agent = agent_at(&library, &clock, &data, 0);
    let part = clock_part(&agent);
    assert_eq!((&part["status"], &part["code"]), (&"degraded".into(), &"unset".into()));
    let detail = part["detail"].as_str().expect("a reason");
    assert!(detail.starts_with("the clock says 1970-01-01: start times of flows are wrong"), "{detail}");
    assert_eq!(agent.metrics()["clock"]["state"], "unset");
    assert_eq!(agent.metrics()["clock"]["retention_by_age"], false);
    agent.wait_for("a status line", LIMIT, |agent| agent.log().contains("state=degraded"));
    assert!(
        agent.log().contains("; clock: the clock says 1970-01-01") && agent.log().contains(" clock=unset "),
        "{}",
        agent.log()
    );
    let stored = rows(&agent);
    // The clock is set while the agent runs.
    fs::write(&clock, "+0\n").expect("room");
    agent.wait_for("the end of the trouble", LIMIT, |agent| clock_part(agent)["status"] == "ok");
    agent.wait_for("another status line", LIMIT, |agent| agent.log().contains(" state=ok "));
    assert!(agent.metrics()["clock"]["state"] != "unset");
    // The store looks at the age of its rows each second.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(rows(&agent), stored);
    agent.stop();
    // Rows of today come after those of 1970, in the order in which they were stored.
    let mut agent = agent_at(&library, &clock, &data, stored);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(rows(&agent), 2 * stored);
    agent.stop();
    let records = ring::records(&data);
    let times: Vec<_> =
        records.iter().map(|record| record["processed_at"].as_str().expect("a time")).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times[0].starts_with("1970-01-01") && !times[times.len() - 1].starts_with("1970"), "{times:?}");
}
