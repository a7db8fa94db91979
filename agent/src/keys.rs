//! API keys at start: from the environment, from the service manager, from the data directory, else made.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tracing::{info, warn};
use weir_web::{Keys, Scopes};

use crate::config::files::{self, Kind};
use crate::error::RunError;
use crate::start::atomic;

/// Name of the file in the data directory that holds the first key.
pub const KEY_FILE: &str = "admin.key";
/// Where a key file with something else in it is kept.
pub const DAMAGED_KEY_FILE: &str = "admin.key.damaged";
/// Variables that hold a key with all rights; the plural a list with commas.
const VARIABLES: [&str; 3] = ["API_KEY", "API_KEYS", "ADMIN_API_KEY"];
/// The directory of a service's credentials (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// Credentials that hold keys with all rights, each on a line of its own or with commas between them.
const CREDENTIALS: [&str; 2] = ["weir.admin_api_key", "weir.api_keys"];
/// Longest credential: a hundred of the longest keys.
const MAX_CREDENTIAL: usize = 64 << 10;
/// Longest key file: the longest key and a line's end.
const MAX_KEY_FILE: usize = 514;

/// A credential that was handed over.
#[derive(Clone)]
pub struct Credential {
    /// Its file.
    pub file: PathBuf,
    /// Its text, or why it cannot be read.
    pub text: Result<String, String>,
}

/// Never shows the secret.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The credentials in the directory that `environment` names; those that are not there are left out.
#[must_use]
pub fn credentials(environment: &[(String, String)]) -> Vec<Credential> {
    let dir = environment.iter().find(|(name, value)| name == CREDENTIALS_VARIABLE && !value.is_empty());
    let Some((_, dir)) = dir else { return Vec::new() };
    let read = |name: &&str| {
        let file = Path::new(dir).join(name);
        let text = match files::read(&file, Kind::Regular, MAX_CREDENTIAL) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(files::advice(&error)),
            Ok(text) if text.len() > MAX_CREDENTIAL => {
                Err(format!("it is longer than {MAX_CREDENTIAL} bytes; a key has at most 512"))
            }
            Ok(text) => Ok(text),
        };
        Some(Credential { file, text })
    };
    CREDENTIALS.iter().filter_map(read).collect()
}

/// The keys that were found, and what is wrong with others.
pub struct Found {
    /// The keys that the API accepts.
    pub keys: Keys,
    /// Where the admin key is, or would be.
    pub file: PathBuf,
    /// What is wrong; the other keys hold all the same.
    pub faults: Vec<RunError>,
}

/// The keys that the API accepts. The first start without one makes an admin key, writes it to [`KEY_FILE`] in `make_in`
/// and says so once. A key file in `data_dir` that holds no key is set aside when `repair`, and a new one is made.
#[must_use]
pub fn load(
    data_dir: &Path,
    make_in: &Path,
    environment: &[(String, String)],
    credentials: &[Credential],
    repair: bool,
) -> Found {
    let mut found = Found { keys: Keys::new(), file: data_dir.join(KEY_FILE), faults: Vec::new() };
    for (variable, value) in environment.iter().filter(|(variable, _)| VARIABLES.contains(&variable.as_str()))
    {
        found.add_all(variable, value);
    }
    for credential in credentials {
        let file = credential.file.to_string_lossy();
        match &credential.text {
            Ok(text) => found.add_all(&file, text),
            Err(why) => found.faults.push(RunError::NoPermission(format!("cannot read {file}: {why}"))),
        }
    }
    let given = !found.keys.is_empty();
    if let Err(fault) = found.read_file(repair) {
        found.faults.push(fault);
    }
    if found.keys.is_empty() && !given && (found.faults.is_empty() || repair) {
        found.make(make_in);
    }
    found
}

impl Found {
    fn add_all(&mut self, from: &str, text: &str) {
        for key in text.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty()) {
            if let Err(error) = self.keys.add(key, Scopes::ADMIN) {
                self.faults.push(RunError::Config(format!("{from}: {error}")));
            }
        }
    }

    fn read_file(&mut self, repair: bool) -> Result<(), RunError> {
        let path = &self.file;
        let error = match atomic::read(path, MAX_KEY_FILE) {
            Ok(text) => match self.keys.add(text.trim(), Scopes::ADMIN) {
                Ok(()) => return Ok(()),
                Err(error) => error.to_string(),
            },
            Err(error) if error.kind() == io::ErrorKind::InvalidData => error.to_string(),
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => {
                return Err(RunError::NoPermission(format!(
                    "cannot read {}: {error}; give its owner's rights",
                    path.display()
                )));
            }
        };
        let aside = path.with_file_name(DAMAGED_KEY_FILE);
        if repair && fs::rename(path, &aside).is_ok() {
            warn!("{}: {error}; it is kept as {}, a new key is made", path.display(), aside.display());
            return Ok(());
        }
        Err(RunError::Config(format!("{}: {error}; remove the file and a new key is made", path.display())))
    }

    fn make(&mut self, dir: &Path) {
        self.file = dir.join(KEY_FILE);
        let made = Keys::generate().map_err(RunError::from).and_then(|key| {
            keep(&self.file, &key)?;
            self.keys.add(&key, Scopes::ADMIN).map_err(RunError::from)
        });
        self.faults.extend(made.err());
    }
}

/// Nothing is there, or nothing can be: the path leads through a file.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn keep(path: &Path, key: &str) -> Result<(), RunError> {
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
            return Err(RunError::CannotCreate(format!(
                "cannot write {}: {error}; give a data directory that can be written",
                path.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{DAMAGED_KEY_FILE, Found, KEY_FILE, MAX_CREDENTIAL, credentials, load};

    fn strict(dir: &Path, environment: &[(&str, &str)]) -> Found {
        let environment: Vec<_> = environment.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        load(dir, dir, &environment, &credentials(&environment), false)
    }

    fn fault(found: &Found) -> String {
        found.faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_first_start_makes_a_key_that_only_its_owner_reads_and_the_second_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(fault(&strict(dir.path(), &[])), "");
        let file = dir.path().join(KEY_FILE);
        let first = fs::read_to_string(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!strict(dir.path(), &[]).keys.is_empty());
        assert_eq!(fs::read_to_string(&file).unwrap(), first);
    }

    #[test]
    fn a_key_from_the_environment_needs_no_file() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!strict(dir.path(), &[("API_KEY", "one")]).keys.is_empty());
        assert!(!dir.path().join(KEY_FILE).exists());
    }

    #[test]
    fn a_broken_key_is_told_with_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(KEY_FILE), "two words\n").unwrap();
        let told = fault(&strict(dir.path(), &[]));
        assert!(told.contains(KEY_FILE) && told.contains("remove the file"), "{told}");
        let told = fault(&strict(dir.path(), &[("API_KEYS", "a b")]));
        assert!(told.contains("API_KEYS"), "{told}");
    }

    #[test]
    fn a_broken_key_file_is_set_aside_where_the_start_must_not_fail() {
        for broken in ["two words\n".to_owned(), String::new(), "x".repeat(5_000)] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(KEY_FILE), &broken).unwrap();
            let found = load(dir.path(), dir.path(), &[], &[], true);
            assert_eq!(fault(&found), "");
            assert!(!found.keys.is_empty());
            assert_eq!(fs::read_to_string(dir.path().join(DAMAGED_KEY_FILE)).unwrap(), broken);
            assert!(fs::read_to_string(dir.path().join(KEY_FILE)).unwrap().starts_with("ta_"));
        }
    }

    #[test]
    fn credentials_hold_keys_on_lines_or_with_commas() {
        let (dir, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(secrets.path().join("weir.admin_api_key"), "one\n").unwrap();
        fs::write(secrets.path().join("weir.api_keys"), "two, three\r\nfour\n\n").unwrap();
        let environment = [("CREDENTIALS_DIRECTORY", secrets.path().to_str().unwrap())];
        let found = strict(dir.path(), &environment);
        assert_eq!((fault(&found).as_str(), found.keys.len()), ("", 4));
        assert!(!dir.path().join(KEY_FILE).exists());
    }

    #[test]
    fn a_credential_that_cannot_be_used_is_named_and_its_text_is_not() {
        let (dir, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let environment = [("CREDENTIALS_DIRECTORY", secrets.path().to_str().unwrap())];
        let file = secrets.path().join("weir.api_keys");
        for bad in ["hunter2 and more".to_owned(), "hunter2".repeat(MAX_CREDENTIAL)] {
            fs::write(&file, bad).unwrap();
            let told = fault(&strict(dir.path(), &environment));
            assert!(told.contains("weir.api_keys") && !told.contains("hunter2"), "{told}");
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(fault(&strict(dir.path(), &environment)).contains("a directory"));
        assert!(!format!("{:?}", credentials(&[])).contains("hunter2"));
    }
}
