//! The databases in use, and their replacement while the agent runs.
//!
//! Opened by the agent, which calls [`Geo::refresh`] now and then; read by every [`crate::Locator`].

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::Serialize;
use weir_flow::{Place, Timestamp};

use crate::database::Database;
use crate::set::Set;
use crate::slot::{Role, Slot, age_days, date};
use crate::{Config, Notice};

/// The databases that answer; shared by all threads.
pub struct Geo {
    sources: Mutex<Sources>,
    current: RwLock<Arc<Set>>,
    /// That of `current`, to be read without its lock.
    generation: AtomicU64,
    errors: Arc<AtomicU64>,
}

/// What the configuration names, and what was made of it.
struct Sources {
    city: Option<Slot>,
    asn: Option<Slot>,
    built_in: Option<Arc<Database>>,
    copies: Option<PathBuf>,
    geo_enabled: bool,
    asn_enabled: bool,
    /// When the sources were last looked at.
    now: Timestamp,
}

/// One database, for people and monitoring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatabaseInfo {
    /// `city`, `asn`, or `default` for the built-in database.
    pub role: &'static str,
    /// The configured path; none for the built-in database.
    pub path: Option<String>,
    /// Whether it answers look-ups.
    pub loaded: bool,
    /// What the database calls itself.
    pub database_type: Option<String>,
    /// When it was built, in seconds since 1970.
    pub build_epoch: Option<u64>,
    /// Whole days since then, when the sources were last looked at; none while the clock is behind.
    pub age_days: Option<i64>,
    /// Nodes of its search tree.
    pub nodes: Option<u32>,
    /// Its size in octets.
    pub bytes: Option<u64>,
    /// Whether those are mapped from a private copy; else they are in memory.
    pub mapped: bool,
    /// Why the file as it is now is not in use.
    pub problem: Option<String>,
}

impl Geo {
    /// Opens what `config` names; what cannot be opened is a notice, and its part of a place stays empty.
    ///
    /// A role without a path is filled by the other database if that holds it too, else by the built-in one.
    /// `copies` is a directory of the agent's own, for private copies to map; without it databases are read
    /// into memory.
    #[must_use]
    pub fn open(config: &Config, copies: Option<&Path>, now: Timestamp) -> (Self, Vec<Notice>) {
        let wanted = config.enabled || config.asn_enabled;
        let mut notices = Vec::new();
        let built_in = Database::built_in()
            .inspect_err(|error| notices.push(Notice::error(format!("failed to {error}"))));
        let city = config.city_db.clone().filter(|_| wanted).map(|path| Slot::new(Role::City, path));
        let asn = config.asn_db.clone().filter(|_| wanted).map(|path| Slot::new(Role::Asn, path));
        let mut sources = Sources {
            city,
            asn,
            built_in: built_in.ok().map(Arc::new),
            copies: copies.map(Path::to_owned),
            geo_enabled: config.enabled,
            asn_enabled: config.asn_enabled,
            now,
        };
        sources.refresh(now, &mut notices);
        let errors = Arc::new(AtomicU64::new(0));
        let set = sources.set(1, Arc::clone(&errors));
        notices.extend(sources.built_in_notice(&set));
        let geo = Self {
            generation: AtomicU64::new(set.generation),
            sources: Mutex::new(sources),
            current: RwLock::new(Arc::new(set)),
            errors,
        };
        (geo, notices)
    }

    /// Looks whether files were replaced or changed, and swaps new ones in once they check out.
    ///
    /// A bad replacement leaves the old database in use and is told once. Unchanged files cost one `stat` each.
    pub fn refresh(&self, now: Timestamp) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.refresh(now, &mut notices) {
            let set = sources.set(self.generation() + 1, Arc::clone(&self.errors));
            let generation = set.generation;
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
            self.generation.store(generation, Ordering::Release);
        }
        notices
    }

    /// Where `ip` is, without a cache; `None` when nothing is known.
    #[must_use]
    pub fn lookup(&self, ip: IpAddr) -> Option<Arc<Place>> {
        let set = self.set();
        set.decode(set.find(ip))
    }

    /// Counts up whenever a database is swapped in.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Look-ups that a damaged record or tree left without an answer.
    #[must_use]
    pub fn decode_errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// The configured databases, and the built-in one if it answers.
    #[must_use]
    pub fn info(&self) -> Vec<DatabaseInfo> {
        let set = self.set();
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = [&sources.city, &sources.asn].into_iter().flatten();
        let mut infos: Vec<_> = slots.map(|slot| DatabaseInfo::of_slot(slot, sources.now)).collect();
        infos.extend(
            sources.serving_built_in(&set).map(|database| DatabaseInfo::of("default", database, sources.now)),
        );
        infos
    }

    pub(crate) fn set(&self) -> Arc<Set> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sources {
    /// True when a database was replaced.
    fn refresh(&mut self, now: Timestamp, notices: &mut Vec<Notice>) -> bool {
        self.now = now;
        let copies = self.copies.as_deref();
        let mut changed = false;
        for slot in [&mut self.city, &mut self.asn].into_iter().flatten() {
            changed |= slot.refresh(copies, now, notices);
        }
        changed
    }

    fn set(&self, generation: u64, errors: Arc<AtomicU64>) -> Set {
        let loaded = |slot: &Option<Slot>| slot.as_ref().and_then(|slot| slot.loaded.clone());
        let (city, asn) = (loaded(&self.city), loaded(&self.asn));
        let built_in = || self.built_in.clone();
        let for_geo = if self.city.is_some() {
            city.clone()
        } else {
            asn.clone().filter(|database| database.contents.geo).or_else(built_in)
        };
        let for_asn = if self.asn.is_some() {
            asn
        } else {
            city.filter(|database| database.contents.asn).or_else(built_in)
        };
        Set {
            generation,
            geo: for_geo.filter(|_| self.geo_enabled),
            asn: for_asn.filter(|_| self.asn_enabled),
            errors,
        }
    }

    fn serving_built_in(&self, set: &Set) -> Option<&Arc<Database>> {
        let serves =
            |by: &Option<Arc<Database>>, built_in| by.as_ref().is_some_and(|by| Arc::ptr_eq(by, built_in));
        self.built_in.as_ref().filter(|&built_in| serves(&set.geo, built_in) || serves(&set.asn, built_in))
    }

    fn built_in_notice(&self, set: &Set) -> Option<Notice> {
        let built_in = self.serving_built_in(set)?;
        let built = built_in.metadata().build_epoch;
        let age = age_days(built, self.now).map_or_else(String::new, |days| format!(", {days} days ago"));
        Some(Notice::info(format!(
            "the small built-in database (built {}{age}) answers where geo.city_db and geo.asn_db name none; \
             for real coverage name MaxMind or DB-IP files there, or the result of `weir geo import`",
            date(built)
        )))
    }
}

impl DatabaseInfo {
    fn of(role: &'static str, database: &Database, now: Timestamp) -> Self {
        let metadata = database.metadata();
        Self {
            role,
            path: None,
            loaded: true,
            database_type: Some(metadata.database_type.clone()),
            build_epoch: Some(metadata.build_epoch),
            age_days: age_days(metadata.build_epoch, now),
            nodes: Some(metadata.node_count),
            bytes: Some(database.size as u64),
            mapped: database.copy.is_some(),
            problem: None,
        }
    }

    fn of_slot(slot: &Slot, now: Timestamp) -> Self {
        let nothing = Self {
            role: slot.role.as_str(),
            path: None,
            loaded: false,
            database_type: None,
            build_epoch: None,
            age_days: None,
            nodes: None,
            bytes: None,
            mapped: false,
            problem: None,
        };
        let info = slot.loaded.as_ref().map_or(nothing, |loaded| Self::of(slot.role.as_str(), loaded, now));
        Self {
            path: Some(slot.path.display().to_string()),
            problem: slot.problem().map(ToOwned::to_owned),
            ..info
        }
    }
}
