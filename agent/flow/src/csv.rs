//! A record as a line of CSV (RFC 4180), for spreadsheets: one level, fixed columns.

use std::fmt::{self, Display};
use std::io::{self, Write};

use serde_json::Value;

use crate::{CommunityId, Direction, EndReason, FlowRecord, proto_name};

/// Names of the columns, ended by a line feed.
pub const CSV_HEADER: &str = "ts,end_ms,duration,source,kind,observer,exporter,src_ip,src_port,dst_ip,dst_port,\
    proto,bytes_out,packets_out,bytes_in,packets_in,tcp_flags_out,tcp_flags_in,end_reason,vlan,icmp_type,icmp_code,\
    community_id,service,domain,direction,src_country,dst_country,src_asn,dst_asn,ti,risk_score,tags\n";

/// Writes `r` as one line; a field that is unknown is empty.
///
/// # Errors
/// What `out` answers.
pub fn write_csv(r: &FlowRecord, out: &mut impl Write) -> io::Result<()> {
    let e = r.exported.as_ref();
    write!(out, "{},{},{:.6},", r.start, r.end.millis(), seconds(r))?;
    write!(
        out,
        "{},{},{},{},",
        r.source.as_str(),
        Text(r.kind.as_str()),
        opt_text(r.observer.as_deref()),
        opt(e.and_then(|e| e.exporter))
    )?;
    write!(out, "{},{},{},{},", opt(r.src_ip), opt(r.src_port), opt(r.dst_ip), opt(r.dst_port))?;
    match r.proto.map(|number| (number, proto_name(number))) {
        Some((_, Some(name))) => write!(out, "{name},")?,
        Some((number, None)) => write!(out, "{number},")?,
        None => write!(out, ",")?,
    }
    let octets = |count: u64| opt((!r.uncounted.octets).then_some(count));
    let packets = |count: u64| opt((!r.uncounted.packets).then_some(count));
    let (forward, reverse) = (r.forward, r.reverse);
    write!(out, "{},{},", octets(forward.octets), packets(forward.packets))?;
    write!(out, "{},{},", octets(reverse.octets), packets(reverse.packets))?;
    write!(
        out,
        "{},{},{},",
        opt(r.tcp_flags_out),
        opt(r.tcp_flags_in),
        opt(r.end_reason.map(EndReason::as_str))
    )?;
    write!(
        out,
        "{},{},{},",
        opt(r.vlan.map(|vlan| vlan.inner)),
        opt(r.icmp.map(|icmp| icmp.kind)),
        opt(r.icmp.map(|icmp| icmp.code))
    )?;
    write!(
        out,
        "{},{},{},{},",
        opt(r.community_id().as_ref().map(CommunityId::as_str)),
        opt_text(r.service.as_deref()),
        opt_text(r.domain.as_deref()),
        opt(r.direction.map(Direction::as_str))
    )?;
    places(r, out)?;
    let matches = r.verdict.iter().flat_map(|verdict| verdict.matches.iter().map(|m| m.indicator.as_ref()));
    let names = matches.collect::<Vec<_>>().join(" ");
    write!(out, "{},{},", Text(&names), opt(r.risk.map(|risk| risk.score())))?;
    writeln!(out, "{}", r.tags.names().collect::<Vec<_>>().join(" "))
}

/// Writes a record that is at hand as its JSON object: the line that [`write_csv`] writes of the record.
///
/// # Errors
/// What `out` answers.
pub fn write_csv_of_json(record: &Value, out: &mut impl Write) -> io::Result<()> {
    let (mut columns, end) = (CSV_HEADER.trim_end().split(','), "\n");
    let mut first = true;
    columns.try_for_each(|column| {
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        write!(out, "{comma}")?;
        let (object, member) = match column {
            "src_country" => ("src_geo", "country"),
            "dst_country" => ("dst_geo", "country"),
            "src_asn" | "dst_asn" => (column, "asn"),
            "duration" => {
                return write!(out, "{:.6}", record[column].as_f64().unwrap_or_default());
            }
            "ti" => return write!(out, "{}", Text(&joined(&record["ti"]["matches"], Some("indicator")))),
            "tags" => return write!(out, "{}", Text(&joined(&record[column], None))),
            _ => return cell(&record[column], out),
        };
        cell(&record[object][member], out)
    })?;
    out.write_all(end.as_bytes())
}

fn cell(value: &Value, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => write!(out, "{}", Text(text)),
        other => write!(out, "{other}"),
    }
}

/// The texts of a list, or those that its objects have as `member`.
fn joined(list: &Value, member: Option<&str>) -> String {
    let texts = list.as_array().into_iter().flatten();
    let texts = texts.filter_map(|value| member.map_or(value, |member| &value[member]).as_str());
    texts.collect::<Vec<_>>().join(" ")
}

fn places(r: &FlowRecord, out: &mut impl Write) -> io::Result<()> {
    let ends = [r.src_place.as_deref(), r.dst_place.as_deref()];
    for place in ends {
        let country = place.and_then(|place| place.geo.as_ref()?.country.as_deref());
        write!(out, "{},", opt_text(country))?;
    }
    for place in ends {
        write!(out, "{},", opt(place.and_then(|place| Some(place.asn.as_ref()?.asn))))?;
    }
    Ok(())
}

fn seconds(r: &FlowRecord) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "2^52 microseconds are 142 years")]
    let micros = r.end.micros_since(r.start).max(0) as f64;
    micros / 1e6
}

/// A value, or nothing.
struct Opt<T>(Option<T>);

fn opt<T: Display>(value: Option<T>) -> Opt<T> {
    Opt(value)
}

fn opt_text(value: Option<&str>) -> Opt<Text<'_>> {
    Opt(value.map(Text))
}

impl<T: Display> Display for Opt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |value| value.fmt(f))
    }
}

/// A text from outside as a cell: quoted where RFC 4180 asks, and never the start of a spreadsheet formula.
#[must_use]
pub fn csv_text(text: &str) -> impl Display + '_ {
    Text(text)
}

/// Text from outside: quoted where RFC 4180 asks, and never the start of a spreadsheet formula.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let formula = self.0.starts_with(['=', '+', '-', '@', '\t', '\r']);
        if !formula && !self.0.contains(['"', ',', '\n', '\r']) {
            return f.write_str(self.0);
        }
        f.write_str(if formula { "\"'" } else { "\"" })?;
        f.write_str(&self.0.replace('"', "\"\""))?;
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{CSV_HEADER, Text, write_csv, write_csv_of_json};
    use crate::{
        Asn, Counters, Field, FlowRecord, Geo, IndicatorKind, Kind, Match, Place, Reason, Risk, Tag,
        Timestamp, Verdict,
    };

    #[test]
    fn a_line_has_the_columns_of_the_header() {
        let record = FlowRecord { kind: Kind::Other("a,b".into()), ..FlowRecord::default() };
        let mut line = Vec::new();
        write_csv(&record, &mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert!(line.contains("\"a,b\""), "{line}");
        assert_eq!(line.replace("\"a,b\"", "").matches(',').count(), CSV_HEADER.matches(',').count());
    }

    #[test]
    fn a_record_and_its_json_are_the_same_line() {
        let place = |country: &str, asn| {
            let geo = Some(Geo { country: Some(country.into()), ..Geo::default() });
            Some(Arc::new(Place { geo, asn: Some(Asn { asn, org: None }) }))
        };
        let found = |indicator: &str| Match {
            indicator: indicator.into(),
            kind: IndicatorKind::Domain,
            category: "botnet".into(),
            confidence: 90,
            source: "list".into(),
            field: Field::Domain,
        };
        let mut risk = Risk::default();
        risk.add(Reason::Base, 10);
        let mut record = FlowRecord {
            start: Timestamp::from_micros(1_795_240_800_123_456),
            end: Timestamp::from_micros(1_795_240_803_000_001),
            observer: Some("=eth0,\"x\"".into()),
            src_ip: "2001:db8::1".parse().ok(),
            dst_ip: "192.0.2.1".parse().ok(),
            src_port: Some(1),
            dst_port: Some(443),
            proto: Some(6),
            forward: Counters { octets: u64::MAX, packets: 2 },
            tcp_flags_out: Some(0x1b),
            service: Some("tls".into()),
            domain: Some("-a.example".into()),
            src_place: place("DE", 64_500),
            dst_place: place("US", 64_501),
            verdict: Some(Verdict { matches: vec![found("a.example"), found("b,c")] }),
            risk: Some(risk),
            ..FlowRecord::default()
        };
        record.tags.insert(Tag::Ti);
        for record in [record, FlowRecord::default()] {
            let (mut line, mut of_json) = (Vec::new(), Vec::new());
            write_csv(&record, &mut line).unwrap();
            write_csv_of_json(&serde_json::to_value(&record).unwrap(), &mut of_json).unwrap();
            assert_eq!(String::from_utf8(of_json).unwrap(), String::from_utf8(line).unwrap());
        }
    }

    #[test]
    fn text_from_outside_starts_no_formula() {
        assert_eq!(Text("=cmd()").to_string(), "\"'=cmd()\"");
        assert_eq!(Text("say \"x\"").to_string(), "\"say \"\"x\"\"\"");
        assert_eq!(Text("plain").to_string(), "plain");
    }
}
