//! What is wrong is said in one clear line, with what, where and what to do, and with the right exit code.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use weir_tests::agent::{Agent, Options};
use weir_tests::frames::{link, transport};
use weir_tests::meter::{self, Run, meter_bytes};
use weir_tests::pcap::{Capture, Order, Precision};
use weir_tests::random::Random;

const USAGE: i32 = 64;
const DATA: i32 = 65;
const NO_INPUT: i32 = 66;
const UNAVAILABLE: i32 = 69;
const CANNOT_CREATE: i32 = 73;
const NO_PERMISSION: i32 = 77;
const CONFIG: i32 = 78;
const NOBODY: u32 = 65_534;

fn three_frames() -> Capture {
    let mut capture = Capture::new(link::ETHERNET);
    for port in 1..=3 {
        let (src, dst) = (([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 53).into());
        capture.push(u64::from(port), link::ethernet(&transport::udp(src, dst, b"question")));
    }
    capture
}

#[track_caller]
fn expect(run: &Run, code: i32, words: &[&str]) {
    run.assert_orderly("weir");
    assert_eq!(run.code, Some(code), "{}", run.stderr);
    let text = run.stderr.to_lowercase();
    let line = text.lines().find(|line| words.iter().all(|word| line.contains(&word.to_lowercase())));
    assert!(line.is_some(), "no line has all of {words:?}:\n{}", run.stderr);
    assert!(line.is_some_and(|line| line.len() < 400), "a long line: {line:?}");
}

#[test]
fn a_missing_file_is_named() {
    expect(
        &meter::meter(&[], Path::new("/no/such/file.pcap")),
        NO_INPUT,
        &["/no/such/file.pcap", "no such file"],
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = meter::meter(&[], folder.path());
    run.assert_orderly("a folder");
    assert!(matches!(run.code, Some(DATA | NO_INPUT)), "{:?}: {}", run.code, run.stderr);
    assert!(run.stderr.contains(folder.path().to_str().expect("UTF-8")));
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    expect(&meter_bytes(&[], "letter.pcap", b"Dear all,\nthis is no capture.\n"), DATA, &["letter.pcap"]);
    expect(&meter_bytes(&[], "nothing.pcap", b""), DATA, &["nothing.pcap"]);
    expect(&meter_bytes(&[], "half.pcap.gz", b"\x1f\x8b\x08\x00\x00\x00"), DATA, &["half.pcap.gz"]);
}

#[test]
fn an_unknown_link_type_is_named() {
    let mut capture = Capture::new(147);
    capture.push(0, vec![0; 64]);
    expect(&meter_bytes(&[], "user.pcap", &capture.bytes()), DATA, &["147", "link type"]);
    let next = capture.pcapng(Order::Little, Precision::Micro);
    expect(&meter_bytes(&[], "user.pcapng", &next), DATA, &["147", "link type"]);
}

#[test]
fn a_cut_file_gives_what_comes_before_the_cut() {
    let capture = three_frames();
    for (name, bytes) in
        [("cut.pcap", capture.bytes()), ("cut.pcapng", capture.pcapng(Order::Big, Precision::Nano))]
    {
        let run = meter_bytes(&[], name, &bytes[..bytes.len() - 20]);
        expect(&run, DATA, &[name]);
        assert_eq!(run.sum("packets"), 2, "{name}");
    }
}

#[test]
fn garbage_frames_are_counted_and_the_others_are_read() {
    let mut capture = three_frames();
    let mut random = Random::new(8);
    for at in 0..500 {
        let length = usize::try_from(random.below(200)).expect("short");
        let mut frame: Vec<u8> = (0..length).map(|_| random.bits().to_le_bytes()[0]).collect();
        if let Some(kind) = frame.get_mut(12..14) {
            // Half of it claims to be IP.
            kind.copy_from_slice(if at % 2 == 0 { &[0x08, 0x00] } else { &[0x86, 0xdd] });
        }
        capture.push(100 + at, frame);
    }
    let run = meter_bytes(&[], "garbage.pcap", &capture.bytes());
    expect(&run, DATA, &["undecodable"]);
    let whole =
        run.records().iter().filter(|record| record["dst_port"] == 53 && record["bytes"] == 36).count();
    assert_eq!(whole, 3, "{}", run.stderr);
}

#[test]
fn any_octet_changed_in_a_capture_ends_in_an_orderly_way() {
    let mut random = Random::new(5);
    let capture = three_frames();
    for bytes in [capture.bytes(), capture.pcapng(Order::Little, Precision::Micro)] {
        for _ in 0..60 {
            let mut bytes = bytes.clone();
            let at = usize::try_from(random.below(bytes.len() as u64)).expect("an index");
            bytes[at] ^= 1 << random.below(8);
            let run = meter_bytes(&[], "changed", &bytes);
            run.assert_orderly(format_args!("octet {at}"));
            assert!(matches!(run.code, Some(0 | DATA)), "octet {at}: {:?} {}", run.code, run.stderr);
        }
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("many.pcap");
    weir_tests::traffic::mixed(6, 20_000, 10_000, 60).capture.write(&file);
    let mut command = meter::command();
    let mut child = command
        .args(["meter", "--no-enrich"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let run = Run::from(child.wait_with_output().expect("it ends"));
    run.assert_orderly("a closed pipe");
    assert!(!run.stderr.to_lowercase().contains("broken pipe"), "{}", run.stderr);
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for words in [&["meter"][..], &["measure", "x"], &["run", "--speed", "fast"], &["meter", "--colour", "x"]]
    {
        let run = meter::weir(words);
        run.assert_orderly(format_args!("{words:?}"));
        assert_eq!(run.code, Some(USAGE), "{words:?}: {}", run.stderr);
    }
    let help = meter::weir(["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("weir run"));
}

#[test]
fn three_mistakes_in_a_configuration_are_told_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("weir.toml");
    fs::write(&file, "[capture]\nsnaplen = 3\n\n[flow]\nidle = 60\nmax_flows = \"many\"\n").expect("room");
    let run = meter::weir(["check".as_ref(), file.as_os_str()]);
    for (line, key) in [(2, "snaplen"), (5, "idle"), (6, "max_flows")] {
        expect(&run, CONFIG, &[&format!("weir.toml:{line}"), key]);
    }
    fs::write(&file, "[capture\n").expect("room");
    expect(&meter::weir(["check".as_ref(), file.as_os_str()]), CONFIG, &["weir.toml:1"]);
    fs::write(&file, "[capture]\nsnaplen = 256\n").expect("room");
    assert_eq!(meter::weir(["check".as_ref(), file.as_os_str()]).code, Some(0));
    expect(&meter::weir(["check", "/no/such/weir.toml"]), NO_INPUT, &["/no/such/weir.toml"]);
}

/// Runs an agent that cannot start to its end.
fn refused(options: &Options<'_>) -> (Option<i32>, String) {
    let mut agent = Agent::launch(options);
    let status = agent.wait();
    (status.code(), agent.log())
}

fn without_capture() -> Options<'static> {
    Options { config: Some("[capture]\nenabled = false\n".to_owned()), ..Options::default() }
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").expect("room");
    let data_dir = file.join("data");
    let (code, log) = refused(&Options { data_dir: Some(data_dir.clone()), ..without_capture() });
    assert_eq!(code, Some(CANNOT_CREATE), "{log}");
    assert!(log.contains(data_dir.to_str().expect("UTF-8")), "{log}");
}

#[test]
fn a_data_directory_without_rights_is_named() {
    if !weir_tests::is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    mode(folder.path(), 0o755);
    let (binary, data_dir) = (folder.path().join("weir"), folder.path().join("closed"));
    fs::copy(meter::binary(), &binary).expect("room");
    mode(&binary, 0o755);
    fs::create_dir(&data_dir).expect("room");
    mode(&data_dir, 0o700);
    let mut command = std::process::Command::new(&binary);
    command.env_clear().uid(NOBODY).gid(NOBODY).current_dir("/");
    command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data_dir);
    let run = meter::finished(&mut command);
    expect(&run, NO_PERMISSION, &[data_dir.to_str().expect("UTF-8")]);
}

#[test]
fn a_port_in_use_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("an address").to_string();
    let mut options = without_capture();
    // The last `--listen` wins over the one that the harness gives.
    options.config = Some(format!("[capture]\nenabled = false\n[web]\nlisten = \"{taken}\"\n"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("weir.toml");
    fs::write(&file, options.config.expect("set above")).expect("room");
    let mut command = meter::command();
    command.arg("run").arg("--config").arg(&file).arg("--data-dir").arg(folder.path().join("data"));
    expect(&meter::finished(&mut command), UNAVAILABLE, &[&taken, "in use"]);
}

#[test]
fn a_second_agent_on_one_data_directory_is_refused() {
    let mut first = Agent::start(&without_capture());
    let data_dir = first.data_dir.clone();
    let (code, log) = refused(&Options { data_dir: Some(data_dir.clone()), ..without_capture() });
    assert_eq!(code, Some(UNAVAILABLE), "{log}");
    assert!(log.contains(data_dir.to_str().expect("UTF-8")), "{log}");
    first.stop();
}

#[test]
fn a_database_that_is_none_is_named_and_the_agent_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = folder.path().join("city.mmdb");
    fs::write(&database, vec![0x42; 100_000]).expect("room");
    let config = format!("[capture]\nenabled = false\n[geo]\ncity_db = {database:?}\n");
    let mut agent = Agent::start(&Options { config: Some(config), ..Options::default() });
    assert!(agent.log().contains("city.mmdb"), "{}", agent.log());
    agent.stop();
}

#[test]
fn a_line_that_is_no_indicator_is_named_and_the_others_hold() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = folder.path().join("bad.txt");
    fs::write(&list, "198.18.5.0/24\nthis is nothing\ndomain:bad.example\n").expect("room");
    let config = format!("[capture]\nenabled = false\n[ti]\nlists = [{list:?}]\n");
    let mut agent = Agent::start(&Options { config: Some(config), ..Options::default() });
    agent.wait_for("a word about the line", Duration::from_secs(5), |agent| {
        agent.log().lines().any(|line| line.contains("bad.txt") && line.contains('2'))
    });
    let body = serde_json::json!({"domain": "www.bad.example"});
    let answer = agent.call("POST", "/v1/lookup", Some(&agent.key()), Some(&body)).expect("an answer");
    assert_eq!(answer.json()["ti"]["matched"], true);
    agent.stop();
}

#[test]
fn an_interface_that_is_not_there_does_not_stop_the_agent() {
    let mut agent = Agent::start(&Options::arguments("--interface nosuch0"));
    agent.wait_for("a word about the interface", Duration::from_secs(5), |agent| {
        agent.log().contains("nosuch0")
    });
    let interfaces = agent.metrics()["capture"]["interfaces"].clone();
    assert_eq!(interfaces[0]["interface"], "nosuch0", "{interfaces}");
    assert_ne!(interfaces[0]["state"], "capturing", "{interfaces}");
    agent.stop();
}
