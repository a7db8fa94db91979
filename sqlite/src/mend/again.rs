//! A block packed once more, which gives what is said of it elsewhere: summary and filters.

use rusqlite::{Connection, OptionalExtension};

use crate::block::{Packed, Push, Sealed};
use crate::seal::{self, Tools};

/// Packs the rows of a block again, with their stamps; or says why that cannot be done.
pub(super) fn again<'t>(packed: Packed<'_>, tools: &'t mut Tools) -> Result<Sealed<'t>, String> {
    let Tools { encoder, decoder, .. } = tools;
    encoder.clear();
    let mut records = decoder.records(packed).map_err(|damage| damage.to_string())?;
    while let Some(record) = records.next() {
        let record = record.map_err(|damage| damage.to_string())?;
        encoder.stored_at(records.stored_at());
        if encoder.push_stored(&record) != Push::Kept {
            return Err("more than a block can hold".to_owned());
        }
    }
    encoder.seal().map_err(|error| error.to_string())
}

/// Makes the summary of a block anew. One that cannot be read gets none, and is always read.
pub(super) fn summarize(db: &Connection, key: i64, tools: &mut Tools) -> rusqlite::Result<()> {
    for table in ["summary", "terms"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE block = ?1"))?.execute([key])?;
    }
    let found = db
        .prepare_cached("SELECT encoding, raw_bytes, count, data FROM block WHERE block = ?1")?
        .query_row([key], |row| {
            let numbers: (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((numbers, row.get::<_, Vec<u8>>(3)?))
        })
        .optional()?;
    let Some(((encoding, raw_bytes, rows), data)) = found else { return Ok(()) };
    let Ok(encoding) = u8::try_from(encoding) else { return Ok(()) };
    let (raw_bytes, rows) = (raw_bytes.unsigned_abs(), rows.unsigned_abs());
    match again(Packed { encoding, raw_bytes, rows, data: &data }, tools) {
        Ok(block) => seal::summarize(db, key, &block),
        Err(_) => Ok(()),
    }
}
