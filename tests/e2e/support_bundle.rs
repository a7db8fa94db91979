//! `weir support-bundle`: what support needs is in it, and no secret is, in no encoding.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;
use weir_tests::agent::{Agent, Options};
use weir_tests::meter::{command, finished};

const LIMIT: Duration = Duration::from_secs(20);
const VARIABLE: &str = "variable+secret/4711=";
const CREDENTIAL: &str = "credential-secret-4712";
const CONFIGURED: &str = "configured-secret-4713";
const IN_URL: &str = "url-secret-4714";
const OF_THE_AGENT: &str = "agents-own-variable-4715";

/// The bundle, unpacked, as one text and by file.
struct Unpacked {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Unpacked {
    fn new(bundle: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let status = Command::new("tar").arg("-xzf").arg(bundle).arg("-C").arg(folder.path()).status();
        assert!(status.expect("tar is there").success());
        let roots: Vec<_> = fs::read_dir(folder.path()).expect("it is there").flatten().collect();
        assert_eq!(roots.len(), 1, "one folder in the archive");
        Self { root: roots[0].path(), _folder: folder }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn json(&self, name: &str) -> Value {
        let text = self.read(name);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e} in {text}"))
    }

    /// Every file with its text.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let (mut folders, mut files) = (vec![self.root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("it is there").flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    files.push((entry.path(), fs::read_to_string(entry.path()).expect("text")));
                }
            }
        }
        files
    }
}

/// How a secret may be written.
fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    // The characters of the base64 of a longer text that this secret alone decides.
    let within = |before: &str| {
        let whole = STANDARD_NO_PAD.encode(format!("{before}{secret}"));
        let (first, end) = ((before.len() * 8).div_ceil(6), (before.len() + secret.len()) * 8 / 6);
        whole[first..end].to_owned()
    };
    vec![
        secret.to_owned(),
        hex.to_uppercase(),
        hex,
        percent,
        secret.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        within("user:"),
        within("user1:"),
        within("user12:"),
    ]
}

/// Paths whose names have the secrets in every encoding: names of lists are in configuration, metrics and self-test.
fn telltale_lists() -> String {
    let forms = [VARIABLE, CREDENTIAL].into_iter().flat_map(forms);
    forms.map(|form| format!("{:?}, ", format!("/nonexistent/{form}/list"))).collect()
}

/// A journal whose lines hold secrets, in front of the real one; answers the search path.
fn telltale_journal(folder: &Path) -> String {
    let programs = folder.join("programs");
    fs::create_dir(&programs).expect("room");
    let script =
        format!("#!/bin/sh\necho 'weir starts with {VARIABLE}'\necho 'Authorization: Bearer {IN_URL}'\n");
    let journalctl = programs.join("journalctl");
    fs::write(&journalctl, script).expect("room");
    fs::set_permissions(&journalctl, fs::Permissions::from_mode(0o755)).expect("it is ours");
    format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default())
}

/// An agent with secrets in its configuration, its environment and its data directory, and a bundle made beside it.
fn bundle_of_a_busy_agent(folder: &Path) -> Unpacked {
    let credentials = folder.join("credentials");
    fs::create_dir(&credentials).expect("room");
    fs::write(credentials.join("weir.api_keys"), format!("{CREDENTIAL}\n")).expect("room");
    let config = folder.join("weir.toml");
    let lists = telltale_lists();
    let text = format!(
        "[capture]\nenabled = false\n[web]\nhosts = [\"gateway.example\"]\n\
         [ti]\nlists = [{lists}\"https://user:{IN_URL}@lists.example/x\"]\n"
    );
    fs::write(&config, &text).expect("room");
    let mut agent = Agent::start(&Options {
        config: Some(text),
        environment: vec![("ADMIN_API_KEY".to_owned(), OF_THE_AGENT.to_owned())],
        data_dir: Some(folder.join("data")),
        ..Options::default()
    });
    // With a key from outside none is made: this one is that of an earlier start.
    fs::write(agent.data_dir.join("admin.key"), format!("{OF_THE_AGENT}\n")).expect("room");
    agent.wait_for("figures", LIMIT, |agent| agent.metrics()["store"]["status"] == "ok");
    let output = folder.join("bundle.tar.gz");
    let mut weir = command();
    weir.env("API_KEY", VARIABLE).env("CREDENTIALS_DIRECTORY", &credentials);
    weir.env("PATH", telltale_journal(folder));
    weir.args(["support-bundle", "--listen", &agent.address.to_string(), "--config"]).arg(&config);
    weir.arg("--data-dir").arg(&agent.data_dir).arg("--output").arg(&output);
    let run = finished(&mut weir);
    agent.stop();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(fs::metadata(&output).expect("it is there").permissions().mode() & 0o777, 0o600);
    Unpacked::new(&output)
}

#[test]
fn a_bundle_has_the_facts_and_no_secret() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bundle = bundle_of_a_busy_agent(folder.path());
    for (path, text) in bundle.files() {
        for secret in [VARIABLE, CREDENTIAL, IN_URL, OF_THE_AGENT] {
            for form in forms(secret) {
                assert!(!text.contains(&form), "{form} of {secret} is in {}: {text}", path.display());
            }
        }
    }
    let clean = bundle.read("configuration.toml");
    let planted = 2 * forms(VARIABLE).len();
    assert!(clean.matches("[removed]").count() >= planted, "the lists lost their names: {clean}");
    assert!(clean.contains("gateway.example") && clean.contains("retention_days = 7"), "{clean}");
    assert_eq!(bundle.json("health.json")["service"], "telemetry-api");
    assert!(bundle.json("sources.json")["listeners"].is_array());
    let metrics = bundle.json("metrics.json");
    assert_eq!(metrics["store"]["status"], "ok", "asked with the key of the data directory");
    assert!(bundle.json("selftest.json")["checks"].as_array().is_some_and(|checks| checks.len() > 8));
    assert!(bundle.json("ring.json")["schema_version"].as_u64() >= Some(1));
    let journal = bundle.read("journal.txt");
    assert_eq!(journal, "weir starts with [removed]\nAuthorization: [removed]\n");
    let listing = bundle.read("data-directory.txt");
    for word in ["100600", "weir.db", "admin.key"] {
        assert!(listing.contains(word), "no {word} in {listing}");
    }
    let facts = "about.json interfaces.json proc/meminfo proc/net-dev uname os-release sysctl.txt disk-space.txt \
                 errors.txt";
    for name in facts.split_whitespace() {
        assert!(!bundle.read(name).is_empty(), "{name} is empty");
    }
}

#[test]
fn a_value_of_a_secret_key_goes_even_from_a_configuration_with_mistakes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("weir.toml");
    let text = format!(
        "[web]\nsigning_key = \"{CONFIGURED}\"\nlisten = \"{CONFIGURED}\"\n[uplink]\nPassword = [\"{CONFIGURED}\"]\n"
    );
    fs::write(&config, text).expect("room");
    let run = finished(command().current_dir(folder.path()).args([
        "support-bundle",
        "--config",
        "weir.toml",
        "--data-dir",
        "data",
    ]));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let name = String::from_utf8(run.stdout).expect("a name").trim().to_owned();
    assert!(name.starts_with("weir-support-") && name.ends_with("Z.tar.gz"), "{name}");
    let bundle = Unpacked::new(&folder.path().join(&name));
    for (path, text) in bundle.files() {
        assert!(!text.contains(CONFIGURED), "{}: {text}", path.display());
    }
    assert_eq!(bundle.json("configuration-file.json")["web"]["signing_key"], "[removed]");
    let mistakes = bundle.read("configuration-mistakes.txt");
    assert!(mistakes.contains("signing_key") && mistakes.contains("listen"), "{mistakes}");
    let errors = bundle.read("errors.txt");
    assert!(errors.contains("metrics.json") && errors.contains("ring.json"), "nothing runs here: {errors}");
}

#[test]
fn a_bundle_never_overwrites_a_file_and_goes_to_a_pipe() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let taken = folder.path().join("taken");
    fs::write(&taken, "mine").expect("room");
    let bundle = |output: &Path| {
        finished(command().current_dir(folder.path()).arg("support-bundle").arg("--output").arg(output))
    };
    let run = bundle(&taken);
    assert_eq!(run.code, Some(73), "{}", run.stderr);
    assert!(run.stderr.contains("choose another name"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&taken).expect("it is there"), "mine");
    let piped = bundle(Path::new("-"));
    assert_eq!(piped.code, Some(0), "{}", piped.stderr);
    let file = folder.path().join("piped.tar.gz");
    fs::write(&file, &piped.stdout).expect("room");
    assert!(Unpacked::new(&file).read("about.json").contains("version"));
}
