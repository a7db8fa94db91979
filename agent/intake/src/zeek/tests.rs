use proptest::prelude::*;
use serde_json::{Value, json};
use weir_flow::{EndReason, FlowRecord, IcmpKind, Kind, Source, Timestamp, Uncounted, Vlan};

use super::{Line, LogReader, looks_like, record};
use crate::{Reason, Rejected, Said, object};

const NOW: Timestamp = Timestamp::from_micros(7);

fn bare_header(path: &str, fields: &str, types: &str) -> String {
    let mark = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n";
    format!("{mark}#path\t{path}\n#fields\t{}\n#types\t{}", tabs(fields), tabs(types))
}

fn tabs(words: &str) -> String {
    words.split(' ').collect::<Vec<_>>().join("\t")
}

/// What the lines of a log are.
fn read(name: Option<&str>, log: impl AsRef<[u8]>) -> Vec<Result<FlowRecord, Rejected>> {
    let mut reader = LogReader::new(name.map(Into::into));
    let lines = log.as_ref().split(|&octet| octet == b'\n');
    lines
        .filter_map(|line| match reader.line(line, NOW) {
            Line::Record(record) => Some(Ok(*record)),
            Line::Bad(rejected) => Some(Err(rejected)),
            Line::Nothing => None,
        })
        .collect()
}

/// The only record of a log.
#[track_caller]
fn one(name: Option<&str>, log: impl AsRef<[u8]>) -> FlowRecord {
    let mut all = read(name, log);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap()
}

fn reasons(log: impl AsRef<[u8]>) -> Vec<Option<Reason>> {
    read(None, log).into_iter().map(|read| read.err().map(|rejected| rejected.reason)).collect()
}

fn extra(record: &FlowRecord) -> Value {
    let entries = record.extra.iter().flat_map(|extra| extra.iter());
    Value::Object(entries.map(|(name, value)| (name.to_owned(), value.clone())).collect())
}

fn ends(record: &FlowRecord) -> String {
    let ip = |ip: Option<std::net::IpAddr>| ip.map_or("-".to_owned(), |ip| ip.to_string());
    let port = |port: Option<u16>| port.map_or("-".to_owned(), |port| port.to_string());
    let (src, dst) = (ip(record.src_ip), ip(record.dst_ip));
    format!("{src} {} {dst} {}", port(record.src_port), port(record.dst_port))
}

#[test]
fn a_connection_is_a_flow_in_every_form_that_logs_have() {
    let fields = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state \
                  orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes ip_proto";
    let types = "time string addr port addr port enum string interval count count string count count count count count";
    let line = "1300475167.096535 C1 10.0.0.1 4000 2001:db8::1 443 tcp ssl 1.5 100 2000 SF 5 300 7 2400 6";
    let tsv = format!("{}\n{}", bare_header("conn", fields, types), tabs(line));
    let rest = r#""proto":"tcp","service":"ssl","duration":1.5,"orig_bytes":100,"resp_bytes":2000,"conn_state":"SF",
        "orig_pkts":5,"orig_ip_bytes":300,"resp_pkts":7,"resp_ip_bytes":2400,"ip_proto":6}"#;
    let rest = rest.replace('\n', "");
    let dotted = format!(
        r#"{{"ts":1300475167.096535,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":4000,"id.resp_h":"2001:db8::1","id.resp_p":443,{rest}"#
    );
    let under =
        dotted.replace("id.", "id_").replace("\"ts\":1300475167.096535", "\"ts\":\"1300475167.096535\"");
    let nested = format!(
        r#"{{"_path":"conn","ts":"2011-03-18T19:06:07.096535Z","uid":"C1","id":{{"orig_h":"10.0.0.1","orig_p":4000,"resp_h":"2001:db8::1","resp_p":443}},{rest}"#
    );
    for log in [tsv, dotted, under, nested] {
        let record = one(None, &log);
        assert_eq!((record.source, &record.kind), (Source::Zeek, &Kind::Flow), "{log}");
        assert_eq!(ends(&record), "10.0.0.1 4000 2001:db8::1 443", "{log}");
        assert_eq!(record.start.micros(), 1_300_475_167_096_535, "{log}");
        assert_eq!(record.end.micros_since(record.start), 1_500_000, "{log}");
        assert_eq!((record.proto, record.service.as_deref()), (Some(6), Some("ssl")), "{log}");
        assert_eq!((record.forward.octets, record.forward.packets), (300, 5), "{log}");
        assert_eq!((record.reverse.octets, record.reverse.packets), (2_400, 7), "{log}");
        assert_eq!(record.uncounted, Uncounted::default(), "{log}");
        assert_eq!(record.end_reason, Some(EndReason::End), "{log}");
        let rest = json!({"uid": "C1", "orig_bytes": 100, "resp_bytes": 2000, "conn_state": "SF"});
        assert_eq!(extra(&record), rest, "{log}");
    }
}

#[test]
fn counters_that_a_log_does_not_have_are_unknown() {
    let json =
        |rest: &str| one(Some("conn"), format!(r#"{{"ts":1,"proto":"udp","orig_bytes":9{rest}}}"#)).uncounted;
    assert_eq!(json(""), Uncounted::ALL);
    assert_eq!(json(r#","orig_pkts":1"#), Uncounted { octets: true, packets: false });
    assert_eq!(json(r#","resp_ip_bytes":1"#), Uncounted { octets: false, packets: true });
}

#[test]
fn icmp_has_a_type_and_a_code_and_no_ports() {
    let icmp = |src: &str, orig: u16, resp: u16| {
        let log = format!(
            r#"{{"ts":1,"id.orig_h":"{src}","id.resp_h":"{src}","id.orig_p":{orig},"id.resp_p":{resp},"proto":"icmp","conn_state":"OTH"}}"#
        );
        let record = one(None, &log);
        assert_eq!((record.src_port, record.dst_port), (None, None), "{log}");
        (record.proto, record.icmp, extra(&record).get("id.orig_p").cloned())
    };
    let kind = |kind, code| Some(IcmpKind { kind, code });
    assert_eq!(icmp("10.0.0.1", 3, 1), (Some(1), kind(3, 1), None));
    assert_eq!(icmp("10.0.0.1", 8, 0), (Some(1), kind(8, 0), None));
    // The responder's port is the type of the answer, and no code.
    assert_eq!(icmp("10.0.0.1", 13, 14), (Some(1), kind(13, 0), None));
    assert_eq!(icmp("2001:db8::1", 128, 129), (Some(58), kind(128, 0), None));
    assert_eq!(icmp("2001:db8::1", 1, 4), (Some(58), kind(1, 4), None));
    assert_eq!(icmp("10.0.0.1", 300, 1), (Some(1), None, Some(json!(300))));
}

#[test]
fn a_protocol_without_a_name_of_zeeks_is_known_by_its_number() {
    let proto = |rest: &str| {
        let log = format!(r#"{{"ts":1,"id.orig_p":0,"id.resp_p":0,"conn_state":"OTH",{rest}}}"#);
        let record = one(None, &log);
        (record.proto, record.src_port, extra(&record))
    };
    let state = json!({"conn_state": "OTH"});
    assert_eq!(proto(r#""proto":"unknown_transport","ip_proto":89"#), (Some(89), None, state.clone()));
    assert_eq!(proto(r#""ip_proto":47"#), (Some(47), None, state.clone()));
    assert_eq!(proto(r#""proto":"tcp","ip_proto":6"#), (Some(6), Some(0), state));
    let kept = json!({"conn_state": "OTH", "ip_proto": 7});
    assert_eq!(proto(r#""proto":"udp","ip_proto":7"#), (Some(17), Some(0), kept));
    let unknown = json!({"conn_state": "OTH", "proto": "unknown_transport"});
    assert_eq!(proto(r#""proto":"unknown_transport""#), (None, None, unknown));
}

#[test]
fn tags_and_ids_of_a_connection_are_kept_where_they_say_more_than_the_record() {
    let conn = |rest: &str| {
        let ends =
            r#""id.orig_h":"128.232.110.120","id.orig_p":34855,"id.resp_h":"66.35.250.204","id.resp_p":80"#;
        one(Some("conn"), format!(r#"{{"ts":1,{ends},"proto":"tcp",{rest}}}"#))
    };
    assert_eq!(conn(r#""vlan":7"#).vlan, Some(Vlan { inner: 7, outer: None }));
    assert_eq!(conn(r#""inner_vlan":9,"vlan":7"#).vlan, Some(Vlan { inner: 9, outer: Some(7) }));
    let zero = conn(r#""vlan":0"#);
    assert_eq!((zero.vlan, extra(&zero)), (None, json!({"vlan": 0})));
    assert_eq!(extra(&conn(r#""community_id":"1:LQU9qZlK+B5F3KDmev6m5PMibrg=""#)), json!({}));
    assert_eq!(extra(&conn(r#""community_id":"1:seeded""#)), json!({"community_id": "1:seeded"}));
    let back = conn(r#""duration":-0.5"#);
    assert_eq!((back.end, extra(&back)), (back.start, json!({"duration": -0.5})), "packets out of order");
}

#[test]
fn queries_hosts_and_server_names_are_domains() {
    let domain = |log: &str, field: &str, said: &str| {
        let record = one(Some(log), json!({"ts": 1, field: said}).to_string());
        assert_eq!(record.uncounted, Uncounted::ALL, "{log}");
        let kept = extra(&record).get(field).is_some();
        (
            record.kind.as_str().to_owned(),
            record.service.map(|s| s.to_string()),
            record.domain.map(|d| d.to_string()),
            kept,
        )
    };
    let is = |kind: &str, service: &str, domain: Option<&str>, kept| {
        (kind.to_owned(), Some(service.to_owned()), domain.map(str::to_owned), kept)
    };
    assert_eq!(domain("dns", "query", "www.example.com"), is("dns", "dns", Some("www.example.com"), false));
    assert_eq!(domain("dns", "query", "WWW.example.com."), is("dns", "dns", Some("www.example.com"), true));
    assert_eq!(domain("ssl", "server_name", "a.example"), is("tls", "ssl", Some("a.example"), false));
    assert_eq!(domain("quic", "server_name", "a.example"), is("quic", "quic", Some("a.example"), false));
    assert_eq!(domain("http", "host", "a.example:8080"), is("http", "http", Some("a.example"), true));
    assert_eq!(domain("http", "host", "192.0.2.1"), is("http", "http", None, true));
}

#[test]
fn names_that_mean_something_else_in_another_log_stay_there() {
    let kerberos =
        one(Some("kerberos"), r#"{"ts":1,"service":"krbtgt/EXAMPLE","duration":1.5,"cipher":"aes256"}"#);
    assert_eq!((kerberos.service.as_deref(), kerberos.end), (None, kerberos.start));
    assert_eq!(extra(&kerberos), json!({"service": "krbtgt/EXAMPLE", "duration": 1.5, "cipher": "aes256"}));
    let ocsp = one(Some("ocsp"), r#"{"ts":1,"id":"F1"}"#);
    assert_eq!(extra(&ocsp), json!({"id": "F1"}));
    let own = one(Some("my_own"), r#"{"ts":1,"proto":"modbus","id.orig_h":"10.0.0.1"}"#);
    assert_eq!((own.kind.as_str(), extra(&own)), ("my_own", json!({"proto": "modbus"})));
}

#[test]
fn ends_are_taken_from_where_a_log_names_them() {
    let files = one(Some("files"), r#"{"ts":1,"tx_hosts":["192.0.2.1"],"rx_hosts":["10.0.0.1"]}"#);
    assert_eq!((ends(&files), extra(&files)), ("192.0.2.1 - 10.0.0.1 -".to_owned(), json!({})));
    let several = one(Some("files"), r#"{"ts":1,"tx_hosts":["192.0.2.1","192.0.2.2"],"rx_hosts":[]}"#);
    assert_eq!(ends(&several), "- - - -");
    assert_eq!(extra(&several), json!({"tx_hosts": ["192.0.2.1", "192.0.2.2"], "rx_hosts": []}));
    let header = bare_header("files", "ts tx_hosts rx_hosts", "time set[addr] set[addr]");
    let tsv = one(None, format!("{header}\n1\t192.0.2.1\t10.0.0.1,10.0.0.2"));
    assert_eq!(ends(&tsv), "192.0.2.1 - - -");
    assert_eq!(extra(&tsv), json!({"rx_hosts": ["10.0.0.1", "10.0.0.2"]}));
    let notice = one(Some("notice"), r#"{"ts":1,"src":"10.0.0.1","dst":"10.0.0.2","p":22,"note":"Scan"}"#);
    assert_eq!(ends(&notice), "10.0.0.1 - 10.0.0.2 22");
    let both = r#"{"ts":1,"src":"10.0.0.9","id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2","dst":"10.0.0.2"}"#;
    let notice = one(Some("notice"), both);
    assert_eq!(
        (ends(&notice), extra(&notice)),
        ("10.0.0.1 - 10.0.0.2 -".to_owned(), json!({"src": "10.0.0.9"}))
    );
    let dhcp =
        one(Some("dhcp"), r#"{"ts":1,"client_addr":"10.0.0.5","server_addr":"10.0.0.1","domain":"x"}"#);
    assert_eq!((ends(&dhcp), extra(&dhcp)), ("10.0.0.5 - 10.0.0.1 -".to_owned(), json!({"domain": "x"})));
}

#[test]
fn a_bad_value_rejects_its_line_alone_and_is_named() {
    let header = bare_header("conn", "ts id.orig_h id.orig_p proto orig_pkts", "time addr port enum count");
    for (line, reason, field) in [
        ("yesterday 10.0.0.1 1 tcp 1", Reason::BadTime, "ts"),
        ("1 10.0.0.256 1 tcp 1", Reason::BadAddress, "id.orig_h"),
        ("1 10.0.0.1 65536 tcp 1", Reason::BadPort, "id.orig_p"),
        ("1 10.0.0.1 1 tpc 1", Reason::BadProtocol, "proto"),
        ("1 10.0.0.1 1 tcp -1", Reason::BadNumber, "orig_pkts"),
        ("1 10.0.0.1 1 tcp", Reason::WrongColumns, ""),
        ("1 10.0.0.1 1 tcp 1 1", Reason::WrongColumns, ""),
    ] {
        let good = tabs("1 10.0.0.1 1 tcp 1");
        let all = read(None, format!("{header}\n{}\n{good}", tabs(line)));
        assert_eq!(all.len(), 2, "{line}");
        assert_eq!(all[0].as_ref().err(), Some(&reason.of(field)), "{line}");
        assert!(all[1].is_ok(), "{line}");
    }
}

#[test]
fn lines_that_are_none_are_skipped_alone() {
    let header = bare_header("x", "s t", "string string");
    let good = b"a\tb".as_slice();
    let octets =
        [b"before\n", header.as_bytes(), b"\n", good, b"\r\n\xff\tb\n\n\0\tb\n\0\0\0\n", good].concat();
    let [before, utf8, columns] = [Reason::NoHeader, Reason::BadUtf8, Reason::WrongColumns].map(Some);
    assert_eq!(reasons(octets), [before, None, utf8, None, columns, None]);
    let json = reasons("{\n[1]\n\"x\"\n{\"ts\":1}\n{\"ts\":1");
    let [invalid, object] = [Reason::InvalidJson, Reason::NotAnObject].map(Some);
    assert_eq!(json, [invalid, object, object, None, invalid]);
}

#[test]
fn marks_and_separators_are_those_of_the_header() {
    let log = "#separator |\n#set_separator|;\n#empty_field|EMPTY\n#unset_field|NONE\n#path|x\n#fields|a|b|c|d|e\n\
               #types|string|set[count]|string|vector[string]|bool\nEMPTY|1;2|NONE|EMPTY|T";
    assert_eq!(extra(&one(None, log)), json!({"a": "", "b": [1, 2], "d": [], "e": true}));
    let odd = "#separator \\xc2\\xa7\\x20\n#path\u{a7} x\n#fields\u{a7} a\u{a7} b\nx y\u{a7} z";
    assert_eq!(extra(&one(None, odd)), json!({"a": "x y", "b": "z"}));
    let octet = b"#separator \\xff\n#fields\xffa\xffb\n1\xff2\n1\xff\xfe\n";
    assert_eq!(reasons(octet), [None, Some(Reason::BadUtf8)]);
    let other = "PREFIX<>separator |\nPREFIX<>path|x\nPREFIX<>fields|a|b\n#1|2";
    assert_eq!(extra(&one(None, other)), json!({"a": "#1", "b": "2"}));
    let (mut begun, mut restored) = (LogReader::default(), LogReader::default());
    other.lines().for_each(|line| drop(begun.line(line.as_bytes(), NOW)));
    restored.restore(&begun.header());
    assert!(matches!(restored.line(b"#1|2", NOW), Line::Record(_)), "{}", begun.header());
    let plain = "#fields\ta\tb\n1\t(empty)\n";
    assert_eq!(extra(&one(Some("x"), plain)), json!({"a": "1", "b": ""}), "Zeek's own marks, and text");
}

#[test]
fn a_header_in_the_middle_of_a_file_holds_from_there() {
    let (first, second) = (bare_header("conn", "ts proto", "time enum"), bare_header("my_own", "n", "count"));
    let log = format!(
        "{first}\n1\ttcp\n#close\t2026\n{second}\n5\n#fields\tm\tn\n1\t2\n#close\n{{\"_path\":\"dns\"}}"
    );
    let records: Vec<_> = read(None, log).into_iter().map(Result::unwrap).collect();
    let kinds: Vec<_> = records.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["flow", "my_own", "my_own", "dns"]);
    assert_eq!(extra(&records[1]), json!({"n": 5}));
    assert_eq!(extra(&records[2]), json!({"m": "1", "n": "2"}), "the types were those of other columns");
}

#[test]
fn a_header_that_cannot_be_used_is_told_and_no_line_is_read_by_it() {
    let bad = Some(Reason::BadHeader);
    let long = format!("#fields\t{}\n1", "name\t".repeat(2_000));
    for (log, reasons_of_it) in [
        (long.as_str(), vec![bad, Some(Reason::NoHeader)]),
        ("#fields\ta\ta\nx\ty", vec![bad, Some(Reason::NoHeader)]),
        ("#fields\ta\tb\n#types\tcount\n1\t2", vec![bad, Some(Reason::NoHeader)]),
        ("#separator \n#fields\ta\n1", vec![bad, None]),
    ] {
        assert_eq!(reasons(log), reasons_of_it, "{:.60}", log);
    }
}

#[test]
fn a_record_is_of_the_log_that_it_names_itself() {
    let mut reader = LogReader::new(Some("all".into()));
    let mut kinds = Vec::new();
    for line in [
        r#"{"_path":"dns","ts":1,"query":"a.example"}"#,
        r#"{"_path":"http","ts":1,"host":"a.example"}"#,
        r#"{"ts":1,"conn_state":"SF"}"#,
        r#"{"ts":1,"note":"x"}"#,
    ] {
        let Line::Record(record) = reader.line(line.as_bytes(), NOW) else { panic!("{line}") };
        kinds.push(record.kind.as_str().to_owned());
        assert!(extra(&record).get("_path").is_none(), "{line}");
    }
    assert_eq!(kinds, ["dns", "http", "flow", "all"]);
}

#[test]
fn a_record_alone_needs_a_time_or_an_originator() {
    let alone = |log: Option<&str>, json: &str| {
        let mut members = Vec::new();
        object::read(json.as_bytes(), &mut members).unwrap();
        (record(log, &members, NOW), looks_like(&members))
    };
    let (missing, zeek) = alone(Some("conn"), r#"{"uid":"C1","proto":"tcp"}"#);
    assert_eq!(missing.unwrap_err(), Reason::MissingFields.of("ts or id.orig_h"));
    assert!(!zeek);
    let (without_time, zeek) =
        alone(None, r#"{"id":{"orig_h":"10.0.0.1","resp_h":"10.0.0.2"},"proto":"tcp"}"#);
    let without_time = without_time.unwrap();
    assert_eq!((without_time.start, &without_time.kind), (NOW, &Kind::Flow));
    assert!(zeek);
    let (time, zeek) = alone(None, r#"{"ts":1795219200,"src_ip":"10.0.0.1","bytes":5}"#);
    assert_eq!(time.unwrap().start.seconds(), 1_795_219_200);
    assert!(!zeek, "a flow of another tool");
    assert!(alone(None, r#"{"ts":1,"uid":"C1","query":"a"}"#).1);
}

/// Text as Zeek writes it into a column.
fn column(text: &str) -> String {
    let mark = matches!(text, "-" | "(empty)");
    let octets = text.bytes().enumerate().map(|(at, octet)| match octet {
        b'\\' => "\\\\".to_owned(),
        b'-' | b'(' if mark && at == 0 => format!("\\x{octet:02x}"),
        b'#' if at == 0 => "\\x23".to_owned(),
        b' '..=b'~' if octet != b',' => char::from(octet).to_string(),
        _ => format!("\\x{octet:02x}"),
    });
    if text.is_empty() { "(empty)".to_owned() } else { octets.collect() }
}

proptest! {
    #[test]
    fn what_is_written_as_tsv_is_read_back(
        texts in proptest::collection::vec(any::<String>(), 3),
        list in proptest::collection::vec(any::<String>(), 0..5),
        (count, int, flag) in any::<(u64, i64, bool)>(),
        micros in -1_000_000_000_000_i64..100_000_000_000_000_000,
        (src, sport) in any::<(std::net::IpAddr, u16)>(),
    ) {
        let header = bare_header(
            "my_own",
            "a b c l n i f ts id.orig_h id.orig_p",
            "string string string vector[string] count int bool time addr port",
        );
        let sign = if micros < 0 { "-" } else { "" };
        let seconds = micros.unsigned_abs() / 1_000_000;
        let fraction = micros.unsigned_abs() % 1_000_000;
        let members: Vec<_> = list.iter().map(|text| column(text)).collect();
        let members = if list.is_empty() { "(empty)".to_owned() } else { members.join(",") };
        let texts_said: Vec<_> = texts.iter().map(|text| column(text)).collect();
        let flag_said = if flag { "T" } else { "F" };
        let line = format!(
            "{}\t{members}\t{count}\t{int}\t{flag_said}\t{sign}{seconds}.{fraction:06}\t{src}\t{sport}",
            texts_said.join("\t")
        );
        let record = one(None, format!("{header}\n{line}"));
        prop_assert_eq!(record.start.micros(), micros);
        prop_assert_eq!(record.src_ip, Some(src.to_canonical()));
        prop_assert_eq!(record.src_port, Some(sport));
        // A list of one empty text is written as an empty list is.
        let list = if list == [""] { Vec::new() } else { list };
        let [a, b, c] = &texts[..] else { unreachable!("three") };
        prop_assert_eq!(
            extra(&record),
            json!({"a": a, "b": b, "c": c, "l": list, "n": count, "i": int, "f": flag})
        );
    }

    #[test]
    fn any_octets_are_records_or_rejections(
        lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20),
        restored in any::<String>(),
    ) {
        let mut reader = LogReader::new(None);
        reader.restore(&restored);
        for line in &lines {
            let _ = reader.line(line, NOW);
            let kept = reader.header();
            prop_assert!(kept.len() <= 48 << 10);
            let mut again = LogReader::new(None);
            again.restore(&kept);
            prop_assert_eq!(again.header(), kept);
        }
    }

    #[test]
    fn any_header_and_any_line_are_records_or_rejections(
        directives in proptest::collection::vec("#(separator |fields|types|path|set_separator|unset_field|empty_field|close)[\\PC\\t]{0,30}", 0..8),
        lines in proptest::collection::vec("[\\PC\\t,\\\\-]{0,60}", 0..8),
    ) {
        let log = [directives, lines].concat().join("\n");
        for record in read(None, log).into_iter().flatten() {
            prop_assert!(serde_json::to_string(&record).is_ok());
        }
    }
}

#[test]
fn texts_of_json_without_a_value_are_nothing() {
    let record = one(Some("conn"), r#"{"ts":1,"id.orig_h":null,"service":"","proto":"tcp","history":""}"#);
    assert_eq!((record.src_ip, record.service.as_deref()), (None, None));
    assert_eq!(extra(&record), json!({"history": ""}));
    assert!(Said::Text("".into()).is_nothing());
}
