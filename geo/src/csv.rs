//! A list of networks → one MaxMind database with country and AS: how the built-in database is made.

use std::io::Write;
use std::path::Path;

use ipnetwork::IpNetwork;

use crate::country::country_name;
use crate::{Error, Writer, record};

/// First line of a list.
const HEADER: &str = "network,country,asn,org";
const DATABASE_TYPE: &str = "Weir-Country-ASN";

/// Writes the database of a list: a header `network,country,asn,org`, then a network in CIDR notation, the
/// ISO 3166 code of its country, its AS number and the AS' name a line. Country, number and name may be empty;
/// a name may hold commas, lines that start with `#` are comments. How many networks it has.
///
/// `path` is where `text` came from, for messages; `build_epoch` in seconds since 1970.
///
/// # Errors
/// [`Error::Line`] for the first line that is wrong, [`Error::Full`], and [`Error::Write`] for `out`.
pub fn build_from_csv(
    path: &Path,
    text: &str,
    description: &str,
    build_epoch: u64,
    out: &mut impl Write,
) -> Result<u64, Error> {
    let mut writer = Writer::new(DATABASE_TYPE, description, text.lines().count());
    let mut networks = 0;
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') || line == HEADER {
            continue;
        }
        let wrong = |reason| Error::Line { path: path.to_owned(), line: index + 1, reason };
        let (network, country, asn, org) = fields(line).map_err(wrong)?;
        let record = writer.add(&record::value(country, asn, org))?;
        writer.insert(network, record)?;
        networks += 1;
    }
    writer.finish(build_epoch, out).map_err(|source| Error::Write { path: path.to_owned(), source })?;
    Ok(networks)
}

type Fields<'a> = (IpNetwork, Option<&'a str>, Option<u32>, Option<&'a str>);

fn fields(line: &str) -> Result<Fields<'_>, &'static str> {
    let mut fields = line.splitn(4, ',').map(|field| Some(field.trim()).filter(|field| !field.is_empty()));
    let mut next = || fields.next().ok_or("fewer than four fields");
    let (network, country, asn, org) = (next()?, next()?, next()?, next()?);
    let network: IpNetwork =
        network.and_then(|text| text.parse().ok()).ok_or("no network in CIDR notation")?;
    if network.ip() != network.network() {
        return Err("the network has bits set after its prefix");
    }
    if country.is_some_and(|code| country_name(code).is_none()) {
        return Err("no ISO 3166 country code");
    }
    let asn = asn.map(|text| text.parse().map_err(|_| "no AS number")).transpose()?;
    if country.is_none() && asn.is_none() {
        return Err("neither a country nor an AS number");
    }
    Ok((network, country, asn, org))
}
