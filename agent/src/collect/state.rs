//! What a restart has to know to decode at once, written down: templates as they came, and what options said.
//!
//! What is read back goes the way that datagrams go: a damaged or forged file can do no more than a hostile exporter.

use std::fmt::Write;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Arrival;
use super::domain::{Domain, DomainKey};
use super::exporter::{Exporter, ExporterKey};
use super::netflow::knowledge::{Kept as KeptKnowledge, Knowledge};
use super::netflow::template::{self, Dialect, Found, Kind};
use super::wire::Reader;

/// Number of the form; another one is not read.
const FORM: u32 = 1;

#[derive(Deserialize, Serialize)]
struct File {
    form: u32,
    exporters: Vec<KeptExporter>,
}

#[derive(Deserialize, Serialize)]
struct KeptExporter {
    address: IpAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    domains: Vec<KeptDomain>,
}

#[derive(Deserialize, Serialize)]
struct KeptDomain {
    /// 9 or 10, as in a message's header.
    version: u16,
    domain: u32,
    /// Template records in hexadecimal digits.
    templates: Vec<String>,
    /// Options template records.
    options_templates: Vec<String>,
    #[serde(default)]
    options: KeptKnowledge,
}

/// What is known of these exporters.
pub(super) fn write<'a>(exporters: impl Iterator<Item = &'a Exporter>) -> Vec<u8> {
    let file = File { form: FORM, exporters: exporters.filter_map(exporter).collect() };
    // Nothing in it can fail to be written: names are strings, numbers are finite.
    serde_json::to_vec(&file).unwrap_or_default()
}

/// An exporter; none when it has said nothing that is worth keeping.
fn exporter(exporter: &Exporter) -> Option<KeptExporter> {
    let domains: Vec<_> = exporter.domains.iter().filter_map(|(key, state)| domain(*key, state)).collect();
    let ExporterKey { address, port } = exporter.key;
    (!domains.is_empty()).then_some(KeptExporter { address, port, domains })
}

fn domain(key: DomainKey, domain: &Domain) -> Option<KeptDomain> {
    let DomainKey::Sets(dialect, number) = key else { return None };
    let of = |kind: Kind| {
        let templates = domain.templates.values().filter(move |template| template.kind == kind);
        templates.map(|template| hexadecimal(&template.wire)).collect()
    };
    Some(KeptDomain {
        version: if dialect == Dialect::V9 { 9 } else { 10 },
        domain: number,
        templates: of(Kind::Data),
        options_templates: of(Kind::Options),
        options: domain.knowledge.keep(),
    })
}

/// Exporters out of a file.
///
/// # Errors
/// It is not what [`write`] makes.
pub(super) fn read(octets: &[u8]) -> Result<Vec<Exporter>, String> {
    let file: File = serde_json::from_slice(octets).map_err(|error| error.to_string())?;
    if file.form != FORM {
        return Err(format!("it has form {}, not {FORM}: another version of weir wrote it", file.form));
    }
    file.exporters.into_iter().map(read_exporter).collect()
}

fn read_exporter(kept: KeptExporter) -> Result<Exporter, String> {
    let key = ExporterKey { address: kept.address.to_canonical(), port: kept.port };
    let mut exporter = Exporter::new(key, Arrival::default());
    for domain in kept.domains {
        let dialect = match domain.version {
            9 => Dialect::V9,
            10 => Dialect::Ipfix,
            other => return Err(format!("an exporter's version {other} is not 9 or 10")),
        };
        let key = DomainKey::Sets(dialect, domain.domain);
        let mut state = Domain::new(key);
        state.knowledge = Knowledge::restore(domain.options);
        for (templates, kind) in [(domain.templates, Kind::Data), (domain.options_templates, Kind::Options)] {
            for digits in templates {
                read_template(&digits, dialect, kind, &mut state)?;
            }
        }
        exporter.restore(key, state);
    }
    Ok(exporter)
}

fn read_template(digits: &str, dialect: Dialect, kind: Kind, domain: &mut Domain) -> Result<(), String> {
    let bad = || format!("`{}` is no template", digits.escape_default().take(40).collect::<String>());
    let wire = octets(digits).ok_or_else(bad)?;
    match template::next(&mut Reader::new(&wire), dialect, kind) {
        Ok(Found::Template(id, announced)) => {
            domain.announce(id, &announced, 0).map_err(|_| bad())?;
            Ok(())
        }
        _ => Err(bad()),
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut digits, octet| {
        // A string takes everything.
        let _ = write!(digits, "{octet:02x}");
        digits
    })
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}
