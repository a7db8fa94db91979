//! `weir support-bundle`: facts about the device in one file, without its secrets.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::selftest::Found;
use crate::care::support::Bundle;
use crate::clock::Clock;
use crate::error::RunError;

/// Characters of the host's name in the file's name.
const MAX_HOST: usize = 40;

/// What `weir support-bundle` is asked to do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to write it; `-` is standard output [default: weir-support-<host>-<UTC time>.tar.gz]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Address and port of page and API, where not that of the configuration
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, found: &Found, clock: Clock) -> Result<(), RunError> {
    let now = clock.now();
    let folder = format!("weir-support-{}-{}", host(), compact(&now.to_string()));
    let output = arguments.output.clone().unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.gz")));
    let is_stdout = output.as_os_str() == "-";
    if is_stdout && io::stdout().is_terminal() {
        let what = "the bundle is compressed data: name a file with --output, or redirect standard output";
        return Err(RunError::Usage(what.to_owned()));
    }
    // Opened first: nobody waits half a minute to learn that there is no room for the answer.
    let to: Box<dyn Write> =
        if is_stdout { Box::new(io::stdout().lock()) } else { Box::new(create(&output)?) };
    let bundle =
        Bundle::collect(&found.subject(arguments.listen, Duration::ZERO, clock), found.file.as_deref());
    let written = bundle.write(&folder, now.seconds(), to);
    if let Err(error) = written {
        if !is_stdout {
            // Half a bundle would be taken for a whole one.
            let _ = fs::remove_file(&output);
        }
        return Err(RunError::Io(format!(
            "cannot write {}: {error}; free space and try again",
            output.display()
        )));
    }
    if !is_stdout {
        println!("{}", output.display());
    }
    Ok(())
}

/// A new file that only its owner reads.
fn create(path: &Path) -> Result<fs::File, RunError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AlreadyExists => "it is left as it is; choose another name",
            _ => "choose a directory that may be written",
        };
        RunError::CannotCreate(format!("cannot create {}: {error}; {advice}", path.display()))
    })
}

/// The host's name, with what does not belong into a file's name left out.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = name.trim().chars().filter(fits).take(MAX_HOST).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

/// `2026-11-21T05:54:00.123Z` as `20261121T055400Z`.
fn compact(stamp: &str) -> String {
    let seconds = stamp.split('.').next().unwrap_or_default();
    let digits: String = seconds.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    digits + "Z"
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn the_time_in_the_name_sorts() {
        assert_eq!(compact("2026-11-21T05:54:00.123Z"), "20261121T055400Z");
    }
}
