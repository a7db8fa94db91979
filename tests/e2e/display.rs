//! What the agent shows of itself: status line, service manager, lamp.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread::Builder;
use std::time::{Duration, Instant};

use weir_tests::agent::{Agent, Options};

const LIMIT: Duration = Duration::from_secs(20);
const QUIET: &str = "[capture]\nenabled = false\n";

#[test]
fn a_status_line_says_how_the_agent_is_from_its_start() {
    let mut options = Options::arguments("--status-line");
    options.config = Some(QUIET.to_owned());
    let mut agent = Agent::start(&options);
    agent.wait_for("a status line", LIMIT, |agent| agent.log().contains(" state=ok "));
    let log = agent.log();
    let line =
        log.lines().find(|line| line.starts_with("weir 0") && line.contains(" state=")).expect("a line");
    let id = fs::read_to_string(agent.data_dir.join("device.id")).expect("an identity");
    for word in [
        " site=-",
        &format!(" id={} ", &id[..8]),
        &format!(" page=http://{}/", agent.address),
        " flows=0",
        " pps=0",
        " kernel_drops=0",
        " clock=",
    ] {
        assert!(line.contains(word), "no {word:?} in {line}");
    }
    // Numbers alone are no reason for another line.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(agent.log().lines().filter(|line| line.contains(" state=")).count(), 1, "{}", agent.log());
    agent.stop();
}

#[test]
fn without_the_option_standard_output_stays_empty() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let options = Options {
        config: Some(QUIET.to_owned()),
        stdout: Some(File::from(OwnedFd::from(writer))),
        ..Options::default()
    };
    let mut agent = Agent::start(&options);
    std::thread::sleep(Duration::from_millis(1_500));
    agent.stop();
    drop((agent, options));
    let mut said = String::new();
    reader.read_to_string(&mut said).expect("the pipe ends with the agent");
    assert_eq!(said, "");
}

#[test]
fn a_console_that_takes_nothing_holds_neither_the_agent_nor_its_stop_up() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut options = Options::arguments("--status-line");
    options.config = Some(QUIET.to_owned());
    options.stdout = Some(File::from(OwnedFd::from(writer.try_clone().expect("a second handle"))));
    // Stands still in the middle: from here on the pipe is full.
    let fill = move || writer.write_all(&vec![b'.'; 4 << 20]).is_err();
    let filler = Builder::new().spawn(fill).expect("a thread");
    std::thread::sleep(Duration::from_millis(300));
    let mut agent = Agent::start(&options);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(agent.metrics()["store"]["status"], "ok");
    let begun = Instant::now();
    agent.stop();
    assert!(begun.elapsed() < Duration::from_secs(10), "the stop took {:?}", begun.elapsed());
    drop(reader);
    assert!(filler.join().expect("it ends"), "the pipe took everything: it was never full");
}

fn wait_for_value(path: &Path, wanted: &str) {
    let limit = Instant::now() + LIMIT;
    let value =
        || fs::read_to_string(path).expect("it is there").lines().next().unwrap_or_default().to_owned();
    while value() != wanted {
        assert!(Instant::now() < limit, "{} is {:?}, not {wanted:?}", path.display(), value());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_lamp_shows_trouble_and_goes_out_with_the_agent() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["trigger", "brightness", "delay_on", "delay_off"] {
        fs::write(folder.path().join(name), "").expect("room");
    }
    let file = |name: &str| folder.path().join(name);
    let config = |capture: &str| Some(format!("[agent]\nled = {:?}\n[capture]\n{capture}\n", folder.path()));
    let mut agent = Agent::start(&Options { config: config("enabled = false"), ..Options::default() });
    wait_for_value(&file("delay_off"), "0");
    assert_eq!(fs::read_to_string(file("trigger")).expect("it is there"), "timer\n");
    agent.stop();
    wait_for_value(&file("trigger"), "none");
    wait_for_value(&file("brightness"), "0");
    let mut agent =
        Agent::start(&Options { config: config("interfaces = [\"no-such-port\"]"), ..Options::default() });
    wait_for_value(&file("delay_on"), "100");
    wait_for_value(&file("delay_off"), "100");
    agent.stop();
}

#[test]
fn the_service_manager_is_told_the_same_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    manager.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let mut agent = Agent::start(&Options {
        config: Some(QUIET.to_owned()),
        environment: vec![("NOTIFY_SOCKET".to_owned(), socket.display().to_string())],
        ..Options::default()
    });
    let mut buffer = [0; 4_096];
    let status = loop {
        let length = manager.recv(&mut buffer).expect("a status before the time is up");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if let Some(status) = text.strip_prefix("STATUS=") {
            break status.to_owned();
        }
    };
    assert!(status.starts_with("weir 0") && status.contains(" state=ok "), "{status}");
    agent.stop();
}
