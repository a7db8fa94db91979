//! Private copies of databases: what is mapped must not be written to by others.
//!
//! A copy is named after its role and the identity of its source, so that a restart finds it and flash is
//! written once per release of a database.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::file::Source;

/// The copy of `source` in `directory`, made if it is not there; and whether it was.
pub(crate) fn private_copy(
    source: Source<'_>,
    directory: &Path,
    role: &str,
) -> Result<(PathBuf, bool), Error> {
    let copy = directory.join(format!("{role}-{}.mmdb", source.identity.name()));
    let size = source.identity.size;
    if fs::symlink_metadata(&copy).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size) {
        return Ok((copy, true));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| Error::Write { path: directory.to_owned(), source })?;
    source.copy(&copy)?;
    Ok((copy, false))
}

/// Removes all copies of `role` but `keep`, and what is left of unfinished ones.
///
/// A file that cannot be removed costs space and nothing else; a database that is still mapped lives on.
pub(crate) fn tidy(directory: &Path, role: &str, keep: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let prefix = format!("{role}-");
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ours = name.starts_with(&prefix) && (name.ends_with(".mmdb") || name.ends_with(".part"));
        if ours && path != keep {
            let _ = fs::remove_file(&path);
        }
    }
}
