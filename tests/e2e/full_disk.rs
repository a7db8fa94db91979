//! A full disk: capture and page go on, the ring says what is wrong, and works again by itself once there is room.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use weir_tests::agent::{Agent, Options};
use weir_tests::frames::{link, transport};
use weir_tests::meter::number;
use weir_tests::netns::{MONITOR_PORT, SENDING_PORT, Wire};
use weir_tests::ring;
use weir_tests::sender::{Frames, Sender};

const LIMIT: Duration = Duration::from_secs(40);
const BURST: u16 = 4_000;

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).expect("room for a folder");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(at).status();
        assert!(status.expect("mount is there").success(), "root may mount");
        Self(at.to_owned())
    }

    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).expect("an empty file");
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Sends flows of one packet each, from addresses that no other burst has.
fn burst(wire: &Wire, number: u8) {
    let frames: Vec<Vec<u8>> = (0..BURST)
        .map(|flow| {
            let [high, low] = flow.to_be_bytes();
            let src = SocketAddr::from(([10, number, high, low], 5_000));
            link::ethernet(&transport::udp(src, SocketAddr::from(([198, 18, 0, 1], 53)), b"x"))
        })
        .collect();
    wire.sender.inside(|| Sender::open(SENDING_PORT).send(&Frames(&frames), BURST.into(), 20_000));
}

fn rows(agent: &Agent) -> u64 {
    number(&agent.metrics()["store"], "rows")
}

fn seen(agent: &Agent) -> u64 {
    number(&agent.metrics()["capture"], "packets")
}

#[test]
fn a_full_disk_stops_neither_capture_nor_page_and_heals() {
    if !weir_tests::is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = SmallDisk::mount(&folder.path().join("disk"));
    let wire = Wire::new();
    let mut options = Options::arguments(&format!("--interface {MONITOR_PORT}"));
    options.netns = Some(&wire.monitor);
    options.data_dir = Some(disk.0.join("data"));
    options.config =
        Some("[flow]\nidle_seconds = 1\n[store]\nreserve_bytes = 0\ncommit_seconds = 1\n".to_owned());
    let mut agent = Agent::start(&options);
    agent.wait_for("capture", LIMIT, |agent| {
        agent.metrics()["capture"]["interfaces"][0]["state"] == "capturing"
    });
    burst(&wire, 1);
    agent.wait_for("the first rows", LIMIT, |agent| rows(agent) >= BURST.into());
    assert_eq!(agent.metrics()["store"]["status"], "ok");

    let filler = disk.fill();
    let mut bursts = 1;
    agent.wait_for("a word about the disk", LIMIT, |agent| {
        bursts += 1;
        burst(&wire, bursts);
        std::thread::sleep(Duration::from_secs(2));
        agent.metrics()["store"]["status"] != "ok"
    });
    assert!(agent.log().to_lowercase().contains("full"), "the log does not say it:\n{}", agent.log());
    agent.wait_for("capture to go on", LIMIT, |agent| seen(agent) == u64::from(bursts) * u64::from(BURST));
    assert_eq!(agent.call("GET", "/", None, None).expect("the page answers").status, 200);
    let events = agent.get("/v1/events/recent?limit=10");
    assert_eq!(events["events"].as_array().map(Vec::len), Some(10), "rows from before are not there");

    fs::remove_file(filler).expect("the filler is ours");
    let before = rows(&agent);
    burst(&wire, bursts + 1);
    agent.wait_for("rows again", LIMIT, |agent| {
        agent.metrics()["store"]["status"] == "ok" && rows(agent) > before
    });
    agent.stop();
    ring::read(&agent.data_dir, |_| ());
}
