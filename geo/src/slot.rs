//! One database that the configuration names, through its life: opened, replaced, broken, old.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_flow::Timestamp;

use crate::copy::tidy;
use crate::database::Database;
use crate::file::Identity;
use crate::{Error, Notice};

/// An older database is worth a warning: networks change hands, and releases come weekly to monthly.
const MAX_AGE_DAYS: i64 = 180;
const DAY_SECONDS: i64 = 86_400;

/// What a database is configured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    City,
    Asn,
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Asn => "asn",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::City => "geo.city_db",
            Self::Asn => "geo.asn_db",
        }
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::City => "country",
            Self::Asn => "AS number",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::City => "name a City or Country database",
            Self::Asn => "name an ASN database",
        }
    }
}

/// Why the source is not in use as it is now.
struct Problem {
    /// The file that was tried; `None` when there is no file.
    identity: Option<Identity>,
    /// Trying the same file again may help.
    transient: bool,
    text: String,
}

/// A configured path and the database that was last opened from it.
pub(crate) struct Slot {
    pub(crate) role: Role,
    pub(crate) path: PathBuf,
    pub(crate) loaded: Option<Arc<Database>>,
    problem: Option<Problem>,
    told_old: bool,
}

impl Slot {
    pub(crate) const fn new(role: Role, path: PathBuf) -> Self {
        Self { role, path, loaded: None, problem: None, told_old: false }
    }

    /// What keeps the source as it is now from being used.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_ref().map(|problem| problem.text.as_str())
    }

    /// Looks at the source; true when another database is in use now.
    pub(crate) fn refresh(
        &mut self,
        copies: Option<&Path>,
        now: Timestamp,
        notices: &mut Vec<Notice>,
    ) -> bool {
        let changed = match Identity::of(&self.path) {
            Err(error) => {
                self.fail(None, &error, notices);
                false
            }
            Ok(identity) if self.loaded.as_ref().is_some_and(|loaded| loaded.identity == Some(identity)) => {
                self.problem = None;
                false
            }
            Ok(identity) if self.is_known_bad(identity) => false,
            Ok(identity) => match self.open(copies) {
                Ok(database) => {
                    self.replace(database, copies, notices);
                    true
                }
                Err(error) => {
                    self.fail(Some(identity), &error, notices);
                    false
                }
            },
        };
        self.warn_if_old(now, notices);
        changed
    }

    fn is_known_bad(&self, identity: Identity) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.identity == Some(identity) && !problem.transient)
    }

    fn open(&self, copies: Option<&Path>) -> Result<Database, Error> {
        let database = Database::open(&self.path, copies, self.role.as_str())?;
        let fits = match self.role {
            Role::City => database.contents.geo,
            Role::Asn => database.contents.asn,
        };
        if fits {
            return Ok(database);
        }
        if let Some(copy) = &database.copy {
            // Wrong databases need no copy; one that stays costs space only.
            let _ = std::fs::remove_file(copy);
        }
        Err(Error::WrongRole {
            path: self.path.clone(),
            key: self.role.key(),
            database_type: database.metadata().database_type.clone(),
            wanted: self.role.wanted(),
            advice: self.role.advice(),
        })
    }

    fn replace(&mut self, database: Database, copies: Option<&Path>, notices: &mut Vec<Notice>) {
        if let (Some(copies), Some(copy)) = (copies, &database.copy) {
            tidy(copies, self.role.as_str(), copy);
        }
        let (metadata, contents) = (database.metadata(), database.contents);
        notices.push(Notice::info(format!(
            "using {} as {}: {:?}, built {}, {} nodes",
            self.path.display(),
            self.role.key(),
            metadata.database_type,
            date(metadata.build_epoch),
            metadata.node_count
        )));
        if contents.damaged > 0 {
            notices.push(Notice::warning(format!(
                "{} of {} sampled records of {} cannot be decoded, their addresses get no enrichment; get the file again",
                contents.damaged,
                contents.sampled,
                self.path.display()
            )));
        }
        (self.problem, self.told_old) = (None, false);
        self.loaded = Some(Arc::new(database));
    }

    /// Keeps what is in use, and says so once for every different reason.
    fn fail(&mut self, identity: Option<Identity>, error: &Error, notices: &mut Vec<Notice>) {
        let until = match (&self.loaded, self.role) {
            (Some(_), _) => "the database opened before stays in use",
            (None, Role::City) => "until then no address gets a country",
            (None, Role::Asn) => "until then no address gets an AS",
        };
        let text = format!("failed to {error}; {until}");
        if self.problem() != Some(&text) {
            notices.push(Notice::error(&text));
        }
        self.problem = Some(Problem { identity, transient: error.is_transient(), text });
    }

    fn warn_if_old(&mut self, now: Timestamp, notices: &mut Vec<Notice>) {
        let Some(loaded) = self.loaded.as_ref().filter(|_| !self.told_old) else { return };
        let age = age_days(loaded.metadata().build_epoch, now).filter(|&days| days > MAX_AGE_DAYS);
        if let Some(days) = age {
            self.told_old = true;
            notices.push(Notice::warning(format!(
                "{} is {days} days old (built {}), what it says may be outdated; replace it by a newer release",
                self.path.display(),
                date(loaded.metadata().build_epoch)
            )));
        }
    }
}

/// Whole days since a database was built; `None` while the clock is behind that.
pub(crate) fn age_days(build_epoch: u64, now: Timestamp) -> Option<i64> {
    let seconds = now.seconds().checked_sub(i64::try_from(build_epoch).ok()?)?;
    (seconds >= 0).then_some(seconds / DAY_SECONDS)
}

/// `2026-11-21`.
pub(crate) fn date(epoch: u64) -> String {
    let millis = i64::try_from(epoch).unwrap_or(i64::MAX).saturating_mul(1_000);
    Timestamp::from_millis(millis).to_string()[..10].to_owned()
}
