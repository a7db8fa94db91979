//! API keys at start: from the environment, from the data directory, else made.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tracing::{info, warn};
use weir_web::{Keys, Scopes};

use crate::error::RunError;

/// Name of the file in the data directory that holds the first key.
pub const KEY_FILE: &str = "admin.key";
/// Variables that hold a key with all rights; the plural a list with commas.
const VARIABLES: [&str; 3] = ["API_KEY", "API_KEYS", "ADMIN_API_KEY"];

/// The keys that the API accepts. The first start without one makes an admin key, writes it to [`KEY_FILE`] and says
/// so once.
///
/// # Errors
/// When the key file cannot be read or written, or a key is none that a header can carry.
pub fn load(data_dir: &Path, environment: &[(String, String)]) -> Result<Keys, RunError> {
    let mut keys = Keys::new();
    let mut given = false;
    for (variable, value) in environment.iter().filter(|(variable, _)| VARIABLES.contains(&variable.as_str()))
    {
        for key in value.split(',').map(str::trim).filter(|key| !key.is_empty()) {
            keys.add(key, Scopes::ADMIN).map_err(|error| RunError::Config(format!("{variable}: {error}")))?;
            given = true;
        }
    }
    let path = data_dir.join(KEY_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => keys.add(text.trim(), Scopes::ADMIN).map_err(|error| {
            RunError::Config(format!("{}: {error}; remove the file and a new key is made", path.display()))
        })?,
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(RunError::NoPermission(format!(
                "cannot read {}: {error}; give its owner's rights",
                path.display()
            )));
        }
        Err(_) if given => {}
        Err(_) => make(&path, &mut keys)?,
    }
    Ok(keys)
}

fn make(path: &Path, keys: &mut Keys) -> Result<(), RunError> {
    let key = Keys::generate()?;
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            file.write_all(key.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
    match written {
        Ok(()) => info!(file = %path.display(), "made an admin key for the page and the API; keep it safe"),
        // A full disk must not keep the page from answering; the next start makes another key.
        Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            // A file without its content would be refused at the next start.
            drop(fs::remove_file(path));
            warn!(
                "the disk is full: no admin key could be kept, the API answers nobody until the next start"
            );
        }
        Err(error) => {
            let what = format!(
                "cannot write {}: {error}; give a data directory that can be written",
                path.display()
            );
            return Err(RunError::CannotCreate(what));
        }
    }
    keys.add(&key, Scopes::ADMIN)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{KEY_FILE, load};

    #[test]
    fn the_first_start_makes_a_key_that_only_its_owner_reads_and_the_second_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path(), &[]).unwrap();
        let file = dir.path().join(KEY_FILE);
        let first = fs::read_to_string(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        load(dir.path(), &[]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), first);
    }

    #[test]
    fn a_key_from_the_environment_needs_no_file() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path(), &[("API_KEY".into(), "one".into())]).unwrap();
        assert!(!dir.path().join(KEY_FILE).exists());
    }

    #[test]
    fn a_broken_key_is_told_with_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(KEY_FILE), "two words\n").unwrap();
        let told = load(dir.path(), &[]).err().unwrap().to_string();
        assert!(told.contains(KEY_FILE) && told.contains("remove the file"), "{told}");
        let told = load(dir.path(), &[("API_KEYS".into(), "a b".into())]).err().unwrap().to_string();
        assert!(told.contains("API_KEYS"), "{told}");
    }
}
