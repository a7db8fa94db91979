//! The schema's version and the steps that bring an older file to it.

use rusqlite::{Connection, TransactionBehavior};

/// The tables of a fresh file.
const SCHEMA: &str = include_str!("schema.sql");

/// Step `n` (from 0) brings version `n + 1` to version `n + 2`. Steps are never changed once released.
const STEPS: &[&str] = &[include_str!("schema-2.sql"), include_str!("schema-3.sql")];

/// The version that `schema.sql` and all steps lead to; `PRAGMA user_version` of a file.
#[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^32 steps")]
pub(crate) const VERSION: u32 = STEPS.len() as u32 + 1;

/// The version of a file; 0 when it has no schema.
pub(crate) fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Fills an empty file.
pub(crate) fn create(db: &mut Connection) -> rusqlite::Result<()> {
    step(db, SCHEMA, VERSION)
}

/// Brings a file to [`VERSION`], a transaction for each step: after a power cut it has one version or the next.
pub(crate) fn upgrade(db: &mut Connection) -> rusqlite::Result<()> {
    apply(db, STEPS)
}

fn apply(db: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let from = version(db)?;
    for (to, sql) in (2..).zip(steps).filter(|&(to, _)| to > from) {
        step(db, sql, to)?;
    }
    Ok(())
}

fn step(db: &mut Connection, sql: &str, to: u32) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(sql)?;
    tx.pragma_update(None, "user_version", to)?;
    tx.commit()
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{VERSION, apply, create, step, upgrade, version};

    /// The first schema as it was released; never changed.
    const FIRST: &str = include_str!("../tests/schema-1.sql");

    /// Every table, column, index and foreign key, as SQLite understands them.
    fn shape(db: &Connection) -> Vec<String> {
        let queries = [
            "SELECT concat_ws('|', name, type, ncol, wr, strict) FROM pragma_table_list ORDER BY 1",
            "SELECT concat_ws('|', t.name, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, c.hidden)
             FROM pragma_table_list t, pragma_table_xinfo(t.name) c ORDER BY 1",
            "SELECT concat_ws('|', t.name, i.\"unique\", i.origin, c.seqno, c.name)
             FROM pragma_table_list t, pragma_index_list(t.name) i, pragma_index_info(i.name) c ORDER BY 1",
            "SELECT concat_ws('|', t.name, f.\"table\", f.\"from\", f.\"to\")
             FROM pragma_table_list t, pragma_foreign_key_list(t.name) f ORDER BY 1",
            "SELECT concat_ws('|', name, sql) FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1",
        ];
        let mut rows = Vec::new();
        for query in queries {
            let mut statement = db.prepare(query).unwrap();
            let found = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            rows.extend(found.map(Result::unwrap));
        }
        rows
    }

    #[test]
    fn the_first_schema_through_every_step_equals_a_fresh_one() {
        let mut old = Connection::open_in_memory().unwrap();
        step(&mut old, FIRST, 1).unwrap();
        upgrade(&mut old).unwrap();
        let mut fresh = Connection::open_in_memory().unwrap();
        create(&mut fresh).unwrap();
        assert_eq!(version(&old).unwrap(), VERSION);
        assert_eq!(version(&fresh).unwrap(), VERSION);
        assert_eq!(shape(&old), shape(&fresh));
        assert!(shape(&fresh).iter().any(|row| row.starts_with("block|") && row.contains("|data|BLOB|")));
    }

    #[test]
    fn only_the_steps_after_the_version_of_a_file_are_taken() {
        let mut db = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y", "ALTER TABLE a ADD COLUMN z"];
        step(&mut db, "", 1).unwrap();
        apply(&mut db, &steps[..2]).unwrap();
        assert_eq!(version(&db).unwrap(), 3);
        apply(&mut db, &steps).unwrap();
        apply(&mut db, &steps).unwrap();
        assert_eq!(version(&db).unwrap(), 4);
        db.execute("INSERT INTO a (x, y, z) VALUES (1, 2, 3)", []).unwrap();
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_at_the_version_before_it() {
        let mut db = Connection::open_in_memory().unwrap();
        step(&mut db, FIRST, 1).unwrap();
        let before = shape(&db);
        let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x); SELECT nothing FROM nowhere;"];
        assert!(apply(&mut db, &steps).is_err());
        assert_eq!(version(&db).unwrap(), 2);
        db.execute_batch("DROP TABLE a").unwrap();
        assert_eq!(shape(&db), before);
    }
}
