//! Real captures with known contents, kept outside the project.

use std::path::{Path, PathBuf};

/// The folder of the collection `name`, such as `pcap`; `None` where the machine has no such collection.
///
/// It is looked for below `WEIR_CORPORA`, else below `../shared/corpora` beside the workspace.
///
/// # Panics
/// Where `CI=true` and it is not there.
#[must_use]
pub fn folder(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let folder = std::env::var_os("WEIR_CORPORA").map_or_else(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    crate::skip(&format!("no corpora at {}; set WEIR_CORPORA", folder.display()));
    None
}
