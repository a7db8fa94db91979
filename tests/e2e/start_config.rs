//! A start with a configuration that has mistakes: the device stays reachable, and says what is wrong.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_tests::agent::{Agent, Options};
use weir_tests::browser::Browser;
use weir_tests::meter;

const LIMIT: Duration = Duration::from_secs(20);
const GOOD: &str = "[agent]\nsite = \"Branch 17\"\n[capture]\nenabled = false\n";
const CONFIG: i32 = 78;

fn options(data_dir: &Path, config: &str) -> Options<'static> {
    Options {
        data_dir: Some(data_dir.to_owned()),
        config: Some(config.to_owned()),
        ..Options::arguments("--keep-last-good")
    }
}

/// A part of the health.
fn part(agent: &Agent, name: &str) -> Value {
    let health = agent.call("GET", "/v1/health", None, None).expect("an answer").json();
    let parts = health["parts"].as_array().expect("a list").clone();
    parts.into_iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("no part {name}"))
}

#[track_caller]
fn assert_degraded(agent: &Agent, words: &[&str]) {
    let config = part(agent, "config");
    let detail = config["detail"].as_str().unwrap_or_default();
    assert_eq!(config["status"], "degraded", "{config}");
    assert!(words.iter().all(|word| detail.contains(word)), "not all of {words:?} in {detail:?}");
    let health = agent.call("GET", "/v1/health", None, None).expect("an answer").json();
    assert_eq!(health["status"], "degraded");
}

/// Leaves a data directory in which the configuration [`GOOD`] worked last.
fn worked(data_dir: &Path) {
    let mut agent = Agent::start(&options(data_dir, GOOD));
    assert_eq!(part(&agent, "config")["status"], "ok");
    agent.stop();
}

#[test]
fn mistakes_are_told_and_the_last_good_configuration_is_used() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    worked(&data_dir);
    let kept = fs::read_to_string(data_dir.join("last-good.toml")).expect("it is kept");
    let mistakes = "[agent]\nsite = \"Branch 18\"\n[captur]\n[flow]\nidle_seconds = \"x\"\n";
    let mut agent = Agent::start(&options(&data_dir, mistakes));
    assert_eq!(agent.metrics()["agent"]["site"], "Branch 17");
    assert_degraded(&agent, &["mistakes in", "weir.toml", "last good", "weir check"]);
    for said in ["weir.toml:3: captur: unknown section", "weir.toml:5: flow.idle_seconds:"] {
        assert!(agent.log().contains(said), "{said} is not in the log:\n{}", agent.log());
    }
    assert_eq!(fs::read_to_string(data_dir.join("last-good.toml")).expect("still there"), kept);

    fs::write(agent.config_file(), GOOD).expect("room");
    agent.signal(Signal::SIGHUP);
    agent.wait_for("a word about the restart", LIMIT, |agent| {
        part(agent, "config")["detail"].as_str().is_some_and(|detail| detail.contains("restarted"))
    });
    agent.stop();
}

#[test]
fn a_configuration_that_cannot_be_read_or_used_is_replaced_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    worked(&data_dir);
    let mut missing = options(&data_dir, GOOD);
    missing.config = None;
    missing.arguments.extend(["--config".to_owned(), "/no/such/weir.toml".to_owned()]);
    let mut agent = Agent::start(&missing);
    assert_degraded(&agent, &["/no/such/weir.toml", "last good"]);
    assert_eq!(agent.metrics()["agent"]["site"], "Branch 17");
    agent.stop();
    if weir_tests::is_root() {
        let unknown = "[agent]\nuser = \"no-such-user\"\n[capture]\nenabled = false\n";
        let mut agent = Agent::start(&options(&data_dir, unknown));
        assert_degraded(&agent, &["no-such-user", "useradd", "last good"]);
        agent.stop();
    }
}

#[test]
fn without_a_last_good_configuration_the_defaults_are_used() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    let mut broken = options(&data_dir, "[capture\n");
    broken.environment = vec![("WEIR_CAPTURE_ENABLED".to_owned(), "false".to_owned())];
    let mut agent = Agent::start(&broken);
    assert_degraded(&agent, &["built-in defaults are used;"]);
    assert!(!data_dir.join("last-good.toml").exists(), "a fallback was kept as good");
    agent.stop();

    fs::write(data_dir.join("last-good.toml"), "\u{0}\u{0}").expect("room");
    let mut agent = Agent::start(&broken);
    assert_degraded(&agent, &["built-in defaults are used;"]);
    assert!(agent.log().contains("last-good.toml:1:"), "{}", agent.log());
    agent.stop();

    fs::remove_file(data_dir.join("last-good.toml")).expect("it is ours");
    broken.config = Some(GOOD.to_owned());
    broken.environment = vec![("WEIR_FLOW_IDLE_SECONDS".to_owned(), "soon".to_owned())];
    let mut agent = Agent::start(&broken);
    assert_degraded(&agent, &["WEIR_FLOW_IDLE_SECONDS", "without the variables"]);
    agent.stop();
}

#[test]
fn without_the_option_mistakes_end_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    worked(&data_dir);
    let mut refused = options(&data_dir, "[flow]\nidle_seconds = 0\n");
    refused.arguments.clear();
    let mut agent = Agent::launch(&refused);
    assert_eq!(agent.wait().code(), Some(CONFIG), "{}", agent.log());
}

#[test]
fn mistakes_at_a_reload_are_in_the_health_until_a_good_one_which_is_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    let mut agent = Agent::start(&options(&data_dir, GOOD));
    fs::write(agent.config_file(), "[flow]\nidle_seconds = 0\n").expect("room");
    agent.signal(Signal::SIGHUP);
    agent.wait_for("a degraded part", LIMIT, |agent| part(agent, "config")["status"] == "degraded");
    assert_degraded(&agent, &["weir.toml", "stays in use"]);
    fs::write(agent.config_file(), format!("{GOOD}[log]\nlevel = \"debug\"\n")).expect("room");
    agent.signal(Signal::SIGHUP);
    agent.wait_for("a sound part", LIMIT, |agent| part(agent, "config")["status"] == "ok");
    agent.wait_for("the new text", LIMIT, |agent| {
        let kept = fs::read_to_string(agent.data_dir.join("last-good.toml"));
        kept.is_ok_and(|text| text.contains("debug") && text.contains("Branch 17"))
    });
    agent.stop();
}

#[test]
fn the_settings_of_a_site_are_laid_over_and_kept_with_the_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data_dir, site) = (folder.path().join("data"), folder.path().join("site.toml"));
    let config = GOOD.replace("[agent]\n", &format!("[agent]\nsite_files = [\"/no/such/file\", {site:?}]\n"));
    fs::write(&site, "[agent]\nsite = \"Laid over\"\n").expect("room");
    let main = folder.path().join("main.toml");
    fs::write(&main, &config).expect("room");
    let check = meter::weir(["check".as_ref(), main.as_os_str()]);
    let said = String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.code, Some(0), "{}", check.stderr);
    assert!(said.contains("site.toml: ok") && said.contains("/no/such/file: not there"), "{said}");
    let mut agent = Agent::start(&options(&data_dir, &config));
    assert_eq!(agent.metrics()["agent"]["site"], "Laid over");
    agent.stop();

    fs::write(&site, "\n\n[agent]\nsit = 1\n").expect("room");
    let check = meter::weir(["check".as_ref(), main.as_os_str()]);
    assert_eq!(check.code, Some(CONFIG));
    assert!(check.stderr.contains("site.toml:4: agent.sit: unknown key"), "{}", check.stderr);
    let mut agent = Agent::start(&options(&data_dir, &config));
    assert_degraded(&agent, &["mistakes in", "site.toml", "last good"]);
    assert_eq!(agent.metrics()["agent"]["site"], "Laid over");
    agent.stop();
}

#[test]
fn the_page_shows_the_site_and_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().join("data");
    worked(&data_dir);
    let agent = Agent::start(&options(&data_dir, "[capture\n"));
    let Some(mut browser) = Browser::start(1280, 900) else { return };
    browser.open(&format!("http://{}/", agent.address));
    browser.wait_for("document.getElementById('key')?.offsetParent");
    browser.evaluate(&format!("document.getElementById('key').value = {:?}", agent.key()));
    browser.evaluate("document.getElementById('signin-form').requestSubmit()");
    browser.wait_for("document.getElementById('parts-trouble').textContent.includes('last good')");
    browser.wait_for("document.getElementById('site').textContent === 'Branch 17'");
    let id = agent.metrics()["agent"]["device_id"].as_str().expect("an id").to_owned();
    browser.wait_for(&format!("document.getElementById('agent').textContent.includes({id:?})"));
    assert_eq!(browser.errors(), Vec::<String>::new());
}
