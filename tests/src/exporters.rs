//! Exporters and a collector that others made, as Debian packages them: softflowd, pmacct, nfdump.
//!
//! They read a capture file and export to an address. What they export is known from their own words (softflowd), or from
//! nfcapd, which gets the same datagrams.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest time that one of them takes.
const LIMIT: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(20);

/// Sums over what was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Flow records.
    pub records: u64,
    /// Packets of all records.
    pub packets: u64,
    /// IP octets of all records.
    pub octets: u64,
}

/// True when all of `programs` are installed; else says that the test is skipped.
#[must_use]
pub fn are_installed(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| find(program).is_none()).collect();
    if !missing.is_empty() {
        crate::skip(&format!("no {}: apt-get install softflowd pmacct nfdump", missing.join(", ")));
    }
    missing.is_empty()
}

/// Where a program is; Debian has some where only root looks.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    places.find_map(|place| Some(place.join(program)).filter(|path| path.is_file()))
}

fn program(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| panic!("no {name}: are_installed was not asked")))
}

/// A little-endian capture of microseconds with its times moved so that the last packet is a second ago, and the
/// milliseconds of its first and last packet: exporters count their uptime from their own start, and collectors
/// take what is long past for a clock that is wrong.
///
/// # Panics
/// Where it is no such capture.
#[must_use]
pub fn recent(mut capture: Vec<u8>) -> (Vec<u8>, [u64; 2]) {
    const FILE_HEADER: usize = 24;
    const FRAME_HEADER: usize = 16;
    assert_eq!(capture.get(..4), Some(&0xa1b2_c3d4_u32.to_le_bytes()[..]), "not such a pcap file");
    let word = |capture: &[u8], at: usize| {
        u32::from_le_bytes(capture[at..at + 4].try_into().expect("four octets were asked for"))
    };
    let mut frames = Vec::new();
    let mut at = FILE_HEADER;
    while at + FRAME_HEADER <= capture.len() {
        frames.push(at);
        at += FRAME_HEADER + usize::try_from(word(&capture, at + 8)).expect("a length");
    }
    let seconds = frames.iter().map(|&frame| word(&capture, frame));
    let (first, last) = (seconds.clone().min(), seconds.max());
    let moved = crate::clock::seconds() - 1 - last.expect("a capture has frames");
    let millis = |second: Option<u32>| u64::from(second.expect("a capture has frames") + moved) * 1_000;
    for &frame in &frames {
        let second = word(&capture, frame) + moved;
        capture[frame..frame + 4].copy_from_slice(&second.to_le_bytes());
    }
    (capture, [millis(first), millis(last) + 999])
}

/// Runs softflowd on the capture `file`; `arguments` name the version. Answers what it says it exported.
///
/// # Panics
/// Where it fails, or says something else than totals.
#[must_use]
pub fn softflowd(file: &Path, to: SocketAddr, arguments: &str) -> Totals {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = program("softflowd");
    command.args(["-d", "-c", "none", "-m", "1000000", "-n", &to.to_string(), "-p"]);
    command.arg(folder.path().join("pid")).arg("-r").arg(file).args(arguments.split_whitespace());
    let said = finished(command);
    let exported = said.lines().find_map(|line| line.strip_prefix("Flows exported: "));
    let exported = exported.unwrap_or_else(|| panic!("softflowd tells no totals: {said}"));
    assert!(exported.contains("(0 failures)"), "softflowd: {exported}");
    let records = exported.split_once('(').and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    let mut totals = Totals { records: records.expect("a number of records"), ..Totals::default() };
    // One line for each protocol: its name and number, octets, packets, and two times.
    for line in said.lines().skip_while(|line| !line.starts_with("Per-protocol statistics")).skip(1) {
        let Some((_, columns)) = line.split_once("):") else { break };
        let mut columns = columns.split_whitespace().map(|column| column.parse::<u64>().ok());
        totals.octets += columns.next().flatten().expect("octets of a protocol");
        totals.packets += columns.next().flatten().expect("packets of a protocol");
    }
    totals
}

/// Runs pmacct's nfprobe plugin on the capture `file`.
///
/// # Panics
/// Where it fails.
pub fn nfprobe(file: &Path, to: SocketAddr, version: u8) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("pmacctd.conf");
    let text = format!(
        "daemonize: false\nplugins: nfprobe[p]\nnfprobe_receiver[p]: {to}\nnfprobe_version[p]: {version}\n\
         pcap_savefile: {}\naggregate[p]: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags\n",
        file.display()
    );
    fs::write(&config, text).expect("room in the temporary folder");
    let mut command = program("pmacctd");
    command.arg("-f").arg(&config);
    let (status, said) = ended(&mut command);
    // At the end of a file the plugin exports what it has and ends; a core that notices before it ends itself calls that
    // a failure.
    let is_done = said.contains("Shutting down on user request") && said.contains("no more plugins active");
    assert!(status.success() || is_done, "{command:?} ended with {status}: {said}");
    assert!(!said.contains("ERROR"), "{said}");
}

/// The flows of the capture `file` as nfpcapd writes them into files in `folder`, of which the first is answered.
///
/// # Panics
/// Where it fails.
#[must_use]
pub fn nfpcapd(file: &Path, folder: &Path) -> PathBuf {
    let mut command = program("nfpcapd");
    command.arg("-r").arg(file).arg("-w").arg(folder).args(["-t", "86400"]);
    let said = finished(command);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("it was written").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("nfcapd.")));
    files.sort();
    files.first().unwrap_or_else(|| panic!("nfpcapd wrote no flows: {said}")).clone()
}

/// Sends the capture's flows in nfdump's own protocol, version 240, which nobody else reads.
///
/// # Panics
/// Where nfpcapd fails.
pub fn nfpcapd_sends(file: &Path, to: SocketAddr) {
    let mut command = program("nfpcapd");
    command.arg("-r").arg(file).arg("-H").arg(format!("{}/{}", to.ip(), to.port()));
    let _ = finished(command);
}

/// Exports flows that nfpcapd or nfcapd wrote.
///
/// # Panics
/// Where nfreplay fails.
pub fn nfreplay(flows: &Path, to: SocketAddr, version: u8) {
    let mut command = program("nfreplay");
    command.args(["-H", &to.ip().to_string(), "-p", &to.port().to_string(), "-v", &version.to_string()]);
    command.args(["-d", "200", "-r"]).arg(flows);
    let _ = finished(command);
}

/// Runs a program that has to succeed, and answers what it said.
fn finished(mut command: Command) -> String {
    let (status, said) = ended(&mut command);
    assert!(status.success(), "{command:?} ended with {status}: {said}");
    said
}

/// Runs a program to its end; answers how it ended and what it said.
fn ended(command: &mut Command) -> (ExitStatus, String) {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let handle = || log.reopen().expect("a second handle");
    command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(handle()).stderr(handle());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let limit = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("its state is known") {
            break status;
        }
        if Instant::now() > limit {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            panic!("{command:?} took more than {LIMIT:?}");
        }
        std::thread::sleep(STEP);
    };
    (status, fs::read_to_string(log.path()).expect("its words are text"))
}

/// A collector that others made, beside the one under test: nfcapd.
#[derive(Debug)]
pub struct Nfcapd {
    /// Where it listens.
    pub port: SocketAddr,
    folder: tempfile::TempDir,
    child: Child,
}

impl Nfcapd {
    /// Starts it.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start() -> Self {
        let (port, folder) =
            (crate::collecting::free_port(), tempfile::tempdir().expect("a temporary folder"));
        let log = File::create(folder.path().join("log")).expect("room in the temporary folder");
        let flows = folder.path().join("flows");
        fs::create_dir(&flows).expect("room in the temporary folder");
        let mut command = program("nfcapd");
        command.args(["-b", &port.ip().to_string(), "-p", &port.port().to_string(), "-t", "3600"]);
        command.args(["-B", "4000000", "-w"]).arg(flows);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        let child = command.spawn().expect("nfcapd starts");
        let witness = Self { port, folder, child };
        let limit = Instant::now() + LIMIT;
        while !witness.said().contains("Startup") {
            assert!(Instant::now() < limit, "nfcapd does not start: {}", witness.said());
            std::thread::sleep(STEP);
        }
        witness
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it and answers what it has collected.
    ///
    /// # Panics
    /// Where nfdump cannot read it.
    #[must_use]
    pub fn totals(mut self) -> Totals {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process number"));
        kill(pid, Signal::SIGTERM).expect("nfcapd runs");
        self.child.wait().expect("nfcapd ends");
        let mut command = program("nfdump");
        command.arg("-R").arg(self.folder.path().join("flows")).arg("-I");
        let said = finished(command);
        let value = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {said}"))
        };
        Totals { records: value("Flows"), packets: value("Packets"), octets: value("Bytes") }
    }
}

impl Drop for Nfcapd {
    fn drop(&mut self) {
        // It has ended where its totals were asked for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
