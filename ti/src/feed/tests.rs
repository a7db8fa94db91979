use std::io::{BufReader, Read};

use weir_flow::{Field, IndicatorKind};

use super::{Feed, MAX_LINE_NOTICES, Report, read};
use crate::builder::Builder;
use crate::error::Unreadable;
use crate::index::{Counts, Index};

fn feed(path: &str) -> Feed<'_> {
    Feed { list: 0, path, csv: path.ends_with(".csv"), allow_private: false }
}

fn load(path: &str, text: &[u8]) -> Result<(Index, Report), Unreadable> {
    let mut builder = Builder::after(&Index::default());
    let report = read(text, feed(path), &mut builder)?;
    Ok((builder.build(vec!["list".into()]), report))
}

fn reasons(report: &Report) -> Vec<(&'static str, u64)> {
    report.bad_reasons().collect()
}

fn texts(report: &Report) -> Vec<String> {
    report.notices.iter().map(ToString::to_string).collect()
}

#[test]
fn the_text_list_of_the_older_systems_is_read() {
    let text = b"\xef\xbb\xbf# threats\r\n\r\n45.149.3.0/24\r\n94.26.0.7/16 # host bits\r\n\
        domain:evil-example.com\r\ndomain:CNC.badco.org.\r\n2a00:db8::1\r\n2400:cb00::/32 ; SBL1\r\n";
    let (index, report) = load("indicators.txt", text).unwrap();
    assert_eq!(index.counts(), [Counts { networks: 3, addresses: 1, domains: 2 }]);
    assert_eq!((report.bad_lines(), report.notices.len()), (0, 0), "{:?}", report.notices);
    let verdict = index.matches(Some([45, 149, 3, 7].into()), None, Some("x.cnc.badco.org"));
    let [ip, name] = verdict.matches.as_slice() else { panic!("{verdict:?}") };
    assert_eq!((&*ip.indicator, ip.kind, ip.field), ("45.149.3.0/24", IndicatorKind::Cidr, Field::SrcIp));
    assert_eq!((&*ip.category, ip.confidence, &*ip.source), ("unknown", 50, "list"));
    assert_eq!(
        (&*name.indicator, name.kind, name.field),
        ("cnc.badco.org", IndicatorKind::Domain, Field::Domain)
    );
}

#[test]
fn a_csv_list_gives_category_and_confidence() {
    let text = b"# header below\nip_or_cidr,category,confidence\n45.155.205.233,C2,85\n\
        91.121.0.0/16 , Malware ,60\n  8.8.8.8,\"Test, quoted\",90\nevil.example.com,,\n\"9.9.9.9\"\n";
    let (index, report) = load("threats.csv", text).unwrap();
    assert_eq!((report.accepted, report.bad_lines()), (5, 0), "{:?}", report.notices);
    let one = |ip: [u8; 4]| {
        let found = index.matches(None, Some(ip.into()), None).matches.remove(0);
        (found.category.to_string(), found.confidence)
    };
    assert_eq!(one([45, 155, 205, 233]), ("C2".into(), 85));
    assert_eq!(one([91, 121, 200, 1]), ("Malware".into(), 60));
    assert_eq!(one([8, 8, 8, 8]), ("Test, quoted".into(), 90));
    assert_eq!(one([9, 9, 9, 9]), ("unknown".into(), 50));
    assert_eq!(index.matches(None, None, Some("evil.example.com")).matches[0].confidence, 50);
}

#[test]
fn columns_are_found_by_name_whatever_the_file_is_called() {
    let text =
        b"Confidence, note, IP_or_CIDR\n7,x,45.1.2.3\n101,x,45.1.2.4\n-1,x,45.1.2.5\n1,\"x,45.1.2.6\n1\n";
    let (index, report) = load("list.txt", text).unwrap();
    assert_eq!(index.matches(Some([45, 1, 2, 3].into()), None, None).matches[0].confidence, 7);
    assert_eq!(reasons(&report), [("not_an_indicator", 1), ("quote", 1), ("confidence", 2)]);
    let long = format!("ip_or_cidr,category\n1.2.3.4,{}\n", "x".repeat(65));
    assert_eq!(reasons(&load("a.csv", long.as_bytes()).unwrap().1), [("category", 1)]);
}

#[test]
fn other_formats_are_refused_as_a_whole_with_their_name() {
    let cases: [(&str, &[u8], &str); 7] = [
        ("a.json", b" {\"x\":1}", "JSON"),
        ("a.json", b"[{\"x\":1}]", "JSON"),
        ("a.txt", b"\xef\xbb\xbf[\n 1]", "gives no indicator"),
        ("a.gz", b"\x1f\x8b\x08\x00", "gzip"),
        ("intel.dat", b"#fields\tindicator\tindicator_type\n1.2.3.4\tIntel::ADDR\n", "Zeek"),
        ("feodo.csv", b"# x\n\"first_seen\",\"dst_ip\"\n\"2024\",\"1.2.3.4\"\n", "ip_or_cidr"),
        ("iprep.csv", b"1.2.3.4,1,50\n", "ip_or_cidr"),
    ];
    for (path, text, named) in cases {
        let said = match load(path, text) {
            Ok((_, report)) => texts(&report).join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(named), "{path}: {said}");
    }
}

#[test]
fn a_bad_line_is_told_with_its_number_and_what_to_do() {
    let (_, report) =
        load("/etc/weir/bad.txt", b"1.2.3.4\n\nhello\n1.2.3.4:443\n\xff\xfe\n0.0.0.0/0\n").unwrap();
    assert_eq!(
        texts(&report),
        [
            "threat list /etc/weir/bad.txt, line 3: \"hello\" is a single label, which would match a whole top-level \
         domain; write domain:NAME if that is meant",
            "threat list /etc/weir/bad.txt, line 4: \"1.2.3.4:443\" has a port; give the address or name alone",
            "threat list /etc/weir/bad.txt, line 5: the line is not UTF-8 text; save the list as UTF-8",
            "threat list /etc/weir/bad.txt, line 6: \"0.0.0.0/0\" covers the whole Internet; remove it",
        ]
    );
    assert_eq!(reasons(&report), [("not_text", 1), ("port", 1), ("single_label", 1), ("too_wide", 1)]);
}

#[test]
fn a_wrong_file_gives_few_notices_and_all_counts() {
    let (_, report) = load("a.txt", "%%% \u{1b}[31m\n%%\n".repeat(500).as_bytes()).unwrap();
    assert_eq!(report.bad_lines(), 1_000);
    assert_eq!(report.notices.len(), MAX_LINE_NOTICES + 2);
    let summary = &report.notices[MAX_LINE_NOTICES].text;
    assert!(summary.contains("1000 lines") && summary.contains("not_text 500"), "{summary}");
    assert!(texts(&report).iter().all(|text| !text.contains('\u{1b}') && text.len() < 300));
}

#[test]
fn local_networks_are_refused_unless_allowed() {
    let text = b"0.0.0.0/8\n10.0.0.0/8\n192.0.2.0/24\n198.51.100.7\n203.0.113.0/25\n64.0.0.0/7\n";
    let (index, report) = load("firehol_level1.netset", text).unwrap();
    assert_eq!((report.local, report.accepted, report.bad_lines()), (2, 4, 0));
    assert!(index.matches(Some([10, 1, 1, 1].into()), None, None).matches.is_empty());
    assert_eq!(report.notices.len(), 2, "{:?}", report.notices);
    assert!(report.notices[0].text.contains("very wide"), "{:?}", report.notices);
    assert_eq!(report.notices[1].line, Some(1));
    assert!(
        report.notices[1].text.contains("\"0.0.0.0/8\" and 1 more")
            && report.notices[1].text.contains("ti.allow_private")
    );

    let mut builder = Builder::after(&Index::default());
    let allowed = Feed { allow_private: true, ..feed("a.txt") };
    assert_eq!(read(&text[..], allowed, &mut builder).unwrap().accepted, 6);
    let index = builder.build(vec!["list".into()]);
    assert_eq!(index.matches(Some([10, 1, 1, 1].into()), None, None).matches.len(), 1);
}

#[test]
fn indicators_over_the_limit_and_bytes_over_the_limit_are_told() {
    let mut builder = Builder::after(&Index::default()).with_limit(2);
    let report = read(&b"1.1.1.1\n2.2.2.2\n3.3.3.3\n4.4.4.4\n"[..], feed("a.txt"), &mut builder).unwrap();
    assert_eq!((report.accepted, report.over_limit), (2, 2));
    assert!(texts(&report)[0].contains("2 indicators are not in use"), "{:?}", report.notices);

    let endless = BufReader::with_capacity(1 << 20, std::io::repeat(b'a').take(1 << 30));
    let mut builder = Builder::after(&Index::default());
    let report = read((&b"1.2.3.4\n"[..]).chain(endless), feed("a.txt"), &mut builder).unwrap();
    assert_eq!(report.accepted, 1);
    assert!(texts(&report)[0].contains("only its first 128 MiB"), "{:?}", report.notices);
}

#[test]
fn a_list_repeats_an_indicator_once_with_its_highest_confidence() {
    let text = b"ip_or_cidr,category,confidence\n45.1.2.3,low,10\n45.1.2.3/32,high,90\n45.1.2.0/24,net,99\nEVIL.com,a,1\nevil.com.,b,2\n";
    let (index, _) = load("a.csv", text).unwrap();
    assert_eq!(index.counts(), [Counts { networks: 1, addresses: 1, domains: 1 }]);
    let found = index.matches(Some([45, 1, 2, 3].into()), None, Some("evil.com")).matches;
    assert_eq!(found.iter().map(|m| &*m.category).collect::<Vec<_>>(), ["high", "b"]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(text in proptest::collection::vec(proptest::num::u8::ANY, 0..400), csv in proptest::bool::ANY) {
        let mut bytes = if csv { b"ip_or_cidr,category,confidence\n".to_vec() } else { Vec::new() };
        bytes.extend(text);
        let _ = load("a.txt", &bytes);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in r#"[0-9a-f.:/,"\[\] #domain\n\r\t;-]{0,200}"#) {
        let _ = load("a.txt", text.as_bytes());
        let _ = load("a.csv", format!("ip_or_cidr,category\n{text}").as_bytes());
    }
}
