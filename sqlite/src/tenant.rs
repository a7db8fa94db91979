//! Tenants: who has a ring of his own, and with which limits.

use rusqlite::{Connection, OptionalExtension, params};
use weir_flow::{TenantId, Timestamp};

use crate::control::Control;
use crate::error::{Doing, Error};
use crate::ring::{MAX_RINGS, Ring, signed};
use crate::{BudgetBytes, RetentionDays, Selection, hour};

/// Name of the tenant that is always there, until it is given another.
const DEFAULT_NAME: &str = "Default";
/// What the ring of a removed tenant is called until it is trimmed away; no tenant can have such a name.
const REMOVED: &str = "removed:";

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub tenant: TenantId,
    /// Its name for people.
    pub name: String,
    /// When it was added; none for a tenant that was never added but has rows, and for the default one.
    pub created: Option<Timestamp>,
    /// Limits of its own.
    pub limits: Limits,
    /// Rows in its ring.
    pub rows: u64,
    /// Bytes of its blocks.
    pub bytes: u64,
}

/// Limits of a tenant; those of the store where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long its rows are kept.
    pub retention: Option<RetentionDays>,
    /// How much its rows may take.
    pub budget: Option<BudgetBytes>,
}

/// What is to change; what is none stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantChange {
    /// The name.
    pub name: Option<String>,
    /// The retention; `Some(None)` gives it back to the store.
    pub retention: Option<Option<RetentionDays>>,
    /// The budget, likewise.
    pub budget: Option<Option<BudgetBytes>>,
}

/// What became of the wish to remove a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone; its rows go with the next trims and can no longer be read.
    Removed,
    /// There is none of that id.
    Unknown,
    /// It has rows or dead letters, which were not to go.
    Holds {
        /// Rows in its ring.
        rows: u64,
        /// Dead letters.
        letters: u64,
    },
    /// It is the default one, which records without a tenant go to.
    Default,
}

impl Control {
    /// All tenants, by id: the default one, those that were added, and any other that has rows.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn tenants(&self) -> Result<Vec<Tenant>, Error> {
        let all = || -> rusqlite::Result<Vec<Tenant>> {
            let mut statement = self.db.prepare_cached(
                "SELECT tenant FROM tenant UNION SELECT tenant FROM ring UNION SELECT ?1 ORDER BY tenant",
            )?;
            let ids = statement.query_map([TenantId::DEFAULT], |row| row.get::<_, String>(0))?;
            // The rings of removed tenants have no name that can be a tenant's.
            let ids: Vec<_> = ids.filter_map(|id| id.map(|id| TenantId::parse(&id)).transpose()).collect();
            ids.into_iter().map(|id| self.describe(id?)).collect()
        };
        // Rings and their tails are read together.
        let _read = self.db.unchecked_transaction().doing("read", &self.path)?;
        all().doing("read", &self.path)
    }

    /// One tenant, if it is among [`Control::tenants`].
    ///
    /// # Errors
    /// What the disk answers.
    pub fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>, Error> {
        let found = || -> rusqlite::Result<Option<Tenant>> {
            let known = is_known(&self.db, tenant)? || Ring::find(&self.db, tenant)?.is_some();
            known.then(|| self.describe(tenant.clone())).transpose()
        };
        // A ring and its tail are read together.
        let _read = self.db.unchecked_transaction().doing("read", &self.path)?;
        found().doing("read", &self.path)
    }

    fn describe(&self, tenant: TenantId) -> rusqlite::Result<Tenant> {
        let named: Option<(String, i64)> = self
            .db
            .prepare_cached("SELECT name, created_at FROM tenant WHERE tenant = ?1")?
            .query_row([tenant.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let default = tenant == TenantId::default();
        let created = named.as_ref().filter(|_| !default).map(|&(_, at)| Timestamp::from_millis(at));
        let unnamed = || if default { DEFAULT_NAME.to_owned() } else { tenant.as_str().to_owned() };
        let name = named.map_or_else(unnamed, |(name, _)| name);
        let ring = Ring::find(&self.db, &tenant)?;
        let rows = ring.as_ref().map_or(Ok(0), |ring| rows(&self.db, ring))?;
        let limits = ring.as_ref().map(limits).unwrap_or_default();
        Ok(Tenant { tenant, name, created, limits, rows, bytes: ring.map_or(0, |ring| ring.bytes) })
    }

    /// True for the default tenant and for those that were added.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn has_tenant(&self, tenant: &TenantId) -> Result<bool, Error> {
        is_known(&self.db, tenant).doing("read", &self.path)
    }

    /// Adds a tenant; false when there is one of that id already, which stays as it is.
    ///
    /// # Errors
    /// [`Error::TooManyRings`], and what else the disk answers.
    pub fn add_tenant(
        &mut self,
        tenant: &TenantId,
        name: &str,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let added = self.change(|db| {
            let rings: u32 = db.query_row("SELECT count(*) FROM ring", [], |row| row.get(0))?;
            let found = Ring::find(db, tenant)?.is_some();
            if is_known(db, tenant)? {
                return Ok(Some(false));
            }
            if rings >= MAX_RINGS && !found {
                return Ok(None);
            }
            rename(db, tenant, name, now)?;
            // The ring is made at once: a tenant that can be added can store.
            set_limits(db, tenant, limits, now)?;
            Ok(Some(true))
        })?;
        added.ok_or_else(|| Error::TooManyRings { path: self.path.clone(), limit: MAX_RINGS })
    }

    /// Changes a tenant; false when there is none of that id. A limit that is lowered takes effect with the next trim.
    ///
    /// # Errors
    /// [`Error::TooManyRings`], and what else the disk answers.
    pub fn change_tenant(
        &mut self,
        tenant: &TenantId,
        change: &TenantChange,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let done = self.change(|db| {
            let ring = Ring::find(db, tenant)?;
            if !is_known(db, tenant)? && ring.is_none() {
                return Ok(Some(false));
            }
            if let Some(name) = &change.name {
                rename(db, tenant, name, now)?;
            }
            if change.retention.is_none() && change.budget.is_none() {
                return Ok(Some(true));
            }
            let old = ring.as_ref().map(limits).unwrap_or_default();
            let limits = Limits {
                retention: change.retention.unwrap_or(old.retention),
                budget: change.budget.unwrap_or(old.budget),
            };
            Ok(set_limits(db, tenant, &limits, now)?.then_some(true))
        })?;
        done.ok_or_else(|| Error::TooManyRings { path: self.path.clone(), limit: MAX_RINGS })
    }

    /// Removes a tenant. One that has rows or dead letters stays, unless they are to be purged with it.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn remove_tenant(&mut self, tenant: &TenantId, purge: bool) -> Result<Removal, Error> {
        if *tenant == TenantId::default() {
            return Ok(Removal::Default);
        }
        let removal = self.change(|db| remove(db, tenant, purge))?;
        if removal == Removal::Removed {
            let selection = Selection { tenant: Some(tenant.clone()), destination: None };
            while self.delete_dead_letters_before(&selection, None)? > 0 {}
        }
        Ok(removal)
    }
}

fn is_known(db: &Connection, tenant: &TenantId) -> rusqlite::Result<bool> {
    if tenant.as_str() == TenantId::DEFAULT {
        return Ok(true);
    }
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM tenant WHERE tenant = ?1)")?
        .query_row([tenant.as_str()], |row| row.get(0))
}

fn rows(db: &Connection, ring: &Ring) -> rusqlite::Result<u64> {
    Ok(ring.newest(db)?.0.saturating_sub(ring.first_row(db)?))
}

fn limits(ring: &Ring) -> Limits {
    Limits {
        retention: ring.retention_days.and_then(|days| RetentionDays::new(days).ok()),
        budget: ring.budget_bytes.and_then(|bytes| BudgetBytes::new(bytes).ok()),
    }
}

fn rename(db: &Connection, tenant: &TenantId, name: &str, now: Timestamp) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO tenant (tenant, name, created_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET name = excluded.name",
        params![tenant.as_str(), name, now.millis()],
    )?;
    Ok(())
}

/// Gives the ring of `tenant`, made if missing, these limits; false when there are too many rings.
fn set_limits(db: &Connection, tenant: &TenantId, limits: &Limits, now: Timestamp) -> rusqlite::Result<bool> {
    let found = match Ring::find(db, tenant)? {
        Some(ring) => Some(ring),
        None => Ring::create(db, tenant, now.millis())?,
    };
    let Some(ring) = found else { return Ok(false) };
    ring.set_limits(db, limits.retention, limits.budget)?;
    Ok(true)
}

fn remove(db: &Connection, tenant: &TenantId, purge: bool) -> rusqlite::Result<Removal> {
    let ring = Ring::find(db, tenant)?;
    if !is_known(db, tenant)? && ring.is_none() {
        return Ok(Removal::Unknown);
    }
    let rows = ring.as_ref().map_or(Ok(0), |ring| rows(db, ring))?;
    let letters = crate::dead_letter::sums(db, Some(tenant))?.iter().map(|sum| sum.letters).sum();
    if !purge && (rows > 0 || letters > 0) {
        return Ok(Removal::Holds { rows, letters });
    }
    for sql in ["DELETE FROM tenant WHERE tenant = ?1", "DELETE FROM receipt WHERE tenant = ?1"] {
        db.execute(sql, [tenant.as_str()])?;
    }
    // Without a name nobody reads its rows any more, and without a budget the next trims free them piece by piece: in
    // one transaction a gigabyte would hold up every commit.
    db.execute(
        "UPDATE ring SET tenant = ?2 || ring_id, budget_bytes = 0 WHERE tenant = ?1",
        [tenant.as_str(), REMOVED],
    )?;
    Ok(Removal::Removed)
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Swept {
    pub(crate) rings: u64,
    /// Rows of their tails.
    pub(crate) rows: u64,
}

/// Removes the rings of removed tenants that have no sealed block left, with their tails.
pub(crate) fn sweep(db: &Connection) -> rusqlite::Result<Swept> {
    let mut swept = Swept::default();
    let prefix = format!("{REMOVED}*");
    let mut statement = db.prepare_cached("SELECT ring FROM ring WHERE tenant GLOB ?1")?;
    let removed: Vec<i64> = statement.query_map([prefix], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for ring in Ring::all(db)?.into_iter().filter(|ring| removed.contains(&ring.ring)) {
        if ring.first_row(db)? < ring.next_row {
            continue;
        }
        swept.rings += 1;
        swept.rows += ring.newest(db)?.0.saturating_sub(ring.next_row);
        for table in ["minute", "cursor", "tail", "ring"] {
            db.execute(&format!("DELETE FROM {table} WHERE ring = ?1"), [ring.ring])?;
        }
        hour::remove(db, ring.ring)?;
        let (low, high) = ring.keys();
        db.execute("DELETE FROM damage WHERE block BETWEEN ?1 AND ?2", [low, high])?;
    }
    Ok(swept)
}

impl Ring {
    /// Gives the ring limits of its own; `None` means those of the store.
    pub(crate) fn set_limits(
        &self,
        db: &Connection,
        retention: Option<RetentionDays>,
        budget: Option<BudgetBytes>,
    ) -> rusqlite::Result<()> {
        db.execute(
            "UPDATE ring SET retention_days = ?2, budget_bytes = ?3 WHERE ring = ?1",
            params![
                self.ring,
                retention.map(RetentionDays::value),
                budget.map(|budget| signed(budget.value()))
            ],
        )?;
        Ok(())
    }
}
