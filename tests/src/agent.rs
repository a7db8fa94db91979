//! `weir run` under test: started in a data directory of its own, asked over HTTP, stopped by signals.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Answer};
use crate::netns::Netns;
use crate::program::Program;

const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(20);

/// How to start an agent.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// Arguments after `weir run`.
    pub arguments: Vec<String>,
    /// Text of a configuration file.
    pub config: Option<String>,
    /// Data directory; a temporary one without it.
    pub data_dir: Option<PathBuf>,
    /// The program to start; the one for this machine without it.
    pub program: Option<&'a Program>,
    /// Network namespace to run in.
    pub netns: Option<&'a Netns>,
    /// More variables of the environment.
    pub environment: Vec<(String, String)>,
    /// Where its standard output goes; into the log without it.
    pub stdout: Option<File>,
}

impl Options<'_> {
    /// Options with the arguments `words`, split at spaces.
    #[must_use]
    pub fn arguments(words: &str) -> Self {
        Self { arguments: words.split_whitespace().map(str::to_owned).collect(), ..Self::default() }
    }
}

impl Options<'_> {
    /// Whether the agent shall listen for exports: tests run side by side, and the usual ports are there once. A namespace has
    /// ports of its own.
    fn collects(&self) -> bool {
        let is_asked_for = |text: &String| text.contains("[collect]");
        self.netns.is_some()
            || self.config.as_ref().is_some_and(is_asked_for)
            || self.environment.iter().any(|(name, _)| name.starts_with("WEIR_COLLECT_"))
    }
}

/// A running agent; dropping it kills it.
#[derive(Debug)]
pub struct Agent {
    /// Where its page and API are.
    pub address: SocketAddr,
    /// Its data directory.
    pub data_dir: PathBuf,
    child: Child,
    netns: Option<PathBuf>,
    folder: TempDir,
}

impl Agent {
    /// Starts an agent and waits until its API answers.
    ///
    /// # Panics
    /// Where it does not answer in 20 seconds; the message has its log.
    #[must_use]
    pub fn start(options: &Options<'_>) -> Self {
        let mut agent = Self::launch(options);
        let limit = Instant::now() + START_LIMIT;
        loop {
            if agent.call("GET", "/v1/health", None, None).is_ok_and(|answer| answer.status == 200) {
                return agent;
            }
            if let Some(status) = agent.child.try_wait().expect("its state is known") {
                panic!("the agent ended with {status}:\n{}", agent.log());
            }
            assert!(Instant::now() < limit, "no answer at {}:\n{}", agent.address, agent.log());
            std::thread::sleep(STEP);
        }
    }

    /// Starts an agent and does not wait.
    #[must_use]
    pub fn launch(options: &Options<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(options.netns)));
        let data_dir = options.data_dir.clone().unwrap_or_else(|| folder.path().join("data"));
        let plain = options.program.map_or_else(|| Program::native().command(), Program::command);
        let mut command = match options.netns {
            Some(netns) => netns.command(plain.get_program()),
            None => Command::new(plain.get_program()),
        };
        command.args(plain.get_args()).env_clear();
        for (name, value) in plain.get_envs() {
            command.env(name, value.expect("set, not removed"));
        }
        if !options.collects() {
            command.env("WEIR_COLLECT_ENABLED", "false");
        }
        command.envs(options.environment.iter().map(|(name, value)| (name, value)));
        command.arg("run").arg("--data-dir").arg(&data_dir).args(["--listen", &address.to_string()]);
        if let Some(text) = &options.config {
            let path = folder.path().join("weir.toml");
            fs::write(&path, text).expect("room in the temporary folder");
            command.arg("--config").arg(path);
        }
        let log = File::create(folder.path().join("log")).expect("room in the temporary folder");
        command.args(&options.arguments).current_dir(folder.path()).stdin(std::process::Stdio::null());
        let stdout = options.stdout.as_ref().unwrap_or(&log).try_clone().expect("a second handle");
        command.stdout(stdout).stderr(log);
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let netns = options.netns.map(|netns| netns.path().to_owned());
        Self { address, data_dir, child, netns, folder }
    }

    /// Process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stdout and stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The configuration file it was started with.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("weir.toml")
    }

    /// The key that the first start made.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn key(&self) -> String {
        admin_key(&self.data_dir)
    }

    /// Sends a request with `key` and returns what was answered.
    ///
    /// # Errors
    /// Connecting, sending or reading failed.
    pub fn call(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> std::io::Result<Answer> {
        match &self.netns {
            Some(netns) => {
                crate::netns::inside(netns, || http::request(self.address, method, path, key, body))
            }
            None => http::request(self.address, method, path, key, body),
        }
    }

    /// A GET with the admin key that has to succeed.
    ///
    /// # Panics
    /// Where it does not.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, Some(&self.key()), None);
        let answer = answer.unwrap_or_else(|e| panic!("GET {path}: {e}\n{}", self.log()));
        assert_eq!(answer.status, 200, "GET {path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    /// `/v1/metrics`.
    #[must_use]
    pub fn metrics(&self) -> Value {
        self.get("/v1/metrics")
    }

    /// Asks every 20 ms until `done` says yes.
    ///
    /// # Panics
    /// After `limit`, with the log.
    pub fn wait_for(&self, what: &str, limit: Duration, mut done: impl FnMut(&Self) -> bool) {
        let limit = Instant::now() + limit;
        while !done(self) {
            assert!(Instant::now() < limit, "{what} did not happen:\n{}", self.log());
            std::thread::sleep(STEP);
        }
    }

    /// Sends a signal to it, and to it alone.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a process number"));
        kill(pid, signal).expect("the agent runs");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it takes more than 20 seconds.
    pub fn wait(&mut self) -> ExitStatus {
        let limit = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("its state is known") {
                return status;
            }
            assert!(Instant::now() < limit, "it did not end in {STOP_LIMIT:?}:\n{}", self.log());
            std::thread::sleep(STEP);
        }
    }

    /// Stops it in an orderly way and checks that it ended well; what it kept stays in `data_dir`.
    ///
    /// # Panics
    /// Where it ended otherwise.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        assert!(status.success(), "SIGTERM ended it with {status}:\n{}", self.log());
    }

    /// A value of `/proc/<pid>/status` in octets, such as `RssAnon`.
    ///
    /// # Panics
    /// Where there is no such line.
    #[must_use]
    pub fn memory(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let text = fs::read_to_string(&path).expect("the agent runs");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or_else(|| panic!("no {name} in {path}")) * 1_024
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already, which is what most tests want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The key in a data directory.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn admin_key(data_dir: &Path) -> String {
    let path = data_dir.join("admin.key");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    text.trim().to_owned()
}

/// A port nobody listens on; a namespace of our own has the usual one free.
fn free_port(netns: Option<&Netns>) -> u16 {
    if netns.is_some() {
        return 8080;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it has an address").port()
}
