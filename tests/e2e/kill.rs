//! Power cuts: killed during load, ten times, the ring opens each time and holds whole transactions only.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use weir_tests::agent::{Agent, Options};
use weir_tests::frames::{link, transport};
use weir_tests::pcap::Capture;
use weir_tests::random::Random;
use weir_tests::ring;

const KILLS: u32 = 10;
/// Flows of one packet, so that each makes a record: more than an agent stores before it is killed.
const FLOWS: u32 = 150_000;
/// Times the recorded pace of 500 flows a second.
const SPEED: u32 = 30;
/// Small commits, so that many fall into the time before a kill.
const CONFIG: &str = "[flow]\nidle_seconds = 1\n[store]\ncommit_records = 256\n";

fn load() -> Capture {
    let mut capture = Capture::new(link::ETHERNET);
    let to = SocketAddr::from(([198, 18, 0, 1], 53));
    for flow in 0..FLOWS {
        let [_, a, b, c] = flow.to_be_bytes();
        let from = SocketAddr::from(([10, a, b, c], 4_000));
        capture.push(u64::from(flow) * 2_000, link::ethernet(&transport::udp(from, to, b"x")));
    }
    capture
}

#[test]
fn killed_ten_times_during_load_the_ring_stays_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, data_dir) = (folder.path().join("load.pcap"), folder.path().join("data"));
    load().write(&file);
    let mut options = Options::arguments(&format!("--replay {} --speed {SPEED}", file.display()));
    options.config = Some(CONFIG.to_owned());
    options.data_dir = Some(data_dir.clone());
    let mut random = Random::new(u64::from(std::process::id()));
    let mut kept = 0;
    for round in 1..=KILLS {
        let mut agent = Agent::start(&options);
        let before = kept;
        agent.wait_for("a first commit", Duration::from_secs(20), |agent| {
            agent.metrics()["store"]["rows"].as_u64() > Some(before)
        });
        std::thread::sleep(Duration::from_millis(random.below(300)));
        assert_eq!(agent.metrics()["capture"]["interfaces"][0]["state"], "replaying", "the load is over");
        agent.signal(Signal::SIGKILL);
        agent.wait();
        let rows = ring::assert_sound(&data_dir);
        assert!(rows >= before, "kill {round}: {before} rows became {rows}");
        kept = rows;
    }
    let sums = ring::read(&data_dir, |_| ());
    println!("{kept} rows kept over {KILLS} kills");
    assert_eq!((sums.rows, sums.packets), (kept, kept), "each record is of one packet");
}
