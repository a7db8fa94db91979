//! `weir selftest`: what a device lacks is found, named, and told with what to do.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::thread::Builder;
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_tests::agent::{Agent, Options};
use weir_tests::frames::{link, transport};
use weir_tests::meter::{Run, command, finished};
use weir_tests::netns::{MONITOR_PORT, Netns, SENDING_PORT, Wire};
use weir_tests::sender::{Frames, Sender};

const LIMIT: Duration = Duration::from_secs(20);

fn selftest(arguments: &str) -> Run {
    finished(command().arg("selftest").args(arguments.split_whitespace()))
}

fn selftest_in(netns: &Netns, arguments: &str) -> Run {
    let weir = command();
    finished(netns.command(weir.get_program()).arg("selftest").args(arguments.split_whitespace()))
}

fn checks(run: &Run) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}\n{}", String::from_utf8_lossy(&run.stdout), run.stderr));
    assert_eq!(report["ok"], run.code == Some(0), "{report}");
    report["checks"].as_array().expect("a list").clone()
}

fn check(run: &Run, name: &str) -> Value {
    let checks = checks(run);
    checks
        .iter()
        .find(|check| check["name"] == name)
        .cloned()
        .unwrap_or_else(|| panic!("no {name} in {checks:#?}"))
}

#[test]
fn a_configuration_with_mistakes_fails_and_the_other_checks_are_made_all_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("weir.toml");
    fs::write(&file, "[capture]\nsnaplen = 3\n[web]\nlisten = \"0.0.0.0:80\"\n").expect("room");
    let run = selftest(&format!(
        "--config {} --data-dir {} --format json",
        file.display(),
        folder.path().display()
    ));
    assert_eq!(run.code, Some(69), "{}", run.stderr);
    let found = check(&run, "configuration");
    assert_eq!(found["state"], "failed");
    let detail = found["detail"].as_str().expect("a text");
    assert!(detail.contains("snaplen") && detail.contains("listen") && detail.contains(":2:"), "{detail}");
    assert!(found["action"].as_str().expect("a text").contains("weir check"), "{found}");
    assert!(checks(&run).len() >= 9);
    let text =
        finished(command().args(["selftest", "--config"]).arg(&file).arg("--data-dir").arg(folder.path()));
    assert_eq!(text.code, Some(69));
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.starts_with("FAILED  configuration"), "{text}");
}

#[test]
fn the_ring_of_an_agent_that_ran_is_sound_and_a_damaged_one_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let office = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/assets/office.pcap");
    let mut options = Options::arguments(&format!("--replay {} --speed max", office.display()));
    options.data_dir = Some(data.clone());
    let mut agent = Agent::start(&options);
    agent.wait_for("the end of the file", LIMIT, |agent| {
        agent.metrics()["capture"]["interfaces"][0]["state"] == "finished"
    });
    agent.stop();
    let arguments = format!("--data-dir {} --format json", data.display());
    if weir_tests::is_root() {
        let status = Command::new("chown").args(["-R", "nobody"]).arg(&data).status();
        assert!(status.expect("chown is there").success());
    }
    let ring = check(&selftest(&arguments), "ring");
    assert_eq!(ring["state"], "ok", "{ring}");
    assert!(ring["detail"].as_str().expect("a text").ends_with("sound"), "{ring}");
    let owner = |path: &Path| fs::metadata(path).expect("it is there").uid();
    for entry in fs::read_dir(&data).expect("it is there").flatten() {
        let whose = "an agent that runs as another user could not write it any more";
        assert_eq!(owner(&entry.path()), owner(&data), "{}: {whose}", entry.path().display());
    }
    let database = data.join("weir.db");
    let mut bytes = fs::read(&database).expect("it is there");
    bytes[4_096..12_288].fill(0xa5);
    fs::write(&database, bytes).expect("room");
    let run = selftest(&arguments);
    assert_eq!((check(&run, "ring")["state"].as_str(), run.code), (Some("failed"), Some(69)));
}

#[test]
fn a_disk_that_forgets_or_refuses_is_told() {
    if !weir_tests::is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mount = |options: &str| {
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path()).status();
        assert!(status.expect("mount is there").success(), "root may mount");
    };
    let arguments = format!("--data-dir {} --format json", folder.path().display());
    mount("size=8m");
    let disk = check(&selftest(&arguments), "disk");
    mount("ro");
    let refused = selftest(&arguments);
    for _ in 0..2 {
        let _ = Command::new("umount").arg("-l").arg(folder.path()).status();
    }
    assert_eq!(disk["state"], "warn", "{disk}");
    assert!(disk["detail"].as_str().expect("a text").contains("tmpfs"), "{disk}");
    let disk = check(&refused, "disk");
    assert_eq!((disk["state"].as_str(), refused.code), (Some("failed"), Some(69)), "{disk}");
    assert!(disk["action"].as_str().expect("a text").contains("remount"), "{disk}");
}

#[test]
fn a_port_that_is_down_gone_or_silent_is_told_and_one_with_traffic_counted() {
    if !weir_tests::is_root() {
        return;
    }
    let wire = Wire::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("weir.toml");
    fs::write(&file, format!("[capture]\ninterfaces = [\"{MONITOR_PORT}\", \"m9\"]\n")).expect("room");
    let arguments =
        format!("--format json --config {} --data-dir {} --wait", file.display(), folder.path().display());
    let silent = selftest_in(&wire.monitor, &format!("{arguments} 1"));
    assert_eq!(silent.code, Some(69));
    assert_eq!(check(&silent, "interface m9")["state"], "failed");
    assert!(check(&silent, "interface m9")["detail"].as_str().expect("a text").contains(MONITOR_PORT));
    assert_eq!(check(&silent, &format!("interface {MONITOR_PORT}"))["state"], "ok");
    assert_eq!(check(&silent, &format!("capture {MONITOR_PORT}"))["state"], "ok");
    let packets = check(&silent, &format!("packets {MONITOR_PORT}"));
    assert_eq!(packets["state"], "warn");
    assert!(packets["action"].as_str().expect("a text").contains("mirror"), "{packets}");
    fs::write(&file, format!("[capture]\ninterfaces = [\"{MONITOR_PORT}\"]\n")).expect("room");
    let (a, b) = (SocketAddr::from(([10, 0, 0, 1], 1_000)), SocketAddr::from(([10, 0, 0, 2], 2_000)));
    let frame = link::ethernet(&transport::udp(a, b, b"x"));
    let busy = std::thread::scope(|scope| {
        // 1,500 frames in three seconds, of which the test sees those of two.
        scope.spawn(|| wire.sender.inside(|| Sender::open(SENDING_PORT).send(&Frames(&[frame]), 1_500, 500)));
        selftest_in(&wire.monitor, &format!("{arguments} 2"))
    });
    let packets = check(&busy, &format!("packets {MONITOR_PORT}"));
    assert_eq!(packets["state"], "ok", "{packets}");
    let count = packets["detail"].as_str().and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    assert!(count.is_some_and(|count| (100..=1_500).contains(&count)), "{packets}");
    wire.monitor.run("ip", ["link", "set", MONITOR_PORT, "down"]);
    let down =
        check(&selftest_in(&wire.monitor, &format!("{arguments} 0")), &format!("interface {MONITOR_PORT}"));
    assert_eq!(down["state"], "failed");
    assert!(down["action"].as_str().expect("a text").contains("ip link set"), "{down}");
}

#[test]
fn without_the_right_to_capture_the_check_says_which_is_missing() {
    if !weir_tests::is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("weir.toml");
    fs::write(&file, "[capture]\ninterfaces = [\"lo\"]\n").expect("room");
    let weir = command();
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--bounding-set=-net_raw", "--inh-caps=-net_raw", "--"]).arg(weir.get_program());
    setpriv
        .args(["selftest", "--format", "json", "--config"])
        .arg(&file)
        .arg("--data-dir")
        .arg(folder.path());
    let run = finished(&mut setpriv);
    let capture = check(&run, "capture lo");
    assert_eq!((capture["state"].as_str(), run.code), (Some("failed"), Some(69)), "{capture}");
    assert!(capture["detail"].as_str().expect("a text").contains("CAP_NET_RAW"), "{capture}");
}

#[test]
fn an_agent_that_runs_passes_even_without_its_mirror_port() {
    let config = "[capture]\ninterfaces = [\"no-such-port\"]\n".to_owned();
    let mut agent = Agent::start(&Options { config: Some(config), ..Options::default() });
    agent.wait_for("a word about the interface", LIMIT, |agent| {
        agent.metrics()["capture"]["interfaces"][0]["state"] == "failed"
    });
    let listen = agent.address;
    let run = selftest(&format!("--running --listen {listen} --wait 5 --format json"));
    assert_eq!(run.code, Some(0), "{}", String::from_utf8_lossy(&run.stdout));
    assert_eq!(check(&run, "capture")["state"], "warn");
    assert_eq!(check(&run, "store")["state"], "ok");
    assert_eq!(check(&run, "version")["state"], "ok");
    let port = check(&selftest(&format!("--listen {listen} --format json")), "port");
    assert_eq!(port["state"], "ok", "{port}");
    agent.stop();
    let begun = Instant::now();
    let run = selftest(&format!("--running --listen {listen} --wait 2 --format json"));
    assert_eq!(run.code, Some(69));
    assert!(
        (Duration::from_millis(1_400)..Duration::from_secs(8)).contains(&begun.elapsed()),
        "{:?}",
        begun.elapsed()
    );
    assert!(check(&run, "answer")["action"].as_str().expect("a text").contains("systemctl start"));
}

#[test]
fn the_check_waits_for_an_agent_that_is_about_to_start() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = listener.local_addr().expect("it has an address");
    drop(listener);
    let wait = move || selftest(&format!("--running --listen {listen} --wait 20"));
    let waiting = Builder::new().spawn(wait).expect("a thread");
    std::thread::sleep(Duration::from_secs(1));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut weir = command();
    weir.args(["run", "--listen", &listen.to_string(), "--data-dir"]).arg(folder.path().join("data"));
    weir.env("WEIR_CAPTURE_ENABLED", "false").stderr(std::process::Stdio::null());
    let mut agent = weir.spawn().expect("it starts");
    let run = waiting.join().expect("it ends");
    let _ = agent.kill();
    let _ = agent.wait();
    assert_eq!(run.code, Some(0), "{}", String::from_utf8_lossy(&run.stdout));
}

/// An agent of another version, or whose ring cannot be written.
fn impostor(version: &'static str, store: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let serve = move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 1_024];
            let length = stream.read(&mut head).unwrap_or(0);
            let body = if head[..length].starts_with(b"GET /v1/version") {
                format!("{{\"service\":\"telemetry-api\",\"version\":\"{version}\"}}")
            } else {
                format!(
                    "{{\"service\":\"telemetry-api\",\"status\":\"ok\",\"parts\":[{{\"name\":\"store\",\"status\":\"{store}\"}}]}}"
                )
            };
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    };
    Builder::new().spawn(serve).expect("a thread");
    address
}

#[test]
fn another_version_and_a_ring_that_cannot_be_written_fail() {
    let own = String::from_utf8(finished(command().arg("--version")).stdout).expect("text");
    let own: &'static str = own.trim().rsplit(' ').next().expect("a version").to_owned().leak();
    let run = |address| selftest(&format!("--running --listen {address} --wait 0 --format json"));
    assert_eq!(run(impostor(own, "ok")).code, Some(0));
    let other = run(impostor("9.9.9", "ok"));
    assert_eq!((other.code, check(&other, "version")["state"].as_str()), (Some(69), Some("failed")));
    let full = run(impostor(own, "failed"));
    assert_eq!((full.code, check(&full, "store")["state"].as_str()), (Some(69), Some("failed")));
}
