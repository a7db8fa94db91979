//! Every secret that this program can know of: nothing of it may leave the device.

use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::care::redact::{Redactor, is_secret};
use crate::keys::KEY_FILE;
use crate::settings;
use crate::uplink;

/// Name of the program, by which its processes are found.
const PROGRAM: &str = "weir";
/// Longest secret: a private key in PEM. A larger file is no secret but data.
const MAX_SECRET_BYTES: u64 = 64 << 10;
/// Where systemd keeps credentials for services, and where it hands them to ours (systemd.exec(5), "Credentials").
const STORES: [&str; 3] = ["/etc/credstore", "/run/credstore", "/usr/lib/credstore"];
const HANDED: &str = "/run/credentials/weir.service";

/// The key that the first start made, where it may be read.
pub(super) fn admin_key(data_dir: &Path) -> Option<String> {
    fs::read_to_string(data_dir.join(KEY_FILE)).ok().map(|key| key.trim().to_owned())
}

/// Teaches the redactor what is secret: keys, secrets of outputs, variables of this process and of the agent that runs,
/// credentials.
pub(super) fn learn(redactor: &mut Redactor, data_dir: &Path) {
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| is_secret(&name.to_string_lossy()));
    for path in files(data_dir).into_iter().filter(named) {
        learn_file(redactor, &path);
    }
    for secret in uplink::secrets(data_dir) {
        redactor.learn(&secret);
    }
    for (name, value) in settings::environment() {
        learn_variable(redactor, &name, &value);
    }
    for environment in environments() {
        let variables = environment.split('\0').filter_map(|variable| variable.split_once('='));
        variables.for_each(|(name, value)| learn_variable(redactor, name, value));
    }
    let ours =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PROGRAM));
    let stored = STORES.iter().flat_map(|dir| files(Path::new(dir))).filter(ours);
    let handed = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let handed = handed.into_iter().chain([PathBuf::from(HANDED)]).flat_map(|dir| files(&dir));
    stored.chain(handed).for_each(|path| learn_file(redactor, &path));
}

fn learn_variable(redactor: &mut Redactor, name: &str, value: &str) {
    // The place of a secret is none.
    if is_secret(name) && !value.starts_with('/') {
        redactor.learn(value);
    }
}

fn learn_file(redactor: &mut Redactor, path: &Path) {
    let mut text = Vec::new();
    // What cannot be read here cannot get into the bundle either.
    let read = fs::File::open(path).and_then(|file| file.take(MAX_SECRET_BYTES).read_to_end(&mut text));
    if read.is_ok() {
        redactor.learn(&String::from_utf8_lossy(&text));
    }
}

/// The files of a directory, without those in directories below it.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

/// Folders in /proc of the agents on this host, without this process.
pub(super) fn agents() -> Vec<PathBuf> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let others = entries.filter(|entry| {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        number.is_some_and(|number| number != own)
    });
    let is_agent =
        |path: &PathBuf| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim_end() == PROGRAM);
    others.map(|entry| entry.path()).filter(is_agent).collect()
}

/// Variables of the agents that run, as far as they may be read.
fn environments() -> Vec<String> {
    let read = |path: PathBuf| fs::read(path.join("environ")).ok();
    agents().into_iter().filter_map(read).map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
}
