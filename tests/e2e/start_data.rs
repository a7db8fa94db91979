//! The data directory: missing, read-only, full or damaged, the device stays reachable; and a reset leaves nothing.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use weir_tests::agent::{Agent, Options};
use weir_tests::meter;

const KEY: &str = "given-key";
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;

/// An agent in `data_dir`, with a key of its own and a folder for the time that it runs.
fn options(data_dir: &Path, runtime: &Path) -> Options<'static> {
    Options {
        data_dir: Some(data_dir.to_owned()),
        config: Some("[capture]\nenabled = false\n".to_owned()),
        environment: vec![
            ("API_KEY".to_owned(), KEY.to_owned()),
            ("RUNTIME_DIRECTORY".to_owned(), runtime.to_string_lossy().into_owned()),
        ],
        ..Options::arguments("--keep-last-good")
    }
}

fn ask(agent: &Agent, path: &str) -> Value {
    let answer = agent.call("GET", path, Some(KEY), None).expect("an answer");
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// The part `data` of the health.
fn data(agent: &Agent) -> Value {
    let parts = ask(agent, "/v1/health")["parts"].as_array().expect("a list").clone();
    parts.into_iter().find(|part| part["name"] == "data").expect("a part data")
}

/// Starts, finds the agent at work on a ring for this run, and stops it.
#[track_caller]
fn assert_for_this_run(data_dir: &Path, word: &str) {
    let runtime = tempfile::tempdir().expect("a temporary folder");
    let mut agent = Agent::start(&options(data_dir, runtime.path()));
    let part = data(&agent);
    let detail = part["detail"].as_str().unwrap_or_default();
    assert_eq!(part["status"], "failed", "{part}");
    assert!(detail.contains("until the next start only") && detail.contains(word), "{detail}");
    assert!(detail.contains(&data_dir.to_string_lossy().into_owned()), "{detail}");
    assert_eq!(ask(&agent, "/v1/health")["status"], "degraded");
    assert_eq!(ask(&agent, "/v1/metrics")["store"]["status"], "ok");
    assert_eq!(ask(&agent, "/v1/events/recent")["count"], 0);
    assert_eq!(agent.call("GET", "/", None, None).expect("the page").status, 200);
    assert_eq!(fs::read_dir(runtime.path()).expect("a folder").count(), 1);
    agent.stop();
    assert!(agent.log().contains("are gone with it"), "{}", agent.log());
    assert_eq!(fs::read_dir(runtime.path()).expect("a folder").count(), 0, "something stays behind");
}

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).expect("room for a folder");
        mount(&["-t", "tmpfs", "-o", "size=12m", "tmpfs"], at);
        Self(at.to_owned())
    }

    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).expect("an empty file");
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(options: &[&str], at: &Path) {
    let status = Command::new("mount").args(options).arg(at).status();
    assert!(status.expect("mount is there").success(), "root may mount");
}

#[test]
fn a_data_directory_in_memory_is_told() {
    if !weir_tests::is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = SmallDisk::mount(&folder.path().join("data"));
    let mut agent = Agent::start(&options(&disk.0, folder.path()));
    let part = data(&agent);
    assert_eq!(part["status"], "failed", "{part}");
    let detail = part["detail"].as_str().expect("a detail");
    assert!(detail.contains("in memory") && detail.contains("is on tmpfs"), "{detail}");
    // It is small and says so, but it is written.
    assert_ne!(ask(&agent, "/v1/metrics")["store"]["status"], "failed");
    agent.stop();
}

#[test]
fn a_data_directory_that_cannot_be_made_is_replaced_for_the_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, "in the way").expect("room");
    assert_for_this_run(&file.join("data"), "create");
    assert_for_this_run(&file, "create");
}

#[test]
fn a_read_only_data_directory_keeps_name_and_key_and_is_replaced_for_the_run() {
    if !weir_tests::is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = SmallDisk::mount(&folder.path().join("disk"));
    let mut first = options(&disk.0, folder.path());
    first.environment.clear();
    let mut agent = Agent::start(&first);
    let (key, id) = (agent.key(), agent.metrics()["agent"]["device_id"].clone());
    assert!(id.as_str().is_some_and(|id| id.len() == 32), "{id}");
    agent.stop();
    mount(&["-o", "remount,ro"], &disk.0);
    assert_for_this_run(&disk.0, "no permission");
    let mut agent = Agent::start(&first);
    assert_eq!((agent.key(), &agent.metrics()["agent"]["device_id"]), (key, &id));
    agent.stop();
}

#[test]
fn a_full_disk_without_a_ring_is_replaced_for_the_run() {
    if !weir_tests::is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = SmallDisk::mount(&folder.path().join("disk"));
    disk.fill();
    assert_for_this_run(&disk.0, "full");
}

#[test]
fn a_damaged_ring_is_kept_aside_and_a_new_one_is_begun() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    let mut agent = Agent::start(&options(&data_dir, folder.path()));
    agent.stop();
    let ring = data_dir.join("weir.db");
    let mut damaged = fs::read(&ring).expect("a ring");
    damaged[100..4_096].fill(0xa5);
    fs::write(&ring, &damaged).expect("room");
    let mut strict = options(&data_dir, folder.path());
    strict.arguments.clear();
    assert!(!Agent::launch(&strict).wait().success(), "without the option it must not start");

    let mut agent = Agent::start(&options(&data_dir, folder.path()));
    let part = data(&agent);
    assert_eq!(part["status"], "degraded", "{part}");
    assert!(part["detail"].as_str().is_some_and(|detail| detail.contains("weir.db.aside")), "{part}");
    assert_eq!(ask(&agent, "/v1/metrics")["store"]["status"], "ok");
    agent.stop();
    assert_eq!(fs::read(data_dir.join("weir.db.aside")).expect("it is kept"), damaged);
    let mut agent = Agent::start(&options(&data_dir, folder.path()));
    assert_eq!(data(&agent)["status"], "ok");
    agent.stop();
}

#[test]
fn damaged_small_files_are_kept_aside_and_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    fs::create_dir(&data_dir).expect("room");
    fs::write(data_dir.join("device.id"), [0; 33]).expect("room");
    fs::write(data_dir.join("admin.key"), [0; 81]).expect("room");
    let mut first = options(&data_dir, folder.path());
    first.environment.clear();
    let mut agent = Agent::start(&first);
    assert!(agent.metrics()["agent"]["device_id"].is_string());
    for name in ["device.id", "admin.key"] {
        assert!(agent.log().contains(&format!("{name}.damaged")), "{}", agent.log());
    }
    agent.stop();
}

#[test]
fn keys_that_the_service_manager_hands_over_are_let_in() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("weir.admin_api_key"), "from-a-credential\n").expect("room");
    let mut options = options(&folder.path().join("data"), folder.path());
    options.environment =
        vec![("CREDENTIALS_DIRECTORY".to_owned(), folder.path().to_string_lossy().into_owned())];
    let mut agent = Agent::start(&options);
    let status = |key| agent.call("GET", "/v1/metrics", Some(key), None).expect("an answer").status;
    assert_eq!((status("from-a-credential"), status("from-nowhere")), (200, 401));
    assert!(!agent.log().contains("from-a-credential"), "the log has a key");
    assert!(!agent.data_dir.join("admin.key").exists());
    agent.stop();
}

fn reset(data_dir: &Path, more: &[&str]) -> meter::Run {
    let mut command = meter::command();
    meter::finished(command.arg("factory-reset").arg("--data-dir").arg(data_dir).args(more))
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_reset_removes_what_the_agent_made_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    let database = Path::new(env!("CARGO_MANIFEST_DIR")).join("../geo/data/default.mmdb");
    let mut first = options(&data_dir, folder.path());
    first.config = Some(format!("[capture]\nenabled = false\n[geo]\ncity_db = {database:?}\n"));
    first.environment.clear();
    let mut agent = Agent::start(&first);
    let held = reset(&data_dir, &["--yes"]);
    assert_eq!(held.code, Some(UNAVAILABLE), "{}", held.stderr);
    assert!(data_dir.join("admin.key").exists(), "something was removed under a running agent");
    agent.stop();
    let made = names(&data_dir);
    for name in ["admin.key", "device.id", "geo", "guard", "last-good.toml", "lock", "reserve", "weir.db"] {
        assert!(made.iter().any(|made| made == name), "no {name} in {made:?}");
    }
    fs::write(data_dir.join("notes.txt"), "mine").expect("room");
    fs::write(data_dir.join("geo/mine.mmdb"), "mine").expect("room");

    let listed = reset(&data_dir, &[]);
    assert_eq!(listed.code, Some(USAGE));
    let list = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(list.contains("weir.db") && !list.contains("notes.txt"), "{list}");
    assert_eq!(names(&data_dir).len(), made.len() + 1, "a list removed something");

    let done = reset(&data_dir, &["--yes"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(said.contains("notes.txt: not Weir's"), "{said}");
    assert_eq!(
        (names(&data_dir), names(&data_dir.join("geo"))),
        (vec!["geo".to_owned(), "notes.txt".to_owned()], vec!["mine.mmdb".to_owned()])
    );
    assert_eq!(reset(&data_dir, &["--yes"]).code, Some(0), "a second reset has nothing to do");
    let mode = fs::metadata(&data_dir).expect("it stays").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
