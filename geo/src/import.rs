//! IPFire's location database → one MaxMind database with country and AS.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::country::country_name;
use crate::file::write_whole;
use crate::location::{LocationDb, LocationNetwork};
use crate::{Error, Record, Writer, record};

/// How many networks pass between two reports of progress.
const PROGRESS_STEP: u64 = 65_536;
const DATABASE_TYPE: &str = "Weir-Country-ASN";
const DESCRIPTION: &str = "Country and AS of networks, from the IPFire location database (https://location.ipfire.org, CC BY-SA 4.0)";

/// What an import read and wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// Networks read.
    pub networks: u64,
    /// Networks with neither a country nor an AS.
    pub unknown: u64,
    /// Distinct records written.
    pub records: u64,
    /// Nodes of the search tree written.
    pub nodes: u32,
    /// Size of the file written, in octets.
    pub bytes: u64,
    /// When the location database was made, in seconds since 1970.
    pub build_epoch: u64,
}

/// Reads the location database `input` (libloc format 1, `location.db`) and writes `output`, whole or not at all.
///
/// `progress` is told how many networks were read. Codes that are no country (`XX`, anonymous proxies) are left
/// out. The file is the same whenever the input is.
///
/// # Errors
/// `input` cannot be read or is damaged, `output` cannot be written, or the networks do not fit in a database.
pub fn import_location_db(
    input: &Path,
    output: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<ImportSummary, Error> {
    let location = LocationDb::open(input)?;
    let build_epoch = location.created_at();
    let mut import = Import::new(&location);
    location.for_each(|network| {
        import.add(network)?;
        if import.networks.is_multiple_of(PROGRESS_STEP) {
            progress(import.networks);
        }
        Ok(())
    })?;
    progress(import.networks);
    let Import { writer, records, networks, unknown, .. } = import;
    let distinct = records.len() as u64;
    // The input is no longer needed while the output is made.
    drop((records, location));
    let nodes = write_whole(output, 0o644, |out| {
        writer.finish(build_epoch, out).map_err(|source| Error::Write { path: output.to_owned(), source })
    })?;
    let bytes = fs::metadata(output).map_err(|source| Error::Read { path: output.to_owned(), source })?.len();
    Ok(ImportSummary { networks, unknown, records: distinct, nodes, bytes, build_epoch })
}

struct Import<'a> {
    location: &'a LocationDb,
    writer: Writer,
    records: HashMap<([u8; 2], u32), Record>,
    networks: u64,
    unknown: u64,
}

impl<'a> Import<'a> {
    fn new(location: &'a LocationDb) -> Self {
        let writer = Writer::new(DATABASE_TYPE, DESCRIPTION, location.node_count());
        Self { location, writer, records: HashMap::new(), networks: 0, unknown: 0 }
    }

    fn add(&mut self, found: LocationNetwork) -> Result<(), Error> {
        self.networks += 1;
        let code = std::str::from_utf8(&found.country).ok().filter(|code| country_name(code).is_some());
        let asn = Some(found.asn).filter(|&asn| asn != 0);
        if code.is_none() && asn.is_none() {
            self.unknown += 1;
            return self.writer.insert(found.network, Record::NOTHING);
        }
        let key = (if code.is_some() { found.country } else { [0; 2] }, found.asn);
        let record = match self.records.get(&key) {
            Some(&record) => record,
            None => {
                let org = asn.and_then(|asn| self.location.system_name(asn));
                let record = self.writer.add(&record::value(code, asn, org))?;
                self.records.insert(key, record);
                record
            }
        };
        self.writer.insert(found.network, record)
    }
}
