//! The other way to keep flows, measured: plain rows in tables of their own, whose indexes are built in bulk when a table is full.
//!
//! `cargo run --release -p weir-store --example plain_rows -- RING_DIR ROWS ROWS_PER_COMMIT ADDRESS` takes rows out of a ring, so
//! that both hold the same flows, and tells octets per row, octets written per row, and the time to find the newest 100 rows
//! of an address. `tests/bench/ring_rate` sets it beside the ring.

#[path = "ring_bench/process.rs"]
mod process;

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use serde_json::{Map, Value};
use weir_flow::TenantId;
use weir_store::Reader;

/// Rows of a table, whose indexes are built when it is full: a few minutes of a busy office.
const ROWS_PER_TABLE: usize = 100_000;
/// Rows taken out of the ring at once.
const PAGE: usize = 10_000;
/// Hits that are asked for.
const HITS: usize = 100;
/// As the ring sets its own file.
const SETTINGS: &str = "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -8192;";
/// The numbers of a flow that have a column.
const NUMBERS: [&str; 10] = [
    "ts_ms",
    "end_ms",
    "src_port",
    "dst_port",
    "proto_num",
    "bytes_out",
    "packets_out",
    "bytes_in",
    "packets_in",
    "risk_score",
];
const PLACES: &str = "CREATE TABLE place (place INTEGER PRIMARY KEY, told TEXT NOT NULL UNIQUE) STRICT";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [ring, rows, per_commit, address] = args.as_slice() else {
        return Err("usage: RING_DIR ROWS ROWS_PER_COMMIT ADDRESS".into());
    };
    let (rows, per_commit, address) = (rows.parse()?, per_commit.parse()?, address.parse()?);
    let dir = tempfile::tempdir_in(Path::new(ring).parent().ok_or("RING_DIR has no parent")?)?;
    let file = dir.path().join("plain.db");
    let db = Connection::open(&file)?;
    db.execute_batch(SETTINGS)?;
    db.execute_batch(PLACES)?;
    let mut plain = Plain { db, tables: 0, rows: 0 };
    let reader = Reader::open(Path::new(ring))?;
    let before = process::written_bytes()?;
    let mut after = 0;
    while plain.rows < rows {
        let deadline = Instant::now() + Duration::from_secs(60);
        let page = reader.rows(&TenantId::default(), after, PAGE.min(rows - plain.rows), deadline)?;
        let Some(last) = page.last() else { break };
        after = last.row;
        for commit in page.chunks(per_commit) {
            plain.commit(commit.iter().map(|row| row.json.as_str()))?;
        }
    }
    plain.build_indexes()?;
    plain.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_row = |octets: u64| octets as f64 / plain.rows as f64;
    println!("rows                 {} in commits of {per_commit}", plain.rows);
    println!("bytes/row            {:.1} in the file", per_row(fs::metadata(&file)?.len()));
    println!("bytes written/row    {:.1}", per_row(process::written_bytes()? - before));
    for heat in ["cold", "warm"] {
        if heat == "cold" {
            forget(&file)?;
        }
        let db = Connection::open(&file)?;
        let start = Instant::now();
        let hits = search(&db, plain.tables, address)?;
        println!("{hits} of {address}, {heat}  {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

struct Plain {
    db: Connection,
    tables: usize,
    rows: usize,
}

impl Plain {
    fn commit<'a>(&mut self, lines: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
        let mut full = false;
        let tx = self.db.transaction()?;
        for line in lines {
            if self.rows.is_multiple_of(ROWS_PER_TABLE) {
                full = self.tables > 0;
                self.tables += 1;
                tx.execute_batch(&table(self.tables))?;
            }
            insert(&tx, self.tables, serde_json::from_str(line)?)?;
            self.rows += 1;
        }
        if full {
            tx.execute_batch(&indexes(self.tables - 1))?;
        }
        tx.commit()?;
        Ok(())
    }

    fn build_indexes(&self) -> Result<(), Failure> {
        Ok(self.db.execute_batch(&indexes(self.tables))?)
    }
}

fn table(number: usize) -> String {
    format!(
        "CREATE TABLE flow_{number} (row INTEGER PRIMARY KEY, processed_at TEXT, start INTEGER, end INTEGER, source TEXT,
            kind TEXT, observer TEXT, src_ip BLOB, dst_ip BLOB, src_port INTEGER, dst_port INTEGER, proto INTEGER,
            bytes_out INTEGER, packets_out INTEGER, bytes_in INTEGER, packets_in INTEGER, flags_out TEXT, flags_in TEXT,
            end_reason TEXT, service TEXT, domain TEXT, direction TEXT, risk INTEGER, src_place INTEGER,
            dst_place INTEGER, rest TEXT) STRICT"
    )
}

fn indexes(number: usize) -> String {
    let columns = ["src_ip", "dst_ip", "dst_port", "domain", "risk", "dst_place"];
    let one = |column: &&str| format!("CREATE INDEX flow_{number}_{column} ON flow_{number} ({column});");
    columns.iter().map(one).collect()
}

fn insert(db: &Connection, table: usize, mut flow: Map<String, Value>) -> Result<(), Failure> {
    let row: i64 =
        flow.remove("id").and_then(|id| id.as_str()?.rsplit('-').next()?.parse().ok()).ok_or("no id")?;
    let mut place = |geo: &str, asn: &str| -> Result<Option<i64>, Failure> {
        let (Some(geo), asn) = (flow.remove(geo), flow.remove(asn)) else { return Ok(None) };
        let told = serde_json::to_string(&(geo, asn))?;
        db.prepare_cached("INSERT OR IGNORE INTO place (told) VALUES (?1)")?.execute([&told])?;
        let found = db
            .prepare_cached("SELECT place FROM place WHERE told = ?1")?
            .query_row([&told], |row| row.get(0));
        Ok(Some(found?))
    };
    let places = (place("src_geo", "src_asn")?, place("dst_geo", "dst_asn")?);
    // Follows from the rest, as in the ring's blocks.
    for name in ["tenant_id", "ts", "duration", "proto", "bytes", "packets", "community_id", "geo", "asn"] {
        flow.remove(name);
    }
    let mut text = |name: &str| flow.remove(name).and_then(|value| Some(value.as_str()?.to_owned()));
    let texts =
        ["processed_at", "source", "kind", "observer", "end_reason", "service", "domain", "direction"];
    let texts = texts.map(&mut text);
    let flags =
        ["tcp_flags_out", "tcp_flags_in"].map(|name| flow.remove(name).map(|flags| flags.to_string()));
    let addresses =
        ["src_ip", "dst_ip"].map(|name| flow.remove(name).and_then(|ip| octets(ip.as_str()?.parse().ok()?)));
    let numbers = NUMBERS.map(|name| flow.remove(name).and_then(|number| number.as_i64()));
    let rest = (!flow.is_empty()).then(|| Value::Object(flow).to_string());
    let [processed_at, source, kind, observer, end_reason, service, domain, direction] = texts;
    let [start, end, src_port, dst_port, proto, out, packets_out, back, packets_in, risk] = numbers;
    let sql = format!(
        "INSERT INTO flow_{table} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
            ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)"
    );
    db.prepare_cached(&sql)?.execute(params![
        row,
        processed_at,
        start,
        end,
        source,
        kind,
        observer,
        addresses[0],
        addresses[1],
        src_port,
        dst_port,
        proto,
        out,
        packets_out,
        back,
        packets_in,
        flags[0],
        flags[1],
        end_reason,
        service,
        domain,
        direction,
        risk,
        places.0,
        places.1,
        rest
    ])?;
    Ok(())
}

fn octets(address: IpAddr) -> Option<Vec<u8>> {
    Some(match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    })
}

/// Goes from the newest table back until there are enough.
fn search(db: &Connection, tables: usize, address: IpAddr) -> Result<usize, Failure> {
    let address = octets(address).unwrap_or_default();
    let mut hits = 0;
    for number in (1..=tables).rev() {
        let sql = format!(
            "SELECT * FROM flow_{number} WHERE src_ip = ?1 OR dst_ip = ?1 ORDER BY row DESC LIMIT {}",
            HITS - hits
        );
        let mut statement = db.prepare(&sql)?;
        let mut rows = statement.query([&address])?;
        while let Some(row) = rows.next()? {
            row.get::<_, i64>(0)?;
            hits += 1;
        }
        if hits == HITS {
            break;
        }
    }
    Ok(hits)
}

/// Makes the kernel forget what it keeps of all files, `file` most of all; root only.
fn forget(file: &Path) -> io::Result<()> {
    File::open(file)?.sync_all()?;
    fs::write("/proc/sys/vm/drop_caches", "3")
}
