//! The command `weir collect`, which reads exports from files, and what its summary says.
//!
//! The agent that collects from sockets is in [`collecting`](crate::collecting).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use crate::meter::{Run, command, finished};

/// `weir collect --no-enrich` with further arguments: options and files.
pub fn collect(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
    let mut command = command();
    command.args(["collect", "--no-enrich"]).args(arguments);
    finished(&mut command)
}

/// Writes every file of `files`, a name and what it holds, into a temporary folder, and collects them in order.
///
/// # Panics
/// Without room for them.
#[must_use]
pub fn collect_bytes(arguments: &[&str], files: &[(&str, &[u8])]) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths = files.iter().map(|(name, bytes)| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("room in the temporary folder");
        path.into_os_string()
    });
    let arguments = arguments.iter().map(Into::into);
    collect(arguments.chain(paths).collect::<Vec<std::ffi::OsString>>())
}

/// The lines that `weir collect` ends with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Export datagrams, or bare messages.
    pub datagrams: u64,
    /// Their octets.
    pub octets: u64,
    /// Flow records.
    pub records: u64,
    /// Options records, and counter samples of sFlow.
    pub options: u64,
    /// Templates known at the end.
    pub templates: u64,
    /// Exporters.
    pub exporters: u64,
    /// All other lines, `<kind>: <count> <what>`: counts by `<kind>: <what>`.
    pub counts: BTreeMap<String, u64>,
}

impl Summary {
    /// Reads the summary of a run.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let mut summary = Self::default();
        let lines: Vec<_> = run.stderr.lines().filter_map(|line| line.strip_prefix("weir: ")).collect();
        let first = lines.iter().find(|line| line.contains(" datagrams, ") && line.contains(" flow records"));
        let first = first.unwrap_or_else(|| panic!("no summary in: {}", run.stderr));
        let numbers: Vec<u64> = first.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [datagrams, octets, records, options, templates, exporters, _files] = numbers[..] else {
            panic!("not seven numbers: {first}");
        };
        for line in lines {
            let Some((kind, rest)) = line.split_once(": ") else { continue };
            let counted = rest.split_once(' ').and_then(|(count, what)| Some((count.parse().ok()?, what)));
            if let Some((count, what)) = counted {
                summary.counts.insert(format!("{kind}: {what}"), count);
            }
        }
        Self { datagrams, octets, records, options, templates, exporters, ..summary }
    }

    /// A count of [`Self::counts`]; 0 when there is no such line.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }
}

/// Checks a run that decoded everything, and gives its summary.
///
/// # Panics
/// Where it did not.
#[track_caller]
#[must_use]
pub fn clean(run: &Run, what: &Path) -> Summary {
    run.assert_orderly(what.display());
    assert_eq!(run.code, Some(0), "{}: {}", what.display(), run.stderr);
    Summary::of(run)
}
