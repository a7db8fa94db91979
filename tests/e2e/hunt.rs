//! Indicators that are new are found in what was stored before them: once each, whatever happens to the agent meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use weir_tests::agent::{Agent, Options};
use weir_tests::ingest::{self, INGEST, Request, assert_accepted, post, rows_of, wait_rows};
use weir_tests::meter::number;

/// Patient with a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// The kernel counts processor time in these (`USER_HZ`, proc(5)).
const TICKS_A_SECOND: f64 = 100.0;
const BATCH: u64 = 2_000;

/// A list, and a data directory that outlives its agents.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(list: &str) -> Self {
        let site = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        site.list(list);
        site
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("bad.txt")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Replaces the list as downloads should.
    fn list(&self, text: &str) {
        let beside = self.folder.path().join("bad.new");
        fs::write(&beside, text).and_then(|()| fs::rename(beside, self.file())).expect("room");
    }

    fn start(&self, more: &str) -> Agent {
        let lists = format!("[ti]\nlists = [{:?}]\nreload_seconds = 1\nallow_private = true\n", self.file());
        let options = ingest::options(&format!("{lists}{more}"));
        Agent::start(&Options { data_dir: Some(self.data()), ..options })
    }
}

/// A flow to `address`; the member `number` tells it from others.
fn flow(number: u64, address: &str) -> Value {
    json!({
        "ts": 1_790_000_000.5, "src_ip": "10.1.2.3", "src_port": 40_000 + number % 20_000, "dst_ip": address,
        "dst_port": 443, "protocol": "tcp", "bytes": 1_200, "packets": 9, "number": number,
    })
}

/// Posts flows for `tenant` and waits until they are in its ring.
fn store(agent: &Agent, tenant: &str, flows: &[Value]) {
    let key = agent.key();
    for batch in flows.chunks(usize::try_from(BATCH).expect("small")) {
        let body = Value::from(batch.to_vec()).to_string();
        let (answer, _) =
            Request::post(INGEST, body).with("X-Tenant-ID", tenant).send_until_taken(agent.address, &key);
        assert_accepted(&answer, batch.len() as u64);
    }
}

/// The newest rows of `tenant`.
fn recent(agent: &Agent, tenant: &str) -> Vec<Value> {
    let request = Request::new("GET", "/v1/events/recent?limit=1000", "").with("X-Tenant-ID", tenant);
    request.send(agent).json()["events"].as_array().cloned().expect("a list")
}

fn sightings(agent: &Agent, tenant: &str) -> Vec<Value> {
    recent(agent, tenant).into_iter().filter(|row| row["kind"] == "sighting").collect()
}

/// How often each event was sighted.
fn sighted(rows: &[Value]) -> BTreeMap<String, usize> {
    let mut sighted = BTreeMap::new();
    for row in rows {
        let id = row["extra"]["sighted_id"].as_str().unwrap_or_else(|| panic!("no original: {row}"));
        *sighted.entry(id.to_owned()).or_default() += 1;
    }
    sighted
}

/// Waits until a hunt for these indicators has ended, and its sightings are stored.
fn wait_hunted(agent: &Agent, indicators: u64) {
    agent.wait_for("a hunt", LIMIT, |agent| {
        let hunt = &agent.metrics()["hunt"];
        hunt["running"] == false && hunt["indicators"] == indicators && !hunt["last_finished_at"].is_null()
    });
    // A commit takes what came in a second.
    std::thread::sleep(Duration::from_millis(1_500));
}

/// Processor seconds of the agent's thread of that name.
fn thread_seconds(agent: &Agent, name: &str) -> f64 {
    let tasks = format!("/proc/{}/task", agent.pid());
    for task in fs::read_dir(tasks).expect("the agent runs").flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim_end() == name {
            let stat = read("stat");
            let fields: Vec<_> = stat.rsplit_once(')').expect("a name in brackets").1.split(' ').collect();
            // Fields 14 and 15, utime and stime; the third follows the bracket.
            let ticks = |field: usize| fields[field - 2].parse::<f64>().expect("a number");
            return (ticks(14) + ticks(15)) / TICKS_A_SECOND;
        }
    }
    panic!("no thread {name}");
}

#[test]
fn a_flow_to_an_address_that_is_listed_later_is_sighted_once_over_kills_and_restarts() {
    let site = Site::new("domain:nothing.example\n");
    let mut agent = site.start("");
    let flows: Vec<_> = (0..20).map(|n| flow(n, &format!("203.0.113.{n}"))).collect();
    store(&agent, "default", &flows);
    wait_rows(&agent, 20);
    let original = recent(&agent, "default").into_iter().find(|row| row["dst_ip"] == "203.0.113.7");
    let original = original.expect("it is stored");
    assert_eq!(original["ti"]["matched"], false);

    // The first hunt was for the one that was there at the start.
    site.list("domain:nothing.example\n203.0.113.7\ndomain:more.example\n");
    wait_hunted(&agent, 2);
    let found = sightings(&agent, "default");
    assert_eq!(found.len(), 1, "{found:#?}");
    let sighting = &found[0];
    assert_eq!(sighting["extra"]["sighted_id"], original["id"]);
    assert_eq!(sighting["extra"]["sighted_processed_at"], original["processed_at"]);
    assert_eq!((&sighting["ts"], &sighting["dst_ip"]), (&original["ts"], &original["dst_ip"]));
    assert_eq!(sighting["ti"]["matches"][0]["indicator"], "203.0.113.7");
    assert_eq!((&sighting["risk_score"], &sighting["bytes"]), (&json!(70), &Value::Null));
    let hunt = agent.metrics()["hunt"].clone();
    assert_eq!((number(&hunt, "sightings"), number(&hunt, "suppressed")), (1, 0), "{hunt}");
    assert_eq!((number(&hunt, "rows_scanned"), number(&hunt, "rows_total")), (20, 20), "{hunt}");
    assert!(agent.log().contains("hunt for new indicators has ended"), "{}", agent.log());

    // New records are matched as they come; their rows are no sightings.
    store(&agent, "default", &[flow(20, "203.0.113.7")]);
    agent.signal(Signal::SIGKILL);
    agent.wait();
    for _ in 0..2 {
        let mut again = site.start("");
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(sightings(&again, "default").len(), 1);
        again.stop();
    }
    let agent = site.start("");
    site.list("domain:nothing.example\n");
    std::thread::sleep(Duration::from_millis(2_500));
    site.list("domain:nothing.example\n203.0.113.7\n203.0.113.8\n");
    wait_hunted(&agent, 2);
    let all = sighted(&sightings(&agent, "default"));
    assert_eq!((all.len(), all.values().max()), (2, Some(&1)), "{all:?}");
}

#[test]
fn sightings_are_stored_in_the_ring_of_their_tenant() {
    let site = Site::new("domain:nothing.example\n");
    let agent = site.start("");
    for tenant in ["branch-a", "branch-b"] {
        let made = post(&agent, "/v1/admin/tenants", &json!({"tenant_id": tenant, "name": "A branch"}));
        assert_eq!(made.status, 201, "{}", made.json());
    }
    store(&agent, "branch-a", &[flow(1, "203.0.113.1"), flow(2, "203.0.113.2")]);
    store(&agent, "branch-b", &[flow(3, "203.0.113.3"), flow(4, "203.0.113.1")]);
    agent.wait_for("all rows", LIMIT, |agent| {
        ["branch-a", "branch-b"].iter().all(|tenant| recent(agent, tenant).len() == 2)
    });
    site.list("203.0.113.1\n203.0.113.3\n");
    wait_hunted(&agent, 2);
    for (tenant, count) in [("branch-a", 1), ("branch-b", 2), ("default", 0)] {
        let found = sightings(&agent, tenant);
        assert_eq!(found.len(), count, "{tenant}: {found:#?}");
        let own: Vec<_> = recent(&agent, tenant).iter().map(|row| row["id"].clone()).collect();
        assert!(found.iter().all(|row| own.contains(&row["extra"]["sighted_id"])), "{tenant}: {found:#?}");
    }
}

/// Waits until the hunt for so many indicators has found something; false where it is over, or was before the last kill.
fn wait_midway(agent: &Agent, indicators: u64) -> bool {
    let limit = Instant::now() + LIMIT / 2;
    while Instant::now() < limit {
        let hunt = &agent.metrics()["hunt"];
        let is_it = number(hunt, "indicators") == indicators;
        if is_it && hunt["running"] == true && number(hunt, "sightings") > 0 {
            return true;
        }
        if is_it && hunt["running"] == false && !hunt["last_finished_at"].is_null() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_hundred_thousand_new_indicators_are_hunted_within_the_budget_and_once_over_kills() {
    /// A program without optimisation takes ten times as long for a row.
    const SLOW: bool = cfg!(debug_assertions);
    const FLOWS: u64 = if SLOW { 12_000 } else { 60_000 };
    /// So little that the hunt lasts: one that took all of a core would be over before it could be killed.
    const PERCENT: u32 = if SLOW { 20 } else { 1 };
    /// Of the flows, one in so many goes to an address that is listed later.
    const LISTED: u64 = 100;
    let site = Site::new("domain:nothing.example\n");
    let mut agent = site.start(&format!("[hunt]\ncpu_percent = {PERCENT}\n"));
    let address = |n: u64| if n.is_multiple_of(LISTED) { "100.64.9.9" } else { "198.51.100.7" };
    let flows: Vec<_> = (0..FLOWS).map(|n| flow(n, address(n))).collect();
    store(&agent, "default", &flows);
    wait_rows(&agent, FLOWS);
    let listed = (0..100_000_u32).map(|n| format!("100.{}.{}.{}\n", 64 + (n >> 16), (n >> 8) & 255, n & 255));
    let mut begun = Instant::now();
    site.list(&listed.collect::<String>());
    let mut kills = 0;
    for _ in 0..3 {
        if !wait_midway(&agent, 100_000) {
            break;
        }
        let used = thread_seconds(&agent, "hunt");
        let share = 100.0 * used / begun.elapsed().as_secs_f64();
        println!("{share:.1} % of a core since it began");
        // It rests after the work, and may be seen between; reading the list is another thread's work.
        assert!(share < 2.5 * f64::from(PERCENT) + 2.0, "{share} %");
        agent.signal(Signal::SIGKILL);
        agent.wait();
        kills += 1;
        begun = Instant::now();
        agent = site.start(&format!("[hunt]\ncpu_percent = {PERCENT}\n"));
    }
    agent.signal(Signal::SIGKILL);
    agent.wait();
    let agent = site.start("[hunt]\ncpu_percent = 100\n");
    let expected = FLOWS / LISTED;
    agent.wait_for("all sightings", LIMIT, |agent| rows_of(agent) >= FLOWS + expected);
    std::thread::sleep(Duration::from_secs(2));
    let all = sighted(&sightings(&agent, "default"));
    println!("{kills} kills, {} originals", all.len());
    assert!(kills > 0, "the hunt was over before it could be killed");
    assert_eq!((all.len() as u64, all.values().max()), (expected, Some(&1)));
    assert_eq!(rows_of(&agent), FLOWS + expected);
}

#[test]
fn without_hunts_a_new_indicator_counts_for_new_records_only() {
    let site = Site::new("domain:nothing.example\n");
    let agent = site.start("[hunt]\nenabled = false\n");
    store(&agent, "default", &[flow(1, "203.0.113.1")]);
    wait_rows(&agent, 1);
    site.list("203.0.113.1\n");
    std::thread::sleep(Duration::from_millis(2_500));
    store(&agent, "default", &[flow(2, "203.0.113.1")]);
    wait_rows(&agent, 2);
    let rows = recent(&agent, "default");
    assert_eq!((&rows[0]["ti"]["matched"], &rows[1]["ti"]["matched"]), (&json!(true), &json!(false)));
    assert!(agent.metrics()["hunt"].is_null());
    assert!(Path::new(&site.data()).is_dir());
}
