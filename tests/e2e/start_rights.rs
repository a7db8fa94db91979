//! Rights: root's are given up, and capture goes on, also on an interface that comes back.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use weir_tests::agent::{Agent, Options};
use weir_tests::frames::{link, transport};
use weir_tests::meter::{self, number};
use weir_tests::netns::{MONITOR_PORT, SENDING_PORT, Wire};
use weir_tests::ring;
use weir_tests::sender::{Frames, Sender};

const LIMIT: Duration = Duration::from_secs(30);
const SOMEBODY: u32 = 54_321;
/// `CAP_NET_RAW`, number 13, as /proc/<pid>/status writes a set with it alone.
const NET_RAW: &str = "0000000000002000";
const NONE: &str = "0000000000000000";

/// The values that a line of `status` has, over all threads.
fn of_all_threads(agent: &Agent, line: &str) -> BTreeSet<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).expect("the agent runs");
    let value = |path: &Path| {
        let text = fs::read_to_string(path.join("status")).unwrap_or_default();
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
        found.unwrap_or("gone").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    tasks.map(|task| value(&task.expect("a thread").path())).collect()
}

#[track_caller]
fn assert_rights(agent: &Agent, user: u32) {
    let only = |text: &str| BTreeSet::from([text.to_owned()]);
    for line in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(of_all_threads(agent, line), only(NET_RAW), "{line}");
    }
    for line in ["CapInh", "CapAmb"] {
        assert_eq!(of_all_threads(agent, line), only(NONE), "{line}");
    }
    let ids = format!("{user} {user} {user} {user}");
    assert_eq!(of_all_threads(agent, "Uid"), only(&ids));
    assert_eq!(of_all_threads(agent, "Gid"), only(&ids));
    assert_eq!(of_all_threads(agent, "Groups"), only(""));
    assert_eq!(of_all_threads(agent, "NoNewPrivs"), only("1"));
}

fn options<'a>(wire: &'a Wire, data_dir: &Path, config: &str) -> Options<'a> {
    Options {
        netns: Some(&wire.monitor),
        data_dir: Some(data_dir.to_owned()),
        config: Some(config.to_owned()),
        ..Options::arguments(&format!("--interface {MONITOR_PORT}"))
    }
}

fn wait_for_capture(agent: &Agent, state: &str) {
    agent.wait_for(state, LIMIT, |agent| agent.metrics()["capture"]["interfaces"][0]["state"] == state);
}

/// Sends `count` datagrams; each is seen.
fn send(wire: &Wire, agent: &Agent, count: u64) {
    let before = number(&agent.metrics()["capture"], "packets");
    let (a, b) = (SocketAddr::from(([10, 0, 0, 1], 1_000)), SocketAddr::from(([10, 0, 0, 2], 53)));
    let frame = link::ethernet(&transport::udp(a, b, b"question"));
    wire.sender.inside(|| Sender::open(SENDING_PORT).send(&Frames(&[frame]), count, 10_000));
    agent.wait_for("all packets", LIMIT, |agent| {
        number(&agent.metrics()["capture"], "packets") == before + count
    });
}

/// A folder that another user may enter, as /var/lib is.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    folder
}

#[test]
fn root_becomes_the_owner_of_the_data_directory_and_captures_on_an_interface_that_comes_back() {
    if !weir_tests::is_root() {
        return;
    }
    let (wire, folder) = (Wire::new(), open_folder());
    let data_dir = folder.path().join("data");
    fs::create_dir(&data_dir).expect("room");
    chown(&data_dir, Some(SOMEBODY), Some(SOMEBODY)).expect("root may");
    let mut agent = Agent::start(&options(&wire, &data_dir, "[store]\ncommit_seconds = 1\n"));
    wait_for_capture(&agent, "capturing");
    assert_rights(&agent, SOMEBODY);
    send(&wire, &agent, 100);

    wire.monitor.run("ip", ["link", "set", MONITOR_PORT, "down"]);
    wait_for_capture(&agent, "failed");
    wire.monitor.run("ip", ["link", "set", MONITOR_PORT, "up"]);
    wait_for_capture(&agent, "capturing");
    send(&wire, &agent, 100);

    wire.monitor.run("ip", ["link", "del", MONITOR_PORT]);
    wait_for_capture(&agent, "failed");
    wire.join_again();
    wait_for_capture(&agent, "capturing");
    send(&wire, &agent, 100);
    assert_rights(&agent, SOMEBODY);

    let key = fs::metadata(data_dir.join("admin.key")).expect("a key");
    assert_eq!((key.uid(), key.mode() & 0o777), (SOMEBODY, 0o600));
    agent.stop();
    assert_eq!(ring::read(&data_dir, |_| ()).packets, 300);
}

#[test]
fn the_user_that_the_configuration_names_gets_the_data_directory() {
    if !weir_tests::is_root() {
        return;
    }
    let (wire, folder) = (Wire::new(), open_folder());
    let data_dir = folder.path().join("data");
    // As an agent that ran as root left it, with a link and a hard link into what is not the agent's.
    let secret = folder.path().join("secret");
    fs::write(&secret, "not yours").expect("room");
    let mut agent = Agent::start(&options(&wire, &data_dir, ""));
    wait_for_capture(&agent, "capturing");
    assert_rights(&agent, 0);
    agent.stop();
    std::os::unix::fs::symlink(&secret, data_dir.join("link")).expect("room");
    fs::hard_link(&secret, data_dir.join("hard")).expect("room");

    let config = format!("[agent]\nuser = \"{SOMEBODY}\"\n");
    let mut agent = Agent::start(&options(&wire, &data_dir, &config));
    wait_for_capture(&agent, "capturing");
    assert_rights(&agent, SOMEBODY);
    send(&wire, &agent, 10);
    for name in ["", "weir.db", "admin.key", "device.id", "guard"] {
        assert_eq!(fs::metadata(data_dir.join(name)).expect(name).uid(), SOMEBODY, "{name}");
    }
    assert_eq!(fs::metadata(&secret).expect("it is there").uid(), 0, "a link was followed");
    agent.stop();
}

#[test]
fn a_directory_that_is_no_data_directory_is_not_given_away() {
    if !weir_tests::is_root() {
        return;
    }
    let folder = open_folder();
    for number in 0..1_100 {
        fs::write(folder.path().join(number.to_string()), "").expect("room");
    }
    let mut command = meter::command();
    command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    let run = meter::finished(command.env("WEIR_AGENT_USER", SOMEBODY.to_string()));
    assert_eq!(run.code, Some(78), "{}", run.stderr);
    assert!(run.stderr.contains("no data directory"), "{}", run.stderr);
    let owner = |path: &Path| fs::metadata(path).expect("it is there").uid();
    assert_eq!((owner(folder.path()), owner(&folder.path().join("7"))), (0, 0));
}

#[test]
fn a_service_that_starts_as_its_user_keeps_the_one_right_that_it_needs() {
    if !weir_tests::is_root() {
        return;
    }
    let (wire, folder) = (Wire::new(), open_folder());
    let data_dir = folder.path().join("data");
    fs::create_dir(&data_dir).expect("room");
    chown(&data_dir, Some(SOMEBODY), Some(SOMEBODY)).expect("root may");
    let binary = folder.path().join("weir");
    fs::copy(meter::binary(), &binary).expect("room");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).expect("ours");
    let mut command = wire.monitor.command("setpriv");
    let user = SOMEBODY.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    command.args(["--inh-caps", "-all,+net_raw,+net_admin", "--ambient-caps", "-all,+net_raw,+net_admin"]);
    command.arg(&binary).args(["run", "--interface", MONITOR_PORT, "--data-dir"]).arg(&data_dir);
    let mut child = command.current_dir("/").stderr(std::process::Stdio::null()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let limit = std::time::Instant::now() + LIMIT;
    let reads = |line: &str| fs::read_to_string(&status).unwrap_or_default().contains(line);
    while !(data_dir.join("admin.key").exists() && reads(&format!("CapEff:\t{NET_RAW}"))) {
        assert!(std::time::Instant::now() < limit, "{}", fs::read_to_string(&status).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        reads(&format!("CapPrm:\t{NET_RAW}"))
            && reads(&format!("CapAmb:\t{NONE}"))
            && reads("NoNewPrivs:\t1")
    );
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}
