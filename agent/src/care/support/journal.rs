//! The newest lines of the agent's log, from the journal.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread::Builder;
use std::time::Duration;

/// Lines asked for: a day of an agent without trouble, an hour of one with.
const LINES: &str = "2000";
/// Octets taken: two thousand lines of the longest kind.
const MAX_OCTETS: u64 = 4 << 20;
/// A damaged journal can be searched for minutes.
const LIMIT: Duration = Duration::from_secs(15);

/// The newest lines of the unit `weir`.
///
/// # Errors
/// There is no journalctl, it fails, or it is too slow.
pub(super) fn read() -> io::Result<String> {
    let mut command = Command::new("journalctl");
    command.args(["--unit=weir", "--lines", LINES, "--no-pager", "--quiet", "--output=short-iso"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut journal =
        command.spawn().map_err(|error| io::Error::new(error.kind(), format!("journalctl: {error}")))?;
    let read = output(&mut journal);
    // It has said everything, or takes too long.
    let _ = journal.kill();
    let status = journal.wait()?;
    match read? {
        text if !text.is_empty() => Ok(text),
        _ if status.success() => Err(io::Error::other("the journal has no line of the unit weir")),
        _ => Err(io::Error::other(format!("journalctl ended with {status}; run this as root"))),
    }
}

/// What the child writes until it closes its output.
fn output(child: &mut Child) -> io::Result<String> {
    let Some(mut stdout) = child.stdout.take() else { return Ok(String::new()) };
    let (done, wait) = sync_channel(1);
    let read = move || {
        let mut text = Vec::new();
        let read = stdout.by_ref().take(MAX_OCTETS).read_to_end(&mut text);
        // Nobody waits any more when the limit has passed.
        let _ = done.send(read.map(|_| String::from_utf8_lossy(&text).into_owned()));
    };
    Builder::new().name("journal".into()).spawn(read)?;
    let slow = || io::Error::new(io::ErrorKind::TimedOut, "journalctl takes too long");
    wait.recv_timeout(LIMIT).map_err(|_| slow())?
}
