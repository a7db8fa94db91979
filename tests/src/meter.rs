//! `weir meter` and the other commands that run to their end.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::program::Program;

/// The program under test.
///
/// `WEIR_BIN` names it; else it is the `weir` that cargo built beside the running test, in
/// `<target>/<profile>/weir` (`tests/run` builds it first; by hand: `cargo build -p weir`).
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("WEIR_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test.parent().expect("it lies in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().expect("below the profile") } else { folder };
    let path = folder.join("weir");
    assert!(
        path.is_file(),
        "no {}: run `cargo build -p weir` in the same profile, or set WEIR_BIN",
        path.display()
    );
    path
}

/// A command that has ended.
#[derive(Debug)]
pub struct Run {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// The records on standard output, one JSON object a line.
    ///
    /// # Panics
    /// Where a line is not JSON.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.stdout).expect("records are UTF-8");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
            .collect()
    }

    /// Sum of an unsigned field over all records.
    #[must_use]
    pub fn sum(&self, field: &str) -> u64 {
        self.records().iter().map(|record| number(record, field)).sum()
    }

    /// Checks that it neither panicked nor was ended by a signal.
    ///
    /// # Panics
    /// Where it was.
    pub fn assert_orderly(&self, what: impl std::fmt::Display) {
        assert_eq!(self.signal, None, "{what}: ended by a signal\n{}", self.stderr);
        assert!(!self.stderr.contains("panicked at"), "{what}: {}", self.stderr);
    }
}

/// A field of a record that has to be an unsigned number.
///
/// # Panics
/// Where it is not.
#[must_use]
pub fn number(record: &Value, field: &str) -> u64 {
    record[field].as_u64().unwrap_or_else(|| panic!("{field} is no number in {record}"))
}

/// Runs `weir` with `arguments` to its end, without the variables that would change its settings.
pub fn weir(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
    let mut command = command();
    command.args(arguments);
    finished(&mut command)
}

/// A `weir` command with an empty environment but for the search path and the home.
#[must_use]
pub fn command() -> Command {
    Program::native().command()
}

/// Runs `command` to its end.
///
/// # Panics
/// Where it cannot be started.
pub fn finished(command: &mut Command) -> Run {
    Run::from(command.output().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}")))
}

/// `weir meter --no-enrich FILE`, with settings as variables of the environment.
#[must_use]
pub fn meter(settings: &[(&str, &str)], file: &Path) -> Run {
    let mut command = command();
    command.envs(settings.iter().copied()).args(["meter", "--no-enrich"]).arg(file);
    finished(&mut command)
}

/// Writes `bytes` as `name` into a temporary folder and meters it.
///
/// # Panics
/// Without room for it.
#[must_use]
pub fn meter_bytes(settings: &[(&str, &str)], name: &str, bytes: &[u8]) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).expect("room in the temporary folder");
    meter(settings, &file)
}
